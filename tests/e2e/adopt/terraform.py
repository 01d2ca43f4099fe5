"""The backup of a Cabal as Cabal's own Terraform makes it, faults included."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from local_aws.client import ACCOUNT, PRIMARY_REGION, Sandbox

from tests.sandbox.cabal import Cabal
from tests.sandbox.deployment import DR_REGION

TAGS = {
    "environment": "development",
    "managed_by_terraform": "y",
    "terraform_repo": "https://git.example.com/cabal/infra",
}
ROLE = "cabal-backup-role"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
FOR_BACKUP = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
VAULTS = ((PRIMARY_REGION, "cabal-backup"), (DR_REGION, "cabal-backup-dr"))


@dataclass(frozen=True)
class Made:
    """What only AWS's answers know."""

    plan_id: str
    selection_id: str


def apply(sandbox: Sandbox, cabal: Cabal) -> Made:
    """Everything of Terraform's backup module, and the opt-in that a person made by hand."""
    for region, vault in VAULTS:
        backup = sandbox.client("backup", region)
        backup.update_region_settings(
            ResourceTypeOptInPreference={"DynamoDB": True},
            ResourceTypeManagementPreference={"DynamoDB": True},
        )
        backup.create_backup_vault(BackupVaultName=vault, BackupVaultTags=TAGS)
        backup.put_backup_vault_lock_configuration(
            BackupVaultName=vault, MinRetentionDays=30, MaxRetentionDays=365
        )
    _role(sandbox.client("iam"))
    backup = sandbox.client("backup")
    plan_id = backup.create_backup_plan(BackupPlan=_plan(), BackupPlanTags=TAGS)["BackupPlanId"]
    selection_id = backup.create_backup_selection(
        BackupPlanId=plan_id,
        BackupSelection={
            "SelectionName": "cabal-backup",
            "IamRoleArn": ROLE_ARN,
            "Resources": [cabal.addresses_table_arn, cabal.file_system_arn],
        },
    )["SelectionId"]
    return Made(plan_id, selection_id)


def _role(iam: Any) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "backup.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust), Tags=tags)
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=FOR_BACKUP)


def _plan() -> dict[str, Any]:
    return {
        "BackupPlanName": "cabal-backup-plan",
        "Rules": [
            {
                "RuleName": "cabal-backup-plan-rule",
                "TargetBackupVaultName": "cabal-backup",
                "ScheduleExpression": "cron(0 0 * * ? *)",
                "Lifecycle": {"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 365},
                "CopyActions": [
                    {
                        "DestinationBackupVaultArn": (
                            f"arn:aws:backup:{DR_REGION}:{ACCOUNT}:backup-vault:cabal-backup-dr"
                        ),
                        "Lifecycle": {"DeleteAfterDays": 365},
                    }
                ],
            }
        ],
    }
