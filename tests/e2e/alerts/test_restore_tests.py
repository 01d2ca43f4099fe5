"""Restore tests, from AWS Backup's schedule to the operator's inbox (S27)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.e2e.alerts.conftest import Watched

TABLE = "cabal-addresses"
RESTORED = datetime(2026, 1, 2, 10, 45, tzinfo=UTC)
"""Tests start at 09:00 here; by now the table is restored."""


@pytest.fixture
def testing(watched: Watched) -> Watched:
    """Tested this morning already, and not only on the first of the month."""
    watched.client("backup").update_restore_testing_plan(
        RestoreTestingPlanName="cabal_backup_restore_testing",
        RestoreTestingPlan={"ScheduleExpression": "cron(0 9 * * ? *)"},
    )
    return watched


def test_a_failed_restore_test_is_reported_once(testing: Watched) -> None:
    dynamodb = testing.client("dynamodb")
    pages = dynamodb.get_paginator("scan").paginate(TableName=TABLE)
    keys = [item["address"] for page in pages for item in page["Items"]]
    for address in keys[: len(keys) // 2]:
        dynamodb.delete_item(TableName=TABLE, Key={"address": address})

    testing.sandbox.advance_to(RESTORED)

    message = testing.inbox.only()
    assert message.subject == "[cabal-backup development] Restore test FAILED: cabal-addresses"
    reason = next(line for line in message.body.splitlines() if line.startswith("Reason:"))
    assert "sampled items of the restored table are the same in cabal-addresses" in reason
    assert "aws backup describe-restore-job --region us-west-1" in message.body


def test_a_successful_restore_test_is_not_reported(testing: Watched) -> None:
    testing.sandbox.advance_to(RESTORED)
    (job,) = testing.client("backup").list_restore_jobs(ByResourceType="DynamoDB")["RestoreJobs"]
    assert job["ValidationStatus"] == "SUCCESSFUL"
    assert testing.inbox.read() == []


def test_what_the_validation_crashes_on_arrives_as_it_is(testing: Watched) -> None:
    functions = testing.client("lambda")
    (judge,) = (
        each["FunctionName"]
        for each in functions.list_functions()["Functions"]
        if each["Handler"] == "cabal_backup.functions.validate_restore.handler"
    )
    functions.update_function_configuration(
        FunctionName=judge, Environment={"Variables": {"TABLE": TABLE}}
    )

    testing.sandbox.advance_to(RESTORED)

    # The change of the function is reported as well, in words.
    messages = [each.body for each in testing.inbox.read() if each.body.startswith("{")]
    events = [json.loads(body) for body in messages]
    restored = [each for each in events if each["detail-type"] == "Restore Job State Change"]
    assert {each["detail"]["resourceType"] for each in restored} >= {"DynamoDB"}
    # The schedule comes by as well, and fails as well: nothing else has arrived.
    assert {each["detail-type"] for each in events} <= {
        "Restore Job State Change",
        "Scheduled Event",
    }
