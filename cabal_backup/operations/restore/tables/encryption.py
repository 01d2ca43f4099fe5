"""The key that a table is encrypted under, and how a restore names it.

Unless a restore names a key, the new table is encrypted under the one that DynamoDB owns.
https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-dynamodb.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_SSESpecification.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.results import Answer, Known, Unknown, ask
from cabal_backup.operations.restore.tables.describe import TableBackup, TableDescription, key_arn

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import SSESpecificationTypeDef, TableDescriptionTypeDef


@dataclass(frozen=True, kw_only=True)
class TableKey:
    """A table's key."""

    arn: str
    """Empty for the key that DynamoDB owns, and for the AWS-managed one where it is not known."""
    manager: str
    """CUSTOMER or AWS, as KMS says; empty for the key that DynamoDB owns."""

    def __str__(self) -> str:
        if self.manager == "CUSTOMER":
            return f"the customer key {self.arn}"
        return "the AWS-managed key" if self.manager else "the key that DynamoDB owns"

    @property
    def restore_metadata(self) -> dict[str, str]:
        """What StartRestoreJob is given."""
        if not self.manager:
            return {"encryptionType": "Default"}
        arn = self.arn if self.manager == "CUSTOMER" else "Not Applicable"
        return {"encryptionType": "KMS", "kmsMasterKeyArn": arn}

    @property
    def specification(self) -> SSESpecificationTypeDef:
        """The SSESpecification of DynamoDB; it names only a customer key."""
        if not self.manager:
            return {"Enabled": False}
        if self.manager != "CUSTOMER":
            return {"Enabled": True, "SSEType": "KMS"}
        return {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": self.arn}


@dataclass(frozen=True, kw_only=True)
class Encryption:
    """The key that a restored table gets."""

    key: TableKey
    unknown: str = ""
    """Why the table's own key is not known; empty when it is."""

    def __str__(self) -> str:
        if not self.unknown:
            return f"{self.key}, as before"
        return (
            f"{self.key}, which Cabal's Terraform sets: the table's own key is not known "
            f"({self.unknown}). If it was a customer key, set it afterwards "
            "(docs/runbooks/restore-tables.md#when-the-live-table-was-deleted)"
        )


_TERRAFORMS = TableKey(arn="", manager="AWS")
"""What `server_side_encryption { enabled = true }` gives every table of Cabal."""


def of_table(aws: Aws, table: TableDescription) -> Encryption:
    """The key of a table that exists."""
    return _encryption(ask(lambda: _find_key(aws, table.key_arn)))


def in_another_region(table: str) -> Encryption:
    """The key of a table that is restored in another region: a key belongs to one region."""
    return _encryption(Unknown(f"{table} is in another region, and so is its key"))


def of_deleted(aws: Aws, backup: Answer[TableBackup | None]) -> Encryption:
    """The key of a table that was deleted, from the backup that DynamoDB keeps of it."""
    if isinstance(backup, Unknown):
        return _encryption(backup)
    kept = backup.value
    if kept is None:
        return _encryption(Unknown("DynamoDB keeps no backup of the table from that time"))
    return _encryption(ask(lambda: _find_key(aws, kept.key_arn)))


def is_under(described: TableDescriptionTypeDef, key: TableKey) -> bool:
    """Whether a table, as DescribeTable shows it, is encrypted under a key.

    For an AWS-managed key whose ARN is not known any KMS key counts.
    """
    arn = key_arn(described.get("SSEDescription"))
    return bool(arn) if key == _TERRAFORMS else arn == key.arn


def _encryption(key: Answer[TableKey]) -> Encryption:
    if isinstance(key, Known):
        return Encryption(key=key.value)
    return Encryption(key=_TERRAFORMS, unknown=key.reason)


def _find_key(aws: Aws, arn: str) -> TableKey:
    """Raises botocore's errors."""
    if not arn:
        return TableKey(arn="", manager="")
    described = aws.client("kms").describe_key(KeyId=arn)["KeyMetadata"]
    return TableKey(arn=arn, manager=described["KeyManager"])
