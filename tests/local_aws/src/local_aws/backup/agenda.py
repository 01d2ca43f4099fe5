"""What will happen, and when: a queue that time works through."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local_aws.backup.world import Scope


@dataclass(order=True, frozen=True)
class Due:
    """One thing that happens at its time. `action` names a function in `core.DUE_ACTIONS`."""

    at: datetime
    order: int
    action: str = field(compare=False)
    scope: Scope = field(compare=False)
    arguments: tuple[Any, ...] = field(compare=False, default=())


@dataclass
class Agenda:
    """Due things, earliest first; among equals, first come first served."""

    _heap: list[Due] = field(default_factory=list)
    _count: int = 0

    def add(self, at: datetime, action: str, scope: Scope, *arguments: Any) -> None:
        self._count += 1
        heapq.heappush(self._heap, Due(at, self._count, action, scope, arguments))

    def take(self, until: datetime) -> Due | None:
        """The next thing due by `until`, taken off the agenda; None when there is none."""
        if self._heap and self._heap[0].at <= until:
            return heapq.heappop(self._heap)
        return None
