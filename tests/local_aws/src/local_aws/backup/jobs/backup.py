"""Backup jobs: CREATED → RUNNING → COMPLETED, and all other ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from local_aws.backup import arns, reports
from local_aws.backup.core import Core, due, new_id
from local_aws.backup.jobs import copies, points, slots
from local_aws.backup.lifecycle import Lifecycle, is_outside
from local_aws.backup.policies import denies
from local_aws.backup.resources import JobFailure, kind_of, refusal
from local_aws.backup.state import BackupJob, RecoveryPoint, Vault
from local_aws.backup.world import Inventory, Scope, TableImage

DEFAULT_START_WINDOW = timedelta(hours=8)
DEFAULT_COMPLETION_WINDOW = timedelta(days=7)

OUTSIDE_LOCK = (
    "Backup job failed because the lifecycle is outside the valid range for backup vault."
)
BUSY = "Backup job failed because there was a running job for the same resource."
NOT_STARTED = "Backup job expired before it could start."
NOT_COMPLETED = "Backup job expired before completion."
STOPPED = "Backup job was stopped by user."


@dataclass(frozen=True)
class Request:
    """What is backed up, to which vault, for how long, with which role."""

    vault_name: str
    resource_arn: str
    iam_role_arn: str
    lifecycle: Lifecycle
    scheduled: datetime
    start_delay: timedelta
    start_window: timedelta | None = None
    completion_window: timedelta | None = None
    tags: dict[str, str] = field(default_factory=dict)
    created_by: dict[str, Any] | None = None
    copy_actions: list[dict[str, Any]] = field(default_factory=list)


def create(core: Core, scope: Scope, request: Request) -> BackupJob:
    """A new job, to start after its delay."""
    kind = kind_of(request.resource_arn)
    resource_type = kind.resource_type if kind else _service(request.resource_arn)
    region = core.state.region(scope)
    advanced = region.managed_by_backup(resource_type)
    start_by = request.scheduled + (request.start_window or DEFAULT_START_WINDOW)
    complete_by = request.scheduled + (request.completion_window or DEFAULT_COMPLETION_WINDOW)
    job = BackupJob(
        job_id=new_id().upper(),
        vault_name=request.vault_name,
        vault_arn=arns.vault(scope, request.vault_name),
        resource_arn=request.resource_arn,
        resource_type=resource_type,
        resource_name=kind.name(core, scope, request.resource_arn) if kind else None,
        iam_role_arn=request.iam_role_arn,
        lifecycle=request.lifecycle,
        created=core.now(),
        start_by=start_by,
        complete_by=max(complete_by, start_by),
        recovery_point_arn=arns.recovery_point(scope, new_id()) if advanced else None,
        tags=dict(request.tags),
        created_by=request.created_by,
        copy_actions=list(request.copy_actions),
    )
    region.backup_jobs[job.job_id] = job
    reports.backup_job_changed(core, scope, job)
    core.later(request.start_delay, "backup.start", scope, job.job_id)
    core.state.agenda.add(start_by, "backup.start_by", scope, job.job_id)
    return job


@due("backup.start")
def start(core: Core, scope: Scope, job_id: str) -> None:
    job = core.state.region(scope).backup_jobs[job_id]
    if job.state != "CREATED" or not slots.take(core, scope, job):
        return
    try:
        _run(core, scope, job)
    except JobFailure as failure:
        _end(core, scope, job, "FAILED", failure.message, failure.category)


@due("backup.start_by")
def start_by(core: Core, scope: Scope, job_id: str) -> None:
    """The start window of a job that has not started ends."""
    job = core.state.region(scope).backup_jobs[job_id]
    if job.state == "CREATED":
        waiting = slots.is_waiting(core, scope, job)
        _end(core, scope, job, "EXPIRED", BUSY if waiting else NOT_STARTED, "EXPIRED")


@due("backup.complete_by")
def complete_by(core: Core, scope: Scope, job_id: str) -> None:
    """The completion window of a job that has not finished ends."""
    job = core.state.region(scope).backup_jobs[job_id]
    if job.state == "RUNNING":
        _end(core, scope, job, "EXPIRED", NOT_COMPLETED, "EXPIRED")


@due("backup.finish")
def finish(core: Core, scope: Scope, job_id: str) -> None:
    job = core.state.region(scope).backup_jobs[job_id]
    if job.state != "RUNNING":
        return
    if core.faults.is_held("backup"):
        core.park(scope, "backup.finish", job_id)
        return
    vault = core.state.region(scope).vaults[job.vault_name]
    point = vault.points[job.recovery_point_arn or ""]
    failure = core.faults.take_failure("backup", job.resource_type)
    if failure and failure.state != "COMPLETED":
        if failure.state == "PARTIAL":
            points.complete(core, scope, point, status="PARTIAL", message=failure.message)
        _end(core, scope, job, failure.state, failure.message, failure.state)
        return
    points.complete(core, scope, point)
    _end(core, scope, job, "COMPLETED", failure.message if failure else None, "SUCCESS")
    for action in job.copy_actions:
        _copy(core, scope, job, point, action)


def stop(core: Core, scope: Scope, job: BackupJob) -> None:
    """ABORTING now, ABORTED a little later."""
    job.state = "ABORTING"
    reports.backup_job_changed(core, scope, job)
    core.later(core.settings.stop_duration, "backup.stopped", scope, job.job_id)


@due("backup.stopped")
def stopped(core: Core, scope: Scope, job_id: str) -> None:
    job = core.state.region(scope).backup_jobs[job_id]
    _end(core, scope, job, "ABORTED", STOPPED, "ABORTED")


def _run(core: Core, scope: Scope, job: BackupJob) -> None:
    """Take the snapshot, without anything that is written later."""
    vault = _check(core, scope, job)
    kind = kind_of(job.resource_arn)
    if kind is None:
        raise JobFailure(f"Resource type {job.resource_type} is not supported", "INVALIDPARAMETERS")
    if not kind.exists(core, scope, job.resource_arn):
        raise JobFailure(f"Resource {job.resource_arn} does not exist", "INVALIDPARAMETERS")
    advanced = job.recovery_point_arn is not None
    permissions = kind.backup_permissions(job.resource_arn, advanced)
    if (reason := refusal(core, scope, job.iam_role_arn, permissions)) is not None:
        raise JobFailure(reason, "AccessDenied")
    if denies(vault, "backup:StartBackupJob", job.iam_role_arn, vault.arn):
        raise JobFailure(f"Access denied by the access policy of {vault.arn}", "AccessDenied")
    snapshot = kind.snapshot(core, scope, job.resource_arn)
    now = core.now()
    job.recovery_point_arn = job.recovery_point_arn or arns.table_backup(
        job.resource_arn, f"{int(now.timestamp() * 1000):014d}-{new_id()[:8]}"
    )
    job.state, job.initiated, job.size = "RUNNING", now, snapshot.transferred
    duration = kind.backup_time(core.settings)
    job.expected_completion = now + duration
    point = RecoveryPoint(
        arn=job.recovery_point_arn,
        vault_name=vault.name,
        vault_arn=vault.arn,
        resource_arn=job.resource_arn,
        resource_type=job.resource_type,
        resource_name=job.resource_name,
        iam_role_arn=job.iam_role_arn,
        lifecycle=job.lifecycle,
        created=now,
        initiated=job.created,
        size=snapshot.size,
        created_by=job.created_by,
        image=_shared(vault, job.resource_arn, snapshot.image)
        if isinstance(snapshot.image, TableImage)
        else snapshot.image,
    )
    points.add(core, scope, vault, point)
    if tags := _tags_of_source(core, scope, job.resource_arn) | job.tags:
        core.state.region(scope).tags[point.arn] = tags
    reports.backup_job_changed(core, scope, job)
    core.later(duration, "backup.finish", scope, job.job_id)
    core.state.agenda.add(max(job.complete_by, now), "backup.complete_by", scope, job.job_id)


def _tags_of_source(core: Core, scope: Scope, resource_arn: str) -> dict[str, str]:
    """What AWS Backup copies to the recovery point; tags of AWS's own cannot be set.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/tags-on-backups.html
    """
    world = core.world
    tags = world.resources(scope).get(resource_arn, {}) if isinstance(world, Inventory) else {}
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}


def _check(core: Core, scope: Scope, job: BackupJob) -> Vault:
    vault = core.state.region(scope).vaults.get(job.vault_name)
    if vault is None:
        raise JobFailure(
            f"Backup job failed because backup vault {job.vault_arn} does not exist.",
            "INVALIDPARAMETERS",
        )
    if (state := points.state_of(core, vault)) != "AVAILABLE":
        raise JobFailure(f"Backup job failed because backup vault {vault.arn} is {state}.")
    lock = vault.lock
    if lock and is_outside(job.lifecycle, lock.min_days, lock.max_days):
        raise JobFailure(OUTSIDE_LOCK, "INVALIDPARAMETERS")
    return vault


def _end(
    core: Core, scope: Scope, job: BackupJob, state: str, message: str | None, category: str
) -> None:
    job.state, job.message, job.message_category = state, message, category
    job.completed = core.now()
    vault = core.state.region(scope).vaults.get(job.vault_name)
    point = vault.points.get(job.recovery_point_arn or "") if vault else None
    if point is not None and point.status == "CREATING":
        points.remove(core, scope, job.vault_name, point.arn)
    reports.backup_job_changed(core, scope, job)
    slots.release(core, scope, job)


def _copy(
    core: Core, scope: Scope, job: BackupJob, point: RecoveryPoint, action: dict[str, Any]
) -> None:
    copies.create(
        core,
        scope,
        copies.Request(
            point=point,
            to_vault_arn=action["DestinationBackupVaultArn"],
            iam_role_arn=job.iam_role_arn,
            lifecycle=action["Lifecycle"],
            created_by=job.created_by,
            backup_job_id=job.job_id,
        ),
    )


def _shared(vault: Vault, resource_arn: str, image: TableImage) -> TableImage:
    """The image of an earlier night if nothing changed: a year then stores one, not 365."""
    for point in reversed(vault.points.values()):
        if point.resource_arn == resource_arn and isinstance(point.image, TableImage):
            same = point.image is image or point.image == image
            return point.image if same else image
    return image


def _service(resource_arn: str) -> str:
    return arns.parse(resource_arn).service.upper()
