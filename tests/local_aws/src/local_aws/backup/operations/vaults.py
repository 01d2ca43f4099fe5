"""Backup vaults: create, describe, list, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_aws.backup import arns, reports
from local_aws.backup.core import Call, newest_first, operation
from local_aws.backup.errors import ServiceError, already_exists, invalid_request
from local_aws.backup.operations.tags import check_tags
from local_aws.backup.paging import page
from local_aws.backup.state import Vault

NOT_EMPTY = "Backup vault cannot be deleted because it contains recovery points."


@operation("CreateBackupVault")
def create_backup_vault(call: Call) -> Mapping[str, Any]:
    name = call.params["BackupVaultName"]
    request_id = call.params.get("CreatorRequestId")
    existing = call.region.vaults.get(name)
    if existing is not None and (request_id is None or request_id != existing.creator_request_id):
        raise already_exists(
            f"Backup vault with the same name already exists: {name}",
            arn=existing.arn,
            creator_request_id=existing.creator_request_id,
        )
    if existing is None:
        existing = _create(call, name, request_id)
    return {
        "BackupVaultName": existing.name,
        "BackupVaultArn": existing.arn,
        "CreationDate": existing.created,
    }


@operation("DescribeBackupVault")
def describe_backup_vault(call: Call) -> Mapping[str, Any]:
    call.check_account("BackupVaultAccountId")
    return _shape(call, vault_to_read(call))


@operation("ListBackupVaults")
def list_backup_vaults(call: Call) -> Mapping[str, Any]:
    only_type = call.params.get("ByVaultType", "BACKUP_VAULT")
    shared = call.params.get("ByShared", False)
    vaults = [] if shared or only_type != "BACKUP_VAULT" else call.region.vaults.values()
    chosen, token = page(
        vaults,
        lambda vault: newest_first(vault.created, vault.name),
        call.operation,
        call.params,
    )
    return {"BackupVaultList": [_shape(call, vault) for vault in chosen], "NextToken": token}


@operation("DeleteBackupVault")
def delete_backup_vault(call: Call) -> Mapping[str, Any]:
    vault = call.vault()
    if vault.points:
        raise invalid_request(NOT_EMPTY, "ERROR_9101")
    if vault.just_emptied and call.core.settings.emptied_vault_refuses_once:
        vault.just_emptied = False
        raise invalid_request(NOT_EMPTY, "ERROR_9101")
    del call.region.vaults[vault.name]
    call.region.tags.pop(vault.arn, None)
    reports.vault_changed(call.core, call.scope, vault, "DELETED")
    return {}


def vault_to_read(call: Call) -> Vault:
    """The vault of a reading call: for a missing one, AWS often answers AccessDenied."""
    name = call.params["BackupVaultName"]
    denied = call.core.settings.missing_vault_error == "AccessDeniedException"
    if name not in call.region.vaults and denied:
        raise ServiceError(
            "AccessDeniedException", "Insufficient privileges to perform this action."
        )
    return call.vault()


def _create(call: Call, name: str, request_id: str | None) -> Vault:
    tags = check_tags(call.params.get("BackupVaultTags", {}))
    vault = Vault(
        name=name,
        arn=arns.vault(call.scope, name),
        created=call.now,
        encryption_key_arn=call.params.get(
            "EncryptionKeyArn", arns.managed_key(call.scope, "backup")
        ),
        creator_request_id=request_id,
    )
    call.region.vaults[name] = vault
    if tags:
        call.region.tags[vault.arn] = tags
    reports.vault_changed(call.core, call.scope, vault, "CREATED")
    return vault


def _shape(call: Call, vault: Vault) -> dict[str, Any]:
    lock = vault.lock
    own_key = vault.encryption_key_arn != arns.managed_key(arns.parse(vault.arn).scope, "backup")
    return {
        "BackupVaultName": vault.name,
        "BackupVaultArn": vault.arn,
        "VaultType": "BACKUP_VAULT",
        "VaultState": call.core.faults.vault_state(vault.name),
        "EncryptionKeyArn": vault.encryption_key_arn,
        "EncryptionKeyType": "CUSTOMER_MANAGED_KMS_KEY" if own_key else "AWS_OWNED_KMS_KEY",
        "CreationDate": vault.created,
        "CreatorRequestId": vault.creator_request_id,
        "NumberOfRecoveryPoints": len(vault.points),
        "Locked": lock is not None,
        "MinRetentionDays": lock.min_days if lock else None,
        "MaxRetentionDays": lock.max_days if lock else None,
        "LockDate": lock.lock_date if lock else None,
    }
