"""Backup vaults, logically air-gapped ones included: create, describe, list, delete.

AWS: aws-backup/latest/devguide/logicallyairgappedvault.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_aws.backup import arns, reports
from local_aws.backup.core import Call, Core, due, newest_first, operation
from local_aws.backup.errors import (
    ServiceError,
    already_exists,
    invalid_parameter,
    invalid_request,
)
from local_aws.backup.jobs.points import state_of
from local_aws.backup.lifecycle import MAX_DAYS
from local_aws.backup.operations.tags import check_tags
from local_aws.backup.paging import page
from local_aws.backup.state import AIR_GAPPED, Lock, Vault
from local_aws.backup.world import Scope

NOT_EMPTY = "Backup vault cannot be deleted because it contains recovery points."
LEAST_AIR_GAPPED_DAYS = 7


@operation("CreateBackupVault")
def create_backup_vault(call: Call) -> Mapping[str, Any]:
    vault = _existing(call) or _create(call)
    return {
        "BackupVaultName": vault.name,
        "BackupVaultArn": vault.arn,
        "CreationDate": vault.created,
    }


@operation("CreateLogicallyAirGappedBackupVault")
def create_air_gapped_vault(call: Call) -> Mapping[str, Any]:
    """Locked in compliance mode from the beginning; CREATING until its key exists."""
    least, most = call.params["MinRetentionDays"], call.params["MaxRetentionDays"]
    if not LEAST_AIR_GAPPED_DAYS <= least <= most <= MAX_DAYS:
        raise invalid_parameter(
            f"MinRetentionDays {least} and MaxRetentionDays {most} must be between "
            f"{LEAST_AIR_GAPPED_DAYS} and {MAX_DAYS}, in this order"
        )
    vault = _existing(call)
    if vault is None:
        vault = _create(call)
        vault.type, vault.lock = AIR_GAPPED, Lock(least, most, call.now)
        vault.encryption_key_arn = call.params.get("EncryptionKeyArn")
        vault.available = call.now + call.core.settings.air_gapped_creation
    return {
        "BackupVaultName": vault.name,
        "BackupVaultArn": vault.arn,
        "CreationDate": vault.created,
        "VaultState": state_of(call.core, vault),
    }


@operation("DescribeBackupVault")
def describe_backup_vault(call: Call) -> Mapping[str, Any]:
    return _shape(call, vault_to_read(call))


@operation("ListBackupVaults")
def list_backup_vaults(call: Call) -> Mapping[str, Any]:
    shared = call.params.get("ByShared", False)
    vaults = (
        call.core.state.shared_vaults(call.scope) if shared else iter(call.region.vaults.values())
    )
    wanted = call.params.get("ByVaultType", AIR_GAPPED if shared else "BACKUP_VAULT")
    chosen, token = page(
        (vault for vault in vaults if vault.type == wanted),
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
    if not vault.air_gapped:
        _remove(call.core, call.scope, vault.name)
    elif not vault.deleted:
        vault.deleted = True
        call.core.later(
            call.core.settings.air_gapped_deletion, "vault.remove", call.scope, vault.name
        )
    return {}


@due("vault.remove")
def _remove(core: Core, scope: Scope, name: str) -> None:
    region = core.state.region(scope)
    vault = region.vaults.pop(name)
    region.tags.pop(vault.arn, None)
    for share in region.shares.values():
        share.vaults.pop(vault.arn, None)
    reports.vault_changed(core, scope, vault, "DELETED")


def vault_to_read(call: Call) -> Vault:
    """The vault of a reading call: for a missing one, AWS often answers AccessDenied."""
    own = call.params.get("BackupVaultAccountId", call.scope.account) == call.scope.account
    denied = call.core.settings.missing_vault_error == "AccessDeniedException"
    if own and call.params["BackupVaultName"] not in call.region.vaults and denied:
        raise ServiceError(
            "AccessDeniedException", "Insufficient privileges to perform this action."
        )
    return call.readable_vault()


def _existing(call: Call) -> Vault | None:
    """The vault that an earlier call with this CreatorRequestId created; None without one."""
    name, request_id = call.params["BackupVaultName"], call.params.get("CreatorRequestId")
    existing = call.region.vaults.get(name)
    if existing is not None and (request_id is None or request_id != existing.creator_request_id):
        raise already_exists(
            f"Backup vault with the same name already exists: {name}",
            arn=existing.arn,
            creator_request_id=existing.creator_request_id,
        )
    return existing


def _create(call: Call) -> Vault:
    name = call.params["BackupVaultName"]
    tags = check_tags(call.params.get("BackupVaultTags", {}))
    vault = Vault(
        name=name,
        arn=arns.vault(call.scope, name),
        created=call.now,
        encryption_key_arn=call.params.get(
            "EncryptionKeyArn", arns.managed_key(call.scope, "backup")
        ),
        creator_request_id=call.params.get("CreatorRequestId"),
    )
    call.region.vaults[name] = vault
    if tags:
        call.region.tags[vault.arn] = tags
    reports.vault_changed(call.core, call.scope, vault, "CREATED")
    return vault


def _shape(call: Call, vault: Vault) -> dict[str, Any]:
    lock = vault.lock
    managed_key = arns.managed_key(arns.parse(vault.arn).scope, "backup")
    own_key = vault.encryption_key_arn not in (None, managed_key)
    return {
        "BackupVaultName": vault.name,
        "BackupVaultArn": vault.arn,
        "VaultType": vault.type,
        "VaultState": state_of(call.core, vault),
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
