"""The way that urgent events take to the operator, as it is deployed: asked of AWS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from cabal_backup import names
from cabal_backup.config.environment import Environment
from cabal_backup.operations.answers import Answer, pages, unless_missing
from cabal_backup.operations.aws import Aws

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
class Channel:
    """What leads from EventBridge to the operator in one region; None for what is missing."""

    rules: Answer[Mapping[str, _JSON | None]]
    """Each rule as DescribeRule shows it, with the ARNs of its targets as Targets."""
    queues: Answer[Mapping[str, _JSON | None]]
    """The attributes of the queue and of its dead-letter queue."""
    sources: Answer[list[_JSON]]
    """The event source mappings of the queue."""
    function: Answer[_JSON | None]
    """The configuration of the function that reports, with ReservedConcurrentExecutions."""
    topic: Answer[_JSON | None]
    """The topic's attributes."""
    subscriptions: Answer[list[_JSON] | None]
    """Those of the topic, each with its filter policy as FilterPolicy; None without a topic."""

    @property
    def answers(self) -> tuple[Answer[Any], ...]:
        return (
            self.rules,
            self.queues,
            self.sources,
            self.function,
            self.topic,
            self.subscriptions,
        )


def questions(aws: Aws) -> dict[str, Callable[[], Any]]:
    """What to ask, to be put together with other questions."""
    environment = aws.environment
    asked: dict[str, Callable[[], Any]] = {}
    if not environment.alerts:
        return asked
    for region in (environment.region, environment.dr_region):
        for what, question in (
            ("rules", _rules),
            ("queues", _queues),
            ("sources", _sources),
            ("function", _function),
            ("topic", _topic),
            ("subscriptions", _subscriptions),
        ):
            asked[f"alerts {what} {region}"] = partial(question, aws, region)
    return asked


def read_answers(
    environment: Environment, answers: Mapping[str, Answer[Any]]
) -> dict[str, Channel]:
    """The answers to `questions`, among others, by region; nothing where alerts are off."""
    if not environment.alerts:
        return {}
    return {
        region: Channel(
            **{
                what: answers[f"alerts {what} {region}"]
                for what in ("rules", "queues", "sources", "function", "topic", "subscriptions")
            }
        )
        for region in (environment.region, environment.dr_region)
    }


def topic_arn(environment: Environment, account: str, region: str) -> str:
    return f"arn:{environment.partition}:sns:{region}:{account}:{names.TOPIC}"


def _rules(aws: Aws, region: str) -> dict[str, _JSON | None]:
    events = aws.client("events", region)
    listed = {
        rule["Name"]: rule
        for rule in pages(events, "list_rules", "Rules", NamePrefix=f"{names.STACK}-")
    }

    def with_targets(rule: _JSON) -> _JSON:
        targets = pages(events, "list_targets_by_rule", "Targets", Rule=rule["Name"])
        return {**rule, "Targets": [target["Arn"] for target in targets]}

    return {name: with_targets(listed[name]) if name in listed else None for name in RULES}


def _queues(aws: Aws, region: str) -> dict[str, _JSON | None]:
    sqs = aws.client("sqs", region)

    def attributes(name: str) -> _JSON:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        found: _JSON = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return found

    missing = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
    return {name: unless_missing(partial(attributes, name), *missing) for name in _QUEUES}


def _sources(aws: Aws, region: str) -> list[_JSON]:
    # Two at most, so that there is one page; Lambda's tokens have another name.
    queue_arn = aws.arn("sqs", names.QUEUE, region=region)
    found: list[_JSON] = aws.client("lambda", region).list_event_source_mappings(
        EventSourceArn=queue_arn
    )["EventSourceMappings"]
    return found


def _function(aws: Aws, region: str) -> _JSON | None:
    client = aws.client("lambda", region)

    def question() -> _JSON:
        # Not GetFunction, which hands out the code as well.
        configuration = client.get_function_configuration(FunctionName=names.NOTIFY)
        concurrency = client.get_function_concurrency(FunctionName=names.NOTIFY)
        return {
            **configuration,
            "ReservedConcurrentExecutions": concurrency.get("ReservedConcurrentExecutions"),
        }

    return unless_missing(question, "ResourceNotFoundException")


def _topic(aws: Aws, region: str) -> _JSON | None:
    arn = topic_arn(aws.environment, aws.account, region)
    return unless_missing(
        lambda: aws.client("sns", region).get_topic_attributes(TopicArn=arn)["Attributes"],
        "NotFound",
        "NotFoundException",
    )


def _subscriptions(aws: Aws, region: str) -> list[_JSON] | None:
    sns, arn = aws.client("sns", region), topic_arn(aws.environment, aws.account, region)
    listed = unless_missing(
        lambda: pages(sns, "list_subscriptions_by_topic", "Subscriptions", TopicArn=arn),
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


def is_confirmed(subscription: _JSON) -> bool:
    """Otherwise SNS writes PendingConfirmation or Deleted in place of the ARN."""
    return str(subscription["SubscriptionArn"]).startswith("arn:")
