"""What people do to a deployment by hand, through AWS's own API."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError
from local_aws.client import ACCOUNT, Sandbox

from tests.sandbox.cabal import delete_table, let_tables_settle
from tests.sandbox.deployment import Deployment

PRIMARY, DR = ("us-west-1", "cabal-backup"), ("us-west-2", "cabal-backup-dr")
ROLE = "cabal-backup-role"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
DR_VAULT_ARN = f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:cabal-backup-dr"
MANAGED = "arn:aws:iam::aws:policy/service-role/"
FOR_BACKUP = f"{MANAGED}AWSBackupServiceRolePolicyForBackup"
FOR_RESTORES = f"{MANAGED}AWSBackupServiceRolePolicyForRestores"

Vault = tuple[str, str]
JSON = dict[str, Any]


def lock(sandbox: Sandbox, vault: Vault, *, least: int = 30, most: int = 365, **more: int) -> None:
    region, name = vault
    sandbox.client("backup", region).put_backup_vault_lock_configuration(
        BackupVaultName=name, MinRetentionDays=least, MaxRetentionDays=most, **more
    )


def unlock(sandbox: Sandbox, vault: Vault) -> None:
    region, name = vault
    sandbox.client("backup", region).delete_backup_vault_lock_configuration(BackupVaultName=name)


@contextmanager
def unlocked(sandbox: Sandbox, vault: Vault) -> Iterator[None]:
    """The lock is off for a while, and back afterwards as if nothing had been."""
    unlock(sandbox, vault)
    yield
    lock(sandbox, vault)


def points(sandbox: Sandbox, vault: Vault) -> list[JSON]:
    """All recovery points of a vault, the oldest first."""
    region, name = vault
    pages = (
        sandbox.client("backup", region)
        .get_paginator("list_recovery_points_by_backup_vault")
        .paginate(BackupVaultName=name)
    )
    listed = [point for page in pages for point in page["RecoveryPoints"]]
    return sorted(listed, key=lambda point: (point["CreationDate"], point["ResourceType"]))


def delete_points(sandbox: Sandbox, vault: Vault, chosen: list[JSON]) -> None:
    region, name = vault
    for point in chosen:
        sandbox.client("backup", region).delete_recovery_point(
            BackupVaultName=name, RecoveryPointArn=point["RecoveryPointArn"]
        )
    sandbox.advance(minutes=1)


def delete_vault(sandbox: Sandbox, vault: Vault) -> None:
    """With all that is in it."""
    region, name = vault
    unlock(sandbox, vault)
    delete_points(sandbox, vault, points(sandbox, vault))
    backup = sandbox.client("backup", region)
    try:
        backup.delete_backup_vault(BackupVaultName=name)
    except ClientError:
        # It can be refused once more just after the last point was deleted.
        backup.delete_backup_vault(BackupVaultName=name)


def add_plan(sandbox: Sandbox) -> None:
    """A second plan of the same name, which differs in its rule's hour and selects nothing."""
    backup = sandbox.client("backup")
    plan = backup.get_backup_plan(BackupPlanId=plan_id(sandbox))["BackupPlan"]
    (rule,) = plan["Rules"]
    del rule["RuleId"]
    rule["ScheduleExpression"] = "cron(0 5 * * ? *)"
    backup.create_backup_plan(BackupPlan=plan)


def plan_id(sandbox: Sandbox) -> str:
    (plan,) = sandbox.client("backup").list_backup_plans()["BackupPlansList"]
    return str(plan["BackupPlanId"])


def edit_plan(sandbox: Sandbox, change: Callable[[list[JSON]], object]) -> None:
    """Change the rules as the console would: read, change, write."""
    backup = sandbox.client("backup")
    plan = backup.get_backup_plan(BackupPlanId=plan_id(sandbox))["BackupPlan"]
    for rule in plan["Rules"]:
        del rule["RuleId"]
    change(plan["Rules"])
    backup.update_backup_plan(BackupPlanId=plan_id(sandbox), BackupPlan=plan)


def edit_rule(sandbox: Sandbox, **changes: Any) -> None:
    edit_plan(sandbox, lambda rules: rules[0].update(changes))


def select(sandbox: Sandbox, name: str, **selection: Any) -> None:
    """Add a selection to the plan."""
    sandbox.client("backup").create_backup_selection(
        BackupPlanId=plan_id(sandbox),
        BackupSelection={"SelectionName": name, "IamRoleArn": ROLE_ARN, **selection},
    )


def delete_selections(sandbox: Sandbox) -> None:
    backup, plan = sandbox.client("backup"), plan_id(sandbox)
    for listed in backup.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"]:
        backup.delete_backup_selection(BackupPlanId=plan, SelectionId=listed["SelectionId"])


def delete_plan(sandbox: Sandbox) -> None:
    delete_selections(sandbox)
    sandbox.client("backup").delete_backup_plan(BackupPlanId=plan_id(sandbox))


def opt_in(sandbox: Sandbox, region: str, *, protected: bool = True, managed: bool = True) -> None:
    sandbox.client("backup", region).update_region_settings(
        ResourceTypeOptInPreference={"DynamoDB": protected},
        ResourceTypeManagementPreference={"DynamoDB": managed},
    )


def trust(sandbox: Sandbox, **statement: Any) -> None:
    """Replace who may assume the role."""
    whole = {
        "Effect": "Allow",
        "Principal": {"Service": "backup.amazonaws.com"},
        "Action": "sts:AssumeRole",
        **statement,
    }
    document = {"Version": "2012-10-17", "Statement": [whole]}
    sandbox.client("iam").update_assume_role_policy(
        RoleName=ROLE, PolicyDocument=json.dumps(document)
    )


def strip(sandbox: Sandbox, *policies: str) -> None:
    for policy in policies:
        sandbox.client("iam").detach_role_policy(RoleName=ROLE, PolicyArn=policy)


def delete_role(sandbox: Sandbox) -> None:
    iam = sandbox.client("iam")
    strip(sandbox, FOR_BACKUP, FOR_RESTORES)
    for policy in (
        iam.get_paginator("list_role_policies")
        .paginate(RoleName=ROLE)
        .build_full_result()["PolicyNames"]
    ):
        iam.delete_role_policy(RoleName=ROLE, PolicyName=policy)
    iam.delete_role(RoleName=ROLE)


def bound(sandbox: Sandbox) -> None:
    """A boundary that lets everything through, today."""
    iam = sandbox.client("iam")
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
    made = iam.create_policy(PolicyName="boundary", PolicyDocument=json.dumps(document))
    iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=made["Policy"]["Arn"])


def unmount(deployment: Deployment) -> None:
    """Delete the mailstore's mount targets."""
    efs = deployment.sandbox.client("efs")
    identity = deployment.cabal.file_system_id
    for target in efs.describe_mount_targets(FileSystemId=identity)["MountTargets"]:
        efs.delete_mount_target(MountTargetId=target["MountTargetId"])


def add_mailstore(deployment: Deployment) -> None:
    """Another file system with the mailstore's name."""
    deployment.sandbox.client("efs").create_file_system(
        CreationToken="another", Encrypted=True, Tags=[{"Key": "Name", "Value": "cabal-efs"}]
    )


def empty_mailstore(deployment: Deployment) -> None:
    for entry in deployment.cabal.file_system_root.iterdir():
        shutil.rmtree(entry)


def delete_file_system(deployment: Deployment) -> None:
    efs = deployment.sandbox.client("efs")
    identity = deployment.cabal.file_system_id
    unmount(deployment)
    for point in efs.describe_access_points(FileSystemId=identity)["AccessPoints"]:
        efs.delete_access_point(AccessPointId=point["AccessPointId"])
    efs.delete_file_system(FileSystemId=identity)


def protect(sandbox: Sandbox, table: str, *, protected: bool) -> None:
    sandbox.client("dynamodb").update_table(TableName=table, DeletionProtectionEnabled=protected)
    let_tables_settle(sandbox)


def replace_table(sandbox: Sandbox, table: str) -> None:
    """Delete a table, and make an empty one of the same name and settings."""
    dynamodb = sandbox.client("dynamodb")
    described = dynamodb.describe_table(TableName=table)["Table"]
    delete_table(sandbox, table)
    dynamodb.create_table(
        TableName=table,
        KeySchema=described["KeySchema"],
        AttributeDefinitions=described["AttributeDefinitions"],
        BillingMode="PAY_PER_REQUEST",
        SSESpecification={"Enabled": True},
        DeletionProtectionEnabled=True,
    )
    let_tables_settle(sandbox)
    pitr(sandbox, table, enabled=True)


def delete_items(sandbox: Sandbox, table: str, *, keep: int = 0) -> None:
    """Delete all items of a table with a partition key only, but `keep` of them."""
    dynamodb = sandbox.client("dynamodb")
    (key,) = dynamodb.describe_table(TableName=table)["Table"]["KeySchema"]
    pages = dynamodb.get_paginator("scan").paginate(TableName=table)
    keys = [{key["AttributeName"]: i[key["AttributeName"]]} for p in pages for i in p["Items"]]
    chosen = keys[keep:]
    for start in range(0, len(chosen), 25):
        deletions = [{"DeleteRequest": {"Key": each}} for each in chosen[start : start + 25]]
        dynamodb.batch_write_item(RequestItems={table: deletions})


def make_key(sandbox: Sandbox, region: str = PRIMARY[0]) -> str:
    """The ARN of a new customer key."""
    made = sandbox.client("kms", region).create_key()["KeyMetadata"]
    return str(made["Arn"])


def encrypt_vault(sandbox: Sandbox, vault: Vault) -> str:
    """The vault is under a customer key from now on; the key's ARN."""
    region, name = vault
    key = make_key(sandbox, region)
    sandbox.encrypt_vault(name, key, region=region)
    return key


def schedule_deletion(sandbox: Sandbox, key: str, region: str = PRIMARY[0]) -> None:
    sandbox.client("kms", region).schedule_key_deletion(KeyId=key, PendingWindowInDays=30)


def lose_key_of_table(sandbox: Sandbox, table: str) -> None:
    """Put a table under a customer key, and schedule the key's deletion."""
    key = make_key(sandbox)
    sandbox.client("dynamodb").update_table(
        TableName=table,
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
    )
    schedule_deletion(sandbox, key)


def pitr(sandbox: Sandbox, table: str, *, enabled: bool, days: int | None = None) -> None:
    specification: JSON = {"PointInTimeRecoveryEnabled": enabled}
    if days is not None:
        specification["RecoveryPeriodInDays"] = days
    sandbox.client("dynamodb").update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification=specification
    )


def back_up(deployment: Deployment, **lifecycle: Any) -> None:
    """A backup of the table on demand, and an hour for it."""
    deployment.sandbox.client("backup").start_backup_job(
        BackupVaultName="cabal-backup",
        ResourceArn=deployment.cabal.addresses_table_arn,
        IamRoleArn=ROLE_ARN,
        **lifecycle,
    )
    deployment.sandbox.advance(hours=1)


def copy_again(sandbox: Sandbox, point_arn: str) -> None:
    """Copy a recovery point to the DR region, and an hour for it."""
    sandbox.client("backup").start_copy_job(
        RecoveryPointArn=point_arn,
        SourceBackupVaultName="cabal-backup",
        DestinationBackupVaultArn=DR_VAULT_ARN,
        IamRoleArn=ROLE_ARN,
        Lifecycle={"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 365},
    )
    sandbox.advance(hours=1)
