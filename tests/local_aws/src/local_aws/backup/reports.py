"""Events, metrics and notifications in AWS's form.

AWS: aws-backup/latest/devguide/eventbridge.html. Every change becomes an event here,
and where AWS does so a metric (`metrics`) and a notification (`notices`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local_aws.backup import metrics, notices
from local_aws.backup.arns import parse
from local_aws.backup.state import BackupJob, CopyJob, RecoveryPoint, RestoreJob, Vault
from local_aws.backup.world import Scope

if TYPE_CHECKING:
    from local_aws.backup.core import Core


def vault_changed(core: Core, scope: Scope, vault: Vault, state: str, **more: str) -> None:
    detail = {"backupVaultName": vault.name, "state": state, **more}
    core.outbox.event(scope, "Backup Vault State Change", detail, [vault.arn], core.now())


def plan_changed(
    core: Core, scope: Scope, plan_arn: str, plan_id: str, version_id: str, state: str
) -> None:
    moment = {"CREATED": "creationDate", "MODIFIED": "modifiedAt", "DELETED": "deletionDate"}[state]
    detail = {
        "backupPlanId": plan_id,
        "versionId": version_id,
        moment: core.now(),
        "state": state,
    }
    core.outbox.event(scope, "Backup Plan State Change", detail, [plan_arn], core.now())


def region_settings_changed(core: Core, scope: Scope, changed: dict[str, dict[str, bool]]) -> None:
    detail = {"modifiedAt": core.now(), **changed, "state": "MODIFIED"}
    core.outbox.event(scope, "Region Setting State Change", detail, [], core.now())


def backup_job_changed(core: Core, scope: Scope, job: BackupJob) -> None:
    detail = {
        "backupJobId": job.job_id,
        "backupSizeInBytes": None if job.size is None else str(job.size),
        "backupVaultArn": job.vault_arn,
        "backupVaultName": job.vault_name,
        "bytesTransferred": str(job.size or 0),
        "creationDate": job.created,
        "iamRoleArn": job.iam_role_arn,
        "resourceArn": job.resource_arn,
        "resourceType": job.resource_type,
        "state": job.state,
        "statusMessage": job.message,
        "messageCategory": job.message_category,
        "completionDate": job.completed,
        "startBy": job.start_by,
        "expectedCompletionDate": job.expected_completion,
        "percentDone": 100.0 if job.state == "COMPLETED" else 0.0,
        "createdBy": _creator(job.created_by),
    }
    completed = job.state == "COMPLETED" and job.recovery_point_arn
    resources = [job.recovery_point_arn] if completed and job.recovery_point_arn else []
    core.outbox.event(scope, "Backup Job State Change", detail, resources, core.now())
    metrics.count_job(core, scope, job, job.state, job.vault_name)
    notices.job_changed(core, scope, job, job.vault_name, job.recovery_point_arn)


def copy_job_changed(core: Core, scope: Scope, job: CopyJob) -> None:
    detail = {
        "copyJobId": job.job_id,
        "backupSizeInBytes": job.size,
        "creationDate": job.created,
        "iamRoleArn": job.iam_role_arn,
        "resourceArn": job.resource_arn,
        "resourceType": job.resource_type,
        "sourceBackupVaultArn": job.from_vault_arn,
        "state": job.state,
        "statusMessage": job.message,
        "messageCategory": job.message_category,
        "completionDate": job.completed,
        "destinationBackupVaultArn": job.to_vault_arn,
        "destinationRecoveryPointArn": job.to_point_arn or {},
        "createdBy": _creator(job.created_by),
    }
    core.outbox.event(scope, "Copy Job State Change", detail, [job.from_point_arn], core.now())
    metrics.count_job(core, scope, job, job.state, parse(job.to_vault_arn).resource.split(":")[1])
    notices.job_changed(core, scope, job, job.from_vault_name, job.to_point_arn)


def restore_job_changed(core: Core, scope: Scope, job: RestoreJob) -> None:
    detail = {
        "restoreJobId": job.job_id,
        "backupVaultArn": job.vault_arn,
        "recoveryPointArn": job.point_arn,
        "sourceResourceArn": job.resource_arn,
        "backupSizeInBytes": str(job.size),
        "creationDate": job.created,
        "iamRoleArn": job.iam_role_arn,
        "percentDone": 100.0 if job.status == "COMPLETED" else 0.0,
        "resourceType": job.resource_type,
        "status": job.status,
        "statusMessage": job.message,
        "createdResourceArn": job.created_resource_arn,
        "completionDate": job.completed,
        "restoreTestingPlanArn": job.testing_plan_arn,
        "validationStatus": job.validation_status,
        "validationStatusMessage": job.validation_message,
        "deletionStatus": job.deletion_status,
    }
    core.outbox.event(scope, "Restore Job State Change", detail, [job.point_arn], core.now())


def restore_job_counted(core: Core, scope: Scope, job: RestoreJob) -> None:
    """The metric and the notification of a change of `Status` (not of a validation)."""
    metrics.count_job(core, scope, job, job.status, job.vault_name)
    notices.job_changed(core, scope, job, job.vault_name, job.point_arn)


def point_changed(core: Core, scope: Scope, point: RecoveryPoint) -> None:
    cold = point.lifecycle.cold_at(point.created) if point.advanced else None
    detail = {
        "backupVaultName": point.vault_name,
        "backupVaultArn": point.vault_arn,
        "creationDate": point.created,
        "iamRoleArn": point.iam_role_arn,
        "resourceType": point.resource_type,
        "resourceArn": point.resource_arn,
        "status": point.status,
        "statusMessage": point.status_message,
        "isEncrypted": "true",
        "storageClass": point.storage_class,
        "completionDate": point.completed,
        "createdBy": _creator(point.created_by),
        "lifecycle": {
            "moveToColdStorageAfterDays": point.lifecycle.cold_after_days,
            "deleteAfterDays": point.lifecycle.delete_after_days,
        },
        "calculatedLifeCycle": {
            "moveToColdStorageAt": cold,
            "deleteAt": point.lifecycle.delete_at(point.created),
        },
    }
    core.outbox.event(scope, "Recovery Point State Change", detail, [point.arn], core.now())
    if point.status in ("COMPLETED", "PARTIAL", "EXPIRED", "DELETING"):
        name = f"NumberOfRecoveryPoints{point.status.capitalize()}"
        metrics.count(core, scope, name, point.vault_name, point.resource_type)
    notices.point_changed(core, scope, point)


def _creator(created_by: dict[str, Any] | None) -> dict[str, Any] | None:
    if created_by is None:
        return None
    return {
        "backupPlanId": created_by["BackupPlanId"],
        "backupPlanArn": created_by["BackupPlanArn"],
        "backupPlanVersion": created_by["BackupPlanVersion"],
        "backupPlanRuleId": created_by["BackupRuleId"],
    }
