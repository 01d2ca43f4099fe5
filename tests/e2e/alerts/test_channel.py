"""The channel itself: what the function cannot handle, and who gets what it says (S27)."""

from __future__ import annotations

import json

from tests.e2e.alerts.conftest import Watched, topic
from tests.e2e.status.aws_by_hand import PRIMARY, unlock


def test_what_the_function_crashes_on_arrives_as_it_is(watched: Watched) -> None:
    """Lambda itself delivers it: unreadable is better than untold."""
    functions = watched.client("lambda")
    (notify,) = (
        each["FunctionName"]
        for each in functions.list_functions()["Functions"]
        if each["Handler"] == "notify.handler"
    )
    functions.update_function_configuration(
        FunctionName=notify, Environment={"Variables": {"TOPIC_ARN": "arn:aws:sns:nowhere"}}
    )
    unlock(watched.sandbox, PRIMARY)

    (message,) = watched.inbox.read()

    event = json.loads(message.body)
    assert event["detail-type"] == "AWS API Call via CloudTrail"
    assert event["detail"]["eventName"] == "DeleteBackupVaultLockConfiguration"


def test_an_event_nobody_has_words_for_is_told_member_by_member(watched: Watched) -> None:
    functions = watched.client("lambda")
    (notify,) = (
        each["FunctionName"]
        for each in functions.list_functions()["Functions"]
        if each["Handler"] == "notify.handler"
    )
    functions.invoke(
        FunctionName=notify, Payload=json.dumps({"detail-type": "Test", "from": "an operator"})
    )

    message = watched.inbox.only()

    assert message.subject == "[cabal-backup development] Event: Test"
    assert "from:           an operator" in message.body.splitlines()


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
