"""The way of urgent events to the operator: ok only when every part of it can deliver."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from cabal_backup.operations.aws.results import Known
from cabal_backup.operations.status import read_state
from cabal_backup.operations.status.findings import Finding
from tests.builders import an_environment
from tests.unit.operations.status.builders import (
    DENIED,
    a_channel,
    a_region,
    a_state,
    a_subscription,
    an_event,
    at,
    finding,
)

PENDING = a_subscription(SubscriptionArn="PendingConfirmation", Endpoint="second@example.com")
DELETED = a_subscription(SubscriptionArn="Deleted")


def seen(settings: Any = None, /, **changes: Any) -> Finding:
    """What the check says when the primary region has these changes."""
    channels = {"us-west-1": a_channel(**changes), "us-west-2": a_channel("us-west-2")}
    return finding("alerts", a_state(settings or {}, channels=channels))


def subscribed(*listed: Any, **settings: Any) -> Finding:
    return seen(settings, subscriptions=Known(list(listed)))


def changed(what: str, name: str, **members: Any) -> dict[str, Any]:
    """One rule, queue or function with changed members; without any it is missing."""
    there: Known[Any] = getattr(a_channel(), what)
    one = {**there.value[name], **members} if members else None
    return {what: Known({**there.value, name: one})}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Statement": list(statements)})


DENY = {"Effect": "Deny", "Principal": "*", "Action": "*"}

FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a rule is missing": (
        changed("rules", "cabal-backup-calls"),
        "us-west-1: the rule cabal-backup-calls is missing",
    ),
    "a rule is disabled": (
        changed("rules", "cabal-backup-jobs", State="DISABLED"),
        "us-west-1: the rule cabal-backup-jobs is DISABLED",
    ),
    "a rule matches something else": (
        changed("rules", "cabal-backup-changes", EventPattern='{"source": ["nothing"]}'),
        "us-west-1: the event pattern of the rule cabal-backup-changes is not as deployed",
    ),
    "a rule has no target": (
        changed("rules", "cabal-backup-monitoring", Targets=[]),
        "us-west-1: the rule cabal-backup-monitoring does not have the target "
        "arn:aws:sqs:us-west-1:123456789012:cabal-backup-alerts",
    ),
    "the other region hears nothing": (
        changed("rules", "cabal-backup-monitoring-elsewhere", Targets=["arn:aws:sqs:x"]),
        "us-west-1: the rule cabal-backup-monitoring-elsewhere does not have the target "
        "arn:aws:events:us-west-2:123456789012:event-bus/default",
    ),
    "the queue is missing": (
        changed("queues", "cabal-backup-alerts"),
        "us-west-1: the queue cabal-backup-alerts is missing",
    ),
    "the dead-letter queue is missing": (
        changed("queues", "cabal-backup-alerts-dead-letters"),
        "us-west-1: the queue cabal-backup-alerts-dead-letters is missing",
    ),
    "no dead letters": (
        changed("queues", "cabal-backup-alerts", RedrivePolicy=""),
        "us-west-1: the queue cabal-backup-alerts has no dead-letter queue",
    ),
    "the queue shuts EventBridge out": (
        changed("queues", "cabal-backup-alerts", Policy=policy()),
        "us-west-1: the policy of the queue cabal-backup-alerts does not let EventBridge send to "
        "it",
    ),
    "the queue denies": (
        changed(
            "queues",
            "cabal-backup-alerts",
            Policy=policy(
                {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}}, DENY
            ),
        ),
        "us-west-1: the policy of the queue cabal-backup-alerts has a Deny that is not ours",
    ),
    "nothing reads the queue": (
        {"sources": Known([])},
        "us-west-1: no enabled event source mapping connects the queue to cabal-backup-notify",
    ),
    "the mapping is disabled": (
        {"sources": Known([{"State": "Disabled", "FunctionArn": "a:cabal-backup-notify"}])},
        "us-west-1: no enabled event source mapping connects the queue to cabal-backup-notify",
    ),
    "another function reads the queue": (
        {
            "sources": Known(
                [
                    {"State": "Enabled", "FunctionArn": f"a:{name}"}
                    for name in ("cabal-backup-notify", "another")
                ]
            )
        },
        "us-west-1: events of the queue go to a:another as well",
    ),
    "the function is missing": (
        changed("functions", "cabal-backup-notify"),
        "us-west-1: the function cabal-backup-notify is missing",
    ),
    "the function failed": (
        changed("functions", "cabal-backup-notify", State="Failed"),
        "us-west-1: the function cabal-backup-notify is Failed",
    ),
    "the last update failed": (
        changed("functions", "cabal-backup-notify", LastUpdateStatus="Failed"),
        "us-west-1: the last update of the function cabal-backup-notify failed",
    ),
    "the function is throttled": (
        changed("functions", "cabal-backup-notify", ReservedConcurrentExecutions=0),
        "us-west-1: the function cabal-backup-notify is throttled to zero",
    ),
    "the topic is missing": (
        {"topic": Known(None), "subscriptions": Known(None)},
        "us-west-1: the topic cabal-backup-alerts is missing",
    ),
    "the topic denies": (
        {"topic": Known({"Owner": "123456789012", "Policy": policy(DENY)})},
        "us-west-1: the policy of the topic cabal-backup-alerts has a Deny that is not ours",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_part_that_cannot_deliver_is_a_failure(fault: str) -> None:
    changes, detail = FAULTS[fault]
    found = seen(**changes)
    assert found.status == "fail"
    assert found.details == (detail,)
    assert found.evidence == "Urgent events are not reported: 1 fault in their delivery."
    assert found.hint == (
        'make deploy ENVIRONMENT=prod ARGS="--revert-drift"; then cabal-backup alerts test -e prod'
    )


def test_everything_is_there() -> None:
    found = subscribed(a_subscription(), a_subscription(Protocol="https"))
    assert found.status == "ok"
    assert found.evidence == (
        "Urgent events are reported: 2 subscriptions in us-west-1, 1 subscription in us-west-2."
    )


def test_without_tampering_one_rule_is_enough() -> None:
    rules: Any = a_channel().rules
    only = {**dict.fromkeys(rules.value), "cabal-backup-jobs": rules.value["cabal-backup-jobs"]}
    channels = {
        "us-west-1": a_channel(rules=Known(only)),
        "us-west-2": a_channel("us-west-2"),
    }
    state = a_state({"alert_on_tampering": False}, channels=channels)
    assert finding("alerts", state).status == "ok"


def test_dead_letters_are_events_that_no_one_got() -> None:
    found = seen(
        **changed(
            "queues",
            "cabal-backup-alerts-dead-letters",
            ApproximateNumberOfMessages="2",
            ApproximateNumberOfMessagesNotVisible="1",
        )
    )
    assert found.status == "warn"
    assert found.evidence == "3 events in us-west-1 could not be reported."
    assert "aws sqs receive-message" in found.hint


@pytest.mark.parametrize("listed", [[], [DELETED], [PENDING]])
def test_no_subscription_is_confirmed(listed: list[Any]) -> None:
    found = subscribed(*listed)
    assert found.status == "warn"
    assert "No subscription to cabal-backup-alerts is confirmed in us-west-1" in found.evidence


def test_what_to_type_when_there_is_none() -> None:
    assert subscribed().hint == (
        "aws sns subscribe --region us-west-1 --topic-arn="
        "arn:aws:sns:us-west-1:123456789012:cabal-backup-alerts --protocol email "
        "--notification-endpoint ADDRESS, and follow the link in the mail; or set alert_emails "
        "and deploy."
    )


def test_one_who_has_not_confirmed_is_a_warning() -> None:
    found = subscribed(a_subscription(), PENDING)
    assert found.status == "warn"
    assert found.details == ("second@example.com in us-west-1 has not confirmed",)


def test_an_address_of_the_settings_that_is_not_subscribed() -> None:
    found = subscribed(a_subscription(), alert_emails=["third@example.com"])
    assert found.status == "warn"
    assert found.details == (
        "third@example.com in us-west-1 is not subscribed",
        "third@example.com in us-west-2 is not subscribed",
    )


def test_a_filter_policy_keeps_messages_away() -> None:
    found = subscribed(a_subscription(FilterPolicy='{"kind": ["none"]}'))
    assert found.status == "warn"
    assert found.details == (
        "operator@example.com in us-west-1 has a filter policy, which keeps messages from it",
    )


@pytest.mark.parametrize(
    "part", ["rules", "queues", "sources", "functions", "topic", "subscriptions"]
)
def test_what_cannot_be_looked_at_is_unknown(part: str) -> None:
    assert seen(**{part: DENIED}).status == "unknown"


def test_a_fault_that_is_known_weighs_more_than_what_is_not() -> None:
    assert seen(rules=DENIED, topic=Known(None)).status == "fail"


def test_alerts_that_are_off_are_off() -> None:
    state = a_state({"alerts": False}, channels={}, trails={})
    found = finding("alerts", state)
    assert found.status == "off"
    assert found.evidence == "Alerts are off in the settings: nothing urgent is reported."


def test_a_rule_that_was_changed_is_a_warning() -> None:
    event = an_event(at("2026-03-31 05:05"))
    found = finding("alerts", dr=a_region("dr", rule_changes=Known([event])))
    assert found.status == "warn"
    assert "But rules were off or changed lately" in found.evidence
    (change,) = found.details
    assert change.startswith(f"us-west-2: {event['EventName']} at 2026-03-31 05:05 UTC by arn:aws:")
    assert finding("alerts", dr=a_region("dr", rule_changes=DENIED)).status == "unknown"


@pytest.mark.parametrize(
    ("call", "by", "state", "kept"),
    [
        ("PutRule", "cloudformation.amazonaws.com", "ENABLED", False),
        ("PutTargets", "cloudformation.amazonaws.com", "", False),
        ("PutRule", "cloudformation.amazonaws.com", "DISABLED", True),
        ("DeleteRule", "cloudformation.amazonaws.com", "", True),
        ("PutRule", "192.0.2.10", "ENABLED", True),
        ("DisableRule", "192.0.2.10", "", True),
    ],
)
def test_what_every_deployment_does_to_the_rules_is_left_out(
    call: str, by: str, state: str, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = json.dumps({"sourceIPAddress": by, "requestParameters": {"state": state}})

    def events(_aws: object, _region: str, name: str, *_: object, **_since: object) -> list[Any]:
        return [{"EventName": name, "CloudTrailEvent": record}] if name == call else []

    monkeypatch.setattr(read_state, "_events", events)
    aws: Any = SimpleNamespace(environment=an_environment(alerts=True))
    found = read_state._rule_changes(aws, "us-west-1", at("2026-03-30 17:05"))
    assert [each["EventName"] for each in found] == ([call] if kept else [])
