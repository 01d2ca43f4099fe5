"""When an AWS cron expression runs next, in UTC.

Six fields: minutes, hours, day of the month, month, day of the week, year; with `* , - / ? L W #`.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from functools import cache

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def next_run(expression: str, after: datetime, *, within: timedelta) -> datetime | None:
    """The first run later than `after`; None where there is none until `within` after it.

    Raises ValueError for what is not such an expression.
    """
    fields = expression.upper().removeprefix("CRON(").removesuffix(")").split()
    if len(fields) != 6:
        raise ValueError(f"{expression!r} does not have six fields")
    minutes, hours, day_of_month, month, weekday, year = fields
    in_hour = [minute for minute in range(60) if _matches(minutes, minute)]
    times = [
        time(hour, minute) for hour in range(24) if _matches(hours, hour) for minute in in_hour
    ]
    for days in range(within.days + 1):
        day = after.date() + timedelta(days=days)
        if (
            _matches(year, day.year, first=1970)
            and _matches(month, day.month, first=1, words=_MONTHS)
            and _is_day_of_month(day_of_month, day)
            and _is_weekday(weekday, day)
        ):
            runs = (datetime.combine(day, at, after.tzinfo) for at in times)
            if run := next((run for run in runs if run > after), None):
                return run
    return None


@cache
def _matches(field: str, value: int, *, first: int = 0, words: Sequence[str] = ()) -> bool:
    """Whether one of the parts of a field, each with an optional step, covers the value."""

    def number(text: str) -> int:
        return words.index(text) + first if text in words else int(text)

    for part in field.split(","):
        body, slash, step = part.partition("/")
        begin, dash, end = body.partition("-")
        low = first if body in ("*", "?") else number(begin)
        high = number(end) if dash else None if slash or body in ("*", "?") else low
        if (
            low <= value
            and (high is None or value <= high)
            and not (value - low) % int(step or "1")
        ):
            return True
    return False


def _is_day_of_month(field: str, day: date) -> bool:
    last = monthrange(day.year, day.month)[1]
    if field == "L":
        return day.day == last
    if field.endswith("W"):
        wanted = last if field == "LW" else int(field[:-1])
        return wanted <= last and day.day == _nearest_weekday(day.replace(day=wanted), last)
    return _matches(field, day.day, first=1)


def _nearest_weekday(day: date, last: int) -> int:
    """The day of the month, Monday to Friday, that is nearest without leaving the month."""
    if day.isoweekday() == 6:
        return day.day - 1 if day.day > 1 else 3
    if day.isoweekday() == 7:
        return day.day + 1 if day.day < last else day.day - 2
    return day.day


def _is_weekday(field: str, day: date) -> bool:
    """Sunday is 1 and Saturday 7; `6L` is the last Friday of the month, `6#3` the third."""
    weekday = day.isoweekday() % 7 + 1
    if field == "L":
        return weekday == 7
    name, ordinal, nth = field.partition("#")
    is_last = len(field) > 1 and field.endswith("L")
    if not ordinal and not is_last:
        return _matches(field, weekday, first=1, words=_WEEKDAYS)
    in_week = _matches(
        name.removesuffix("L") if is_last else name, weekday, first=1, words=_WEEKDAYS
    )
    if is_last:
        return in_week and day.day + 7 > monthrange(day.year, day.month)[1]
    return in_week and (day.day + 6) // 7 == int(nth)
