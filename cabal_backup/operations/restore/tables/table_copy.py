"""The copy engine: every item of one table into another, fast and byte for byte.

Segments of a scan are read side by side, workers write what was read, and a bounded
buffer lies in between. Each write may be repeated without harm, so a copy that was
killed is simply done again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cabal_backup import names
from cabal_backup.operations.aws.client import worded
from cabal_backup.operations.aws.jobs import Progress, Report
from cabal_backup.operations.restore.tables import counter
from cabal_backup.operations.restore.tables.counter import Lowering
from cabal_backup.operations.restore.tables.items import (
    KeySpool,
    encode,
    fingerprint,
    identity,
    key_of,
    write_units,
)
from cabal_backup.operations.restore.tables.key_patterns import ALL_ITEMS, KeyPatterns
from cabal_backup.operations.restore.tables.pipeline import Chunk, Counter, Source, Work, run
from cabal_backup.operations.restore.tables.table_items import (
    READ_ITEMS,
    Cut,
    Table,
    delete_if_still,
    for_checked_writing,
    for_reading,
    for_writing,
    get_all,
    put_all,
    put_if_absent,
    scan,
)
from cabal_backup.operations.restore.tables.transport import CancelToken, Rate, Transport

WORKERS = 16
"""Requests that write at the same time. One takes some 10 ms inside the region and 50 to
100 ms from afar."""


class Mode(StrEnum):
    """What a cutover makes of the live table."""

    OVERWRITE = "overwrite"
    """Everything in the backup is written; what only the live table has stays."""
    MISSING_ONLY = "missing-only"
    """What the live table lacks is written; nothing that is there changes."""
    MIRROR = "mirror"
    """As OVERWRITE, and what the backup does not have is deleted."""


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What a copy did."""

    written: int
    kept: int
    """Items that were left as they are in the target."""


@dataclass(frozen=True, kw_only=True)
class Deleted:
    """What a deletion of items did."""

    deleted: int
    kept: int
    """Items that had changed since they were looked at."""


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """How items are written, and what takes the progress."""

    transport: Transport
    rate: Rate
    stop: CancelToken
    report: Report


@dataclass(frozen=True, kw_only=True)
class CopyRequest:
    """Which items are copied where."""

    from_table: Table
    to_table: Table
    mode: Mode
    total: int
    """How many there are, for the progress."""
    only: KeyPatterns = ALL_ITEMS
    """Only the items whose key matches are copied."""
    lowerings: Sequence[Lowering] = ()
    """The counters that may be lowered; all others only rise."""


def copy_items(transfer: Transfer, request: CopyRequest) -> Copied:
    """Copy the items and return what was done.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    to_table = request.to_table
    writer = _Writer(transfer, to_table, request.lowerings)
    work: Work = writer.put
    cut: Cut = for_writing
    if request.mode is Mode.MISSING_ONLY:
        work, cut = writer.put_missing, for_checked_writing
    elif to_table.name == names.COUNTER_TABLE:
        work, cut = writer.put_counter, for_reading
    selected = request.only.select(cut, request.from_table)
    sources = scan(transfer.transport, request.from_table, selected)

    def tick() -> None:
        done = writer.written.value + writer.kept.value
        transfer.report(Progress("writing", done, request.total))

    with worded(f"writing to {to_table.name}"):
        run(sources, work, workers=WORKERS, stop=transfer.stop, tick=tick)
    return Copied(written=writer.written.value, kept=writer.kept.value)


def delete_items(transfer: Transfer, table: Table, spool: KeySpool) -> Deleted:
    """Delete the items that the spool names, except those that have changed since.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    deleter = _Deleter(transfer, table)

    def tick() -> None:
        done = deleter.deleted.value + deleter.kept.value
        transfer.report(Progress("deleting", done, spool.count))

    with worded(f"deleting from {table.name}"):
        run([spooled(spool)], deleter.work, workers=WORKERS, stop=transfer.stop, tick=tick)
    return Deleted(deleted=deleter.deleted.value, kept=deleter.kept.value)


def spooled(spool: KeySpool) -> Source:
    """The keys of a spool, each with its fingerprint in place of the item's JSON."""

    def source(_stop: CancelToken) -> Iterator[Chunk]:
        for entries in spool.chunks(READ_ITEMS):
            keys, fingerprints = zip(*entries, strict=True)
            yield Chunk(keys, fingerprints, 0)

    return source


class _Writer:
    """The three ways to write a chunk."""

    def __init__(self, transfer: Transfer, table: Table, lowerings: Sequence[Lowering]) -> None:
        self._transport, self._table, self._rate = transfer.transport, table, transfer.rate
        self._lowerings = {identity(each.key, table.key_names): each for each in lowerings}
        self.written, self.kept = Counter(), Counter()

    def put(self, chunk: Chunk, stop: CancelToken) -> None:
        self._rate.take(sum(write_units(len(item)) for item in chunk.encoded), stop)
        put_all(self._transport, self._table, chunk.encoded, stop)
        self.written.add(len(chunk.encoded))

    def put_missing(self, chunk: Chunk, stop: CancelToken) -> None:
        """A look first spares most writes; the condition decides about writes meanwhile."""
        names_of_key = self._table.key_names
        keys = [key_of(item, names_of_key) for item in chunk.items]
        there = get_all(self._transport, self._table, keys, stop, keys_only=True)
        for item, encoded in zip(chunk.items, chunk.encoded, strict=True):
            if identity(item, names_of_key) in there:
                self.kept.add()
                continue
            self._rate.take(write_units(len(encoded)), stop)
            written = put_if_absent(self._transport, self._table, encoded, item, stop)
            (self.written if written else self.kept).add()

    def put_counter(self, chunk: Chunk, stop: CancelToken) -> None:
        for item in chunk.items:
            self._rate.take(1, stop)
            lowering = self._lowerings.get(identity(item, self._table.key_names))
            if lowering is None:
                counter.put(self._transport, self._table, item, stop)
                self.written.add()
            else:
                lowered = counter.lower(self._transport, self._table, lowering, stop)
                (self.written if lowered else self.kept).add()


class _Deleter:
    """Deletes what is still as it was."""

    def __init__(self, transfer: Transfer, table: Table) -> None:
        self._transport, self._table, self._rate = transfer.transport, table, transfer.rate
        self.deleted, self.kept = Counter(), Counter()

    def work(self, chunk: Chunk, stop: CancelToken) -> None:
        there = get_all(self._transport, self._table, chunk.items, stop)
        for key, seen in zip(chunk.items, chunk.encoded, strict=True):
            item = there.get(identity(key, self._table.key_names))
            if item is None:
                self.deleted.add()
            elif fingerprint(item) != seen:
                self.kept.add()
            else:
                self._rate.take(write_units(len(encode(item))), stop)
                deleted = delete_if_still(self._transport, self._table, item, stop)
                (self.deleted if deleted else self.kept).add()
