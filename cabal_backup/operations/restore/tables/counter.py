"""The counter of OS uids, which never goes backwards unless the operator asks for it.

A uid that was handed out after the backup was taken belongs to a user's mail. Were
the counter put back, the next user would get it as well. Only the way back from a cutover
that raised the counter wrongly lowers it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from cabal_backup.names import COUNTER_ATTRIBUTE
from cabal_backup.operations.restore.tables.items import Item, identity, key_of, readable, same
from cabal_backup.operations.restore.tables.table_items import Table, get_all, put_if_still
from cabal_backup.operations.restore.tables.transport import CancelToken, DynamoDBError, Transport

_TRIES = 50


@dataclass(frozen=True, kw_only=True)
class Lowering:
    """A counter that is set to the lower value of the backup, as the plan shows it."""

    key: Item
    backup: Item
    live: Item
    """As it was when the plan was made; anything else is not lowered."""

    @property
    def line(self) -> str:
        """For the plan."""
        to = self.backup.get(COUNTER_ATTRIBUTE, {}).get("N", "nothing")
        return (
            f"{COUNTER_ATTRIBUTE} of {readable(self.key)} is LOWERED from "
            f"{self.live[COUNTER_ATTRIBUTE]['N']} to {to}"
        )


def is_lower(backup: Item, live: Item) -> bool:
    """Whether the backup's counter is lower than the live one."""
    return highest(backup, live) is not backup


def lower(transport: Transport, table: Table, lowering: Lowering, stop: CancelToken) -> bool:
    """Write the backup's item unless the counter has changed since the plan was made; whether it
    is there now.
    """
    if put_if_still(transport, table, lowering.backup, lowering.live, stop):
        return True
    # The condition fails as well after an earlier try whose answer was lost.
    found = get_all(transport, table, [lowering.key], stop)
    return any(same(there, lowering.backup) for there in found.values())


def highest(backup: Item, live: Item | None) -> Item:
    """The backup's item, with the higher of the two counters."""
    ours, theirs = _value(backup), _value(live or {})
    if live is None or theirs is None or (ours is not None and ours >= theirs):
        return backup
    return {**backup, COUNTER_ATTRIBUTE: live[COUNTER_ATTRIBUTE]}


def put(transport: Transport, table: Table, item: Item, stop: CancelToken) -> None:
    """Write an item of the counter table without lowering the counter.

    The item is written only if the counter has not changed since it was read; otherwise it is
    read again.
    """
    key = key_of(item, table.key_names)
    for failed in range(1, _TRIES + 1):
        found = get_all(transport, table, [key], stop)
        live = found.get(identity(key, table.key_names))
        if put_if_still(transport, table, highest(item, live), live, stop):
            return
        transport.retries.wait(failed, stop)
    raise DynamoDBError(
        "PutItem",
        "ConditionalCheckFailedException",
        f"The counter changed {_TRIES} times while it was being written.",
        {},
    )


def _value(item: Item) -> Decimal | None:
    attribute = item.get(COUNTER_ATTRIBUTE, {})
    return Decimal(attribute["N"]) if "N" in attribute else None
