"""How the answers of AWS are read, whichever service they are from."""

from __future__ import annotations

from datetime import UTC, datetime

from botocore.utils import parse_timestamp


def in_utc(value: str | float) -> datetime:
    """A time as AWS writes it (seconds since 1970, ISO 8601 or RFC 822), in UTC.

    botocore's own parser returns seconds since 1970 in the zone of this machine.
    """
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except ValueError:
        parsed: datetime = parse_timestamp(value)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
