"""The KMS keys without which a vault, a table or the mailstore cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.results import Answer, ask_together, unless_missing

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import BackupVaultListMemberTypeDef
    from types_boto3_dynamodb.type_defs import TableDescriptionTypeDef
    from types_boto3_efs.type_defs import FileSystemDescriptionTypeDef
    from types_boto3_kms.type_defs import KeyMetadataTypeDef

T = TypeVar("T")


def look(
    aws: Aws,
    vaults: Iterable[Answer[BackupVaultListMemberTypeDef | None]],
    tables: Iterable[Answer[TableDescriptionTypeDef | None]],
    mailstore: Answer[FileSystemDescriptionTypeDef | None],
) -> dict[str, Answer[KeyMetadataTypeDef | None]]:
    """KMS's metadata of each key by its ARN; None where the key does not exist.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html
    """
    arns = {
        *map(key_of_vault, _known(vaults)),
        *map(key_of_table, _known(tables)),
        *map(key_of_mailstore, _known([mailstore])),
    } - {None}
    return ask_together({arn: _question(aws, arn) for arn in sorted(map(str, arns))})


def key_of_vault(vault: BackupVaultListMemberTypeDef) -> str | None:
    """The ARN of its KMS key."""
    return vault.get("EncryptionKeyArn")


def key_of_table(table: TableDescriptionTypeDef) -> str | None:
    """None where DynamoDB owns the key; such a key cannot be lost.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_SSEDescription.html
    """
    return (table.get("SSEDescription") or {}).get("KMSMasterKeyArn")


def key_of_mailstore(file_system: FileSystemDescriptionTypeDef) -> str | None:
    """The ARN of its KMS key; None without one."""
    return file_system.get("KmsKeyId") or None


def region_of(arn: str) -> str:
    """The region in an ARN."""
    return arn.split(":")[3]


def _known(answers: Iterable[Answer[T | None]]) -> list[T]:
    return [value for answer in answers if (value := answer.value_or(None)) is not None]


def _question(aws: Aws, arn: str) -> Callable[[], KeyMetadataTypeDef | None]:
    def describe() -> KeyMetadataTypeDef:
        return aws.client("kms", region_of(arn)).describe_key(KeyId=arn)["KeyMetadata"]

    return lambda: unless_missing(describe, "NotFoundException")
