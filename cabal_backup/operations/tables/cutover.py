"""The cutover: a restored table's items go into the live table, and it is proved.

Cabal reads its tables by name and a DynamoDB table cannot be renamed, so the items are
copied. What each mode promises while others write to the live table is in
docs/runbooks/restore-tables.md.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import datetime

from cabal_backup import names
from cabal_backup.errors import RefusedError, UsageError
from cabal_backup.operations.aws import Aws
from cabal_backup.operations.clock import Clock
from cabal_backup.operations.progress import Event, Note
from cabal_backup.operations.tables import undo
from cabal_backup.operations.tables.compare import Comparison, compare
from cabal_backup.operations.tables.counter import highest
from cabal_backup.operations.tables.describe import (
    TableDescription,
    check_same_schema,
    find_table,
    recovery_window,
)
from cabal_backup.operations.tables.items import fingerprint, identity, same
from cabal_backup.operations.tables.key_spool import KeySpool
from cabal_backup.operations.tables.rate import Rate
from cabal_backup.operations.tables.table_copy import (
    Copied,
    Deleted,
    Mode,
    copy_items,
    delete_items,
)
from cabal_backup.operations.tables.table_items import READ_ITEMS, get_all
from cabal_backup.operations.tables.wire import Stop, Wire, explained


@dataclass(frozen=True, kw_only=True)
class CutoverPlan:
    """Exactly what a cutover will do."""

    environment: str
    restored: TableDescription
    live: TableDescription
    mode: Mode
    comparison: Comparison
    deletions: KeySpool | None
    """What is deleted; None unless mirroring."""
    rate: float | None
    """Write units a second at most."""
    undo_possible: bool
    undo_point: datetime | None
    """The one an unfinished earlier run remembered; otherwise the moment of the first write."""

    @property
    def to_write(self) -> int:
        if self.mode is Mode.MISSING_ONLY:
            return self.comparison.only_in_backup.count
        return self.comparison.in_backup

    @property
    def to_delete(self) -> int:
        return self.deletions.count if self.deletions else 0

    @property
    def is_counter(self) -> bool:
        return self.live.name == names.COUNTER_TABLE

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        found = self.comparison
        return (
            f"Copy from {self.restored.name} to the live table {self.live.name}, {self.mode}:",
            *_writing(self),
            f"  {_items(found.only_in_live.count)} only the live table has: "
            + ("deleted" if self.to_delete else "kept as they are"),
            *self._counter(),
            *self._undo(),
            *(() if self.rate is None else (f"  at most {self.rate:g} write units a second",)),
            "  then everything is read back and compared",
        )

    def _counter(self) -> tuple[str, ...]:
        if not self.is_counter:
            return ()
        return (
            f"  {names.COUNTER_ATTRIBUTE} is never lowered: the higher of backup and live stays, "
            "and no counter is deleted",
        )

    def _undo(self) -> tuple[str, ...]:
        if not self.undo_possible:
            return ("  NO WAY BACK: without point-in-time recovery this cannot be undone",)
        if self.undo_point is not None:
            moment = self.undo_point.strftime("%Y-%m-%dT%H:%M:%SZ")
            return (f"  an earlier run did not finish; the way back stays {moment}",)
        return ("  the way back: point-in-time recovery to the moment before the first write",)


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What reading back showed."""

    comparison: Comparison
    problems: tuple[str, ...]
    """What is not as the mode promises; empty when all is."""
    remarks: tuple[str, ...] = ()
    """What others did to the live table meanwhile, and was left as it is."""


@dataclass(frozen=True, kw_only=True)
class CutoverResult:
    """What a cutover did."""

    copied: Copied
    deleted: Deleted | None
    undo_point: datetime | None
    way_back: tuple[str, ...]
    verification: Verification


def look(
    aws: Aws,
    restored_name: str,
    live_name: str,
    *,
    mode: Mode,
    no_undo: bool,
    rate: float | None,
    stop: Stop,
) -> Generator[Event, None, CutoverPlan]:
    """Look at both tables and plan; the plan is what the generator returns.

    Raises UsageError for tables that do not exist or do not go together, RefusedError
    when there would be no way back.
    """
    restored, live = find_pair(aws, restored_name, live_name)
    window = recovery_window(aws, live.name)
    if window is None and not no_undo:
        raise RefusedError(
            f"{live.name} has no point-in-time recovery, so a cutover could not be undone. "
            "Nothing was done. Switch it on: aws dynamodb update-continuous-backups --region "
            f"{aws.environment.region} --table-name {live.name} "
            "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true; or go "
            "without a way back, with --no-undo."
        )
    spares_counters = live.name == names.COUNTER_TABLE
    spool = KeySpool() if mode is Mode.MIRROR and not spares_counters else None
    comparison = yield from compare(Wire(aws), restored, live, stop, spool=spool)
    if comparison.in_backup == 0:
        raise RefusedError(
            f"{restored.name} is empty: there is nothing to bring back. Nothing was done."
        )
    return CutoverPlan(
        environment=aws.environment.name,
        restored=restored,
        live=live,
        mode=mode,
        comparison=comparison,
        deletions=spool,
        rate=rate,
        undo_possible=window is not None,
        undo_point=undo.unfinished(aws, restored, live, window),
    )


def find_pair(
    aws: Aws, restored_name: str, live_name: str
) -> tuple[TableDescription, TableDescription]:
    """A restored and a live table that items can be copied between, in this direction.

    Raises UsageError when they cannot.
    """
    if restored_name == live_name:
        raise UsageError(f"{live_name} cannot be restored from itself.")
    environment = aws.environment
    if restored_name in (environment.addresses_table, *environment.pitr_tables):
        raise UsageError(
            f"{restored_name} is a live table of {environment.name}, not a restored one. The "
            f"restored table comes first, then the live one. Nothing was done."
        )
    restored, live = find_table(aws, restored_name), find_table(aws, live_name)
    check_same_schema(restored, live)
    return restored, live


def execute(
    aws: Aws, plan: CutoverPlan, clock: Clock, stop: Stop
) -> Generator[Event, None, CutoverResult]:
    """Do what the plan says; what was done is what the generator returns.

    However it ends, running the same cutover again leads to the same live table.
    Raises CabalBackupError when AWS refuses or does not answer.
    """
    undo_point = plan.undo_point
    way_back: tuple[str, ...] = ()
    if plan.undo_possible:
        undo_point = undo_point or clock.now().replace(microsecond=0)
        way_back = undo.how_to_go_back(plan.environment, plan.live.name, undo_point)
        yield Note(_about_undo(undo_point, way_back))
        if problem := undo.begin(aws, plan.restored, plan.live, undo_point):
            yield Note(f"The undo point could not be noted on {plan.restored.name} ({problem}).")
    wire, rate = Wire(aws), Rate(plan.rate)
    copied = yield from copy_items(
        wire,
        plan.restored.table,
        plan.live.table,
        plan.mode,
        rate,
        stop,
        plan.comparison.in_backup,
    )
    deleted = None
    if plan.deletions is not None:
        deleted = yield from delete_items(wire, plan.live.table, plan.deletions, rate, stop)
    verification = yield from _verify(wire, plan, deleted, stop)
    if (
        undo_point is not None
        and not verification.problems
        and (problem := undo.finish(aws, plan.restored, plan.live, undo_point))
    ):
        yield Note(f"The end could not be noted on {plan.restored.name} ({problem}).")
    return CutoverResult(
        copied=copied,
        deleted=deleted,
        undo_point=undo_point,
        way_back=way_back,
        verification=verification,
    )


def _verify(
    wire: Wire, plan: CutoverPlan, deleted: Deleted | None, stop: Stop
) -> Generator[Event, None, Verification]:
    yield Note("Reading both tables back.")
    found = yield from compare(wire, plan.restored, plan.live, stop)
    try:
        problems = tuple(_problems(wire, plan, found, stop))
    except Exception as error:
        raise explained(error, f"reading {plan.live.name} back") from error
    return Verification(
        comparison=found,
        problems=problems,
        remarks=tuple(_remarks(plan, found, deleted)) if deleted else (),
    )


def _problems(wire: Wire, plan: CutoverPlan, found: Comparison, stop: Stop) -> Iterator[str]:
    if found.only_in_backup.count:
        yield f"{_items(found.only_in_backup.count)} of the backup not in {plan.live.name}"
    expected = plan.comparison.differing.count if plan.mode is Mode.MISSING_ONLY else 0
    differing = found.differing.count
    if plan.is_counter and plan.mode is not Mode.MISSING_ONLY:
        differing -= _higher_counters(wire, plan, found, stop)
    if differing > expected:
        yield f"{_items(differing - expected)} other than in the backup"
    if plan.deletions is not None and (left := _left(wire, plan, plan.deletions, stop)):
        yield f"{_items(left)} not deleted"


def _remarks(plan: CutoverPlan, found: Comparison, deleted: Deleted) -> Iterator[str]:
    if deleted.kept:
        yield f"{_items(deleted.kept)} to be deleted had been changed since, and was kept"
    new = found.only_in_live.count - deleted.kept
    if new > 0:
        yield f"{_items(new)} appeared in {plan.live.name} since the start, and was kept"


def _left(wire: Wire, plan: CutoverPlan, deletions: KeySpool, stop: Stop) -> int:
    """How many of the items to be deleted are there still, and unchanged."""
    left = 0
    for entries in deletions.chunks(READ_ITEMS):
        keys, seen = zip(*entries, strict=True)
        there = get_all(wire, plan.live.table, keys, stop)
        left += len(set(seen) & {fingerprint(item) for item in there.values()})
    return left


def _higher_counters(wire: Wire, plan: CutoverPlan, found: Comparison, stop: Stop) -> int:
    """How many of the differing items differ only in a counter that is higher in live."""
    keys = found.differing.samples
    if not keys:
        return 0
    key_names = plan.live.table.key_names
    ours = get_all(wire, plan.restored.table, keys, stop)
    theirs = get_all(wire, plan.live.table, keys, stop)
    return sum(
        same(theirs[one], highest(ours[one], theirs[one]))
        for one in (identity(key, key_names) for key in keys)
        if one in ours and one in theirs
    )


def _writing(plan: CutoverPlan) -> tuple[str, ...]:
    found = plan.comparison
    absent, differing = found.only_in_backup.count, found.differing.count
    if plan.mode is Mode.MISSING_ONLY:
        return (
            f"  {_items(absent)} the live table lacks: written",
            f"  {_items(differing)} different in the live table: kept as they are there",
            f"  {_items(found.identical.count)} the same in both",
        )
    return (
        f"  {_items(absent)} the live table lacks: written",
        f"  {_items(differing)} different in the live table: written over with the backup's",
        f"  {_items(found.identical.count)} the same in both: written as well",
    )


def _about_undo(at: datetime, way_back: tuple[str, ...]) -> str:
    first, second = way_back
    return (
        f"Undo point: {at:%Y-%m-%dT%H:%M:%SZ}. To go back, from about five minutes after it on:\n"
        f"  {first}\n  {second}"
    )


def _items(count: int) -> str:
    return f"{count:,} item{'' if count == 1 else 's'}"
