"""File systems."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from local_aws.backup import arns
from local_aws.backup.core import Core, new_id
from local_aws.backup.errors import invalid_parameter
from local_aws.backup.file_trees import ItemNotFound
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
from local_aws.backup.state import FileSystemImage, RecoveryPoint, RestoreJob
from local_aws.backup.world import Scope


class EFS:
    """AWS: aws-backup/latest/devguide/restoring-efs.html."""

    resource_type = "EFS"
    _metadata = frozenset(
        {
            "file-system-id",
            "newFileSystem",
            "Encrypted",
            "KmsKeyId",
            "PerformanceMode",
            "CreationToken",
            "ItemsToRestore",
            "singleAzFilesystem",
            "availabilityZoneName",
        }
    )

    def name(self, core: Core, scope: Scope, resource_arn: str) -> str | None:
        described = core.world.file_systems.describe(scope, last_part(resource_arn)) or {}
        name: str | None = described.get("Name")
        return name

    def exists(self, core: Core, scope: Scope, resource_arn: str) -> bool:
        return core.world.file_systems.describe(scope, last_part(resource_arn)) is not None

    def backup_time(self, settings: Settings) -> timedelta:
        return settings.efs_backup

    def copy_time(self, settings: Settings) -> timedelta:
        return settings.efs_copy

    def restore_time(self, settings: Settings) -> timedelta:
        return settings.efs_restore

    def backup_permissions(self, resource_arn: str, _advanced: bool) -> list[Permission]:
        return [("elasticfilesystem:Backup", resource_arn)]

    def delete_permissions(self, point: RecoveryPoint) -> list[Permission]:
        return [("elasticfilesystem:Backup", point.resource_arn)]

    def restore_permissions(
        self, scope: Scope, _point: RecoveryPoint, metadata: Mapping[str, str]
    ) -> list[Permission]:
        if _is_true(metadata, "newFileSystem"):
            anything = arns.file_system(scope, "*")
            return [
                ("elasticfilesystem:CreateFilesystem", anything),
                ("elasticfilesystem:Restore", anything),
            ]
        target = arns.file_system(scope, metadata["file-system-id"])
        return [("elasticfilesystem:Restore", target)]

    def snapshot(self, core: Core, scope: Scope, resource_arn: str) -> Snapshot:
        file_system_id = last_part(resource_arn)
        described = core.world.file_systems.describe(scope, file_system_id) or {}
        capture = core.trees.capture(core.world.file_systems.root(scope, file_system_id))
        kept = {
            name: described[name]
            for name in ("Encrypted", "KmsKeyId", "PerformanceMode", "CreationToken")
            if described.get(name) is not None
        }
        return Snapshot(FileSystemImage(capture.tree, kept), capture.size, capture.transferred)

    def restore_metadata(self, point: RecoveryPoint) -> dict[str, str]:
        described = point.image.description if isinstance(point.image, FileSystemImage) else {}
        metadata = {
            "file-system-id": last_part(point.resource_arn),
            "Encrypted": "true" if described.get("Encrypted") else "false",
            "PerformanceMode": str(described.get("PerformanceMode", "generalPurpose")),
            "newFileSystem": "false",
        }
        if key := described.get("KmsKeyId"):
            metadata["KmsKeyId"] = str(key)
        return metadata

    def trial_metadata(self, point: RecoveryPoint) -> dict[str, str]:
        return {
            "file-system-id": last_part(point.resource_arn),
            "newFileSystem": "true",
            "Encrypted": "true",
            "KmsKeyId": "alias/aws/elasticfilesystem",
            "PerformanceMode": "generalPurpose",
            "CreationToken": f"awsbackup-restore-test-{new_id()}",
        }

    def check_metadata(self, metadata: Mapping[str, str], settings: Settings) -> None:
        check_known(metadata, self._metadata)
        check_required(metadata, "file-system-id", "newFileSystem")
        if _is_true(metadata, "newFileSystem"):
            check_required(metadata, "Encrypted", "PerformanceMode", "CreationToken")
        for name in ("newFileSystem", "Encrypted", "singleAzFilesystem"):
            if metadata.get(name, "true").lower() not in ("true", "false"):
                raise invalid_parameter(f"{name} must be true or false, not {metadata[name]}")
        if metadata.get("PerformanceMode", "maxIO") not in ("generalPurpose", "maxIO"):
            raise invalid_parameter("PerformanceMode must be generalPurpose or maxIO")
        if metadata.get("KmsKeyId") and not _is_true(metadata, "Encrypted"):
            raise invalid_parameter("KmsKeyId needs Encrypted to be true")
        items = items_to_restore(metadata)
        if items is not None and not 0 < len(items) <= settings.restore_item_limit:
            raise invalid_parameter(
                f"ItemsToRestore takes 1 to {settings.restore_item_limit} items, not {len(items)}"
            )
        for item in items or ():
            if set(item) & set("*?[]{}"):
                raise invalid_parameter(f"Wildcard characters are not supported: {item}")

    def restore(self, core: Core, scope: Scope, point: RecoveryPoint, job: RestoreJob) -> str:
        """Restore to a new directory at the root; nothing that exists is changed."""
        if not isinstance(point.image, FileSystemImage):
            raise JobFailure(f"Recovery point {point.arn} holds no file system")
        check_key(scope, job.metadata.get("KmsKeyId"))
        if job.metadata["file-system-id"] != last_part(point.resource_arn):
            raise JobFailure(
                f"The backup is not one of file system {job.metadata['file-system-id']}",
                "INVALIDPARAMETERS",
            )
        fresh = _is_true(job.metadata, "newFileSystem")
        file_system_id = _create(core, scope, job) if fresh else _existing(core, scope, job)
        target = _new_directory(core, core.world.file_systems.root(scope, file_system_id))
        try:
            core.trees.restore(point.image.tree, target, items_to_restore(job.metadata))
        except ItemNotFound as error:
            if fresh:
                core.world.file_systems.delete(scope, file_system_id)
            raise JobFailure(
                f"Item {error} does not exist in the recovery point", "INVALIDPARAMETERS"
            ) from error
        return arns.file_system(scope, file_system_id)

    def remove(self, core: Core, scope: Scope, resource_arn: str) -> None:
        core.world.file_systems.delete(scope, last_part(resource_arn))


def _is_true(metadata: Mapping[str, str], name: str) -> bool:
    """AWS also accepts `True`: its examples use both."""
    return metadata.get(name, "").lower() == "true"


def _create(core: Core, scope: Scope, job: RestoreJob) -> str:
    metadata = job.metadata
    try:
        return core.world.file_systems.create(
            scope,
            creation_token=metadata["CreationToken"],
            performance_mode=metadata["PerformanceMode"],
            encrypted=_is_true(metadata, "Encrypted"),
            kms_key_id=metadata.get("KmsKeyId"),
        )
    except ValueError as error:
        raise JobFailure(str(error), "INVALIDPARAMETERS") from error


def _existing(core: Core, scope: Scope, job: RestoreJob) -> str:
    file_system_id = job.metadata["file-system-id"]
    if core.world.file_systems.describe(scope, file_system_id) is None:
        raise JobFailure(f"File system {file_system_id} does not exist", "INVALIDPARAMETERS")
    return file_system_id


def _new_directory(core: Core, root: Path) -> Path:
    """`aws-backup-restore_<now>`, or a little later if that exists."""
    moment = core.now()
    while (target := root / f"aws-backup-restore_{restore_stamp(moment)}").exists():
        moment += timedelta(milliseconds=1)
    return target


def items_to_restore(metadata: Mapping[str, str]) -> list[str] | None:
    """The list in `ItemsToRestore`, which is JSON in a string; None for everything."""
    text = metadata.get("ItemsToRestore")
    if text is None:
        return None
    try:
        items = json.loads(text)
    except ValueError:
        items = None
    if not isinstance(items, list) or not all(isinstance(item, str) and item for item in items):
        raise invalid_parameter(f"ItemsToRestore is a JSON list of paths, not {text!r}")
    return items


def restore_stamp(moment: datetime) -> str:
    """2022-09-06T00-03-13-832Z."""
    return moment.strftime("%Y-%m-%dT%H-%M-%S-") + f"{moment.microsecond // 1000:03d}Z"
