"""The `Reports` port: EventBridge, CloudWatch and SNS."""

from __future__ import annotations

import contextvars
import json
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from local_aws.backup.world import Scope
from local_aws.ministack import functions, internals
from local_aws.ministack.delivery import Delivery
from local_aws.ministack.roles import MiniStackRoles
from local_aws.ministack.scope import acting_in, current
from local_aws.ministack.topics import admits, publish, queue_admits

_log = logging.getLogger("sandbox.reports")

_rule_arn: ContextVar[str] = ContextVar("rule_arn", default="")
"""The rule whose target is being reached."""

METRIC_NAMESPACE = "AWS/Backup"
METRIC_RETENTION_SECONDS = 455 * 86_400
"""CloudWatch keeps hourly points for 15 months."""


class MiniStackReports:
    """Sends reports. It is fast without listeners: a year of nights makes thousands of reports."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def install(self) -> None:
        internals.cloudwatch.TWO_WEEKS_SECONDS = METRIC_RETENTION_SECONDS
        internals.eventbridge._dispatch_to_sns = self._event_to_topic
        internals.eventbridge._dispatch_to_lambda = self._event_to_function
        dispatch_to_queue = internals.eventbridge._dispatch_to_sqs

        def event_to_queue(arn: Any, payload: str, parameters: Any = None) -> None:
            if queue_admits(str(arn), "events.amazonaws.com", _rule_arn.get()):
                dispatch_to_queue(arn, payload, parameters)

        internals.eventbridge._dispatch_to_sqs = event_to_queue
        invoke_target = internals.eventbridge._invoke_target

        def invoke_target_of_rule(
            target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None
        ) -> None:
            token = _rule_arn.set(rule["Arn"])
            try:
                if _is_bus_elsewhere(target["Arn"]):
                    self._event_to_bus(target, event)
                else:
                    invoke_target(target, event, rule, view)
            finally:
                _rule_arn.reset(token)

        internals.eventbridge._invoke_target = invoke_target_of_rule

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

    def has_listeners(self) -> bool:
        """Whether there is any rule in any account and region."""
        return bool(internals.eventbridge._rules.has_any())

    def _event_to_topic(self, topic_arn: str, payload: str) -> None:
        """EventBridge to SNS, if the topic's policy allows EventBridge."""
        scope = _scope_of(topic_arn)
        if admits(topic_arn, "events.amazonaws.com", scope, source_arn=None):
            publish(topic_arn, "", payload, {})

    def _event_to_function(self, function_arn: str, payload: str) -> None:
        """EventBridge to Lambda, asynchronously as on AWS."""
        context = contextvars.copy_context()
        source_arn = _rule_arn.get()
        self._delivery.run_function(
            lambda: context.run(
                functions.invoke,
                function_arn,
                json.loads(payload),
                service="events.amazonaws.com",
                source_arn=source_arn,
            )
        )

    def _event_to_bus(self, target: dict[str, Any], event: dict[str, Any]) -> None:
        """EventBridge to a bus of another region, with the target's role.

        EventBridge User Guide, "Sending and receiving Amazon EventBridge events between
        AWS Regions". The event keeps its region.
        """
        bus_arn, role_arn, here = target["Arn"], target.get("RoleArn", ""), current()
        roles = MiniStackRoles()
        denial = roles.denial(here, role_arn, "events:PutEvents", bus_arn)
        if denial or not roles.assumable(here, role_arn, "events.amazonaws.com"):
            _log.warning("%s is not reached as %r: %s", bus_arn, role_arn, denial)
            return
        passed_on = {**event, "EventBusName": bus_arn.rpartition("/")[2]}
        _in(_scope_of(bus_arn), internals.eventbridge._dispatch_event, passed_on)


def _in(scope: Scope, work: Callable[..., Any], *arguments: Any) -> None:
    with acting_in(scope):
        work(*arguments)


def _scope_of(arn: str) -> Scope:
    _, _, _, region, account, _ = arn.split(":", 5)
    return Scope(account=account, region=region)


def _is_bus_elsewhere(arn: str) -> bool:
    """Whether a target is an event bus of the same account in another region."""
    if ":event-bus/" not in arn:
        return False
    scope = _scope_of(arn)
    return scope.account == current().account and scope.region != current().region


def _rules_listen(scope: Scope) -> bool:
    """Whether any rule or archive of this account and region could match an event."""
    eventbridge = internals.eventbridge
    return any(
        rule.get("State") == "ENABLED" and rule.get("EventPattern")
        for rule in eventbridge._rules.values_scoped(scope.account, scope.region)
    ) or bool(eventbridge._archives.values_scoped(scope.account, scope.region))
