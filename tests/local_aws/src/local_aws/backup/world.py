"""What the AWS Backup service needs from the rest of AWS.

The service in this package owns vaults, plans, jobs and recovery points. Tables,
file systems, roles and everything that transports a report belong to other services;
it uses them only through the ports below. `local_aws.ministack` is the
implementation with MiniStack; the unit tests use a small one in
memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

AWS_MANAGED_KEY = "Not Applicable"
"""How restore metadata names the AWS-managed key of DynamoDB (docs: restoring-dynamodb)."""

Item = dict[str, dict[str, Any]]
"""A DynamoDB item in its wire format: attribute name -> {type: value}."""


@dataclass(frozen=True)
class Scope:
    """One account in one region: where AWS keeps almost everything."""

    account: str
    region: str

    @property
    def partition(self) -> str:
        if self.region.startswith("cn-"):
            return "aws-cn"
        if self.region.startswith("us-gov-"):
            return "aws-us-gov"
        return "aws"


@dataclass(frozen=True)
class TableImage:
    """A table as AWS Backup can restore it: its definition and its items.

    `definition` is the `Table` of DescribeTable. PITR, TTL and tags are not in it,
    because a restore does not restore them (docs: restoring-dynamodb).
    """

    definition: Mapping[str, Any]
    items: Sequence[Item]


class Tables(Protocol):
    """DynamoDB, as far as AWS Backup uses it."""

    def describe(self, scope: Scope, name: str) -> Mapping[str, Any] | None:
        """The `Table` of DescribeTable, or None if there is no such table."""
        ...

    def read(self, scope: Scope, name: str) -> TableImage:
        """The table at this moment; later writes must not change the image.

        An image of an unchanged table should be cheap: a year of nights takes 365.
        """
        ...

    def create(self, scope: Scope, name: str, image: TableImage, key: str | None) -> str:
        """Create an ACTIVE table with the image's items, without PITR, TTL, tags and deletion
        protection; returns its ARN.

        :param key: a customer key or AWS_MANAGED_KEY; None is the key that DynamoDB owns. The
            key of the original table has no effect.

        Raises ValueError if the name exists or the key cannot be used.
        """
        ...

    def delete(self, scope: Scope, name: str) -> None:
        """Remove a table (AWS Backup does this after a restore test)."""
        ...


class FileSystems(Protocol):
    """EFS, as far as AWS Backup uses it; every file system is a directory on disk."""

    def describe(self, scope: Scope, file_system_id: str) -> Mapping[str, Any] | None:
        """One entry of DescribeFileSystems, or None if there is no such file system."""
        ...

    def root(self, scope: Scope, file_system_id: str) -> Path:
        """The directory that is the root of the file system."""
        ...

    def create(
        self,
        scope: Scope,
        *,
        creation_token: str,
        performance_mode: str,
        encrypted: bool,
        kms_key_id: str | None,
    ) -> str:
        """A new, empty file system without mount targets; its id.

        Raises ValueError if there is one with this creation token.
        """
        ...

    def delete(self, scope: Scope, file_system_id: str) -> None:
        """Remove a file system and its directory."""
        ...


class Roles(Protocol):
    """IAM, as far as AWS Backup uses it."""

    def refusal(
        self,
        scope: Scope,
        role_arn: str,
        action: str,
        resource: str,
        context: Mapping[str, Sequence[str]],
    ) -> str | None:
        """Why AWS Backup cannot do `action` on `resource` as this role; None if it can.

        `context` has the call's condition keys of AWS Backup.

        Covers a role that does not exist, a trust policy that does not allow
        backup.amazonaws.com to assume it, and missing permissions.
        """
        ...


class Reports(Protocol):
    """Where AWS Backup reports."""

    def event(
        self,
        scope: Scope,
        *,
        detail_type: str,
        detail: Mapping[str, Any],
        resources: Sequence[str],
        at: datetime,
    ) -> None:
        """An EventBridge event with source `aws.backup`."""
        ...

    def metric(
        self, scope: Scope, *, name: str, dimensions: Mapping[str, str], value: float, at: datetime
    ) -> None:
        """One data point in the CloudWatch namespace AWS/Backup."""
        ...

    def notify(
        self,
        scope: Scope,
        *,
        topic_arn: str,
        subject: str,
        message: str,
        attributes: Mapping[str, str],
    ) -> None:
        """A vault notification, published to SNS."""
        ...


class World(Protocol):
    """Everything outside AWS Backup, in one argument."""

    @property
    def tables(self) -> Tables: ...
    @property
    def file_systems(self) -> FileSystems: ...
    @property
    def roles(self) -> Roles: ...
    @property
    def reports(self) -> Reports: ...


@runtime_checkable
class Inventory(Protocol):
    """A world that can also list its resources, for selections by tag or wildcard.

    Optional: without it, such selections find nothing.
    """

    def resources(self, scope: Scope) -> Mapping[str, Mapping[str, str]]:
        """ARN -> tags of every table and every file system."""
        ...


@runtime_checkable
class RoleTrust(Protocol):
    """Roles that can distinguish the trust policy from missing permissions.

    Optional: with it, CreateBackupSelection refuses a role that AWS Backup may not assume.
    """

    def assume_refusal(self, scope: Scope, role_arn: str) -> str | None:
        """Why backup.amazonaws.com cannot assume the role; None if it can."""
        ...
