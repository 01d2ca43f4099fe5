"""Copy jobs: from a vault of this region to a vault of any region."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from local_aws.backup import arns, reports
from local_aws.backup.core import Core, due, new_id
from local_aws.backup.jobs import points, slots
from local_aws.backup.lifecycle import Lifecycle, is_outside
from local_aws.backup.policies import denies
from local_aws.backup.resources import KINDS, JobFailure, refusal
from local_aws.backup.state import CopyJob, RecoveryPoint, Vault
from local_aws.backup.world import Scope

OUTSIDE_LOCK = (
    "Copy job failed. The retention specified in the job is not within the range specified "
    "for the target Backup Vault."
)
COLD = "Copy job failed. Recovery points in cold storage cannot be copied."
NOT_ADVANCED = (
    "Copy job failed. Recovery point {arn} was created without advanced features for "
    "DynamoDB backups and cannot be copied."
)
NOT_AVAILABLE = "Copy job failed. Backup vault {arn} is {state}."
NO_CUSTOMER_KEY = (
    "Copy job failed. A copy from a logically air-gapped vault into a backup vault must be "
    "encrypted with a customer managed key."
)
NOT_OPTED_IN = (
    "Copy job failed. Advanced features for DynamoDB backups are not enabled in {region}."
)


@dataclass(frozen=True)
class Request:
    """What is copied to which vault; without a lifecycle the copy has the source's."""

    point: RecoveryPoint
    to_vault_arn: str
    iam_role_arn: str
    lifecycle: Lifecycle | None
    created_by: dict[str, Any] | None = None
    backup_job_id: str | None = None


def create(core: Core, scope: Scope, request: Request) -> CopyJob:
    """A new job in the region of the source vault."""
    point = request.point
    job = CopyJob(
        job_id=new_id().upper(),
        from_vault_name=point.vault_name,
        from_vault_arn=point.vault_arn,
        from_point_arn=point.arn,
        to_vault_arn=request.to_vault_arn,
        resource_arn=point.resource_arn,
        resource_type=point.resource_type,
        resource_name=point.resource_name,
        iam_role_arn=request.iam_role_arn,
        lifecycle=point.lifecycle if request.lifecycle is None else request.lifecycle,
        created=core.now(),
        size=point.size,
        created_by=request.created_by,
        backup_job_id=request.backup_job_id,
    )
    core.state.region(scope).copy_jobs[job.job_id] = job
    reports.copy_job_changed(core, scope, job)
    core.later(core.settings.copy_start_delay, "copy.start", scope, job.job_id)
    return job


@due("copy.start")
def start(core: Core, scope: Scope, job_id: str) -> None:
    job = core.state.region(scope).copy_jobs[job_id]
    if job.state != "CREATED" or not slots.take(core, scope, job):
        return
    job.state = "RUNNING"
    reports.copy_job_changed(core, scope, job)
    try:
        _check(core, scope, job)
    except JobFailure as failure:
        _end(core, scope, job, "FAILED", failure.message, failure.category)
        return
    duration = KINDS[job.resource_type].copy_time(core.settings)
    core.later(duration, "copy.finish", scope, job.job_id)


@due("copy.finish")
def finish(core: Core, scope: Scope, job_id: str) -> None:
    job = core.state.region(scope).copy_jobs[job_id]
    if job.state != "RUNNING":
        return
    if core.faults.is_held("copy"):
        core.park(scope, "copy.finish", job_id)
        return
    fault = core.faults.take_failure("copy", job.resource_type)
    if fault and fault.state == "FAILED":
        _end(core, scope, job, "FAILED", fault.message, "FAILED")
        return
    try:
        source, vault = _check(core, scope, job)
    except JobFailure as failure:
        _end(core, scope, job, "FAILED", failure.message, failure.category)
        return
    to_scope, _ = arns.vault_name(job.to_vault_arn)
    copy = _copy_of(core, to_scope, vault, source, job)
    job.to_point_arn = copy.arn
    points.add(core, to_scope, vault, copy)
    if tags := core.state.region(scope).tags.get(source.arn):
        core.state.region(to_scope).tags[copy.arn] = dict(tags)
    if fault and fault.state != "COMPLETED":
        points.complete(core, to_scope, copy, status=fault.state, message=fault.message)
        _end(core, scope, job, fault.state, fault.message, fault.state)
        return
    points.complete(core, to_scope, copy)
    _end(core, scope, job, "COMPLETED", fault.message if fault else None, "SUCCESS")


def _copy_of(
    core: Core, to_scope: Scope, vault: Vault, source: RecoveryPoint, job: CopyJob
) -> RecoveryPoint:
    """The same content and the same creation date under a new ARN."""
    return replace(
        source,
        arn=arns.recovery_point(to_scope, new_id()),
        vault_name=vault.name,
        vault_arn=vault.arn,
        iam_role_arn=job.iam_role_arn,
        lifecycle=job.lifecycle,
        initiated=core.now(),
        completed=None,
        status="CREATING",
        status_message=None,
        storage_class="WARM",
        created_by=job.created_by,
        copied=True,
        last_restore=None,
    )


def _check(core: Core, scope: Scope, job: CopyJob) -> tuple[RecoveryPoint, Vault]:
    """The source and the target of an allowed copy."""
    source = _source(core, scope, job)
    permissions = [
        ("backup:CopyIntoBackupVault", job.to_vault_arn),
        ("backup:CopyFromBackupVault", job.from_point_arn),
    ]
    targets = {"backup:CopyTargets": [job.to_vault_arn]}
    if (reason := refusal(core, scope, job.iam_role_arn, permissions, targets)) is not None:
        raise JobFailure(reason, "AccessDenied")
    vault = _target(core, scope, job)
    if (state := points.state_of(core, vault)) != "AVAILABLE":
        raise JobFailure(NOT_AVAILABLE.format(arn=vault.arn, state=state), "INVALIDPARAMETERS")
    if vault.lock and is_outside(job.lifecycle, vault.lock.min_days, vault.lock.max_days):
        raise JobFailure(OUTSIDE_LOCK, "INVALIDPARAMETERS")
    from_vault = core.state.region(scope).vaults[job.from_vault_name]
    to_scope, _ = arns.vault_name(vault.arn)
    own_key = vault.encryption_key_arn != arns.managed_key(to_scope, "backup")
    if from_vault.air_gapped and not (vault.air_gapped or own_key):
        raise JobFailure(NO_CUSTOMER_KEY, "INVALIDPARAMETERS")
    for holder, action, resource in (
        (vault, "backup:CopyIntoBackupVault", vault.arn),
        (from_vault, "backup:CopyFromBackupVault", source.arn),
        (from_vault, "backup:StartCopyJob", source.arn),
    ):
        if denies(holder, action, job.iam_role_arn, resource):
            raise JobFailure(
                f"Access denied trying to call AWS Backup service on {holder.arn}", "AccessDenied"
            )
    return source, vault


def _source(core: Core, scope: Scope, job: CopyJob) -> RecoveryPoint:
    region = core.state.region(scope)
    vault = region.vaults.get(job.from_vault_name)
    point = vault.points.get(job.from_point_arn) if vault else None
    if point is None or not point.sound:
        raise JobFailure(
            f"Copy job failed. Recovery point {job.from_point_arn} is not available.",
            "INVALIDPARAMETERS",
        )
    if point.storage_class == "COLD":
        raise JobFailure(COLD, "INVALIDPARAMETERS")
    if not point.advanced:
        raise JobFailure(NOT_ADVANCED.format(arn=point.arn), "INVALIDPARAMETERS")
    needs_opt_in = core.settings.advanced_features_needed_everywhere
    if needs_opt_in and not region.managed_by_backup(point.resource_type):
        raise JobFailure(NOT_OPTED_IN.format(region=scope.region), "INVALIDPARAMETERS")
    return point


def _target(core: Core, scope: Scope, job: CopyJob) -> Vault:
    to_scope, name = arns.vault_name(job.to_vault_arn)
    if to_scope.account != scope.account:
        raise JobFailure("Copy job failed. Cross-account backup is not enabled.", "AccessDenied")
    if core.faults.is_lost(to_scope.region):
        raise JobFailure(f"Copy job failed. {to_scope.region} is unavailable.")
    vault = core.state.region(to_scope).vaults.get(name)
    if vault is None:
        raise JobFailure(
            f"Copy job failed. Backup vault {job.to_vault_arn} does not exist.",
            "INVALIDPARAMETERS",
        )
    return vault


def _end(
    core: Core, scope: Scope, job: CopyJob, state: str, message: str | None, category: str
) -> None:
    job.state, job.message, job.message_category = state, message, category
    job.completed = core.now()
    reports.copy_job_changed(core, scope, job)
    slots.release(core, scope, job)
