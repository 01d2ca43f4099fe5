"""`status` on restore tests, from the first one that is awaited to one that failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from tests.e2e.operator import Operator
from tests.e2e.rehearsing.conftest import MORNING, SETTINGS
from tests.e2e.status.aws_by_hand import ROLE_ARN
from tests.sandbox.client import ACCOUNT, Sandbox
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
    # In both regions: their tests start at the same time.
    operator.sandbox.faults.fail_next("restore", resource_type="EFS", message="No subnet.", count=2)
    operator.sandbox.advance_to(MORNING + timedelta(hours=8))
    said = operator.run("status", "--only", "restore-tests", **SETTINGS)
    assert said.code == 1
    assert "could not be restored" in said.text
    assert "No subnet." in said.text


PLAN = "cabal_backup_restore_testing"
TABLE, MAILSTORE = f"{PLAN}_dynamodb", f"{PLAN}_efs"

Fault = Callable[[Sandbox], object]


def planned(**changes: object) -> Fault:
    return lambda sandbox: sandbox.client("backup").update_restore_testing_plan(
        RestoreTestingPlanName=PLAN, RestoreTestingPlan=changes
    )


def choosing(**changes: object) -> Fault:
    """Another choice of recovery points."""

    def inject(sandbox: Sandbox) -> None:
        backup = sandbox.client("backup")
        plan = backup.get_restore_testing_plan(RestoreTestingPlanName=PLAN)["RestoreTestingPlan"]
        planned(RecoveryPointSelection={**plan["RecoveryPointSelection"], **changes})(sandbox)

    return inject


def selecting(selection: str, **changes: object) -> Fault:
    return lambda sandbox: sandbox.client("backup").update_restore_testing_selection(
        RestoreTestingPlanName=PLAN,
        RestoreTestingSelectionName=selection,
        RestoreTestingSelection={"IamRoleArn": ROLE_ARN, **changes},
    )


def deselected(*selections: str) -> Fault:
    def inject(sandbox: Sandbox) -> None:
        for selection in selections:
            sandbox.client("backup").delete_restore_testing_selection(
                RestoreTestingPlanName=PLAN, RestoreTestingSelectionName=selection
            )

    return inject


def deleted(sandbox: Sandbox) -> None:
    deselected(TABLE, MAILSTORE)(sandbox)
    sandbox.client("backup").delete_restore_testing_plan(RestoreTestingPlanName=PLAN)


def never_ending(sandbox: Sandbox) -> None:
    sandbox.faults.apply(hold=["restore"])
    sandbox.advance(days=2)


def never_judged(sandbox: Sandbox) -> None:
    """The rules that call the function are off, and the day for a verdict goes by."""
    events = sandbox.client("events")
    for rule in events.list_rules()["Rules"]:
        events.disable_rule(Name=rule["Name"])
    sandbox.advance(days=2, hours=2)


FAULTS: Mapping[str, tuple[Fault, str]] = {
    "it runs at another time": (planned(ScheduleExpression="cron(0 9 1 1 ? *)"), "fail"),
    "it runs in another time zone": (
        planned(ScheduleExpressionTimezone="America/Los_Angeles"),
        "fail",
    ),
    "it may start a day late": (planned(StartWindowHours=24), "fail"),
    "it restores from another vault": (
        choosing(IncludeVaults=[f"arn:aws:backup:us-west-1:{ACCOUNT}:backup-vault:other"]),
        "fail",
    ),
    "it restores old recovery points": (choosing(SelectionWindowDays=365), "fail"),
    "it restores any recovery point": (choosing(Algorithm="RANDOM_WITHIN_WINDOW"), "fail"),
    "the mailstore is not tested": (deselected(MAILSTORE), "fail"),
    "another table is tested": (
        selecting(
            TABLE,
            ProtectedResourceArns=[f"arn:aws:dynamodb:us-west-1:{ACCOUNT}:table/cabal-counter"],
        ),
        "fail",
    ),
    "a test waits for no verdict": (selecting(MAILSTORE, ValidationWindowHours=0), "fail"),
    "the plan is deleted": (deleted, "fail"),
    "a test does not end": (never_ending, "warn"),
    "no verdict is given": (never_judged, "fail"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_restore_testing_is_reported(operator: Operator, fault: str) -> None:
    inject, expected = FAULTS[fault]
    operator.sandbox.advance_to(MORNING + timedelta(hours=8))
    assert seen(operator)[0] == "ok"

    inject(operator.sandbox)

    assert seen(operator)[0] == expected


def test_switched_off_it_says_so(operator: Operator) -> None:
    assert seen(operator, restore_testing="false") == (
        "off",
        "Restore testing is off in this environment.",
    )
