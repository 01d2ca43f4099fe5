"""The earlier items of every DynamoDB table: a version number and an undo log.

The version makes an image of an unchanged table free. The undo log is for
point-in-time recovery. Both are in MiniStack's own table record, so
they are deleted with it. MiniStack replaces items and never changes one in place,
so references to old items are enough.
"""

from __future__ import annotations

import itertools
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from local_aws.backup.world import Item
from local_aws.ministack import internals

MAXIMUM_WINDOW_SECONDS = 35 * 86_400
"""The longest recovery period DynamoDB offers (RecoveryPeriodInDays 1-35)."""

_VERSION = "_sandbox_version"
_UNDO = "_sandbox_undo"
_FLOOR = "_sandbox_history_from"

Table = dict[str, Any]
Partitions = dict[str, dict[str, Item]]


class TableHistory:
    """Records MiniStack's three ways of changing a table's items."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # Later than every version of an earlier process, whose checkpoint this one may load.
        self._versions = itertools.count(time.time_ns())

    def install(self) -> None:
        """Install the recorder, once per process."""
        dynamodb = internals.dynamodb
        set_item, remove_item = dynamodb._set_item, dynamodb._remove_item
        items_replaced = dynamodb._items_replaced

        def watched_set(table: Table, partition: str, sort: str, item: Item) -> Item | None:
            previous: Item | None = set_item(table, partition, sort, item)
            self._note(table, partition, sort, previous)
            return previous

        def watched_remove(table: Table, partition: str, sort: str) -> Item | None:
            previous: Item | None = remove_item(table, partition, sort)
            if previous is not None:
                self._note(table, partition, sort, previous)
            return previous

        def watched_replacement(table: Table) -> None:
            items_replaced(table)
            self.forget(table)

        dynamodb._set_item = watched_set
        dynamodb._remove_item = watched_remove
        dynamodb._items_replaced = watched_replacement

    def version(self, table: Table) -> int:
        """Differs if the items may differ; 0 for a table without any write."""
        return int(table.get(_VERSION, 0))

    def forget(self, table: Table) -> None:
        """All items were replaced: start a new history."""
        table[_VERSION] = next(self._versions)
        table[_UNDO] = deque()
        table[_FLOOR] = self._clock()

    def known_from(self, table: Table) -> float:
        """Epoch seconds; earlier items are not known."""
        return float(table[_FLOOR] if _FLOOR in table else table["CreationDateTime"])

    def items_at(self, table: Table, moment: float) -> Partitions:
        """The table's items at `moment` (epoch seconds), in MiniStack's form."""
        items: Partitions = defaultdict(dict)
        for partition, rows in list(table["items"].items()):
            items[partition] = dict(rows)
        for at, partition, sort, previous in reversed(table.get(_UNDO, ())):
            if at <= moment:
                break
            if previous is None:
                items[partition].pop(sort, None)
            else:
                items[partition][sort] = previous
        for partition in [key for key, rows in items.items() if not rows]:
            del items[partition]
        return items

    def _note(self, table: Table, partition: str, sort: str, previous: Item | None) -> None:
        now = self._clock()
        table[_VERSION] = next(self._versions)
        undo = table.setdefault(_UNDO, deque())
        undo.append((now, partition, sort, previous))
        while undo and undo[0][0] < now - MAXIMUM_WINDOW_SECONDS:
            table[_FLOOR] = undo.popleft()[0]
