"""Backup, copy and restore jobs: start, describe, list, stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from local_aws.backup import arns, lifecycle
from local_aws.backup.core import Call, newest_first, operation
from local_aws.backup.errors import invalid_parameter, invalid_request, not_found
from local_aws.backup.jobs import backup, copies, restores
from local_aws.backup.operations.plans import check_windows
from local_aws.backup.operations.shapes import backup_job, copy_job, restore_job
from local_aws.backup.operations.tags import check_tags
from local_aws.backup.paging import page
from local_aws.backup.resources import KINDS, kind_of
from local_aws.backup.state import BackupJob, CopyJob, Job, RestoreJob

J = TypeVar("J", BackupJob, CopyJob, RestoreJob)


@operation("StartBackupJob")
def start_backup_job(call: Call) -> Mapping[str, Any]:
    if (known := call.remembered()) is not None:
        return _backup_started(call.region.backup_jobs[known])
    params = call.params
    vault = call.vault()
    _check_backup(call)
    start, complete = params.get("StartWindowMinutes"), params.get("CompleteWindowMinutes")
    check_windows(start, complete, "StartWindowMinutes", "CompleteWindowMinutes")
    request = backup.Request(
        vault_name=vault.name,
        resource_arn=params["ResourceArn"],
        iam_role_arn=arns.check_role(call.scope, params["IamRoleArn"]),
        lifecycle=lifecycle.read(params.get("Lifecycle")),
        scheduled=call.now,
        start_delay=call.core.settings.on_demand_start_delay,
        start_window=None if start is None else timedelta(minutes=start),
        completion_window=None if complete is None else timedelta(minutes=complete),
        tags=check_tags(params.get("RecoveryPointTags", {})),
    )
    job = backup.create(call.core, call.scope, request)
    call.remember(job.job_id)
    return _backup_started(job)


@operation("StopBackupJob")
def stop_backup_job(call: Call) -> Mapping[str, Any]:
    job = _find(call, call.region.backup_jobs, "BackupJobId")
    if job.finished or job.state == "ABORTING":
        raise invalid_request(f"Backup job {job.job_id} is {job.state} and cannot be stopped")
    backup.stop(call.core, call.scope, job)
    return {}


@operation("DescribeBackupJob")
def describe_backup_job(call: Call) -> Mapping[str, Any]:
    job = _find(call, call.region.backup_jobs, "BackupJobId")
    return backup_job(call.core, job)


@operation("ListBackupJobs")
def list_backup_jobs(call: Call) -> Mapping[str, Any]:
    wanted = call.params.get("ByBackupVaultName")
    jobs = _matching(call, call.region.backup_jobs.values())
    jobs = [job for job in jobs if wanted in (None, job.vault_name)]
    chosen, token = _page(call, jobs)
    return {"BackupJobs": [backup_job(call.core, job) for job in chosen], "NextToken": token}


@operation("StartCopyJob")
def start_copy_job(call: Call) -> Mapping[str, Any]:
    if (known := call.remembered()) is not None:
        return _copy_started(call.region.copy_jobs[known])
    params = call.params
    vault = call.vault(params["SourceBackupVaultName"])
    point = vault.points.get(params["RecoveryPointArn"])
    if point is None:
        raise not_found(f"Recovery point {params['RecoveryPointArn']} is not in {vault.name}")
    if not point.sound:
        raise invalid_request(f"Recovery point {point.arn} is {point.status}")
    arns.vault_name(params["DestinationBackupVaultArn"])
    if params["DestinationBackupVaultArn"] == vault.arn:
        raise invalid_request("Source and destination vaults cannot be the same")
    given = params.get("Lifecycle")
    request = copies.Request(
        point=point,
        to_vault_arn=params["DestinationBackupVaultArn"],
        iam_role_arn=arns.check_role(call.scope, params["IamRoleArn"]),
        lifecycle=lifecycle.read(given) if given else None,
    )
    job = copies.create(call.core, call.scope, request)
    call.remember(job.job_id)
    return _copy_started(job)


@operation("DescribeCopyJob")
def describe_copy_job(call: Call) -> Mapping[str, Any]:
    return {"CopyJob": copy_job(call.core, _find(call, call.region.copy_jobs, "CopyJobId"))}


@operation("ListCopyJobs")
def list_copy_jobs(call: Call) -> Mapping[str, Any]:
    to_vault = call.params.get("ByDestinationVaultArn")
    point = call.params.get("BySourceRecoveryPointArn")
    jobs = [
        job
        for job in _matching(call, call.region.copy_jobs.values())
        if to_vault in (None, job.to_vault_arn) and point in (None, job.from_point_arn)
    ]
    chosen, token = _page(call, jobs)
    return {"CopyJobs": [copy_job(call.core, job) for job in chosen], "NextToken": token}


@operation("StartRestoreJob")
def start_restore_job(call: Call) -> Mapping[str, Any]:
    if (known := call.remembered()) is not None:
        if call.region.restore_jobs[known].finished:
            raise invalid_parameter(f"Restore job {known} of this token has already finished")
        return {"RestoreJobId": known}
    params = call.params
    arn = params["RecoveryPointArn"]
    shared = (v.points[arn] for v in call.core.state.shared_vaults(call.scope) if arn in v.points)
    point = call.region.point(arn) or next(shared, None)
    if point is None:
        raise not_found(f"Recovery point {arn} does not exist")
    if params.get("ResourceType", point.resource_type) != point.resource_type:
        raise invalid_parameter(f"Recovery point {point.arn} is of type {point.resource_type}")
    if not point.sound:
        raise invalid_request(f"Recovery point {point.arn} is {point.status}")
    if "IamRoleArn" not in params:
        raise invalid_parameter(f"IamRoleArn is required to restore {point.resource_type}")
    KINDS[point.resource_type].check_metadata(params["Metadata"], call.core.settings)
    request = restores.Request(
        point=point,
        iam_role_arn=arns.check_role(call.scope, params["IamRoleArn"]),
        metadata=params["Metadata"],
        copy_tags=params.get("CopySourceTagsToRestoredResource", False),
    )
    job = restores.create(call.core, call.scope, request, call.core.settings.restore_start_delay)
    call.remember(job.job_id)
    return {"RestoreJobId": job.job_id}


@operation("DescribeRestoreJob")
def describe_restore_job(call: Call) -> Mapping[str, Any]:
    return restore_job(call.core, _find(call, call.region.restore_jobs, "RestoreJobId"))


@operation("GetRestoreJobMetadata")
def get_restore_job_metadata(call: Call) -> Mapping[str, Any]:
    job = _find(call, call.region.restore_jobs, "RestoreJobId")
    return {"RestoreJobId": job.job_id, "Metadata": job.metadata}


@operation("ListRestoreJobs")
def list_restore_jobs(call: Call) -> Mapping[str, Any]:
    plan = call.params.get("ByRestoreTestingPlanArn")
    jobs = [
        job
        for job in _matching(call, call.region.restore_jobs.values())
        if plan in (None, job.testing_plan_arn)
    ]
    chosen, token = _page(call, jobs)
    return {"RestoreJobs": [restore_job(call.core, job) for job in chosen], "NextToken": token}


@operation("ListRestoreJobsByProtectedResource")
def list_restore_jobs_by_protected_resource(call: Call) -> Mapping[str, Any]:
    params = call.params
    arns.parse(params["ResourceArn"], "resource ARN")
    after = params.get("ByRecoveryPointCreationDateAfter")
    before = params.get("ByRecoveryPointCreationDateBefore")
    jobs = [
        job
        for job in call.region.restore_jobs.values()
        if job.resource_arn == params["ResourceArn"]
        and params.get("ByStatus") in (None, job.status)
        and (after is None or job.point_created > after)
        and (before is None or job.point_created < before)
    ]
    chosen, token = _page(call, jobs)
    return {"RestoreJobs": [restore_job(call.core, job) for job in chosen], "NextToken": token}


def _check_backup(call: Call) -> None:
    params = call.params
    if call.vault().air_gapped:
        raise invalid_parameter("A logically air-gapped vault receives copies, not backups")
    arn = arns.parse(params["ResourceArn"], "resource ARN")
    if arn.scope != call.scope:
        raise invalid_parameter(f"Resource {params['ResourceArn']} is not in this Region")
    kind = kind_of(params["ResourceArn"])
    if kind is None:
        raise invalid_parameter(f"Unsupported resource type: {params['ResourceArn']}")
    if not call.region.opted_in.get(kind.resource_type, False):
        raise invalid_request(
            f"Resource type {kind.resource_type} is not opted in for AWS Backup in this Region"
        )
    if params.get("BackupOptions") or params.get("Index") == "ENABLED":
        raise invalid_parameter(f"BackupOptions and Index do not exist for {kind.resource_type}")
    if "LogicallyAirGappedBackupVaultArn" in params:
        raise invalid_parameter("Primary backups in a logically air-gapped vault are not served")


def _matching(call: Call, jobs: Iterable[J]) -> list[J]:
    """Jobs of the last 30 days that pass the filters that all three lists have."""
    params = call.params
    since = call.now - call.core.settings.job_history
    state = params.get("ByState", params.get("ByStatus"))
    tests: list[Callable[[Job], bool]] = [lambda job: job.created >= since]
    if state is not None:
        tests.append(lambda job: job.state == state)
    if (resource := params.get("ByResourceArn")) is not None:
        tests.append(lambda job: job.resource_arn == resource)
    if (resource_type := params.get("ByResourceType")) is not None:
        tests.append(lambda job: job.resource_type == resource_type)
    if (category := params.get("ByMessageCategory")) not in (None, "*", "AGGREGATE_ALL"):
        tests.append(lambda job: getattr(job, "message_category", None) == category)
    if (before := params.get("ByCreatedBefore")) is not None:
        tests.append(lambda job: job.created < before)
    if (after := params.get("ByCreatedAfter")) is not None:
        tests.append(lambda job: job.created > after)
    if (done_before := params.get("ByCompleteBefore")) is not None:
        tests.append(lambda job: job.completed is not None and job.completed < done_before)
    if (done_after := params.get("ByCompleteAfter")) is not None:
        tests.append(lambda job: job.completed is not None and job.completed > done_after)
    if params.get("ByAccountId") not in (None, "*", call.scope.account):
        return []
    if "ByParentJobId" in params:
        return []  # There are no composite jobs.
    return [job for job in jobs if all(test(job) for test in tests)]


def _page(call: Call, jobs: list[J]) -> tuple[list[J], str | None]:
    return page(
        jobs, lambda job: newest_first(job.created, job.job_id), call.operation, call.params
    )


def _find(call: Call, jobs: Mapping[str, J], parameter: str) -> J:
    wanted = call.params[parameter]
    job = jobs.get(wanted)
    if job is None:
        raise not_found(f"Job {wanted} does not exist")
    return job


def _backup_started(job: BackupJob) -> dict[str, Any]:
    """The ARN is known at once where AWS Backup manages the recovery point itself."""
    arn = job.recovery_point_arn
    own = arn is not None and arn.split(":")[2] == "backup"
    return {
        "BackupJobId": job.job_id,
        "RecoveryPointArn": arn if own else None,
        "CreationDate": job.created,
        "IsParent": False,
    }


def _copy_started(job: CopyJob) -> dict[str, Any]:
    return {"CopyJobId": job.job_id, "CreationDate": job.created, "IsParent": False}
