"""AWS's time, from the `Date` header of an answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cabal_backup.operations.aws.clock import aws_time, clock_skew

SAID = datetime(2026, 2, 6, 23, 59, 58, tzinfo=UTC)


def an_answer(date: str | None) -> dict[str, Any]:
    headers = {} if date is None else {"date": date}
    return {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": headers}}


@pytest.mark.parametrize(
    "date",
    ["Fri, 06 Feb 2026 23:59:58 GMT", "Sat, 07 Feb 2026 05:29:58 +0530"],
)
def test_the_time_is_utc_and_aware(date: str) -> None:
    said = aws_time(an_answer(date))
    assert said == SAID
    assert said is not None
    assert said.tzinfo is UTC


@pytest.mark.parametrize("date", [None, "", "yesterday", "Fri, 31 Feb 2026 23:59:58 GMT"])
def test_without_a_readable_date_the_time_is_unknown(date: str | None) -> None:
    assert aws_time(an_answer(date)) is None
    assert clock_skew(an_answer(date), SAID) is None


def test_an_answer_without_metadata_has_no_time() -> None:
    assert aws_time({}) is None


@pytest.mark.parametrize("minutes", [4, 0, -4])
def test_skew_is_positive_where_this_clock_is_ahead(minutes: int) -> None:
    answer = an_answer("Fri, 06 Feb 2026 23:59:58 GMT")
    now = SAID + timedelta(minutes=minutes)
    assert clock_skew(answer, now) == timedelta(minutes=minutes)
