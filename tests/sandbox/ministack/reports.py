"""The `Reports` port: EventBridge, CloudWatch and SNS."""

from __future__ import annotations

import contextvars
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.sandbox.backup.world import Scope
from tests.sandbox.ministack import functions, internals
from tests.sandbox.ministack.delivery import Delivery
from tests.sandbox.ministack.scope import acting_in
from tests.sandbox.ministack.topics import admits, publish

METRIC_NAMESPACE = "AWS/Backup"
METRIC_RETENTION_SECONDS = 455 * 86_400
"""CloudWatch keeps hourly points for 15 months."""


class MiniStackReports:
    """Cheap when nobody listens: a year of nights makes thousands of reports."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def install(self) -> None:
        internals.cloudwatch.TWO_WEEKS_SECONDS = METRIC_RETENTION_SECONDS
        internals.eventbridge._dispatch_to_sns = self._event_to_topic
        internals.eventbridge._dispatch_to_lambda = self._event_to_function

    def event(
        self,
        scope: Scope,
        *,
        detail_type: str,
        detail: Mapping[str, Any],
        resources: Sequence[str],
        at: datetime,
        source: str = "aws.backup",
    ) -> None:
        if not _rules_listen(scope):
            return
        record = {
            "EventId": str(uuid.uuid4()),
            "Source": source,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
            "EventBusName": "default",
            "Time": int(at.timestamp()),
            "Resources": list(resources),
            "Account": scope.account,
            "Region": scope.region,
        }
        self._delivery.put(lambda: _in(scope, internals.eventbridge._dispatch_event, record))

    def metric(
        self, scope: Scope, *, name: str, dimensions: Mapping[str, str], value: float, at: datetime
    ) -> None:
        with acting_in(scope):
            key = (METRIC_NAMESPACE, name, internals.cloudwatch._dims_key(dict(dimensions)))
            internals.cloudwatch._metric_bucket(key).append(
                {
                    "Timestamp": at.timestamp(),
                    "Value": float(value),
                    "Unit": "Count",
                    "Dimensions": dict(dimensions),
                }
            )

    def notify(
        self,
        scope: Scope,
        *,
        topic_arn: str,
        subject: str,
        message: str,
        attributes: Mapping[str, str],
    ) -> None:
        typed = {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        }

        def send() -> None:
            if admits(topic_arn, "backup.amazonaws.com", scope, source_arn=None):
                publish(topic_arn, subject, message, typed)

        self._delivery.put(lambda: _in(scope, send))

    def anybody_listens(self) -> bool:
        """Whether there is any rule in any account and region."""
        return bool(internals.eventbridge._rules.has_any())

    def _event_to_topic(self, topic_arn: str, payload: str) -> None:
        """EventBridge to SNS, which needs the topic's policy to name EventBridge."""
        scope = _scope_of(topic_arn)
        if admits(topic_arn, "events.amazonaws.com", scope, source_arn=None):
            publish(topic_arn, "", payload, {})

    def _event_to_function(self, function_arn: str, payload: str) -> None:
        """EventBridge to Lambda, asynchronously, as AWS does it."""
        context = contextvars.copy_context()
        self._delivery.run_function(
            lambda: context.run(functions.invoke, function_arn, json.loads(payload))
        )


def _in(scope: Scope, work: Callable[..., Any], *arguments: Any) -> None:
    with acting_in(scope):
        work(*arguments)


def _scope_of(arn: str) -> Scope:
    _, _, _, region, account, _ = arn.split(":", 5)
    return Scope(account=account, region=region)


def _rules_listen(scope: Scope) -> bool:
    """Whether any rule or archive of this account and region could match an event."""
    eventbridge = internals.eventbridge
    return any(
        rule.get("State") == "ENABLED" and rule.get("EventPattern")
        for rule in eventbridge._rules.values_scoped(scope.account, scope.region)
    ) or bool(eventbridge._archives.values_scoped(scope.account, scope.region))
