"""Restore jobs: PENDING → RUNNING → COMPLETED. They never overwrite anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from local_aws.backup import arns, reports
from local_aws.backup.core import Core, due, new_id
from local_aws.backup.resources import KINDS, JobFailure, refusal
from local_aws.backup.state import RecoveryPoint, RestoreJob
from local_aws.backup.world import Scope


@dataclass(frozen=True)
class Request:
    """What is restored, and its metadata."""

    point: RecoveryPoint
    iam_role_arn: str
    metadata: dict[str, str]
    copy_tags: bool = False
    testing_plan_arn: str | None = None
    validation_hours: int = 0


def create(core: Core, scope: Scope, request: Request, start_delay: timedelta) -> RestoreJob:
    point = request.point
    job = RestoreJob(
        job_id=new_id().upper(),
        point_arn=point.arn,
        vault_name=point.vault_name,
        vault_arn=point.vault_arn,
        resource_arn=point.resource_arn,
        resource_type=point.resource_type,
        point_created=point.created,
        iam_role_arn=request.iam_role_arn,
        metadata=dict(request.metadata),
        created=core.now(),
        size=point.size,
        copy_tags=request.copy_tags,
        testing_plan_arn=request.testing_plan_arn,
        validation_hours=request.validation_hours,
    )
    core.state.region(scope).restore_jobs[job.job_id] = job
    _report(core, scope, job)
    core.later(start_delay, "restore.start", scope, job.job_id)
    return job


@due("restore.start")
def start(core: Core, scope: Scope, job_id: str) -> None:
    job = core.state.region(scope).restore_jobs[job_id]
    if job.status != "PENDING":
        return
    job.status, job.started = "RUNNING", core.now()
    _report(core, scope, job)
    try:
        point = _check(core, scope, job)
    except JobFailure as failure:
        _end(core, scope, job, "FAILED", failure.message)
        return
    duration = KINDS[job.resource_type].restore_time(core.settings)
    if point.storage_class == "COLD":
        duration += core.settings.cold_restore_extra
    job.expected_minutes = round(duration.total_seconds() / 60)
    core.later(duration, "restore.finish", scope, job_id)


@due("restore.finish")
def finish(core: Core, scope: Scope, job_id: str) -> None:
    job = core.state.region(scope).restore_jobs[job_id]
    if job.status != "RUNNING":
        return
    if core.faults.is_held("restore"):
        core.park(scope, "restore.finish", job_id)
        return
    fault = core.faults.take_failure("restore", job.resource_type)
    if fault and fault.state != "COMPLETED":
        _end(core, scope, job, fault.state, fault.message)
        return
    try:
        point = _check(core, scope, job)
        created = KINDS[job.resource_type].restore(core, scope, point, job)
    except JobFailure as failure:
        _end(core, scope, job, "FAILED", failure.message)
        return
    job.created_resource_arn = created
    point.last_restore = core.now()
    if job.testing_plan_arn is not None:
        _open_validation(core, scope, job)
    _end(core, scope, job, "COMPLETED", fault.message if fault else None)


def validate(core: Core, scope: Scope, job: RestoreJob, status: str, message: str | None) -> None:
    """Set the validation result of a restore test, then clean up."""
    job.validation_status, job.validation_message = status, message
    reports.restore_job_changed(core, scope, job)
    _clean_up(core, scope, job)


@due("restore.window_closes")
def window_closes(core: Core, scope: Scope, job_id: str) -> None:
    """The validation window ends without a result."""
    job = core.state.region(scope).restore_jobs[job_id]
    if job.validation_status == "VALIDATING":
        validate(core, scope, job, "TIMED_OUT", "The validation window has closed")


@due("restore.remove")
def remove(core: Core, scope: Scope, job_id: str) -> None:
    """Delete what a restore test created."""
    job = core.state.region(scope).restore_jobs[job_id]
    if job.created_resource_arn is None or job.deletion_status != "DELETING":
        return
    try:
        KINDS[job.resource_type].remove(core, scope, job.created_resource_arn)
        job.deletion_status = "SUCCESSFUL"
    except Exception as error:  # The other service's error, of any type.
        job.deletion_status, job.deletion_message = "FAILED", str(error)
    reports.restore_job_changed(core, scope, job)


def _open_validation(core: Core, scope: Scope, job: RestoreJob) -> None:
    if job.validation_hours:
        job.validation_status = "VALIDATING"
        window = timedelta(hours=job.validation_hours)
        core.later(window, "restore.window_closes", scope, job.job_id)
    else:
        _clean_up(core, scope, job)


def _clean_up(core: Core, scope: Scope, job: RestoreJob) -> None:
    job.deletion_status = "DELETING"
    core.later(core.settings.restore_test_cleanup, "restore.remove", scope, job.job_id)


def _check(core: Core, scope: Scope, job: RestoreJob) -> RecoveryPoint:
    """The point, if it still exists, is still shared, and the role may restore it."""
    region = core.state.region(scope)
    owner, _ = arns.vault_name(job.vault_arn)
    vault = core.state.region(owner).vaults.get(job.vault_name)
    if vault and owner != scope and vault not in core.state.shared_vaults(scope):
        vault = None
    point = vault.points.get(job.point_arn) if vault else None
    if point is None or not point.sound:
        raise JobFailure(f"Recovery point {job.point_arn} is not available")
    needs_opt_in = core.settings.advanced_features_needed_everywhere and point.advanced
    if needs_opt_in and not region.managed_by_backup(point.resource_type):
        raise JobFailure(
            f"Advanced features for DynamoDB backups are not enabled in {scope.region}"
        )
    permissions = KINDS[job.resource_type].restore_permissions(scope, point, job.metadata)
    if (reason := refusal(core, scope, job.iam_role_arn, permissions)) is not None:
        raise JobFailure(reason, "AccessDenied")
    return point


def _end(core: Core, scope: Scope, job: RestoreJob, status: str, message: str | None) -> None:
    job.status, job.message, job.completed = status, message, core.now()
    _report(core, scope, job)


def _report(core: Core, scope: Scope, job: RestoreJob) -> None:
    reports.restore_job_changed(core, scope, job)
    reports.restore_job_counted(core, scope, job)
