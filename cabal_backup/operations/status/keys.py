"""The KMS keys without which a vault, a table or the mailstore cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.results import Answer, Known, ask_together, unless_missing

_JSON = Mapping[str, Any]


def look(
    aws: Aws,
    vaults: Iterable[Answer[_JSON | None]],
    tables: Iterable[Answer[_JSON | None]],
    mailstore: Answer[_JSON | None],
) -> dict[str, Answer[_JSON | None]]:
    """KMS's metadata of each key by its ARN; None where the key does not exist.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html
    """
    arns = {
        *map(key_of_vault, _known(vaults)),
        *map(key_of_table, _known(tables)),
        *map(key_of_mailstore, _known([mailstore])),
    } - {None}
    return ask_together({arn: _question(aws, arn) for arn in sorted(map(str, arns))})


def key_of_vault(vault: _JSON) -> str | None:
    return vault.get("EncryptionKeyArn")


def key_of_table(table: _JSON) -> str | None:
    """None where DynamoDB owns the key; such a key cannot be lost.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_SSEDescription.html
    """
    return (table.get("SSEDescription") or {}).get("KMSMasterKeyArn")


def key_of_mailstore(file_system: _JSON) -> str | None:
    return file_system.get("KmsKeyId") or None


def region_of(arn: str) -> str:
    return arn.split(":")[3]


def _known(answers: Iterable[Answer[_JSON | None]]) -> list[_JSON]:
    return [
        answer.value for answer in answers if isinstance(answer, Known) and answer.value is not None
    ]


def _question(aws: Aws, arn: str) -> Callable[[], _JSON | None]:
    def describe() -> _JSON:
        metadata: _JSON = aws.client("kms", region_of(arn)).describe_key(KeyId=arn)["KeyMetadata"]
        return metadata

    return lambda: unless_missing(describe, "NotFoundException")
