"""Copies to the other region, cold storage, expiry."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.backup.jobs.copies import COLD, OUTSIDE_LOCK
from local_aws_tests.unit.account import (
    ACCOUNT,
    BACKUP_ROLE,
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

KEY_OF_PRIMARY = f"arn:aws:kms:us-west-1:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012"


@pytest.fixture
def ready(account: Account) -> Account:
    account.opt_in()
    account.make_vaults()
    return account


def test_a_copy_is_a_new_point_with_the_creation_date_of_the_source(ready: Account) -> None:
    ready.world.tags[PRIMARY] = {TABLE_ARN: {"owner": "mail", "kept": "no", "aws:made": "by AWS"}}
    source = ready.back_up(RecoveryPointTags={"kept": "yes"})
    ready.world.tags[PRIMARY] = {}
    ready.advance(days=3)
    job = ready.copy(source, Lifecycle=YEAR)
    assert (job["State"], job["SourceRecoveryPointArn"]) == ("COMPLETED", source)
    assert job["DestinationRecoveryPointArn"].startswith("arn:aws:backup:us-west-2:")
    original = ready.points()[0]
    copy = ready.points(ready.dr, DR_VAULT)[0]
    assert copy["RecoveryPointArn"] == job["DestinationRecoveryPointArn"]
    assert copy["CreationDate"] == original["CreationDate"]
    assert copy["CompletionDate"] > original["CompletionDate"] + timedelta(days=3)
    assert copy["ResourceArn"] == TABLE_ARN
    tags = {"owner": "mail", "kept": "yes"}
    assert ready.primary.list_tags(ResourceArn=source)["Tags"] == tags
    assert ready.dr.list_tags(ResourceArn=copy["RecoveryPointArn"])["Tags"] == tags


def test_a_copy_without_a_lifecycle_has_that_of_the_source(ready: Account) -> None:
    ready.copy(ready.back_up(Lifecycle={"DeleteAfterDays": 100}))
    assert ready.points(ready.dr, DR_VAULT)[0]["Lifecycle"] == {"DeleteAfterDays": 100}


def test_a_copy_past_its_retention_expires_at_once(ready: Account) -> None:
    source = ready.back_up()
    ready.advance(days=10)
    job = ready.copy(source, Lifecycle={"DeleteAfterDays": 9})
    assert job["State"] == "COMPLETED"
    assert ready.points(ready.dr, DR_VAULT) == []


def test_table_points_from_before_the_opt_in_are_not_copied(account: Account) -> None:
    account.make_vaults()
    table, files = account.back_up(), account.back_up(FILE_SYSTEM_ARN)
    account.opt_in()
    refused = account.copy(table)
    assert refused["State"] == "FAILED"
    assert "without advanced features" in refused["StatusMessage"]
    assert account.copy(files)["State"] == "COMPLETED"
    assert account.copy(account.back_up())["State"] == "COMPLETED"


def test_a_cold_point_is_not_copied(ready: Account) -> None:
    source = ready.back_up()
    ready.advance(days=30)
    job = ready.copy(source)
    assert (job["State"], job["StatusMessage"]) == ("FAILED", COLD)


def test_a_cold_copy_comes_back_by_way_of_a_restore_in_its_region(ready: Account) -> None:
    """It is restored in the region of its vault only; an on-demand backup of the result is warm,
    of today, and carries its tags to where it is copied.
    """
    ready.copy(ready.back_up(), Lifecycle=YEAR)
    (copy,) = ready.points(ready.dr, DR_VAULT)
    ready.advance(days=31)
    request: dict[str, Any] = {
        "RecoveryPointArn": copy["RecoveryPointArn"],
        "IamRoleArn": RESTORE_ROLE,
        "Metadata": {"targetTableName": "salvaged"},
    }
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        ready.primary.start_restore_job(**request)
    other_key = {"encryptionType": "KMS", "kmsMasterKeyArn": KEY_OF_PRIMARY}
    refused = ready.dr.start_restore_job(
        **{**request, "Metadata": {"targetTableName": "other-key", **other_key}}
    )
    job = ready.dr.start_restore_job(**request)["RestoreJobId"]
    ready.advance(hours=5)
    failed = ready.dr.describe_restore_job(RestoreJobId=refused["RestoreJobId"])
    assert (failed["Status"], "is not in us-west-2" in failed["StatusMessage"]) == ("FAILED", True)
    table = ready.dr.describe_restore_job(RestoreJobId=job)["CreatedResourceArn"]
    backup = {
        "BackupVaultName": DR_VAULT,
        "ResourceArn": table,
        "IamRoleArn": BACKUP_ROLE,
        "Lifecycle": {"DeleteAfterDays": 30},
        "RecoveryPointTags": {"night": "the first"},
    }
    with pytest.raises(ClientError, match="is not in this Region"):
        ready.primary.start_backup_job(**{**backup, "BackupVaultName": VAULT})
    again = ready.dr.start_backup_job(**backup)["RecoveryPointArn"]
    ready.advance(hours=1)
    ready.dr.start_copy_job(
        RecoveryPointArn=again,
        SourceBackupVaultName=DR_VAULT,
        DestinationBackupVaultArn=VAULT_ARN,
        IamRoleArn=BACKUP_ROLE,
        Lifecycle=YEAR,
    )
    ready.advance(hours=1)
    (back,) = (point for point in ready.points() if point["ResourceArn"] == table)
    assert back["CreationDate"] > copy["CreationDate"]
    tags = ready.primary.list_tags(ResourceArn=back["RecoveryPointArn"])["Tags"]
    assert tags == {"night": "the first"}


@pytest.mark.parametrize("days", [29, 366])
def test_a_lifecycle_outside_the_lock_of_the_target_fails_the_copy(
    account: Account, days: int
) -> None:
    account.opt_in()
    account.make_vaults(lock=True)
    job = account.copy(account.back_up(), Lifecycle={"DeleteAfterDays": days})
    assert (job["State"], job["StatusMessage"]) == ("FAILED", OUTSIDE_LOCK)
    assert OUTSIDE_LOCK == (
        "Copy job failed. The retention specified in the job is not within the range "
        "specified for the target Backup Vault."
    )
    assert account.points(account.dr, DR_VAULT) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"IamRoleArn": RESTORE_ROLE}, "backup:CopyIntoBackupVault"),
        ({"DestinationBackupVaultArn": f"{DR_VAULT_ARN}2"}, "does not exist"),
        (
            {"DestinationBackupVaultArn": DR_VAULT_ARN.replace(ACCOUNT, "000000000000")},
            "Cross-account",
        ),
    ],
)
def test_a_copy_that_is_not_possible_fails(
    ready: Account, change: dict[str, str], message: str
) -> None:
    job = ready.copy(ready.back_up(), **change)
    assert job["State"] == "FAILED"
    assert message in job["StatusMessage"]


@pytest.mark.parametrize(
    ("vault", "action"),
    [
        ("dr", "backup:CopyIntoBackupVault"),
        ("primary", "backup:CopyFromBackupVault"),
        ("primary", "backup:StartCopyJob"),
    ],
)
def test_an_access_policy_can_deny_copies(ready: Account, vault: str, action: str) -> None:
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": BACKUP_ROLE},
        "Action": [action],
        "Resource": "*",
    }
    getattr(ready, vault).put_backup_vault_access_policy(
        BackupVaultName=DR_VAULT if vault == "dr" else VAULT,
        Policy=json.dumps({"Statement": [statement]}),
    )
    job = ready.copy(ready.back_up())
    assert (job["State"], job["MessageCategory"]) == ("FAILED", "AccessDenied")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"RecoveryPointArn": "arn:aws:backup:x"}, "ResourceNotFoundException"),
        ({"SourceBackupVaultName": "other"}, "ResourceNotFoundException"),
        ({"DestinationBackupVaultArn": DR_VAULT}, "InvalidParameterValueException"),
        ({"DestinationBackupVaultArn": VAULT_ARN}, "InvalidRequestException"),
    ],
)
def test_invalid_copies_are_refused(ready: Account, change: dict[str, str], error: str) -> None:
    source = ready.back_up()
    with pytest.raises(getattr(ready.primary.exceptions, error)):
        ready.start_copy(source, **change)


def test_a_lost_primary_is_copied_back_and_restored(ready: Account) -> None:
    copied = ready.copy(ready.back_up())["DestinationRecoveryPointArn"]
    job_id = ready.dr.start_copy_job(
        RecoveryPointArn=copied,
        SourceBackupVaultName=DR_VAULT,
        DestinationBackupVaultArn=VAULT_ARN,
        IamRoleArn=BACKUP_ROLE,
    )["CopyJobId"]
    ready.advance(minutes=30)
    back = ready.dr.describe_copy_job(CopyJobId=job_id)["CopyJob"]
    assert back["State"] == "COMPLETED"
    restored = ready.restore(
        back["DestinationRecoveryPointArn"], {"targetTableName": "addresses-restored"}
    )
    assert restored["Status"] == "COMPLETED"


def test_copying_back_needs_the_opt_in_of_the_region_it_starts_in(account: Account) -> None:
    account.make_vaults()
    account.primary.update_region_settings(ResourceTypeManagementPreference={"DynamoDB": True})
    copied = account.copy(account.back_up())["DestinationRecoveryPointArn"]
    request = {
        "RecoveryPointArn": copied,
        "SourceBackupVaultName": DR_VAULT,
        "DestinationBackupVaultArn": VAULT_ARN,
        "IamRoleArn": BACKUP_ROLE,
    }
    for strict, state in ((True, "FAILED"), (False, "COMPLETED")):
        account.service.settings.advanced_features_needed_everywhere = strict
        job_id = account.dr.start_copy_job(**request)["CopyJobId"]
        account.advance(minutes=30)
        assert account.dr.describe_copy_job(CopyJobId=job_id)["CopyJob"]["State"] == state


def test_copy_lists_have_all_filters(ready: Account) -> None:
    table, files = ready.back_up(), ready.back_up(FILE_SYSTEM_ARN)
    ready.copy(table)
    ready.copy(files, IamRoleArn=RESTORE_ROLE)

    def types(**filters: Any) -> list[str]:
        return [job["ResourceType"] for job in ready.primary.list_copy_jobs(**filters)["CopyJobs"]]

    assert types() == ["EFS", "DynamoDB"]
    assert types(ByState="COMPLETED") == ["DynamoDB"]
    assert types(ByResourceArn=FILE_SYSTEM_ARN) == ["EFS"]
    assert types(ByResourceType="DynamoDB") == ["DynamoDB"]
    assert types(ByDestinationVaultArn=DR_VAULT_ARN) == ["EFS", "DynamoDB"]
    assert types(ByDestinationVaultArn=VAULT_ARN) == []
    assert types(BySourceRecoveryPointArn=table) == ["DynamoDB"]
    assert types(ByMessageCategory="AccessDenied") == ["EFS"]
    assert len(types(MaxResults=1)) == 1
    assert ready.dr.list_copy_jobs()["CopyJobs"] == []


def test_the_token_of_a_copy_starts_one_job(ready: Account) -> None:
    source = ready.back_up()
    first = ready.start_copy(source, IdempotencyToken="once")
    assert ready.start_copy(source, IdempotencyToken="once") == first
    assert len(ready.primary.list_copy_jobs()["CopyJobs"]) == 1


def test_a_point_moves_to_cold_storage_and_expires_on_its_days(ready: Account) -> None:
    arn = ready.back_up()
    created = ready.points()[0]["CreationDate"]

    def storage() -> str:
        point = ready.primary.describe_recovery_point(BackupVaultName=VAULT, RecoveryPointArn=arn)
        return str(point["StorageClass"])

    ready.service.advance(created + timedelta(days=30, milliseconds=-1) - ready.clock.now())
    assert storage() == "WARM"
    ready.advance(milliseconds=1)
    assert storage() == "COLD"
    ready.service.advance(created + timedelta(days=365, milliseconds=-1) - ready.clock.now())
    assert len(ready.points()) == 1
    # At any moment of the eight hours after DeleteAt.
    ready.advance(hours=8, minutes=1)
    assert ready.points() == []
    with pytest.raises(ready.primary.exceptions.ResourceNotFoundException):
        storage()


def test_dynamodb_backups_expire_and_never_move_to_cold_storage(account: Account) -> None:
    account.make_vaults()
    arn = account.back_up()
    point = account.points()[0]
    assert set(point["CalculatedLifecycle"]) == {"DeleteAt"}
    account.advance(days=60)
    described = account.primary.describe_recovery_point(BackupVaultName=VAULT, RecoveryPointArn=arn)
    assert described["StorageClass"] == "WARM"
    account.advance(days=306)
    assert account.points() == []


def test_a_lifecycle_update_removes_omitted_values(ready: Account) -> None:
    names = {"BackupVaultName": VAULT, "RecoveryPointArn": ready.back_up()}
    answer = ready.primary.update_recovery_point_lifecycle(
        **names, Lifecycle={"DeleteAfterDays": 50}
    )
    assert answer["Lifecycle"] == {"DeleteAfterDays": 50}
    assert set(answer["CalculatedLifecycle"]) == {"DeleteAt"}
    ready.advance(days=40)
    assert ready.primary.describe_recovery_point(**names)["StorageClass"] == "WARM"
    ready.primary.update_recovery_point_lifecycle(
        **names, Lifecycle={"MoveToColdStorageAfterDays": -1, "DeleteAfterDays": -1}
    )
    ready.advance(days=400)
    assert ready.primary.describe_recovery_point(**names)["Lifecycle"] == {}


def test_the_days_before_cold_storage_are_fixed_in_cold_storage(ready: Account) -> None:
    names = {"BackupVaultName": VAULT, "RecoveryPointArn": ready.back_up()}
    ready.advance(days=31)
    with pytest.raises(ready.primary.exceptions.InvalidParameterValueException):
        ready.primary.update_recovery_point_lifecycle(**names, Lifecycle={"DeleteAfterDays": 365})
    kept = {"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 200}
    ready.primary.update_recovery_point_lifecycle(**names, Lifecycle=kept)


@pytest.mark.parametrize("problem", ["deleted", "powerless"])
def test_without_its_role_a_deleted_point_becomes_expired(ready: Account, problem: str) -> None:
    arn = ready.back_up()
    ready.world.roles.remove(BACKUP_ROLE)
    if problem == "powerless":
        ready.world.roles.add(BACKUP_ROLE, set())
    answer = ready.primary.delete_recovery_point(BackupVaultName=VAULT, RecoveryPointArn=arn)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    ready.advance(days=1)
    assert [point["Status"] for point in ready.points()] == ["EXPIRED"]
    assert BACKUP_ROLE in ready.points()[0]["StatusMessage"]


def test_without_its_role_an_expired_point_is_not_deleted(ready: Account) -> None:
    ready.back_up()
    ready.world.roles.remove(BACKUP_ROLE)
    ready.advance(days=366)
    assert [point["Status"] for point in ready.points()] == ["EXPIRED"]


def test_lists_of_points_filter_and_page(ready: Account) -> None:
    for _ in range(3):
        ready.back_up()
        ready.back_up(FILE_SYSTEM_ARN)
    listed = ready.primary.list_recovery_points_by_backup_vault

    def count(**filters: Any) -> int:
        return len(listed(BackupVaultName=VAULT, **filters)["RecoveryPoints"])

    dates = [point["CreationDate"] for point in ready.points()]
    assert dates == sorted(dates, reverse=True)
    assert count() == 6
    assert count(MaxResults=4) == 4
    assert count(ByResourceType="EFS") == 3
    assert count(ByResourceArn=TABLE_ARN) == 3
    assert count(ByBackupPlanId="nightly") == 0
    assert count(ByCreatedAfter=dates[2]) == 2
    assert count(ByCreatedBefore=dates[2]) == 3
    by_resource = ready.primary.list_recovery_points_by_resource(ResourceArn=TABLE_ARN)
    assert len(by_resource["RecoveryPoints"]) == 3


def test_protected_resources_are_those_with_points(ready: Account) -> None:
    ready.back_up()
    newest = ready.back_up()
    [resource] = ready.primary.list_protected_resources()["Results"]
    assert (resource["ResourceArn"], resource["ResourceName"]) == (TABLE_ARN, "addresses")
    described = ready.primary.describe_protected_resource(ResourceArn=TABLE_ARN)
    assert described["LastRecoveryPointArn"] == newest
    assert described["LastBackupVaultArn"] == VAULT_ARN
    in_vault = ready.primary.list_protected_resources_by_backup_vault(BackupVaultName=VAULT)
    assert len(in_vault["Results"]) == 1
    with pytest.raises(ready.primary.exceptions.ResourceNotFoundException):
        ready.primary.describe_protected_resource(ResourceArn=FILE_SYSTEM_ARN)
