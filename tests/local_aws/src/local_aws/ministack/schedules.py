"""EventBridge in the local AWS's time: events without a time, and rules with a schedule.

EventBridge User Guide, "Creating a scheduled rule (legacy) in Amazon EventBridge". A rule
runs once in each step of the time, even if it was due more often.
"""

from __future__ import annotations

from collections.abc import Callable

from local_aws.ministack import internals


class Schedules:
    """Runs the rules that are due, when `fire` is called."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def install(self) -> None:
        """Replace MiniStack's clock, and stop its own thread from running rules.

        During a rollback, the thread would note in the restored state that a rule ran at a later
        time. Until then the rule would not run again.
        """
        eventbridge = internals.eventbridge
        self.fire = eventbridge._tick_scheduled_rules
        eventbridge._now_ts = self._now
        eventbridge._tick_scheduled_rules = lambda: None
