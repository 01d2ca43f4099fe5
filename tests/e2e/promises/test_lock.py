"""What the lock refuses, what removing it leaves behind, and destroying: S04, S05, S26."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.e2e.promises.vaults import VAULTS, backup, error_code, points
from tests.sandbox.deployment import Deployment, DeploymentFailed

REFUSALS = {
    "AccessDeniedException",
    "InvalidRequestException",
    "InvalidParameterValueException",
    "InvalidResourceStateException",
}


@pytest.mark.parametrize(("region", "vault"), VAULTS)
@pytest.mark.parametrize("nights", [1, 40])
def test_s04_no_one_deletes_a_recovery_point_while_the_vault_is_locked(
    deployed: Deployment, region: str, vault: str, nights: int
) -> None:
    """The account's root user included, and points older than 30 days too."""
    deployed.sandbox.run_nights(nights)
    before = points(deployed, region, vault)
    assert len(before) == 2 * nights
    client = backup(deployed, region)
    for point in (before[0], before[-1]):
        with pytest.raises(ClientError) as refused:
            client.delete_recovery_point(
                BackupVaultName=vault, RecoveryPointArn=point["RecoveryPointArn"]
            )
        assert error_code(refused.value) in REFUSALS
        with pytest.raises(ClientError) as refused:
            client.update_recovery_point_lifecycle(
                BackupVaultName=vault,
                RecoveryPointArn=point["RecoveryPointArn"],
                Lifecycle={"MoveToColdStorageAfterDays": 1, "DeleteAfterDays": 91},
            )
        assert error_code(refused.value) in REFUSALS
    assert points(deployed, region, vault) == before


@pytest.mark.parametrize(("region", "vault"), VAULTS)
def test_s05_removing_the_lock_is_one_call_that_cloudtrail_sees(
    deployed: Deployment, region: str, vault: str
) -> None:
    sandbox = deployed.sandbox
    sandbox.run_nights(1)
    assert sandbox.trail("DeleteBackupVaultLockConfiguration", region=region) == []
    backup(deployed, region).delete_backup_vault_lock_configuration(BackupVaultName=vault)
    (record,) = sandbox.trail("DeleteBackupVaultLockConfiguration", region=region)
    assert record["eventSource"] == "backup.amazonaws.com"
    assert record["awsRegion"] == region
    assert record["requestParameters"]["backupVaultName"] == vault
    assert record["userIdentity"]["arn"] == "arn:aws:iam::123456789012:root"

    point = points(deployed, region, vault)[0]
    backup(deployed, region).delete_recovery_point(
        BackupVaultName=vault, RecoveryPointArn=point["RecoveryPointArn"]
    )
    sandbox.advance(hours=1)
    assert len(points(deployed, region, vault)) == 1


def test_s26_destroying_is_refused_by_both_stacks_and_nothing_is_lost(
    deployed: Deployment,
) -> None:
    deployed.sandbox.run_nights(1)
    with pytest.raises(DeploymentFailed) as refused:
        deployed.cdk("destroy", "development/*", "--force")
    assert "protect" in str(refused.value).lower()
    for region, vault in VAULTS:
        stacks = deployed.sandbox.client("cloudformation", region).describe_stacks(StackName=vault)
        assert stacks["Stacks"][0]["StackStatus"].endswith("_COMPLETE")
        assert len(points(deployed, region, vault)) == 2


@pytest.mark.parametrize(("region", "vault"), VAULTS)
def test_s26_a_vault_with_recovery_points_cannot_be_deleted(
    deployed: Deployment, region: str, vault: str
) -> None:
    deployed.sandbox.run_nights(1)
    client = backup(deployed, region)
    with pytest.raises(ClientError) as refused:
        client.delete_backup_vault(BackupVaultName=vault)
    assert error_code(refused.value) == "InvalidRequestException"
    client.delete_backup_vault_lock_configuration(BackupVaultName=vault)
    with pytest.raises(ClientError) as refused:
        client.delete_backup_vault(BackupVaultName=vault)
    assert error_code(refused.value) == "InvalidRequestException"
    assert len(points(deployed, region, vault)) == 2


def test_s26_stacks_deleted_all_the_same_leave_vaults_points_and_role(
    deployed: Deployment,
) -> None:
    deployed.sandbox.run_nights(2)
    for region, stack in VAULTS:
        cloudformation = deployed.sandbox.client("cloudformation", region)
        cloudformation.update_termination_protection(
            StackName=stack, EnableTerminationProtection=False
        )
    deployed.cdk("destroy", "development/*", "--force")
    for region, vault in VAULTS:
        described = backup(deployed, region).describe_backup_vault(BackupVaultName=vault)
        assert described["Locked"] is True
        assert len(points(deployed, region, vault)) == 4
    role = deployed.sandbox.client("iam").get_role(RoleName="cabal-backup-role")["Role"]
    assert "backup.amazonaws.com" in json.dumps(role["AssumeRolePolicyDocument"])
