"""The cutover: a restored table's items go into the live table, and it is proved.

Cabal reads its tables by name and a DynamoDB table cannot be renamed, so the items are
copied. What each mode promises while others write to the live table is in
docs/runbooks/restore-tables.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cabal_backup import names
from cabal_backup.config.environment import Environment
from cabal_backup.errors import RefusedError, UsageError
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import Report
from cabal_backup.operations.restore.mail_tiers import Reconfigure
from cabal_backup.operations.restore.tables import undo
from cabal_backup.operations.restore.tables.compare import (
    SAMPLES,
    SAMPLES_OF_PATTERN,
    Comparison,
    Scope,
    TablePair,
    check_matches,
    compare,
    find_pair,
    look_up,
)
from cabal_backup.operations.restore.tables.counter import Lowering, highest, is_lower
from cabal_backup.operations.restore.tables.describe import (
    TableDescription,
    Window,
    find_table,
)
from cabal_backup.operations.restore.tables.items import KeySpool, fingerprint, same
from cabal_backup.operations.restore.tables.key_patterns import ALL_ITEMS, KeyPatterns
from cabal_backup.operations.restore.tables.table_copy import (
    Copied,
    CopyRequest,
    Deleted,
    Mode,
    Transfer,
    copy_items,
    delete_items,
)
from cabal_backup.operations.restore.tables.table_items import READ_ITEMS, get_all
from cabal_backup.operations.restore.tables.transport import CancelToken, Rate, Transport
from cabal_backup.operations.restore.tables.undo import CutoverRecord, Unfinished
from cabal_backup.text import duration, plural, timestamp


@dataclass(frozen=True, kw_only=True)
class CutoverRequest:
    """Which cutover is asked for."""

    restored: str
    live: str
    """The names of the two tables."""
    from_region: str | None = None
    to_region: str | None = None
    """Where they are; None for the primary region."""
    mode: Mode = Mode.OVERWRITE
    only: KeyPatterns = ALL_ITEMS
    """Which items it is about; all others stay as they are."""
    no_undo: bool = False
    """Whether it is done although it cannot be undone."""
    rate: float | None = None
    """Write units a second at most; None without a limit."""
    reconfigure: Reconfigure | None = None
    """How the mail tiers read the addresses again; None: as the table needs it."""
    lower_counter: bool = False
    """Whether counters are set back to the backup's value where it is lower."""
    not_a_restore: bool = False
    """Whether the table need not be one that was restored from the live table."""
    delete_restored: bool = False
    """Whether the restored table is deleted at the end."""

    @property
    def region_options(self) -> str:
        """The regions as they are typed, each after a space; empty for the primary region."""
        return "".join(
            f" {option} {region}"
            for option, region in (
                ("--from-region", self.from_region),
                ("--to-region", self.to_region),
            )
            if region
        )

    @property
    def other_options(self) -> str:
        """The patterns, the rate and how the mail tiers are notified, as `region_options`."""
        return (
            self.only.options
            + (f" --rate={self.rate:g}" if self.rate else "")
            + (f" --reconfigure={self.reconfigure}" if self.reconfigure else "")
        )


@dataclass(frozen=True, kw_only=True)
class CutoverPlan:
    """Exactly what a cutover will do."""

    environment: Environment
    restored: TableDescription
    live: TableDescription
    request: CutoverRequest
    comparison: Comparison
    deletions: KeySpool | None
    """What is deleted; None unless mirroring."""
    lowerings: tuple[Lowering, ...]
    """The counters that are lowered; empty unless that was asked for."""
    undo_possible: bool
    unfinished: Unfinished | None
    """The undo point of an unfinished earlier run, which stays; otherwise the moment of the first
    write is the undo point."""

    @property
    def to_write(self) -> int:
        """How many items are written."""
        if self.request.mode is Mode.MISSING_ONLY:
            return self.comparison.only_in_backup.count
        return self.comparison.in_backup

    @property
    def to_delete(self) -> int:
        """How many items are deleted."""
        return self.deletions.count if self.deletions else 0

    @property
    def is_counter(self) -> bool:
        """Whether the live table holds the counter of OS uids."""
        return self.live.name == names.COUNTER_TABLE

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        return (
            *_copying(self.request, self),
            *self._counter(),
            *self._undo(),
            *_ending(self.request.rate),
        )

    def _counter(self) -> tuple[str, ...]:
        if not self.is_counter:
            return ()
        if self.lowerings:
            return (
                *(f"  {lowering.line}" for lowering in self.lowerings),
                "  a uid above that value would be handed out a second time, and its mail would be "
                "open to another user: first make sure that no custom:osid in Cognito is higher",
            )
        never = f"  {names.COUNTER_ATTRIBUTE} is never lowered: the higher of backup and live stays"
        return (f"{never}, and no counter is deleted" if self.deletions is None else never,)

    def _undo(self) -> tuple[str, ...]:
        if self.unfinished is None:
            return (_undo_line(self.undo_possible),)
        moment, since = timestamp(self.unfinished.at), duration(self.unfinished.age)
        return (
            f"  an earlier run did not finish; the way back stays {moment}, the moment before its "
            f"first write, {since} ago",
            f"  going back to it also undoes every change that others have made to "
            f"{'these items of ' if self.request.only else ''}{self.live.name} since, and deletes "
            f"up to {plural(self.comparison.only_in_live.count, 'item')} that only the live table "
            "has",
            f"  to begin with a new undo point instead, first: {self.unfinished.how_to_forget}",
        )


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


def plan_cutover(
    aws: Aws, request: CutoverRequest, clock: Clock, stop: CancelToken, report: Report
) -> CutoverPlan:
    """Look at both tables and plan.

    Raises NotFoundError for tables that do not exist and for a pattern that no key matches,
    UsageError for tables that do not fit, RefusedError when there would be no way back, an
    unfinished cutover would lose its own, or this machine's clock is wrong.
    """
    mode, only, lower_counter = request.mode, request.only, request.lower_counter
    if lower_counter and (request.live != names.COUNTER_TABLE or mode is Mode.MISSING_ONLY):
        raise UsageError(
            f"--lower-counter is for {names.COUNTER_TABLE} only, and not with --missing-only, "
            "which changes nothing that is there. Nothing was changed."
        )
    pair = restored, live = find_pair(
        aws,
        request.restored,
        request.live,
        from_region=request.from_region,
        to_region=request.to_region,
    )
    window = _window(aws, request, clock)
    spares_counters = live.name == names.COUNTER_TABLE and not lower_counter
    spool = KeySpool() if mode is Mode.MIRROR and not spares_counters else None
    transport = Transport(aws)
    samples = SAMPLES_OF_PATTERN if only else SAMPLES
    scope = Scope(only=only, spool=spool, samples=samples)
    comparison = compare(transport, pair, stop, report, scope)
    _check_not_empty(comparison, pair, request)
    earlier = undo.unfinished(aws, restored, live, window) if window else None
    if earlier is not None and only and earlier.record.only != only.name:
        raise RefusedError(
            f"A cutover of other items from {restored.name} did not finish, and its way back, to "
            f"{timestamp(earlier.at)}, would be lost. Nothing was changed. First run that "
            f"cutover again; or, to give up its way back: {earlier.how_to_forget}"
        )
    return CutoverPlan(
        environment=aws.environment,
        restored=restored,
        live=live,
        request=request,
        comparison=comparison,
        deletions=spool,
        lowerings=_lowerings(transport, pair, comparison, stop) if lower_counter else (),
        undo_possible=window is not None,
        unfinished=earlier,
    )


def _check_not_empty(found: Comparison, pair: TablePair, request: CutoverRequest) -> None:
    """Raises RefusedError where the backup has nothing for the cutover, NotFoundError where
    neither table has.

    With patterns, a mirror may have items to delete only.
    """
    name, only = pair.restored.name, request.only
    if found.restored.count == 0:
        raise RefusedError(f"{name} is empty: there is nothing to bring back. Nothing was done.")
    check_matches(found, pair, only)
    if found.in_backup == 0 and request.mode is not Mode.MIRROR:
        raise RefusedError(
            f"No partition key in {name} matches {only}: there is nothing to bring back. Nothing "
            f"was written. {pair.live.name} has {plural(found.in_live, 'item')} that match; "
            "--mirror deletes them."
        )


def outline(aws: Aws, request: CutoverRequest, clock: Clock) -> tuple[str, ...]:
    """The plan, in sentences, of a cutover whose restored table is not there yet.

    Raises UsageError and RefusedError as `plan_cutover`.
    """
    find_table(aws.at(request.to_region or aws.environment.region), request.live)
    window = _window(aws, request, clock)
    return (
        *_copying(request, None),
        _undo_line(window is not None),
        *_ending(request.rate),
        "  how many items these are is known, and shown, when the table is restored",
    )


def _window(aws: Aws, request: CutoverRequest, clock: Clock) -> Window | None:
    live, no_undo = request.live, request.no_undo
    primary = aws.environment.region
    if request.to_region not in (None, primary):
        if not no_undo:
            raise RefusedError(
                f"A cutover to {request.to_region} cannot be undone: `restore table` restores the "
                f"moment before it in {primary} only. Nothing was done. To accept that, add "
                "--no-undo."
            )
        return None
    window = undo.find_window(aws.at(primary), live, clock)
    if window is None and not no_undo:
        raise RefusedError(
            f"{live} has no point-in-time recovery, so a cutover could not be undone. "
            "Nothing was done. Switch it on: aws dynamodb update-continuous-backups --region "
            f"{primary} --table-name={live} "
            "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true; or accept "
            "that with --no-undo."
        )
    return window


def _lowerings(
    transport: Transport, pair: TablePair, found: Comparison, stop: CancelToken
) -> tuple[Lowering, ...]:
    """The counters whose value in the backup is lower; RefusedError for too many to show."""
    restored, live = pair
    keys = found.differing.samples
    if found.differing.count > len(keys):
        raise RefusedError(
            f"{found.differing.count:,} counters differ between {restored.name} and {live.name}, "
            f"and at most {len(keys)} are lowered at once. Nothing was done."
        )
    with worded(f"reading the counters of {live.name}"):
        found_now = look_up(transport, pair, keys, stop)
    return tuple(
        Lowering(key=key, backup=backup, live=there)
        for key, backup, there in found_now
        if backup and there and is_lower(backup, there)
    )


def execute(
    aws: Aws, plan: CutoverPlan, clock: Clock, stop: CancelToken, report: Report
) -> CutoverResult:
    """Do what the plan says and return what was done.

    However it ends, running the same cutover again leads to the same live table.
    Raises CabalBackupError when AWS refuses or does not answer.
    """
    undo_point = None
    way_back: tuple[str, ...] = ()
    if plan.undo_possible:
        undo_point = _undo_point(aws, plan, clock, report)
        options = plan.request.other_options
        way_back = undo.how_to_go_back(plan.environment, plan.live.name, undo_point, options)
        lost = undo.what_is_lost(plan.live.name, undo_point, plan.request.only)
        report(_about_undo(undo_point, way_back, lost))
    transfer = Transfer(
        transport=Transport(aws), rate=Rate(plan.request.rate), stop=stop, report=report
    )
    copying = CopyRequest(
        from_table=plan.restored.table,
        to_table=plan.live.table,
        mode=plan.request.mode,
        total=plan.comparison.in_backup,
        only=plan.request.only,
        lowerings=plan.lowerings,
    )
    copied = copy_items(transfer, copying)
    deleted = None
    if plan.deletions is not None:
        if undo_point is not None:
            record = _as_recorded(plan, undo_point, Mode.MIRROR)
            _record(aws, plan.restored, record, clock, report)
        deleted = delete_items(transfer, plan.live.table, plan.deletions)
    verification = _verify(transfer, plan, copied, deleted)
    # Whatever was found: everything was written, and the next run has a first write of its own.
    if undo_point is not None and (
        problem := undo.finish(
            aws, plan.restored, _as_recorded(plan, undo_point, Mode.MIRROR), clock
        )
    ):
        report(f"The end could not be recorded on {plan.restored.name} ({problem}).")
    return CutoverResult(
        copied=copied,
        deleted=deleted,
        undo_point=undo_point,
        way_back=way_back,
        verification=verification,
    )


def _record(
    aws: Aws, table: TableDescription, record: CutoverRecord, clock: Clock, report: Report
) -> None:
    if problem := undo.begin(aws, table, record, clock):
        report(f"The undo point could not be recorded on {table.name} ({problem}).")


def _as_recorded(plan: CutoverPlan, at: datetime, so_far: Mode) -> CutoverRecord:
    """What this cutover, and an unfinished run before it, have done to the live table so far.

    :param so_far: OVERWRITE until the first deletion, then MIRROR.
    """
    order = (Mode.MISSING_ONLY, Mode.OVERWRITE, Mode.MIRROR)
    done = so_far if plan.deletions is not None else Mode.OVERWRITE
    mode = min(plan.request.mode, done, key=order.index)
    if plan.unfinished is not None:
        mode = max(mode, plan.unfinished.record.mode, key=order.index)
    return CutoverRecord(live=plan.live.name, at=at, mode=mode, only=plan.request.only.name)


def _undo_point(aws: Aws, plan: CutoverPlan, clock: Clock, report: Report) -> datetime:
    """The moment before the first write, in AWS's time; an unfinished earlier run's stays.

    It is recorded, and its second is over.

    Raises RefusedError when it cannot be recovered to: recovery may have been switched off, or
    off and on, since the plan was made.
    """
    there, live = aws.at(plan.live.region), plan.live.name
    window = undo.next_second(there, live, clock)
    if window is not None:
        at = plan.unfinished.at if plan.unfinished else window.now
        if at >= window.earliest:
            record = _as_recorded(plan, at, Mode.OVERWRITE)
            _record(aws, plan.restored, record, clock, report)
            if undo.next_second(there, live, clock, after=at) is not None:
                return at
    raise RefusedError(
        f"The point-in-time recovery of {plan.live.name} was switched off after the plan was made, "
        "so the cutover could not be undone. Nothing was changed. Switch it on and run the cutover "
        "again, or accept that with --no-undo."
    )


def _verify(
    transfer: Transfer, plan: CutoverPlan, copied: Copied, deleted: Deleted | None
) -> Verification:
    transport, stop = transfer.transport, transfer.stop
    transfer.report("Reading both tables back.")
    pair = TablePair(plan.restored, plan.live)
    found = compare(transport, pair, stop, transfer.report, Scope(only=plan.request.only))
    with worded(f"reading {plan.live.name} back"):
        problems = tuple(_problems(transport, plan, copied, found, stop))
    return Verification(
        comparison=found,
        problems=problems,
        remarks=(*_about_others(plan, found), *_remarks(plan, found, deleted)),
    )


def _problems(
    transport: Transport, plan: CutoverPlan, copied: Copied, found: Comparison, stop: CancelToken
) -> Iterator[str]:
    if plan.lowerings and copied.kept:
        yield (
            f"{copied.kept} of {plural(len(plan.lowerings), 'counter')} not lowered, because of a "
            "change after the plan was made"
        )
    if found.only_in_backup.count:
        yield f"{plural(found.only_in_backup.count, 'item')} of the backup not in {plan.live.name}"
    expected = plan.comparison.differing.count if plan.request.mode is Mode.MISSING_ONLY else 0
    differing = found.differing.count
    if plan.is_counter and plan.request.mode is not Mode.MISSING_ONLY:
        differing -= _higher_counters(transport, plan, found, stop)
    if differing > expected:
        yield f"{plural(differing - expected, 'item')} other than in the backup"
    if plan.deletions is not None and (left := _left(transport, plan, plan.deletions, stop)):
        yield f"{plural(left, 'item')} not deleted"


def _about_others(plan: CutoverPlan, found: Comparison) -> Iterator[str]:
    before, after = plan.comparison.live_others, found.live_others
    if not plan.request.only:
        return
    if before.hex() == after.hex():
        yield f"the other {plural(after.count, 'item')} of {plan.live.name} are as they were"
    else:
        yield (
            f"others changed items of {plan.live.name} that do not match {plan.request.only}; this "
            "cutover wrote none of them"
        )


def _remarks(plan: CutoverPlan, found: Comparison, deleted: Deleted | None) -> Iterator[str]:
    if deleted is None:
        return
    if deleted.kept:
        yield f"{plural(deleted.kept, 'item')} to be deleted had been changed since, and was kept"
    new = found.only_in_live.count - deleted.kept
    if new > 0:
        yield f"{plural(new, 'item')} appeared in {plan.live.name} since the start, and was kept"


def _left(transport: Transport, plan: CutoverPlan, deletions: KeySpool, stop: CancelToken) -> int:
    """How many of the items to be deleted are there still, and unchanged."""
    left = 0
    for entries in deletions.chunks(READ_ITEMS):
        keys, seen = zip(*entries, strict=True)
        there = get_all(transport, plan.live.table, keys, stop)
        left += len(set(seen) & {fingerprint(item) for item in there.values()})
    return left


def _higher_counters(
    transport: Transport, plan: CutoverPlan, found: Comparison, stop: CancelToken
) -> int:
    """How many of the differing items differ only in a counter that is higher in live."""
    pair = TablePair(plan.restored, plan.live)
    return sum(
        same(live, highest(backup, live))
        for _, backup, live in look_up(transport, pair, found.differing.samples, stop)
        if backup and live
    )


def _copying(request: CutoverRequest, plan: CutoverPlan | None) -> tuple[str, ...]:
    """What happens to which items; without a plan their numbers are not known yet."""
    absent = differing = same_in_both = only_in_live = "items"
    mode = request.mode
    deletes = mode is Mode.MIRROR
    if plan is not None:
        found = plan.comparison
        groups = (found.only_in_backup, found.differing, found.identical, found.only_in_live)
        absent, differing, same_in_both, only_in_live = (
            plural(group.count, "item") for group in groups
        )
        deletes = plan.to_delete > 0
    keeps = mode is Mode.MISSING_ONLY
    return (
        f"Copy from {request.restored} to the live table {request.live}, {mode}:",
        *(
            [f"  only items whose key matches {request.only}; all others stay as they are"]
            if request.only
            else []
        ),
        f"  {absent} the live table lacks: written",
        f"  {differing} different in the live table: "
        + ("kept as they are there" if keeps else "written over with the backup's"),
        f"  {same_in_both} the same in both" + ("" if keeps else ": written as well"),
        f"  {only_in_live} only the live table has: "
        + ("deleted" if deletes else "kept as they are"),
    )


def _undo_line(possible: bool) -> str:
    if not possible:
        return "  NO WAY BACK: without point-in-time recovery this cannot be undone"
    return "  the way back: point-in-time recovery to the moment before the first write"


def _ending(rate: float | None) -> tuple[str, ...]:
    return (
        *(() if rate is None else (f"  at most {rate:g} write units a second",)),
        "  then everything is read back and compared",
    )


def _about_undo(at: datetime, way_back: tuple[str, ...], lost: str) -> str:
    first, second = way_back
    return (
        f"Undo point: {timestamp(at)}. To go back, from about five minutes after it on:\n"
        f"  {first}\n  {second}\n{lost}"
    )
