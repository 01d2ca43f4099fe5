"""The events that are due, in order of time."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local_aws.backup.world import Scope


@dataclass(order=True, frozen=True)
class Due:
    """One event at its time. `action` names a function in `core.DUE_ACTIONS`."""

    at: datetime
    order: int
    action: str = field(compare=False)
    scope: Scope = field(compare=False)
    arguments: tuple[Any, ...] = field(compare=False, default=())


@dataclass
class Agenda:
    """Events, earliest first. Events of the same time keep the order in which they were added."""

    _heap: list[Due] = field(default_factory=list)
    _count: int = 0

    def add(self, at: datetime, action: str, scope: Scope, *arguments: Any) -> None:
        self._count += 1
        heapq.heappush(self._heap, Due(at, self._count, action, scope, arguments))

    def take(self, until: datetime) -> Due | None:
        """Remove and return the next event due by `until`; None if there is none."""
        if self._heap and self._heap[0].at <= until:
            return heapq.heappop(self._heap)
        return None
