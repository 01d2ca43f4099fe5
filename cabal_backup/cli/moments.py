"""Moments and days, as people type them."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime


def moment(text: str) -> datetime:
    """`2026-11-20`, `2026-11-20T08:30` or with seconds and an offset; UTC without one.

    A day alone is its first moment. Raises ArgumentTypeError for anything else.
    """
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # in UTC, it is before the year 1 or after 9999
        raise argparse.ArgumentTypeError(
            f"it is a time such as 2026-11-20 or 2026-11-20T08:30 (UTC), not {text!r}"
        ) from None
