"""Moments and days, as people type them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(text: str) -> datetime:
    """`2026-11-20`, `2026-11-20T08:30` or with seconds and an offset; UTC without one.

    A day alone is its first moment. Raises ValueError for anything else.
    """
    read = datetime.fromisoformat(text)
    try:
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:  # in UTC, it is before the year 1 or after 9999
        raise ValueError(text) from None
