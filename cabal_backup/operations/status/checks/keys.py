"""The keys: a lost key destroys every backup that was encrypted with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from cabal_backup.operations.aws.results import Answer, Unknown
from cabal_backup.operations.status.checks.outcome import fail, not_there, ok, unknown, warn
from cabal_backup.operations.status.findings import Outcome
from cabal_backup.operations.status.keys import (
    key_of_mailstore,
    key_of_table,
    key_of_vault,
    region_of,
)
from cabal_backup.operations.status.state import State
from cabal_backup.text import moment, plural

_USABLE = {"Enabled", "Updating"}
"""https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html"""

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import BackupVaultListMemberTypeDef
    from types_boto3_kms.type_defs import KeyMetadataTypeDef

T = TypeVar("T")


def keys(state: State) -> Outcome:
    """Every key exists and is enabled, and those of the vaults are managed by AWS."""
    uses = list(_uses(state))
    lost = [line for what, arn in uses if (line := _lost(what, arn, state.keys[arn]))]
    if lost:
        broken = next(arn for what, arn in uses if _lost(what, arn, state.keys[arn]))
        return fail(
            f"{plural(len(lost), 'key')} cannot be used. What is encrypted with a deleted key is "
            "lost, and no vault lock protects the key.",
            f"aws kms cancel-key-deletion --region={region_of(broken)} --key-id={broken}; "
            f"aws kms enable-key --region={region_of(broken)} --key-id={broken}",
            details=lost,
        )
    not_seen = [*_not_described(state), *(state.keys[arn] for _, arn in uses)]
    if any(isinstance(answer, Unknown) for answer in not_seen):
        return unknown(*not_seen, looking_at="the keys")
    unnamed = [region.vault_name for region in state.regions if _is_unnamed(region.vault)]
    if unnamed:
        return unknown(
            Unknown(f"AWS Backup does not name the key of {' and '.join(unnamed)}."),
            looking_at="the keys",
        )
    customer = [
        f"{what}: {arn}"
        for what, arn in uses
        if what.startswith("vault ") and _is_customers(state.keys[arn])
    ]
    if customer:
        return warn(
            f"{plural(len(customer), 'vault')} encrypted with a customer key: if the key is "
            "deleted, so is every backup.",
            "docs/decisions/aws-managed-keys.md gives the reason. The key of a vault cannot be "
            "changed: protect this key from deletion, or make a new vault.",
            details=customer,
        )
    if not uses:
        return not_there("vault, table or mailstore with a key")
    return ok(f"{plural(len(state.keys), 'key')} in use, all enabled.")


def _uses(state: State) -> Iterator[tuple[str, str]]:
    """What is encrypted, with the ARN of its key."""
    for region in state.regions:
        yield from _use(f"vault {region.vault_name}", region.vault, key_of_vault)
    for name, table in state.tables.items():
        yield from _use(f"table {name}", table.table, key_of_table)
    mailstore = f"mailstore {state.environment.mailstore_file_system_id}"
    yield from _use(mailstore, state.mailstore, key_of_mailstore)


def _use(
    what: str, answer: Answer[T | None], key_of: Callable[[T], str | None]
) -> Iterator[tuple[str, str]]:
    if (value := answer.value_or(None)) is not None and (arn := key_of(value)):
        yield what, arn


def _not_described(state: State) -> list[object]:
    """The answers that would have named a key."""
    return [
        *(region.vault for region in state.regions),
        *(table.table for table in state.tables.values()),
        state.mailstore,
    ]


def _is_unnamed(vault: Answer[BackupVaultListMemberTypeDef | None]) -> bool:
    """A vault under a key that AWS owns names none, and needs none."""
    seen = vault.value_or(None)
    return (
        seen is not None
        and key_of_vault(seen) is None
        and seen.get("EncryptionKeyType") != "AWS_OWNED_KMS_KEY"
    )


def _lost(what: str, arn: str, answer: Answer[KeyMetadataTypeDef | None]) -> str:
    """Why the key cannot be used; empty where it can, and where that is not known."""
    if isinstance(answer, Unknown):
        return ""
    if answer.value is None:
        return f"{what}: {arn} does not exist"
    state = answer.value["KeyState"]
    if state in _USABLE:
        return ""
    when = answer.value.get("DeletionDate")
    return f"{what}: {arn} is {state}" + (f", to be deleted at {moment(when)}" if when else "")


def _is_customers(answer: Answer[KeyMetadataTypeDef | None]) -> bool:
    key = answer.value_or(None)
    return key is not None and key.get("KeyManager") != "AWS"
