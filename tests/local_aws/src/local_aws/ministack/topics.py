"""SNS topics and SQS queues for AWS's own services: only if the policy allows them.

MiniStack checks a topic's policy only with authentication on. That would hide a common
fault: a topic whose policy was replaced for EventBridge and now denies CloudWatch.
"""

from __future__ import annotations

import logging
from typing import Any

from local_aws.backup.world import Scope
from local_aws.ministack import internals

_log = logging.getLogger("sandbox.topics")

_OWNER_SERVICES = frozenset({"cloudwatch.amazonaws.com"})
"""Services that publish as the topic's owner, which the default policy admits."""


def admits(topic_arn: str, service: str, scope: Scope, source_arn: str | None) -> bool:
    """Whether the topic's policy lets `service` publish on behalf of `scope`'s account."""
    topic = internals.sns._topic_by_arn_any_scope(topic_arn)
    if topic is None:
        _log.warning("%s publishes to %s, which does not exist", service, topic_arn)
        return False
    keys = {"aws:sourceaccount": scope.account}
    if source_arn is not None:
        keys["aws:sourcearn"] = source_arn
    if service in _OWNER_SERVICES:
        keys["aws:sourceowner"] = scope.account
    context = internals.iam_evaluator.EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action="sns:Publish",
        resource_arn=topic_arn,
        region=scope.region,
        service_context=keys,
    )
    policy = topic.get("attributes", {}).get("Policy") or ""
    decision = internals.iam_evaluator.evaluate_resource_policy(
        policy, context, service=service
    ).decision
    if decision != "Allow":
        _log.warning("The policy of %s does not let %s publish", topic_arn, service)
    return bool(decision == "Allow")


def queue_admits(queue_arn: str, service: str, source_arn: str) -> bool:
    """Whether the queue's policy lets `service` send to it on behalf of a source here."""
    queue = internals.sqs._queue_by_arn(queue_arn)
    if queue is None:
        _log.warning("%s sends to %s, which does not exist", service, queue_arn)
        return False
    context = internals.iam_evaluator.EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action="sqs:SendMessage",
        resource_arn=queue_arn,
        region=queue_arn.split(":")[3],
        service_context={
            "aws:sourcearn": source_arn,
            "aws:sourceaccount": queue_arn.split(":")[4],
        },
        secure_transport=True,
    )
    policy = queue["attributes"].get("Policy") or ""
    decision = internals.iam_evaluator.evaluate_resource_policy(
        policy, context, service=service
    ).decision
    if decision != "Allow":
        _log.warning("The policy of %s does not let %s send to it", queue_arn, service)
    return bool(decision == "Allow")


def publish(topic_arn: str, subject: str, message: str, attributes: dict[str, Any]) -> None:
    """Send a message to all subscriptions of the topic."""
    internals.sns.publish_internal(topic_arn, message, subject, message_attributes=attributes)
