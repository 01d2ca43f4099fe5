"""CloudWatch metric alarms, evaluated in the local AWS's time, also for missing data.

MiniStack evaluates an alarm only when a point arrives, over every dimension of the
metric, and never without one: an alarm for "nothing succeeded last night" would
not go off. This follows the CloudWatch User Guide ("Using Amazon CloudWatch alarms",
"Configuring how CloudWatch alarms treat missing data") for alarms on one metric, with
one simplification: exactly `EvaluationPeriods` periods are evaluated, ending now,
where CloudWatch may evaluate earlier ones. Metric math is not evaluated. Actions
reach SNS topics and Lambda functions ("Invoke a Lambda function from an alarm"). An alarm with
a WarmUpConfiguration keeps its first state until the warm-up is over (CloudFormation:
AWS::CloudWatch::Alarm WarmUpConfiguration).
"""

from __future__ import annotations

import bisect
import contextvars
import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from local_aws.backup.world import Scope
from local_aws.ministack import functions, internals
from local_aws.ministack.delivery import Delivery
from local_aws.ministack.sandbox_time import SandboxTime, utc
from local_aws.ministack.scope import acting_in, current
from local_aws.ministack.topics import admits

_log = logging.getLogger("sandbox.alarms")

_BREACHES: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}

_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Sum": sum,
    "Average": lambda values: sum(values) / len(values),
    "Minimum": min,
    "Maximum": max,
    "SampleCount": lambda values: float(len(values)),
}

ALARM_SERVICE = "lambda.alarms.cloudwatch.amazonaws.com"

_ACTIONS = {
    "ALARM": "AlarmActions",
    "OK": "OKActions",
    "INSUFFICIENT_DATA": "InsufficientDataActions",
}

Alarm = dict[str, Any]

_WARM_SINCE, _WARM_UNTIL = "_WarmSince", "_WarmUntil"
"""When an alarm's warm-up began and ends, in seconds."""


class Alarms:
    """Evaluates all alarms of MiniStack, in every account and region."""

    def __init__(self, time: SandboxTime, delivery: Delivery) -> None:
        self._time = time
        self._delivery = delivery

    def install(self) -> None:
        """Evaluate where MiniStack does, and check the topic's policy before publishing."""
        cloudwatch = internals.cloudwatch
        dispatch = cloudwatch._dispatch_alarm_actions

        def dispatch_where_admitted(alarm: Alarm, old: str, new: str, reason: str) -> None:
            dispatch(_with_admitted_actions(alarm), old, new, reason)
            self._call_functions(alarm, old, new, reason)

        put = internals.provisioners._cw_metric_alarm_record

        def with_warm_up(name: str, properties: Mapping[str, Any]) -> Alarm:
            """A change of the duration after the end of the warm-up does not start it again."""
            known = cloudwatch._alarms.get(name)
            alarm: Alarm = put(name, properties)
            minutes = (properties.get("WarmUpConfiguration") or {}).get(
                "WarmUpPeriodDurationInMinutes"
            )
            if minutes is not None:
                begun = (known or {}).get(_WARM_SINCE, self._time.time())
                alarm |= {_WARM_SINCE: begun, _WARM_UNTIL: begun + 60 * float(minutes)}
            return alarm

        internals.provisioners._cw_metric_alarm_record = with_warm_up
        cloudwatch._dispatch_alarm_actions = dispatch_where_admitted
        cloudwatch._evaluate_alarm = lambda alarm: self._evaluate(alarm, utc(self._time.time()))

    def count_error(self, function: str, failed: bool) -> None:
        """One point of AWS/Lambda's Errors: 0 or 1 for each invocation.

        Lambda Developer Guide, "Types of metrics for Lambda functions".
        """
        dimensions = {"FunctionName": function}
        cloudwatch = internals.cloudwatch
        key = ("AWS/Lambda", "Errors", cloudwatch._dims_key(dimensions))
        cloudwatch._metric_bucket(key).append(
            {
                "Timestamp": self._time.time(),
                "Value": float(failed),
                "Unit": "Count",
                "Dimensions": dimensions,
            }
        )

    def exist(self) -> bool:
        return bool(internals.cloudwatch._alarms.has_any())

    def evaluate(self, moment: datetime) -> None:
        """Evaluate every alarm as of `moment`."""
        for (account, region, _), alarm in internals.cloudwatch._alarms.all_items():
            with acting_in(Scope(account, region)):
                self._evaluate(alarm, moment)

    def _evaluate(self, alarm: Alarm, moment: datetime) -> None:
        if not (alarm.get("Namespace") and alarm.get("MetricName")):
            return
        if moment.timestamp() < alarm.get(_WARM_UNTIL, 0.0):
            return
        if alarm.get("Statistic") not in _STATISTICS or alarm.get("ExtendedStatistic"):
            _log.warning("Alarm %s has a statistic that is not evaluated", alarm["AlarmName"])
            return
        state = _state(alarm, _periods(alarm, moment.timestamp()))
        if state is None or state == alarm["StateValue"]:
            return
        self._move(alarm, state, moment)

    def _move(self, alarm: Alarm, state: str, moment: datetime) -> None:
        cloudwatch = internals.cloudwatch
        old = alarm["StateValue"]
        reason = (
            f"{alarm['Statistic']} of {alarm['MetricName']} against {alarm['ComparisonOperator']} "
            f"{alarm['Threshold']} over {alarm['EvaluationPeriods']} period(s) of "
            f"{alarm['Period']} s, missing data treated as {alarm['TreatMissingData']}"
        )
        with self._time.at(moment):
            alarm["StateValue"] = state
            alarm["StateReason"] = reason
            alarm["StateUpdatedTimestamp"] = int(moment.timestamp())
            cloudwatch._record_history(alarm["AlarmName"], old, state, reason)
            cloudwatch._dispatch_alarm_actions(alarm, old, state, reason)
            cloudwatch._evaluate_parent_alarms(alarm)

    def _call_functions(self, alarm: Alarm, old: str, new: str, reason: str) -> None:
        """The Lambda functions among the actions for the new state, asynchronously."""
        if not alarm.get("ActionsEnabled", True):
            return
        event = _alarm_event(alarm, old, new, reason, utc(self._time.time()))
        for action in alarm.get(_ACTIONS[new]) or []:
            if ":lambda:" in action:
                context = contextvars.copy_context()
                self._delivery.run_function(
                    lambda context=context, action=action: context.run(  # type: ignore[misc]
                        functions.invoke,
                        action,
                        event,
                        service=ALARM_SERVICE,
                        source_arn=alarm["AlarmArn"],
                    )
                )


def _alarm_event(alarm: Alarm, old: str, new: str, reason: str, moment: datetime) -> dict[str, Any]:
    """The event that CloudWatch sends to a Lambda function."""
    at = moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    dimensions = {each["Name"]: each["Value"] for each in alarm.get("Dimensions") or []}
    metric = {
        "namespace": alarm["Namespace"],
        "name": alarm["MetricName"],
        "dimensions": dimensions,
    }
    return {
        "source": "aws.cloudwatch",
        "alarmArn": alarm["AlarmArn"],
        "accountId": current().account,
        "time": at,
        "region": current().region,
        "alarmData": {
            "alarmName": alarm["AlarmName"],
            "state": {"value": new, "reason": reason, "timestamp": at},
            "previousState": {"value": old},
            "configuration": {
                "description": alarm.get("AlarmDescription", ""),
                "metrics": [
                    {
                        "id": "m1",
                        "metricStat": {
                            "metric": metric,
                            "period": int(alarm["Period"]),
                            "stat": alarm["Statistic"],
                        },
                        "returnData": True,
                    }
                ],
            },
        },
    }


def _periods(alarm: Alarm, now: float) -> list[float | None]:
    """The statistic of each evaluated period, oldest first; None for a period without a point."""
    points = _points(alarm)
    times = [point["Timestamp"] for point in points]
    length, count = int(alarm["Period"]), int(alarm["EvaluationPeriods"])
    values: list[float | None] = []
    for back in range(count, 0, -1):
        # A period includes its end and excludes its start.
        first = bisect.bisect_right(times, now - back * length)
        last = bisect.bisect_right(times, now - (back - 1) * length)
        found = [float(point["Value"]) for point in points[first:last]]
        values.append(_STATISTICS[alarm["Statistic"]](found) if found else None)
    return values


def _points(alarm: Alarm) -> Sequence[Mapping[str, Any]]:
    """The metric's points in order of time; its dimensions must match exactly."""
    dimensions = {each["Name"]: each["Value"] for each in alarm.get("Dimensions") or []}
    key = (alarm["Namespace"], alarm["MetricName"], internals.cloudwatch._dims_key(dimensions))
    points = internals.cloudwatch._metrics.get(key) or []
    if any(a["Timestamp"] > b["Timestamp"] for a, b in itertools.pairwise(points)):
        points.sort(key=lambda point: point["Timestamp"])
    return list(points)


def _state(alarm: Alarm, periods: Sequence[float | None]) -> str | None:
    """The alarm's state, or None to keep it."""
    breaches = _BREACHES.get(alarm["ComparisonOperator"])
    if breaches is None:
        return None
    treatment = alarm["TreatMissingData"]
    present = [value for value in periods if value is not None]
    if not present and treatment == "missing":
        return "INSUFFICIENT_DATA"
    if not present and treatment == "ignore":
        return None
    breaching = sum(breaches(value, float(alarm["Threshold"])) for value in present)
    if treatment == "breaching":
        breaching += len(periods) - len(present)
    needed = int(alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"])
    if treatment in ("missing", "ignore"):
        needed = min(needed, len(present))
    return "ALARM" if breaching >= needed else "OK"


def _with_admitted_actions(alarm: Alarm) -> Alarm:
    """The alarm without the topics whose policy denies CloudWatch."""

    def admitted(action: str) -> bool:
        return not internals.cloudwatch._is_sns_action_arn(action) or admits(
            action, "cloudwatch.amazonaws.com", current(), source_arn=alarm["AlarmArn"]
        )

    return {
        **alarm,
        **{
            field: [action for action in alarm.get(field) or [] if admitted(action)]
            for field in ("AlarmActions", "OKActions", "InsufficientDataActions")
        },
    }
