"""restore-tests: the last test of each kind, its verdict, and tests that stay away."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from cabal_backup.operations.answers import Known
from cabal_backup.operations.status.findings import Finding
from tests.unit.operations.status.builders import (
    DENIED,
    MAILSTORE_ARN,
    ROLE_ARN,
    a_restore_job,
    a_restore_test,
    a_state,
    a_testing_plan,
    a_testing_selection,
    at,
    finding,
)

NOW = at("2026-03-02 14:00")
"""The day after the tests of March."""


def seen_with(*jobs: dict[str, Any], now: datetime = NOW, **plan: Any) -> Finding:
    """What is found with these restore jobs."""
    return finding(
        "restore-tests",
        now=now,
        restore_jobs=Known(list(jobs)),
        testing_plan=Known(a_testing_plan(**plan)),
    )


def both(**of_the_table: Any) -> list[dict[str, Any]]:
    return [a_restore_test("DynamoDB", **of_the_table), a_restore_test("EFS")]


def test_both_found_right_is_ok_with_their_age() -> None:
    seen = seen_with(*both())
    assert seen.status == "ok"
    assert seen.evidence == (
        "Restores are tested: table: as it should be, 2026-03-01 07:00 UTC, 31 hours ago; "
        "mailstore: as it should be, 2026-03-01 07:00 UTC, 31 hours ago."
    )


def test_a_verdict_that_failed_is_a_failure_with_its_message() -> None:
    reason = "The restored table has 10 items, cabal-addresses has 200."
    seen = seen_with(*both(ValidationStatus="FAILED", ValidationStatusMessage=reason))
    assert seen.status == "fail"
    assert seen.evidence == "The last restore test of the table failed."
    assert reason in seen.details[0]
    assert "docs/restore-testing.md" in seen.hint


def test_a_restore_that_failed_is_a_failure_with_its_message() -> None:
    failed = a_restore_test("EFS", Status="FAILED", StatusMessage="Access denied.")
    del failed["ValidationStatus"]
    seen = seen_with(a_restore_test("DynamoDB"), failed)
    assert seen.status == "fail"
    assert "of the mailstore failed" in seen.evidence
    assert "could not be restored" in seen.details[1]
    assert "Access denied." in seen.details[1]


def test_nobodys_verdict_is_a_failure() -> None:
    seen = seen_with(*both(ValidationStatus="TIMED_OUT"))
    assert seen.status == "fail"
    assert "nobody gave a verdict" in seen.details[0]


@pytest.mark.parametrize(("hours", "status"), [(25, "ok"), (27, "fail")])
def test_a_verdict_may_take_its_day(hours: int, status: str) -> None:
    """Until then the test before counts."""
    waits = a_restore_test("EFS", NOW - timedelta(hours=hours), ValidationStatus="VALIDATING")
    before = a_restore_test("EFS", at("2026-02-10 07:00"))
    assert seen_with(a_restore_test("DynamoDB"), before, waits).status == status


@pytest.mark.parametrize("under_way", ["PENDING", "RUNNING"])
def test_a_test_under_way_does_not_count_yet(under_way: str) -> None:
    job = a_restore_test("EFS", NOW, Status=under_way)
    for name in ("CompletionDate", "ValidationStatus"):
        del job[name]
    assert seen_with(*both(), job).status == "ok"


@pytest.mark.parametrize("order", [1, -1])
def test_the_newest_test_counts_in_whatever_order(order: int) -> None:
    jobs = [
        a_restore_test("EFS"),
        a_restore_test("DynamoDB"),
        a_restore_test("DynamoDB", at("2026-02-10 07:00"), ValidationStatus="FAILED"),
    ]
    assert seen_with(*jobs[::order]).status == "ok"


def test_other_restores_are_no_tests() -> None:
    """A restore by hand, and one by somebody else's plan."""
    foreign = "arn:aws:backup:us-west-1:123456789012:restore-testing-plan:other-1"
    seen = seen_with(
        a_restore_test("DynamoDB"),
        a_restore_job("EFS", at("2026-03-01 07:00")),
        a_restore_test("EFS", CreatedBy={"RestoreTestingPlanArn": foreign}),
    )
    assert seen.status == "warn"
    assert seen.evidence == "The tests of 2026-03-01 06:20 UTC had no result for the mailstore."


def test_tests_that_aws_backup_lists_no_more_are_no_reason_to_worry() -> None:
    """On the 31st the tests of the 1st are 30 days old."""
    seen = seen_with(now=at("2026-03-31 14:00"))
    assert seen.status == "ok"
    assert seen.evidence == "Restores were last tested by the plan's run of 2026-03-01 06:20 UTC."


@pytest.mark.parametrize(
    ("schedule", "days"),
    [
        ("cron(0 6 1 * ? *)", 35),
        ("cron(0 6 ? * SUN *)", 10),
        ("cron(0 6 * * ? *)", 3),
        ("cron(0 6 1 1 ? *)", 370),
    ],
)
def test_a_test_that_stays_away_is_a_warning(schedule: str, days: int) -> None:
    ran = at("2026-03-01 06:20")
    settings = {"restore_testing_schedule": schedule}
    plan = Known(a_testing_plan(ScheduleExpression=schedule, LastExecutionTime=ran))
    jobs = Known([a_restore_test("DynamoDB"), a_restore_test("EFS")])
    for late, status in ((timedelta(0), "ok"), (timedelta(minutes=1), "warn")):
        state = a_state(
            settings,
            now=ran + timedelta(days=days) + late,
            testing_plan=plan,
            restore_jobs=jobs,
        )
        assert finding("restore-tests", state).status == status


def test_the_first_test_is_waited_for() -> None:
    plan = a_testing_plan(CreationTime=NOW - timedelta(days=35))
    del plan["LastExecutionTime"]
    changes: dict[str, Any] = {"restore_jobs": Known([]), "testing_plan": Known(plan)}
    seen = finding("restore-tests", now=NOW, **changes)
    assert seen.status == "ok"
    assert seen.evidence == "The first restore test is still to come, by cron(0 6 1 * ? *)."
    later = finding("restore-tests", now=NOW + timedelta(minutes=1), **changes)
    assert later.status == "warn"
    assert "never tested in 35 days" in later.evidence


def test_a_plan_that_is_gone_is_a_failure() -> None:
    seen = finding("restore-tests", testing_plan=Known(None))
    assert seen.status == "fail"
    assert seen.hint == "make deploy ENVIRONMENT=prod"


def test_another_schedule_than_was_set_is_a_failure() -> None:
    seen = seen_with(*both(), ScheduleExpression="cron(0 6 1 1 ? *)")
    assert seen.status == "fail"
    assert seen.details == ("schedule: cron(0 6 1 1 ? *), should be cron(0 6 1 * ? *)",)


CHOSEN = a_testing_plan()["RecoveryPointSelection"]


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        (
            {"ScheduleExpressionTimezone": "Europe/Berlin"},
            "time zone: Europe/Berlin, should be UTC",
        ),
        ({"StartWindowHours": 24}, "start window in hours: 24, should be 8"),
        *(
            ({"RecoveryPointSelection": {**CHOSEN, **chosen}}, difference)
            for chosen, difference in (
                (
                    {"Algorithm": "RANDOM_WITHIN_WINDOW"},
                    "algorithm: RANDOM_WITHIN_WINDOW, should be LATEST_WITHIN_WINDOW",
                ),
                (
                    {"IncludeVaults": ["*"]},
                    "vaults: ['*'], should be "
                    "['arn:aws:backup:us-west-1:123456789012:backup-vault:cabal-backup']",
                ),
                (
                    {"ExcludeVaults": ["arn:aws:backup:::x"]},
                    "excluded vaults: ['arn:aws:backup:::x'], should be []",
                ),
                (
                    {"RecoveryPointTypes": ["CONTINUOUS"]},
                    "types of recovery points: ['CONTINUOUS'], should be ['SNAPSHOT']",
                ),
                (
                    {"SelectionWindowDays": 365},
                    "age of recovery points in days: 365, should be 7",
                ),
            )
        ),
    ],
)
def test_another_setting_of_the_plan_is_a_failure(changes: dict[str, Any], difference: str) -> None:
    seen = seen_with(*both(), **changes)
    assert (seen.status, seen.details) == ("fail", (difference,))


OURS = "cabal_backup_restore_testing_efs"


@pytest.mark.parametrize(
    ("selections", "difference"),
    [
        ([], "0 selections of the mailstore, should be one"),
        (
            [a_testing_selection("EFS"), a_testing_selection("EFS")],
            "2 selections of the mailstore, should be one",
        ),
        (
            [a_testing_selection("EFS", ProtectedResourceArns=["*"])],
            f"{OURS}: resources: ['*'], should be ['{MAILSTORE_ARN}']",
        ),
        (
            [a_testing_selection("EFS", IamRoleArn="arn:aws:iam::123456789012:role/other")],
            f"{OURS}: role: arn:aws:iam::123456789012:role/other, should be {ROLE_ARN}",
        ),
        (
            [a_testing_selection("EFS", ValidationWindowHours=0)],
            f"{OURS}: validation window in hours: 0, should be 24",
        ),
        (
            [
                a_testing_selection(
                    "EFS", ProtectedResourceConditions={"StringEquals": [{"Key": "a"}]}
                )
            ],
            f"{OURS}: conditions: {{'StringEquals': [{{'Key': 'a'}}]}}, should be {{}}",
        ),
        (
            [a_testing_selection("EFS", RestoreMetadataOverrides={"Encrypted": "false"})],
            f"{OURS}: metadata overrides: {{'Encrypted': 'false'}}, should be {{}}",
        ),
        (
            [
                a_testing_selection("EFS"),
                a_testing_selection(
                    "EFS", ProtectedResourceType="RDS", RestoreTestingSelectionName="more"
                ),
            ],
            "more tests RDS too",
        ),
    ],
)
def test_another_selection_is_a_failure(selections: list[dict[str, Any]], difference: str) -> None:
    seen = finding(
        "restore-tests",
        now=NOW,
        restore_jobs=Known(both()),
        testing_selections=Known([a_testing_selection("DynamoDB"), *selections]),
    )
    assert (seen.status, seen.details) == ("fail", (difference,))


def test_empty_conditions_are_none() -> None:
    empty: dict[str, list[Any]] = {"StringEquals": [], "StringNotEquals": []}
    selections = [
        a_testing_selection(kind, ProtectedResourceConditions=empty) for kind in ("DynamoDB", "EFS")
    ]
    seen = finding(
        "restore-tests",
        now=NOW,
        restore_jobs=Known(both()),
        testing_selections=Known(selections),
    )
    assert seen.status == "ok"


@pytest.mark.parametrize(("hours", "status"), [(24, "ok"), (25, "warn")])
@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_a_test_that_does_not_end_is_a_warning(state: str, hours: int, status: str) -> None:
    job = a_restore_test("EFS", NOW, Status=state, CreationDate=NOW - timedelta(hours=hours))
    for name in ("CompletionDate", "ValidationStatus"):
        del job[name]
    seen = seen_with(*both(), job)
    assert seen.status == status
    if status == "warn":
        assert seen.details[0].startswith(f"mailstore: {state} since 2026-03-01 13:00 UTC")


def test_switched_off_it_says_so() -> None:
    state = a_state({"restore_testing": False}, testing_plan=DENIED, restore_jobs=DENIED)
    seen = finding("restore-tests", state)
    assert (seen.status, seen.evidence) == (
        "off",
        "Restore testing is off in this environment.",
    )


@pytest.mark.parametrize("denied", ["testing_plan", "testing_selections", "restore_jobs"])
def test_what_cannot_be_seen_is_unknown(denied: str) -> None:
    assert finding("restore-tests", **{denied: DENIED}).status == "unknown"
