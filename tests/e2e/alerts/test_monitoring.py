"""Attacks on the monitoring: reported in their region, and by the other one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.alerts.conftest import REGIONS, Watched, assert_readable, topic

PRIMARY, DR = REGIONS


def clients(watched: Watched, region: str) -> Callable[[str], Any]:
    return lambda service: watched.client(service, region)


def queue_url(client: Callable[[str], Any]) -> str:
    return str(client("sqs").get_queue_url(QueueName="cabal-backup-alerts")["QueueUrl"])


Attack = Callable[[Callable[[str], Any], str], object]

ATTACKS: dict[str, tuple[str, Attack]] = {
    "disable-rule": (
        "a rule was disabled, cabal-backup-jobs",
        lambda client, _: client("events").disable_rule(Name="cabal-backup-jobs"),
    ),
    "put-rule": (
        "a rule was changed, cabal-backup-jobs",
        lambda client, _: client("events").put_rule(
            Name="cabal-backup-jobs", EventPattern='{"source": ["nothing"]}'
        ),
    ),
    "remove-targets": (
        "the target of a rule was removed, cabal-backup-jobs",
        lambda client, _: client("events").remove_targets(Rule="cabal-backup-jobs", Ids=["target"]),
    ),
    "concurrency": (
        "the concurrency of a function was limited, cabal-backup-notify",
        lambda client, _: client("lambda").put_function_concurrency(
            FunctionName="cabal-backup-notify", ReservedConcurrentExecutions=50
        ),
    ),
    "configuration": (
        "a function, or what invokes it, was changed, cabal-backup-notify",
        lambda client, _: client("lambda").update_function_configuration(
            FunctionName="cabal-backup-notify", Description="changed"
        ),
    ),
    "queue": (
        "the queue was changed, cabal-backup-alerts",
        lambda client, _: client("sqs").set_queue_attributes(
            QueueUrl=queue_url(client), Attributes={"VisibilityTimeout": "361"}
        ),
    ),
    "topic": (
        "the topic was changed, cabal-backup-alerts",
        lambda client, region: client("sns").set_topic_attributes(
            TopicArn=topic(region), AttributeName="DisplayName", AttributeValue="changed"
        ),
    ),
    "bus": (
        "the event bus was changed, default",
        lambda client, _: client("events").update_event_bus(Name="default", Description="changed"),
    ),
}
"""Those that leave the region itself able to report."""

SILENCED: dict[str, tuple[str, Attack]] = {
    "delete-topic": (
        "the topic was deleted, cabal-backup-alerts",
        lambda client, region: client("sns").delete_topic(TopicArn=topic(region)),
    ),
    "delete-function": (
        "a function, or what invokes it, was deleted, cabal-backup-notify",
        lambda client, _: client("lambda").delete_function(FunctionName="cabal-backup-notify"),
    ),
    "delete-mapping": (
        "a function, or what invokes it, was deleted",
        lambda client, _: client("lambda").delete_event_source_mapping(
            UUID=client("lambda").list_event_source_mappings()["EventSourceMappings"][0]["UUID"]
        ),
    ),
    "delete-queue": (
        "the queue was deleted, cabal-backup-alerts",
        lambda client, _: client("sqs").delete_queue(QueueUrl=queue_url(client)),
    ),
    "rule-of-attacks": (
        "a rule was disabled, cabal-backup-monitoring",
        lambda client, _: client("events").disable_rule(Name="cabal-backup-monitoring"),
    ),
}
"""Those after which only the other region can report."""


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_reported_once_by_each_region(
    watched: Watched, name: str, region: str
) -> None:
    what, attack = ATTACKS[name]
    attack(clients(watched, region), region)

    messages = watched.inbox.read()

    assert [message.region for message in messages] == [PRIMARY, DR]
    for message in messages:
        assert_readable(message)
        assert message.body.splitlines()[0].startswith(f"Monitoring attacked: {what}")
        assert f"Region:         {region}" in message.body.splitlines()
        assert "Who:            arn:aws:iam::123456789012:root" in message.body.splitlines()


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("name", SILENCED)
def test_a_region_that_was_silenced_is_reported_by_the_other(
    watched: Watched, name: str, region: str
) -> None:
    what, attack = SILENCED[name]
    attack(clients(watched, region), region)

    (message,) = watched.inbox.read()

    assert message.region != region
    assert_readable(message)
    assert message.body.splitlines()[0].startswith(f"Monitoring attacked: {what}")


@pytest.mark.parametrize(
    ("operation", "arguments", "what"),
    [
        ("stop_logging", {"Name": "audit"}, "a trail was stopped, audit"),
        ("delete_trail", {"Name": "audit"}, "a trail was deleted, audit"),
        (
            "update_trail",
            {"Name": "audit", "IsMultiRegionTrail": False},
            "a trail was changed, audit",
        ),
        (
            "put_event_selectors",
            {
                "TrailName": "audit",
                "EventSelectors": [{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True}],
            },
            "what a trail logs was changed, us-west-1",
        ),
    ],
)
def test_an_attack_on_the_trail_is_the_last_that_it_logs(
    watched: Watched, operation: str, arguments: dict[str, Any], what: str
) -> None:
    getattr(watched.client("cloudtrail"), operation)(**arguments)

    messages = watched.inbox.read()

    assert [message.region for message in messages] == [PRIMARY, DR]
    for message in messages:
        assert_readable(message)
        assert message.body.splitlines()[0] == f"Monitoring attacked: {what}"


def test_rules_and_functions_of_others_are_not_reported(watched: Watched) -> None:
    events = watched.client("events")
    events.put_rule(Name="another", EventPattern='{"source": ["aws.ec2"]}')
    events.delete_rule(Name="another")
    topic_arn = watched.client("sns").create_topic(Name="another")["TopicArn"]
    watched.client("sns").delete_topic(TopicArn=topic_arn)

    assert watched.inbox.read() == []
