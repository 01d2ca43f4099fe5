"""Protected resources: those that have recovery points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from local_aws.backup import arns
from local_aws.backup.core import Call, newest_first, operation
from local_aws.backup.errors import not_found
from local_aws.backup.operations.vaults import vault_to_read
from local_aws.backup.paging import page
from local_aws.backup.state import RecoveryPoint


@operation("ListProtectedResources")
def list_protected_resources(call: Call) -> Mapping[str, Any]:
    return _list(call, call.region.points())


@operation("ListProtectedResourcesByBackupVault")
def list_protected_resources_by_backup_vault(call: Call) -> Mapping[str, Any]:
    return _list(call, vault_to_read(call).points.values())


@operation("DescribeProtectedResource")
def describe_protected_resource(call: Call) -> Mapping[str, Any]:
    resource_arn = call.params["ResourceArn"]
    arns.parse(resource_arn, "resource ARN")
    latest = _latest(call.region.points()).get(resource_arn)
    if latest is None:
        raise not_found(f"Resource {resource_arn} is not protected by AWS Backup")
    restored = [
        job
        for job in call.region.restore_jobs.values()
        if job.resource_arn == resource_arn and job.status == "COMPLETED"
    ]
    if not restored:
        return _shape(latest)
    job = max(restored, key=lambda job: job.created)
    took = (job.completed - job.created) if job.completed else None
    return _shape(latest) | {
        "LatestRestoreExecutionTimeMinutes": int(took.total_seconds() // 60) if took else None,
        "LatestRestoreJobCreationDate": job.created,
        "LatestRestoreRecoveryPointCreationDate": job.point_created,
    }


def _list(call: Call, points: Iterable[RecoveryPoint]) -> dict[str, Any]:
    chosen, token = page(
        _latest(points).values(),
        lambda point: newest_first(point.created, point.resource_arn),
        call.operation,
        call.params,
    )
    return {"Results": [_shape(point) for point in chosen], "NextToken": token}


def _latest(points: Iterable[RecoveryPoint]) -> dict[str, RecoveryPoint]:
    """The newest complete recovery point of every resource."""
    latest: dict[str, RecoveryPoint] = {}
    for point in points:
        known = latest.get(point.resource_arn)
        if point.sound and (known is None or point.created > known.created):
            latest[point.resource_arn] = point
    return latest


def _shape(point: RecoveryPoint) -> dict[str, Any]:
    return {
        "ResourceArn": point.resource_arn,
        "ResourceType": point.resource_type,
        "ResourceName": point.resource_name,
        "LastBackupTime": point.created,
        "LastBackupVaultArn": point.vault_arn,
        "LastRecoveryPointArn": point.arn,
    }
