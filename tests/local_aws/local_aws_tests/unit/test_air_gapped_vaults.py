"""Logically air-gapped vaults: copies that no one can delete, shared with another account."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_aws_tests.unit.account import (
    ACCOUNT,
    BACKUP_ROLE,
    DR,
    DR_VAULT,
    DR_VAULT_ARN,
    FILE_SYSTEM_ARN,
    PRIMARY,
    RESTORE_ROLE,
    TABLE_ARN,
    VAULT,
    VAULT_ARN,
    YEAR,
    Account,
)
from local_aws_tests.unit.memory_world import RESTORE_ACTIONS

GAPPED = "gapped"
GAPPED_ARN = f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:{GAPPED}"
OTHER = replace(DR, account="210987654321")
OTHER_ROLE = f"arn:aws:iam::{OTHER.account}:role/restore-role"
KEY = f"arn:aws:kms:us-west-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
FORTNIGHT = {"DeleteAfterDays": 14}


@pytest.fixture
def ready(account: Account) -> Account:
    """The vaults, and an air-gapped one in the DR region that accepts 7 to 30 days."""
    account.opt_in()
    account.make_vaults()
    make(account)
    account.advance(minutes=5)
    return account


def make(account: Account, name: str = GAPPED, least: int = 7, most: int = 30) -> Any:
    return account.dr.create_logically_air_gapped_backup_vault(
        BackupVaultName=name, MinRetentionDays=least, MaxRetentionDays=most
    )


def copied(account: Account, resource: str = TABLE_ARN) -> str:
    """Back up and copy into the air-gapped vault; returns the ARN of the copy."""
    job = account.copy(
        account.back_up(resource), DestinationBackupVaultArn=GAPPED_ARN, Lifecycle=FORTNIGHT
    )
    assert (job["State"], job["DestinationVaultType"]) == (
        "COMPLETED",
        "LOGICALLY_AIR_GAPPED_BACKUP_VAULT",
    )
    return str(job["DestinationRecoveryPointArn"])


@contextmanager
def refused(*codes: str) -> Iterator[None]:
    with pytest.raises(ClientError) as raised:
        yield
    assert raised.value.response["Error"]["Code"] in codes


def ram(account: Account, scope: Any) -> Any:
    """A client of AWS RAM of this account."""
    client = boto3.client(
        "ram",
        region_name=scope.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    return account.answering(client, scope)


def share(account: Account) -> str:
    made = ram(account, DR).create_resource_share(
        name="a-share", resourceArns=[GAPPED_ARN], principals=[OTHER.account]
    )
    return str(made["resourceShare"]["resourceShareArn"])


def accept(account: Account) -> None:
    other = ram(account, OTHER)
    (invitation,) = other.get_resource_share_invitations()["resourceShareInvitations"]
    other.accept_resource_share_invitation(
        resourceShareInvitationArn=invitation["resourceShareInvitationArn"]
    )


def invitations(account: Account) -> list[str]:
    found = ram(account, OTHER).get_resource_share_invitations()["resourceShareInvitations"]
    return [each["status"] for each in found]


def principals(account: Account) -> list[str]:
    found = ram(account, DR).get_resource_share_associations(associationType="PRINCIPAL")
    return [each["status"] for each in found["resourceShareAssociations"]]


def test_it_is_locked_in_compliance_mode_from_the_beginning(account: Account) -> None:
    assert make(account)["VaultState"] == "CREATING"
    account.advance(minutes=5)
    vault = account.dr.describe_backup_vault(BackupVaultName=GAPPED)
    assert vault["VaultType"] == "LOGICALLY_AIR_GAPPED_BACKUP_VAULT"
    assert vault["VaultState"] == "AVAILABLE"
    assert (vault["Locked"], vault["LockDate"]) == (True, vault["CreationDate"])
    assert (vault["MinRetentionDays"], vault["MaxRetentionDays"]) == (7, 30)
    assert vault["EncryptionKeyType"] == "AWS_OWNED_KMS_KEY"
    with refused("InvalidRequestException"):
        account.dr.delete_backup_vault_lock_configuration(BackupVaultName=GAPPED)
    with refused("InvalidRequestException"):
        account.dr.put_backup_vault_lock_configuration(BackupVaultName=GAPPED, MaxRetentionDays=8)


@pytest.mark.parametrize(("least", "most"), [(6, 30), (31, 30), (7, 36501)])
def test_its_retention_is_at_least_seven_days(account: Account, least: int, most: int) -> None:
    with refused("InvalidParameterValueException"):
        make(account, least=least, most=most)


def test_it_receives_copies_and_no_backups(ready: Account) -> None:
    ready.primary.create_logically_air_gapped_backup_vault(
        BackupVaultName="here", MinRetentionDays=7, MaxRetentionDays=30
    )
    ready.advance(minutes=5)
    with refused("InvalidParameterValueException"):
        ready.start_backup(BackupVaultName="here", Lifecycle=FORTNIGHT)
    with refused("InvalidParameterValueException"):
        ready.make_plan(TargetBackupVaultName="here")
    point = copied(ready)
    assert point.startswith(f"arn:aws:backup:us-west-2:{ACCOUNT}:recovery-point:")


def test_a_copy_while_it_is_created_fails(account: Account) -> None:
    account.opt_in()
    account.make_vaults()
    point = account.back_up()
    make(account)
    account.service.settings.air_gapped_creation *= 100
    make(account, "later")
    arn = GAPPED_ARN.replace(GAPPED, "later")
    job = account.copy(point, DestinationBackupVaultArn=arn, Lifecycle=FORTNIGHT)
    assert job["State"] == "FAILED"
    assert "is CREATING" in job["StatusMessage"]


@pytest.mark.parametrize("days", [6, 31])
def test_a_copy_outside_its_retention_fails(ready: Account, days: int) -> None:
    job = ready.copy(
        ready.back_up(),
        DestinationBackupVaultArn=GAPPED_ARN,
        Lifecycle={"DeleteAfterDays": days},
    )
    assert job["State"] == "FAILED"


def test_a_nightly_rule_copies_into_both_vaults(ready: Account) -> None:
    actions = [
        {"DestinationBackupVaultArn": DR_VAULT_ARN, "Lifecycle": YEAR},
        {"DestinationBackupVaultArn": GAPPED_ARN, "Lifecycle": FORTNIGHT},
    ]
    ready.make_plan(CopyActions=actions)
    ready.advance(days=1)
    for vault in (DR_VAULT, GAPPED):
        points = ready.points(ready.dr, vault)
        assert {point["ResourceType"] for point in points} == {"DynamoDB", "EFS"}


def test_no_one_deletes_a_copy_and_the_vault_until_the_copy_expires(ready: Account) -> None:
    point = copied(ready)
    named = {"BackupVaultName": GAPPED, "RecoveryPointArn": point}
    with refused("InvalidRequestException"):
        ready.dr.delete_recovery_point(**named)
    with refused("InvalidRequestException"):
        ready.dr.update_recovery_point_lifecycle(**named, Lifecycle={"DeleteAfterDays": 7})
    with refused("InvalidRequestException"):
        ready.dr.delete_backup_vault(BackupVaultName=GAPPED)
    ready.advance(days=13)
    assert ready.points(ready.dr, GAPPED)
    ready.advance(days=2)
    assert not ready.points(ready.dr, GAPPED)


def test_its_name_is_taken_until_it_is_removed(ready: Account) -> None:
    ready.dr.delete_backup_vault(BackupVaultName=GAPPED)
    assert ready.dr.describe_backup_vault(BackupVaultName=GAPPED)["VaultState"] == "AVAILABLE"
    with refused("AlreadyExistsException"):
        make(ready)
    ready.advance(minutes=4)
    with refused("AccessDeniedException"):
        ready.dr.describe_backup_vault(BackupVaultName=GAPPED)
    make(ready)


def test_a_copy_from_it_needs_a_customer_key(ready: Account) -> None:
    copied(ready)
    (point,) = ready.points(ready.dr, GAPPED)
    request = {
        "RecoveryPointArn": point["RecoveryPointArn"],
        "SourceBackupVaultName": GAPPED,
        "DestinationBackupVaultArn": VAULT_ARN,
        "IamRoleArn": BACKUP_ROLE,
        "Lifecycle": YEAR,
    }

    def outcome() -> str:
        job_id = ready.dr.start_copy_job(**request)["CopyJobId"]
        ready.advance(minutes=30)
        return str(ready.dr.describe_copy_job(CopyJobId=job_id)["CopyJob"]["State"])

    assert outcome() == "FAILED"
    ready.service.vaults(PRIMARY)[VAULT].encryption_key_arn = KEY
    assert outcome() == "COMPLETED"


def test_it_is_listed_with_its_type(ready: Account) -> None:
    def listed(**filters: Any) -> set[str]:
        found = ready.dr.list_backup_vaults(**filters)["BackupVaultList"]
        return {vault["BackupVaultName"] for vault in found}

    assert listed() == {DR_VAULT}
    assert listed(ByVaultType="BACKUP_VAULT") == {DR_VAULT}
    assert listed(ByVaultType="LOGICALLY_AIR_GAPPED_BACKUP_VAULT") == {GAPPED}
    assert listed(ByShared=True) == set()


@pytest.mark.parametrize("resource", [TABLE_ARN, FILE_SYSTEM_ARN])
def test_another_account_restores_from_an_accepted_share(ready: Account, resource: str) -> None:
    point = copied(ready, resource)
    other = ready.client(OTHER)
    ready.world.roles.add(OTHER_ROLE, RESTORE_ACTIONS)
    named = {"BackupVaultName": GAPPED, "BackupVaultAccountId": ACCOUNT}
    share(ready)
    assert (invitations(ready), principals(ready)) == (["PENDING"], ["ASSOCIATING"])
    with refused("AccessDeniedException"):
        other.list_recovery_points_by_backup_vault(**named)

    accept(ready)
    assert (invitations(ready), principals(ready)) == (["ACCEPTED"], ["ASSOCIATED"])
    (vault,) = other.list_backup_vaults(ByShared=True)["BackupVaultList"]
    assert vault["BackupVaultArn"] == GAPPED_ARN
    assert other.describe_backup_vault(**named)["BackupVaultArn"] == GAPPED_ARN
    (listed,) = other.list_recovery_points_by_backup_vault(**named)["RecoveryPoints"]
    assert listed["RecoveryPointArn"] == point
    metadata = other.get_recovery_point_restore_metadata(**named, RecoveryPointArn=point)[
        "RestoreMetadata"
    ]
    metadata = (
        {"targetTableName": "brought-back"}
        if resource == TABLE_ARN
        else metadata | {"newFileSystem": "true", "CreationToken": "brought-back"}
    )
    request = {"RecoveryPointArn": point, "Metadata": metadata}
    with refused("InvalidParameterValueException"):
        other.start_restore_job(**request, IamRoleArn=RESTORE_ROLE)
    job_id = other.start_restore_job(**request, IamRoleArn=OTHER_ROLE)["RestoreJobId"]
    ready.advance(minutes=15)
    job = other.describe_restore_job(RestoreJobId=job_id)
    assert job["Status"] == "COMPLETED", job
    assert job["CreatedResourceArn"].split(":")[3:5] == [OTHER.region, OTHER.account]
    with refused("ResourceNotFoundException"):
        other.start_copy_job(
            RecoveryPointArn=point,
            SourceBackupVaultName=GAPPED,
            DestinationBackupVaultArn=GAPPED_ARN,
            IamRoleArn=OTHER_ROLE,
        )


def test_an_invitation_expires_and_the_owner_invites_again(ready: Account) -> None:
    owner, arn = ram(ready, DR), share(ready)
    ready.advance(hours=12)
    assert (invitations(ready), principals(ready)) == (["EXPIRED"], ["ASSOCIATING"])
    with refused("ResourceShareInvitationExpiredException"):
        accept(ready)
    again = {"resourceShareArn": arn, "principals": [OTHER.account]}
    owner.associate_resource_share(**again)
    assert invitations(ready) == ["EXPIRED"]
    owner.disassociate_resource_share(**again)
    owner.associate_resource_share(**again)
    accept(ready)
    assert principals(ready) == ["ASSOCIATED"]


def test_an_invitation_is_answered_once(ready: Account) -> None:
    share(ready)
    other = ram(ready, OTHER)
    (invitation,) = other.get_resource_share_invitations()["resourceShareInvitations"]
    asked = {"resourceShareInvitationArn": invitation["resourceShareInvitationArn"]}
    other.reject_resource_share_invitation(**asked)
    assert (invitations(ready), principals(ready)) == (["REJECTED"], ["FAILED"])
    with refused("ResourceShareInvitationAlreadyRejectedException"):
        other.accept_resource_share_invitation(**asked)


def test_a_deleted_share_ends_the_access(ready: Account) -> None:
    copied(ready)
    arn = share(ready)
    accept(ready)
    owner = ram(ready, DR)
    owner.delete_resource_share(resourceShareArn=arn)
    (listed,) = owner.get_resource_shares(resourceOwner="SELF")["resourceShares"]
    assert (listed["name"], listed["status"]) == ("a-share", "DELETED")
    assert ready.client(OTHER).list_backup_vaults(ByShared=True)["BackupVaultList"] == []


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"resourceArns": [DR_VAULT_ARN]}, "OperationNotPermittedException"),
        ({"principals": [ACCOUNT]}, "InvalidParameterException"),
        ({"principals": ["alice"]}, "InvalidParameterException"),
        (
            {"principals": [OTHER.account], "allowExternalPrincipals": False},
            "OperationNotPermittedException",
        ),
    ],
)
def test_only_air_gapped_vaults_are_shared_with_single_accounts(
    ready: Account, request_: dict[str, Any], code: str
) -> None:
    with refused(code):
        ram(ready, DR).create_resource_share(name="a-share", **request_)
    assert ram(ready, DR).get_resource_shares(resourceOwner="SELF")["resourceShares"] == []
