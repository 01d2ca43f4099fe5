"""What backup, copy and restore jobs need to know about a resource type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from local_aws.backup.core import Core
from local_aws.backup.errors import invalid_parameter, missing_parameter
from local_aws.backup.settings import Settings
from local_aws.backup.state import FileSystemImage, RecoveryPoint, RestoreJob
from local_aws.backup.world import Scope, TableImage

Permission = tuple[str, str]
"""(IAM action, resource ARN)."""


class JobFailure(Exception):
    """Why a job ends FAILED, for its StatusMessage."""

    def __init__(self, message: str, category: str = "FAILED") -> None:
        super().__init__(message)
        self.message = message
        self.category = category


@dataclass(frozen=True)
class Snapshot:
    """The result of a backup: the content, its size and the bytes that were transferred."""

    image: TableImage | FileSystemImage
    size: int
    transferred: int


class ResourceKind(Protocol):
    """One resource type, as backup, copy and restore jobs need it."""

    resource_type: str

    def name(self, core: Core, scope: Scope, resource_arn: str, /) -> str | None: ...
    def exists(self, core: Core, scope: Scope, resource_arn: str, /) -> bool: ...
    def backup_time(self, settings: Settings, /) -> timedelta: ...
    def copy_time(self, settings: Settings, /) -> timedelta: ...
    def restore_time(self, settings: Settings, /) -> timedelta: ...
    def backup_permissions(self, resource_arn: str, advanced: bool, /) -> list[Permission]: ...
    def delete_permissions(self, point: RecoveryPoint, /) -> list[Permission]: ...
    def restore_permissions(
        self, scope: Scope, point: RecoveryPoint, metadata: Mapping[str, str], /
    ) -> list[Permission]: ...
    def snapshot(self, core: Core, scope: Scope, resource_arn: str, /) -> Snapshot: ...
    def restore_metadata(self, point: RecoveryPoint, /) -> dict[str, str]: ...
    def trial_metadata(self, point: RecoveryPoint, /) -> dict[str, str]: ...
    def check_metadata(self, metadata: Mapping[str, str], settings: Settings, /) -> None: ...
    def restore(
        self, core: Core, scope: Scope, point: RecoveryPoint, job: RestoreJob, /
    ) -> str: ...
    def remove(self, core: Core, scope: Scope, resource_arn: str, /) -> None: ...


def check_known(metadata: Mapping[str, str], names: frozenset[str]) -> None:
    if unknown := sorted(set(metadata) - names):
        raise invalid_parameter(f"Unknown restore metadata: {', '.join(unknown)}")


def check_required(metadata: Mapping[str, str], *names: str) -> None:
    for name in names:
        if not metadata.get(name):
            raise missing_parameter(f"Restore metadata {name} is missing")


def check_key(scope: Scope, key: str | None) -> None:
    """A KMS key is of one region, and only what is in that region can be encrypted with it.

    https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html
    """
    if key and key.startswith("arn:") and key.split(":")[3] != scope.region:
        raise JobFailure(f"Key {key} is not in {scope.region}", "INVALIDPARAMETERS")


def last_part(arn: str) -> str:
    return arn.rsplit("/", 1)[1]
