"""Vaults, their locks, policies, notifications and tags."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws_tests.unit.account import (
    ACCOUNT,
    BACKUP_ROLE,
    DR_VAULT,
    FILE_SYSTEM_ARN,
    OPERATOR,
    PRIMARY,
    VAULT,
    VAULT_ARN,
    YEAR,
    Account,
)


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    code: str = error.value.response["Error"]["Code"]
    return code


def test_a_new_vault_is_empty_and_unlocked(account: Account) -> None:
    made = account.primary.create_backup_vault(BackupVaultName=VAULT)
    assert made["BackupVaultArn"] == VAULT_ARN
    vault = account.primary.describe_backup_vault(BackupVaultName=VAULT)
    assert vault["Locked"] is False
    assert vault["NumberOfRecoveryPoints"] == 0
    assert "MinRetentionDays" not in vault
    assert "LockDate" not in vault
    assert account.dr.list_backup_vaults()["BackupVaultList"] == []


def test_the_same_creator_request_id_makes_one_vault(account: Account) -> None:
    first = account.primary.create_backup_vault(BackupVaultName=VAULT, CreatorRequestId="a")
    again = account.primary.create_backup_vault(BackupVaultName=VAULT, CreatorRequestId="a")
    assert again["CreationDate"] == first["CreationDate"]
    with pytest.raises(account.primary.exceptions.AlreadyExistsException):
        account.primary.create_backup_vault(BackupVaultName=VAULT, CreatorRequestId="b")


def test_a_missing_vault_answers_access_denied_unless_set_otherwise(account: Account) -> None:
    with pytest.raises(ClientError) as refused:
        account.primary.describe_backup_vault(BackupVaultName=VAULT)
    assert code_of(refused) == "AccessDeniedException"
    account.service.settings.missing_vault_error = "ResourceNotFoundException"
    with pytest.raises(account.primary.exceptions.ResourceNotFoundException):
        account.primary.describe_backup_vault(BackupVaultName=VAULT)


def test_a_governance_lock_can_be_removed(account: Account) -> None:
    account.make_vaults(lock=True)
    vault = account.primary.describe_backup_vault(BackupVaultName=VAULT)
    assert (vault["Locked"], vault["MinRetentionDays"], vault["MaxRetentionDays"]) == (
        True,
        30,
        365,
    )
    assert "LockDate" not in vault
    account.advance(days=400)
    account.primary.delete_backup_vault_lock_configuration(BackupVaultName=VAULT)
    assert account.primary.describe_backup_vault(BackupVaultName=VAULT)["Locked"] is False
    states = [event.detail.get("isLocked") for event in account.events("Backup Vault State Change")]
    assert states[-3:] == ["true", "true", "false"]


def test_a_compliance_lock_becomes_immutable(account: Account) -> None:
    account.make_vaults()
    put = account.primary.put_backup_vault_lock_configuration
    put(BackupVaultName=VAULT, MinRetentionDays=30, ChangeableForDays=3)
    until = account.primary.describe_backup_vault(BackupVaultName=VAULT)["LockDate"]
    put(BackupVaultName=VAULT, MinRetentionDays=30)
    assert account.primary.describe_backup_vault(BackupVaultName=VAULT)["LockDate"] == until
    account.advance(days=2, hours=23)
    put(BackupVaultName=VAULT, MinRetentionDays=31, ChangeableForDays=3)
    account.advance(days=3)
    with pytest.raises(account.primary.exceptions.InvalidRequestException):
        put(BackupVaultName=VAULT, MinRetentionDays=1)
    with pytest.raises(account.primary.exceptions.InvalidRequestException):
        account.primary.delete_backup_vault_lock_configuration(BackupVaultName=VAULT)


@pytest.mark.parametrize(
    "lock",
    [
        {"MinRetentionDays": 0},
        {"MaxRetentionDays": 36501},
        {"MinRetentionDays": 31, "MaxRetentionDays": 30},
        {"MinRetentionDays": 30, "ChangeableForDays": 2},
    ],
)
def test_invalid_locks_are_refused(account: Account, lock: dict[str, int]) -> None:
    account.make_vaults()
    with pytest.raises(account.primary.exceptions.InvalidParameterValueException):
        account.primary.put_backup_vault_lock_configuration(BackupVaultName=VAULT, **lock)


def test_removing_a_missing_lock_is_refused(account: Account) -> None:
    account.make_vaults()
    with pytest.raises(account.primary.exceptions.InvalidRequestException):
        account.primary.delete_backup_vault_lock_configuration(BackupVaultName=VAULT)
    account.service.settings.delete_missing_lock_refused = False
    account.primary.delete_backup_vault_lock_configuration(BackupVaultName=VAULT)


@pytest.mark.parametrize(
    "error",
    ["InvalidRequestException", "AccessDeniedException", "InvalidParameterValueException"],
)
def test_a_lock_refuses_deletes_and_lifecycle_changes_of_any_point(
    account: Account, error: Any
) -> None:
    account.opt_in()
    account.make_vaults()
    point = account.back_up()  # older than the lock
    account.advance(days=100)  # and past the minimum
    account.primary.put_backup_vault_lock_configuration(BackupVaultName=VAULT, MinRetentionDays=30)
    account.service.settings.locked_delete_error = error
    names = {"BackupVaultName": VAULT, "RecoveryPointArn": point}
    with pytest.raises(ClientError) as refused:
        account.primary.delete_recovery_point(**names)
    assert code_of(refused) == error
    with pytest.raises(ClientError) as refused:
        account.primary.update_recovery_point_lifecycle(**names, Lifecycle=YEAR)
    assert code_of(refused) == error
    assert [p["RecoveryPointArn"] for p in account.points()] == [point]


def test_a_vault_with_points_is_not_deleted_and_refuses_once_more_when_emptied(
    account: Account,
) -> None:
    account.opt_in()
    account.make_vaults()
    point = account.back_up()
    refusal = account.primary.exceptions.InvalidRequestException
    with pytest.raises(refusal) as refused:
        account.primary.delete_backup_vault(BackupVaultName=VAULT)
    assert refused.value.response["Code"] == "ERROR_9101"
    account.primary.delete_recovery_point(BackupVaultName=VAULT, RecoveryPointArn=point)
    assert account.points()[0]["Status"] == "DELETING"
    account.advance(minutes=1)
    assert account.points() == []
    with pytest.raises(refusal):
        account.primary.delete_backup_vault(BackupVaultName=VAULT)
    account.primary.delete_backup_vault(BackupVaultName=VAULT)
    assert account.primary.list_backup_vaults()["BackupVaultList"] == []


def test_an_access_policy_denies_its_principals(account: Account) -> None:
    account.opt_in()
    account.make_vaults()
    point = account.back_up()
    admin = f"arn:aws:iam::{ACCOUNT}:role/backup-admin"
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "backup:DeleteRecoveryPoint",
        "Resource": "*",
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": admin}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    account.primary.put_backup_vault_access_policy(BackupVaultName=VAULT, Policy=policy)
    assert account.primary.get_backup_vault_access_policy(BackupVaultName=VAULT)["Policy"] == policy
    names = {"BackupVaultName": VAULT, "RecoveryPointArn": point}
    with pytest.raises(ClientError) as refused:
        account.primary.delete_recovery_point(**names)
    assert code_of(refused) == "AccessDeniedException"
    assert OPERATOR in str(refused.value)
    account.client(PRIMARY, admin).delete_recovery_point(**names)


def test_an_invalid_access_policy_is_refused(account: Account) -> None:
    account.make_vaults()
    with_wildcard = {"Effect": "Deny", "Principal": "*", "Action": "backup:*", "Resource": "*"}
    for policy in (
        "nonsense",
        "{}",
        '{"Statement": [{"Effect": "Perhaps"}]}',
        json.dumps({"Statement": [with_wildcard]}),
    ):
        with pytest.raises(account.primary.exceptions.InvalidParameterValueException):
            account.primary.put_backup_vault_access_policy(BackupVaultName=VAULT, Policy=policy)
    with pytest.raises(account.primary.exceptions.ResourceNotFoundException):
        account.primary.get_backup_vault_access_policy(BackupVaultName=VAULT)
    account.primary.delete_backup_vault_access_policy(BackupVaultName=VAULT)


def test_notifications_are_put_read_and_deleted(account: Account) -> None:
    account.make_vaults()
    topic = f"arn:aws:sns:us-west-1:{ACCOUNT}:alerts"
    account.primary.put_backup_vault_notifications(
        BackupVaultName=VAULT, SNSTopicArn=topic, BackupVaultEvents=["BACKUP_JOB_COMPLETED"]
    )
    found = account.primary.get_backup_vault_notifications(BackupVaultName=VAULT)
    assert (found["SNSTopicArn"], found["BackupVaultEvents"]) == (topic, ["BACKUP_JOB_COMPLETED"])
    account.primary.delete_backup_vault_notifications(BackupVaultName=VAULT)
    with pytest.raises(account.primary.exceptions.ResourceNotFoundException):
        account.primary.get_backup_vault_notifications(BackupVaultName=VAULT)
    for wrong in (f"{topic}.fifo", topic.replace(ACCOUNT, "000000000000"), "alerts"):
        with pytest.raises(account.primary.exceptions.InvalidParameterValueException):
            account.primary.put_backup_vault_notifications(
                BackupVaultName=VAULT, SNSTopicArn=wrong, BackupVaultEvents=["COPY_JOB_FAILED"]
            )


def test_resources_of_aws_backup_have_tags(account: Account) -> None:
    account.primary.create_backup_vault(BackupVaultName=VAULT, BackupVaultTags={"stage": "dev"})
    account.primary.tag_resource(ResourceArn=VAULT_ARN, Tags={"owner": "mail"})
    assert account.primary.list_tags(ResourceArn=VAULT_ARN)["Tags"] == {
        "stage": "dev",
        "owner": "mail",
    }
    account.primary.untag_resource(ResourceArn=VAULT_ARN, TagKeyList=["stage"])
    assert account.primary.list_tags(ResourceArn=VAULT_ARN)["Tags"] == {"owner": "mail"}
    with pytest.raises(account.primary.exceptions.ResourceNotFoundException):
        account.primary.list_tags(ResourceArn=VAULT_ARN.replace(VAULT, DR_VAULT))
    with pytest.raises(account.primary.exceptions.InvalidParameterValueException):
        account.primary.tag_resource(ResourceArn=VAULT_ARN, Tags={"aws:owner": "mail"})


def test_vaults_of_other_types_are_not_listed(account: Account) -> None:
    account.make_vaults()
    listed = account.primary.list_backup_vaults
    assert len(listed(ByVaultType="BACKUP_VAULT")["BackupVaultList"]) == 1
    assert listed(ByVaultType="LOGICALLY_AIR_GAPPED_BACKUP_VAULT")["BackupVaultList"] == []
    assert listed(ByShared=True)["BackupVaultList"] == []


def deny(account: Account, action: str, principal: str) -> None:
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": principal},
        "Action": action,
        "Resource": "*",
    }
    account.primary.put_backup_vault_access_policy(
        BackupVaultName=VAULT, Policy=json.dumps({"Statement": [statement]})
    )


def test_an_access_policy_applies_to_the_jobs_of_a_plan(account: Account) -> None:
    account.make_vaults()
    account.make_plan()
    deny(account, "backup:StartBackupJob", BACKUP_ROLE)

    account.advance(days=1)

    jobs = account.primary.list_backup_jobs()["BackupJobs"]
    assert {(job["State"], job["MessageCategory"]) for job in jobs} == {("FAILED", "AccessDenied")}


def test_an_access_policy_can_deny_restores(account: Account) -> None:
    account.make_vaults()
    point = account.back_up()
    deny(account, "backup:StartRestoreJob", OPERATOR)

    with pytest.raises(ClientError) as refused:
        account.restore(point, {"targetTableName": "restored"})
    assert code_of(refused) == "AccessDeniedException"


def test_a_vault_can_be_in_state_failed(account: Account) -> None:
    account.make_vaults()
    account.service.faults.apply({"vault_states": {VAULT: "FAILED"}})

    assert account.primary.describe_backup_vault(BackupVaultName=VAULT)["VaultState"] == "FAILED"
    job = account.start_backup()
    account.advance(minutes=15)
    assert account.primary.describe_backup_job(BackupJobId=job)["State"] == "FAILED"


def test_jobs_can_complete_with_issues(account: Account) -> None:
    account.make_vaults()
    for kind in ("backup", "copy"):
        account.service.faults.fail_next(kind, message="Some are left out.", state="COMPLETED")

    copy = account.copy(account.back_up(FILE_SYSTEM_ARN))

    (job,) = account.primary.list_backup_jobs()["BackupJobs"]
    for each in (job, copy):
        assert (each["State"], each["StatusMessage"]) == ("COMPLETED", "Some are left out.")
    assert [each["Status"] for each in account.points()] == ["COMPLETED"]


def test_expiry_can_be_held(account: Account) -> None:
    account.make_vaults()
    account.back_up(Lifecycle={"DeleteAfterDays": 1})
    account.service.faults.apply({"hold": ["expiry"]})
    account.advance(days=3)
    assert [each["Status"] for each in account.points()] == ["COMPLETED"]

    account.service.faults.clear()
    account.advance(minutes=1)
    assert account.points() == []
