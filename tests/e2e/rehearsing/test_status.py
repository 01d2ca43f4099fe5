"""`status` on restore tests, from the first one that is awaited to one that failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import pytest
from local_aws.client import ACCOUNT, Sandbox

from tests.e2e.operator import Operator
from tests.e2e.rehearsing.conftest import MORNING, SETTINGS
from tests.e2e.status.aws_by_hand import ROLE_ARN
from tests.sandbox.deployment import Deployment

Fault = Callable[[Sandbox], object]


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
    status, evidence = seen(operator)
    assert status == "ok"
    assert evidence.count("the first test is due on 2026-01-02 09:00 UTC") == 4
    sandbox.advance_to(MORNING + timedelta(hours=2))
    assert seen(operator)[0] == "ok", "under way"
    sandbox.advance_to(MORNING + timedelta(hours=8))
    status, evidence = seen(operator)
    assert status == "ok"
    for vault in ("cabal-backup", "cabal-backup-dr"):
        assert f"table in {vault}: successful, 2026-01-02" in evidence
        assert f"mailstore in {vault}: successful, 2026-01-02" in evidence


def test_a_failed_verdict_is_reported_with_its_message(operator: Operator) -> None:
    sandbox = operator.sandbox
    sandbox.advance_to(MORNING)
    dynamodb = sandbox.client("dynamodb")
    for number in range(100):
        dynamodb.put_item(
            TableName="cabal-addresses", Item={"address": {"S": f"new{number}@example.com"}}
        )
    sandbox.advance_to(MORNING + timedelta(hours=8))
    said = operator.run("status", "--only", "restore-tests", **SETTINGS)
    assert said.code == 1
    assert "The last restore test of the table in cabal-backup and of the table in" in said.text
    assert "500 items, cabal-addresses has 600" in said.text


def test_a_failed_restore_is_reported_with_the_reason_of_aws(operator: Operator) -> None:
    # In both regions: their tests start at the same time.
    operator.sandbox.faults.fail_next("restore", resource_type="EFS", message="No subnet.", count=2)
    operator.sandbox.advance_to(MORNING + timedelta(hours=8))
    said = operator.run("status", "--only", "restore-tests", **SETTINGS)
    assert said.code == 1
    assert "could not be restored" in said.text
    assert "No subnet." in said.text


@dataclass(frozen=True)
class PlanOfTests:
    """One restore testing plan."""

    name: str
    region: str
    kinds: tuple[str, ...]

    def planned(self, **changes: object) -> Fault:
        return lambda sandbox: sandbox.client("backup", self.region).update_restore_testing_plan(
            RestoreTestingPlanName=self.name, RestoreTestingPlan=changes
        )

    def choosing(self, **changes: object) -> Fault:
        """Another choice of recovery points."""

        def inject(sandbox: Sandbox) -> None:
            plan = sandbox.client("backup", self.region).get_restore_testing_plan(
                RestoreTestingPlanName=self.name
            )["RestoreTestingPlan"]
            chosen = {**plan["RecoveryPointSelection"], **changes}
            self.planned(RecoveryPointSelection=chosen)(sandbox)

        return inject

    def selecting(self, kind: str, **changes: object) -> Fault:
        return lambda sandbox: sandbox.client(
            "backup", self.region
        ).update_restore_testing_selection(
            RestoreTestingPlanName=self.name,
            RestoreTestingSelectionName=f"{self.name}_{kind}",
            RestoreTestingSelection={"IamRoleArn": ROLE_ARN, **changes},
        )

    def deselected(self, *kinds: str) -> Fault:
        def inject(sandbox: Sandbox) -> None:
            for kind in kinds:
                sandbox.client("backup", self.region).delete_restore_testing_selection(
                    RestoreTestingPlanName=self.name,
                    RestoreTestingSelectionName=f"{self.name}_{kind}",
                )

        return inject

    def deleted(self, sandbox: Sandbox) -> None:
        self.deselected(*self.kinds)(sandbox)
        sandbox.client("backup", self.region).delete_restore_testing_plan(
            RestoreTestingPlanName=self.name
        )

    def never_judged(self, sandbox: Sandbox) -> None:
        """The rules that call the function are off, and the day for a verdict goes by."""
        events = sandbox.client("events", self.region)
        for rule in events.list_rules()["Rules"]:
            events.disable_rule(Name=rule["Name"])
        sandbox.advance(days=2, hours=2)


PRIMARY = PlanOfTests("cabal_backup_restore_testing", "us-west-1", ("dynamodb", "efs"))
DR_TABLE = PlanOfTests("cabal_backup_dr_table", "us-west-2", ("dynamodb",))
DR_MAILSTORE = PlanOfTests("cabal_backup_dr_mailstore", "us-west-2", ("efs",))


def never_ending(sandbox: Sandbox) -> None:
    sandbox.faults.apply(hold=["restore"])
    sandbox.advance(days=2)


FAULTS: Mapping[str, tuple[Fault, str]] = {
    "it runs at another time": (PRIMARY.planned(ScheduleExpression="cron(0 9 1 1 ? *)"), "fail"),
    "it runs in another time zone": (
        PRIMARY.planned(ScheduleExpressionTimezone="America/Los_Angeles"),
        "fail",
    ),
    "it may start a day late": (PRIMARY.planned(StartWindowHours=24), "fail"),
    "it restores from another vault": (
        PRIMARY.choosing(IncludeVaults=[f"arn:aws:backup:us-west-1:{ACCOUNT}:backup-vault:other"]),
        "fail",
    ),
    "it restores old recovery points": (PRIMARY.choosing(SelectionWindowDays=365), "fail"),
    "it restores any recovery point": (PRIMARY.choosing(Algorithm="RANDOM_WITHIN_WINDOW"), "fail"),
    "the mailstore is not tested": (PRIMARY.deselected("efs"), "fail"),
    "another table is tested": (
        PRIMARY.selecting(
            "dynamodb",
            ProtectedResourceArns=[f"arn:aws:dynamodb:us-west-1:{ACCOUNT}:table/cabal-counter"],
        ),
        "fail",
    ),
    "a test waits for no verdict": (PRIMARY.selecting("efs", ValidationWindowHours=0), "fail"),
    "the plan is deleted": (PRIMARY.deleted, "fail"),
    "a test does not end": (never_ending, "warn"),
    "no verdict is given": (PRIMARY.never_judged, "fail"),
    "copies of the table are tested at another time": (
        DR_TABLE.planned(ScheduleExpression="cron(0 9 1 1 ? *)"),
        "fail",
    ),
    "copies of the mailstore are tested at another time": (
        DR_MAILSTORE.planned(ScheduleExpression="cron(0 9 1 1 ? *)"),
        "fail",
    ),
    "copies are restored from another vault": (
        DR_TABLE.choosing(IncludeVaults=[f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:other"]),
        "fail",
    ),
    "the copy of the table is not tested": (DR_TABLE.deselected("dynamodb"), "fail"),
    "the copy of the mailstore is not tested": (DR_MAILSTORE.deselected("efs"), "fail"),
    "copies are restored under another role": (
        DR_MAILSTORE.selecting("efs", ValidationWindowHours=24),
        "fail",
    ),
    "the plan of the mailstore's copies is deleted": (DR_MAILSTORE.deleted, "fail"),
    "no verdict is given on copies": (DR_TABLE.never_judged, "fail"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_restore_testing_is_reported(operator: Operator, fault: str) -> None:
    inject, expected = FAULTS[fault]
    operator.sandbox.advance_to(MORNING + timedelta(hours=8))
    assert seen(operator)[0] == "ok"

    inject(operator.sandbox)

    assert seen(operator)[0] == expected


def test_switched_off_a_restore_by_hand_is_expected(operator: Operator) -> None:
    """Whatever restored it counts, also a test from before."""
    status, evidence = seen(operator, restore_testing="false")
    assert (status, evidence) == (
        "warn",
        "No restore of the table nor the mailstore within a year.",
    )
    operator.sandbox.advance_to(MORNING + timedelta(hours=8))
    status, evidence = seen(operator, restore_testing="false")
    assert status == "ok"
    assert evidence.startswith("Restore testing is off. Restored within the year: table: 2026-01")
