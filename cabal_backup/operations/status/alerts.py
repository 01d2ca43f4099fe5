"""The way that urgent events take to the operator, as it is deployed: asked of AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from cabal_backup import names
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import aws_time
from cabal_backup.operations.aws.results import Answer, Asking, entries, unless_missing

_JSON = Mapping[str, Any]

RULES = (
    names.RULE_JOBS,
    names.RULE_CHANGES,
    names.RULE_CALLS,
    names.RULE_MONITORING,
    names.RULE_ELSEWHERE,
)

_QUEUES = (names.QUEUE, names.DEAD_LETTERS)


@dataclass(frozen=True, kw_only=True)
class WatchRecord:
    """What the watch keeps from one run to the next."""

    ran: datetime | None
    """When it completed last; None before its first run."""
    since: Mapping[str, datetime]
    """Since when each check has not been ok, by the check's id."""
    written: datetime
    """When the record was written, or created by the deployment."""
    read: datetime | None
    """AWS's time when it was read."""


@dataclass(frozen=True, kw_only=True)
class Channel:
    """What leads from EventBridge to the operator in one region, and the watch there; None for
    what is missing.
    """

    rules: Answer[Mapping[str, _JSON | None]]
    """Each rule as DescribeRule shows it, with the ARNs of its targets as Targets."""
    queues: Answer[Mapping[str, _JSON | None]]
    """The attributes of the queue and of its dead-letter queue."""
    sources: Answer[list[_JSON]]
    """The event source mappings of the queue."""
    functions: Answer[Mapping[str, _JSON | None]]
    """The configurations of the function that reports and of the watch, each with
    ReservedConcurrentExecutions."""
    topic: Answer[_JSON | None]
    """The topic's attributes."""
    subscriptions: Answer[list[_JSON] | None]
    """Those of the topic, each with its filter policy as FilterPolicy; None without a topic."""
    alarm: Answer[_JSON | None]
    """The alarm on the watch; there is one in the primary region only."""
    record: Answer[WatchRecord | None]
    """What the watch wrote when it ran last."""

    @property
    def answers(self) -> tuple[Answer[Any], ...]:
        """All answers about it."""
        return (
            self.rules,
            self.queues,
            self.sources,
            self.functions,
            self.topic,
            self.subscriptions,
        )


def look(aws: Aws) -> Mapping[str, Channel]:
    """Ask AWS, by region; nothing where alerts are off."""
    environment = aws.environment
    regions = (environment.region, environment.dr_region) if environment.alerts else ()
    with Asking() as asking:
        asked = {
            region: {
                what: asking.ask(partial(question, aws, region))
                for what, question in _QUESTIONS.items()
            }
            for region in regions
        }
    return {
        region: Channel(**{what: answer.result() for what, answer in answers.items()})
        for region, answers in asked.items()
    }


def _rules(aws: Aws, region: str) -> dict[str, _JSON | None]:
    events = aws.client("events", region)
    listed = {
        rule["Name"]: rule
        for rule in entries(events.list_rules, "Rules", NamePrefix=f"{names.STACK}-")
    }

    def with_targets(rule: _JSON) -> _JSON:
        targets = entries(events.list_targets_by_rule, "Targets", Rule=rule["Name"])
        return {**rule, "Targets": [target["Arn"] for target in targets]}

    return {
        name: with_targets(listed[name]) if name in listed else None
        for name in (*RULES, names.WATCH)
    }


def _queues(aws: Aws, region: str) -> dict[str, _JSON | None]:
    sqs = aws.client("sqs", region)

    def attributes(name: str) -> _JSON:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        return {str(name): value for name, value in answer["Attributes"].items()}

    missing = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
    return {name: unless_missing(partial(attributes, name), *missing) for name in _QUEUES}


def _sources(aws: Aws, region: str) -> list[_JSON]:
    # Two at most, so that there is one page; Lambda's tokens have another name.
    queue_arn = aws.arn("sqs", names.QUEUE, region=region)
    listed = aws.client("lambda", region).list_event_source_mappings(EventSourceArn=queue_arn)
    return list(listed["EventSourceMappings"])


def _functions(aws: Aws, region: str) -> dict[str, _JSON | None]:
    return {name: _function(aws, region, name) for name in (names.NOTIFY, names.WATCH)}


def _function(aws: Aws, region: str, name: str) -> _JSON | None:
    client = aws.client("lambda", region)

    def question() -> _JSON:
        # Not GetFunction, which hands out the code as well.
        configuration = client.get_function_configuration(FunctionName=name)
        concurrency = client.get_function_concurrency(FunctionName=name)
        return {
            **configuration,
            "ReservedConcurrentExecutions": concurrency.get("ReservedConcurrentExecutions"),
        }

    return unless_missing(question, "ResourceNotFoundException")


def _topic(aws: Aws, region: str) -> _JSON | None:
    arn = aws.topic_arn(region)
    return unless_missing(
        lambda: aws.client("sns", region).get_topic_attributes(TopicArn=arn)["Attributes"],
        "NotFound",
        "NotFoundException",
    )


def _subscriptions(aws: Aws, region: str) -> list[_JSON] | None:
    sns, arn = aws.client("sns", region), aws.topic_arn(region)
    listed = unless_missing(
        lambda: entries(sns.list_subscriptions_by_topic, "Subscriptions", TopicArn=arn),
        "NotFound",
        "NotFoundException",
    )
    if listed is None:
        return None
    return [
        {
            **each,
            "FilterPolicy": sns.get_subscription_attributes(
                SubscriptionArn=each["SubscriptionArn"]
            )["Attributes"].get("FilterPolicy", "")
            if is_confirmed(each)
            else "",
        }
        for each in listed
    ]


def _alarm(aws: Aws, region: str) -> _JSON | None:
    if region != aws.environment.region:
        return None
    alarms = aws.client("cloudwatch", region).describe_alarms(AlarmNames=[names.WATCH])
    found: _JSON | None = next(iter(alarms["MetricAlarms"]), None)
    return found


def _record(aws: Aws, region: str) -> WatchRecord | None:
    return unless_missing(lambda: read_record(aws, region), "ParameterNotFound")


def read_record(aws: Aws, region: str) -> WatchRecord:
    """What the watch in a region wrote; as if it had never run where that cannot be read.

    Raises ClientError and BotoCoreError.
    """
    answer = aws.client("ssm", region).get_parameter(Name=names.WATCH_RECORD)
    try:
        content = json.loads(answer["Parameter"]["Value"])
        ran = datetime.fromisoformat(content["ran"])
        since = {check: datetime.fromisoformat(at) for check, at in content["since"].items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        ran, since = None, {}
    return WatchRecord(
        ran=ran, since=since, written=answer["Parameter"]["LastModifiedDate"], read=aws_time(answer)
    )


_QUESTIONS: Mapping[str, Callable[[Aws, str], Any]] = {
    "rules": _rules,
    "queues": _queues,
    "sources": _sources,
    "functions": _functions,
    "topic": _topic,
    "subscriptions": _subscriptions,
    "alarm": _alarm,
    "record": _record,
}


def is_confirmed(subscription: _JSON) -> bool:
    """Otherwise SNS writes PendingConfirmation or Deleted in place of the ARN."""
    return str(subscription["SubscriptionArn"]).startswith("arn:")
