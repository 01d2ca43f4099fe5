"""How the answers of AWS are read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from cabal_backup.operations.responses import in_utc


@pytest.fixture(params=["America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    "written",
    [
        1793521830.5,
        "1793521830.5",
        "2026-11-01T08:30:30.5Z",
        "2026-11-01T01:30:30.5-07:00",
        "2026-11-01T08:30:30.5",
    ],
)
def test_a_time_is_in_utc_in_every_zone(written: str | float) -> None:
    """Also in the hour that Los Angeles has twice that night."""
    read = in_utc(written)

    assert read == datetime(2026, 11, 1, 8, 30, 30, 500_000, tzinfo=UTC)
    assert read.tzinfo is UTC


@pytest.mark.usefixtures("zone")
def test_a_time_of_http_is_in_utc() -> None:
    assert in_utc("Sun, 01 Nov 2026 08:30:30 GMT") == datetime(2026, 11, 1, 8, 30, 30, tzinfo=UTC)
