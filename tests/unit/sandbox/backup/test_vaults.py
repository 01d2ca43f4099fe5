"""Vaults, their locks, policies, notifications and tags."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.sandbox.backup.cabal import (
    ACCOUNT,
    BACKUP_ROLE,
    DR_VAULT,
    FILE_SYSTEM_ARN,
    OPERATOR,
    PRIMARY,
    VAULT,
    VAULT_ARN,
    YEAR,
    Cabal,
)


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    code: str = error.value.response["Error"]["Code"]
    return code


def test_a_new_vault_is_empty_and_unlocked(cabal: Cabal) -> None:
    made = cabal.primary.create_backup_vault(BackupVaultName=VAULT)
    assert made["BackupVaultArn"] == VAULT_ARN
    vault = cabal.primary.describe_backup_vault(BackupVaultName=VAULT)
    assert vault["Locked"] is False
    assert vault["NumberOfRecoveryPoints"] == 0
    assert "MinRetentionDays" not in vault
    assert "LockDate" not in vault
    assert cabal.dr.list_backup_vaults()["BackupVaultList"] == []


def test_the_same_creator_request_id_makes_one_vault(cabal: Cabal) -> None:
    first = cabal.primary.create_backup_vault(BackupVaultName=VAULT, CreatorRequestId="a")
    again = cabal.primary.create_backup_vault(BackupVaultName=VAULT, CreatorRequestId="a")
    assert again["CreationDate"] == first["CreationDate"]
    with pytest.raises(cabal.primary.exceptions.AlreadyExistsException):
        cabal.primary.create_backup_vault(BackupVaultName=VAULT, CreatorRequestId="b")


def test_a_missing_vault_answers_access_denied_unless_set_otherwise(cabal: Cabal) -> None:
    with pytest.raises(ClientError) as refused:
        cabal.primary.describe_backup_vault(BackupVaultName=VAULT)
    assert code_of(refused) == "AccessDeniedException"
    cabal.service.settings.missing_vault_error = "ResourceNotFoundException"
    with pytest.raises(cabal.primary.exceptions.ResourceNotFoundException):
        cabal.primary.describe_backup_vault(BackupVaultName=VAULT)


def test_a_governance_lock_can_be_taken_off_again(cabal: Cabal) -> None:
    cabal.make_vaults(lock=True)
    vault = cabal.primary.describe_backup_vault(BackupVaultName=VAULT)
    assert (vault["Locked"], vault["MinRetentionDays"], vault["MaxRetentionDays"]) == (
        True,
        30,
        365,
    )
    assert "LockDate" not in vault
    cabal.advance(days=400)
    cabal.primary.delete_backup_vault_lock_configuration(BackupVaultName=VAULT)
    assert cabal.primary.describe_backup_vault(BackupVaultName=VAULT)["Locked"] is False
    states = [event.detail.get("isLocked") for event in cabal.events("Backup Vault State Change")]
    assert states[-3:] == ["true", "true", "false"]


def test_a_compliance_lock_becomes_immutable(cabal: Cabal) -> None:
    cabal.make_vaults()
    put = cabal.primary.put_backup_vault_lock_configuration
    put(BackupVaultName=VAULT, MinRetentionDays=30, ChangeableForDays=3)
    assert "LockDate" in cabal.primary.describe_backup_vault(BackupVaultName=VAULT)
    cabal.advance(days=2, hours=23)
    put(BackupVaultName=VAULT, MinRetentionDays=31, ChangeableForDays=3)
    cabal.advance(days=3)
    with pytest.raises(cabal.primary.exceptions.InvalidRequestException):
        put(BackupVaultName=VAULT, MinRetentionDays=1)
    with pytest.raises(cabal.primary.exceptions.InvalidRequestException):
        cabal.primary.delete_backup_vault_lock_configuration(BackupVaultName=VAULT)


@pytest.mark.parametrize(
    "lock",
    [
        {"MinRetentionDays": 0},
        {"MaxRetentionDays": 36501},
        {"MinRetentionDays": 31, "MaxRetentionDays": 30},
        {"MinRetentionDays": 30, "ChangeableForDays": 2},
    ],
)
def test_impossible_locks_are_refused(cabal: Cabal, lock: dict[str, int]) -> None:
    cabal.make_vaults()
    with pytest.raises(cabal.primary.exceptions.InvalidParameterValueException):
        cabal.primary.put_backup_vault_lock_configuration(BackupVaultName=VAULT, **lock)


def test_taking_off_a_lock_that_is_not_there_is_refused(cabal: Cabal) -> None:
    cabal.make_vaults()
    with pytest.raises(cabal.primary.exceptions.InvalidRequestException):
        cabal.primary.delete_backup_vault_lock_configuration(BackupVaultName=VAULT)
    cabal.service.settings.delete_missing_lock_refused = False
    cabal.primary.delete_backup_vault_lock_configuration(BackupVaultName=VAULT)


@pytest.mark.parametrize(
    "error",
    ["InvalidRequestException", "AccessDeniedException", "InvalidParameterValueException"],
)
def test_a_lock_refuses_deletes_and_lifecycle_changes_of_any_point(
    cabal: Cabal, error: Any
) -> None:
    cabal.opt_in()
    cabal.make_vaults()
    point = cabal.back_up()  # older than the lock
    cabal.advance(days=100)  # and past the minimum
    cabal.primary.put_backup_vault_lock_configuration(BackupVaultName=VAULT, MinRetentionDays=30)
    cabal.service.settings.locked_delete_error = error
    names = {"BackupVaultName": VAULT, "RecoveryPointArn": point}
    with pytest.raises(ClientError) as refused:
        cabal.primary.delete_recovery_point(**names)
    assert code_of(refused) == error
    with pytest.raises(ClientError) as refused:
        cabal.primary.update_recovery_point_lifecycle(**names, Lifecycle=YEAR)
    assert code_of(refused) == error
    assert [p["RecoveryPointArn"] for p in cabal.points()] == [point]


def test_a_vault_with_points_is_not_deleted_and_refuses_once_more_when_emptied(
    cabal: Cabal,
) -> None:
    cabal.opt_in()
    cabal.make_vaults()
    point = cabal.back_up()
    refusal = cabal.primary.exceptions.InvalidRequestException
    with pytest.raises(refusal) as refused:
        cabal.primary.delete_backup_vault(BackupVaultName=VAULT)
    assert refused.value.response["Code"] == "ERROR_9101"
    cabal.primary.delete_recovery_point(BackupVaultName=VAULT, RecoveryPointArn=point)
    assert cabal.points()[0]["Status"] == "DELETING"
    cabal.advance(minutes=1)
    assert cabal.points() == []
    with pytest.raises(refusal):
        cabal.primary.delete_backup_vault(BackupVaultName=VAULT)
    cabal.primary.delete_backup_vault(BackupVaultName=VAULT)
    assert cabal.primary.list_backup_vaults()["BackupVaultList"] == []


def test_an_access_policy_denies_whom_it_names(cabal: Cabal) -> None:
    cabal.opt_in()
    cabal.make_vaults()
    point = cabal.back_up()
    admin = f"arn:aws:iam::{ACCOUNT}:role/backup-admin"
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "backup:DeleteRecoveryPoint",
        "Resource": "*",
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": admin}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    cabal.primary.put_backup_vault_access_policy(BackupVaultName=VAULT, Policy=policy)
    assert cabal.primary.get_backup_vault_access_policy(BackupVaultName=VAULT)["Policy"] == policy
    names = {"BackupVaultName": VAULT, "RecoveryPointArn": point}
    with pytest.raises(ClientError) as refused:
        cabal.primary.delete_recovery_point(**names)
    assert code_of(refused) == "AccessDeniedException"
    assert OPERATOR in str(refused.value)
    cabal.client(PRIMARY, admin).delete_recovery_point(**names)


def test_an_access_policy_has_to_be_one(cabal: Cabal) -> None:
    cabal.make_vaults()
    with_wildcard = {"Effect": "Deny", "Principal": "*", "Action": "backup:*", "Resource": "*"}
    for policy in (
        "nonsense",
        "{}",
        '{"Statement": [{"Effect": "Perhaps"}]}',
        json.dumps({"Statement": [with_wildcard]}),
    ):
        with pytest.raises(cabal.primary.exceptions.InvalidParameterValueException):
            cabal.primary.put_backup_vault_access_policy(BackupVaultName=VAULT, Policy=policy)
    with pytest.raises(cabal.primary.exceptions.ResourceNotFoundException):
        cabal.primary.get_backup_vault_access_policy(BackupVaultName=VAULT)
    cabal.primary.delete_backup_vault_access_policy(BackupVaultName=VAULT)


def test_notifications_are_put_read_and_deleted(cabal: Cabal) -> None:
    cabal.make_vaults()
    topic = f"arn:aws:sns:us-west-1:{ACCOUNT}:alerts"
    cabal.primary.put_backup_vault_notifications(
        BackupVaultName=VAULT, SNSTopicArn=topic, BackupVaultEvents=["BACKUP_JOB_COMPLETED"]
    )
    found = cabal.primary.get_backup_vault_notifications(BackupVaultName=VAULT)
    assert (found["SNSTopicArn"], found["BackupVaultEvents"]) == (topic, ["BACKUP_JOB_COMPLETED"])
    cabal.primary.delete_backup_vault_notifications(BackupVaultName=VAULT)
    with pytest.raises(cabal.primary.exceptions.ResourceNotFoundException):
        cabal.primary.get_backup_vault_notifications(BackupVaultName=VAULT)
    for wrong in (f"{topic}.fifo", topic.replace(ACCOUNT, "000000000000"), "alerts"):
        with pytest.raises(cabal.primary.exceptions.InvalidParameterValueException):
            cabal.primary.put_backup_vault_notifications(
                BackupVaultName=VAULT, SNSTopicArn=wrong, BackupVaultEvents=["COPY_JOB_FAILED"]
            )


def test_tags_are_kept_for_what_aws_backup_manages(cabal: Cabal) -> None:
    cabal.primary.create_backup_vault(BackupVaultName=VAULT, BackupVaultTags={"environment": "dev"})
    cabal.primary.tag_resource(ResourceArn=VAULT_ARN, Tags={"owner": "mail"})
    assert cabal.primary.list_tags(ResourceArn=VAULT_ARN)["Tags"] == {
        "environment": "dev",
        "owner": "mail",
    }
    cabal.primary.untag_resource(ResourceArn=VAULT_ARN, TagKeyList=["environment"])
    assert cabal.primary.list_tags(ResourceArn=VAULT_ARN)["Tags"] == {"owner": "mail"}
    with pytest.raises(cabal.primary.exceptions.ResourceNotFoundException):
        cabal.primary.list_tags(ResourceArn=VAULT_ARN.replace(VAULT, DR_VAULT))
    with pytest.raises(cabal.primary.exceptions.InvalidParameterValueException):
        cabal.primary.tag_resource(ResourceArn=VAULT_ARN, Tags={"aws:owner": "mail"})


def test_vaults_of_other_types_are_not_listed(cabal: Cabal) -> None:
    cabal.make_vaults()
    listed = cabal.primary.list_backup_vaults
    assert len(listed(ByVaultType="BACKUP_VAULT")["BackupVaultList"]) == 1
    assert listed(ByVaultType="LOGICALLY_AIR_GAPPED_BACKUP_VAULT")["BackupVaultList"] == []
    assert listed(ByShared=True)["BackupVaultList"] == []


def deny(cabal: Cabal, action: str, principal: str) -> None:
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": principal},
        "Action": action,
        "Resource": "*",
    }
    cabal.primary.put_backup_vault_access_policy(
        BackupVaultName=VAULT, Policy=json.dumps({"Statement": [statement]})
    )


def test_an_access_policy_binds_the_jobs_of_a_plan(cabal: Cabal) -> None:
    cabal.make_vaults()
    cabal.make_plan()
    deny(cabal, "backup:StartBackupJob", BACKUP_ROLE)

    cabal.advance(days=1)

    jobs = cabal.primary.list_backup_jobs()["BackupJobs"]
    assert {(job["State"], job["MessageCategory"]) for job in jobs} == {("FAILED", "AccessDenied")}


def test_an_access_policy_can_keep_restores_out(cabal: Cabal) -> None:
    cabal.make_vaults()
    point = cabal.back_up()
    deny(cabal, "backup:StartRestoreJob", OPERATOR)

    with pytest.raises(ClientError) as refused:
        cabal.restore(point, {"targetTableName": "restored"})
    assert code_of(refused) == "AccessDeniedException"


def test_a_vault_can_be_failed(cabal: Cabal) -> None:
    cabal.make_vaults()
    cabal.service.faults.apply({"vault_states": {VAULT: "FAILED"}})

    assert cabal.primary.describe_backup_vault(BackupVaultName=VAULT)["VaultState"] == "FAILED"
    job = cabal.start_backup()
    cabal.advance(minutes=15)
    assert cabal.primary.describe_backup_job(BackupJobId=job)["State"] == "FAILED"


def test_jobs_can_complete_with_issues(cabal: Cabal) -> None:
    cabal.make_vaults()
    for kind in ("backup", "copy"):
        cabal.service.faults.fail_next(kind, message="Some are left out.", state="COMPLETED")

    copy = cabal.copy(cabal.back_up(FILE_SYSTEM_ARN))

    (job,) = cabal.primary.list_backup_jobs()["BackupJobs"]
    for each in (job, copy):
        assert (each["State"], each["StatusMessage"]) == ("COMPLETED", "Some are left out.")
    assert [each["Status"] for each in cabal.points()] == ["COMPLETED"]


def test_points_can_outlive_their_end(cabal: Cabal) -> None:
    cabal.make_vaults()
    cabal.back_up(Lifecycle={"DeleteAfterDays": 1})
    cabal.service.faults.apply({"hold": ["expiry"]})
    cabal.advance(days=3)
    assert [each["Status"] for each in cabal.points()] == ["COMPLETED"]

    cabal.service.faults.clear()
    cabal.advance(minutes=1)
    assert cabal.points() == []
