"""Logically air-gapped vaults and their shares in CloudFormation, in IAM and in CloudTrail."""

from __future__ import annotations

from typing import Any

import pytest

from local_aws.client import ACCOUNT, Sandbox
from local_aws_tests.served.templates import Stack, Template, resource, template

OTHER = "210987654321"
ARN = f"arn:aws:backup:us-west-1:{ACCOUNT}:backup-vault:gapped"
OUTPUTS = {
    "Arn": {"Fn::GetAtt": ["Vault", "BackupVaultArn"]},
    "Share": {"Fn::GetAtt": ["Share", "Arn"]},
}


def body(*accounts: str, most: int = 30) -> Template:
    vault = {"BackupVaultName": "gapped", "MinRetentionDays": 7, "MaxRetentionDays": str(most)}
    share = {
        "Name": "a-share",
        "AllowExternalPrincipals": True,
        "Principals": list(accounts),
        "ResourceArns": [{"Fn::GetAtt": ["Vault", "BackupVaultArn"]}],
        "Tags": [{"Key": "environment", "Value": "prod"}],
    }
    return template(
        OUTPUTS,
        Vault=resource("AWS::Backup::LogicallyAirGappedBackupVault", vault),
        Share=resource("AWS::RAM::ResourceShare", share),
    )


@pytest.fixture
def stack(sandbox: Sandbox) -> Stack:
    return Stack(sandbox.client("cloudformation"))


def invitations(sandbox: Sandbox) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sandbox.client(
        "ram", account=OTHER
    ).get_resource_share_invitations()["resourceShareInvitations"]
    return found


def test_a_stack_creates_and_shares_a_vault(sandbox: Sandbox, stack: Stack) -> None:
    assert stack.create(body(OTHER)) == "CREATE_COMPLETE"
    backup, ram = sandbox.client("backup"), sandbox.client("ram")
    vault = backup.describe_backup_vault(BackupVaultName="gapped")
    assert (stack.outputs()["Arn"], vault["VaultState"]) == (ARN, "CREATING")
    assert (vault["MinRetentionDays"], vault["MaxRetentionDays"]) == (7, 30)
    (share,) = ram.get_resource_shares(resourceOwner="SELF")["resourceShares"]
    assert share["resourceShareArn"] == stack.outputs()["Share"]
    assert {"key": "environment", "value": "prod"} in share["tags"]

    (invitation,) = invitations(sandbox)
    sandbox.client("ram", account=OTHER).accept_resource_share_invitation(
        resourceShareInvitationArn=invitation["resourceShareInvitationArn"]
    )
    other = sandbox.client("backup", account=OTHER)
    (shared,) = other.list_backup_vaults(ByShared=True)["BackupVaultList"]
    assert shared["BackupVaultArn"] == ARN
    assert [each["eventSource"] for each in sandbox.trail("CreateResourceShare")] == [
        "ram.amazonaws.com"
    ]

    assert stack.update(body()) == "UPDATE_COMPLETE"
    assert other.list_backup_vaults(ByShared=True)["BackupVaultList"] == []
    assert stack.delete() == "DELETE_COMPLETE"
    left = ram.get_resource_shares(resourceOwner="SELF", resourceShareStatus="ACTIVE")
    assert left["resourceShares"] == []


def test_another_retention_replaces_the_vault(stack: Stack) -> None:
    stack.create(body())
    (change, *_) = [
        each for each in stack.changes(body(most=31)) if each["LogicalResourceId"] == "Vault"
    ]
    assert change["Replacement"] == "True"
    assert stack.update(body(most=31)) == "UPDATE_ROLLBACK_COMPLETE"
    assert "same name already exists" in stack.reasons()
