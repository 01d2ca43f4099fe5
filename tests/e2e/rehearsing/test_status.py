"""`status` on restore tests, from the first one that is awaited to one that failed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.e2e.operator import Operator
from tests.e2e.rehearsing.conftest import MORNING, SETTINGS
from tests.sandbox.deployment import Deployment


@pytest.fixture
def operator(
    listening_from_noon: tuple[Deployment, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Operator:
    deployment, checkpoint = listening_from_noon
    deployment.sandbox.rollback(checkpoint)
    return Operator(deployment, monkeypatch, capsys)


def seen(operator: Operator, **settings: str) -> tuple[str, str]:
    """The status and the evidence of restore-tests."""
    said = operator.run("status", "--json", "--only", "restore-tests", **{**SETTINGS, **settings})
    (finding,) = said.json["findings"]
    return finding["status"], finding["evidence"]


def test_it_follows_a_test_from_before_it_to_its_verdicts(operator: Operator) -> None:
    sandbox = operator.sandbox
    awaited = ("ok", "The first restore test is still to come, by cron(0 9 * * ? *).")
    assert seen(operator) == awaited
    sandbox.advance_to(MORNING + timedelta(hours=2))
    assert seen(operator)[0] == "ok", "under way"
    sandbox.advance_to(MORNING + timedelta(hours=8))
    status, evidence = seen(operator)
    assert status == "ok"
    assert evidence.count("as it should be, 2026-01-02") == 2


def test_a_verdict_that_failed_is_told_with_its_message(operator: Operator) -> None:
    sandbox = operator.sandbox
    sandbox.advance_to(MORNING)
    dynamodb = sandbox.client("dynamodb")
    for number in range(600):
        dynamodb.put_item(
            TableName="cabal-addresses", Item={"address": {"S": f"new{number}@example.com"}}
        )
    sandbox.advance_to(MORNING + timedelta(hours=8))
    said = operator.run("status", "--only", "restore-tests", **SETTINGS)
    assert said.code == 1
    assert "The last restore test of the table failed." in said.text
    assert "3,000 items, cabal-addresses has 3,600" in said.text


def test_a_restore_that_failed_is_told_with_awss_reason(operator: Operator) -> None:
    operator.sandbox.faults.fail_next("restore", resource_type="EFS", message="No subnet.")
    operator.sandbox.advance_to(MORNING + timedelta(hours=8))
    said = operator.run("status", "--only", "restore-tests", **SETTINGS)
    assert said.code == 1
    assert "could not be restored" in said.text
    assert "No subnet." in said.text


def test_a_plan_that_was_changed_or_deleted_is_told(operator: Operator) -> None:
    backup = operator.sandbox.client("backup")
    name = "cabal_backup_restore_testing"
    backup.update_restore_testing_plan(
        RestoreTestingPlanName=name, RestoreTestingPlan={"ScheduleExpression": "cron(0 9 1 1 ? *)"}
    )
    assert seen(operator) == (
        "fail",
        "Restores are tested by cron(0 9 1 1 ? *), and should be by cron(0 9 * * ? *).",
    )
    for selection in backup.list_restore_testing_selections(RestoreTestingPlanName=name)[
        "RestoreTestingSelections"
    ]:
        backup.delete_restore_testing_selection(
            RestoreTestingPlanName=name,
            RestoreTestingSelectionName=selection["RestoreTestingSelectionName"],
        )
    backup.delete_restore_testing_plan(RestoreTestingPlanName=name)
    status, evidence = seen(operator)
    assert status == "fail"
    assert "There is no restore testing plan" in evidence


def test_switched_off_it_says_so(operator: Operator) -> None:
    assert seen(operator, restore_testing="false") == (
        "off",
        "Restore testing is off in this environment.",
    )
