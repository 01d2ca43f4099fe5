"""Undoing a cutover: only what it changed, and nothing that others have changed since.

Three tables show, for each key, whose the live item is: the table as of the undo point (restored
by point-in-time recovery), the table that the cutover copied from, and the live table. The live
item is the cutover's if it is what the cutover wrote. docs/decisions/undo-evidence.md explains why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cabal_backup import names
from cabal_backup.errors import NotFoundError, RefusedError, UsageError
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import Progress, Report
from cabal_backup.operations.restore.tables import origin, restore_table, undo
from cabal_backup.operations.restore.tables.compare import (
    Group,
    Keys,
    TablePair,
    find_pair,
)
from cabal_backup.operations.restore.tables.counter import highest, is_lower
from cabal_backup.operations.restore.tables.describe import TableDescription, describe_table
from cabal_backup.operations.restore.tables.items import (
    Item,
    KeySpool,
    encode,
    fingerprint,
    identity,
    key_of,
    readable,
    same,
    write_units,
)
from cabal_backup.operations.restore.tables.key_patterns import ALL_ITEMS, KeyPatterns
from cabal_backup.operations.restore.tables.pipeline import Chunk, Counter, run
from cabal_backup.operations.restore.tables.restore_table import RestoreTablePlan, TableRequest
from cabal_backup.operations.restore.tables.table_copy import WORKERS, Mode, Transfer, spooled
from cabal_backup.operations.restore.tables.table_items import (
    delete_if_still,
    for_reading,
    get_all,
    replace_if_still,
    scan,
)
from cabal_backup.operations.restore.tables.transport import CancelToken, Rate, Transport
from cabal_backup.operations.restore.tables.undo import CutoverRecord
from cabal_backup.text import timestamp

_READERS = 8


@dataclass(frozen=True, kw_only=True)
class UndoRequest:
    """Which cutover is undone."""

    restored: str
    live: str
    """The names of the two tables of the cutover."""
    from_region: str | None = None
    """Where the restored table is; None for the primary region."""
    at: datetime | None = None
    """The undo point; None for the one that is recorded on the restored table."""
    mode: Mode | None = None
    """The mode of the cutover, where `at` is given; None for OVERWRITE."""
    only: KeyPatterns = ALL_ITEMS
    """The patterns of the cutover."""
    rate: float | None = None
    """Write units a second at most; None without a limit."""
    lower_counter: bool = False
    """Whether counters that the cutover raised are lowered, and those that it made deleted."""


@dataclass(frozen=True, kw_only=True)
class CutoverDone:
    """The cutover that is undone, and the restore that shows what was there before it."""

    request: UndoRequest
    pair: TablePair
    record: CutoverRecord
    before: RestoreTablePlan
    recorded: bool
    """Whether this tool restored the table that the cutover copied from."""

    @property
    def is_restored(self) -> bool:
        """Whether the table as of the undo point is there."""
        under_way = self.before.under_way
        return under_way is not None and under_way.status != "CREATING"

    def lines(self) -> tuple[str, ...]:
        """What will be done, in sentences."""
        restored, live = self.pair
        first, *others = self.before.lines()
        only, record = self.request.only, self.record
        return (
            f"Undo the cutover from {restored.name} to {live.name}, {record.mode}, as of "
            f"{timestamp(record.at)}:",
            *([f"  only items whose key matches {only}"] if only else []),
            *([] if self.recorded else [_not_recorded(restored.name)]),
            f"  first {first[0].lower()}{first[1:]}",
            *others,
            "  then only the items that are still as the cutover left them are set back; how many "
            "these are is known, and shown, when that table is restored",
        )


def _not_recorded(restored: str) -> str:
    return (
        f"  CAUTION: this tool did not restore {restored}: if it was changed after the cutover, "
        "these changes are taken for the cutover's"
    )


@dataclass(frozen=True, kw_only=True)
class Differences:
    """The live table and the undo point, by who made the difference."""

    changed: Group
    """Items that the cutover wrote over."""
    added: Group
    """Items that the cutover wrote, and that were not there before."""
    removed: Group
    """Items that the cutover deleted."""
    others: Group
    """Items that others have changed, added or deleted since the undo point."""
    counters: Group
    """Counters that would be lowered or deleted, which was not asked for."""
    spool: KeySpool
    """The keys that are set back, each with the fingerprint of the live item; empty bytes where
    there is none."""

    @property
    def count(self) -> int:
        """How many items are set back."""
        return self.spool.count


@dataclass(frozen=True, kw_only=True)
class UndoPlan:
    """Exactly what undoing a cutover will do."""

    done: CutoverDone
    before: TableDescription
    """The live table as of the undo point."""
    found: Differences

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences, with the keys."""
        found = self.found
        groups = (
            (found.changed, "the cutover wrote over: set back"),
            (found.removed, "the cutover deleted: written again"),
            (found.added, "the cutover added: deleted"),
            (found.others, "changed by others since: left as they are"),
            (found.counters, "counters would be lowered or deleted: kept (--lower-counter)"),
        )
        begin = "Set back in" if found.count else "There is nothing to set back in"
        return (
            f"{begin} {self.done.pair.live.name}, compared with {self.before.name}:",
            *(line for group, what in groups for line in _group_lines(group, what)),
            "  then both tables are read again and compared",
        )


@dataclass(frozen=True, kw_only=True)
class UndoResult:
    """What undoing a cutover did."""

    written: int
    deleted: int
    kept: int
    """Items that were changed after the plan was made, and left as they are."""
    left: Differences
    """What reading back showed: nothing may be left to set back."""


def find_cutover(aws: Aws, request: UndoRequest, clock: Clock) -> CutoverDone:
    """The cutover that is to be undone.

    Raises NotFoundError for tables or a record that do not exist, UsageError for tables or options
    that do not fit and an undo point that cannot be restored, RefusedError where the restored
    table is not what the cutover copied.
    """
    there = aws.at(request.from_region or aws.environment.region)
    if describe_table(there, request.restored) is None:
        raise NotFoundError(
            f"There is no table {request.restored}. Its items show what the cutover wrote, so "
            "nothing was done. If it was deleted after the cutover, restore the "
            f"same recovery point again with --to={request.restored}, and run this command "
            "with --at and the undo point that the cutover printed, and with the --mirror, "
            "--missing-only and --only of the cutover."
        )
    pair = restored, live = find_pair(
        aws, request.restored, request.live, from_region=request.from_region
    )
    record = _record(aws, pair, request)
    recorded = origin.is_recorded(aws, restored)
    if recorded and not origin.is_unchanged(aws, restored):
        mode = "" if record.mode is Mode.OVERWRITE else f" --{record.mode}"
        raise RefusedError(
            f"{restored.name} was changed since it was restored, so it does not show what the "
            "cutover wrote. Nothing was done. Restore the same recovery point again to another "
            f"table, and name that one with --at {timestamp(record.at)}{mode}"
            f"{request.only.options}."
        )
    before = restore_table.plan_restore(
        aws,
        clock.now(),
        TableRequest(table=live.name, at=record.at, base=undo.before_name(live.name, record.at)),
    )
    return CutoverDone(request=request, pair=pair, record=record, before=before, recorded=recorded)


def _record(aws: Aws, pair: TablePair, request: UndoRequest) -> CutoverRecord:
    restored, live = pair
    if request.at is not None:
        return CutoverRecord(
            live=live.name,
            at=request.at,
            mode=request.mode or Mode.OVERWRITE,
            only=request.only.name,
        )
    record = undo.last_cutover(aws, restored, live.name)
    if record is None:
        raise NotFoundError(
            f"No cutover from {restored.name} to {live.name} is recorded. Nothing was done. If "
            "there was one, name its undo point with --at, and give the --mirror, --missing-only "
            "and --only that it had."
        )
    if request.mode is not None:
        raise UsageError(
            f"The mode of the cutover is recorded: {record.mode}. --{request.mode} is for --at "
            "only. Nothing was done."
        )
    if record.only != request.only.name:
        raise UsageError(
            f"The cutover from {restored.name} was of "
            f"{'other' if request.only else 'some'} items"
            f"{'' if record.only else ', namely all'}. Nothing was done. Give the --only options "
            "that the cutover had, or none if it had none."
        )
    return record


def plan_undo(
    transfer: Transfer, done: CutoverDone, before: TableDescription, *, samples: int
) -> UndoPlan:
    """Compare the three tables, and plan.

    :param samples: how many keys of each kind are kept, which takes memory for each.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    found = _differences(transfer, done, before, samples)
    return UndoPlan(done=done, before=before, found=found)


def execute(
    aws: Aws, plan: UndoPlan, clock: Clock, stop: CancelToken, report: Report
) -> UndoResult:
    """Set back what the plan says, and read everything again.

    However it ends, running the same undo again leads to the same live table: an item that was set
    back is equal to the undo point.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    done = plan.done
    live = done.pair.live
    transfer = Transfer(
        transport=Transport(aws), rate=Rate(done.request.rate), stop=stop, report=report
    )
    restorer = _Restorer(transfer, plan)

    def tick() -> None:
        report(Progress("undoing", restorer.done, plan.found.count))

    with worded(f"writing to {live.name}"):
        run([spooled(plan.found.spool)], restorer.work, workers=WORKERS, stop=stop, tick=tick)
    report("Reading the tables back.")
    left = _differences(transfer, done, plan.before, len(plan.found.others.samples))
    if not left.count and not left.counters.count and done.request.at is None:
        problem = undo.forget(aws, done.pair.restored, clock, undo.UNFINISHED, undo.FINISHED)
        if problem:
            report(f"The end could not be recorded on {done.pair.restored.name} ({problem}).")
    return UndoResult(
        written=restorer.written.value,
        deleted=restorer.deleted.value,
        kept=restorer.kept.value,
        left=left,
    )


def _differences(
    transfer: Transfer, done: CutoverDone, before: TableDescription, samples: int
) -> Differences:
    judge = _Judge(transfer.transport, done, before, samples)
    restored, live = done.pair
    with worded(f"comparing {before.name} with {live.name}"):
        for number, table in enumerate((before, restored, live)):
            sources = scan(
                transfer.transport, table.table, done.request.only.select(for_reading, table.table)
            )

            def work(chunk: Chunk, stop: CancelToken, number: int = number) -> None:
                judge.work(chunk.items, number, stop)

            def tick() -> None:
                transfer.report(Progress("comparing", judge.read.value))

            run(sources, work, workers=_READERS, stop=transfer.stop, tick=tick)
    return judge.differences()


class _Judge:
    """Finds out whose each difference between the live table and the undo point is."""

    def __init__(
        self, transport: Transport, done: CutoverDone, before: TableDescription, samples: int
    ) -> None:
        self._transport, self._done = transport, done
        self._tables = tuple(each.table for each in (before, *done.pair))
        self._is_counter = done.pair.live.name == names.COUNTER_TABLE
        self._spool = KeySpool()
        self.read = Counter()
        self._changed, self._added, self._removed = (Keys(samples) for _ in range(3))
        self._others, self._counters = Keys(samples), Keys(samples)

    def work(self, items: Sequence[Item], number: int, stop: CancelToken) -> None:
        """Judge items of a table; those that an earlier table has as well were judged with it.

        :param number: 0 for the undo point, 1 for what the cutover copied, 2 for the live table.
        """
        key_names = self._tables[0].key_names
        keys = [key_of(item, key_names) for item in items]
        found = [get_all(self._transport, table, keys, stop) for table in self._tables]
        self.read.add(len(keys))
        for key in keys:
            one = identity(key, key_names)
            before, copied, live = (each.get(one) for each in found)
            if not any(each is not None for each in (before, copied, live)[:number]):
                self._judge(key, before, copied, live)

    def _judge(
        self, key: Item, before: Item | None, copied: Item | None, live: Item | None
    ) -> None:
        if _equal(before, live):
            return
        if not any(_equal(live, each) for each in self._left_by_cutover(before, copied)):
            self._others.add([key])
        elif not self._may_set_back(before, live):
            self._counters.add([key])
        else:
            kind = self._changed if before and live else self._removed if before else self._added
            kind.add([key])
            self._spool.add([(key, fingerprint(live) if live else b"")])

    def _left_by_cutover(self, before: Item | None, copied: Item | None) -> Iterator[Item | None]:
        """What the cutover may have left under a key where it changed something."""
        mode = self._done.record.mode
        if copied is None:
            if mode is Mode.MIRROR and before is not None:
                yield None
        elif mode is not Mode.MISSING_ONLY or before is None:
            yield copied
            if self._is_counter:
                yield highest(copied, before)

    def _may_set_back(self, before: Item | None, live: Item | None) -> bool:
        if not self._is_counter or self._done.request.lower_counter or live is None:
            return True
        return before is not None and not is_lower(before, live)

    def differences(self) -> Differences:
        return Differences(
            changed=self._changed.group(),
            added=self._added.group(),
            removed=self._removed.group(),
            others=self._others.group(),
            counters=self._counters.group(),
            spool=self._spool,
        )


class _Restorer:
    """Sets items back that are still as the plan saw them."""

    def __init__(self, transfer: Transfer, plan: UndoPlan) -> None:
        self._transport, self._rate = transfer.transport, transfer.rate
        self._before, self._live = plan.before.table, plan.done.pair.live.table
        self.written, self.deleted, self.kept = Counter(), Counter(), Counter()

    @property
    def done(self) -> int:
        return self.written.value + self.deleted.value + self.kept.value

    def work(self, chunk: Chunk, stop: CancelToken) -> None:
        key_names = self._live.key_names
        before = get_all(self._transport, self._before, chunk.items, stop)
        live = get_all(self._transport, self._live, chunk.items, stop)
        for key, seen in zip(chunk.items, chunk.encoded, strict=True):
            one = identity(key, key_names)
            old, new = before.get(one), live.get(one)
            if (fingerprint(new) if new else b"") != seen:
                self.kept.add()
            elif old is not None:
                self._rate.take(write_units(len(encode(old))), stop)
                written = replace_if_still(self._transport, self._live, old, new, stop)
                (self.written if written else self.kept).add()
            elif new is not None:
                self._rate.take(write_units(len(encode(new))), stop)
                deleted = delete_if_still(self._transport, self._live, new, stop)
                (self.deleted if deleted else self.kept).add()


def _equal(one: Item | None, other: Item | None) -> bool:
    if one is None or other is None:
        return one is other
    return same(one, other)


def _group_lines(group: Group, what: str) -> Iterator[str]:
    if not group.count:
        return
    yield f"  {group.count:,} {what}"
    yield from (f"    {readable(key)}" for key in group.samples)
    if more := group.count - len(group.samples):
        yield f"    … and {more:,} more (--dry-run lists all)"
