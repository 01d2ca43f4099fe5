"""Restore testing on the real deployment: restored, judged, reported and cleaned up."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from local_aws.client import Sandbox

from tests.e2e.rehearsing.conftest import MORNING, Listener, listen
from tests.sandbox.cabal import delete_table
from tests.sandbox.deployment import Deployment

TABLE = "cabal-addresses"
RESTORED = MORNING + timedelta(hours=3)
"""Tests start at 09:00 here, and half an hour later by themselves: now both are restored."""
JUDGED = MORNING + timedelta(hours=8)
"""Hours later EFS knows the sizes, and the schedule has come by."""


@dataclass(frozen=True)
class Rehearsal:
    """A deployment whose backups are tested every day at 09:00; it is 08:00."""

    deployment: Deployment
    listener: Listener

    @property
    def sandbox(self) -> Sandbox:
        return self.deployment.sandbox

    def job(self, kind: str) -> dict[str, Any]:
        """The one restore of this kind, as AWS Backup describes it."""
        backup = self.sandbox.client("backup")
        (listed,) = backup.list_restore_jobs(ByResourceType=kind)["RestoreJobs"]
        described: dict[str, Any] = backup.describe_restore_job(RestoreJobId=listed["RestoreJobId"])
        return described

    def verdict(self, kind: str) -> tuple[str, str]:
        job = self.job(kind)
        # It ends with the id of the run that gave it.
        message, _, _ = job.get("ValidationStatusMessage", "").partition(" (request ")
        return job["ValidationStatus"], message

    def addresses(self) -> list[str]:
        """Every address in the live table."""
        pages = self.sandbox.client("dynamodb").get_paginator("scan").paginate(TableName=TABLE)
        return sorted(item["address"]["S"] for page in pages for item in page["Items"])


@pytest.fixture(scope="module")
def morning(listening_from_noon: tuple[Deployment, str]) -> tuple[Deployment, str]:
    deployment, checkpoint = listening_from_noon
    deployment.sandbox.rollback(checkpoint)
    deployment.sandbox.advance_to(MORNING)
    return deployment, deployment.sandbox.checkpoint()


@pytest.fixture
def tested(morning: tuple[Deployment, str]) -> Rehearsal:
    deployment, checkpoint = morning
    deployment.sandbox.rollback(checkpoint)
    return Rehearsal(deployment, listen(deployment.sandbox))


def test_what_was_restored_whole_is_successful_and_deleted_again(tested: Rehearsal) -> None:
    tested.sandbox.advance_to(RESTORED)
    restored = tested.job("EFS")["CreatedResourceArn"].rpartition("/")[2]
    assert tested.sandbox.efs_directory(restored).is_dir()
    tested.sandbox.advance_to(JUDGED)

    status, message = tested.verdict("DynamoDB")
    assert status == "SUCCESSFUL"
    assert message == (
        "500 items, 500 in cabal-addresses; the key schema is the same; "
        "100 of 100 sampled items are the same."
    )
    status, message = tested.verdict("EFS")
    assert status == "SUCCESSFUL"
    assert message.endswith("available; encryption as expected.")
    assert [tested.job(kind)["DeletionStatus"] for kind in ("DynamoDB", "EFS")] == [
        "SUCCESSFUL",
        "SUCCESSFUL",
    ]
    tables = tested.sandbox.client("dynamodb").list_tables()["TableNames"]
    assert not [name for name in tables if name.startswith("awsbackup-restore-test-")]
    systems = tested.sandbox.client("efs").describe_file_systems()["FileSystems"]
    assert [each["FileSystemId"] for each in systems] == [tested.deployment.cabal.file_system_id]
    assert len(tested.addresses()) == 500
    assert tested.listener.events() == []


def test_a_live_table_that_lost_many_items_fails_the_test_and_is_reported(
    tested: Rehearsal,
) -> None:
    dynamodb = tested.sandbox.client("dynamodb")
    for address in tested.addresses()[:100]:
        dynamodb.delete_item(TableName=TABLE, Key={"address": {"S": address}})
    tested.sandbox.advance_to(JUDGED)

    status, message = tested.verdict("DynamoDB")
    assert status == "FAILED"
    assert "docs/restore-testing.md" in message
    (event,) = tested.listener.events()
    assert event["detail-type"] == "Restore Test Validated"
    assert event["detail"] == {
        "resourceArn": "arn:aws:dynamodb:us-west-1:123456789012:table/cabal-addresses",
        "resourceType": "DynamoDB",
        "restoreJobId": tested.job("DynamoDB")["RestoreJobId"],
        "verdict": "FAILED",
        "message": message,
    }
    assert tested.verdict("EFS")[0] == "SUCCESSFUL"
    assert tested.job("DynamoDB")["DeletionStatus"] == "SUCCESSFUL"


def test_a_live_table_that_grew_much_fails_the_count(tested: Rehearsal) -> None:
    """Every sampled item is the same, but there are 600 where 500 were restored."""
    dynamodb = tested.sandbox.client("dynamodb")
    for number in range(100):
        dynamodb.put_item(TableName=TABLE, Item={"address": {"S": f"new{number}@example.com"}})
    tested.sandbox.advance_to(RESTORED)
    status, message = tested.verdict("DynamoDB")
    assert status == "FAILED"
    assert "500 items, cabal-addresses has 600" in message


def test_items_that_are_damaged_fail_the_sample(tested: Rehearsal) -> None:
    dynamodb = tested.sandbox.client("dynamodb")
    for number, address in enumerate(tested.addresses()):
        if number % 3 == 0:
            dynamodb.update_item(
                TableName=TABLE,
                Key={"address": {"S": address}},
                UpdateExpression="SET #user = :other",
                ExpressionAttributeNames={"#user": "user"},
                ExpressionAttributeValues={":other": {"S": "other"}},
            )
    tested.sandbox.advance_to(RESTORED)
    status, message = tested.verdict("DynamoDB")
    assert status == "FAILED"
    assert "of 100 sampled items of the restored table are the same" in message


def test_few_changes_are_as_it_should_be(tested: Rehearsal) -> None:
    dynamodb = tested.sandbox.client("dynamodb")
    for address in tested.addresses()[::100]:
        dynamodb.delete_item(TableName=TABLE, Key={"address": {"S": address}})
    tested.sandbox.advance_to(RESTORED)
    assert tested.verdict("DynamoDB")[0] == "SUCCESSFUL"


def test_a_file_system_restored_empty_fails_the_test(tested: Rehearsal) -> None:
    tested.sandbox.advance_to(RESTORED)
    assert tested.verdict("EFS") == ("VALIDATING", "")
    restored = tested.job("EFS")["CreatedResourceArn"].rpartition("/")[2]
    for found in tested.sandbox.efs_directory(restored).iterdir():
        shutil.rmtree(found)
    tested.sandbox.advance_to(JUDGED)
    status, message = tested.verdict("EFS")
    assert status == "FAILED"
    assert "The restored file system holds 6,144 bytes" in message
    assert [event["detail"]["resourceType"] for event in tested.listener.events()] == ["EFS"]


@pytest.mark.parametrize("operation", ["DescribeTable", "Scan", "BatchGetItem"])
def test_a_handler_that_may_not_read_gives_its_reason_as_the_verdict(
    tested: Rehearsal, operation: str
) -> None:
    # Once the table is there, so that AWS Backup itself is not refused.
    tested.sandbox.advance_to(MORNING + timedelta(minutes=59))
    tested.sandbox.faults.services(
        {
            "service": "dynamodb",
            "operation": operation,
            "error": "AccessDeniedException",
            "message": f"not authorized to perform: dynamodb:{operation}",
        }
    )
    tested.sandbox.advance_to(RESTORED)
    tested.sandbox.faults.clear()
    status, message = tested.verdict("DynamoDB")
    assert status == "FAILED"
    assert f"not authorized to perform: dynamodb:{operation}" in message


def test_a_deleted_live_table_fails_the_test(tested: Rehearsal) -> None:
    delete_table(tested.sandbox, TABLE)
    tested.sandbox.advance_to(RESTORED)
    status, message = tested.verdict("DynamoDB")
    assert status == "FAILED"
    assert "The live table cabal-addresses does not exist" in message


def test_a_verdict_that_could_not_be_put_is_put_when_it_can_be(tested: Rehearsal) -> None:
    tested.sandbox.faults.deny("PutRestoreValidationResult")
    tested.sandbox.advance_to(JUDGED)
    assert tested.verdict("DynamoDB") == ("VALIDATING", "")
    assert tested.verdict("EFS") == ("VALIDATING", "")
    tested.sandbox.faults.clear()
    tested.sandbox.advance(hours=4)
    assert tested.verdict("DynamoDB")[0] == "SUCCESSFUL"
    assert tested.verdict("EFS")[0] == "SUCCESSFUL"


def test_an_event_that_got_lost_is_made_up_for(tested: Rehearsal) -> None:
    events = tested.sandbox.client("events")
    (rule,) = (
        rule["Name"]
        for rule in events.list_rules()["Rules"]
        if "restoreTestingPlanArn" in rule.get("EventPattern", "")
    )
    events.disable_rule(Name=rule)
    tested.sandbox.advance_to(JUDGED)
    assert tested.verdict("DynamoDB")[0] == "SUCCESSFUL"


def test_a_test_without_a_verdict_ends_after_a_day_and_is_cleaned_up(tested: Rehearsal) -> None:
    tested.sandbox.faults.deny("PutRestoreValidationResult")
    backup = tested.sandbox.client("backup")
    backup.update_restore_testing_plan(
        RestoreTestingPlanName="cabal_backup_restore_testing",
        RestoreTestingPlan={"ScheduleExpression": "cron(0 9 2 * ? *)"},
    )
    tested.sandbox.advance(hours=28)
    for kind in ("DynamoDB", "EFS"):
        assert tested.verdict(kind)[0] == "TIMED_OUT"
        assert tested.job(kind)["DeletionStatus"] == "SUCCESSFUL"
    assert tested.listener.events() == []


def dr_verdicts(tested: Rehearsal) -> dict[str, tuple[str, str]]:
    """Of the restores of copies: resource type, verdict and message."""
    backup = tested.sandbox.client("backup", "us-west-2")
    jobs = [
        backup.describe_restore_job(RestoreJobId=job["RestoreJobId"])
        for job in backup.list_restore_jobs()["RestoreJobs"]
    ]
    return {
        job["ResourceType"]: (
            job["ValidationStatus"],
            job.get("ValidationStatusMessage", "").partition(" (request ")[0],
        )
        for job in jobs
    }


def test_the_copies_are_restored_and_judged_in_the_dr_region(tested: Rehearsal) -> None:
    """Against the live resources, which are in the other region."""
    tested.sandbox.advance_to(JUDGED)

    verdicts = dr_verdicts(tested)

    assert verdicts["DynamoDB"] == (
        "SUCCESSFUL",
        "500 items, 500 in cabal-addresses; the key schema is the same; "
        "100 of 100 sampled items are the same.",
    )
    assert verdicts["EFS"][0] == "SUCCESSFUL"
    tables = tested.sandbox.client("dynamodb", "us-west-2").list_tables()["TableNames"]
    assert tables == [], "what was restored is deleted again"


def test_a_copy_that_is_not_whole_fails(tested: Rehearsal) -> None:
    dynamodb = tested.sandbox.client("dynamodb")
    for address in tested.addresses()[:1500]:
        dynamodb.delete_item(TableName=TABLE, Key={"address": {"S": address}})
    tested.sandbox.advance_to(JUDGED)

    assert dr_verdicts(tested)["DynamoDB"][0] == "FAILED"
