"""The time, and waiting: handed to whatever needs either."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol

MOST_SKEW = timedelta(seconds=30)
"""How far this machine's clock may be from AWS's. A clock that is synchronised is wrong by less
than a second; AWS itself refuses signatures from about five minutes on.
"""


SERVICES_APART = timedelta(seconds=10)
"""What the clocks of two AWS services may be apart."""


class Clock(Protocol):
    """What tells the time and waits; tests have one of their own."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        time.sleep(seconds)


def aws_time(answer: Mapping[str, object]) -> datetime | None:
    """AWS's time when it answered: the `Date` header, UTC and in whole seconds (rounded down).

    :param answer: what a call of a boto3 client returned, or a ClientError's `response`.

    None when the answer has no `Date` that can be read.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
    """
    metadata = answer.get("ResponseMetadata")
    headers = metadata.get("HTTPHeaders") if isinstance(metadata, Mapping) else None
    try:
        said = parsedate_to_datetime(headers["date"] if headers else "")
    except (KeyError, ValueError):
        return None
    return said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)


def clock_skew(answer: Mapping[str, object], now: datetime) -> timedelta | None:
    """How far this machine's clock is ahead of AWS's; negative where it is behind.

    :param answer: as for `aws_time`.
    :param now: this machine's time when the answer arrived.

    None when the answer does not say AWS's time. The result is up to a second, and the time
    the answer took to arrive, too large.
    """
    said = aws_time(answer)
    return None if said is None else now - said
