"""Teardown deletes what was confirmed, and names what is not the environment's."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from local_aws.client import ACCOUNT

from tests.e2e.promises.vaults import VAULTS, backup
from tests.e2e.teardown.conftest import Remover
from tests.e2e.teardown.left import ROLE, everything, points
from tests.e2e.teardown.test_order import DELETE, DESTROY, UNLOCK
from tests.e2e.terminal import Keyboard

COUNTER = f"arn:aws:dynamodb:us-west-1:{ACCOUNT}:table/cabal-counter"
OWN_ROLE = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"


@pytest.fixture
def unlocked(remover: Remover) -> Remover:
    assert remover.run(*UNLOCK, "--yes").code == 0
    return remover


def back_up(remover: Remover, arn: str, vault: str = "cabal-backup") -> str:
    """An on-demand backup with the environment's role; its recovery point."""
    client = backup(remover.deployment)
    job = client.start_backup_job(
        BackupVaultName=vault,
        ResourceArn=arn,
        IamRoleArn=OWN_ROLE,
        Lifecycle={"DeleteAfterDays": 60},
    )
    remover.sandbox.advance(hours=1)
    described: dict[str, Any] = client.describe_backup_job(BackupJobId=job["BackupJobId"])
    return str(described["RecoveryPointArn"])


def test_recovery_points_of_another_resource_are_kept(unlocked: Remover) -> None:
    other = back_up(unlocked, COUNTER)
    own = back_up(unlocked, unlocked.deployment.cabal.addresses_table_arn)
    shown = unlocked.run(*DELETE, "--dry-run").out
    assert "41 in all:" in shown
    assert f"1 recovery point of another resource, {COUNTER}" in shown
    assert "kept, because they are not this environment's" in shown
    assert f"1 recovery point of another resource, {COUNTER}" in unlocked.run("teardown plan").out
    said = unlocked.run(*DELETE, "--yes")
    assert (said.code, "1 recovery point of other resources left" in said.err) == (0, True)
    assert points(unlocked.deployment) == [other]
    assert own != other
    said = unlocked.run(*DESTROY, "--yes")
    assert (said.code, "(1 of other resources: --include-other-resources" in said.err) == (
        4,
        True,
    )

    shown = unlocked.run(*DELETE, "--dry-run", "--include-other-resources").out
    assert "AMONG THEM, which this environment did not make:" in shown
    assert unlocked.run(*DELETE, "--yes", "--include-other-resources").code == 0
    assert points(unlocked.deployment) == []
    assert unlocked.run(*DESTROY, "--yes").code == 0


def test_a_former_file_system_of_the_environment_is_its_own(unlocked: Remover) -> None:
    """The plan backed it up, so its nights belong to the environment."""
    settings = ("-c", "development.mailstore_file_system_id=fs-0123456789abcdef0")
    assert "40 in all:" in unlocked.run(*DELETE, "--dry-run", *settings).out


def test_a_point_that_appears_after_the_confirmation_is_not_deleted(
    unlocked: Remover, monkeypatch: pytest.MonkeyPatch
) -> None:
    came: list[str] = []

    def meanwhile() -> None:
        came.append(back_up(unlocked, unlocked.deployment.cabal.addresses_table_arn))

    monkeypatch.setattr(sys, "stdin", Keyboard(["development"], meanwhile))
    said = unlocked.run(*DELETE)
    assert said.code == 3
    assert "1 recovery point not deleted: new since the plan was shown." in said.err
    assert points(unlocked.deployment) == came


def test_another_vaults_points_need_the_role(unlocked: Remover) -> None:
    client = backup(unlocked.deployment)
    client.create_backup_vault(BackupVaultName="elsewhere")
    back_up(unlocked, COUNTER, "elsewhere")
    assert unlocked.run(*DELETE, "--yes").code == 0
    why = f"the role {ROLE} stays: without it AWS Backup could not delete 1 recovery point in the"
    assert why in unlocked.run(*DESTROY, "--dry-run").out
    said = unlocked.run(*DESTROY, "--yes")
    assert (said.code, f"{why} vault elsewhere in us-west-1" in said.out) == (0, True)
    left = everything(unlocked.deployment)
    assert (left["stacks"], left["locks"], left["role"]) == ({}, {}, True)
    # Expiry works still.
    unlocked.sandbox.advance(days=61)
    assert (
        client.list_recovery_points_by_backup_vault(BackupVaultName="elsewhere")["RecoveryPoints"]
        == []
    )


def test_a_vault_and_a_role_that_something_else_manages_stay(unlocked: Remover) -> None:
    """As after a change of hands: they have our names, but not the tag of our stacks."""
    region, vault = VAULTS[1]
    backup(unlocked.deployment, region).untag_resource(
        ResourceArn=f"arn:aws:backup:{region}:{ACCOUNT}:backup-vault:{vault}",
        TagKeyList=["managed_by"],
    )
    unlocked.sandbox.client("iam").untag_role(RoleName=ROLE, TagKeys=["managed_by"])
    before = points(unlocked.deployment)
    said = unlocked.run(*DELETE, "--yes")
    assert said.code == 0
    assert "Delete every recovery point of development in account 123456789012, 20" in said.err
    assert f"the vault {vault} in {region} stays, with 20 recovery points: these stacks do" in (
        said.err
    )
    left = points(unlocked.deployment)
    assert (len(before), len(left)) == (40, 20)
    said = unlocked.run(*DESTROY, "--yes")
    assert (said.code, f"the role {ROLE} stays: these stacks do not manage it" in said.out) == (
        0,
        True,
    )
    seen = everything(unlocked.deployment)
    assert (seen["stacks"], list(seen["locks"]), seen["role"]) == ({}, [VAULTS[1]], True)
    assert seen["points"] == left
    assert f"the vault {vault} in {region} stays" in unlocked.run("teardown plan").out


def test_another_plan_of_the_same_name_stays(unlocked: Remover) -> None:
    client = backup(unlocked.deployment)
    (ours,) = client.list_backup_plans()["BackupPlansList"]
    body = client.get_backup_plan(BackupPlanId=ours["BackupPlanId"])["BackupPlan"]
    rules = [
        {key: rule[key] for key in ("RuleName", "TargetBackupVaultName", "ScheduleExpression")}
        for rule in body["Rules"]
    ]
    rules[0]["Lifecycle"] = {"DeleteAfterDays": 40}
    other = client.create_backup_plan(
        BackupPlan=json.loads(json.dumps({"BackupPlanName": "cabal-backup-plan", "Rules": rules}))
    )["BackupPlanId"]
    assert unlocked.run(*DELETE, "--yes").code == 0
    said = unlocked.run(*DESTROY, "--yes")
    assert (said.code, f"cabal-backup-plan with the id {other} stays" in said.out) == (0, True)
    assert "no plan cabal-backup-plan" not in said.out
    (left,) = client.list_backup_plans()["BackupPlansList"]
    assert left["BackupPlanId"] == other
