"""AWS's cron expressions: six fields, in a time zone.

AWS: eventbridge/latest/userguide/eb-scheduled-rule-pattern.html, which AWS Backup follows.
`cron(minutes hours day-of-month month day-of-week year)`, with `* , - / ? L W #`.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DEFAULT = "cron(0 5 ? * * *)"
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_WEEK = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_DAYS = {name: number for number, name in enumerate(_WEEK, 1)}
_FIRST_YEAR, _LAST_YEAR = 1970, 2199

DayTest = Callable[[date], bool]


class BadExpression(ValueError):
    """The text is not a cron expression that AWS accepts."""


@dataclass(frozen=True)
class Schedule:
    """The times of a cron expression."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    years: frozenset[int]
    is_day: DayTest
    zone: ZoneInfo

    def after(self, instant: datetime) -> datetime | None:
        """The first occurrence after `instant`, in UTC; None if there is none.

        A local time that a change of clocks skips does not occur; one that it
        repeats occurs once.
        """
        for occurrence in self._from(instant.astimezone(self.zone).date()):
            if occurrence > instant:
                return occurrence
        return None

    def _from(self, first: date) -> Iterator[datetime]:
        day = first
        while day.year <= _LAST_YEAR:
            if day.year not in self.years:
                later = [year for year in self.years if year > day.year]
                if not later:
                    return
                day = date(min(later), 1, 1)
            if day.month not in self.months:
                day = _next_month(day)
                continue
            if self.is_day(day):
                yield from self._on(day)
            day += timedelta(days=1)

    def _on(self, day: date) -> Iterator[datetime]:
        for hour in self.hours:
            for minute in self.minutes:
                local = datetime.combine(day, time(hour, minute), self.zone)
                occurrence = local.astimezone(UTC)
                if occurrence.astimezone(self.zone).replace(tzinfo=None) == local.replace(
                    tzinfo=None
                ):
                    yield occurrence


@lru_cache(maxsize=256)
def parse(expression: str, zone: str = "UTC") -> Schedule:
    """Raises BadExpression for anything that AWS refuses, also for an unknown time zone."""
    match = re.fullmatch(r"cron\((.+)\)", expression.strip())
    fields = match.group(1).split() if match else []
    if len(fields) != 6:
        raise BadExpression(f"{expression!r} is not cron(minutes hours day month weekday year)")
    minutes, hours, day_of_month, month, day_of_week, year = (f.upper() for f in fields)
    if (day_of_month == "?") == (day_of_week == "?"):
        raise BadExpression(f"{expression!r}: exactly one of the two day fields must be ?")
    try:
        where = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadExpression(f"unknown time zone {zone!r}") from error
    return Schedule(
        minutes=tuple(sorted(_numbers(minutes, 0, 59))),
        hours=tuple(sorted(_numbers(hours, 0, 23))),
        months=_numbers(month, 1, 12, _MONTHS),
        years=_numbers(year, _FIRST_YEAR, _LAST_YEAR),
        is_day=_weekday_test(day_of_week) if day_of_month == "?" else _day_test(day_of_month),
        zone=where,
    )


def _numbers(text: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        found.update(_part(part, low, high, names or {}))
    return frozenset(found)


def _part(part: str, low: int, high: int, names: dict[str, int]) -> range:
    body, slash, step_text = part.partition("/")
    step = _number(step_text, 1, high, {}) if slash else 1
    if body == "*":
        return range(low, high + 1, step)
    first_text, dash, last_text = body.partition("-")
    first = _number(first_text, low, high, names)
    if dash:
        last = _number(last_text, low, high, names)
        if last < first:
            raise BadExpression(f"the range {body} runs backwards")
        return range(first, last + 1, step)
    return range(first, high + 1, step) if slash else range(first, first + 1)


def _number(text: str, low: int, high: int, names: dict[str, int]) -> int:
    if text in names:
        return names[text]
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise BadExpression(f"{text!r} is not between {low} and {high}")
    return int(text)


def _day_test(text: str) -> DayTest:
    if text == "L":
        return lambda day: day.day == _month_length(day)
    if text == "LW":
        return lambda day: day.day == _nearest_weekday(day, _month_length(day))
    if match := re.fullmatch(r"(\d{1,2})W", text):
        wanted = _number(match.group(1), 1, 31, {})
        return lambda day: wanted <= _month_length(day) and day.day == _nearest_weekday(day, wanted)
    days = _numbers(text, 1, 31)
    return lambda day: day.day in days


def _weekday_test(text: str) -> DayTest:
    if text == "L":
        return lambda day: _aws_weekday(day) == 7
    if match := re.fullmatch(r"([A-Z]{3}|\d)L", text):
        wanted = _number(match.group(1), 1, 7, _DAYS)
        return lambda day: _aws_weekday(day) == wanted and day.day + 7 > _month_length(day)
    if match := re.fullmatch(r"([A-Z]{3}|\d)#(\d)", text):
        wanted = _number(match.group(1), 1, 7, _DAYS)
        week = _number(match.group(2), 1, 5, {})
        return lambda day: _aws_weekday(day) == wanted and (day.day + 6) // 7 == week
    days = _numbers(text, 1, 7, _DAYS)
    return lambda day: _aws_weekday(day) in days


def _aws_weekday(day: date) -> int:
    """Sunday is 1 and Saturday 7."""
    return day.isoweekday() % 7 + 1


def _month_length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _nearest_weekday(day: date, wanted: int) -> int:
    """The day of the month, Monday to Friday, nearest to `wanted` in the same month."""
    weekday = date(day.year, day.month, wanted).isoweekday()
    if weekday == 6:
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == 7:
        return wanted + 1 if wanted < _month_length(day) else wanted - 2
    return wanted


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
