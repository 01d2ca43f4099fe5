"""Bringing a cold recovery point of the DR vault back to the primary vault.

AWS Backup cannot copy a recovery point in cold storage. So it is restored to a new resource in the
DR region; an on-demand backup of that resource is a new, warm recovery point of the DR vault; and
that one is copied. At the end the resource is deleted.

A run that was killed is continued by the next one, which finds in AWS what was done: the resource
by a name or creation token that contains the id of the recovery point, the new recovery points by
their tags, and the jobs in their lists. An idempotency token that follows from the same keeps a job
from being started twice.

https://docs.aws.amazon.com/aws-backup/latest/devguide/recov-point-create-a-copy.html
https://docs.aws.amazon.com/aws-backup/latest/devguide/tags-on-backups.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cabal_backup import names
from cabal_backup.config.environment import Environment, Lifecycle, Lock
from cabal_backup.errors import AwsError, CabalBackupError, RefusedError, UnknownError
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import (
    KEPT,
    RUNNING,
    Job,
    JobKind,
    Report,
    RestoreRequest,
    failure,
    follow_restore,
    list_described,
    start_restore,
)
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.aws.results import Unknown
from cabal_backup.operations.restore.copies import copy_back, on_demand
from cabal_backup.operations.restore.mail import mailstore_restores
from cabal_backup.operations.restore.restore_jobs import (
    RestoreRole,
    check_role,
    list_restore_jobs,
)
from cabal_backup.operations.restore.select_point import CopyBackRequest, list_points
from cabal_backup.operations.restore.tables import encryption, origin
from cabal_backup.operations.restore.tables.describe import describe_table
from cabal_backup.operations.restore.tables.origin import list_restores, made_by
from cabal_backup.operations.status.state import RegionState
from cabal_backup.text import day, duration, moment, name_stamp


@dataclass(frozen=True, kw_only=True)
class Done:
    """What earlier runs have done, and are doing."""

    restore: Job | None = None
    """The restore job that runs."""
    resource_arn: str | None = None
    """The restored resource in the DR region, which is there."""
    backup: Job | None = None
    """The backup job of that resource that runs."""
    warm: RecoveryPoint | None = None
    """The warm recovery point in the DR vault."""
    copy: Job | None = None
    """The copy job that runs."""
    back: RecoveryPoint | None = None
    """The copy in the primary vault."""


@dataclass(frozen=True, kw_only=True)
class ColdCopyBackPlan:
    """Exactly what bringing a cold recovery point back will do."""

    environment: Environment
    point: RecoveryPoint
    from_region: str
    to_region: str
    role: RestoreRole
    now: datetime
    resource: str
    """The name of the restored table, or the creation token of the restored file system."""
    warm_lifecycle: Lifecycle
    """Of the new recovery point in the DR vault."""
    lifecycle: Lifecycle
    """Of its copy in the primary vault."""
    lock: Lock | None
    dr_lock: Lock | None
    """What the vaults are locked to; None for one that is not locked."""
    not_checked: tuple[str, ...]
    """What could not be checked beforehand."""
    done: Done

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.done.back is not None and self.done.resource_arn is None

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the new recovery points, which name the night."""
        return {
            names.NIGHT_TAG: self.point.created.isoformat(),
            names.RESOURCE_TAG: self.point.resource_arn,
            names.ORIGINAL_TAG: self.point.arn,
        }

    @property
    def until(self) -> datetime:
        """When the copy expires, at the earliest: its days count from the new backup."""
        return self.now + timedelta(days=self.lifecycle.delete_after_days)

    @property
    def kind(self) -> str:
        """What is restored, for people."""
        is_table = self.point.resource_type == names.DYNAMODB
        return f"table {self.resource}" if is_table else "file system"

    def what_is_left(self) -> str:
        """What is left to do, as a sentence."""
        done = self.done
        if done.back is not None:
            return f"This deletes the {self._leftover()} in {self.from_region}."
        steps = [f"copies into {self.environment}"]
        if done.warm is None:
            steps = ["backs up", *steps]
            if done.resource_arn is None:
                steps = [f"restores in {self.from_region}", *steps]
        if done.warm is None or done.resource_arn is not None:
            steps.append("deletes what it restored")
        return f"This {' and '.join(filter(None, [', '.join(steps[:-1]), steps[-1]]))}."

    def _leftover(self) -> str:
        """The resource that an earlier run has restored, for people."""
        name = str(self.done.resource_arn).rpartition("/")[2]
        return self.kind if name == self.resource else f"{self.kind} {name}"

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        point = self.point
        return (
            f"Bring a cold recovery point back from {names.DR_VAULT} in {self.from_region} to "
            f"{names.VAULT} in {self.to_region}:",
            f"  recovery point {point.arn}",
            f"  of {point.resource_type} {point.resource_arn.rpartition('/')[2]}, taken "
            f"{moment(point.created)}, {duration(self.now - point.created)} ago, "
            f"{point.size_bytes:,} bytes; in cold storage, so AWS Backup cannot copy it",
            *(self._steps() if self.done.back is None else self._deletion()),
        )

    def _deletion(self) -> tuple[str, ...]:
        if self.finished:
            return ("  it is back already, and there is nothing left to do",)
        assert self.done.back is not None
        return (
            f"  it is back already, as {self.done.back.arn}",
            f"  delete the {self._leftover()} in {self.from_region}, which an earlier run restored",
        )

    def _steps(self) -> tuple[str, ...]:
        done = self.done
        return (
            f"  1. restore it in {self.from_region} to a new {self.kind}"
            + (f": done, {done.resource_arn}" if done.resource_arn else ""),
            *(f"     {line}" for line in self._time()),
            f"  2. back that up into {names.DR_VAULT}: a new, warm recovery point, which expires "
            f"{self.warm_lifecycle.delete_after_days} days later"
            + (f" (done: {done.warm.arn})" if done.warm else "")
            + f"; {copy_back.about_lock(self.dr_lock, self.environment)}",
            f"  3. copy it to {names.VAULT}: {self._stays()}; "
            + copy_back.about_lock(self.lock, self.environment),
            f"  4. delete the {self.kind} in {self.from_region}",
            f"  as {self.role}",
            f"  both new recovery points have tags with the night, {day(self.point.created)}: "
            "every list shows them there",
            *(f"  not checked: {reason}" for reason in self.not_checked),
            *(
                f"  the {job.kind} job {job.id} is running already: the command waits for it"
                for job in (done.restore, done.backup, done.copy)
                if job is not None
            ),
        )

    def _time(self) -> tuple[str, ...]:
        if self.point.resource_type == names.EFS:
            return (
                *mailstore_restores.expectation(self.point, self.now),
                "steps 2 and 3 read everything once more: hours, for a large mailstore days",
            )
        return ("about four hours, then mostly under an hour for each of the steps 1 to 3",)

    def _stays(self) -> str:
        cold = self.lifecycle.cold_after_days
        tier = "warm to the end" if cold is None else f"cold after {cold} days"
        return f"{tier}, deleted {day(self.until)}"


def plan_copy_back(
    aws: Aws, now: datetime, wanted: CopyBackRequest, *, rehearsal: bool = False
) -> ColdCopyBackPlan:
    """Choose a cold recovery point of the DR vault and plan how it is brought back.

    :param rehearsal: do it although it was done, and keep the results for as short as the locks
        accept.

    Raises as `copy_back.plan_copy_back`; RefusedError for a warm recovery point, and for a resource
    of an earlier run that is not known to be whole.
    """
    environment = aws.environment
    ready = copy_back.prepare(aws, now, replace(wanted, cold=True))
    point, seen = ready.point, ready.seen
    if not point.is_cold(now):
        raise RefusedError(
            f"The recovery point from {moment(point.created)} is warm, so it is copied as it is. "
            "Nothing was done. Leave --cold out."
        )
    dr_lock = copy_back.lock_of(seen.dr, environment.lock)
    resource = _resource_name(point)
    there = aws.at(environment.dr_region)
    warm_lifecycle = _shortest(dr_lock, copy_back.USABLE_FOR.days)
    lifecycle = (
        _shortest(ready.lock, copy_back.RESTORED_WITHIN_DAYS)
        if rehearsal
        else _lifecycle(environment.lifecycle, point, now, ready.lock)
    )
    done = _restored(there, point, resource, now)
    done = replace(
        done,
        back=None if rehearsal else _usable(seen.primary, point, now + copy_back.USABLE_FOR),
        warm=None if rehearsal else _usable(seen.dr, point, now + copy_back.LONGEST),
    )
    if done.warm is not None:
        done = replace(done, copy=copy_back.running_copy(aws, done.warm, now))
    elif done.resource_arn is not None:
        jobs = _list_backups(there, done.resource_arn, now)
        running = next((job for job in jobs if job.state in RUNNING), None)
        done = replace(done, backup=running)
    return ColdCopyBackPlan(
        environment=environment,
        point=point,
        from_region=environment.dr_region,
        to_region=environment.region,
        role=check_role(aws, names.ROLE),
        now=now,
        resource=resource,
        warm_lifecycle=warm_lifecycle,
        lifecycle=lifecycle,
        lock=ready.lock,
        dr_lock=dr_lock,
        not_checked=ready.not_checked,
        done=done,
    )


def execute(aws: Aws, plan: ColdCopyBackPlan, clock: Clock, report: Report) -> str:
    """Do what the plan says; the ARN of the copy in the primary vault.

    Raises AwsError with AWS's own reason when a job fails, UnknownError as `jobs.follow`. Run
    again, it continues.
    """
    there = aws.at(plan.from_region)
    done = plan.done
    resource_arn = done.resource_arn
    if done.back is not None:
        arn = done.back.arn
    else:
        warm = done.warm
        if warm is None:
            resource_arn = resource_arn or _restore(there, plan, clock, report)
            warm = _back_up(there, plan, resource_arn, clock, report)
        now = clock.now()
        job = done.copy or copy_back.start_copy(
            aws,
            warm,
            plan.lifecycle,
            to_dr=False,
            token=_token("copy", warm.id, warm, now, copy_back.list_copies(aws, warm, now)),
        )
        arn = _follow(aws, job, clock, report)
    if resource_arn is not None:
        try:
            _delete(there, resource_arn, clock, report)
        except CabalBackupError as error:
            raise type(error)(
                f"The recovery point is back: {arn}. It can be restored now. Only deleting "
                f"{resource_arn} failed: {error}"
            ) from error
    return arn


def _delete(there: Aws, resource_arn: str, clock: Clock, report: Report) -> None:
    """Delete the restored resource."""
    name = resource_arn.rpartition("/")[2]
    if ":table/" in resource_arn:
        origin.delete_restored(there, name, clock)
        origin.wait_until_absent(there, name, clock, report)
    else:
        with worded(f"deleting {name}"):
            there.client("efs").delete_file_system(FileSystemId=name)
    report(f"Deleted {name} in {there.region}.")


def _resource_name(point: RecoveryPoint) -> str:
    if point.resource_type == names.DYNAMODB:
        # The moment is what lets the operator delete the table: see names.SCRATCH_TABLE.
        live = point.resource_arn.rpartition("/")[2]
        return f"{live}{names.COPY_BACK_TABLE}{name_stamp(point.created)}-{point.id}"
    return f"{names.COPY_BACK}{point.id}"[:64]


def _token(step: str, source: str, point: RecoveryPoint, now: datetime, jobs: Sequence[Job]) -> str:
    """The idempotency token of a job: the same until AWS Backup lists a job with it, and never that
    of a job that AWS Backup does not list any more.

    AWS does not say for how long a token counts, and lists a job for 30 days.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartRestoreJob.html

    :param source: what the job restores, backs up or copies: an id or an ARN.
    :param jobs: those of this step that AWS Backup lists, failed ones too, the newest first.
    """
    if jobs:
        return f"copy-back-{step}-{jobs[0].id}"
    period = (now - point.counted_from) // KEPT
    return f"copy-back-{step}-{source.rpartition('/')[2]}-{period}"


def _shortest(lock: Lock | None, days: int) -> Lifecycle:
    """A lifecycle of so many days, as far as the lock accepts it, without cold storage."""
    if lock is not None:
        days = max(lock.min_days, min(days, lock.max_days))
    return Lifecycle(cold_after_days=None, delete_after_days=days)


def _lifecycle(
    usual: Lifecycle, point: RecoveryPoint, now: datetime, lock: Lock | None
) -> Lifecycle:
    """The lifecycle with which the copy lives at least as long as the cold recovery point."""
    end = point.delete_at
    days = usual.delete_after_days if end is None else -((now - end) // timedelta(days=1))
    wanted = Lifecycle(
        cold_after_days=usual.cold_after_days, delete_after_days=max(days, copy_back.LIVE_FOR_DAYS)
    )
    return copy_back.lifecycle_on_arrival(wanted, 0, lock, names.VAULT)


def _usable(region: RegionState, point: RecoveryPoint, until: datetime) -> RecoveryPoint | None:
    """A recovery point that brings this one back, and is warm and there until then."""
    if isinstance(region.points, Unknown):
        raise UnknownError(
            f"Whether the recovery point is back already is not known ({region.points.reason}). "
            "Nothing was done."
        )
    found = (
        other
        for other in region.points.value
        if other.original == point.arn
        and other.completed
        and not other.is_cold(until)
        and (other.delete_at is None or other.delete_at >= until)
    )
    return next(found, None)


def _restored(there: Aws, point: RecoveryPoint, resource: str, now: datetime) -> Done:
    """The restored resource, or the job that is restoring it.

    Raises RefusedError for a resource that no job is known to have made.
    """
    if point.resource_type == names.EFS:
        wanted = {"newFileSystem": "true", "CreationToken": resource}
        earlier = mailstore_restores.find_earlier(there, point, wanted, now)
        if earlier.made is not None:
            return Done(resource_arn=earlier.made["FileSystemArn"])
        return Done(restore=earlier.job)
    jobs = [
        job
        for job, target in list_restores(there, point.resource_arn, now)
        if target == resource and job.recovery_point_arn == point.arn
    ]
    running = next((job for job in jobs if not job.finished), None)
    if running is not None:
        return Done(restore=running)
    table = describe_table(there, resource)
    if table is None or table.status == "DELETING":
        return Done()
    if any(made_by(job, table) for job in jobs):
        return Done(resource_arn=table.arn)
    raise RefusedError(
        f"{resource} is in {there.region}, and no restore job of the last {KEPT.days} days is "
        "known to have completed it. Nothing was done. If it is not needed, delete it and run this "
        f"again: aws dynamodb delete-table --region {there.region} --table-name={resource}"
    )


def _list_backups(there: Aws, resource_arn: str, now: datetime) -> list[Job]:
    """The backup jobs of a restored resource, failed ones too, the newest first."""
    with worded("looking for a backup that is under way"):
        return list_described(there, JobKind.BACKUP, now, ByResourceArn=resource_arn)


def _back_up(
    there: Aws, plan: ColdCopyBackPlan, resource_arn: str, clock: Clock, report: Report
) -> RecoveryPoint:
    """Back the restored resource up; the new recovery point in the DR vault."""
    now = clock.now()
    job = plan.done.backup
    if job is None:
        earlier = _list_backups(there, resource_arn, now)
        request = on_demand.BackupRequest(
            resource_arn=resource_arn,
            resource_type=plan.point.resource_type,
            lifecycle=plan.warm_lifecycle,
            tags=plan.tags,
            token=_token("backup", resource_arn, plan.point, now, earlier),
        )
        job = on_demand.start_backup(there, request)
    made = _follow(there, job, clock, report)
    for one in list_points(there):
        if one.arn == made:
            return one
    raise AwsError(
        f"The recovery point {made} of the backup job {job.id} is not in {there.vault}: it was "
        "deleted. Run it again."
    )


def _restore(there: Aws, plan: ColdCopyBackPlan, clock: Clock, report: Report) -> str:
    """Restore the cold recovery point; the ARN of the new resource."""
    point, now = plan.point, clock.now()
    job = plan.done.restore
    if job is None:
        earlier = list_restore_jobs(
            there, now, lambda entry: entry.get("RecoveryPointArn") == point.arn
        )
        token = _token("restore", point.id, point, now, earlier)
        request = RestoreRequest(point, plan.role.arn, _metadata(there, plan), token)
        job = start_restore(there, request, now)
    job = follow_restore(there, job, clock, report, longest=mailstore_restores.LONGEST)
    if not job.completed_well:
        raise failure(job)
    return job.created_resource_arn


def _metadata(there: Aws, plan: ColdCopyBackPlan) -> dict[str, str]:
    point = plan.point
    if point.resource_type == names.DYNAMODB:
        key = encryption.in_another_region(point.resource_arn.rpartition("/")[2]).key
        return {"targetTableName": plan.resource, **key.restore_metadata}
    return {
        "PerformanceMode": "generalPurpose",
        **mailstore_restores.starting_metadata(there, point),
        "newFileSystem": "true",
        "Encrypted": "true",
        "CreationToken": plan.resource,
    }


def _follow(aws: Aws, job: Job, clock: Clock, report: Report) -> str:
    """The ARN of the recovery point that a job makes."""
    copy_back.announce(aws, job, report)
    return copy_back.follow_to_end(aws, job, clock, report).recovery_point_arn
