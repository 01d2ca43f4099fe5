"""Calls against the protection: who, when, from where, what, and what to do (S27)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from local_aws.client import Sandbox

from tests.e2e.alerts.conftest import (
    SETTINGS,
    Notification,
    Watched,
    assert_readable,
)
from tests.e2e.status.aws_by_hand import (
    DR,
    PRIMARY,
    ROLE,
    delete_plan,
    delete_selections,
    edit_rule,
    lock,
    opt_in,
    plan_id,
    points,
    select,
    unlock,
)

EMPTY_POLICY = '{"Version": "2012-10-17", "Statement": []}'


def received(watched: Watched) -> Notification:
    """The one message, with what every such message holds."""
    message = watched.inbox.only()
    lines = message.body.splitlines()
    assert "Who:            arn:aws:iam::123456789012:root" in lines
    assert "From:           127.0.0.1" in lines
    assert any(line.startswith("When:           2026-01-02 06:") for line in lines)
    assert any(line.startswith("Record:         CloudTrail event ") for line in lines)
    return message


@pytest.mark.parametrize("vault", [PRIMARY, DR], ids=["primary", "dr"])
def test_a_lock_taken_off(watched: Watched, vault: tuple[str, str]) -> None:
    unlock(watched.sandbox, vault)

    message = received(watched)

    region, name = vault
    assert message.region == region
    assert message.subject == (
        f"[cabal-backup development] Protection changed: removal of the lock, {name}"
    )
    assert f"Asked for:      backupVaultName {name}" in message.body
    assert "    cabal-backup relock -e development" in message.body.splitlines()


def test_a_lock_changed(watched: Watched) -> None:
    lock(watched.sandbox, PRIMARY, least=1, most=2)

    message = received(watched)

    assert "change of the lock, cabal-backup" in message.subject
    assert "minRetentionDays 1" in message.body
    assert "maxRetentionDays 2" in message.body


def put_policy(sandbox: Sandbox) -> None:
    sandbox.client("backup").put_backup_vault_access_policy(
        BackupVaultName="cabal-backup", Policy=EMPTY_POLICY
    )


def switch_off(sandbox: Sandbox) -> None:
    opt_in(sandbox, "us-west-2", protected=False)


def switch_off_advanced(sandbox: Sandbox) -> None:
    opt_in(sandbox, "us-west-1", managed=False)


@pytest.mark.parametrize(
    ("tamper", "what", "command"),
    [
        (put_policy, "change of the vault's access policy, cabal-backup", "aws backup get-backup-"),
        (
            lambda sandbox: edit_rule(sandbox, ScheduleExpression="cron(0 0 1 1 ? *)"),
            "change of a backup plan",
            'make deploy ENVIRONMENT=development ARGS="--revert-drift"',
        ),
        (delete_selections, "deletion of a selection", "make deploy ENVIRONMENT=development"),
        (
            lambda sandbox: select(
                sandbox, "more", Resources=["arn:aws:dynamodb:*:*:table/something-else"]
            ),
            "a new selection in a backup plan",
            "make deploy ENVIRONMENT=development",
        ),
        (switch_off, "opt-in switched off, us-west-2", "aws backup update-region-settings"),
        (
            switch_off_advanced,
            "opt-in switched off, us-west-1",
            "aws backup update-region-settings",
        ),
    ],
    ids=["policy", "plan", "selection", "another-selection", "opt-in", "advanced"],
)
def test_what_else_weakens_the_protection(
    watched: Watched, tamper: Callable[[Sandbox], None], what: str, command: str
) -> None:
    tamper(watched.sandbox)

    message = received(watched)

    assert f"Protection changed: {what}" in message.body.splitlines()[0]
    assert any(line.startswith(f"    {command}") for line in message.body.splitlines())


def test_the_vaults_policy_deleted(watched: Watched) -> None:
    put_policy(watched.sandbox)
    watched.inbox.read()
    watched.client("backup").delete_backup_vault_access_policy(BackupVaultName="cabal-backup")

    assert "deletion of the vault's access policy" in received(watched).subject


def test_a_plan_deleted(watched: Watched) -> None:
    delete_plan(watched.sandbox)

    message = watched.inbox.only()

    plan = plan_of(message.body)
    assert message.body.splitlines()[:4] == [
        f"Protection changed: deletion of a selection, {plan}, and 1 more",
        "",
        f"  Protection changed: deletion of a selection, {plan}",
        f"  Protection changed: deletion of the backup plan, {plan}",
    ]


def plan_of(body: str) -> str:
    return body.splitlines()[0].split(", ")[1]


def test_a_recovery_point_and_its_lifecycle(watched: Watched) -> None:
    unlock(watched.sandbox, PRIMARY)
    watched.inbox.read()
    first, second = points(watched.sandbox, PRIMARY)
    backup = watched.client("backup")
    backup.update_recovery_point_lifecycle(
        BackupVaultName="cabal-backup",
        RecoveryPointArn=first["RecoveryPointArn"],
        Lifecycle={"MoveToColdStorageAfterDays": 1, "DeleteAfterDays": 91},
    )
    changed = received(watched)
    backup.delete_recovery_point(
        BackupVaultName="cabal-backup", RecoveryPointArn=second["RecoveryPointArn"]
    )
    deleted = received(watched)

    assert "new lifecycle of a recovery point, cabal-backup" in changed.subject
    assert f"recoveryPointArn {first['RecoveryPointArn']}" in changed.body
    assert "deletion of a recovery point, cabal-backup" in deleted.subject
    assert f"recoveryPointArn {second['RecoveryPointArn']}" in deleted.body
    assert "    cabal-backup points -e development" in deleted.body.splitlines()


def test_what_the_lock_refuses_is_reported_as_attempted(watched: Watched) -> None:
    point, *_ = points(watched.sandbox, PRIMARY)
    with pytest.raises(ClientError):
        watched.client("backup").delete_recovery_point(
            BackupVaultName="cabal-backup", RecoveryPointArn=point["RecoveryPointArn"]
        )

    message = received(watched)

    assert message.subject == (
        "[cabal-backup development] Attempted, refused: deletion of a recovery point, cabal-backup"
    )
    assert "Refused:        InvalidRequestException" in message.body
    assert "Nothing was changed." in message.body
    assert "aws cloudtrail lookup-events --region=us-west-1" in message.body


def test_a_refused_deletion_of_a_vault_is_reported(watched: Watched) -> None:
    with pytest.raises(ClientError):
        watched.client("backup").delete_backup_vault(BackupVaultName="cabal-backup")

    assert "Attempted, refused: deletion of the vault, cabal-backup" in received(watched).subject


def test_a_deployment_is_one_message(watched: Watched) -> None:
    """The templates say something else than before about the lock, in both regions."""
    watched.deployment.deploy_assembly(**SETTINGS, lock_min_days="29")

    messages = watched.inbox.read()

    assert [message.region for message in messages] == ["us-west-1", "us-west-2"]
    for message in messages:
        assert_readable(message)
        assert "change of the lock" in message.subject
        assert "By:             a deployment, through CloudFormation" in message.body


def test_ordinary_work_is_not_tampering(watched: Watched) -> None:
    backup = watched.client("backup")
    backup.create_backup_vault(BackupVaultName="another")
    opt_in(watched.sandbox, "us-west-1")
    backup.describe_backup_vault(BackupVaultName="cabal-backup")
    plan = backup.create_backup_plan(
        BackupPlan={
            "BackupPlanName": "another",
            "Rules": [{"RuleName": "daily", "TargetBackupVaultName": "another"}],
        }
    )
    backup.delete_backup_plan(BackupPlanId=plan["BackupPlanId"])
    backup.delete_backup_vault(BackupVaultName="another")
    assert plan["BackupPlanId"] != plan_id(watched.sandbox)

    assert watched.inbox.read() == []


def test_points_that_expire_by_themselves_are_not_tampering(watched: Watched) -> None:
    """A short-lived point on demand, which AWS Backup deletes when its time has come."""
    watched.client("backup").start_backup_job(
        BackupVaultName="cabal-backup",
        ResourceArn=watched.deployment.cabal.addresses_table_arn,
        IamRoleArn=f"arn:aws:iam::123456789012:role/{ROLE}",
        Lifecycle={"DeleteAfterDays": 30},
    )
    watched.sandbox.run_nights(31)

    # The watch reports its short life, every day; its end is no event.
    urgent = [each for each in watched.inbox.read() if "by the watch" not in each.body]
    assert urgent == []


def test_a_new_plan_that_writes_into_our_vault(watched: Watched) -> None:
    watched.client("backup").create_backup_plan(
        BackupPlan={
            "BackupPlanName": "another",
            "Rules": [{"RuleName": "daily", "TargetBackupVaultName": "cabal-backup"}],
        }
    )

    assert "a new backup plan that uses our vaults" in received(watched).subject


def test_a_copy_to_another_account(watched: Watched) -> None:
    point = next(each for each in points(watched.sandbox, PRIMARY))
    watched.client("backup").start_copy_job(
        RecoveryPointArn=point["RecoveryPointArn"],
        SourceBackupVaultName="cabal-backup",
        DestinationBackupVaultArn="arn:aws:backup:us-west-2:210987654321:backup-vault:theirs",
        IamRoleArn=f"arn:aws:iam::123456789012:role/{ROLE}",
    )

    copied = [each for each in watched.inbox.read() if "copy to a vault" in each.subject]

    (message,) = copied
    assert_readable(message)
    assert message.subject.startswith(
        "[cabal-backup development] Protection changed: copy to a vault that is not ours"
    )
    assert "210987654321:backup-vault:theirs" in message.body


@pytest.mark.parametrize(
    ("table", "recovery"),
    [
        ("cabal-addresses", {"PointInTimeRecoveryEnabled": False}),
        ("cabal-counter", {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 1}),
    ],
)
def test_point_in_time_recovery_switched_off_or_shortened(
    watched: Watched, table: str, recovery: dict[str, Any]
) -> None:
    watched.client("dynamodb").update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification=recovery
    )

    message = received(watched)

    assert message.subject == (
        f"[cabal-backup development] Protection changed: point-in-time recovery reduced, {table}"
    )
    assert (
        f"    aws dynamodb update-continuous-backups --region=us-west-1 --table-name={table} "
        "--point-in-time-recovery-specification "
        "PointInTimeRecoveryEnabled=true,RecoveryPeriodInDays=35"
    ) in message.body.splitlines()


def test_without_a_trail_it_is_known_that_and_not_who(watched: Watched) -> None:
    """AWS Backup's own events need no trail; `status` warns that nothing says who it was."""
    watched.client("cloudtrail").stop_logging(Name="audit")
    watched.inbox.read()
    unlock(watched.sandbox, PRIMARY)
    assert watched.inbox.read() == [], "it waits for the call that says who it was"
    watched.inbox.wait()

    message = watched.inbox.only()

    assert message.subject == (
        "[cabal-backup development] Protection changed: removal of the lock, cabal-backup"
    )
    assert "Who:            AWS Backup reports this change without saying who made it" in (
        message.body.splitlines()
    )


@pytest.mark.parametrize(
    ("tamper", "what"),
    [
        (lambda sandbox: lock(sandbox, PRIMARY, least=1, most=2), "change of the lock"),
        (put_policy, "the vault was modified"),
        (
            lambda sandbox: edit_rule(sandbox, ScheduleExpression="cron(0 0 1 1 ? *)"),
            "a backup plan that uses our vaults was modified",
        ),
        (delete_plan, "a backup plan that uses our vaults was deleted"),
        (switch_off, "opt-in switched off, us-west-2"),
    ],
    ids=["lock", "policy", "plan", "plan-deleted", "opt-in"],
)
def test_what_aws_backup_itself_reports(
    watched: Watched, tamper: Callable[[Sandbox], None], what: str
) -> None:
    watched.client("cloudtrail").stop_logging(Name="audit")
    watched.inbox.read()
    tamper(watched.sandbox)
    watched.inbox.wait()

    message = watched.inbox.only()

    assert f"Protection changed: {what}" in message.body.splitlines()[0]


def test_points_deleted_without_a_trail(watched: Watched) -> None:
    watched.client("cloudtrail").stop_logging(Name="audit")
    unlock(watched.sandbox, PRIMARY)
    watched.inbox.wait()
    watched.inbox.read()
    for point in points(watched.sandbox, PRIMARY):
        watched.client("backup").delete_recovery_point(
            BackupVaultName="cabal-backup", RecoveryPointArn=point["RecoveryPointArn"]
        )
    watched.inbox.wait()

    message = watched.inbox.only()

    assert message.subject == (
        "[cabal-backup development] Protection changed: deletion of a recovery point, "
        "cabal-backup (2 times)"
    )


def test_changes_of_other_roles_are_not_reported(watched: Watched) -> None:
    iam = watched.client("iam")
    iam.create_role(RoleName="another", AssumeRolePolicyDocument=EMPTY_POLICY)
    iam.delete_role(RoleName="another")

    assert watched.inbox.read() == []
