"""A limit on write units a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cabal_backup.operations.restore.tables.wire import Stop


class Rate:
    """Lets through at most so many write units a second; safe to share between threads.

    Up to one second's worth may go at once. What is larger than that goes too, and those
    after it wait the longer.
    """

    def __init__(self, units: float | None, *, now: Callable[[], float] = time.monotonic) -> None:
        """
        :param units: write units a second; None for no limit.
        """
        self._units = units
        self._now = now
        self._lock = threading.Lock()
        self._free_at = now() - 1.0
        """When everything let through so far is paid for, in `now`'s seconds."""

    def take(self, units: float, stop: Stop) -> None:
        """Wait until these units may be used; raises Stopped when called off."""
        wait = self.reserve(units)
        if wait > 0:
            stop.sleep(wait)

    def reserve(self, units: float) -> float:
        """Take units, and how many seconds to wait before using them."""
        if self._units is None:
            return 0.0
        with self._lock:
            now = self._now()
            self._free_at = max(self._free_at, now - 1.0) + units / self._units
            return max(0.0, self._free_at - now)
