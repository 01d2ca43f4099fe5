"""Attempts to delete the backups or to gain permissions, as real API calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.e2e.access.commands import Role

VAULT, DR_VAULT = "cabal-backup", "cabal-backup-dr"
BACKUP = "arn:aws:backup:us-west-1:123456789012"
IAM = "arn:aws:iam::123456789012"
ROLE = f"{IAM}:role/cabal-backup-role"
OTHER_ROLE = f"{IAM}:role/administrator"
EVERYTHING = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
)
ANYONE = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}],
    }
)
LIVE, OTHER_TABLE, SCRATCH = "cabal-addresses", "orders", "orders-restored-20260101-000000"
ITEM = {"address": {"S": "mallory@mail.example.com"}}


@dataclass(frozen=True)
class Facts:
    """What an attacker would look up first."""

    point: str
    dr_point: str
    plan: str
    selection: str
    mailstore: str
    mount_target: str
    access_point: str
    other_file_system: str
    function: str
    log_group: str
    stack: str
    backup_job: str


Parameters = Callable[[Facts], dict[str, Any]]


@dataclass(frozen=True)
class Attack:
    """One call."""

    name: str
    service: str
    operation: str
    parameters: Parameters
    region: str = "us-west-1"
    refused: str = ""
    """The action that is denied, where it is not the one of the call."""


def _vault(**more: Any) -> Parameters:
    return lambda _: {"BackupVaultName": VAULT, **more}


def _point(**more: Any) -> Parameters:
    return lambda facts: {
        "BackupVaultName": VAULT,
        "RecoveryPointArn": facts.point,
        **more,
    }


def _plain(**parameters: Any) -> Parameters:
    return lambda _: parameters


_PLAN_DOCUMENT = {
    "BackupPlanName": "cabal-backup-plan",
    "Rules": [{"RuleName": "never", "TargetBackupVaultName": VAULT}],
}
_SELECTION = {"SelectionName": "mine", "IamRoleArn": ROLE, "Resources": ["*"]}

ALLOWED_TO_NO_ONE = (
    # The backups themselves.
    Attack(
        "shorten the life of a point",
        "backup",
        "update_recovery_point_lifecycle",
        _point(Lifecycle={"DeleteAfterDays": 1}),
    ),
    Attack("put a vault policy", "backup", "put_backup_vault_access_policy", _vault(Policy=ANYONE)),
    Attack("delete a vault policy", "backup", "delete_backup_vault_access_policy", _vault()),
    Attack("make a vault", "backup", "create_backup_vault", _plain(BackupVaultName="mine")),
    Attack("silence a vault", "backup", "delete_backup_vault_notifications", _vault()),
    Attack(
        "redirect a vault's notifications",
        "backup",
        "put_backup_vault_notifications",
        _vault(
            SNSTopicArn="arn:aws:sns:us-west-1:123456789012:mine",
            BackupVaultEvents=["BACKUP_JOB_COMPLETED"],
        ),
    ),
    Attack(
        "delete the plan",
        "backup",
        "delete_backup_plan",
        lambda facts: {"BackupPlanId": facts.plan},
    ),
    Attack(
        "change the plan",
        "backup",
        "update_backup_plan",
        lambda facts: {"BackupPlanId": facts.plan, "BackupPlan": _PLAN_DOCUMENT},
    ),
    Attack("make a plan", "backup", "create_backup_plan", _plain(BackupPlan=_PLAN_DOCUMENT)),
    Attack(
        "select nothing any more",
        "backup",
        "delete_backup_selection",
        lambda facts: {"BackupPlanId": facts.plan, "SelectionId": facts.selection},
    ),
    Attack(
        "select something else",
        "backup",
        "create_backup_selection",
        lambda facts: {"BackupPlanId": facts.plan, "BackupSelection": _SELECTION},
    ),
    Attack(
        "opt out",
        "backup",
        "update_region_settings",
        _plain(ResourceTypeOptInPreference={"DynamoDB": False, "EFS": False}),
    ),
    Attack(
        "opt out in the DR region",
        "backup",
        "update_region_settings",
        _plain(ResourceTypeManagementPreference={"DynamoDB": False}),
        region="us-west-2",
    ),
    Attack(
        "stop a night",
        "backup",
        "stop_backup_job",
        lambda facts: {"BackupJobId": facts.backup_job},
    ),
    Attack(
        "tag a point",
        "backup",
        "tag_resource",
        lambda facts: {"ResourceArn": facts.point, "Tags": {"mine": "y"}},
    ),
    Attack(
        "open backups to other accounts",
        "backup",
        "update_global_settings",
        _plain(GlobalSettings={"isCrossAccountBackupEnabled": "true"}),
    ),
    # More power.
    Attack(
        "attach everything to a role",
        "iam",
        "attach_role_policy",
        _plain(RoleName="cabal-auditor", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"),
    ),
    Attack(
        "write a role's policy",
        "iam",
        "put_role_policy",
        _plain(RoleName="cabal-operator", PolicyName="all", PolicyDocument=EVERYTHING),
    ),
    Attack(
        "write the backup role's policy",
        "iam",
        "put_role_policy",
        _plain(RoleName="cabal-backup-role", PolicyName="all", PolicyDocument=EVERYTHING),
    ),
    Attack(
        "rewrite the auditor's policy",
        "iam",
        "create_policy_version",
        _plain(
            PolicyArn=f"{IAM}:policy/cabal-backup-auditor",
            PolicyDocument=EVERYTHING,
            SetAsDefault=True,
        ),
    ),
    Attack(
        "let anyone assume a role",
        "iam",
        "update_assume_role_policy",
        _plain(RoleName="cabal-break-glass", PolicyDocument=ANYONE),
    ),
    Attack(
        "let anyone assume the backup role",
        "iam",
        "update_assume_role_policy",
        _plain(RoleName="cabal-backup-role", PolicyDocument=ANYONE),
    ),
    Attack(
        "make a role",
        "iam",
        "create_role",
        _plain(RoleName="mine", AssumeRolePolicyDocument=ANYONE),
    ),
    Attack("make a user", "iam", "create_user", _plain(UserName="mallory")),
    Attack("make a key", "iam", "create_access_key", _plain(UserName="alice")),
    Attack(
        "give a user everything",
        "iam",
        "attach_user_policy",
        _plain(UserName="alice", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"),
    ),
    Attack(
        "take a device away",
        "iam",
        "deactivate_mfa_device",
        _plain(UserName="alice", SerialNumber=f"{IAM}:mfa/alice"),
    ),
    Attack("delete another role", "iam", "delete_role", _plain(RoleName="administrator")),
    Attack(
        "assume another role",
        "sts",
        "assume_role",
        _plain(RoleArn=OTHER_ROLE, RoleSessionName="mallory"),
    ),
    # What is live.
    Attack("delete the live table", "dynamodb", "delete_table", _plain(TableName=LIVE)),
    Attack(
        "delete another application's table", "dynamodb", "delete_table", _plain(TableName=SCRATCH)
    ),
    Attack(
        "switch recovery off",
        "dynamodb",
        "update_continuous_backups",
        _plain(
            TableName=LIVE,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
        ),
    ),
    Attack(
        "switch the counter's recovery off",
        "dynamodb",
        "update_continuous_backups",
        _plain(
            TableName="cabal-counter",
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
        ),
    ),
    Attack(
        "switch deletion protection off",
        "dynamodb",
        "update_table",
        _plain(TableName=LIVE, DeletionProtectionEnabled=False),
    ),
    Attack(
        "let items expire",
        "dynamodb",
        "update_time_to_live",
        _plain(
            TableName=LIVE,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": "RequestTime"},
        ),
    ),
    Attack(
        "write another table",
        "dynamodb",
        "put_item",
        _plain(TableName=OTHER_TABLE, Item=ITEM),
    ),
    Attack("read another table", "dynamodb", "scan", _plain(TableName=OTHER_TABLE)),
    Attack(
        "delete the mailstore",
        "efs",
        "delete_file_system",
        lambda facts: {"FileSystemId": facts.mailstore},
    ),
    Attack(
        "unmount the mailstore",
        "efs",
        "delete_mount_target",
        lambda facts: {"MountTargetId": facts.mount_target},
    ),
    Attack(
        "delete an access point",
        "efs",
        "delete_access_point",
        lambda facts: {"AccessPointId": facts.access_point},
    ),
    Attack(
        "close the mailstore",
        "efs",
        "put_file_system_policy",
        lambda facts: {"FileSystemId": facts.mailstore, "Policy": ANYONE},
    ),
    Attack(
        "open the mailstore to another network",
        "efs",
        "modify_mount_target_security_groups",
        lambda facts: {
            "MountTargetId": facts.mount_target,
            "SecurityGroups": ["sg-0123456789abcdef0"],
        },
    ),
    Attack(
        "tag the live table",
        "dynamodb",
        "tag_resource",
        _plain(
            ResourceArn=f"arn:aws:dynamodb:us-west-1:123456789012:table/{LIVE}",
            Tags=[{"Key": "mine", "Value": "y"}],
        ),
    ),
    Attack(
        "delete another application's file system",
        "efs",
        "delete_file_system",
        lambda facts: {"FileSystemId": facts.other_file_system},
    ),
    Attack(
        "open another application's file system",
        "efs",
        "put_file_system_policy",
        lambda facts: {"FileSystemId": facts.other_file_system, "Policy": ANYONE},
    ),
    Attack(
        "enter another application's file system",
        "efs",
        "create_access_point",
        lambda facts: {"FileSystemId": facts.other_file_system},
    ),
    Attack(
        "take another application's file system for a restored one",
        "efs",
        "tag_resource",
        lambda facts: {
            "ResourceId": facts.other_file_system,
            "Tags": [{"Key": "Name", "Value": "cabal-efs"}],
        },
    ),
    # What watches.
    Attack("stop the trail", "cloudtrail", "stop_logging", _plain(Name="all")),
    Attack("delete the trail", "cloudtrail", "delete_trail", _plain(Name="all")),
    Attack(
        "change the handler",
        "lambda",
        "update_function_configuration",
        lambda facts: {"FunctionName": facts.function, "Timeout": 1},
    ),
    Attack(
        "delete the handler",
        "lambda",
        "delete_function",
        lambda facts: {"FunctionName": facts.function},
    ),
    Attack(
        "delete a log",
        "logs",
        "delete_log_group",
        lambda facts: {"logGroupName": facts.log_group},
    ),
    Attack(
        "delete a topic",
        "sns",
        "delete_topic",
        _plain(TopicArn="arn:aws:sns:us-west-1:123456789012:cabal-address-changed"),
    ),
    Attack(
        "delete a mail tier",
        "ecs",
        "delete_service",
        _plain(cluster="cabal-mail", service="cabal-imap", force=True),
    ),
    Attack(
        "deploy something else",
        "cloudformation",
        "update_stack",
        lambda facts: {"StackName": facts.stack, "TemplateBody": "{}"},
    ),
)
"""No role needs any of these."""

TO_END_PROTECTION = (
    Attack("delete a point", "backup", "delete_recovery_point", _point()),
    Attack(
        "delete a copy",
        "backup",
        "delete_recovery_point",
        lambda facts: {"BackupVaultName": DR_VAULT, "RecoveryPointArn": facts.dr_point},
        region="us-west-2",
    ),
    Attack("take the lock off", "backup", "delete_backup_vault_lock_configuration", _vault()),
    Attack(
        "take the copies' lock off",
        "backup",
        "delete_backup_vault_lock_configuration",
        _plain(BackupVaultName=DR_VAULT),
        region="us-west-2",
    ),
    Attack(
        "loosen the lock",
        "backup",
        "put_backup_vault_lock_configuration",
        _vault(MinRetentionDays=1),
    ),
    Attack("delete the vault", "backup", "delete_backup_vault", _vault()),
    Attack(
        "release a legal hold",
        "backup",
        "cancel_legal_hold",
        _plain(LegalHoldId="0c1a6f2c-0b3d-4a57-9c1e-2f8d6b7a9c10", CancelDescription="settled"),
    ),
    Attack(
        "lift termination protection",
        "cloudformation",
        "update_termination_protection",
        lambda facts: {"StackName": facts.stack, "EnableTerminationProtection": False},
    ),
    Attack(
        "delete the stack",
        "cloudformation",
        "delete_stack",
        lambda facts: {"StackName": facts.stack},
    ),
    Attack(
        "take the backup role's permissions",
        "iam",
        "detach_role_policy",
        _plain(
            RoleName="cabal-backup-role",
            PolicyArn="arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup",
        ),
    ),
    Attack("delete the backup role", "iam", "delete_role", _plain(RoleName="cabal-backup-role")),
)
"""Only break-glass may do these."""

TO_RESTORE = (
    Attack(
        "start a restore",
        "backup",
        "start_restore_job",
        lambda facts: {
            "RecoveryPointArn": facts.point,
            "IamRoleArn": ROLE,
            "Metadata": {"targetTableName": "cabal-addresses-restored-20260102-000000"},
        },
    ),
    Attack(
        "back up at will",
        "backup",
        "start_backup_job",
        _vault(
            ResourceArn=f"arn:aws:dynamodb:us-west-1:123456789012:table/{LIVE}", IamRoleArn=ROLE
        ),
    ),
    Attack(
        "start a copy",
        "backup",
        "start_copy_job",
        lambda facts: {
            "RecoveryPointArn": facts.dr_point,
            "SourceBackupVaultName": DR_VAULT,
            "DestinationBackupVaultArn": f"{BACKUP}:backup-vault:{VAULT}",
            "IamRoleArn": ROLE,
        },
        region="us-west-2",
    ),
    Attack(
        "restore a table",
        "dynamodb",
        "restore_table_to_point_in_time",
        _plain(
            SourceTableName=LIVE,
            TargetTableName="cabal-addresses-restored-20260102-000000",
            UseLatestRestorableTime=True,
        ),
    ),
    Attack("read addresses", "dynamodb", "scan", _plain(TableName=LIVE)),
    Attack("read an address", "dynamodb", "get_item", _plain(TableName=LIVE, Key=ITEM)),
    Attack("write an address", "dynamodb", "put_item", _plain(TableName=LIVE, Item=ITEM)),
    Attack("delete an address", "dynamodb", "delete_item", _plain(TableName=LIVE, Key=ITEM)),
    Attack(
        "write many addresses",
        "dynamodb",
        "batch_write_item",
        _plain(RequestItems={LIVE: [{"PutRequest": {"Item": ITEM}}]}),
    ),
    Attack(
        "tell the mail tiers",
        "sns",
        "publish",
        _plain(TopicArn="arn:aws:sns:us-west-1:123456789012:cabal-address-changed", Message="{}"),
    ),
    Attack(
        "roll a mail tier",
        "ecs",
        "update_service",
        _plain(cluster="cabal-mail", service="cabal-imap", forceNewDeployment=True),
    ),
)
"""Only the operator may do these."""

ONLY_THE_OPERATOR_COULD = (
    Attack(
        "restore as another role",
        "backup",
        "start_restore_job",
        lambda facts: {
            "RecoveryPointArn": facts.point,
            "IamRoleArn": OTHER_ROLE,
            "Metadata": {"targetTableName": "cabal-addresses-restored-20260102-000000"},
        },
        refused="iam:PassRole",
    ),
    Attack(
        "back up into another vault",
        "backup",
        "start_backup_job",
        _plain(
            BackupVaultName="others",
            ResourceArn=f"arn:aws:dynamodb:us-west-1:123456789012:table/{LIVE}",
            IamRoleArn=ROLE,
        ),
    ),
    Attack(
        "restore over another application's name",
        "dynamodb",
        "restore_table_to_point_in_time",
        _plain(SourceTableName=LIVE, TargetTableName="mine", UseLatestRestorableTime=True),
        refused="dynamodb:",
    ),
    Attack(
        "tell another topic",
        "sns",
        "publish",
        _plain(TopicArn="arn:aws:sns:us-west-1:123456789012:mine", Message="{}"),
    ),
    Attack(
        "take the live table's tag",
        "dynamodb",
        "untag_resource",
        _plain(
            ResourceArn=f"arn:aws:dynamodb:us-west-1:123456789012:table/{LIVE}",
            TagKeys=["managed_by_terraform"],
        ),
    ),
)

ONLY_BREAK_GLASS_COULD = (
    Attack(
        "lock for good",
        "backup",
        "put_backup_vault_lock_configuration",
        _vault(MinRetentionDays=30, MaxRetentionDays=365, ChangeableForDays=3),
    ),
    Attack(
        "lock the copies for good",
        "backup",
        "put_backup_vault_lock_configuration",
        _plain(BackupVaultName=DR_VAULT, ChangeableForDays=3),
        region="us-west-2",
    ),
    Attack(
        "unlock another vault",
        "backup",
        "delete_backup_vault_lock_configuration",
        _plain(BackupVaultName="others"),
    ),
    Attack(
        "delete another vault",
        "backup",
        "delete_backup_vault",
        _plain(BackupVaultName="others"),
    ),
    Attack(
        "delete another stack",
        "cloudformation",
        "delete_stack",
        _plain(StackName="CDKToolkit"),
    ),
    Attack(
        "take another role's permissions",
        "iam",
        "detach_role_policy",
        _plain(RoleName="cabal-auditor", PolicyArn=f"{IAM}:policy/cabal-backup-auditor"),
    ),
    Attack(
        "delete another policy",
        "iam",
        "delete_policy",
        _plain(PolicyArn=f"{IAM}:policy/guardrail"),
    ),
)

ATTACKS: Mapping[Role, tuple[Attack, ...]] = {
    Role.AUDITOR: (*ALLOWED_TO_NO_ONE, *TO_END_PROTECTION, *TO_RESTORE),
    Role.OPERATOR: (*ALLOWED_TO_NO_ONE, *TO_END_PROTECTION, *ONLY_THE_OPERATOR_COULD),
    Role.BREAK_GLASS: (*ALLOWED_TO_NO_ONE, *TO_RESTORE, *ONLY_BREAK_GLASS_COULD),
}
