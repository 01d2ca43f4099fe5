"""`copy-back`, one case after the other: S23, S24."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from local_aws.client import Sandbox

from tests.e2e.audit import changes_since
from tests.e2e.exercise import newest_point
from tests.e2e.operator import Operator, Said
from tests.e2e.terminal import type_answers
from tests.sandbox.deployment import PROJECT

DR = "us-west-2"


@pytest.fixture
def emptied(operator: Operator) -> Operator:
    """36 nights, of which the primary vault has lost every one."""
    backup = operator.sandbox.client("backup")
    backup.delete_backup_vault_lock_configuration(BackupVaultName="cabal-backup")
    for point in held(operator.sandbox):
        backup.delete_recovery_point(
            BackupVaultName="cabal-backup", RecoveryPointArn=point["RecoveryPointArn"]
        )
    operator.sandbox.advance(minutes=1)
    backup.put_backup_vault_lock_configuration(
        BackupVaultName="cabal-backup", MinRetentionDays=30, MaxRetentionDays=365
    )
    return operator


def held(sandbox: Sandbox) -> list[dict[str, Any]]:
    pages = sandbox.client("backup").get_paginator("list_recovery_points_by_backup_vault")
    return [
        point
        for page in pages.paginate(BackupVaultName="cabal-backup")
        for point in page["RecoveryPoints"]
    ]


def copy_jobs(sandbox: Sandbox) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = sandbox.client("backup", DR).list_copy_jobs()["CopyJobs"]
    return jobs


def test_the_newest_of_each(emptied: Operator) -> None:
    for what, kind in (("addresses", "DynamoDB"), ("mailstore", "EFS")):
        said = emptied.run("copy-back", what, "--yes")
        assert said.code == 0
        assert newest_point(emptied.sandbox, kind) == said.out.strip()
        assert "the lock accepts 30 to 365 days" in said.err
    copies, originals = (
        held(emptied.sandbox),
        newest_point(emptied.sandbox, "EFS", vault="cabal-backup-dr", region=DR),
    )
    source = emptied.sandbox.client("backup", DR).describe_recovery_point(
        BackupVaultName="cabal-backup-dr", RecoveryPointArn=originals
    )
    assert {copy["CreationDate"] for copy in copies} == {source["CreationDate"]}
    assert {tuple(sorted(copy["Lifecycle"].items())) for copy in copies} == {
        (("DeleteAfterDays", 365), ("MoveToColdStorageAfterDays", 30))
    }


def test_an_older_one_that_would_go_cold_at_once_stays_warm(emptied: Operator) -> None:
    """27 days old: it would be cold in three days, so it is kept warm instead."""
    at = emptied.sandbox.now() - timedelta(days=27)
    said = emptied.run("copy-back", "addresses", "--yes", "--at", at.isoformat())
    assert (said.code, "warm to the end" in said.err) == (0, True)
    (copy,) = held(emptied.sandbox)
    assert copy["CreationDate"] <= at
    assert copy["Lifecycle"] == {"DeleteAfterDays": 365}


def test_s24_a_cold_point_cannot_be_copied_back(emptied: Operator) -> None:
    at = emptied.sandbox.now() - timedelta(days=33)
    said = emptied.run("copy-back", "mailstore", "--yes", "--at", at.isoformat())
    assert said.code == 4
    newest = newest_point(emptied.sandbox, "EFS", vault="cabal-backup-dr", region=DR)
    for words in ("cannot copy a cold one", newest, "migration of a region, not a restore"):
        assert words in said.err
    assert copy_jobs(emptied.sandbox) == []


def test_a_named_one_and_one_that_is_not_there(emptied: Operator) -> None:
    arn = newest_point(emptied.sandbox, "DynamoDB", vault="cabal-backup-dr", region=DR)
    assert emptied.run("copy-back", arn.rpartition(":")[2], "--yes").code == 0
    said = emptied.run("copy-back", "nonesuch", "--yes")
    assert (said.code, "There is no recovery point nonesuch" in said.err) == (8, True)
    assert emptied.run("copy-back", arn, "--at", "2026-01-20T00:00", "--yes").code == 64
    said = emptied.run("copy-back", "addresses", "--at", "2025-01-01T00:00", "--yes")
    assert (said.code, "the oldest is from 2026-01-02" in said.err) == (8, True)


def test_started_once_however_often_it_is_typed(emptied: Operator) -> None:
    first = emptied.run("copy-back", "mailstore", "--yes", "--no-wait")
    again = emptied.run("copy-back", "mailstore", "--yes")
    assert f"the job {first.out.strip()} is copying it already: no other is started" in again.err
    third = emptied.run("copy-back", "mailstore")
    assert (third.code, third.out) == (0, again.out)
    assert len(copy_jobs(emptied.sandbox)) == 1


def test_a_job_that_fails_says_why(emptied: Operator) -> None:
    emptied.sandbox.faults.fail_next("copy", message="The region is short of capacity.")
    said = emptied.run("copy-back", "addresses", "--yes")
    assert (said.code, "The region is short of capacity." in said.err) == (3, True)


def test_no_terminal_a_dry_run_and_a_wrong_word(
    emptied: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = emptied.sandbox.advance(seconds=2)
    dry = emptied.run("copy-back", "addresses", "--dry-run")
    assert (dry.code, "it can be copied" in dry.out) == (0, True)
    assert emptied.run("copy-back", "addresses").code == 4
    type_answers(monkeypatch, "no")
    assert emptied.run("copy-back", "addresses").code == 4
    assert changes_since(emptied.sandbox, began) == []
    type_answers(monkeypatch, "yes")
    assert emptied.run("copy-back", "addresses").code == 0


def test_what_has_to_be_fixed_first(emptied: Operator) -> None:
    """The vault and the role are looked at before anything is started."""
    sandbox = emptied.sandbox
    saved = sandbox.checkpoint()
    sandbox.settings(emptied_vault_refuses_once=False)
    sandbox.client("backup").delete_backup_vault_lock_configuration(BackupVaultName="cabal-backup")
    sandbox.client("backup").delete_backup_vault(BackupVaultName="cabal-backup")
    said = emptied.run("copy-back", "addresses", "--yes")
    assert (said.code, "There is no vault cabal-backup in us-west-1" in said.err) == (3, True)
    assert copy_jobs(sandbox) == []
    sandbox.rollback(saved)
    sandbox.faults.deny("ListBackupVaults")
    said = emptied.run("copy-back", "addresses", "--yes")
    assert (said.code, "The vault cannot be examined" in said.err) == (2, True)


def test_points_of_two_file_systems(emptied: Operator) -> None:
    """After the loss the plan backs up the new, empty file system; its points are newer."""
    sandbox, old = emptied.sandbox, emptied.deployment.cabal.file_system_id
    new = sandbox.client("efs").create_file_system(CreationToken="new")
    backup = sandbox.client("backup")
    role = "arn:aws:iam::123456789012:role/cabal-backup-role"
    job = backup.start_backup_job(
        BackupVaultName="cabal-backup",
        ResourceArn=new["FileSystemArn"],
        IamRoleArn=role,
        Lifecycle={"DeleteAfterDays": 60},
    )
    sandbox.advance(hours=1)
    backup.start_copy_job(
        RecoveryPointArn=job["RecoveryPointArn"],
        SourceBackupVaultName="cabal-backup",
        DestinationBackupVaultArn=(
            "arn:aws:backup:us-west-2:123456789012:backup-vault:cabal-backup-dr"
        ),
        IamRoleArn=role,
        Lifecycle={"DeleteAfterDays": 60},
    )
    sandbox.advance(hours=1)
    said = emptied.run("copy-back", "mailstore", "--yes")
    assert said.code == 64
    assert f"{old}: 36, from 2026-01-02" in said.err
    assert f"{new['FileSystemId']}: 1, from" in said.err
    said = emptied.run("copy-back", "mailstore", "--yes", "--file-system", old)
    assert (said.code, f"of EFS {old}" in said.err) == (0, True)


def test_an_opt_in_that_is_off_is_a_warning(emptied: Operator) -> None:
    """The point was made while it was on. Whether AWS wants it on all the same, the job says."""
    sandbox = emptied.sandbox
    for region in ("us-west-1", DR):
        sandbox.client("backup", region).update_region_settings(
            ResourceTypeManagementPreference={"DynamoDB": False}
        )
    sandbox.settings(advanced_features_needed_everywhere=True)
    assert emptied.run("copy-back", "addresses", "--yes").code == 3
    sandbox.settings(advanced_features_needed_everywhere=False)
    said = emptied.run("copy-back", "addresses", "--yes")
    assert said.code == 0, said
    for region in ("us-west-1", DR):
        assert f"WARNING: Advanced DynamoDB backup is off in {region}" in said.err
    assert "WARNING" not in emptied.run("copy-back", "mailstore", "--dry-run").out


def hide_the_points(sandbox: Sandbox) -> None:
    """The primary vault refuses to list its recovery points, and nothing else."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "backup:ListRecoveryPointsByBackupVault",
        "Resource": "*",
    }
    sandbox.client("backup").put_backup_vault_access_policy(
        BackupVaultName="cabal-backup",
        Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def test_a_copy_that_cannot_be_looked_for_is_a_warning(emptied: Operator) -> None:
    hide_the_points(emptied.sandbox)
    words = "Whether it is back already is not known (ListRecoveryPointsByBackupVault: Access"
    plan = emptied.run("copy-back", "addresses", "--dry-run", "--json").json["plan"]
    (warning,) = plan["warnings"]
    assert warning.startswith(words)
    assert f"  WARNING: {words}" in emptied.run("copy-back", "addresses", "--dry-run").out


def copy_for(operator: Operator, days: int) -> str:
    """A job that copies the newest addresses back for so many days after the backup."""
    backup = operator.sandbox.client("backup")
    if backup.describe_backup_vault(BackupVaultName="cabal-backup")["Locked"]:
        backup.delete_backup_vault_lock_configuration(BackupVaultName="cabal-backup")
    started: dict[str, Any] = operator.sandbox.client("backup", DR).start_copy_job(
        RecoveryPointArn=newest_point(
            operator.sandbox, "DynamoDB", vault="cabal-backup-dr", region=DR
        ),
        SourceBackupVaultName="cabal-backup-dr",
        DestinationBackupVaultArn="arn:aws:backup:us-west-1:123456789012:backup-vault:cabal-backup",
        IamRoleArn="arn:aws:iam::123456789012:role/cabal-backup-role",
        Lifecycle={"DeleteAfterDays": days},
    )
    return str(started["CopyJobId"])


def restore(operator: Operator, *arguments: str) -> Said:
    """`cabal-backup restore ARGUMENTS -e development`."""
    deployment = operator.deployment
    environment = ("--project", str(PROJECT), "-e", deployment.environment)
    return operator.type("restore", *arguments, *environment, *deployment.context_arguments())


def lifecycles(operator: Operator) -> list[int]:
    return sorted(point["Lifecycle"]["DeleteAfterDays"] for point in held(operator.sandbox))


def test_a_copy_that_expires_soon_does_not_count(emptied: Operator) -> None:
    copy_for(emptied, 1)
    emptied.sandbox.advance(hours=1)
    said = emptied.run("copy-back", "addresses", "--yes")
    assert said.code == 0, said
    assert "is there, but expires at 2026-02-07 00:" in said.err
    assert lifecycles(emptied) == [1, 365]
    again = emptied.run("copy-back", "addresses", "--yes")
    assert (again.out, "it is back already until 2027-02-06" in again.err) == (said.out, True)
    assert lifecycles(emptied) == [1, 365]


def test_a_copy_with_the_plans_lifecycle_is_preferred(emptied: Operator) -> None:
    wanted = emptied.run("copy-back", "addresses", "--yes").out
    for days in (40, 500):
        copy_for(emptied, days)
        emptied.sandbox.advance(hours=1)
    assert lifecycles(emptied) == [40, 365, 500]
    assert emptied.run("copy-back", "addresses", "--yes").out == wanted


def test_a_running_job_whose_copy_expires_soon_does_not_count(emptied: Operator) -> None:
    job = copy_for(emptied, 1)
    said = emptied.run("copy-back", "addresses", "--yes")
    assert (said.code, f"the job {job} is copying it already" in said.err) == (0, True)
    assert "expires too soon to be used. Copying it again." in said.err
    assert lifecycles(emptied) == [1, 365]
    assert emptied.run("copy-back", "addresses").out == said.out


def test_a_restore_takes_the_copy_that_lives_longest(emptied: Operator) -> None:
    wanted = emptied.run("copy-back", "addresses", "--yes").out.strip()
    for _ in range(3):
        copy_for(emptied, 2)
        emptied.sandbox.advance(hours=1)
    assert wanted in restore(emptied, "addresses", "--dry-run").out


def test_another_plan_of_the_same_name_does_not_hide_ours(operator: Operator) -> None:
    backup = operator.sandbox.client("backup")
    for _ in range(2):
        operator.sandbox.advance(seconds=1)
        backup.create_backup_plan(
            BackupPlan={
                "BackupPlanName": "cabal-backup-plan",
                "Rules": [
                    {
                        "RuleName": "weekly",
                        "TargetBackupVaultName": "cabal-backup",
                        "ScheduleExpression": "cron(0 5 ? * 1 *)",
                        "Lifecycle": {"DeleteAfterDays": operator.sandbox.now().second + 100},
                    }
                ],
            }
        )
    assert len(backup.list_backup_plans()["BackupPlansList"]) == 3
    found = operator.run("status", "--json", "--only", "plan,selection").json["findings"]
    assert {each["check"]: each["status"] for each in found} == {"plan": "fail", "selection": "ok"}
    assert found[0]["details"] == ["there are 3 plans with this name, not one"]


def test_restore_metadata_in_other_capitalization(emptied: Operator) -> None:
    """As AWS's own example writes it."""
    point = emptied.run("copy-back", "addresses", "--yes").out.strip()
    backup = emptied.sandbox.client("backup")
    job = backup.start_restore_job(
        RecoveryPointArn=point,
        IamRoleArn="arn:aws:iam::123456789012:role/cabal-backup-role",
        ResourceType="DynamoDB",
        Metadata={"TargetTableName": "cabal-addresses-again", "EncryptionType": "Default"},
    )["RestoreJobId"]
    said = restore(emptied, "addresses", "--to", "cabal-addresses-again", "--yes")
    assert (said.code, f"the job {job} is doing this already" in said.err) == (0, True)


def test_a_restore_to_a_new_file_system_written_with_a_capital(emptied: Operator) -> None:
    point = emptied.run("copy-back", "mailstore", "--yes").out.strip()
    token = f"cabal-restore-{point.rpartition(':')[2]}"
    emptied.sandbox.client("backup").start_restore_job(
        RecoveryPointArn=point,
        IamRoleArn="arn:aws:iam::123456789012:role/cabal-backup-role",
        ResourceType="EFS",
        Metadata={
            "file-system-id": emptied.deployment.cabal.file_system_id,
            "newFileSystem": "True",
            "Encrypted": "True",
            "PerformanceMode": "generalPurpose",
            "CreationToken": token,
        },
    )
    assert "already" in restore(emptied, "mailstore", "--dry-run").out
