"""The drill of the copy-back, and of everything in turn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NoReturn

import pytest
from local_aws.client import ACCOUNT, Sandbox

from tests.e2e.drill.conftest import USER, Driller, left
from tests.e2e.drill.test_interrupts import Interrupting
from tests.e2e.status import aws_by_hand as hand

DR = "us-west-2"


def primary_points(sandbox: Sandbox) -> list[dict[str, Any]]:
    return hand.points(sandbox, hand.PRIMARY)


def came_back(driller: Driller, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The recovery points in the primary vault that were not there before."""
    known = {point["RecoveryPointArn"] for point in before}
    return [p for p in primary_points(driller.sandbox) if p["RecoveryPointArn"] not in known]


def test_copies_back_restores_from_the_copy_and_says_what_stays(driller: Driller) -> None:
    before = primary_points(driller.sandbox)
    with driller.live_data_stays():
        said = driller.drill("copy-back")

    assert said.code == 0, said.err + said.out
    assert left(driller.sandbox) == []
    (copy,) = came_back(driller, before)
    report = driller.report
    assert report["verdict"] == "passed"
    assert [step["step"] for step in report["steps"]] == [
        *("copy back", "restore", "compare", "cutover")
    ]
    # Restored from the copy, not from the point that was there all the time.
    point_id = copy["RecoveryPointArn"].rpartition(":")[2]
    assert report["recovery_point"]["id"] == point_id
    job = driller.sandbox.client("backup").list_restore_jobs()["RestoreJobs"][0]
    assert job["RecoveryPointArn"] == copy["RecoveryPointArn"]
    # As short as the lock accepts, counted from the backup.
    assert copy["Lifecycle"]["DeleteAfterDays"] == 30
    assert copy["Lifecycle"].get("MoveToColdStorageAfterDays", -1) < 1
    until = f"{copy['CreationDate'] + timedelta(days=30):%Y-%m-%d}"
    (stays,) = report["stays"]
    assert stays.startswith(f"{point_id}: THE COPY STAYS in cabal-backup until {until}")
    assert "the lock refuses to delete it, and wants 30 days" in said.err
    assert stays in said.out


def test_the_second_copy_is_no_fault_and_goes_by_itself(driller: Driller) -> None:
    before = primary_points(driller.sandbox)
    assert driller.drill("copy-back").code == 0
    assert len(came_back(driller, before)) == 1
    assert driller.operator.not_ok().keys() - {"drill"} == set()
    assert (
        "And 1 second copy of some."
        in driller.operator.run("status", "--only", "primary-points", "--json").out
    )

    driller.sandbox.run_nights(30)

    assert came_back(driller, before) == [
        point
        for point in came_back(driller, before)
        if point["Lifecycle"]["DeleteAfterDays"] == 365
    ]


def test_a_cold_one_comes_back_and_is_restored(driller: Driller) -> None:
    sandbox = driller.sandbox
    before = primary_points(sandbox)
    with driller.live_data_stays():
        said = driller.drill("copy-back", "--cold")

    assert said.code == 0, said.err + said.out
    assert left(sandbox) == sandbox.client("dynamodb", DR).list_tables()["TableNames"] == []
    (copy,) = came_back(driller, before)
    assert copy["Lifecycle"] == {"DeleteAfterDays": 30}
    report = driller.report
    point_id = copy["RecoveryPointArn"].rpartition(":")[2]
    assert report["recovery_point"]["id"] == point_id
    assert report["recovery_point"]["age_seconds"] > 30 * 86_400
    assert report["recovery_seconds"] > 4 * 3600
    (stays,) = report["stays"]
    assert stays.startswith(f"{point_id}: THE COPY STAYS in cabal-backup until")
    assert "The new recovery point in cabal-backup-dr stays 30 days" in stays
    assert driller.operator.not_ok().keys() - {"drill"} == set()


def test_an_interrupted_cold_drill_says_what_it_left(
    driller: Driller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(driller.operator.clock, "sleep", interrupt)
        assert driller.drill("copy-back", "--cold").code == 130
    (left_over,) = driller.report["left_over"]
    driller.sandbox.advance(hours=6)
    (table,) = driller.sandbox.client("dynamodb", DR).list_tables()["TableNames"]
    assert left_over == (
        f"perhaps the table {table}. When its restore job has ended, delete it: aws dynamodb "
        f"delete-table --region {DR} --table-name={table}"
    )


def test_the_plan_alone(driller: Driller) -> None:
    said = driller.drill("copy-back", "--dry-run")
    assert said.code == 0
    assert "THE COPY STAYS in cabal-backup until 2026-" in said.out
    assert "to a new table cabal-addresses-drill-" in said.out
    assert driller.reports == []


def copy_fails(driller: Driller) -> None:
    driller.sandbox.faults.fail_next("copy", message="There was an internal error at AWS.")


def only_cold_copies(driller: Driller) -> None:
    hand.delete_selections(driller.sandbox)
    driller.sandbox.advance(days=31)


def no_copies(driller: Driller) -> None:
    with hand.unlocked(driller.sandbox, hand.DR):
        hand.delete_points(driller.sandbox, hand.DR, hand.points(driller.sandbox, hand.DR))


def dr_region_is_lost(driller: Driller) -> None:
    driller.sandbox.faults.lose_regions(DR)


def copies_may_not_be_started(driller: Driller) -> None:
    driller.sandbox.faults.deny("StartCopyJob")


def restore_from_the_copy_fails(driller: Driller) -> None:
    driller.sandbox.faults.fail_next("restore", message="There was an internal error at AWS.")


def lock_is_too_narrow(driller: Driller) -> None:
    """The lock accepts at most a day, and the newest copy is older than that allows."""
    hand.unlock(driller.sandbox, hand.PRIMARY)
    hand.lock(driller.sandbox, hand.PRIMARY, least=1, most=1)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (copy_fails, "ended FAILED. AWS says: There was an internal error at AWS."),
        (only_cold_copies, "is in cold storage, and AWS Backup cannot copy a cold one."),
        (no_copies, "There is no completed recovery point of the addresses in cabal-backup-dr"),
        (dr_region_is_lost, "What is in cabal-backup-dr in us-west-2 is not known"),
        (copies_may_not_be_started, "not authorized to perform: backup:StartCopyJob"),
        (restore_from_the_copy_fails, "AWS says: There was an internal error at AWS."),
        (lock_is_too_narrow, "it would expire on arrival"),
    ],
)
def test_failed_for_the_right_reason(
    driller: Driller, fault: Callable[[Driller], object], reason: str
) -> None:
    fault(driller)

    said = driller.drill("copy-back")

    driller.sandbox.faults.clear()
    assert said.code == 6, said.err
    assert reason in driller.report["reasons"][0], driller.report["reasons"]
    assert left(driller.sandbox) == []


def test_ctrl_c_while_it_copies(driller: Driller) -> None:
    driller.operator.clock = Interrupting(driller.sandbox).interrupt_at(2)
    said = driller.drill("copy-back")
    assert said.code == 130
    assert left(driller.sandbox) == []
    assert "A copy job that has begun continues" in driller.report["stays"][0]


def test_all_of_them_with_a_summary(driller: Driller) -> None:
    with driller.live_data_stays():
        said = driller.drill("all", "--user", USER, "--mount", str(driller.mount))

    assert said.code == 0, said.err
    assert left(driller.sandbox) == []
    reports = {report["drill"]: report for report in driller.reports}
    assert list(reports) == ["addresses", "all", "copy-back", "mailbox"]
    summary = reports["all"]
    assert summary["verdict"] == "passed"
    assert [each["drill"] for each in summary["drills"]] == ["addresses", "mailbox", "copy-back"]
    assert all(each["recovery_seconds"] > 0 for each in summary["drills"])
    day = datetime.fromisoformat(summary["started"])
    text = (driller.folder / f"{day:%Y-%m-%d}-development-all.md").read_text()
    assert "| mailbox | passed | " in text
    assert ACCOUNT not in text


def test_one_failure_does_not_stop_the_others(driller: Driller) -> None:
    driller.sandbox.faults.fail_next("restore", resource_type="EFS", message="Something broke.")
    said = driller.drill("all", "--user", USER)

    assert said.code == 6
    reports = {report["drill"]: report for report in driller.reports}
    assert {name: report["verdict"] for name, report in reports.items()} == {
        "addresses": "passed",
        "all": "failed",
        "copy-back": "passed",
        "mailbox": "failed",
    }
    assert "Something broke." in reports["all"]["drills"][1]["reasons"][0]
    assert left(driller.sandbox) == []


def test_an_interruption_ends_all(driller: Driller) -> None:
    driller.operator.clock = Interrupting(driller.sandbox).interrupt_at(2)
    said = driller.drill("all", "--user", USER)
    assert said.code == 130
    assert [report["drill"] for report in driller.reports] == ["addresses", "all"]
    assert left(driller.sandbox) == []


def test_what_cannot_be_drilled_is_said_before_it_asks(driller: Driller) -> None:
    no_copies(driller)
    said = driller.drill("all", "--user", USER)

    assert said.code == 6
    assert "The copy-back drill has failed before it began: There is no completed" in said.err
    verdicts = {report["drill"]: report["verdict"] for report in driller.reports}
    assert verdicts == {
        "addresses": "passed",
        "all": "failed",
        "copy-back": "failed",
        "mailbox": "passed",
    }
    assert left(driller.sandbox) == []
