"""CloudWatch metric alarms, evaluated in the local AWS's time, also for missing data.

MiniStack evaluates an alarm only when a point arrives, over every dimension of the
metric, and never without one: an alarm for "nothing succeeded last night" would
not go off. This follows the CloudWatch User Guide ("Using Amazon CloudWatch alarms",
"Configuring how CloudWatch alarms treat missing data") for alarms on one metric. Of
metric math, only `FILL(metric, number)` is evaluated. Actions reach SNS topics and Lambda
functions ("Invoke a Lambda function from an alarm"). An alarm with a WarmUpConfiguration
keeps its first state until the warm-up is over (CloudFormation: AWS::CloudWatch::Alarm
WarmUpConfiguration).
"""

from __future__ import annotations

import bisect
import contextvars
import itertools
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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


_OF_ONE_METRIC = ("Namespace", "MetricName", "Statistic", "ExtendedStatistic", "Period", "Unit")
"""Members that an alarm with `Metrics` does not have."""


@dataclass(frozen=True)
class Series:
    """What an alarm evaluates: one metric, and the value of a period without a point."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str
    period: int
    """In seconds."""
    fill: float | None = None


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
            metrics = properties.get("Metrics")
            # MiniStack takes no alarm without a metric of its own.
            own = {"MetricName": "-", "Namespace": "-", "Metrics": None} if metrics else {}
            alarm: Alarm = _with_metrics(put(name, {**properties, **own}), metrics)
            minutes = (properties.get("WarmUpConfiguration") or {}).get(
                "WarmUpPeriodDurationInMinutes"
            )
            if minutes is not None:
                begun = (known or {}).get(_WARM_SINCE, self._time.time())
                alarm |= {_WARM_SINCE: begun, _WARM_UNTIL: begun + 60 * float(minutes)}
            return alarm

        put_alarm = cloudwatch._put_metric_alarm

        def put_with_metrics(form: Any, members: Any, *protocol: bool) -> Any:
            answer = put_alarm(form, members, *protocol)
            if answer[0] == 200 and members and members.get("Metrics"):
                _with_metrics(cloudwatch._alarms[members["AlarmName"]], members["Metrics"])
            return answer

        cloudwatch._put_metric_alarm = put_with_metrics
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
        if not (alarm.get("MetricName") or alarm.get("Metrics")):
            return
        if moment.timestamp() < alarm.get(_WARM_UNTIL, 0.0):
            return
        series = _series(alarm)
        if series is None or series.statistic not in _STATISTICS:
            _log.warning("Alarm %s has metrics that are not evaluated", alarm["AlarmName"])
            return
        state = state_of(alarm, _periods(alarm, series, moment.timestamp()))
        if state is None or state == alarm["StateValue"]:
            return
        self._move(alarm, series, state, moment)

    def _move(self, alarm: Alarm, series: Series, state: str, moment: datetime) -> None:
        cloudwatch = internals.cloudwatch
        old = alarm["StateValue"]
        reason = (
            f"{series.statistic} of {series.name} against {alarm['ComparisonOperator']} "
            f"{alarm['Threshold']} over {alarm['EvaluationPeriods']} period(s) of "
            f"{series.period} s, missing data treated as {alarm['TreatMissingData']}"
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
                "metrics": [_described(each) for each in _queries(alarm)],
            },
        },
    }


def _with_metrics(alarm: Alarm, metrics: Sequence[Mapping[str, Any]] | None) -> Alarm:
    """The alarm on these queries, if there are any, as CloudWatch describes it."""
    if metrics:
        for name in _OF_ONE_METRIC:
            alarm.pop(name, None)
        alarm["Metrics"] = [{"ReturnData": True, **each} for each in metrics]
    return alarm


def _queries(alarm: Alarm) -> Sequence[Mapping[str, Any]]:
    """What the alarm evaluates, as the members of `Metrics`."""
    if alarm.get("Metrics"):
        return list(alarm["Metrics"])
    metric = {name: alarm.get(name) for name in ("Namespace", "MetricName", "Dimensions")}
    stat = {"Metric": metric, "Period": alarm["Period"], "Stat": alarm["Statistic"]}
    return [{"Id": "m1", "MetricStat": stat, "ReturnData": True}]


def _described(query: Mapping[str, Any]) -> dict[str, Any]:
    """One query in the event for a Lambda function."""
    described: dict[str, Any] = {
        name[0].lower() + name[1:]: value for name, value in query.items() if name != "MetricStat"
    }
    if stat := query.get("MetricStat"):
        metric = stat["Metric"]
        described["metricStat"] = {
            "metric": {
                "namespace": metric["Namespace"],
                "name": metric["MetricName"],
                "dimensions": _dimensions(metric),
            },
            "period": int(stat["Period"]),
            "stat": stat["Stat"],
        }
    return described


def _dimensions(metric: Mapping[str, Any]) -> dict[str, str]:
    return {each["Name"]: each["Value"] for each in metric.get("Dimensions") or []}


def _series(alarm: Alarm) -> Series | None:
    """None for what is not evaluated here."""
    queries = {each["Id"]: each for each in _queries(alarm)}
    fill = None
    (answer,) = (each for each in queries.values() if each.get("ReturnData", True))
    if "Expression" in answer:
        found = re.fullmatch(r"FILL\((\w+), *(-?[\d.]+)\)", answer["Expression"])
        if not found or found[1] not in queries:
            return None
        fill, answer = float(found[2]), queries[found[1]]
    stat = answer["MetricStat"]
    metric = stat["Metric"]
    return Series(
        metric["Namespace"],
        metric["MetricName"],
        _dimensions(metric),
        stat["Stat"],
        int(stat["Period"]),
        fill,
    )


def _periods(alarm: Alarm, series: Series, now: float) -> list[float | None]:
    """The statistic of each period in the evaluation range, oldest first.

    None for a period without a point. In AWS's example the range of 3 periods is 5; here it is
    as long in relation. FILL needs at least one point in it.
    """
    points = _points(series)
    times = [point["Timestamp"] for point in points]
    values: list[float | None] = []
    for back in range(math.ceil(int(alarm["EvaluationPeriods"]) * 5 / 3), 0, -1):
        # A period includes its end and excludes its start.
        first = bisect.bisect_right(times, now - back * series.period)
        last = bisect.bisect_right(times, now - (back - 1) * series.period)
        found = [float(point["Value"]) for point in points[first:last]]
        values.append(_STATISTICS[series.statistic](found) if found else None)
    if any(value is not None for value in values):
        return [series.fill if value is None else value for value in values]
    return values


def _points(series: Series) -> Sequence[Mapping[str, Any]]:
    """The metric's points in order of time; its dimensions must match exactly."""
    cloudwatch = internals.cloudwatch
    key = (series.namespace, series.name, cloudwatch._dims_key(series.dimensions))
    points = cloudwatch._metrics.get(key) or []
    if any(a["Timestamp"] > b["Timestamp"] for a, b in itertools.pairwise(points)):
        points.sort(key=lambda point: point["Timestamp"])
    return list(points)


def state_of(alarm: Alarm, values: Sequence[float | None]) -> str | None:
    """The alarm's state by the periods of its evaluation range, oldest first; None to keep it.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """
    breaches = _BREACHES.get(alarm["ComparisonOperator"])
    if breaches is None:
        return None
    treatment, count = alarm["TreatMissingData"], int(alarm["EvaluationPeriods"])
    needed = int(alarm.get("DatapointsToAlarm") or count)
    present = [
        (place, breaches(value, float(alarm["Threshold"])))
        for place, value in enumerate(values)
        if value is not None
    ]
    missing = max(0, count - len(present))
    if not present and treatment in ("missing", "ignore"):
        return "INSUFFICIENT_DATA" if treatment == "missing" else None
    # The newest points that exist count, before any that is missing.
    breaching = sum(each for _, each in present[-count:])
    if treatment == "breaching":
        breaching += missing
    if breaching >= needed:
        return "ALARM"
    if missing and treatment in ("missing", "ignore") and all(each for _, each in present):
        oldest = len(values) - present[0][0]
        return "ALARM" if treatment == "missing" and oldest >= needed else None
    return "OK"


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
