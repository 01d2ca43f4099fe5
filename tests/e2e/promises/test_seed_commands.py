"""The commands of Cabal's operating document, run by the real aws CLI: S08, S10–S16, S23, S25."""

from __future__ import annotations

import subprocess

import pytest
from local_aws.client import ACCOUNT, PRIMARY_REGION

from tests.e2e.promises.vaults import VAULTS, backup, points
from tests.sandbox import seed
from tests.sandbox.deployment import DR_REGION, Deployment


@pytest.fixture
def after_a_night(deployed: Deployment) -> Deployment:
    deployed.sandbox.run_nights(1)
    return deployed


@pytest.mark.parametrize(
    "command", seed.VERIFICATION, ids=lambda command: f"{command.promise}-{command.expectation}"
)
def test_verification(after_a_night: Deployment, command: seed.SeedCommand) -> None:
    answer = seed.run_aws(after_a_night.sandbox, command.command)
    assert command.holds(answer), answer


BROKEN = {
    "S10": lambda client: client.delete_backup_vault_lock_configuration(
        BackupVaultName="cabal-backup"
    ),
    "S15": lambda client: client.update_region_settings(
        ResourceTypeManagementPreference={"DynamoDB": False}
    ),
}


@pytest.mark.parametrize("promise", BROKEN)
def test_an_expectation_that_does_not_hold_is_noticed(
    after_a_night: Deployment, promise: str
) -> None:
    BROKEN[promise](backup(after_a_night))
    (command,) = (one for one in seed.VERIFICATION if one.promise == promise)
    assert not command.holds(seed.run_aws(after_a_night.sandbox, command.command))


def test_s08_the_manual_opt_in(deployed: Deployment) -> None:
    backup(deployed).update_region_settings(ResourceTypeManagementPreference={"DynamoDB": False})
    assert seed.run_aws(deployed.sandbox, seed.OPT_IN) is None
    settings = backup(deployed).describe_region_settings()
    assert settings["ResourceTypeManagementPreference"]["DynamoDB"] is True


@pytest.mark.parametrize("resource_type", ["DynamoDB", "EFS"])
def test_s16_s20_find_the_recovery_point(after_a_night: Deployment, resource_type: str) -> None:
    command = seed.NEWEST_TABLE_POINT.replace("DynamoDB", resource_type)
    found = seed.run_aws(after_a_night.sandbox, command)
    newest = points(after_a_night, PRIMARY_REGION, "cabal-backup", ByResourceType=resource_type)[0]
    assert found == newest["RecoveryPointArn"]


@pytest.mark.parametrize("resource_type", ["DynamoDB", "EFS"])
def test_s23_copy_a_recovery_point_back(after_a_night: Deployment, resource_type: str) -> None:
    (copy,) = points(after_a_night, DR_REGION, "cabal-backup-dr", ByResourceType=resource_type)
    answer = seed.run_aws(
        after_a_night.sandbox,
        seed.COPY_BACK,
        {
            **seed.PLACES,
            "<arn-in-dr-vault>": copy["RecoveryPointArn"],
            "<account>": ACCOUNT,
        },
    )
    after_a_night.sandbox.advance(hours=2)
    job = backup(after_a_night, DR_REGION).describe_copy_job(CopyJobId=answer["CopyJobId"])
    assert job["CopyJob"]["State"] == "COMPLETED"
    held = points(after_a_night, PRIMARY_REGION, "cabal-backup", ByResourceType=resource_type)
    assert job["CopyJob"]["DestinationRecoveryPointArn"] in {
        point["RecoveryPointArn"] for point in held
    }


def test_s25_remove_both_locks_then_delete_a_recovery_point(after_a_night: Deployment) -> None:
    for (region, vault), command in zip(VAULTS, seed.REMOVE_LOCKS, strict=True):
        point = points(after_a_night, region, vault)[0]
        delete = (
            f"aws backup delete-recovery-point --region {region} --backup-vault-name {vault} "
            f"--recovery-point-arn {point['RecoveryPointArn']}"
        )
        with pytest.raises(subprocess.CalledProcessError):
            seed.run_aws(after_a_night.sandbox, delete)
        assert len(points(after_a_night, region, vault)) == 2
        seed.run_aws(after_a_night.sandbox, command)
        seed.run_aws(after_a_night.sandbox, delete)
        after_a_night.sandbox.advance(hours=1)
        assert len(points(after_a_night, region, vault)) == 1
