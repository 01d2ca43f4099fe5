"""The air-gapped vault stays after a teardown until its last copy expires, and is then deleted."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from local_aws.client import ACCOUNT, Sandbox

from tests.e2e.air_gapped.conftest import REGION, VAULT
from tests.e2e.operator import Operator, Said
from tests.e2e.teardown.left import NOTHING, everything, has_role
from tests.e2e.terminal import Keyboard


@pytest.fixture
def torn_down(operator: Operator) -> Operator:
    """Three nights old; locks and recovery points of the two vaults are removed."""
    operator.sandbox.run_nights(3)
    for command in (("unlock", "--reason", "over"), ("teardown", "delete-recovery-points")):
        assert typed(operator, *command, "--yes").code == 0
    return operator


def typed(operator: Operator, *command: str) -> Said:
    """A command of several words, on the environment."""
    deployment = operator.deployment
    return operator.type(*command, "-e", deployment.environment, *deployment.context_arguments())


def vaults(operator: Operator) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = operator.sandbox.client("backup", REGION).list_backup_vaults(
        ByVaultType="LOGICALLY_AIR_GAPPED_BACKUP_VAULT"
    )["BackupVaultList"]
    return found


def copy_another(sandbox: Sandbox) -> None:
    """Copy a recovery point of another vault, with the environment's role."""
    backup = sandbox.client("backup")
    role = f"arn:aws:iam::{ACCOUNT}:role/cabal-backup-role"
    backup.create_backup_vault(BackupVaultName="others")
    backup.start_backup_job(
        BackupVaultName="others",
        ResourceArn=f"arn:aws:dynamodb:us-west-1:{ACCOUNT}:table/cabal-counter",
        IamRoleArn=role,
        Lifecycle={"DeleteAfterDays": 30},
    )
    sandbox.advance(hours=1)
    (point,) = backup.list_recovery_points_by_backup_vault(BackupVaultName="others")[
        "RecoveryPoints"
    ]
    backup.start_copy_job(
        RecoveryPointArn=point["RecoveryPointArn"],
        SourceBackupVaultName="others",
        DestinationBackupVaultArn=f"arn:aws:backup:{REGION}:{ACCOUNT}:backup-vault:{VAULT}",
        IamRoleArn=role,
        Lifecycle={"DeleteAfterDays": 15},
    )
    sandbox.advance(hours=1)
    backup.delete_recovery_point(
        BackupVaultName="others", RecoveryPointArn=point["RecoveryPointArn"]
    )


def test_it_states_the_date_and_completes_on_a_later_run(
    torn_down: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = torn_down.sandbox
    assert "the last expires on 2026-01-18" in typed(torn_down, "teardown", "plan").text
    said = typed(torn_down, "teardown", "destroy", "--yes")
    assert said.code == 0, said
    assert said.text.startswith("Only what no one can delete yet is left of the backup")
    assert "no one can delete its 6 recovery points; the last expires on" in said.text
    assert "the last expires on 2026-01-18" in said.text
    assert "the role cabal-backup-role stays: without it" in said.text
    left = everything(torn_down.deployment)
    assert left == NOTHING | {"role": True}
    (vault,) = vaults(torn_down)
    assert vault["NumberOfRecoveryPoints"] == 6
    ram = sandbox.client("ram", REGION)
    shares = ram.get_resource_shares(resourceOwner="SELF", resourceShareStatus="ACTIVE")
    assert shares["resourceShares"] == []

    again = typed(torn_down, "teardown", "destroy", "--yes")
    assert (again.code, len(vaults(torn_down))) == (0, 1)
    assert "Only what no one can delete yet is left" in typed(torn_down, "teardown", "plan").text

    sandbox.advance(days=16)
    shown = typed(torn_down, "teardown", "destroy", "--dry-run")
    assert f"the empty vault {VAULT} in {REGION}" in shown.text
    assert "the role cabal-backup-role" in shown.text
    keyboard = Keyboard(["development"], lambda: copy_another(sandbox))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", keyboard)
        stopped = typed(torn_down, "teardown", "destroy")
    assert (stopped.code, has_role(sandbox)) == (3, True)
    assert "has 1 recovery point again, which a job made" in stopped.err
    assert "; the last expires on 2026-02-04" in stopped.err
    assert "run this again: cabal-backup teardown destroy -e development" in stopped.err
    sandbox.advance(days=16)
    said = typed(torn_down, "teardown", "destroy", "--yes")
    assert said.code == 0, said
    assert said.text.startswith("Nothing is left of the backup")
    assert vaults(torn_down) == []
    assert not has_role(sandbox)
    assert everything(torn_down.deployment) == NOTHING
    assert "Nothing is left" in typed(torn_down, "teardown", "plan").out


def test_a_vault_of_an_earlier_configuration_is_not_forgotten(operator: Operator) -> None:
    operator.sandbox.run_nights(1)
    operator.deployment.deploy_assembly(air_gapped="false", air_gapped_share_with="")
    shown = operator.type(
        *("teardown", "plan", "-e", operator.deployment.environment),
        *operator.deployment.context_arguments(air_gapped="false", air_gapped_share_with=""),
    )
    assert f"the vault {VAULT} in {REGION} stays" in shown.text
