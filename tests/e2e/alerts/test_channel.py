"""The channel itself: what cannot be reported, and who gets what is (S27)."""

from __future__ import annotations

import json

import pytest

from tests.e2e.alerts.conftest import REGIONS, SETTINGS, Watched, assert_readable, topic
from tests.e2e.operator import Operator
from tests.e2e.status.aws_by_hand import PRIMARY, unlock

KINDS = [
    # That of the region itself, and that of the other one
    "Monitoring attacked: a rule was disabled, cabal-backup-jobs",
    "Monitoring attacked: a rule was disabled, cabal-backup-jobs",
    "Protection changed: removal of the lock, cabal-backup",
    "Protection changed: the vault was modified, cabal-backup",
    "Backup FAILED: cabal-addresses",
]


@pytest.fixture
def watched(just_deployed: Watched) -> Watched:
    """No address has confirmed yet."""
    just_deployed.inbox.read()
    return just_deployed


@pytest.fixture
def operator(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Operator:
    return Operator(watched.deployment, monkeypatch, capsys)


def test_what_cannot_be_published_becomes_a_dead_letter(watched: Watched) -> None:
    """Nothing is lost: it is tried again, and then kept for two weeks."""
    watched.client("lambda").update_function_configuration(
        FunctionName="cabal-backup-notify",
        Environment={"Variables": {"TOPIC_ARN": "arn:aws:sns:nowhere"}},
    )
    unlock(watched.sandbox, PRIMARY)
    for _ in range(8):
        watched.sandbox.advance(minutes=7)

    sqs = watched.client("sqs")
    url = sqs.get_queue_url(QueueName="cabal-backup-alerts-dead-letters")["QueueUrl"]
    letters = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    calls = [json.loads(each["Body"])["detail"].get("eventName") for each in letters]
    assert "DeleteBackupVaultLockConfiguration" in calls


def test_mail_reaches_an_address_once_it_is_confirmed(watched: Watched) -> None:
    """The subscriptions that the setting makes, one in each region."""
    asked = {mail["topic"]: mail["token"] for mail in watched.sandbox.emails()}
    assert asked.keys() == {topic("us-west-1"), topic("us-west-2")}
    unlock(watched.sandbox, PRIMARY)
    watched.inbox.read()
    before = watched.sandbox.emails()[2:]
    watched.client("sns").confirm_subscription(
        TopicArn=topic("us-west-1"), Token=asked[topic("us-west-1")]
    )
    watched.client("backup").put_backup_vault_lock_configuration(
        BackupVaultName="cabal-backup", MinRetentionDays=30, MaxRetentionDays=365
    )
    watched.inbox.read()

    (mail,) = watched.sandbox.emails()[2:]

    assert before == []
    assert mail["to"] == "operator@example.com"
    assert mail["subject"] == (
        "[cabal-backup development] Protection changed: change of the lock, cabal-backup"
    )
    assert "cabal-backup relock -e development" in mail["body"]


def test_alerts_test_sends_one_message_of_each_kind_from_each_region(
    watched: Watched, operator: Operator
) -> None:
    said = operator.run("alerts", "test", **SETTINGS)
    messages = watched.inbox.read()

    assert said.code == 0
    assert "NOT CONFIRMED: email operator@example.com in us-west-1" in said.text
    assert "NOT CONFIRMED: email operator@example.com in us-west-2" in said.text
    assert [message.region for message in messages] == [PRIMARY_REGION] * 5 + [DR_REGION] * 5
    for region in REGIONS:
        subjects = sorted(message.subject for message in messages if message.region == region)
        assert subjects == sorted(f"[cabal-backup development] TEST {kind}" for kind in KINDS)
    for message in messages:
        assert_readable(message)


def test_alerts_test_can_be_tried_without_sending(watched: Watched, operator: Operator) -> None:
    said = operator.run("alerts", "test", "--dry-run", **SETTINGS)

    assert said.code == 0
    assert "one message of each kind" in said.text
    assert watched.inbox.read() == []


def test_alerts_test_as_json(watched: Watched, operator: Operator) -> None:
    said = operator.run("alerts", "test", "--dry-run", "--json", **SETTINGS)

    shown = said.json
    assert (shown["version"], shown["sent"]) == (1, False)
    assert [each.rpartition(" in ")[2] for each in shown["confirmed"]] == list(REGIONS)
    assert shown["regions"] == list(REGIONS)
    assert shown["pending"] == [f"email operator@example.com in {region}" for region in REGIONS]
    kinds = f"one message of each kind ({', '.join(shown['kinds'])})"
    assert kinds in operator.run("alerts", "test", "--dry-run", **SETTINGS).text
    assert watched.inbox.read() == []


def test_alerts_test_where_alerts_are_off(operator: Operator) -> None:
    said = operator.run("alerts", "test", alerts="false")

    assert said.code == 4
    assert "Alerts are off in development." in said.err


PRIMARY_REGION, DR_REGION = REGIONS
