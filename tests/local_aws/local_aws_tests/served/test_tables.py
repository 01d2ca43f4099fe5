"""DynamoDB tables with AWS Backup and with point-in-time recovery."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.client import ACCOUNT, Sandbox
from local_aws_tests.served.backups import (
    VAULT,
    back_up,
    items,
    make_role,
    make_table,
    make_vault,
    opt_in,
    put,
)


def recovery(sandbox: Sandbox, table: str = "a-table") -> dict[str, Any]:
    found = sandbox.client("dynamodb").describe_continuous_backups(TableName=table)
    description: dict[str, Any] = found["ContinuousBackupsDescription"][
        "PointInTimeRecoveryDescription"
    ]
    return description


def restore(sandbox: Sandbox, target: str = "restored", **moment: Any) -> None:
    """Restore a-table to a point in time and wait until the target is ACTIVE."""
    dynamodb = sandbox.client("dynamodb")
    dynamodb.restore_table_to_point_in_time(
        SourceTableName="a-table", TargetTableName=target, **moment
    )
    sandbox.advance(minutes=1)


def test_a_recovery_point_contains_the_items_of_its_time(sandbox: Sandbox) -> None:
    arn = make_table(sandbox)
    put(sandbox, "a-table", "one", "before")
    put(sandbox, "a-table", "two", "before")
    opt_in(sandbox)
    role = make_role(sandbox)
    make_vault(sandbox)
    point = back_up(sandbox, arn)["RecoveryPointArn"]
    put(sandbox, "a-table", "one", "after")
    sandbox.client("dynamodb").delete_item(TableName="a-table", Key={"id": {"S": "two"}})

    job = sandbox.client("backup").start_restore_job(
        RecoveryPointArn=point,
        IamRoleArn=role,
        Metadata={"targetTableName": "restored", "encryptionType": "Default"},
    )["RestoreJobId"]
    sandbox.advance(hours=1)

    done = sandbox.client("backup").describe_restore_job(RestoreJobId=job)
    assert (done["Status"], done.get("StatusMessage")) == ("COMPLETED", None)
    assert items(sandbox, "restored") == {"one": "before", "two": "before"}
    assert items(sandbox, "a-table") == {"one": "after"}


def test_the_window_of_recovery(sandbox: Sandbox) -> None:
    make_table(sandbox, recovery=True)
    enabled = sandbox.now()

    sandbox.advance(days=2)
    young = recovery(sandbox)
    sandbox.advance(days=40)
    old = recovery(sandbox)

    seconds = timedelta(seconds=5)
    assert young["PointInTimeRecoveryStatus"] == "ENABLED"
    assert abs(young["EarliestRestorableDateTime"] - enabled) < seconds
    lag = enabled + timedelta(days=2, minutes=-5) - young["LatestRestorableDateTime"]
    assert abs(lag) < seconds
    reach = sandbox.now() - timedelta(days=35) - old["EarliestRestorableDateTime"]
    assert abs(reach) < seconds


def test_enabling_recovery_again_starts_a_new_window(sandbox: Sandbox) -> None:
    make_table(sandbox, recovery=True)
    sandbox.advance(days=10)
    dynamodb = sandbox.client("dynamodb")
    for enabled in (False, True):
        dynamodb.update_continuous_backups(
            TableName="a-table",
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled},
        )

    assert sandbox.now() - recovery(sandbox)["EarliestRestorableDateTime"] < timedelta(minutes=1)


def test_recovery_restores_any_time_in_the_window(sandbox: Sandbox) -> None:
    make_table(sandbox, recovery=True)
    dynamodb = sandbox.client("dynamodb")
    put(sandbox, "a-table", "one", "first")
    put(sandbox, "a-table", "two", "first")
    first = sandbox.advance(hours=1)
    sandbox.advance(seconds=1)
    put(sandbox, "a-table", "one", "second")
    dynamodb.delete_item(TableName="a-table", Key={"id": {"S": "two"}})
    second = sandbox.advance(hours=1)
    sandbox.advance(seconds=1)
    put(sandbox, "a-table", "three", "third")
    sandbox.advance(hours=1)

    restore(sandbox, "at-first", RestoreDateTime=first)
    restore(sandbox, "at-second", RestoreDateTime=second)
    restore(sandbox, "latest", UseLatestRestorableTime=True)

    assert items(sandbox, "at-first") == {"one": "first", "two": "first"}
    assert items(sandbox, "at-second") == {"one": "second"}
    assert items(sandbox, "latest") == {"one": "second", "three": "third"}


@pytest.mark.parametrize(("reading", "value"), [("included", "within"), ("excluded", "before")])
def test_the_second_that_is_named(sandbox: Sandbox, reading: str, value: str) -> None:
    make_table(sandbox, recovery=True)
    put(sandbox, "a-table", "one", "before")
    sandbox.settings(restored_second=reading)
    sandbox.advance(seconds=2)
    put(sandbox, "a-table", "one", "within")
    within = sandbox.now().replace(microsecond=0)
    sandbox.advance(seconds=2)
    put(sandbox, "a-table", "one", "after")
    sandbox.advance(hours=1)

    restore(sandbox, "named", RestoreDateTime=within)

    assert items(sandbox, "named") == {"one": value}


def test_a_restored_table_has_no_settings(sandbox: Sandbox) -> None:
    make_table(sandbox, recovery=True)
    sandbox.settings(table_restore=600)
    sandbox.advance(hours=1)
    dynamodb = sandbox.client("dynamodb")

    dynamodb.restore_table_to_point_in_time(
        SourceTableName="a-table", TargetTableName="restored", UseLatestRestorableTime=True
    )
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        dynamodb.describe_table(TableName="restored")
    sandbox.advance(seconds=3)
    during = dynamodb.describe_table(TableName="restored")["Table"]
    sandbox.advance(minutes=11)
    after = dynamodb.describe_table(TableName="restored")["Table"]

    assert (during["TableStatus"], after["TableStatus"]) == ("CREATING", "ACTIVE")
    assert during["RestoreSummary"]["RestoreInProgress"] is True
    assert after["RestoreSummary"]["RestoreInProgress"] is False
    assert recovery(sandbox, "restored") == {"PointInTimeRecoveryStatus": "DISABLED"}


@pytest.mark.parametrize(
    ("request_changes", "error"),
    [
        ({"SourceTableName": "no-such-table"}, "TableNotFoundException"),
        ({"TargetTableName": "a-table"}, "TableAlreadyExistsException"),
        ({"SourceTableName": "unprotected"}, "PointInTimeRecoveryUnavailableException"),
        ({"UseLatestRestorableTime": False}, "InvalidRestoreTimeException"),
    ],
)
def test_invalid_recoveries_are_refused(
    sandbox: Sandbox, request_changes: dict[str, Any], error: str
) -> None:
    make_table(sandbox, recovery=True)
    make_table(sandbox, "unprotected")
    request = {
        "SourceTableName": "a-table",
        "TargetTableName": "restored",
        "UseLatestRestorableTime": True,
    }

    with pytest.raises(ClientError, match=error):
        sandbox.client("dynamodb").restore_table_to_point_in_time(**request | request_changes)


def test_a_time_outside_the_window_is_refused(sandbox: Sandbox) -> None:
    make_table(sandbox, recovery=True)
    before = sandbox.now() - timedelta(days=1)

    with pytest.raises(ClientError, match="InvalidRestoreTimeException"):
        restore(sandbox, RestoreDateTime=before)


SLOW = {"table_visibility": 30, "table_creation": 60, "table_update": 60, "table_deletion": 60}
PITR = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
TTL = {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": "expires"}}
KEY = {"Key": {"id": {"S": "one"}}}
CREATION = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def status(sandbox: Sandbox, table: str = "a-table") -> str | None:
    """What DescribeTable says; None where it does not find the table."""
    try:
        described = sandbox.client("dynamodb").describe_table(TableName=table)["Table"]
    except ClientError:
        return None
    return str(described["TableStatus"])


def refusals(sandbox: Sandbox) -> dict[str, str]:
    """How each change of a-table, and the use of its name, is refused; without what is accepted.

    Each request is one that changes nothing, or one that is refused while the table is not ACTIVE.
    """
    dynamodb = sandbox.client("dynamodb")
    arn = f"arn:aws:dynamodb:us-west-1:{ACCOUNT}:table/a-table"
    another = {"SourceTableName": "another", "UseLatestRestorableTime": True}
    requests: dict[str, dict[str, Any]] = {
        "get_item": {"TableName": "a-table", **KEY},
        "batch_get_item": {"RequestItems": {"a-table": {"Keys": [KEY["Key"]]}}},
        "transact_get_items": {"TransactItems": [{"Get": {"TableName": "a-table", **KEY}}]},
        "create_table": {"TableName": "a-table", **CREATION},
        "restore_table_to_point_in_time": {"TargetTableName": "a-table", **another},
        "update_continuous_backups": {"TableName": "a-table", **PITR},
        "tag_resource": {"ResourceArn": arn, "Tags": []},
        "update_time_to_live": {"TableName": "a-table", **TTL},
        "update_table": {"TableName": "a-table", "DeletionProtectionEnabled": False},
        "delete_table": {"TableName": "a-table"},
    }
    refused = {}
    for operation, request in requests.items():
        try:
            getattr(dynamodb, operation)(**request)
        except ClientError as error:
            refused[operation] = error.response["Error"]["Code"]
    return refused


UNCHANGEABLE = {
    "create_table": "ResourceInUseException",
    "update_continuous_backups": "ContinuousBackupsUnavailableException",
    "tag_resource": "ResourceInUseException",
    "update_time_to_live": "ResourceInUseException",
    "update_table": "ResourceInUseException",
}
NO_ITEMS = dict.fromkeys(
    ("get_item", "batch_get_item", "transact_get_items"), "ResourceNotFoundException"
)
IN_USE = {"restore_table_to_point_in_time": "TableInUseException"}
EXISTS = {"restore_table_to_point_in_time": "TableAlreadyExistsException"}
NOT_DELETED = {"delete_table": "ResourceInUseException"}


def test_what_is_refused_until_a_table_is_created_updated_and_deleted(sandbox: Sandbox) -> None:
    make_table(sandbox, "another", recovery=True)
    dynamodb = sandbox.client("dynamodb")
    sandbox.settings(**SLOW)

    said = dynamodb.create_table(TableName="a-table", **CREATION)["TableDescription"]
    assert (said["TableStatus"], status(sandbox)) == ("CREATING", None)
    assert refusals(sandbox) == {**UNCHANGEABLE, **NO_ITEMS, **IN_USE, **NOT_DELETED}
    sandbox.advance(seconds=31)
    assert status(sandbox) == "CREATING"
    sandbox.advance(seconds=30)
    assert status(sandbox) == "ACTIVE"

    said = dynamodb.update_table(TableName="a-table", DeletionProtectionEnabled=True)
    assert said["TableDescription"]["TableStatus"] == status(sandbox) == "UPDATING"
    assert refusals(sandbox) == {**UNCHANGEABLE, **EXISTS, **NOT_DELETED}
    sandbox.advance(minutes=1)
    assert status(sandbox) == "ACTIVE"
    dynamodb.update_table(TableName="a-table", DeletionProtectionEnabled=False)
    sandbox.advance(minutes=1)

    said = dynamodb.delete_table(TableName="a-table")
    assert said["TableDescription"]["TableStatus"] == status(sandbox) == "DELETING"
    assert refusals(sandbox) == {**UNCHANGEABLE, **IN_USE}
    sandbox.advance(minutes=1)
    assert status(sandbox) is None
    assert dynamodb.list_tables()["TableNames"] == ["another"]
    dynamodb.create_table(TableName="a-table", **CREATION)


def test_a_table_is_backed_up_once_however_often_it_is_deleted(sandbox: Sandbox) -> None:
    make_table(sandbox, recovery=True)
    dynamodb = sandbox.client("dynamodb")
    for _ in range(2):
        dynamodb.delete_table(TableName="a-table")
    assert len(dynamodb.list_backups(BackupType="SYSTEM")["BackupSummaries"]) == 1


def test_points_of_unchanged_tables_are_complete(sandbox: Sandbox) -> None:
    arn = make_table(sandbox)
    put(sandbox, "a-table", "one", "same")
    opt_in(sandbox)
    make_role(sandbox)
    make_vault(sandbox)

    for _ in range(3):
        assert back_up(sandbox, arn)["State"] == "COMPLETED"

    points = sandbox.client("backup").list_recovery_points_by_backup_vault(BackupVaultName=VAULT)[
        "RecoveryPoints"
    ]
    assert len({point["RecoveryPointArn"] for point in points}) == 3


def encryption(sandbox: Sandbox, table: str) -> str | None:
    """The key of a table; None for the one that DynamoDB owns."""
    described = sandbox.client("dynamodb").describe_table(TableName=table)["Table"]
    key: str | None = described.get("SSEDescription", {}).get("KMSMasterKeyArn")
    return key


def test_a_restore_uses_the_key_of_its_metadata(sandbox: Sandbox) -> None:
    arn = make_table(sandbox)
    sandbox.client("dynamodb").update_table(TableName="a-table", SSESpecification={"Enabled": True})
    managed = encryption(sandbox, "a-table") or ""
    customer = sandbox.client("kms").create_key()["KeyMetadata"]["Arn"]
    opt_in(sandbox)
    role = make_role(sandbox)
    make_vault(sandbox)
    point = back_up(sandbox, arn)["RecoveryPointArn"]
    kms = {"encryptionType": "KMS", "kmsMasterKeyArn": "Not Applicable"}
    wanted: dict[str, dict[str, str]] = {
        "unsaid": {},
        "owned": {"encryptionType": "Default"},
        "managed": kms,
        "customer": {**kms, "kmsMasterKeyArn": customer},
        "not-by-its-arn": {**kms, "kmsMasterKeyArn": managed},
    }
    jobs = {
        target: sandbox.client("backup").start_restore_job(
            RecoveryPointArn=point, IamRoleArn=role, Metadata={"targetTableName": target, **how}
        )["RestoreJobId"]
        for target, how in wanted.items()
    }
    sandbox.advance(hours=1)

    ended = {
        target: sandbox.client("backup").describe_restore_job(RestoreJobId=job)["Status"]
        for target, job in jobs.items()
    }
    assert ended.pop("not-by-its-arn") == "FAILED"
    assert {target: encryption(sandbox, target) for target in ended} == {
        "unsaid": None,
        "owned": None,
        "managed": managed,
        "customer": customer,
    }
    managers = {
        key: sandbox.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyManager"]
        for key in (managed, customer)
    }
    assert managers == {managed: "AWS", customer: "CUSTOMER"}


def test_recovery_keeps_the_key_unless_another_is_named(sandbox: Sandbox) -> None:
    make_table(sandbox, recovery=True)
    sandbox.client("dynamodb").update_table(TableName="a-table", SSESpecification={"Enabled": True})
    customer = sandbox.client("kms").create_key()["KeyMetadata"]["Arn"]
    other = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": customer}

    restore(sandbox, "same", UseLatestRestorableTime=True)
    restore(sandbox, "other", UseLatestRestorableTime=True, SSESpecificationOverride=other)

    assert encryption(sandbox, "same") == encryption(sandbox, "a-table") is not None
    assert encryption(sandbox, "other") == customer


def test_a_deleted_table_with_recovery_has_a_system_backup(sandbox: Sandbox) -> None:
    dynamodb = sandbox.client("dynamodb")
    make_table(sandbox, recovery=True)
    make_table(sandbox, "unprotected")
    put(sandbox, "a-table", "one", "last")
    for table in ("a-table", "unprotected"):
        dynamodb.delete_table(TableName=table)

    assert dynamodb.list_backups()["BackupSummaries"] == []
    (backup,) = dynamodb.list_backups(BackupType="ALL")["BackupSummaries"]
    assert backup["BackupName"] == "a-table$DeletedTableBackup"
    kept = backup["BackupExpiryDateTime"] - backup["BackupCreationDateTime"]
    assert kept == timedelta(days=35)

    sandbox.settings(table_restore=600)
    dynamodb.restore_table_from_backup(TargetTableName="back", BackupArn=backup["BackupArn"])
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        dynamodb.describe_table(TableName="back")
    sandbox.advance(seconds=3)
    during = dynamodb.describe_table(TableName="back")["Table"]
    sandbox.advance(minutes=11)
    assert during["TableStatus"] == "CREATING"
    summary = dynamodb.describe_table(TableName="back")["Table"]["RestoreSummary"]
    assert summary["SourceTableArn"] == backup["TableArn"]
    assert summary["RestoreDateTime"] == backup["BackupCreationDateTime"]
    assert items(sandbox, "back") == {"one": "last"}

    sandbox.advance(days=36)
    assert dynamodb.list_backups(BackupType="SYSTEM")["BackupSummaries"] == []
