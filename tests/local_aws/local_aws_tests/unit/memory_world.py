"""A small world in memory around AWS Backup."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from local_aws.backup.world import Item, Scope, TableImage

Key = tuple[Scope, str]

BACKUP_ACTIONS = {
    "dynamodb:StartAwsBackupJob",
    "dynamodb:CreateBackup",
    "dynamodb:DeleteBackup",
    "elasticfilesystem:Backup",
    "backup:CopyIntoBackupVault",
    "backup:CopyFromBackupVault",
    "tag:GetResources",
}
"""The actions of AWSBackupServiceRolePolicyForBackup that this service checks."""
RESTORE_ACTIONS = {
    "dynamodb:RestoreTableFromAwsBackup",
    "dynamodb:RestoreTableFromBackup",
    "elasticfilesystem:Restore",
    "elasticfilesystem:CreateFilesystem",
}
"""The same for AWSBackupServiceRolePolicyForRestores."""


class MemoryTables:
    """Tables as lists of items; an image of a table that did not change is the same object."""

    def __init__(self) -> None:
        self._tables: dict[Key, tuple[Mapping[str, Any], tuple[Item, ...]]] = {}
        self._images: dict[Key, TableImage] = {}

    def put(self, scope: Scope, name: str, items: Sequence[Item]) -> str:
        """Create the table or replace its items; returns its ARN."""
        arn = f"arn:aws:dynamodb:{scope.region}:{scope.account}:table/{name}"
        definition = {
            "TableName": name,
            "TableArn": arn,
            "TableStatus": "ACTIVE",
            "TableSizeBytes": 60 * len(items),
        }
        self._tables[scope, name] = (definition, tuple(items))
        self._images.pop((scope, name), None)
        return arn

    def items(self, scope: Scope, name: str) -> tuple[Item, ...]:
        return self._tables[scope, name][1]

    def describe(self, scope: Scope, name: str) -> Mapping[str, Any] | None:
        found = self._tables.get((scope, name))
        return found[0] if found else None

    def read(self, scope: Scope, name: str) -> TableImage:
        known = self._images.get((scope, name))
        if known is None:
            known = self._images[scope, name] = TableImage(*self._tables[scope, name])
        return known

    def create(self, scope: Scope, name: str, image: TableImage, key: str | None) -> str:
        if (scope, name) in self._tables:
            raise ValueError(f"Table already exists: {name}")
        del key
        return self.put(scope, name, list(image.items))

    def delete(self, scope: Scope, name: str) -> None:
        del self._tables[scope, name]


class MemoryFileSystems:
    """File systems as directories below one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[Key, dict[str, Any]] = {}

    def add(self, scope: Scope, file_system_id: str, name: str = "files") -> Path:
        """Create an empty file system; returns its root."""
        self._known[scope, file_system_id] = {
            "FileSystemId": file_system_id,
            "Name": name,
            "Encrypted": True,
            "PerformanceMode": "generalPurpose",
        }
        root = self.root(scope, file_system_id)
        root.mkdir(parents=True)
        return root

    def ids(self, scope: Scope) -> list[str]:
        return [file_system_id for where, file_system_id in self._known if where == scope]

    def describe(self, scope: Scope, file_system_id: str) -> Mapping[str, Any] | None:
        return self._known.get((scope, file_system_id))

    def root(self, scope: Scope, file_system_id: str) -> Path:
        return self._directory / scope.account / scope.region / file_system_id

    def create(
        self,
        scope: Scope,
        *,
        creation_token: str,
        performance_mode: str,
        encrypted: bool,
        kms_key_id: str | None,
    ) -> str:
        if any(one.get("CreationToken") == creation_token for one in self._known.values()):
            raise ValueError(f"FileSystemAlreadyExists: creation token {creation_token}")
        file_system_id = f"fs-new{len(self._known)}"
        self.add(scope, file_system_id)
        self._known[scope, file_system_id] |= {
            "CreationToken": creation_token,
            "PerformanceMode": performance_mode,
            "Encrypted": encrypted,
            "KmsKeyId": kms_key_id,
        }
        return file_system_id

    def delete(self, scope: Scope, file_system_id: str) -> None:
        shutil.rmtree(self.root(scope, file_system_id))
        del self._known[scope, file_system_id]


class MemoryRoles:
    """Roles as sets of allowed actions."""

    def __init__(self) -> None:
        self._allowed: dict[str, set[str]] = {}
        self.not_assumable: set[str] = set()

    def add(self, arn: str, actions: set[str]) -> str:
        self._allowed[arn] = set(actions)
        return arn

    def remove(self, arn: str) -> None:
        del self._allowed[arn]

    def refusal(
        self,
        scope: Scope,
        role_arn: str,
        action: str,
        resource: str,
        context: Mapping[str, Sequence[str]],
    ) -> str | None:
        del scope, context
        if (reason := self.assume_refusal(Scope("", ""), role_arn)) is not None:
            return reason
        if action not in self._allowed[role_arn]:
            return f"{role_arn} is not authorized to perform: {action} on resource: {resource}"
        return None

    def assume_refusal(self, scope: Scope, role_arn: str) -> str | None:
        del scope
        if role_arn not in self._allowed:
            return f"IAM Role {role_arn} does not exist"
        if role_arn in self.not_assumable:
            return f"IAM Role {role_arn} cannot be assumed by AWS Backup"
        return None


@dataclass(frozen=True)
class Event:
    scope: Scope
    detail_type: str
    detail: Mapping[str, Any]
    resources: Sequence[str]
    at: datetime


@dataclass(frozen=True)
class Metric:
    scope: Scope
    name: str
    dimensions: Mapping[str, str]
    value: float
    at: datetime


@dataclass(frozen=True)
class Notification:
    topic_arn: str
    subject: str
    message: str
    attributes: Mapping[str, str]


@dataclass
class MemoryReports:
    events: list[Event] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)

    def event(
        self,
        scope: Scope,
        *,
        detail_type: str,
        detail: Mapping[str, Any],
        resources: Sequence[str],
        at: datetime,
    ) -> None:
        self.events.append(Event(scope, detail_type, detail, resources, at))

    def metric(
        self, scope: Scope, *, name: str, dimensions: Mapping[str, str], value: float, at: datetime
    ) -> None:
        self.metrics.append(Metric(scope, name, dimensions, value, at))

    def notify(
        self,
        scope: Scope,
        *,
        topic_arn: str,
        subject: str,
        message: str,
        attributes: Mapping[str, str],
    ) -> None:
        del scope
        self.notifications.append(Notification(topic_arn, subject, message, attributes))


class MemoryWorld:
    """The ports of `local_aws.backup.world`, with the tags of every resource."""

    def __init__(self, directory: Path) -> None:
        self.tables = MemoryTables()
        self.file_systems = MemoryFileSystems(directory)
        self.roles = MemoryRoles()
        self.reports = MemoryReports()
        self.tags: dict[Scope, dict[str, dict[str, str]]] = {}

    def resources(self, scope: Scope) -> Mapping[str, Mapping[str, str]]:
        return self.tags.get(scope, {})
