"""docs/adopt.md, typed as it stands there, on what Cabal's Terraform made 90 nights ago."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from local_aws.client import Sandbox

from tests.e2e.adopt import terraform
from tests.e2e.shell import make_checkout, sections, type_in
from tests.sandbox import cabal
from tests.sandbox.deployment import Deployment

NIGHTS = 90
COLD_COPIES = {"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 365}


@pytest.fixture
def existing(running_sandbox: Sandbox, bootstrapped_account: str) -> Deployment:
    """A Cabal with Terraform's backup, in a bootstrapped account; the last night was today's."""
    sandbox = running_sandbox
    sandbox.rollback(bootstrapped_account)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    sandbox.advance_to(today - timedelta(days=NIGHTS) + timedelta(hours=12))
    made = cabal.fill(sandbox, addresses=100, users=2, messages_per_user=5)
    terraform.apply(sandbox, made)
    # The commands look at the machine's clock, so the sandbox ends up where that is.
    sandbox.advance_to(max(datetime.now(UTC), today + timedelta(hours=2)))
    return Deployment(sandbox, made, whole=True)


def test_adopting_loses_no_recovery_point(existing: Deployment, tmp_path: Path) -> None:
    sandbox = existing.sandbox
    before = _points(sandbox)
    assert [len(points) for points in before] == [2 * NIGHTS, 2 * NIGHTS]
    blocks = [block for section in sections("docs/adopt.md").values() for block in section]

    checkout = make_checkout(tmp_path, existing, synthesized=[("dr_cold_after_days", "never")])
    said = type_in(blocks, checkout, existing)

    assert "every recovery point is there" in said
    assert "Number of stacks with differences: 0" in said
    assert _points(sandbox) == before
    _assert_locks_never_went_off(sandbox)
    _assert_role_and_plan_are_put_right(sandbox)
    for region, name in terraform.VAULTS:
        (stack,) = sandbox.client("cloudformation", region).describe_stacks(StackName=name)[
            "Stacks"
        ]
        assert stack["EnableTerminationProtection"]
        with pytest.raises(ClientError, match="recovery points"):
            sandbox.client("backup", region).delete_backup_vault(BackupVaultName=name)
    assert sandbox.trail("DeleteRecoveryPoint") == []
    sandbox.run_nights(1)
    assert [len(points) for points in _points(sandbox)] == [2 * NIGHTS + 2, 2 * NIGHTS + 2]


def _points(sandbox: Sandbox) -> list[list[str]]:
    return [
        sorted(
            point["RecoveryPointArn"]
            for page in sandbox.client("backup", region)
            .get_paginator("list_recovery_points_by_backup_vault")
            .paginate(BackupVaultName=vault)
            for point in page["RecoveryPoints"]
        )
        for region, vault in terraform.VAULTS
    ]


def _assert_locks_never_went_off(sandbox: Sandbox) -> None:
    for region, vault in terraform.VAULTS:
        assert sandbox.trail("DeleteBackupVaultLockConfiguration", region=region) == []
        seen = sandbox.client("backup", region).describe_backup_vault(BackupVaultName=vault)
        assert (seen["Locked"], seen["MinRetentionDays"], seen["MaxRetentionDays"]) == (
            True,
            30,
            365,
        )


def _assert_role_and_plan_are_put_right(sandbox: Sandbox) -> None:
    iam, backup = sandbox.client("iam"), sandbox.client("backup")
    attached = (
        iam.get_paginator("list_attached_role_policies")
        .paginate(RoleName=terraform.ROLE)
        .build_full_result()["AttachedPolicies"]
    )
    assert {policy["PolicyName"] for policy in attached} == {
        "AWSBackupServiceRolePolicyForBackup",
        "AWSBackupServiceRolePolicyForRestores",
    }
    trust = iam.get_role(RoleName=terraform.ROLE)["Role"]["AssumeRolePolicyDocument"]
    assert "aws:SourceAccount" in json.dumps(trust)
    (listed,) = backup.list_backup_plans()["BackupPlansList"]
    plan: dict[str, Any] = backup.get_backup_plan(BackupPlanId=listed["BackupPlanId"])
    (rule,) = plan["BackupPlan"]["Rules"]
    (copy,) = rule["CopyActions"]
    assert copy["Lifecycle"] == COLD_COPIES
    selections = backup.list_backup_selections(BackupPlanId=listed["BackupPlanId"])
    assert len(selections["BackupSelectionsList"]) == 1
    tags = backup.list_tags(ResourceArn=listed["BackupPlanArn"])["Tags"]
    assert tags == {"environment": "development", "managed_by": "cabal_backup"}
