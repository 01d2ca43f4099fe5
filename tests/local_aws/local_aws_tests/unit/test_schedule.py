"""AWS's cron expressions, with expected dates that were calculated by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from local_aws.backup.clock import Clock
from local_aws.backup.schedule import BadExpression, parse

SUNDAY = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "occurrences"),
    [
        ("cron(0 0 * * ? *)", ["2026-03-02T00:00", "2026-03-03T00:00"]),
        ("cron(0 5 ? * * *)", ["2026-03-02T05:00", "2026-03-03T05:00"]),
        ("cron(30 12 ? * SUN *)", ["2026-03-01T12:30", "2026-03-08T12:30"]),
        ("cron(0 8 ? * 2-6 *)", ["2026-03-02T08:00", "2026-03-03T08:00"]),
        ("cron(0 8 1 * ? *)", ["2026-04-01T08:00", "2026-05-01T08:00"]),
        ("cron(15 10/6 * * ? *)", ["2026-03-01T16:15", "2026-03-01T22:15", "2026-03-02T10:15"]),
        ("cron(0,30 13-14 * * ? *)", ["2026-03-01T13:00", "2026-03-01T13:30", "2026-03-01T14:00"]),
        ("cron(0 0 L * ? *)", ["2026-03-31T00:00", "2026-04-30T00:00"]),
        ("cron(0 0 LW * ? *)", ["2026-03-31T00:00", "2026-04-30T00:00", "2026-05-29T00:00"]),
        ("cron(0 0 15W * ? *)", ["2026-03-16T00:00", "2026-04-15T00:00", "2026-05-15T00:00"]),
        ("cron(0 0 1W AUG ? *)", ["2026-08-03T00:00"]),
        ("cron(0 0 31W * ? *)", ["2026-03-31T00:00", "2026-05-29T00:00"]),
        ("cron(0 0 ? * FRI#2 *)", ["2026-03-13T00:00", "2026-04-10T00:00"]),
        ("cron(0 0 ? * 6L *)", ["2026-03-27T00:00", "2026-04-24T00:00"]),
        ("cron(0 0 ? * L *)", ["2026-03-07T00:00", "2026-03-14T00:00"]),
        ("cron(0 0 29 FEB ? *)", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("cron(0 0 1 1,7 ? 2027-2028)", ["2027-01-01T00:00", "2027-07-01T00:00"]),
        ("cron(0 0 1 JAN/6 ? *)", ["2026-07-01T00:00", "2027-01-01T00:00"]),
    ],
)
def test_occurrences(expression: str, occurrences: list[str]) -> None:
    schedule, moment = parse(expression), SUNDAY
    for expected in occurrences:
        found = schedule.after(moment)
        assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)
        moment = found


def test_an_expression_in_the_past_has_no_next_occurrence() -> None:
    assert parse("cron(0 0 1 1 ? 2025)").after(SUNDAY) is None


def test_a_time_zone_keeps_its_local_hour_when_clocks_change() -> None:
    schedule = parse("cron(0 0 * * ? *)", "America/Los_Angeles")
    before = schedule.after(datetime(2026, 3, 7, 12, tzinfo=UTC))
    assert before == datetime(2026, 3, 8, 8, tzinfo=UTC)
    assert schedule.after(before) == datetime(2026, 3, 9, 7, tzinfo=UTC)


def test_a_skipped_local_time_does_not_occur() -> None:
    schedule = parse("cron(30 2 * * ? *)", "America/Los_Angeles")
    assert schedule.after(datetime(2026, 3, 8, 6, tzinfo=UTC)) == (
        datetime(2026, 3, 9, 9, 30, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 day)",
        "0 0 * * ? *",
        "cron(0 0 * * *)",
        "cron(0 0 * * * *)",
        "cron(0 0 ? * ? *)",
        "cron(60 0 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 0 32 * ? *)",
        "cron(0 0 ? * 8 *)",
        "cron(0 0 ? * MON#6 *)",
        "cron(0 0 * 13 ? *)",
        "cron(0 5-3 * * ? *)",
        "cron(0 0 ? * * 1969)",
        "cron(x 0 * * ? *)",
        "cron(*/0 0 * * ? *)",
    ],
)
def test_invalid_cron_expressions_are_refused(expression: str) -> None:
    with pytest.raises(BadExpression):
        parse(expression)


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(BadExpression):
        parse("cron(0 0 * * ? *)", "Middle/Earth")


def test_a_clock_stands_still_at_rate_zero_and_moves_only_forward() -> None:
    clock = Clock(SUNDAY, rate=0.0)
    assert clock.now() == SUNDAY
    clock.advance(timedelta(hours=1))
    clock.move_to(SUNDAY)
    assert clock.now() == SUNDAY + timedelta(hours=1)
    with pytest.raises(ValueError, match="forward"):
        clock.advance(timedelta(seconds=-1))
    with pytest.raises(ValueError, match="aware"):
        Clock(datetime(2026, 3, 1))  # noqa: DTZ001 (that is the fault)


def test_a_clock_ticks_at_its_rate() -> None:
    clock = Clock(SUNDAY, rate=3600.0)
    while clock.now() < SUNDAY + timedelta(seconds=36):
        pass
    assert clock.now() < SUNDAY + timedelta(hours=1)
