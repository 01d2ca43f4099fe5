"""The state of an alarm of which points are missing, as the tables in AWS's guide have it.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

import pytest

from local_aws.ministack.alarms import state_of

TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
KEEP, NONE = None, "INSUFFICIENT_DATA"


@pytest.mark.parametrize(
    ("points", "needed", "states"),
    [
        ("0 - X - X", 3, ("OK", "OK", "OK", "OK")),
        ("0 - - - -", 3, ("OK", "OK", "OK", "OK")),
        ("- - - - -", 3, (NONE, KEEP, "ALARM", "OK")),
        ("0 X X - X", 3, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("- - X - -", 3, ("ALARM", KEEP, "ALARM", "OK")),
        ("- - - - X", 3, (KEEP, KEEP, "ALARM", "OK")),
        ("0 - X - X", 2, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("0 0 X 0 X", 2, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("0 - X - -", 2, ("OK", "OK", "ALARM", "OK")),
        ("- - - - 0", 2, ("OK", "OK", "ALARM", "OK")),
        ("- - - X -", 2, ("ALARM", KEEP, "ALARM", "OK")),
    ],
)
def test_the_state_is_that_of_the_table(
    points: str, needed: int, states: tuple[str | None, ...]
) -> None:
    values = [{"0": 0.0, "X": 1.0}.get(point) for point in points.split()]
    alarm = {
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": 1.0,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": needed,
    }
    found = [state_of({**alarm, "TreatMissingData": each}, values) for each in TREATMENTS]
    assert tuple(found) == states
