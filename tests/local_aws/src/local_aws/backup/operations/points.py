"""Recovery points: list, describe, delete, change their lifecycle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_aws.backup import arns, lifecycle, reports
from local_aws.backup.core import Call, newest_first, operation
from local_aws.backup.errors import (
    ServiceError,
    invalid_parameter,
    invalid_request,
    invalid_state,
)
from local_aws.backup.jobs import points
from local_aws.backup.operations.shapes import (
    calculated_lifecycle,
    point_in_vault,
    point_of_resource,
)
from local_aws.backup.paging import page
from local_aws.backup.resources import KINDS
from local_aws.backup.state import RecoveryPoint

LOCKED = "Backup vault {name} is locked: its recovery points cannot be deleted or changed"


@operation("ListRecoveryPointsByBackupVault")
def list_recovery_points_by_backup_vault(call: Call) -> Mapping[str, Any]:
    params = call.params
    resource, resource_type = params.get("ByResourceArn"), params.get("ByResourceType")
    plan = params.get("ByBackupPlanId")
    before, after = params.get("ByCreatedBefore"), params.get("ByCreatedAfter")
    found = [
        point
        for point in call.readable_vault().points.values()
        if resource in (None, point.resource_arn)
        and resource_type in (None, point.resource_type)
        and (plan is None or (point.created_by or {}).get("BackupPlanId") == plan)
        and (before is None or point.created < before)
        and (after is None or point.created > after)
        and "ByParentRecoveryPointArn" not in params
    ]
    chosen, token = page(
        found, lambda point: newest_first(point.created, point.arn), call.operation, params
    )
    return {
        "RecoveryPoints": [point_in_vault(call.core, point) for point in chosen],
        "NextToken": token,
    }


@operation("ListRecoveryPointsByResource")
def list_recovery_points_by_resource(call: Call) -> Mapping[str, Any]:
    resource_arn = call.params["ResourceArn"]
    arns.parse(resource_arn, "resource ARN")
    found = [point for point in call.region.points() if point.resource_arn == resource_arn]
    chosen, token = page(
        found, lambda point: newest_first(point.created, point.arn), call.operation, call.params
    )
    members = [point_of_resource(call.core, point) for point in chosen]
    return {"RecoveryPoints": members, "NextToken": token}


@operation("DescribeRecoveryPoint")
def describe_recovery_point(call: Call) -> Mapping[str, Any]:
    point = call.point()
    return point_in_vault(call.core, point) | {"StorageClass": point.storage_class}


@operation("GetRecoveryPointRestoreMetadata")
def get_recovery_point_restore_metadata(call: Call) -> Mapping[str, Any]:
    point = call.point()
    return {
        "BackupVaultArn": point.vault_arn,
        "RecoveryPointArn": point.arn,
        "RestoreMetadata": KINDS[point.resource_type].restore_metadata(point),
        "ResourceType": point.resource_type,
    }


@operation("DeleteRecoveryPoint")
def delete_recovery_point(call: Call) -> Mapping[str, Any]:
    point = call.point()
    _refuse_when_locked(call)
    _refuse_when_held(call, point)
    if point.status == "CREATING":
        raise invalid_state(f"Recovery point {point.arn} is still being created")
    points.delete(call.core, call.scope, point)
    return {}


@operation("UpdateRecoveryPointLifecycle")
def update_recovery_point_lifecycle(call: Call) -> Mapping[str, Any]:
    """A value that the new lifecycle omits is removed: both have to be sent."""
    point = call.point()
    _refuse_when_locked(call)
    _refuse_when_held(call, point)
    if not point.sound:
        raise invalid_request(f"Recovery point {point.arn} is {point.status}")
    if not point.advanced:
        raise invalid_parameter(
            f"The lifecycle of {point.arn} cannot be changed: it is not managed by AWS Backup"
        )
    wanted = lifecycle.read(call.params.get("Lifecycle"))
    moved = wanted.cold_after_days != point.lifecycle.cold_after_days
    if point.storage_class == "COLD" and moved:
        raise invalid_parameter("MoveToColdStorageAfterDays cannot change in cold storage")
    point.lifecycle = wanted
    points.plan_lifecycle(call.core, call.scope, point)
    reports.point_changed(call.core, call.scope, point)
    return {
        "BackupVaultArn": point.vault_arn,
        "RecoveryPointArn": point.arn,
        "Lifecycle": point.lifecycle.shape(),
        "CalculatedLifecycle": calculated_lifecycle(point),
    }


def _refuse_when_held(call: Call, point: RecoveryPoint) -> None:
    """Independent of the point's age, its lifecycle and the caller."""
    hold = call.region.hold_on(point.arn, call.now)
    if hold is not None:
        raise ServiceError(
            call.core.settings.locked_delete_error,
            f"Recovery point {point.arn} is under the legal hold {hold.hold_id}",
        )


def _refuse_when_locked(call: Call) -> None:
    """A lock covers every point in the vault, independent of its age and the caller."""
    vault = call.vault()
    if vault.lock is not None:
        raise ServiceError(call.core.settings.locked_delete_error, LOCKED.format(name=vault.name))
