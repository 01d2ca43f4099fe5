"""The keys: a lost key destroys every backup that was encrypted with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cabal_backup.operations.aws.results import Answer, Unknown
from cabal_backup.operations.status.checks.outcome import (
    all_known,
    fail,
    not_there,
    ok,
    unknown,
    warn,
)
from cabal_backup.operations.status.findings import Outcome
from cabal_backup.operations.status.state import State, region_of
from cabal_backup.text import moment, plural

if TYPE_CHECKING:
    from types_boto3_kms.type_defs import KeyMetadataTypeDef

_USABLE = {"Enabled", "Updating"}
"""https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html"""


def keys(state: State) -> Outcome:
    """Every key exists and is enabled, and those of the vaults are managed by AWS."""
    uses = state.key_uses
    lost = {
        f"{what}: {why}": arn for what, arn in uses.items() if (why := _lost(arn, state.keys[arn]))
    }
    if lost:
        broken = next(iter(lost.values()))
        return fail(
            f"{plural(len(lost), 'key')} cannot be used. What is encrypted with a deleted key is "
            "lost, and no vault lock protects the key.",
            f"aws kms cancel-key-deletion --region={region_of(broken)} --key-id={broken}; "
            f"aws kms enable-key --region={region_of(broken)} --key-id={broken}",
            details=lost,
        )
    all_known(
        [
            *(region.vault for region in state.regions),
            *(table.table for table in state.tables.values()),
            state.mailstore,
            *(state.keys[arn] for arn in uses.values()),
        ],
        looking_at="the keys",
    )
    # A vault under a key that AWS owns names none, and needs none.
    unnamed = [
        region.vault_name
        for region in state.regions
        if (vault := region.vault.value_or(None)) is not None
        and vault.get("EncryptionKeyArn") is None
        and vault.get("EncryptionKeyType") != "AWS_OWNED_KMS_KEY"
    ]
    if unnamed:
        return unknown(
            Unknown(f"AWS Backup does not name the key of {' and '.join(unnamed)}."),
            looking_at="the keys",
        )
    customer = [
        f"{what}: {arn}"
        for what, arn in uses.items()
        if what.startswith("vault ")
        and (key := state.keys[arn].value_or(None)) is not None
        and key.get("KeyManager") != "AWS"
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


def _lost(arn: str, answer: Answer[KeyMetadataTypeDef | None]) -> str | None:
    """Why the key cannot be used; None where it can, and where that is not known."""
    if isinstance(answer, Unknown):
        return None
    if answer.value is None:
        return f"{arn} does not exist"
    state = answer.value["KeyState"]
    if state in _USABLE:
        return None
    when = answer.value.get("DeletionDate")
    return f"{arn} is {state}" + (f", to be deleted at {moment(when)}" if when else "")
