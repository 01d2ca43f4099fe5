"""EventBridge in the local AWS's time: events without a time, and rules with a schedule.

EventBridge User Guide, "Creating a scheduled rule (legacy) in Amazon EventBridge". A rule
runs once in each step of the time, even if it was due more often.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from local_aws.ministack import internals


class Schedules:
    """Runs the rules that are due, after each step and while no control moves the time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._one_at_a_time = threading.Lock()

    def install(self) -> None:
        """Replace MiniStack's clock, and the tick of its own thread."""
        eventbridge = internals.eventbridge
        self._fire_due = eventbridge._tick_scheduled_rules
        eventbridge._now_ts = self._now
        eventbridge._tick_scheduled_rules = self.fire

    def fire(self) -> None:
        with self._one_at_a_time:
            self._fire_due()
