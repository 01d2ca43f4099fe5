"""Vaults, their locks, policies, notifications and tags."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.sandbox.backup.cabal import (
    ACCOUNT,
    DR_VAULT,
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
    for policy in ("nonsense", "{}", '{"Statement": [{"Effect": "Perhaps"}]}'):
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
