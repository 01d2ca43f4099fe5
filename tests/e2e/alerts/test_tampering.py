"""Calls against the protection: who, when, from where, what, and what to do (S27)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.alerts.conftest import (
    IAM_REGION,
    REGIONS,
    Notification,
    Watched,
    assert_readable,
)
from tests.e2e.status.aws_by_hand import (
    DR,
    FOR_RESTORES,
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
    strip,
    trust,
    unlock,
)
from tests.sandbox.client import Sandbox

NOBODY = '{"Version": "2012-10-17", "Statement": []}'


def told(watched: Watched) -> Notification:
    """The one message, with what every such message holds."""
    message = watched.inbox.only()
    lines = message.body.splitlines()
    assert "Who:            arn:aws:iam::123456789012:root" in lines
    assert "From:           127.0.0.1" in lines
    assert any(line.startswith("When:           2026-01-02 06:0") for line in lines)
    assert any(line.startswith("Record:         CloudTrail event ") for line in lines)
    return message


@pytest.mark.parametrize("vault", [PRIMARY, DR], ids=["primary", "dr"])
def test_a_lock_taken_off(watched: Watched, vault: tuple[str, str]) -> None:
    unlock(watched.sandbox, vault)

    message = told(watched)

    region, name = vault
    assert message.region == region
    assert message.subject == (
        f"[cabal-backup development] Protection changed: removal of the lock, {name}"
    )
    assert f"Asked for:      backupVaultName {name}" in message.body
    assert "    cabal-backup relock -e development" in message.body.splitlines()


def test_a_lock_changed(watched: Watched) -> None:
    lock(watched.sandbox, PRIMARY, least=1, most=2)

    message = told(watched)

    assert "change of the lock, cabal-backup" in message.subject
    assert "minRetentionDays 1" in message.body
    assert "maxRetentionDays 2" in message.body


def put_policy(sandbox: Sandbox) -> None:
    sandbox.client("backup").put_backup_vault_access_policy(
        BackupVaultName="cabal-backup", Policy=NOBODY
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
            "change of the backup plan",
            'make deploy ENVIRONMENT=development ARGS="--revert-drift"',
        ),
        (delete_selections, "deletion of a selection", "make deploy ENVIRONMENT=development"),
        (
            lambda sandbox: select(
                sandbox, "more", Resources=["arn:aws:dynamodb:*:*:table/something-else"]
            ),
            "a new selection in the backup plan",
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

    message = told(watched)

    assert f"Protection changed: {what}" in message.body.splitlines()[0]
    assert any(line.startswith(f"    {command}") for line in message.body.splitlines())


def test_the_vaults_policy_deleted(watched: Watched) -> None:
    put_policy(watched.sandbox)
    watched.inbox.read()
    watched.client("backup").delete_backup_vault_access_policy(BackupVaultName="cabal-backup")

    assert "deletion of the vault's access policy" in told(watched).subject


def test_a_plan_deleted(watched: Watched) -> None:
    delete_plan(watched.sandbox)

    selection, plan = sorted(message.subject for message in watched.inbox.read())

    assert "deletion of a selection" in selection
    assert "deletion of the backup plan" in plan


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
    changed = told(watched)
    backup.delete_recovery_point(
        BackupVaultName="cabal-backup", RecoveryPointArn=second["RecoveryPointArn"]
    )
    deleted = told(watched)

    assert "new lifecycle of a recovery point, cabal-backup" in changed.subject
    assert f"recoveryPointArn {first['RecoveryPointArn']}" in changed.body
    assert "deletion of a recovery point, cabal-backup" in deleted.subject
    assert f"recoveryPointArn {second['RecoveryPointArn']}" in deleted.body
    assert "    cabal-backup points -e development" in deleted.body.splitlines()


def test_what_the_lock_refuses_is_told_in_other_words(watched: Watched) -> None:
    point, *_ = points(watched.sandbox, PRIMARY)
    with pytest.raises(ClientError):
        watched.client("backup").delete_recovery_point(
            BackupVaultName="cabal-backup", RecoveryPointArn=point["RecoveryPointArn"]
        )

    message = told(watched)

    assert message.subject == (
        "[cabal-backup development] Attempted, refused: deletion of a recovery point, cabal-backup"
    )
    assert "Refused:        InvalidRequestException" in message.body
    assert "Nothing has changed." in message.body
    assert "aws cloudtrail lookup-events --region us-west-1" in message.body


def hears(watched: Watched, pattern_holds: str, call: dict[str, Any]) -> bool:
    """Whether one of the deployed rules, in any region, would hear of a call."""
    event = {
        "id": "1",
        "account": "123456789012",
        "time": "2026-01-02T00:00:00Z",
        "region": "us-west-1",
        "resources": [],
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws." + call["eventSource"].split(".")[0],
        "detail": call,
    }
    heard = False
    for region in (*REGIONS, IAM_REGION):
        events = watched.client("events", region)
        for rule in events.list_rules()["Rules"]:
            if pattern_holds in rule.get("EventPattern", ""):
                heard |= events.test_event_pattern(
                    EventPattern=rule["EventPattern"], Event=json.dumps(event)
                )["Result"]
    return heard


@pytest.mark.parametrize(
    ("changes", "heard"),
    [
        ({"errorCode": "AccessDenied", "requestParameters": None}, True),
        ({"errorCode": "AccessDenied", "requestParameters": {"backupVaultName": "other"}}, False),
        ({"requestParameters": None}, False),
        ({"errorCode": "AccessDenied", "eventName": "StartBackupJob"}, False),
    ],
)
def test_what_iam_refuses_may_be_recorded_without_its_parameters(
    watched: Watched, changes: dict[str, Any], heard: bool
) -> None:
    """The local AWS records nothing that IAM refuses, so the deployed rule is asked itself."""
    call = {"eventSource": "backup.amazonaws.com", "eventName": "DeleteRecoveryPoint", **changes}

    assert hears(watched, "DeleteRecoveryPoint", call) is heard


@pytest.mark.parametrize(("role", "heard"), [("cabal-backup-role", True), ("another", False)])
def test_a_refused_change_of_the_role_goes_by_the_words_of_the_refusal(
    watched: Watched, role: str, heard: bool
) -> None:
    call = {
        "eventSource": "iam.amazonaws.com",
        "eventName": "DetachRolePolicy",
        "requestParameters": None,
        "errorCode": "AccessDenied",
        "errorMessage": "User: arn:aws:iam::123456789012:user/somebody is not authorized to "
        f"perform: iam:DetachRolePolicy on resource: role {role} because no identity-based "
        "policy allows the iam:DetachRolePolicy action",
    }

    assert hears(watched, "DetachRolePolicy", call) is heard


def test_a_vault_that_is_not_empty_is_not_deleted_and_told(watched: Watched) -> None:
    with pytest.raises(ClientError):
        watched.client("backup").delete_backup_vault(BackupVaultName="cabal-backup")

    assert "Attempted, refused: deletion of the vault, cabal-backup" in told(watched).subject


def test_a_deployment_is_told_as_one(watched: Watched) -> None:
    """The templates say something else than before about the lock, in both regions."""
    watched.deployment.deploy(
        alerts="true",
        alert_emails="operator@example.com",
        alert_on_role_changes="true",
        restore_testing="true",
        lock_min_days="29",
    )

    messages = watched.inbox.read()

    assert [message.region for message in messages] == ["us-west-1", "us-west-2"]
    for message in messages:
        assert_readable(message)
        assert "change of the lock" in message.subject
        assert "By:             a deployment, through CloudFormation" in message.body


def test_ordinary_work_is_not_tampering(watched: Watched) -> None:
    backup = watched.client("backup")
    backup.create_backup_vault(BackupVaultName="somebody-elses")
    backup.delete_backup_vault(BackupVaultName="somebody-elses")
    opt_in(watched.sandbox, "us-west-1")
    backup.describe_backup_vault(BackupVaultName="cabal-backup")
    plan = backup.create_backup_plan(
        BackupPlan={
            "BackupPlanName": "somebody-elses",
            "Rules": [{"RuleName": "daily", "TargetBackupVaultName": "cabal-backup"}],
        }
    )
    backup.delete_backup_plan(BackupPlanId=plan["BackupPlanId"])
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
    watched.sandbox.advance(days=31)

    assert watched.inbox.read() == []


def test_without_a_trail_nobody_hears_of_it(watched: Watched) -> None:
    """That is what `status` warns about."""
    watched.client("cloudtrail").stop_logging(Name="audit")
    watched.inbox.read()
    unlock(watched.sandbox, PRIMARY)

    assert watched.inbox.read() == []


def test_a_changed_role_is_heard_in_another_region_and_told_in_ours(watched: Watched) -> None:
    strip(watched.sandbox, FOR_RESTORES)

    message = told(watched)

    assert message.region == "us-west-1"
    assert message.subject == (
        "[cabal-backup development] Protection changed: a policy detached from the role, "
        "cabal-backup-role"
    )
    assert "Region:         us-east-1" in message.body
    assert "    cabal-backup status -e development --only role" in message.body.splitlines()


def test_a_role_that_others_may_assume_now(watched: Watched) -> None:
    trust(watched.sandbox, Principal={"AWS": "*"})

    message = told(watched)

    assert "change of who may assume the role, cabal-backup-role" in message.body
    assert "Statement.Principal.AWS *" in message.body


def test_other_roles_are_none_of_our_business(watched: Watched) -> None:
    iam = watched.client("iam")
    iam.create_role(RoleName="somebody-elses", AssumeRolePolicyDocument=NOBODY)
    iam.delete_role(RoleName="somebody-elses")

    assert watched.inbox.read() == []
