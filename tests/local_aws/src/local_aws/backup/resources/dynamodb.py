"""Tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

from local_aws.backup import arns
from local_aws.backup.core import Core, new_id
from local_aws.backup.errors import invalid_parameter
from local_aws.backup.resources.kind import (
    JobFailure,
    Permission,
    Snapshot,
    check_key,
    check_known,
    check_required,
    last_part,
)
from local_aws.backup.settings import Settings
from local_aws.backup.state import RecoveryPoint, RestoreJob
from local_aws.backup.world import Scope, TableImage


class DynamoDB:
    """AWS: aws-backup/latest/devguide/restoring-dynamodb.html, advanced-ddb-backup.html."""

    resource_type = "DynamoDB"
    _metadata = frozenset(
        {
            "targetTableName",
            "encryptionType",
            "kmsMasterKeyArn",
            "originalTableName",
            "deletionProtection",
        }
    )

    def name(self, _core: Core, _scope: Scope, resource_arn: str) -> str | None:
        return last_part(resource_arn)

    def exists(self, core: Core, scope: Scope, resource_arn: str) -> bool:
        return core.world.tables.describe(scope, last_part(resource_arn)) is not None

    def backup_time(self, settings: Settings) -> timedelta:
        return settings.dynamodb_backup

    def copy_time(self, settings: Settings) -> timedelta:
        return settings.dynamodb_copy

    def restore_time(self, settings: Settings) -> timedelta:
        return settings.dynamodb_restore

    def backup_permissions(self, resource_arn: str, advanced: bool) -> list[Permission]:
        return [
            ("dynamodb:StartAwsBackupJob" if advanced else "dynamodb:CreateBackup", resource_arn)
        ]

    def delete_permissions(self, point: RecoveryPoint) -> list[Permission]:
        if point.advanced:
            return [("dynamodb:StartAwsBackupJob", point.resource_arn)]
        return [("dynamodb:DeleteBackup", point.arn)]

    def restore_permissions(
        self, scope: Scope, point: RecoveryPoint, metadata: Mapping[str, str]
    ) -> list[Permission]:
        if point.advanced:
            target = arns.table(scope, _canonical(metadata)["targetTableName"])
            return [("dynamodb:RestoreTableFromAwsBackup", target)]
        return [("dynamodb:RestoreTableFromBackup", point.arn)]

    def snapshot(self, core: Core, scope: Scope, resource_arn: str) -> Snapshot:
        name = last_part(resource_arn)
        status = (core.world.tables.describe(scope, name) or {}).get("TableStatus", "ACTIVE")
        if status not in ("ACTIVE", "UPDATING"):
            raise JobFailure(f"Table {name} is {status}", "INVALIDPARAMETERS")
        image = core.world.tables.read(scope, name)
        size = int(image.definition.get("TableSizeBytes") or 0) or _bytes_of(image)
        return Snapshot(image, size, size)

    def restore_metadata(self, point: RecoveryPoint) -> dict[str, str]:
        return {"originalTableName": last_part(point.resource_arn), "encryptionType": "Default"}

    def trial_metadata(self, _point: RecoveryPoint) -> dict[str, str]:
        return {
            "deletionProtection": "false",
            "encryptionType": "Default",
            "targetTableName": f"awsbackup-restore-test-{new_id()}",
        }

    def check_metadata(self, metadata: Mapping[str, str], _settings: Settings) -> None:
        metadata = _canonical(metadata)
        check_known(metadata, self._metadata)
        check_required(metadata, "targetTableName")
        encryption = metadata.get("encryptionType", "Default")
        if encryption not in ("Default", "KMS"):
            raise invalid_parameter(f"encryptionType must be Default or KMS, not {encryption}")
        if encryption == "KMS":
            check_required(metadata, "kmsMasterKeyArn")

    def restore(self, core: Core, scope: Scope, point: RecoveryPoint, job: RestoreJob) -> str:
        if job.copy_tags:
            raise JobFailure(
                "Tags cannot be copied to the restored resource for resource type DynamoDB",
                "INVALIDPARAMETERS",
            )
        name = _canonical(job.metadata)["targetTableName"]
        if core.world.tables.describe(scope, name) is not None:
            raise JobFailure(f"Table already exists: {name}", "INVALIDPARAMETERS")
        if not isinstance(point.image, TableImage):
            raise JobFailure(f"Recovery point {point.arn} holds no table")
        key = _key(job.metadata)
        check_key(scope, key)
        try:
            return core.world.tables.create(scope, name, point.image, key)
        except ValueError as error:
            raise JobFailure(str(error), "INVALIDPARAMETERS") from error

    def remove(self, core: Core, scope: Scope, resource_arn: str) -> None:
        core.world.tables.delete(scope, last_part(resource_arn))


def _key(metadata: Mapping[str, str]) -> str | None:
    """The key that the metadata names; None for the key that DynamoDB owns."""
    metadata = _canonical(metadata)
    if metadata.get("encryptionType", "Default") == "Default":
        return None
    return metadata["kmsMasterKeyArn"]


def _canonical(metadata: Mapping[str, str]) -> dict[str, str]:
    """Keys as documented: AWS accepts any capitalization."""
    known = {key.lower(): key for key in DynamoDB._metadata}
    return {known.get(key.lower(), key): value for key, value in metadata.items()}


def _bytes_of(image: TableImage) -> int:
    return sum(len(json.dumps(item, default=str)) for item in image.items)
