"""EventBridge at the sandbox's time: what is put without a time, and rules with a schedule.

EventBridge User Guide, "Creating a scheduled rule (legacy) in Amazon EventBridge". A rule
fires once a step of the sandbox's time, however often it was due in it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from local_aws.ministack import internals


class Schedules:
    """Fires what is due, after each step and while nobody moves the time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._one_at_a_time = threading.Lock()

    def install(self) -> None:
        """Take the place of MiniStack's clock there, and of the tick of its own thread."""
        eventbridge = internals.eventbridge
        self._fire_due = eventbridge._tick_scheduled_rules
        eventbridge._now_ts = self._now
        eventbridge._tick_scheduled_rules = self.fire

    def fire(self) -> None:
        with self._one_at_a_time:
            self._fire_due()
