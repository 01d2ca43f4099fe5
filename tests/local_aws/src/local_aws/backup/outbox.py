"""Reports that wait until the service has released its lock.

A handler that a report invokes can then call AWS Backup at once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from local_aws.backup.world import Scope, World

SUBJECT = "Notification from AWS Backup"


class Outbox:
    """Reports in the order in which they were made."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: deque[Callable[[], None]] = deque()
        self._sending = threading.RLock()

    def event(
        self,
        scope: Scope,
        detail_type: str,
        detail: dict[str, Any],
        resources: Sequence[str],
        at: datetime,
    ) -> None:
        cleaned = _clean(detail)
        self._waiting.append(
            lambda: self._world.reports.event(
                scope, detail_type=detail_type, detail=cleaned, resources=tuple(resources), at=at
            )
        )

    def metric(
        self, scope: Scope, name: str, dimensions: dict[str, str], value: float, at: datetime
    ) -> None:
        self._waiting.append(
            lambda: self._world.reports.metric(
                scope, name=name, dimensions=dimensions, value=value, at=at
            )
        )

    def notify(
        self, scope: Scope, topic_arn: str, message: str, attributes: dict[str, str]
    ) -> None:
        self._waiting.append(
            lambda: self._world.reports.notify(
                scope, topic_arn=topic_arn, subject=SUBJECT, message=message, attributes=attributes
            )
        )

    def deliver(self, *, wait: bool) -> None:
        """Send all waiting reports.

        :param wait: return after they are sent. Otherwise leave it to a thread that is sending
            already. That thread may wait for this one, because what it invoked calls AWS Backup.
        """
        while self._sending.acquire(blocking=wait):
            try:
                while self._waiting:
                    self._waiting.popleft()()
            finally:
                self._sending.release()
            # Another thread may have added a report since the last check.
            if not self._waiting:
                return

    def drop(self) -> None:
        with self._sending:
            self._waiting.clear()


def iso(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _clean(value: Any) -> Any:
    """JSON-ready: dates in AWS's form, absent members left out."""
    if isinstance(value, dict):
        return {name: _clean(item) for name, item in value.items() if item is not None}
    return iso(value) if isinstance(value, datetime) else value
