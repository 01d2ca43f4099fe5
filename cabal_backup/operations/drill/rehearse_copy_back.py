"""The drill of the copy-back: copy from the DR vault, then restore from the copy.

The copy stays: the vault's lock refuses to delete it, as it is meant to. It gets the
shortest lifecycle that the lock accepts, and the report says until when it is there. So does
the new recovery point in the DR vault where a cold one is brought back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cabal_backup import names
from cabal_backup.errors import CabalBackupError, UnknownError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.drill import rehearse_addresses
from cabal_backup.operations.drill.record import Run
from cabal_backup.operations.drill.request import (
    DrillRequest,
    drill_id,
    restored_table,
    scratch_table,
)
from cabal_backup.operations.restore.copies import cold_copy_back, copy_back
from cabal_backup.operations.restore.copies.cold_copy_back import ColdCopyBackPlan
from cabal_backup.operations.restore.copies.copy_back import CopyBackPlan
from cabal_backup.operations.restore.restore_jobs import check_role
from cabal_backup.operations.restore.select_point import ADDRESSES, CopyBackRequest, PointRequest
from cabal_backup.operations.status.drill_reports import DrillKind
from cabal_backup.text import day


@dataclass(frozen=True, kw_only=True)
class CopyBackDrillPlan:
    """Exactly what the drill of the copy-back will do."""

    copy: CopyBackPlan | ColdCopyBackPlan
    live: str
    drill: str
    """The id in the names of the tables it makes."""
    request: DrillRequest
    kind: DrillKind = DrillKind.COPY_BACK

    @property
    def makes(self) -> tuple[str, ...]:
        """The restored and the scratch table."""
        return (restored_table(self.live, self.drill), scratch_table(self.live, self.drill))

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        restored, _ = self.makes
        return (
            *self.copy.lines(),
            f"  {self.what_stays()}",
            f"Then restore {self.live} from what came back, to a new table {restored}:",
            *rehearse_addresses.what_follows(self.live, self.makes, self.request.tolerance_percent),
        )

    def what_stays(self) -> str:
        """What the drill cannot remove, until when, and what it costs."""
        days = (self.copy.until - self.copy.now) / timedelta(days=1)
        return (
            f"THE COPY STAYS in {names.VAULT} until {day(self.copy.until)}: "
            + (
                f"the lock refuses to delete it, and wants {self.copy.lock.min_days} days"
                if self.copy.lock
                else "its lifecycle removes it"
            )
            + f". It costs {self.copy.point.size_bytes:,} bytes of warm storage for "
            f"{days:.0f} days (docs/runbooks/drill.md#what-it-costs)."
            + (
                f" The new recovery point in {names.DR_VAULT} stays "
                f"{self.copy.warm_lifecycle.delete_after_days} days, at the same cost."
                if isinstance(self.copy, ColdCopyBackPlan)
                else ""
            )
        )

    def rehearse(self, run: Run) -> None:
        """Copy back, then the whole drill of the addresses from the copy."""
        record = run.record
        record.use(self.copy.point)
        stays = self.what_stays()
        with run.step("copy back"):
            try:
                arn = self._copy_back(run)
            except (KeyboardInterrupt, UnknownError):
                record.stays.append(f"A copy job that has begun continues. {stays}")
                raise
        record.stays.append(f"{arn.rpartition(':')[2]}: {stays}")
        point = PointRequest(arn=arn, role=self.request.point.role)
        request = replace(self.request, point=point)
        now = run.clock.now()
        rehearse_addresses.plan_drill(run.aws, now, request, drill=self.drill).rehearse(run)

    def _copy_back(self, run: Run) -> str:
        """The ARN of the copy."""
        if isinstance(self.copy, CopyBackPlan):
            job = copy_back.execute(run.aws, self.copy, run.clock, run.report)
            return job.recovery_point_arn
        try:
            return cold_copy_back.execute(run.aws, self.copy, run.clock, run.report)
        except (KeyboardInterrupt, CabalBackupError):
            run.record.left_over.append(
                f"perhaps the {self.copy.kind}. When its restore job has ended, delete it: aws "
                f"dynamodb delete-table --region {self.copy.from_region} "
                f"--table-name={self.copy.resource}"
            )
            raise


def plan_drill(aws: Aws, now: datetime, request: DrillRequest) -> CopyBackDrillPlan:
    """Plan the copy of the newest point of the addresses, or bringing the newest cold one back, and
    what follows it.

    Raises CabalBackupError when something that is needed is not there.
    """
    rehearse_addresses.check_live(aws)
    check_role(aws, request.point.role)
    wanted = CopyBackRequest(what=ADDRESSES)
    how = cold_copy_back if request.cold else copy_back
    return CopyBackDrillPlan(
        copy=how.plan_copy_back(aws, now, wanted, rehearsal=True),
        live=aws.environment.addresses_table,
        drill=f"{drill_id(now)}-back",
        request=request,
    )
