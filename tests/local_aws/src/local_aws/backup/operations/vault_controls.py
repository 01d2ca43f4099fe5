"""The lock, the access policy and the notifications of a vault.

AWS: aws-backup/latest/devguide/vault-lock.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from local_aws.backup import arns, policies, reports
from local_aws.backup.core import Call, operation
from local_aws.backup.errors import invalid_parameter, invalid_request, not_found
from local_aws.backup.lifecycle import MAX_DAYS
from local_aws.backup.operations.vaults import vault_to_read
from local_aws.backup.state import Lock

MIN_COOLING_OFF_DAYS = 3
IMMUTABLE = "Vault Lock configuration of backup vault {name} is immutable"


@operation("PutBackupVaultLockConfiguration")
def put_lock(call: Call) -> Mapping[str, Any]:
    vault = call.vault()
    if vault.lock and vault.lock.immutable(call.now):
        raise invalid_request(IMMUTABLE.format(name=vault.name))
    minimum = _days(call, "MinRetentionDays", 1)
    maximum = _days(call, "MaxRetentionDays", 1)
    cooling_off = _days(call, "ChangeableForDays", MIN_COOLING_OFF_DAYS)
    if minimum is not None and maximum is not None and minimum > maximum:
        raise invalid_parameter(
            f"MinRetentionDays {minimum} is more than MaxRetentionDays {maximum}"
        )
    lock_date = vault.lock.lock_date if vault.lock else None
    if cooling_off is not None:
        lock_date = call.now + timedelta(days=cooling_off)
    vault.lock = Lock(minimum, maximum, lock_date)
    reports.vault_changed(call.core, call.scope, vault, "MODIFIED", isLocked="true")
    return {}


@operation("DeleteBackupVaultLockConfiguration")
def delete_lock(call: Call) -> Mapping[str, Any]:
    vault = call.vault()
    if vault.lock is None and call.core.settings.delete_missing_lock_refused:
        raise invalid_request(f"Backup vault {vault.name} has no Vault Lock configuration")
    if vault.lock and vault.lock.immutable(call.now):
        raise invalid_request(IMMUTABLE.format(name=vault.name))
    vault.lock = None
    reports.vault_changed(call.core, call.scope, vault, "MODIFIED", isLocked="false")
    return {}


@operation("PutBackupVaultAccessPolicy")
def put_access_policy(call: Call) -> Mapping[str, Any]:
    vault = call.vault()
    policy = call.params.get("Policy")
    if policy is None:
        raise invalid_parameter("Policy is empty")
    policies.check(policy)
    vault.policy = policy
    reports.vault_changed(call.core, call.scope, vault, "MODIFIED")
    return {}


@operation("GetBackupVaultAccessPolicy")
def get_access_policy(call: Call) -> Mapping[str, Any]:
    vault = vault_to_read(call)
    if vault.policy is None:
        raise not_found(f"Backup vault {vault.name} has no access policy")
    return {
        "BackupVaultName": vault.name,
        "BackupVaultArn": vault.arn,
        "Policy": vault.policy,
    }


@operation("DeleteBackupVaultAccessPolicy")
def delete_access_policy(call: Call) -> Mapping[str, Any]:
    vault = call.vault()
    vault.policy = None
    reports.vault_changed(call.core, call.scope, vault, "MODIFIED")
    return {}


@operation("PutBackupVaultNotifications")
def put_notifications(call: Call) -> Mapping[str, Any]:
    vault = call.vault()
    topic = arns.parse(call.params["SNSTopicArn"], "SNS topic ARN")
    if topic.service != "sns" or topic.account != call.scope.account:
        raise invalid_parameter(f"Not a topic of this account: {call.params['SNSTopicArn']}")
    if topic.resource.endswith(".fifo"):
        raise invalid_parameter("FIFO topics are not supported")
    if not call.params["BackupVaultEvents"]:
        raise invalid_parameter("BackupVaultEvents is empty")
    vault.topic_arn = call.params["SNSTopicArn"]
    vault.events = list(dict.fromkeys(call.params["BackupVaultEvents"]))
    return {}


@operation("GetBackupVaultNotifications")
def get_notifications(call: Call) -> Mapping[str, Any]:
    vault = vault_to_read(call)
    if vault.topic_arn is None:
        raise not_found(f"Backup vault {vault.name} has no notification configuration")
    return {
        "BackupVaultName": vault.name,
        "BackupVaultArn": vault.arn,
        "SNSTopicArn": vault.topic_arn,
        "BackupVaultEvents": vault.events,
    }


@operation("DeleteBackupVaultNotifications")
def delete_notifications(call: Call) -> Mapping[str, Any]:
    vault = call.vault()
    vault.topic_arn, vault.events = None, []
    return {}


def _days(call: Call, name: str, least: int) -> int | None:
    value: int | None = call.params.get(name)
    if value is not None and not least <= value <= MAX_DAYS:
        raise invalid_parameter(f"{name} must be between {least} and {MAX_DAYS}, not {value}")
    return value
