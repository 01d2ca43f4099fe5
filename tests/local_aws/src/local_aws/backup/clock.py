"""The time of the local AWS."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class Clock:
    """A clock that ticks `rate` sandbox seconds per real second and can be moved.

    `now() = start + rate × (real time since the start) + everything advanced`.
    With `rate=0.0` it stands still between moves. Threads may share it.
    """

    def __init__(self, start: datetime | None = None, rate: float = 1.0) -> None:
        if start is not None and start.tzinfo is None:
            raise ValueError(f"the clock starts at an aware datetime, not at {start!r}")
        self._base = (start or datetime.now(UTC)).astimezone(UTC)
        self._rate = rate
        self._anchor = time.monotonic()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The time, in UTC, in milliseconds as in AWS Backup's dates."""
        with self._lock:
            instant = self._base + timedelta(seconds=self._elapsed())
        return instant.replace(microsecond=instant.microsecond // 1000 * 1000)

    def advance(self, by: timedelta) -> None:
        """Move forward; ValueError for a negative duration."""
        if by < timedelta(0):
            raise ValueError(f"time only moves forward, not by {by}")
        with self._lock:
            self._base += by

    def move_to(self, instant: datetime) -> None:
        """Move forward to `instant`; does nothing if it is in the past."""
        with self._lock:
            behind = instant - (self._base + timedelta(seconds=self._elapsed()))
            self._base += max(behind, timedelta(0))

    def set(self, instant: datetime) -> None:
        """Set the clock to `instant`, also backwards: only for a rollback to a checkpoint."""
        with self._lock:
            self._base = instant.astimezone(UTC)
            self._anchor = time.monotonic()

    def _elapsed(self) -> float:
        return self._rate * (time.monotonic() - self._anchor)
