"""Backup jobs and their recovery points."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from local_aws.backup.jobs.backup import BUSY, OUTSIDE_LOCK
from local_aws_tests.unit.account import (
    ACCOUNT,
    BACKUP_ROLE,
    DR_VAULT,
    FILE_SYSTEM_ARN,
    PRIMARY,
    RESTORE_ROLE,
    START,
    TABLE,
    TABLE_ARN,
    VAULT,
    YEAR,
    Account,
)


def job_of(account: Account, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = account.primary.describe_backup_job(BackupJobId=job_id)
    return job


@pytest.fixture
def ready(account: Account) -> Account:
    account.opt_in()
    account.make_vaults()
    return account


def test_a_job_is_created_then_running_then_completed(ready: Account) -> None:
    job_id = ready.start_backup(RecoveryPointTags={"night": "1"})
    assert job_of(ready, job_id)["State"] == "CREATED"
    ready.advance(seconds=10)
    running = job_of(ready, job_id)
    assert (running["State"], running["PercentDone"]) == ("RUNNING", "2.1")
    assert ready.points()[0]["Status"] == "CREATING"
    ready.advance(minutes=4)
    done = job_of(ready, job_id)
    assert (done["State"], done["PercentDone"]) == ("COMPLETED", "100.0")
    assert (done["CompletionDate"] - done["InitiationDate"]).total_seconds() == 240
    point = ready.primary.describe_recovery_point(
        BackupVaultName=VAULT, RecoveryPointArn=done["RecoveryPointArn"]
    )
    assert (point["Status"], point["StorageClass"]) == ("COMPLETED", "WARM")
    assert point["InitiationDate"] == done["CreationDate"]
    assert point["Lifecycle"] == YEAR
    assert (point["CalculatedLifecycle"]["DeleteAt"] - point["CreationDate"]).days == 365
    tags = ready.primary.list_tags(ResourceArn=done["RecoveryPointArn"])["Tags"]
    assert tags == {"night": "1"}


def test_a_point_contains_the_table_at_the_start_of_the_job(ready: Account) -> None:
    job_id = ready.start_backup()
    ready.advance(seconds=10)
    ready.world.tables.put(PRIMARY, TABLE, [])
    ready.advance(minutes=10)
    arn = job_of(ready, job_id)["RecoveryPointArn"]
    ready.restore(arn, {"targetTableName": "restored"})
    assert len(ready.world.tables.items(PRIMARY, "restored")) == 5


def test_the_arn_depends_on_the_opt_in_for_dynamodb_only(account: Account) -> None:
    account.make_vaults()
    full = re.compile(rf"arn:aws:backup:us-west-1:{ACCOUNT}:recovery-point:[0-9a-f-]{{36}}")
    assert re.fullmatch(rf"{TABLE_ARN}/backup/\d{{14}}-[0-9a-f]{{8}}", account.back_up())
    assert full.fullmatch(account.back_up(FILE_SYSTEM_ARN))
    account.opt_in()
    assert full.fullmatch(account.back_up())


def test_full_management_needs_both_maps(account: Account) -> None:
    account.make_vaults()
    account.opt_in()
    account.primary.update_region_settings(ResourceTypeOptInPreference={"DynamoDB": False})
    with pytest.raises(account.primary.exceptions.InvalidRequestException):
        account.start_backup()


def test_region_settings_merge_and_refuse_unknown_types(account: Account) -> None:
    before = account.primary.describe_region_settings()
    assert before["ResourceTypeManagementPreference"]["DynamoDB"] is False
    answer = account.primary.update_region_settings(
        ResourceTypeManagementPreference={"DynamoDB": True}
    )
    assert set(answer) == {"ResponseMetadata"}
    after = account.primary.describe_region_settings()
    assert after["ResourceTypeManagementPreference"]["DynamoDB"] is True
    assert after["ResourceTypeManagementPreference"]["EFS"] is True
    assert after["ResourceTypeOptInPreference"] == before["ResourceTypeOptInPreference"]
    for bad in ({"Dynamo": True}, {"EFS": False}):
        with pytest.raises(account.primary.exceptions.InvalidParameterValueException):
            account.primary.update_region_settings(ResourceTypeManagementPreference=bad)
    assert (
        account.dr.describe_region_settings()["ResourceTypeManagementPreference"]
        == (before["ResourceTypeManagementPreference"])
    )


@pytest.mark.parametrize(
    "lifecycle",
    [
        {"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 119},
        {"DeleteAfterDays": 0},
        {"DeleteAfterDays": 36501},
        {"DeleteAfterEvent": "DELETE_AFTER_COPY"},
    ],
)
def test_invalid_lifecycles_are_refused(ready: Account, lifecycle: dict[str, int]) -> None:
    with pytest.raises(ready.primary.exceptions.InvalidParameterValueException):
        ready.start_backup(Lifecycle=lifecycle)


def test_a_lifecycle_of_exactly_ninety_cold_days_is_accepted(ready: Account) -> None:
    ready.start_backup(Lifecycle={"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 120})


@pytest.mark.parametrize("lifecycle", [{"DeleteAfterDays": 29}, {"DeleteAfterDays": 366}, None])
def test_a_lifecycle_outside_the_lock_fails_the_job_later(
    account: Account, lifecycle: dict[str, int] | None
) -> None:
    account.opt_in()
    account.make_vaults(lock=True)
    job_id = account.start_backup(Lifecycle=lifecycle)
    assert job_of(account, job_id)["State"] == "CREATED"
    account.advance(minutes=10)
    job = job_of(account, job_id)
    assert (job["State"], job["StatusMessage"]) == ("FAILED", OUTSIDE_LOCK)
    assert OUTSIDE_LOCK == (
        "Backup job failed because the lifecycle is outside the valid range for backup vault."
    )
    assert account.points() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"IamRoleArn": f"arn:aws:iam::{ACCOUNT}:role/missing"}, "does not exist"),
        ({"IamRoleArn": RESTORE_ROLE}, "not authorized to perform: dynamodb:StartAwsBackupJob"),
        ({"ResourceArn": f"{TABLE_ARN}-missing"}, "does not exist"),
    ],
)
def test_role_and_resource_problems_fail_the_job(
    ready: Account, change: dict[str, str], message: str
) -> None:
    job_id = ready.start_backup(**{"resource_arn": TABLE_ARN, **change})
    ready.advance(minutes=1)
    job = job_of(ready, job_id)
    assert job["State"] == "FAILED"
    assert message in job["StatusMessage"]


def test_a_role_that_may_not_be_assumed_fails_the_job(ready: Account) -> None:
    ready.world.roles.not_assumable.add(BACKUP_ROLE)
    job_id = ready.start_backup()
    ready.advance(minutes=1)
    job = job_of(ready, job_id)
    assert (job["State"], job["MessageCategory"]) == ("FAILED", "AccessDenied")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"BackupVaultName": DR_VAULT}, "ResourceNotFoundException"),
        ({"ResourceArn": "table"}, "InvalidParameterValueException"),
        ({"ResourceArn": TABLE_ARN.replace("west-1", "west-2")}, "InvalidParameterValueException"),
        ({"ResourceArn": f"arn:aws:sqs:us-west-1:{ACCOUNT}:q"}, "InvalidParameterValueException"),
        ({"IamRoleArn": "backup-role"}, "InvalidParameterValueException"),
        ({"StartWindowMinutes": 59}, "InvalidParameterValueException"),
        ({"StartWindowMinutes": 60, "CompleteWindowMinutes": 60}, "InvalidParameterValueException"),
        ({"BackupOptions": {"WindowsVSS": "enabled"}}, "InvalidParameterValueException"),
    ],
)  # fmt: skip
def test_invalid_requests_are_refused(ready: Account, change: dict[str, Any], error: str) -> None:
    with pytest.raises(getattr(ready.primary.exceptions, error)):
        ready.start_backup(**{"resource_arn": TABLE_ARN, **change})


def test_one_job_per_resource_at_a_time(ready: Account) -> None:
    first, second = ready.start_backup(), ready.start_backup()
    other = ready.start_backup(FILE_SYSTEM_ARN)
    ready.advance(minutes=1)
    states = [job_of(ready, job_id)["State"] for job_id in (first, second, other)]
    assert states == ["RUNNING", "CREATED", "RUNNING"]
    ready.advance(minutes=4)
    assert job_of(ready, second)["State"] == "RUNNING"
    ready.advance(minutes=4)
    assert job_of(ready, second)["State"] == "COMPLETED"


def test_a_copy_delays_the_next_backup_of_its_resource(ready: Account) -> None:
    """A backup also delays the next copy; another resource is independent."""
    point = ready.back_up()
    ready.service.settings.dynamodb_copy = timedelta(hours=30)
    copy = ready.start_copy(point)
    ready.advance(minutes=1)
    job, other = ready.start_backup(), ready.start_backup(FILE_SYSTEM_ARN)
    ready.advance(hours=7)
    assert job_of(ready, job)["State"] == "CREATED"
    assert job_of(ready, other)["State"] == "COMPLETED"
    ready.advance(hours=1)
    assert (job_of(ready, job)["State"], job_of(ready, job)["StatusMessage"]) == ("EXPIRED", BUSY)

    last = ready.start_backup(StartWindowMinutes=6000)
    ready.advance(hours=23)
    assert ready.primary.describe_copy_job(CopyJobId=copy)["CopyJob"]["State"] == "COMPLETED"
    assert job_of(ready, last)["State"] == "COMPLETED"


def test_a_job_that_cannot_start_in_its_window_expires(ready: Account) -> None:
    ready.service.faults.hold("backup")
    ready.start_backup()
    late = ready.start_backup(StartWindowMinutes=60)
    ready.advance(minutes=59)
    assert job_of(ready, late)["State"] == "CREATED"
    ready.advance(minutes=1)
    job = job_of(ready, late)
    assert (job["State"], job["StatusMessage"]) == ("EXPIRED", BUSY)


def test_the_default_start_window_is_eight_hours(ready: Account) -> None:
    job = job_of(ready, ready.start_backup())
    assert (job["StartBy"] - job["CreationDate"]).total_seconds() == 8 * 3600


def test_a_job_past_its_completion_window_expires_and_leaves_nothing(ready: Account) -> None:
    ready.service.faults.hold("backup")
    job_id = ready.start_backup(StartWindowMinutes=60, CompleteWindowMinutes=120)
    ready.advance(minutes=121)
    assert job_of(ready, job_id)["State"] == "EXPIRED"
    assert ready.points() == []


@pytest.mark.parametrize("minutes", [0, 1])
def test_a_stopped_job_is_aborting_and_then_aborted(ready: Account, minutes: int) -> None:
    job_id = ready.start_backup()
    ready.advance(minutes=minutes)
    ready.primary.stop_backup_job(BackupJobId=job_id)
    assert job_of(ready, job_id)["State"] == "ABORTING"
    ready.advance(minutes=10)
    job = job_of(ready, job_id)
    assert (job["State"], job["StatusMessage"]) == ("ABORTED", "Backup job was stopped by user.")
    assert ready.points() == []
    with pytest.raises(ready.primary.exceptions.InvalidRequestException):
        ready.primary.stop_backup_job(BackupJobId=job_id)


def test_the_same_idempotency_token_is_the_same_job(ready: Account) -> None:
    first = ready.start_backup(IdempotencyToken="night-1")
    ready.advance(minutes=30)
    assert ready.start_backup(IdempotencyToken="night-1") == first
    assert len(ready.primary.list_backup_jobs()["BackupJobs"]) == 1
    with pytest.raises(ready.primary.exceptions.InvalidParameterValueException):
        ready.start_backup(FILE_SYSTEM_ARN, IdempotencyToken="night-1")


def test_lists_filter_and_reach_back_thirty_days(ready: Account) -> None:
    ready.back_up()
    ready.advance(hours=1)
    ready.start_backup(FILE_SYSTEM_ARN, IamRoleArn=RESTORE_ROLE)
    ready.advance(minutes=1)
    found = ready.primary.list_backup_jobs

    def types(**filters: Any) -> list[str]:
        return [job["ResourceType"] for job in found(**filters)["BackupJobs"]]

    assert types() == ["EFS", "DynamoDB"]
    assert types(ByState="FAILED") == ["EFS"]
    assert types(ByResourceArn=TABLE_ARN) == ["DynamoDB"]
    assert types(ByResourceType="EFS") == ["EFS"]
    assert types(ByBackupVaultName="other") == []
    assert types(ByMessageCategory="AccessDenied") == ["EFS"]
    assert types(ByMessageCategory="SUCCESS") == ["DynamoDB"]
    assert types(ByAccountId="000000000000") == []
    cut = START.replace(minute=30)
    assert types(ByCreatedAfter=cut) == ["EFS"]
    assert types(ByCreatedBefore=cut) == ["DynamoDB"]
    assert types(ByCompleteAfter=cut) == ["EFS"]
    assert types(ByCompleteBefore=cut) == ["DynamoDB"]
    ready.advance(days=29, hours=23)
    assert types() == ["EFS"]
    ready.advance(hours=1)
    assert types() == []


def test_summaries_count_jobs_by_state(ready: Account) -> None:
    ready.back_up()
    ready.back_up()
    ready.start_backup(IamRoleArn=RESTORE_ROLE)
    ready.advance(minutes=1)
    rows = ready.primary.list_backup_job_summaries(AggregationPeriod="SEVEN_DAYS")
    assert {(row["State"], row["Count"]) for row in rows["BackupJobSummaries"]} == {
        ("COMPLETED", 2),
        ("FAILED", 1),
    }
    total = ready.primary.list_backup_job_summaries(
        State="AGGREGATE_ALL", MessageCategory="AGGREGATE_ALL", ResourceType="DynamoDB"
    )["BackupJobSummaries"]
    assert [(row["State"], row["Count"]) for row in total] == [("AGGREGATE_ALL", 3)]
    ready.advance(days=20)
    assert ready.primary.list_backup_job_summaries()["BackupJobSummaries"] == []
    assert ready.primary.list_copy_job_summaries()["CopyJobSummaries"] == []
    assert ready.primary.list_restore_job_summaries()["RestoreJobSummaries"] == []


def test_supported_types_and_global_settings_are_returned(account: Account) -> None:
    types = account.primary.get_supported_resource_types()["ResourceTypes"]
    assert {"DynamoDB", "EFS"} <= set(types)
    settings = account.primary.describe_global_settings()["GlobalSettings"]
    assert settings["isCrossAccountBackupEnabled"] == "false"
