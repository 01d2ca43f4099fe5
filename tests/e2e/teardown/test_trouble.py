"""Deleting and destroying while things go wrong."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.e2e.promises.vaults import VAULTS, backup
from tests.e2e.status.aws_by_hand import delete_role
from tests.e2e.teardown.conftest import Remover
from tests.e2e.teardown.left import NOTHING, ROLE, everything
from tests.e2e.teardown.test_order import DELETE, DESTROY, UNLOCK, refused

MANAGED = "arn:aws:iam::aws:policy/service-role/"
FOR_BACKUP = f"{MANAGED}AWSBackupServiceRolePolicyForBackup"


@pytest.fixture
def unlocked(remover: Remover) -> Remover:
    assert remover.run(*UNLOCK, "--yes").code == 0
    return remover


def test_throttled(unlocked: Remover) -> None:
    unlocked.sandbox.faults.throttle_backup(0.2, seed=7)
    assert unlocked.run(*DELETE, "--yes").code == 0
    unlocked.sandbox.faults.clear()
    assert everything(unlocked.deployment)["points"] == []


def test_a_role_that_may_not_delete_is_noticed(unlocked: Remover) -> None:
    """AWS Backup says 200 and leaves the points EXPIRED."""
    iam = unlocked.sandbox.client("iam")
    for policy in (
        iam.get_paginator("list_attached_role_policies")
        .paginate(RoleName=ROLE)
        .build_full_result()["AttachedPolicies"]
    ):
        iam.detach_role_policy(RoleName=ROLE, PolicyArn=policy["PolicyArn"])
    said = unlocked.run(*DELETE, "--yes")
    assert said.code == 3
    assert "20 recovery points in cabal-backup became EXPIRED and stayed" in said.err
    assert len(everything(unlocked.deployment)["points"]) == 40
    assert unlocked.run(*DESTROY, "--yes").code == 4

    iam.attach_role_policy(RoleName=ROLE, PolicyArn=FOR_BACKUP)
    assert unlocked.run(*DELETE, "--yes").code == 0
    assert everything(unlocked.deployment)["points"] == []


def test_a_missing_service_linked_role_is_noticed(unlocked: Remover) -> None:
    unlocked.sandbox.faults.apply(service_linked_role=False)
    said = unlocked.run(*DELETE, "--yes")
    assert said.code == 3
    assert "AWSServiceRoleForBackup does not exist" in said.err
    assert "aws iam create-service-linked-role --aws-service-name backup.amazonaws.com" in said.err

    unlocked.sandbox.faults.apply(service_linked_role=True)
    assert unlocked.run(*DELETE, "--yes").code == 0
    assert everything(unlocked.deployment)["points"] == []


def place_hold(remover: Remover, region: str, **selection: Any) -> str:
    made = remover.sandbox.client("backup", region).create_legal_hold(
        Title="lawsuit", Description="Keep it.", RecoveryPointSelection=selection
    )
    remover.sandbox.advance(minutes=1)
    return str(made["LegalHoldId"])


def test_a_legal_hold_is_in_the_way_before_anything_is_deleted(unlocked: Remover) -> None:
    place_hold(unlocked, "us-west-2", VaultNames=["another"])
    identity = place_hold(unlocked, "us-west-2", VaultNames=["cabal-backup-dr"])
    for said in (refused(unlocked, *DELETE), unlocked.run("teardown plan").out):
        assert '"lawsuit" in us-west-2 holds 20, reason: Keep it.' in said
        assert f"cabal-backup hold release {identity} --reason … -e development" in said
    assert len(everything(unlocked.deployment)["points"]) == 40

    unlocked.sandbox.client("backup", "us-west-2").cancel_legal_hold(
        LegalHoldId=identity, CancelDescription="Over."
    )
    assert unlocked.run(*DELETE, "--yes").code == 0


def test_a_missing_role_is_reported_before_anything_is_deleted(unlocked: Remover) -> None:
    delete_role(unlocked.sandbox)
    assert "only mark them EXPIRED" in refused(unlocked, *DELETE)


def test_a_recovery_point_of_another_role_that_was_deleted(unlocked: Remover) -> None:
    """No deployment creates that role, so it is no reason to refuse everything."""
    iam, client = unlocked.sandbox.client("iam"), backup(unlocked.deployment)
    name = "AWSBackupDefaultServiceRole"

    def create(path: str, trust: str) -> str:
        made = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=trust)
        iam.attach_role_policy(RoleName=name, PolicyArn=FOR_BACKUP)
        return str(made["Role"]["Arn"])

    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "backup.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    arn = create("/service-role/", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    client.start_backup_job(
        BackupVaultName="cabal-backup",
        ResourceArn=unlocked.deployment.cabal.addresses_table_arn,
        IamRoleArn=arn,
    )
    unlocked.sandbox.advance(hours=1)
    iam.detach_role_policy(RoleName=name, PolicyArn=FOR_BACKUP)
    iam.delete_role(RoleName=name)

    caution = f"the role {arn}, which made 1 of them, was deleted"
    assert caution in unlocked.run(*DELETE, "--dry-run").text
    said = unlocked.run(*DELETE, "--yes")
    assert (said.code, "1 recovery point in cabal-backup became EXPIRED" in said.err) == (3, True)
    (found,) = re.findall(
        rf"create-role --role-name={name} --path=(\S+) --assume-role-policy-document='(.*?)'; aws "
        rf"iam attach-role-policy --role-name={name} --policy-arn={FOR_BACKUP}\)",
        said.err,
    )
    assert create(*found) == arn
    assert unlocked.run(*DELETE, "--yes").code == 0
    assert everything(unlocked.deployment)["points"] == []


def test_a_lock_put_back_meanwhile_stops_the_deletion(unlocked: Remover) -> None:
    """The DR vault is locked behind the plan's back: what it holds stays."""
    unlocked.sandbox.faults.deny("DeleteRecoveryPoint")
    said = unlocked.run(*DELETE, "--yes")
    assert said.code == 3
    assert "stays deleted" in said.err
    unlocked.sandbox.faults.clear()
    assert len(everything(unlocked.deployment)["points"]) == 40


def test_destroying_continues_after_a_manual_deletion(unlocked: Remover) -> None:
    """The primary stack and one vault are deleted already."""
    deployment = unlocked.deployment
    assert unlocked.run(*DELETE, "--yes").code == 0
    region, name = VAULTS[0]
    cloudformation = unlocked.sandbox.client("cloudformation", region)
    cloudformation.update_termination_protection(StackName=name, EnableTerminationProtection=False)
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1}
    )
    unlocked.sandbox.settings(emptied_vault_refuses_once=False)
    backup(deployment, region).delete_backup_vault(BackupVaultName=name)
    assert unlocked.run(*DESTROY, "--yes").code == 0
    assert everything(deployment) == NOTHING


def test_what_is_left_is_named(unlocked: Remover) -> None:
    assert unlocked.run(*DELETE, "--yes").code == 0
    unlocked.sandbox.client("logs").create_log_group(
        logGroupName="cabal-backup-AdvancedDynamoDBHandlerLogGroup"
    )
    said = unlocked.run(*DESTROY, "--yes")
    assert said.code == 3
    assert "the log group cabal-backup-AdvancedDynamoDBHandlerLogGroup" in said.err
