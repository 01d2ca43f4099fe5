"""Copying a recovery point back from the DR vault, after the primary region was lost."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cabal_backup import names
from cabal_backup.config.environment import MIN_COLD_DAYS, Environment, Lifecycle, Lock
from cabal_backup.errors import AwsError, RefusedError, UnknownError, UnreachableError
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import (
    RUNNING,
    Job,
    JobKind,
    Report,
    failure,
    follow,
    list_described,
)
from cabal_backup.operations.aws.recovery_points import RecoveryPoint, lifecycle_request
from cabal_backup.operations.aws.results import Unknown
from cabal_backup.operations.restore.select_point import (
    CopyBackRequest,
    choose_copy,
    list_points,
)
from cabal_backup.operations.status.checks import run_checks
from cabal_backup.operations.status.checks.history import SAME_MOMENT
from cabal_backup.operations.status.findings import Finding, Status
from cabal_backup.operations.status.read_state import read_state
from cabal_backup.operations.status.state import RegionState, State
from cabal_backup.text import day, duration, moment

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import CopyJobTypeDef

LONGEST = timedelta(hours=48)
"""How long a copy job is followed: a large mailstore takes many hours between regions."""

WARM_FOR_DAYS = 7
"""The days a copy should at least stay warm, so that it can be restored without waiting."""

WARM_ON_ARRIVAL_DAYS = 1
"""The same of a copy that is not about to be restored: it arrives before it goes cold."""

USABLE_FOR = timedelta(days=7)
"""How long a copy that is there has to live to count as back: AWS Backup ends a restore of a file
system after seven days.

https://docs.aws.amazon.com/efs/latest/ug/awsbackup.html
"""

LIVE_FOR_DAYS = 30
"""The days a copy should at least live, so that what comes next can take its time."""

RESTORED_WITHIN_DAYS = 2
"""The days a rehearsal's copy lives, where no lock wants more."""

_NEEDED = ("primary-vault", "role", "dr-vault")
_OPT_IN = ("primary-opt-in", "dr-opt-in")


@dataclass(frozen=True, kw_only=True)
class CopyBackPlan:
    """Exactly what a copy-back will do."""

    environment: Environment
    point: RecoveryPoint
    from_region: str
    to_region: str
    to_vault_arn: str
    role_arn: str
    now: datetime
    lifecycle: Lifecycle
    lock: Lock | None
    """What the primary vault is locked to; None when it is not."""
    not_checked: tuple[str, ...]
    """What could not be checked beforehand."""
    warnings: tuple[str, ...]
    """What is not as configured, but does not keep AWS Backup from copying; and that an earlier
    copy could not be looked for."""
    job: Job | None
    """A running copy job of this; it is followed, and no new one is started."""
    there: RecoveryPoint | None
    """The same recovery point in the primary vault, where it is back already."""
    expiring: tuple[RecoveryPoint, ...] = ()
    """The same recovery point in the primary vault, where it expires too soon to be used."""

    @property
    def done(self) -> bool:
        """Whether there is nothing left to copy."""
        return self.there is not None

    @property
    def until(self) -> datetime:
        """When the copy expires: its days count from the backup, not from its arrival."""
        return self.point.counted_from + timedelta(days=self.lifecycle.delete_after_days)

    def is_usable(self, copy: RecoveryPoint) -> bool:
        """Whether a copy lives for USABLE_FOR, or as long as a new one would."""
        return copy.delete_at is None or copy.delete_at >= min(self.now + USABLE_FOR, self.until)

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        point = self.point
        return (
            f"Copy a recovery point back from {names.DR_VAULT} in {self.from_region} to "
            f"{names.VAULT} in {self.to_region}:",
            f"  recovery point {point.arn}",
            f"  of {point.resource_type} {point.resource_arn.rpartition('/')[2]}, taken "
            f"{moment(point.created)}, {duration(self.now - point.created)} ago; "
            "everything later is lost",
            f"  {point.size_bytes:,} bytes, "
            + (
                "always warm"
                if point.cold_at is None
                else f"warm until {day(point.cold_at)}"
                if self.now < point.cold_at
                else f"still warm after {day(point.cold_at)}"
            )
            + ": it can be copied",
            f"  as {self.role_arn}",
            f"  there {self._stays()}",
            "  (a copy keeps the date of its backup, so its days count from then)",
            *(f"  WARNING: {warning}" for warning in self.warnings),
            *(f"  not checked: {reason}" for reason in self.not_checked),
            *self._under_way(),
        )

    def _stays(self) -> str:
        created, lifecycle = self.point.counted_from, self.lifecycle
        cold = (
            f"cold from {day(created + timedelta(days=lifecycle.cold_after_days))}"
            if lifecycle.cold_after_days is not None
            else "warm to the end"
        )
        return (
            f"{cold}, deleted {day(self.until)} ({lifecycle.delete_after_days} days after the "
            f"backup); {about_lock(self.lock, self.environment)}"
        )

    def _under_way(self) -> tuple[str, ...]:
        if self.there is not None:
            end = self.there.delete_at
            until = f" until {day(end)}" if end else ""
            return (f"  it is back already{until}, as {self.there.arn}: nothing is copied again",)
        soon = tuple(
            f"  {copy.arn} is there, but expires at {moment(copy.delete_at)}, too soon "
            "to be used: it is copied again"
            for copy in self.expiring
            if copy.delete_at is not None
        )
        if self.job is not None:
            return (*soon, f"  the job {self.job.id} is copying it already: no other is started")
        return soon


@dataclass(frozen=True, kw_only=True)
class Ready:
    """Both vaults of a copy-back, as checked, and the recovery point to copy."""

    seen: State
    point: RecoveryPoint
    lock: Lock | None
    not_checked: tuple[str, ...]
    warnings: tuple[str, ...]


def prepare(aws: Aws, now: datetime, wanted: CopyBackRequest) -> Ready:
    """Check that both ends are ready and choose the point; see `plan_copy_back`.

    For a cold one the opt-in of the DR region has to be on: AWS Backup copies only what it fully
    manages, and a new recovery point is made there.
    """
    environment = aws.environment
    if environment.region in aws.lost:
        raise UnreachableError(
            f"A copy goes into {environment.region}, which is assumed lost. Wait until it is back, "
            "or salvage data in the DR region, with the option --in dr of the restore commands "
            "(docs/runbooks/lose-a-region.md#in-the-dr-region)."
        )
    seen = read_state(aws, now)
    if isinstance(seen.dr.points, Unknown):
        raise UnreachableError(
            f"What is in {names.DR_VAULT} in {environment.dr_region} is not known "
            f"({seen.dr.points.reason}). Nothing was done."
        )
    # Which point it is comes first: what matters for a table, does not for a file system.
    point = choose_copy(aws, seen.dr.points.value, now, wanted)
    needed = (*_NEEDED, "dr-opt-in") if point.is_cold(now) else _NEEDED
    not_checked = check_ready(run_checks(seen, needed).findings)
    warnings: tuple[str, ...] = ()
    if point.resource_type == names.DYNAMODB and not point.is_cold(now):
        opt_in = run_checks(seen, _OPT_IN).findings
        warnings = tuple(_about_opt_in(f) for f in opt_in if f.status is Status.FAIL)
        not_checked += tuple(f.evidence for f in opt_in if f.status is Status.UNKNOWN)
    return Ready(
        seen=seen,
        point=point,
        lock=lock_of(seen.primary, environment.lock),
        not_checked=not_checked,
        warnings=warnings,
    )


def plan_copy_back(
    aws: Aws, now: datetime, wanted: CopyBackRequest, *, rehearsal: bool = False
) -> CopyBackPlan:
    """Check that both ends are ready, choose the point and plan its copy.

    :param rehearsal: copy it although it is there, for as short as the lock accepts.

    Raises AwsError when the primary vault or the role is not as it has to be, UnreachableError
    or UnknownError when either end cannot be seen, RefusedError for a cold point or one that
    would expire on arrival, UsageError when there is no such point.
    """
    environment = aws.environment
    ready = prepare(aws, now, wanted)
    point, lock = ready.point, ready.lock
    age = begun_days(point.counted_from, now)
    plan = CopyBackPlan(
        environment=environment,
        point=point,
        from_region=environment.dr_region,
        to_region=environment.region,
        to_vault_arn=aws.arn("backup", f"backup-vault:{names.VAULT}"),
        role_arn=aws.arn("iam", f"role/{names.ROLE}", region=""),
        now=now,
        lifecycle=shortest_lifecycle(age, lock)
        if rehearsal
        else lifecycle_on_arrival(environment.lifecycle, age, lock, names.VAULT),
        lock=lock,
        not_checked=ready.not_checked,
        warnings=ready.warnings,
        job=None if rehearsal else running_copy(aws, point, now),
        there=None,
    )
    return plan if rehearsal else _with_what_is_there(plan, ready.seen)


def execute(
    aws: Aws, plan: CopyBackPlan, clock: Clock, report: Report, *, wait: bool = True
) -> Job:
    """Start the copy job, follow it and return it.

    :param wait: False ends as soon as the job is started.

    Raises AwsError with AWS's own reason when the job fails, UnknownError as `jobs.follow`.
    """
    job = plan.job or start_copy(aws, plan.point, plan.lifecycle, to_dr=False)
    announce(aws, job, report)
    if not wait:
        return job
    job = follow_to_end(aws, job, clock, report)
    if plan.job is not None and not plan.is_usable(_arrived(aws, job)):
        # Such as a rehearsal's, whose copy lives as short as the lock accepts.
        report(f"What the job {job.id} copied expires too soon to be used. Copying it again.")
        job = follow_to_end(
            aws, start_copy(aws, plan.point, plan.lifecycle, to_dr=False), clock, report
        )
    return job


def announce(aws: Aws, job: Job, report: Report) -> None:
    """Report how to watch a job."""
    report(
        f"{job.kind.capitalize()} job {job.id} in {job.region}. It continues if this command ends; "
        f"to watch it: cabal-backup jobs watch {job.id} {aws.environment.options}"
    )


def follow_to_end(aws: Aws, job: Job, clock: Clock, report: Report) -> Job:
    """Follow a job for LONGEST at most, and return how it ended.

    Raises AwsError with AWS's own reason when it fails, UnknownError as `jobs.follow`.
    """
    job = follow(aws, job, clock, report, longest=LONGEST)
    if not job.completed_well:
        raise failure(job)
    return job


def _arrived(aws: Aws, job: Job) -> RecoveryPoint:
    """The copy that a job made."""
    for point in list_points(aws):
        if point.arn == job.recovery_point_arn:
            return point
    raise AwsError(
        f"The copy {job.recovery_point_arn} of the job {job.id} is not in {names.VAULT}: it was "
        "deleted or has expired. Run it again."
    )


def lifecycle_on_arrival(
    wanted: Lifecycle, age: int, lock: Lock | None, vault: str, *, warm_days: int = WARM_FOR_DAYS
) -> Lifecycle:
    """The lifecycle nearest to `wanted` that a copy of this age can arrive with.

    A copy keeps its creation date, and a lifecycle counts from there. So one that would go
    cold within `warm_days` stays warm, and one that would expire within LIVE_FOR_DAYS
    lives longer, as far as the vault's lock accepts it.

    :param age: in `begun_days`.

    Raises RefusedError when it would expire on arrival whatever the lifecycle.
    """
    delete_after = max(wanted.delete_after_days, age + LIVE_FOR_DAYS)
    if lock is not None:
        delete_after = max(lock.min_days, min(delete_after, lock.max_days))
    if delete_after <= age:
        raise RefusedError(
            f"The recovery point is {age} days old, and the lock of {vault} accepts at most "
            f"{delete_after} days counted from the backup: it would expire on arrival. Nothing "
            "was done. Raise lock_max_days of the environment and deploy it, or restore the point "
            "in the DR region."
        )
    cold_after = wanted.cold_after_days
    if cold_after is not None and (
        cold_after < age + warm_days or delete_after < cold_after + MIN_COLD_DAYS
    ):
        cold_after = None
    return Lifecycle(cold_after_days=cold_after, delete_after_days=delete_after)


def shortest_lifecycle(age: int, lock: Lock | None) -> Lifecycle:
    """The shortest lifecycle with which a copy of this age can still be restored from.

    :param age: in `begun_days`.

    Raises RefusedError when it would expire on arrival whatever the lifecycle.
    """
    # One day to restore from it, and one because begun days count.
    shortest = Lifecycle(cold_after_days=None, delete_after_days=age + RESTORED_WITHIN_DAYS)
    if lock is None:
        return shortest
    if shortest.delete_after_days > lock.max_days:
        return lifecycle_on_arrival(shortest, age, lock, names.VAULT)
    return replace(shortest, delete_after_days=max(shortest.delete_after_days, lock.min_days))


def begun_days(created: datetime, now: datetime) -> int:
    """The days since then; one that has begun counts."""
    return -((created - now) // timedelta(days=1))


def check_ready(
    findings: tuple[Finding, ...], vault_check: str = "primary-vault"
) -> tuple[str, ...]:
    """What could not be examined.

    :param vault_check: the check of the vault that is written to.

    Raises AwsError for what is known to be wrong, UnknownError if that vault cannot be seen.
    """
    wrong = [finding for finding in findings if finding.status is Status.FAIL]
    if wrong:
        said = "\n".join(
            f"  {' '.join([finding.evidence, *finding.details])}\n    {finding.hint}"
            for finding in wrong
        )
        raise AwsError(f"This must be corrected first:\n{said}")
    unknown = {f.check: f.evidence for f in findings if f.status is Status.UNKNOWN}
    if vault_check in unknown:
        raise UnknownError(
            f"The vault cannot be examined. {unknown[vault_check]} Nothing was done."
        )
    return tuple(unknown.values())


def lock_of(region: RegionState, configured: Lock) -> Lock | None:
    """The lock of a region's vault; the configured one where the vault cannot be read."""
    vault = region.vault
    if isinstance(vault, Unknown) or vault.value is None:
        return configured
    if not vault.value.get("Locked"):
        return None
    return Lock(
        min_days=vault.value.get("MinRetentionDays", 1),
        max_days=vault.value.get("MaxRetentionDays", 36500),
    )


def about_lock(lock: Lock | None, environment: Environment) -> str:
    """What a vault accepts, for a plan."""
    if lock is None:
        return f"the vault has NO LOCK: `cabal-backup relock {environment.options}` puts it on"
    return f"the lock accepts {lock.min_days} to {lock.max_days} days"


def _about_opt_in(finding: Finding) -> str:
    """What an opt-in that is off means for a point that was made while it was on.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/advanced-ddb-backup.html
    """
    return (
        f"{finding.evidence} This one was made while it was on, so AWS Backup copies it. To turn "
        f"it on again: {finding.hint}"
    )


def _with_what_is_there(plan: CopyBackPlan, seen: State) -> CopyBackPlan:
    """The plan with the copies that the primary vault holds already, or a warning that these are
    not known.

    Of several that are usable the one with the plan's lifecycle is preferred, then one that is
    warm, then the one that lives longest.
    """
    held = seen.primary.points
    if isinstance(held, Unknown):
        unknown = (
            f"Whether it is back already is not known ({held.reason}): it may be a second copy."
        )
        return replace(plan, warnings=(*plan.warnings, unknown))
    point = plan.point
    copies = [
        other
        for other in held.value
        if other.resource_arn == point.resource_arn
        and other.completed
        and abs(other.created - point.created) <= SAME_MOMENT
    ]
    usable = sorted(
        (copy for copy in copies if plan.is_usable(copy)),
        key=lambda copy: (
            copy.lifecycle == plan.lifecycle,
            not copy.is_cold(plan.now),
            copy.delete_at is None,
            copy.delete_at or plan.now,
        ),
    )
    if usable:
        return replace(plan, there=usable[-1])
    return replace(plan, expiring=tuple(copies))


def running_copy(aws: Aws, point: RecoveryPoint, now: datetime) -> Job | None:
    """The job that is copying a recovery point to the primary vault; None without one.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    jobs = list_copies(aws, point, now)
    return next((job for job in jobs if job.state in RUNNING), None)


def list_copies(aws: Aws, point: RecoveryPoint, now: datetime) -> list[Job]:
    """The copy jobs of 30 days from a recovery point of the DR vault to the primary vault, failed
    ones too, the newest first.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    destination = aws.arn("backup", f"backup-vault:{names.VAULT}")

    def wanted(entry: CopyJobTypeDef) -> bool:
        source = entry.get("SourceRecoveryPointArn")
        return source == point.arn and entry.get("DestinationBackupVaultArn") == destination

    with worded("looking for a copy that is under way"):
        region = aws.environment.dr_region
        return list_described(aws, JobKind.COPY, now, wanted, region=region)


def start_copy(
    aws: Aws,
    point: RecoveryPoint,
    lifecycle: Lifecycle,
    *,
    to_dr: bool,
    token: str | None = None,
) -> Job:
    """Start a copy job as the backup role, from one of the two vaults to the other.

    :param token: the idempotency token; by default one for this call.

    Raises CabalBackupError with AWS's own reason.
    """
    environment = aws.environment
    here, there = (names.VAULT, environment.region), (names.DR_VAULT, environment.dr_region)
    (from_vault, from_region), (to_vault, to_region) = (here, there) if to_dr else (there, here)
    with worded("starting the copy job"):
        started = aws.client("backup", from_region).start_copy_job(
            RecoveryPointArn=point.arn,
            SourceBackupVaultName=from_vault,
            DestinationBackupVaultArn=aws.arn(
                "backup", f"backup-vault:{to_vault}", region=to_region
            ),
            IamRoleArn=aws.arn("iam", f"role/{names.ROLE}", region=""),
            Lifecycle=lifecycle_request(lifecycle),
            # A lost answer makes botocore ask again: the token keeps that one job.
            IdempotencyToken=token or str(uuid.uuid4()),
        )
    return Job(
        kind=JobKind.COPY,
        id=started["CopyJobId"],
        region=from_region,
        created=started["CreationDate"],
        resource_arn=point.resource_arn,
        resource_type=point.resource_type,
        vault=to_vault,
    )
