"""A backup or a copy now, with the plan's lifecycle and role, instead of in the night."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from cabal_backup import names
from cabal_backup.config.environment import Environment, Lifecycle, Lock
from cabal_backup.errors import (
    NoRecoveryPointError,
    RefusedError,
    UnreachableError,
)
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import (
    RUNNING,
    Job,
    JobKind,
    Report,
    describe_job,
    failure,
    follow,
)
from cabal_backup.operations.aws.recovery_points import RecoveryPoint, lifecycle_request
from cabal_backup.operations.aws.results import Answer, Known, Unknown
from cabal_backup.operations.restore.copies.copy_back import (
    LONGEST,
    WARM_ON_ARRIVAL_DAYS,
    begun_days,
    check_ready,
    lifecycle_on_arrival,
    lock_of,
    start_copy,
)
from cabal_backup.operations.restore.select_point import (
    ADDRESSES,
    MAILSTORE,
    find_named,
    with_storage_class,
)
from cabal_backup.operations.status.checks import run_checks
from cabal_backup.operations.status.checks.copies import without_copy
from cabal_backup.operations.status.checks.outcome import lifecycle_words
from cabal_backup.operations.status.read_state import read_state
from cabal_backup.operations.status.state import RegionState, State
from cabal_backup.text import day, moment

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import BackupJobTypeDef, CopyJobTypeDef

JobT = TypeVar("JobT", "BackupJobTypeDef", "CopyJobTypeDef")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One resource to back up, or one recovery point to copy."""

    resource_arn: str
    resource_type: str
    point: RecoveryPoint | None
    """The recovery point to copy; None for a backup."""
    lifecycle: Lifecycle
    until: datetime
    """When the result expires."""
    job: Job | None
    """A running job that does this; it is followed, and no new one is started."""

    def __str__(self) -> str:
        what = f"{self.resource_type} {self.resource_arn.rpartition('/')[2]}"
        if self.point is not None:
            what += f" of {moment(self.point.created)} ({self.point.id})"
        kept = lifecycle_words(self.lifecycle.cold_after_days, self.lifecycle.delete_after_days)
        running = f"; the job {self.job.id} is doing this already" if self.job else ""
        return f"{what}: {kept}, until {day(self.until)}{running}"


@dataclass(frozen=True, kw_only=True)
class OnDemandPlan:
    """Exactly what will be backed up or copied."""

    environment: Environment
    kind: JobKind
    items: tuple[Item, ...]
    from_region: str
    vault_arn: str
    """Where the results go."""
    to_region: str
    role_arn: str
    lock: Lock | None
    left_out: tuple[str, ...]
    """What is not copied, and why."""
    not_checked: tuple[str, ...]
    """What could not be checked beforehand."""

    @property
    def vault(self) -> str:
        """The name of the vault that the jobs write to."""
        return self.vault_arn.rpartition(":")[2]

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        verb = "Back up" if self.kind is JobKind.BACKUP else "Copy"
        keeps = (
            f"the lock of {self.vault} refuses to delete one before that date"
            if self.lock
            else f"{self.vault} has NO LOCK: `cabal-backup relock "
            f"{self.environment.options}` puts it on"
        )
        if self.items:
            first = f"{verb} into {self.vault} in {self.to_region}, as {self.role_arn}:"
        elif self.left_out:
            first = "Nothing can be copied."
        else:
            first = "Every recovery point of the last 30 days has a copy: there is nothing to copy."
        return (
            first,
            *(f"  {item}" for item in self.items),
            *(f"  not copied: {reason}" for reason in self.left_out),
            *(f"  not checked: {reason}" for reason in self.not_checked),
            *([f"  {keeps}"] if self.items else []),
        )


def plan_backup(aws: Aws, now: datetime, what: Collection[str]) -> OnDemandPlan:
    """Plan a backup now of what the plan backs up each night.

    :param what: ADDRESSES, MAILSTORE or both; both if it is empty.

    Raises AwsError if the vault, the role or a resource is not as it must be, UnreachableError
    or UnknownError if the region cannot be seen.
    """
    environment = aws.environment
    seen = _read_state(aws, now, environment.region)
    not_checked = check_ready(run_checks(seen, ("primary-vault", "role", "resources")).findings)
    resources = (
        (ADDRESSES, names.DYNAMODB, seen.table_arn),
        (MAILSTORE, names.EFS, seen.mailstore_arn),
    )
    running = {
        entry["ResourceArn"]: entry["BackupJobId"]
        for entry in _running(seen.backup_jobs)
        if entry.get("BackupVaultName") == names.VAULT
    }
    return OnDemandPlan(
        environment=environment,
        kind=JobKind.BACKUP,
        items=tuple(
            Item(
                resource_arn=arn,
                resource_type=kind,
                point=None,
                lifecycle=environment.lifecycle,
                until=now + timedelta(days=environment.lifecycle.delete_after_days),
                job=_described(aws, JobKind.BACKUP, running.get(arn)),
            )
            for word, kind, arn in resources
            if not what or word in what
        ),
        from_region=environment.region,
        vault_arn=aws.arn("backup", f"backup-vault:{names.VAULT}"),
        to_region=environment.region,
        role_arn=seen.role_arn,
        lock=lock_of(seen.primary, environment.lock),
        left_out=(),
        not_checked=not_checked + _unknown(seen.backup_jobs),
    )


def plan_copy(aws: Aws, now: datetime, wanted: Sequence[str]) -> OnDemandPlan:
    """Plan the copy now of recovery points to the DR vault.

    :param wanted: ARNs of recovery points in the primary vault, whose last part is enough;
        every one of the last 30 days that has no copy if it is empty.

    Raises as `plan_backup`; UsageError if there is no such point, RefusedError for one that is
    cold or not complete.
    """
    environment = aws.environment
    seen = _read_state(aws, now, environment.region, environment.dr_region)
    not_checked = check_ready(run_checks(seen, ("dr-vault", "role")).findings, "dr-vault")
    points, left_out = _to_copy(aws, seen, wanted)
    lock = lock_of(seen.dr, environment.lock)
    running = {
        entry["SourceRecoveryPointArn"]: entry["CopyJobId"]
        for entry in _running(seen.copy_jobs)
        if entry.get("DestinationBackupVaultArn") == seen.dr_vault_arn
    }
    items = []
    for point in points:
        lifecycle = lifecycle_on_arrival(
            environment.dr_lifecycle,
            begun_days(point.counted_from, now),
            lock,
            names.DR_VAULT,
            warm_days=WARM_ON_ARRIVAL_DAYS,
        )
        items.append(
            Item(
                resource_arn=point.resource_arn,
                resource_type=point.resource_type,
                point=point,
                lifecycle=lifecycle,
                until=point.counted_from + timedelta(days=lifecycle.delete_after_days),
                job=_described(aws, JobKind.COPY, running.get(point.arn)),
            )
        )
    return OnDemandPlan(
        environment=environment,
        kind=JobKind.COPY,
        items=tuple(items),
        from_region=environment.region,
        vault_arn=seen.dr_vault_arn,
        to_region=environment.dr_region,
        role_arn=seen.role_arn,
        lock=lock,
        left_out=left_out,
        not_checked=not_checked + _unknown(seen.copy_jobs),
    )


def execute(
    aws: Aws, plan: OnDemandPlan, clock: Clock, report: Report, *, wait: bool = True
) -> list[Job]:
    """Start every job, follow them and return them.

    :param wait: False returns as soon as all are started.

    Raises AwsError with AWS's own reason for the first job that fails, after all have ended;
    UnknownError as `jobs.follow`. Run again, it follows the jobs that still run.
    """
    jobs = []
    for item in plan.items:
        job = item.job or _start(aws, item)
        jobs.append(job)
        report(
            f"{plan.kind.capitalize()} job {job.id}. It continues if this command ends; to watch "
            f"it: cabal-backup jobs watch {job.id} {aws.environment.options}"
        )
    if not wait:
        return jobs
    ended = [follow(aws, job, clock, report, longest=LONGEST) for job in jobs]
    for job in ended:
        if not job.completed_well:
            raise failure(job)
    return ended


def _read_state(aws: Aws, now: datetime, *regions: str) -> State:
    """Raises UnreachableError where one of the regions is assumed lost."""
    for region in regions:
        if region in aws.lost:
            raise UnreachableError(f"{region} is assumed lost. Wait until it is back.")
    return read_state(aws, now)


class _ToCopy(NamedTuple):
    points: list[RecoveryPoint]
    left_out: tuple[str, ...]
    """What is not copied, and why."""


def _to_copy(aws: Aws, seen: State, wanted: Sequence[str]) -> _ToCopy:
    points = _points(seen.primary)
    if wanted:
        return _ToCopy([_copyable(aws, seen, points, name) for name in wanted], ())
    _points(seen.dr)
    missing = [with_storage_class(aws, point, seen.now) for point in without_copy(seen)]
    cold = tuple(
        f"{point.arn} is in cold storage, and AWS Backup cannot copy it"
        for point in missing
        if point.is_cold(seen.now)
    )
    return _ToCopy([point for point in missing if not point.is_cold(seen.now)], cold)


def _points(region: RegionState) -> list[RecoveryPoint]:
    if isinstance(region.points, Unknown):
        raise UnreachableError(
            f"The recovery points of {region.vault_name} in {region.region} are not known: "
            f"{region.points.reason} Nothing was done."
        )
    return region.points.value


def _copyable(aws: Aws, seen: State, points: Sequence[RecoveryPoint], name: str) -> RecoveryPoint:
    point = find_named(points, name)
    if point is None:
        raise NoRecoveryPointError(
            f"There is no recovery point {name} in {names.VAULT}; `cabal-backup points --list "
            f"{seen.environment.options}` lists them. Nothing was done."
        )
    point = with_storage_class(aws, point, seen.now)
    if not point.completed:
        raise RefusedError(
            f"The recovery point {name} is {point.status}: it cannot be copied. Nothing was done."
        )
    if point.is_cold(seen.now):
        raise RefusedError(
            f"The recovery point {name} is in cold storage, and AWS Backup cannot copy it. "
            "Nothing was done."
        )
    return point


def _running(jobs: Answer[list[JobT]]) -> Iterator[JobT]:
    if isinstance(jobs, Known):
        yield from (entry for entry in jobs.value if entry["State"] in RUNNING)


def _unknown(jobs: Answer[list[JobT]]) -> tuple[str, ...]:
    if isinstance(jobs, Unknown):
        return (f"whether a job does this already: {jobs.reason}",)
    return ()


def _described(aws: Aws, kind: JobKind, job_id: str | None) -> Job | None:
    if job_id is None:
        return None
    with worded(f"asking about {kind} job {job_id}"):
        return describe_job(aws, kind, job_id)


def _start(aws: Aws, item: Item) -> Job:
    if item.point is not None:
        return start_copy(aws, item.point, item.lifecycle, to_dr=True)
    request = BackupRequest(
        resource_arn=item.resource_arn,
        resource_type=item.resource_type,
        lifecycle=item.lifecycle,
    )
    return start_backup(aws, request)


@dataclass(frozen=True, kw_only=True)
class BackupRequest:
    """What is backed up, and how long it is kept."""

    resource_arn: str
    resource_type: str
    lifecycle: Lifecycle
    tags: Mapping[str, str] = field(default_factory=dict)
    """Of the recovery point, beside those of the resource."""
    token: str | None = None
    """The idempotency token; by default one for the call."""


def start_backup(aws: Aws, request: BackupRequest) -> Job:
    """Start a backup job as the backup role, into the vault of the region to act in.

    Raises CabalBackupError with AWS's own reason.
    """
    with worded("starting the backup job"):
        started = aws.client("backup").start_backup_job(
            BackupVaultName=aws.vault,
            ResourceArn=request.resource_arn,
            IamRoleArn=aws.arn("iam", f"role/{names.ROLE}", region=""),
            Lifecycle=lifecycle_request(request.lifecycle),
            RecoveryPointTags=request.tags,
            StartWindowMinutes=names.START_WINDOW_MINUTES,
            CompleteWindowMinutes=names.COMPLETION_WINDOW_MINUTES,
            # A lost answer makes botocore ask again: the token keeps that one job.
            IdempotencyToken=request.token or str(uuid.uuid4()),
        )
    return Job(
        kind=JobKind.BACKUP,
        id=started["BackupJobId"],
        region=aws.region,
        created=started["CreationDate"],
        resource_arn=request.resource_arn,
        resource_type=request.resource_type,
        vault=aws.vault,
    )
