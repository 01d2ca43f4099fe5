"""Jobs and recovery points in the form of AWS's answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from local_aws.backup import arns
from local_aws.backup.core import Core
from local_aws.backup.jobs.points import cold_at, vault_of
from local_aws.backup.state import BackupJob, CopyJob, RecoveryPoint, RestoreJob
from local_aws.backup.world import Scope


def backup_job(core: Core, job: BackupJob) -> dict[str, Any]:
    return {
        "AccountId": _account(job.vault_arn),
        "BackupJobId": job.job_id,
        "BackupVaultName": job.vault_name,
        "BackupVaultArn": job.vault_arn,
        "VaultType": "BACKUP_VAULT",
        "VaultLockState": _lock_state(core, job.vault_arn),
        "RecoveryPointArn": job.recovery_point_arn if job.state != "CREATED" else None,
        "RecoveryPointLifecycle": job.lifecycle.shape(),
        "IsEncrypted": True,
        "ResourceArn": job.resource_arn,
        "ResourceType": job.resource_type,
        "ResourceName": job.resource_name,
        "CreationDate": job.created,
        "InitiationDate": job.initiated,
        "CompletionDate": job.completed,
        "ExpectedCompletionDate": job.expected_completion,
        "StartBy": job.start_by,
        "State": job.state,
        "StatusMessage": job.message,
        "MessageCategory": job.message_category,
        "PercentDone": _percent(core, job),
        "BackupSizeInBytes": job.size,
        "BytesTransferred": job.size,
        "IamRoleArn": job.iam_role_arn,
        "CreatedBy": job.created_by,
        "IsParent": False,
    }


def copy_job(core: Core, job: CopyJob) -> dict[str, Any]:
    to_scope, name = arns.vault_name(job.to_vault_arn)
    to_vault = core.state.region(to_scope).vaults.get(name)
    return {
        "AccountId": _account(job.from_vault_arn),
        "CopyJobId": job.job_id,
        "SourceBackupVaultArn": job.from_vault_arn,
        "SourceRecoveryPointArn": job.from_point_arn,
        "DestinationBackupVaultArn": job.to_vault_arn,
        "DestinationVaultType": to_vault.type if to_vault else None,
        "DestinationRecoveryPointArn": job.to_point_arn,
        "DestinationRecoveryPointLifecycle": job.lifecycle.shape(),
        "ResourceArn": job.resource_arn,
        "ResourceType": job.resource_type,
        "ResourceName": job.resource_name,
        "CreationDate": job.created,
        "CompletionDate": job.completed,
        "State": job.state,
        "StatusMessage": job.message,
        "MessageCategory": job.message_category,
        "BackupSizeInBytes": job.size,
        "IamRoleArn": job.iam_role_arn,
        "CreatedBy": job.created_by,
        "CreatedByBackupJobId": job.backup_job_id,
        "IsParent": False,
    }


def restore_job(core: Core, job: RestoreJob) -> dict[str, Any]:
    by_test = (
        None if job.testing_plan_arn is None else {"RestoreTestingPlanArn": job.testing_plan_arn}
    )
    return {
        "AccountId": _account(job.vault_arn),
        "RestoreJobId": job.job_id,
        "RecoveryPointArn": job.point_arn,
        "SourceResourceArn": job.resource_arn,
        "BackupVaultArn": job.vault_arn,
        "CreationDate": job.created,
        "CompletionDate": job.completed,
        "Status": job.status,
        "StatusMessage": job.message,
        "PercentDone": _percent(core, job),
        "BackupSizeInBytes": job.size,
        "IamRoleArn": job.iam_role_arn,
        "ExpectedCompletionTimeMinutes": job.expected_minutes,
        "CreatedResourceArn": job.created_resource_arn,
        "ResourceType": job.resource_type,
        "RecoveryPointCreationDate": job.point_created,
        "CreatedBy": by_test,
        "ValidationStatus": job.validation_status,
        "ValidationStatusMessage": job.validation_message,
        "DeletionStatus": job.deletion_status,
        "DeletionStatusMessage": job.deletion_message,
        "IsParent": False,
    }


def point_in_vault(core: Core, point: RecoveryPoint) -> dict[str, Any]:
    """The members that a vault's list and a description have in common."""
    vault = vault_of(core, point)
    return {
        "RecoveryPointArn": point.arn,
        "BackupVaultName": point.vault_name,
        "BackupVaultArn": point.vault_arn,
        "ResourceArn": point.resource_arn,
        "ResourceType": point.resource_type,
        "ResourceName": point.resource_name,
        "CreatedBy": point.created_by,
        "IamRoleArn": point.iam_role_arn,
        "Status": point.status,
        "StatusMessage": point.status_message,
        "CreationDate": point.created,
        "InitiationDate": point.initiated,
        "CompletionDate": point.completed,
        "BackupSizeInBytes": point.size,
        "CalculatedLifecycle": calculated_lifecycle(point),
        "Lifecycle": point.lifecycle.shape(),
        "EncryptionKeyArn": vault.encryption_key_arn if point.advanced else None,
        "IsEncrypted": True,
        "LastRestoreTime": point.last_restore,
        "IsParent": False,
        "VaultType": vault.type,
    }


def point_of_resource(core: Core, point: RecoveryPoint) -> dict[str, Any]:
    vault = vault_of(core, point)
    return {
        "EncryptionKeyArn": vault.encryption_key_arn if point.advanced else None,
        "RecoveryPointArn": point.arn,
        "CreationDate": point.created,
        "Status": point.status,
        "StatusMessage": point.status_message,
        "BackupSizeBytes": point.size,
        "BackupVaultName": point.vault_name,
        "IsParent": False,
        "ResourceName": point.resource_name,
        "VaultType": vault.type,
    }


def calculated_lifecycle(point: RecoveryPoint) -> dict[str, Any]:
    return {
        "MoveToColdStorageAt": cold_at(point),
        "DeleteAt": point.lifecycle.delete_at(point.created),
    }


def _percent(core: Core, job: BackupJob | RestoreJob) -> str:
    """A number as a string, as on AWS: the percentage of the expected time that has passed."""
    share = 1.0 if job.state == "COMPLETED" else _elapsed(core, job)
    return f"{share * 100:.2f}%" if isinstance(job, RestoreJob) else f"{share * 100:.1f}"


def _elapsed(core: Core, job: BackupJob | RestoreJob) -> float:
    if job.state != "RUNNING":
        return 0.0
    if isinstance(job, RestoreJob):
        started, minutes = job.started, job.expected_minutes
        expected = timedelta(minutes=minutes) if minutes else None
    else:
        started = job.initiated
        ends = job.expected_completion
        expected = ends - started if ends and started else None
    if started is None or not expected:
        return 0.0
    return min((core.now() - started) / expected, 0.99)


def _lock_state(core: Core, vault_arn: str) -> str | None:
    region = core.state.region(_scope(vault_arn))
    vault = region.vaults.get(vault_arn.rsplit(":", 1)[1])
    return None if vault is None else "LOCKED" if vault.lock else "UNLOCKED"


def _account(arn: str) -> str:
    return arn.split(":")[4]


def _scope(arn: str) -> Scope:
    _, _, _, region, account, _ = arn.split(":", 5)
    return Scope(account=account, region=region)
