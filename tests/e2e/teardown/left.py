"""What is there of a deployment, seen with AWS's own API."""

from __future__ import annotations

from typing import Any

from local_aws.client import ACCOUNT, Sandbox

from tests.e2e.promises.vaults import VAULTS, backup
from tests.sandbox.deployment import Deployment

ROLE = "cabal-backup-role"


def points(deployment: Deployment) -> list[str]:
    """The ARNs of every recovery point; none of a vault that does not exist."""
    found = []
    for region, vault in VAULTS:
        client = backup(deployment, region)
        if vault in _vaults(client):
            pages = client.get_paginator("list_recovery_points_by_backup_vault")
            for page in pages.paginate(BackupVaultName=vault):
                found += [point["RecoveryPointArn"] for point in page["RecoveryPoints"]]
    return sorted(found)


def everything(deployment: Deployment) -> dict[str, Any]:
    """Stacks, vaults, locks, points, plan and role: all that a teardown can change."""
    sandbox = deployment.sandbox
    return {
        "stacks": {
            (region, stack["StackName"]): (
                stack["StackStatus"],
                stack.get("EnableTerminationProtection"),
            )
            for region, _ in VAULTS
            for stack in sandbox.client("cloudformation", region).describe_stacks()["Stacks"]
            if stack["StackName"] != "CDKToolkit" and stack["StackStatus"] != "DELETE_COMPLETE"
        },
        "locks": {
            (region, vault): backup(deployment, region)
            .describe_backup_vault(BackupVaultName=vault)
            .get("Locked")
            for region, vault in VAULTS
            if vault in _vaults(backup(deployment, region))
        },
        "points": points(deployment),
        "plans": [
            plan["BackupPlanName"]
            for plan in backup(deployment).list_backup_plans()["BackupPlansList"]
        ],
        "role": has_role(sandbox),
    }


NOTHING = {"stacks": {}, "locks": {}, "points": [], "plans": [], "role": False}


def has_role(sandbox: Sandbox) -> bool:
    pages = sandbox.client("iam").get_paginator("list_roles").paginate()
    return any(role["RoleName"] == ROLE for page in pages for role in page["Roles"])


def tag_everything(deployment: Deployment, tags: dict[str, str]) -> None:
    """Tag both vaults and the role; a value of "" removes the tag."""
    removed, there = [key for key in tags if not tags[key]], {k: v for k, v in tags.items() if v}
    iam = deployment.sandbox.client("iam")
    iam.untag_role(RoleName=ROLE, TagKeys=removed)
    iam.tag_role(RoleName=ROLE, Tags=[{"Key": k, "Value": v} for k, v in there.items()])
    for region, vault in VAULTS:
        client = backup(deployment, region)
        arn = f"arn:aws:backup:{region}:{ACCOUNT}:backup-vault:{vault}"
        client.untag_resource(ResourceArn=arn, TagKeyList=removed)
        client.tag_resource(ResourceArn=arn, Tags=there)


def what_is_live(deployment: Deployment) -> Any:
    """Cabal itself: its tables and the first of their items, its file system, its mail."""
    sandbox, cabal = deployment.sandbox, deployment.cabal
    dynamodb = sandbox.client("dynamodb")
    return (
        sorted(dynamodb.list_tables()["TableNames"]),
        dynamodb.scan(TableName=cabal.addresses_table, Limit=50)["Items"],
        sorted(str(path) for path in cabal.file_system_root.rglob("*")),
    )


def _vaults(client: Any) -> list[str]:
    return [vault["BackupVaultName"] for vault in client.list_backup_vaults()["BackupVaultList"]]
