"""Restoring a table from a recovery point, always to a new table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from cabal_backup.errors import AwsError, CabalBackupError, RefusedError, UsageError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import (
    Job,
    Report,
    RestoreRequest,
    failure,
    follow_restore,
    start_restore,
)
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.aws.results import ask
from cabal_backup.operations.restore.restore_jobs import RestoreRole, check_role
from cabal_backup.operations.restore.select_point import (
    PointRequest,
    choose_point,
    list_points,
    salvage,
)
from cabal_backup.operations.restore.tables import encryption, origin, table_settings
from cabal_backup.operations.restore.tables.describe import (
    TableDescription,
    backup_after,
    being_deleted,
    check_target,
    describe_table,
    find_made,
    list_backups,
    wait_until_active,
)
from cabal_backup.operations.restore.tables.encryption import Encryption
from cabal_backup.operations.restore.tables.origin import TableRestore, list_restores, made_by
from cabal_backup.operations.restore.tables.table_settings import TableSettings
from cabal_backup.text import duration, moment, name_stamp


@dataclass(frozen=True, kw_only=True)
class RestoreAddressesPlan:
    """Exactly what a restore of a table will do."""

    live: str
    """The name of the table that the recovery point is of."""
    target: str
    point: RecoveryPoint
    now: datetime
    role: RestoreRole
    job: Job | None
    """An earlier run's job that restores this; it is followed, and no new one is started."""
    encryption: Encryption
    """The key that the restored table is encrypted under."""
    settings: TableSettings | None
    """What to bring back, where the table is restored under the live name."""
    passed_over: tuple[str, ...] = ()
    """Tables of the same restore that others have changed, or may have."""
    salvage: tuple[str, ...] = ()
    """What a restore in the DR region is not."""

    @property
    def straight(self) -> bool:
        """Whether the live table was deleted and is restored under its own name."""
        return self.target == self.live

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        return (
            f"Restore {self.live} from a recovery point to "
            + (
                f"{self.target}, which was deleted:"
                if self.straight
                else f"a new table {self.target}:"
            ),
            f"  recovery point {self.point.arn}",
            f"  taken {moment(self.point.created)}, "
            f"{duration(self.now - self.point.created)} ago, {self.point.size_bytes:,} bytes",
            "  in cold storage: about four hours, then mostly under an hour"
            if self.point.is_cold(self.now)
            else "  warm: minutes, mostly under an hour",
            f"  as {self.role}",
            *(() if self.settings else (f"  encrypted under {self.encryption}",)),
            *(
                f"  {name} is from this recovery point too, but it is not known to be as it was "
                "restored: it is not used"
                for name in self.passed_over
            ),
            *self.salvage,
            *self._job(),
            *table_settings.about(self.settings),
        )

    def _job(self) -> tuple[str, ...]:
        if self.job is None:
            return ()
        if self.job.finished:
            return (f"  the job {self.job.id} has done this already: nothing is restored again",)
        return (f"  the job {self.job.id} is doing this already: the command waits for it",)


def plan_restore(
    aws: Aws,
    now: datetime,
    request: PointRequest,
    *,
    to: str | None = None,
    table: str | None = None,
) -> RestoreAddressesPlan:
    """Choose a recovery point in the region to act in and plan its restore; see `choose_point`.

    :param to: the new table; by default the live name if that table was deleted, otherwise
        one that says which recovery point is in it, so that a second run finds the first's.
        In the DR region always the latter.
    :param table: the table that the recovery point is of; the addresses by default.
    """
    live = table or aws.environment.addresses_table
    resource_arn = aws.arn("dynamodb", f"table/{live}")
    check_target(aws, live, to)
    point = choose_point(aws, resource_arn, now, request)
    if request.arn is None:
        _check_not_empty(aws, point)
    jobs = list_restores(aws, resource_arn, now)
    there = describe_table(aws, live)
    if to is None and not aws.in_dr and there is not None and there.status == "DELETING":
        raise being_deleted(live)
    is_lost = there is None and not aws.in_dr
    if to is None and (is_lost or (there is not None and _is_being_replaced(aws, there, jobs))):
        to = live
    target = (
        _NewTable(to, _job_of(aws, jobs, point, to, live))
        if to
        else _new_table(aws, jobs, point, live)
    )
    role = check_role(aws, request.role)
    straight = target.name == live
    settings = None
    if aws.in_dr:
        key = encryption.in_another_region(live)
    elif there is not None and not straight:
        key = encryption.of_table(aws, there)
    else:
        backup = ask(lambda: backup_after(list_backups(aws, live), point.created))
        key = encryption.of_deleted(aws, backup)
        if straight:
            settings = table_settings.read_settings(
                aws, backup=backup, recovery_point_arn=point.arn
            )
    return RestoreAddressesPlan(
        live=live,
        target=target.name,
        point=point,
        now=now,
        role=role,
        job=target.job,
        encryption=key,
        settings=settings,
        passed_over=target.passed_over,
        salvage=salvage(aws),
    )


def execute(aws: Aws, plan: RestoreAddressesPlan, clock: Clock, report: Report) -> TableDescription:
    """Restore, follow the job, set the settings again and return the table.

    Raises AwsError with AWS's own reason when the job fails.
    """
    metadata = {"targetTableName": plan.target, **plan.encryption.key.restore_metadata}
    request = RestoreRequest(plan.point, plan.role.arn, metadata)
    job = plan.job or start_restore(aws, request, clock.now())
    job = follow_restore(aws, job, clock, report, longest=timedelta(hours=48))
    if not job.completed_well:
        raise _failed(job, plan)
    table = wait_until_active(aws, plan.target, clock, report)
    if plan.settings is not None:
        table_settings.bring_back(aws, plan.target, plan.settings, clock, report)
    elif plan.job is None or not plan.job.finished:
        origin.record(aws, table, plan.live, clock, report)
    return table


def _check_not_empty(aws: Aws, point: RecoveryPoint) -> None:
    """Raises RefusedError for an empty recovery point where an older one has something.

    A table that was deleted and created again is backed up empty.
    """
    if point.size_bytes:
        return
    for older in list_points(aws):
        is_older = older.created < point.created and older.resource_arn == point.resource_arn
        if is_older and older.completed and older.size_bytes:
            raise RefusedError(
                f"The recovery point of {moment(point.created)} is empty; the newest "
                f"that is not, of {moment(older.created)}, has {older.size_bytes:,} "
                f"bytes. Nothing was done. Choose one: --recovery-point {older.arn}"
            )


class _NewTable(NamedTuple):
    """A name for the restored table, the job that makes it, and the names that are taken."""

    name: str
    job: Job | None
    passed_over: tuple[str, ...] = ()


def _new_table(aws: Aws, jobs: list[TableRestore], point: RecoveryPoint, live: str) -> _NewTable:
    taken: list[str] = []
    for name in origin.names_for(f"{live}-restored-{name_stamp(point.created)}"):
        job = _same_restore(aws, jobs, point, name, live)
        if job is not None or find_made(aws, name) is None:
            return _NewTable(name, job, tuple(taken))
        taken.append(name)
    raise AssertionError("names_for never ends")


def _job_of(
    aws: Aws, jobs: list[TableRestore], point: RecoveryPoint, target: str, live: str
) -> Job | None:
    """The job that makes this table from this point; None when it is to be started.

    Raises UsageError when the name is taken by anything else.
    """
    if job := _same_restore(aws, jobs, point, target, live):
        return job
    for job, made in jobs:
        if made == target and not job.finished:
            raise UsageError(
                f"The restore job {job.id} is making {target} from another recovery point. "
                "Nothing was done. Choose another name with --to, or follow that restore with "
                f"--recovery-point {job.recovery_point_arn}"
            )
    if find_made(aws, target) is not None:
        raise UsageError(
            f"There is a table {target} already, and it is not known to be as it was restored "
            "from this recovery point. Nothing was done. Choose another name with --to."
        )
    return None


def _is_being_replaced(aws: Aws, live: TableDescription, jobs: list[TableRestore]) -> bool:
    """Whether an earlier run restores under the live name, and has not completed."""
    if any(target == live.name and not job.finished for job, target in jobs):
        return True
    made = next((job for job, _ in jobs if made_by(job, live)), None)
    return made is not None and not table_settings.is_complete(
        aws, live.name, made.recovery_point_arn
    )


def _same_restore(
    aws: Aws, jobs: list[TableRestore], point: RecoveryPoint, target: str, live: str
) -> Job | None:
    """A job that makes this table from this point, as long as the table is its work.

    A table beside the live one has to have the items that were restored, and no others; one
    under the live name is in use.
    """
    for job, made in jobs:
        if made != target or job.recovery_point_arn != point.arn:
            continue
        if not job.finished:
            return job
        table = find_made(aws, target)
        if table is None or not made_by(job, table):
            continue
        if target == live or origin.is_unchanged(aws, table):
            return job
    return None


def _failed(job: Job, plan: RestoreAddressesPlan) -> CabalBackupError:
    error = failure(job)
    if plan.straight:
        return AwsError(f"{error} {plan.live} still does not exist.")
    return AwsError(f"{error} The live table was not touched.")
