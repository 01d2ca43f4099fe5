"""The drill of the addresses table: restore, compare, and the cutover into a scratch table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cabal_backup import names
from cabal_backup.errors import AwsError
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.drill.record import Check, Run
from cabal_backup.operations.drill.request import (
    DrillRequest,
    drill_id,
    drill_of_table,
    restored_table,
    scratch_table,
)
from cabal_backup.operations.restore.tables import cutover, restore_addresses
from cabal_backup.operations.restore.tables.compare import Comparison, compare, find_pair
from cabal_backup.operations.restore.tables.cutover import CutoverRequest, Verification
from cabal_backup.operations.restore.tables.describe import (
    APPEARANCE,
    describe_table,
    find_table,
    wait_until_active,
)
from cabal_backup.operations.restore.tables.restore_addresses import RestoreAddressesPlan
from cabal_backup.operations.restore.tables.table_changes import tag
from cabal_backup.operations.restore.tables.transport import CancelToken, Transport
from cabal_backup.operations.status.drill_reports import DrillKind

NOT_EMPTY = "not empty"
COUNT = "count"
CONTENT = "content"
CUTOVER = "cutover"


@dataclass(frozen=True, kw_only=True)
class AddressesDrillPlan:
    """Exactly what the drill of the addresses table will do."""

    restore: RestoreAddressesPlan
    scratch: str
    """The table that the cutover is rehearsed into, in place of the live one."""
    tolerance_percent: int
    kind: DrillKind = DrillKind.ADDRESSES

    @property
    def makes(self) -> tuple[str, ...]:
        """The restored and the scratch table."""
        return (self.restore.target, self.scratch)

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        return (
            *self.restore.lines(),
            *what_follows(self.restore.live, self.makes, self.tolerance_percent),
        )

    def rehearse(self, run: Run) -> None:
        """Restore, compare with the live table, copy into the scratch table, read it back."""
        aws, record = run.aws, run.record
        record.use(self.restore.point)
        with run.step("restore"):
            # First: its tag records the drill if this run is killed while AWS restores.
            make_scratch(aws, self)
            restore_addresses.execute(aws, self.restore, run.clock, run.report)
            tag_restored(aws, self, run.clock)
        with run.step("compare"):
            pair = find_pair(aws, self.restore.target, self.restore.live)
            found = compare(Transport(aws), pair, CancelToken(), run.report)
            record.checks += about_restored(found, self.tolerance_percent)
        if found.in_backup:
            with run.step("cutover"):
                _cut_over(run, self)
        record.verified = run.clock.now()


def what_follows(live: str, makes: tuple[str, ...], tolerance_percent: int) -> tuple[str, ...]:
    """What the drill does with the restored table, in sentences."""
    restored, scratch = makes
    return (
        f"  compared with {live}, which is only read: passed when it has the same key, as many "
        f"items to {tolerance_percent} %, and {100 - tolerance_percent} % of them are identical",
        f"  the cutover is rehearsed into another new table, {scratch}",
        f"  at the end both are deleted: {restored}, {scratch}",
    )


def plan_drill(
    aws: Aws, now: datetime, request: DrillRequest, *, drill: str | None = None
) -> AddressesDrillPlan:
    """Choose a recovery point and plan the drill; see `choose_point`.

    :param drill: the id in the names of what it makes; otherwise the time.

    Raises CabalBackupError when something that is needed is not there.
    """
    check_live(aws)
    live = aws.environment.addresses_table
    this = drill or drill_id(now)
    to = restored_table(live, this)
    return AddressesDrillPlan(
        restore=restore_addresses.plan_restore(aws, now, request.point, to=to),
        scratch=scratch_table(live, this),
        tolerance_percent=request.tolerance_percent,
    )


def check_live(aws: Aws) -> None:
    """Raises AwsError when there is no live table to compare with."""
    live = aws.environment.addresses_table
    if describe_table(aws, live) is None:
        raise AwsError(
            f"The live table {live} does not exist, so there is nothing to compare with. "
            f"Restore it first: `cabal-backup restore addresses {aws.environment.options}`."
        )


def _cut_over(run: Run, plan: AddressesDrillPlan) -> None:
    wait_until_active(run.aws, plan.scratch, run.clock, run.report, longest=APPEARANCE, is_new=True)
    # Without a way back: point-in-time recovery of the scratch table would leave a system
    # backup of it behind for 35 days.
    request = CutoverRequest(restored=plan.restore.target, live=plan.scratch, no_undo=True)
    stop = CancelToken()
    planned = cutover.plan_cutover(run.aws, request, run.clock, stop, run.report)
    result = cutover.execute(run.aws, planned, run.clock, stop, run.report)
    run.record.checks.append(about_cutover(result.verification))


def make_scratch(aws: Aws, plan: AddressesDrillPlan) -> None:
    """An empty table with the key of the live one, whose tag names the drill."""
    name, like = plan.scratch, find_table(aws, plan.restore.live)
    with worded(f"making the table {name}"):
        aws.client("dynamodb").create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            # The partition key comes first.
            KeySchema=[{"AttributeName": key, "KeyType": role} for key, role, _ in like.keys],
            AttributeDefinitions=[
                {"AttributeName": key, "AttributeType": kind} for key, _, kind in like.keys
            ],
            Tags=[{"Key": names.DRILL_TAG, "Value": _drill(plan)}],
        )


def tag_restored(aws: Aws, plan: AddressesDrillPlan, clock: Clock) -> None:
    """Tag the restored table with the drill: AWS Backup cannot do it while it restores."""
    name = plan.restore.target
    with worded(f"tagging the table {name}"):
        tag(aws, aws.arn("dynamodb", f"table/{name}"), {names.DRILL_TAG: _drill(plan)}, clock)


def _drill(plan: AddressesDrillPlan) -> str:
    drill = drill_of_table(plan.restore.live, plan.scratch)
    assert drill is not None
    return drill


def about_restored(found: Comparison, tolerance_percent: int) -> list[Check]:
    """What a restored table shows beside the live one.

    Others write to the live table after the backup, so the two may differ: in their number
    of items by `tolerance_percent` of the live table's, and as many items may be other ones.
    """
    band = tolerance_percent * found.in_live / 100
    apart = abs(found.in_backup - found.in_live)
    most = max(found.in_backup, found.in_live)
    share = found.identical.count / most * 100 if most else 0.0
    least = 100 - tolerance_percent
    return [
        Check(
            NOT_EMPTY,
            found.in_backup > 0,
            f"{found.in_backup:,} items were restored, and every one was read",
        ),
        Check(
            COUNT,
            apart <= band,
            f"{found.in_backup:,} restored, {found.in_live:,} live: {apart:,} apart, "
            f"{band:,.0f} allowed ({tolerance_percent} %)",
        ),
        Check(
            CONTENT,
            share >= least,
            f"{share:.1f} % identical, at least {least} % required: {found.differing.count:,} "
            f"differ, {found.only_in_live.count:,} only in live, "
            f"{found.only_in_backup.count:,} only in the backup",
        ),
    ]


def about_cutover(verified: Verification) -> Check:
    """Whether the items arrived where they were copied to, byte by byte."""
    found = verified.comparison
    arrived = not verified.problems and found.equal
    digests = found.backup_digest == found.live_digest
    said = (
        f"{found.identical.count:,} items copied and read back"
        if arrived
        else "; ".join(verified.problems) or "the two tables differ"
    )
    return Check(
        CUTOVER,
        arrived and digests,
        f"{said}; the digests are {'equal' if digests else 'NOT equal'}",
    )
