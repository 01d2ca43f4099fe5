"""When a cron expression of AWS runs next, compared with the local AWS's own reading of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from local_aws.backup.schedule import parse

from cabal_backup.operations.status.schedule import next_run

A_YEAR = timedelta(days=366)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 6 1 * ? *)",
        "cron(0 6 15 1/3 ? *)",
        "cron(30 4/6 * * ? *)",
        "cron(0/20 9-11 ? * MON-FRI *)",
        "cron(5,35 0 ? JAN,JUL 2 *)",
        "cron(0 0 L * ? *)",
        "cron(0 12 LW * ? *)",
        "cron(0 12 1W * ? *)",
        "cron(0 12 15W 2-12/2 ? *)",
        "cron(0 12 31W * ? *)",
        "cron(0 12 ? * L *)",
        "cron(0 12 ? * 6L *)",
        "cron(0 12 ? * FRIL *)",
        "cron(0 12 ? * TUE#3 *)",
        "cron(0 12 ? 6 1#5 2025-2027)",
        "cron(59 23 31 12 ? 2026)",
    ],
)
def test_the_next_runs_are_those_of_the_local_aws(expression: str) -> None:
    moment = at("2026-01-01 12:00")
    for _ in range(30):
        expected = parse(expression).after(moment)
        if expected is not None and expected - moment > A_YEAR:
            expected = None
        assert next_run(expression, moment, within=A_YEAR) == expected
        if expected is None:
            break
        moment = expected


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2026-01-15 05:59", "2026-01-15 06:00"),
        ("2026-01-15 06:00", "2026-04-15 06:00"),
        ("2026-12-31 23:59", "2027-01-15 06:00"),
    ],
)
def test_the_next_run_is_later(after: str, expected: str) -> None:
    assert next_run("cron(0 6 15 1/3 ? *)", at(after), within=A_YEAR) == at(expected)


def test_there_is_none_beyond_the_limit() -> None:
    moment = at("2026-01-02 00:00")
    assert next_run("cron(0 6 1 2 ? *)", moment, within=timedelta(days=29)) is None
    assert next_run("cron(0 6 1 2 ? 2020)", moment, within=A_YEAR) is None


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("rate(1 day)", "six fields"),
        ("cron(0 6 1 *)", "six fields"),
        ("", "six fields"),
        ("cron(0 6 X * ? *)", "'X'"),
    ],
)
def test_what_is_not_a_cron_expression_is_refused(expression: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        next_run(expression, at("2026-01-02 00:00"), within=A_YEAR)
