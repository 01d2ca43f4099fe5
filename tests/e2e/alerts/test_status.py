"""`status` on an environment with alerts: are messages delivered, and does a trail log (S27)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.alerts.conftest import REGIONS, SETTINGS, Watched, confirm, topic
from tests.e2e.alerts.test_monitoring import ATTACKS, SILENCED
from tests.e2e.operator import Operator
from tests.e2e.shell import type_in


@pytest.fixture
def operator(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Operator:
    return Operator(watched.deployment, monkeypatch, capsys)


def finding(operator: Operator, check: str) -> dict[str, str]:
    (found,) = operator.run("status", "--json", "--only", check, **SETTINGS).json["findings"]
    return {key: found[key] for key in ("status", "evidence", "hint")}


def test_all_is_well(operator: Operator) -> None:
    assert finding(operator, "alerts")["status"] == "ok"
    assert finding(operator, "trail") == {
        "status": "ok",
        "evidence": "A trail logs the calls that change something: audit in us-west-1, audit in "
        "us-west-2.",
        "hint": "",
    }


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("name", ["disable-rule", "put-rule", "remove-targets", *SILENCED])
def test_what_silences_a_region_is_a_failure(operator: Operator, name: str, region: str) -> None:
    _, attack = {**ATTACKS, **SILENCED}[name]
    attack(lambda service: operator.sandbox.client(service, region), region)

    found = finding(operator, "alerts")

    assert found["status"] == "fail"
    assert found["hint"].startswith('make deploy ENVIRONMENT=development ARGS="--revert-drift"')


@pytest.mark.parametrize("region", REGIONS)
def test_rules_that_were_off_together_are_reported_a_day_long(
    operator: Operator, watched: Watched, region: str
) -> None:
    """CloudTrail's events arrive when no rule of the region matches them any more."""
    watched.sandbox.settings(trail_event_delay=300)
    events = watched.client("events", region)
    rules = [f"cabal-backup-{name}" for name in ("monitoring", "monitoring-elsewhere", "calls")]
    for rule in rules:
        events.disable_rule(Name=rule)
    watched.sandbox.advance(minutes=10)
    assert watched.inbox.read() == [], "no region reports it"
    for rule in rules:
        events.enable_rule(Name=rule)

    (found,) = operator.run("status", "--json", "--only", "alerts", **SETTINGS).json["findings"]
    watched.sandbox.run_nights(1)
    (message,) = watched.inbox.read()

    assert found["status"] == "warn"
    assert "But rules were off or changed lately" in found["evidence"]
    assert len(found["details"]) == 3
    for each in found["details"]:
        assert each.startswith(f"{region}: DisableRule at 2026-01-02 06:")
        assert each.endswith("by arn:aws:iam::123456789012:root")
    assert message.subject == "[cabal-backup development] protected, with warnings: alerts"
    watched.sandbox.run_nights(1)
    assert finding(operator, "alerts")["status"] == "ok"


def test_a_function_that_is_throttled_to_zero(operator: Operator) -> None:
    operator.sandbox.client("lambda").put_function_concurrency(
        FunctionName="cabal-backup-notify", ReservedConcurrentExecutions=0
    )
    assert finding(operator, "alerts")["status"] == "fail"


def test_a_queue_that_shuts_eventbridge_out(operator: Operator) -> None:
    sqs = operator.sandbox.client("sqs")
    url = sqs.get_queue_url(QueueName="cabal-backup-alerts")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    assert finding(operator, "alerts")["status"] == "fail"


def test_a_dead_letter(operator: Operator) -> None:
    sqs = operator.sandbox.client("sqs", "us-west-2")
    url = sqs.get_queue_url(QueueName="cabal-backup-alerts-dead-letters")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")

    found = finding(operator, "alerts")

    assert found["status"] == "warn"
    assert found["evidence"] == "1 event in us-west-2 could not be reported."


def test_alerts_that_are_off(operator: Operator) -> None:
    said = operator.run("status", "--json", "--only", "alerts,trail", alerts="false")
    assert [each["status"] for each in said.json["findings"]] == ["off", "off"]
    assert said.json["verdict"] == "ok"


def subscribe_anew(operator: Operator) -> None:
    """Nothing but the address of the settings, which has not confirmed yet."""
    for region in REGIONS:
        sns = operator.sandbox.client("sns", region)
        for each in sns.list_subscriptions_by_topic(TopicArn=topic(region))["Subscriptions"]:
            sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])
        sns.subscribe(TopicArn=topic(region), Protocol="email", Endpoint=SETTINGS["alert_emails"])


def test_an_unconfirmed_address_does_not_count_as_subscribed(operator: Operator) -> None:
    mails = len(operator.sandbox.emails())
    subscribe_anew(operator)
    pending = finding(operator, "alerts")
    confirm(operator.sandbox, mails)

    assert pending["status"] == "warn"
    assert "us-west-1 and us-west-2" in pending["evidence"]
    assert pending["hint"].startswith("Follow the link in the mail")
    assert finding(operator, "alerts")["status"] == "ok"


def test_a_trail_that_was_stopped(operator: Operator) -> None:
    operator.sandbox.client("cloudtrail").stop_logging(Name="audit")

    found = finding(operator, "trail")

    assert found["status"] == "warn"
    assert "us-west-1 and us-west-2" in found["evidence"]


def test_a_trail_that_reads_only(operator: Operator) -> None:
    operator.sandbox.client("cloudtrail").put_event_selectors(
        TrailName="audit",
        AdvancedEventSelectors=[
            {
                "Name": "reads",
                "FieldSelectors": [
                    {"Field": "eventCategory", "Equals": ["Management"]},
                    {"Field": "readOnly", "Equals": ["true"]},
                ],
            }
        ],
    )

    assert finding(operator, "trail")["status"] == "warn"


def test_the_hint_makes_a_trail(operator: Operator, tmp_path: Path) -> None:
    """As it stands there, with a name and a bucket filled in."""
    operator.sandbox.client("cloudtrail").delete_trail(Name="audit")
    hint = finding(operator, "trail")["hint"]
    commands = hint.split(": ", 1)[1].replace("NAME", "again").replace("BUCKET", "audit-logs")

    type_in(commands.split("; "), tmp_path, operator.deployment)

    assert finding(operator, "trail")["status"] == "ok"
