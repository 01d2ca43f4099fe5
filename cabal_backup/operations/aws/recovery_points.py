"""Recovery points, as AWS Backup lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from cabal_backup import names
from cabal_backup.config.environment import Lifecycle
from cabal_backup.operations.aws.arns import Vault
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.responses import error_code
from cabal_backup.operations.aws.results import entries, pages

if TYPE_CHECKING:
    from types_boto3_backup import BackupClient
    from types_boto3_backup.type_defs import (
        BackupVaultListMemberTypeDef,
        LifecycleTypeDef,
        RecoveryPointByBackupVaultTypeDef,
    )


@dataclass(frozen=True, kw_only=True)
class RecoveryPoint:
    """One recovery point in one vault."""

    arn: str
    resource_arn: str
    resource_type: str
    """`DynamoDB` or `EFS` here."""
    status: str
    """COMPLETED, PARTIAL, DELETING, EXPIRED, AVAILABLE, STOPPED or CREATING."""
    status_message: str
    created: datetime
    """When the backup was taken; a copy keeps the date of its source, and what brings a cold
    recovery point back has the date of that one."""
    cold_at: datetime | None
    """When it moves, or moved, to cold storage; None when it never does."""
    delete_at: datetime | None
    """When it expires; None when it never does."""
    lifecycle: Lifecycle | None
    """In days from `created`; None when it has no expiry."""
    size_bytes: int
    role_arn: str
    last_restored: datetime | None
    plan_id: str | None = None
    """The backup plan that made it (`CreatedBy`); None for one that was made on demand."""
    plan_name: str = ""
    """The name of that plan; empty where AWS Backup does not say it."""
    original: str | None = None
    """The ARN of the cold recovery point that it brings back; None for every other one."""
    tags_denied: bool = False
    """Whether its tags, which say what it brings back, may not be read."""
    made: datetime | None = None
    """When AWS Backup made it, where that is not `created`."""
    storage_class: str = ""
    """WARM or COLD, of one that was described; empty in a list, where only the date shows it."""
    completed_at: datetime | None = None
    """When the backup or copy job that made it completed; None where AWS Backup does not say it."""

    @property
    def counted_from(self) -> datetime:
        """From when AWS Backup counts the days of its lifecycle, and of those of its copies."""
        return self.made or self.created

    @property
    def in_vault_since(self) -> datetime:
        """From when it is complete in its vault: a copy has the creation date of its source.

        https://docs.aws.amazon.com/aws-backup/latest/devguide/API_RecoveryPointByBackupVault.html
        """
        return max(self.created, self.completed_at or self.created)

    @property
    def id(self) -> str:
        """The last part of its ARN, which has no account in it."""
        return self.arn.rpartition(":")[2].rpartition("/")[2]

    @property
    def completed(self) -> bool:
        """Whether it can be restored from.

        https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeRecoveryPoint.html
        """
        return self.status in ("COMPLETED", "AVAILABLE")

    @property
    def sound(self) -> bool:
        """Whether it is complete, or being made or deleted."""
        return self.completed or self.status in ("CREATING", "DELETING")

    def is_cold(self, now: datetime) -> bool:
        """Whether it is in cold storage, and so can neither be copied nor restored quickly."""
        if self.storage_class:
            return self.storage_class == "COLD"
        return self.cold_at is not None and self.cold_at <= now


def lifecycle_request(lifecycle: Lifecycle) -> LifecycleTypeDef:
    """As AWS Backup takes it.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/API_Lifecycle.html
    """
    request: LifecycleTypeDef = {"DeleteAfterDays": lifecycle.delete_after_days}
    if lifecycle.cold_after_days is not None:
        request["MoveToColdStorageAfterDays"] = lifecycle.cold_after_days
    return request


def protected_as(arn: str, mailstore_arn: str) -> str:
    """The ARN of the resource in the plan that a recovery point or job of `arn` counts for.

    :param mailstore_arn: the mailstore; for the ARN of a table, `arn` counts for itself.

    A file system of the same account and region that is not the mailstore is a former mailstore:
    AWS Backup keeps the recovery points of a file system that was replaced or deleted, with its
    ARN, and restores them to any existing file system.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-efs.html
    """
    file_systems, kind, _ = mailstore_arn.rpartition(":file-system/")
    return mailstore_arn if kind and arn.startswith(file_systems + kind) else arn


AIR_GAPPED = "LOGICALLY_AIR_GAPPED_BACKUP_VAULT"
"""The type of a logically air-gapped vault."""


def list_vaults(
    backup: BackupClient, *, air_gapped: bool = False
) -> list[BackupVaultListMemberTypeDef]:
    """Every vault in the client's region. Raises botocore's errors.

    :param air_gapped: only logically air-gapped vaults. AWS does not document whether they are
        listed without this.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListBackupVaults.html
    """
    only = {"ByVaultType": AIR_GAPPED} if air_gapped else {}
    return entries(backup.list_backup_vaults, "BackupVaultList", **only)


def list_recovery_points(
    backup: BackupClient,
    vault: str,
    *,
    dr_region: str | None = None,
    tags_may_be_denied: bool = False,
) -> list[RecoveryPoint]:
    """Every recovery point in a vault, the newest first.

    :param backup: a client of AWS Backup in the vault's region.
    :param dr_region: the DR region: a recovery point of a resource there was made to bring a cold
        one back, and is shown as what its tags say. None to show it as it is.
    :param tags_may_be_denied: show it as it is where IAM denies to read its tags, with
        `tags_denied`. Otherwise that raises botocore's error.
    """
    listing = backup.list_recovery_points_by_backup_vault
    listed = entries(listing, "RecoveryPoints", BackupVaultName=vault, MaxResults=1000)
    points = [*map(_recovery_point, listed)]
    for number, point in enumerate(points):
        if point.resource_arn.split(":")[3] == dr_region:
            try:
                points[number] = _of_its_night(backup, point)
            except ClientError as error:
                if not (tags_may_be_denied and "AccessDenied" in error_code(error)):
                    raise
                points[number] = replace(point, tags_denied=True)
    return sorted(points, key=lambda point: (point.created, point.arn), reverse=True)


def points_in(aws: Aws, vault: Vault) -> list[RecoveryPoint]:
    """Every recovery point in a vault of the environment; what brings a cold one back is shown as
    what its tags say. Raises botocore's errors.
    """
    backup, dr_region = aws.client("backup", vault.region), aws.environment.dr_region
    return list_recovery_points(backup, vault.name, dr_region=dr_region)


def list_tags(backup: BackupClient, arn: str) -> Mapping[str, str]:
    """The tags of a recovery point, a vault or a plan. Raises botocore's errors."""
    return {
        key: value
        for page in pages(backup.list_tags, ResourceArn=arn)
        for key, value in page.get("Tags", {}).items()
    }


def _of_its_night(backup: BackupClient, point: RecoveryPoint) -> RecoveryPoint:
    """A recovery point with the resource and the date that its tags say."""
    tags = list_tags(backup, point.arn)
    try:
        night = datetime.fromisoformat(tags[names.NIGHT_TAG])
        resource, original = tags[names.RESOURCE_TAG], tags[names.ORIGINAL_TAG]
    except (KeyError, ValueError):
        return point
    later = (point.created - night).days
    lifecycle = point.lifecycle and Lifecycle(
        cold_after_days=point.lifecycle.cold_after_days and point.lifecycle.cold_after_days + later,
        delete_after_days=point.lifecycle.delete_after_days + later,
    )
    return replace(
        point,
        resource_arn=resource,
        created=night,
        lifecycle=lifecycle,
        original=original,
        made=point.created,
    )


def _recovery_point(entry: RecoveryPointByBackupVaultTypeDef) -> RecoveryPoint:
    calculated, created_by = entry.get("CalculatedLifecycle", {}), entry.get("CreatedBy", {})
    lifecycle = entry.get("Lifecycle", {})
    # AWS Backup writes -1, as it leaves the value out, for never.
    cold_after = lifecycle.get("MoveToColdStorageAfterDays", -1)
    delete_after = lifecycle.get("DeleteAfterDays", -1)
    return RecoveryPoint(
        arn=entry["RecoveryPointArn"],
        resource_arn=entry["ResourceArn"],
        resource_type=entry["ResourceType"],
        status=entry["Status"],
        status_message=entry.get("StatusMessage", ""),
        created=entry["CreationDate"],
        cold_at=calculated.get("MoveToColdStorageAt"),
        delete_at=calculated.get("DeleteAt"),
        lifecycle=None
        if delete_after < 0
        else Lifecycle(
            cold_after_days=cold_after if cold_after > 0 else None,
            delete_after_days=delete_after,
        ),
        size_bytes=entry.get("BackupSizeInBytes", 0),
        role_arn=entry.get("IamRoleArn", ""),
        last_restored=entry.get("LastRestoreTime"),
        plan_id=created_by.get("BackupPlanId"),
        plan_name=created_by.get("BackupPlanName", ""),
        completed_at=entry.get("CompletionDate"),
    )
