"""The way that urgent events take to the operator, as it is deployed: asked of AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from cabal_backup import names
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import aws_time
from cabal_backup.operations.aws.results import Answer, Asking, entries, unless_missing

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricAlarmTypeDef
    from types_boto3_events.type_defs import RuleTypeDef
    from types_boto3_lambda.type_defs import (
        EventSourceMappingConfigurationTypeDef,
        FunctionConfigurationResponseTypeDef,
    )
    from types_boto3_sns.type_defs import SubscriptionTypeDef

    class DeployedRule(RuleTypeDef):
        """A rule as ListRules shows it."""

        Targets: list[str]
        """The ARNs of its targets."""

    class DeployedFunction(FunctionConfigurationResponseTypeDef):
        """The configuration of a function."""

        ReservedConcurrentExecutions: int | None

    class Subscription(SubscriptionTypeDef):
        """A subscription as ListSubscriptionsByTopic shows it."""

        FilterPolicy: str
        """As JSON; empty without one, and of a subscription that is not confirmed."""


T = TypeVar("T")

RULES = (
    names.RULE_JOBS,
    names.RULE_CHANGES,
    names.RULE_CALLS,
    names.RULE_MONITORING,
    names.RULE_ELSEWHERE,
)


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

    rules: Answer[Mapping[str, DeployedRule | None]]
    queues: Answer[Mapping[str, Mapping[str, str] | None]]
    """The attributes of the queue and of its dead-letter queue."""
    sources: Answer[list[EventSourceMappingConfigurationTypeDef]]
    """The event source mappings of the queue."""
    functions: Answer[Mapping[str, DeployedFunction | None]]
    """The function that reports, and the watch."""
    topic: Answer[Mapping[str, str] | None]
    """The topic's attributes."""
    subscriptions: Answer[list[Subscription] | None]
    """Those of the topic; None without a topic."""
    alarm: Answer[MetricAlarmTypeDef | None]
    """The alarm on the watch; there is one in the primary region only."""
    record: Answer[WatchRecord | None]
    """What the watch wrote when it ran last."""

    @property
    def answers(self) -> tuple[Answer[object], ...]:
        """All answers about it, apart from those about the watch alone."""
        return (
            self.rules,
            self.queues,
            self.sources,
            self.functions,
            self.topic,
            self.subscriptions,
        )


def read_channels(aws: Aws) -> Mapping[str, Channel]:
    """Ask AWS, by region; nothing where alerts are off."""
    environment = aws.environment
    regions = (environment.region, environment.dr_region) if environment.alerts else ()
    with Asking() as asking:
        channels = {region: asking.submit(_channel, aws, region) for region in regions}
    return {region: channel.result() for region, channel in channels.items()}


def _channel(aws: Aws, region: str) -> Channel:
    with Asking() as asking:

        def ask(question: Callable[[Aws, str], T]) -> Future[Answer[T]]:
            return asking.ask(partial(question, aws, region))

        rules, queues, sources = ask(_rules), ask(_queues), ask(_sources)
        functions, topic, subscriptions = ask(_functions), ask(_topic), ask(_subscriptions)
        alarm, record = ask(_alarm), ask(_record)
    return Channel(
        rules=rules.result(),
        queues=queues.result(),
        sources=sources.result(),
        functions=functions.result(),
        topic=topic.result(),
        subscriptions=subscriptions.result(),
        alarm=alarm.result(),
        record=record.result(),
    )


def _rules(aws: Aws, region: str) -> dict[str, DeployedRule | None]:
    events = aws.client("events", region)
    found: dict[str, DeployedRule | None] = dict.fromkeys((*RULES, names.WATCH))
    rules: list[RuleTypeDef] = entries(events.list_rules, "Rules", NamePrefix=f"{names.STACK}-")
    for rule in rules:
        if (name := rule["Name"]) in found:
            targets = entries(events.list_targets_by_rule, "Targets", Rule=name)
            found[name] = {**rule, "Targets": [target["Arn"] for target in targets]}
    return found


def _queues(aws: Aws, region: str) -> dict[str, Mapping[str, str] | None]:
    sqs = aws.client("sqs", region)

    def attributes(name: str) -> Mapping[str, str]:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        return {str(name): value for name, value in answer["Attributes"].items()}

    missing = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
    return {
        name: unless_missing(partial(attributes, name), *missing)
        for name in (names.QUEUE, names.DEAD_LETTERS)
    }


def _sources(aws: Aws, region: str) -> list[EventSourceMappingConfigurationTypeDef]:
    # The first page is enough: any but ours is a fault. Lambda's tokens have another name.
    queue_arn = aws.arn("sqs", names.QUEUE, region=region)
    listed = aws.client("lambda", region).list_event_source_mappings(EventSourceArn=queue_arn)
    return listed["EventSourceMappings"]


def _functions(aws: Aws, region: str) -> dict[str, DeployedFunction | None]:
    client = aws.client("lambda", region)

    def function(name: str) -> DeployedFunction:
        # Not GetFunction, which hands out the code as well.
        configuration = client.get_function_configuration(FunctionName=name)
        concurrency = client.get_function_concurrency(FunctionName=name)
        reserved = concurrency.get("ReservedConcurrentExecutions")
        return {**configuration, "ReservedConcurrentExecutions": reserved}

    return {
        name: unless_missing(partial(function, name), "ResourceNotFoundException")
        for name in (names.NOTIFY, names.WATCH)
    }


_NO_TOPIC = ("NotFound", "NotFoundException")


def _topic(aws: Aws, region: str) -> Mapping[str, str] | None:
    sns, arn = aws.client("sns", region), aws.topic_arn(region)
    return unless_missing(lambda: sns.get_topic_attributes(TopicArn=arn)["Attributes"], *_NO_TOPIC)


def _subscriptions(aws: Aws, region: str) -> list[Subscription] | None:
    sns, arn = aws.client("sns", region), aws.topic_arn(region)

    def filter_policy(subscription: SubscriptionTypeDef) -> str:
        if not is_confirmed(subscription):
            return ""
        answer = sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])
        return answer["Attributes"].get("FilterPolicy", "")

    listed: list[SubscriptionTypeDef] | None = unless_missing(
        lambda: entries(sns.list_subscriptions_by_topic, "Subscriptions", TopicArn=arn),
        *_NO_TOPIC,
    )
    if listed is None:
        return None
    return [{**each, "FilterPolicy": filter_policy(each)} for each in listed]


def _alarm(aws: Aws, region: str) -> MetricAlarmTypeDef | None:
    if region != aws.environment.region:
        return None
    alarms = aws.client("cloudwatch", region).describe_alarms(AlarmNames=[names.WATCH])
    return next(iter(alarms["MetricAlarms"]), None)


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


def is_confirmed(subscription: SubscriptionTypeDef) -> bool:
    """Otherwise SNS writes PendingConfirmation or Deleted in place of the ARN."""
    return subscription["SubscriptionArn"].startswith("arn:")
