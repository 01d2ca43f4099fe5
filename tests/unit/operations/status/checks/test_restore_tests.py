"""restore-tests: the last test of each kind and vault, its verdict, and tests that stay away."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from cabal_backup.operations.aws.results import Known
from cabal_backup.operations.status.findings import Finding
from tests.unit.operations.status.builders import (
    DENIED,
    DR_MAILSTORE_PLAN,
    DR_TABLE_PLAN,
    MAILSTORE_ARN,
    PRIMARY_PLAN,
    ROLE_ARN,
    TABLE_ARN,
    a_deployed_plan,
    a_point,
    a_region,
    a_restore_job,
    a_restore_test,
    a_state,
    a_testing_plan,
    a_testing_selection,
    at,
    finding,
    nightly,
    with_testing,
)

NOW = at("2026-03-16 14:00")
"""After March's tests: of the primary vault on the 1st, of the table's copy on the 15th."""


def seen_with(*jobs: dict[str, Any], now: datetime = NOW, **plan: Any) -> Finding:
    """What is found with these restore jobs, and the plan changed, in the primary region."""
    return finding(
        "restore-tests",
        now=now,
        restore_jobs=Known(list(jobs)),
        testing=with_testing({PRIMARY_PLAN: a_deployed_plan(PRIMARY_PLAN, **plan)}),
    )


def seen_with_copies(*jobs: dict[str, Any], plan: str = DR_TABLE_PLAN, **changes: Any) -> Finding:
    """The same of the DR region."""
    return finding(
        "restore-tests",
        now=NOW,
        restore_jobs=Known(both()),
        dr_restore_jobs=Known(list(jobs)),
        testing=with_testing({plan: a_deployed_plan(plan, **changes)}),
    )


def both(**of_the_table: Any) -> list[dict[str, Any]]:
    return [a_restore_test("DynamoDB", **of_the_table), a_restore_test("EFS")]


def test_both_found_right_is_ok_with_their_age() -> None:
    seen = seen_with(*both())
    assert seen.status == "ok"
    assert seen.evidence == (
        "Restore tests are on schedule: "
        "table in cabal-backup: successful, 2026-03-01 07:00 UTC, 15 days ago; "
        "mailstore in cabal-backup: successful, 2026-03-01 07:00 UTC, 15 days ago; "
        "table in cabal-backup-dr: successful, 2026-03-15 07:00 UTC, 31 hours ago; "
        "mailstore in cabal-backup-dr: last tested by the plan's run of 2026-01-15 06:20 UTC."
    )


def test_a_verdict_that_failed_is_a_failure_with_its_message() -> None:
    reason = "The restored table has 10 items, cabal-addresses has 200."
    seen = seen_with(*both(ValidationStatus="FAILED", ValidationStatusMessage=reason))
    assert seen.status == "fail"
    assert seen.evidence == "The last restore test of the table in cabal-backup failed."
    assert reason in seen.details[0]
    assert "docs/restore-testing.md" in seen.hint


def test_a_restore_that_failed_is_a_failure_with_its_message() -> None:
    failed = a_restore_test("EFS", Status="FAILED", StatusMessage="Access denied.")
    del failed["ValidationStatus"]
    seen = seen_with(a_restore_test("DynamoDB"), failed)
    assert seen.status == "fail"
    assert "of the mailstore in cabal-backup failed" in seen.evidence
    assert "could not be restored" in seen.details[1]
    assert "Access denied." in seen.details[1]


def test_a_test_that_was_never_validated_is_a_failure() -> None:
    seen = seen_with(*both(ValidationStatus="TIMED_OUT"))
    assert seen.status == "fail"
    assert "never validated" in seen.details[0]


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
    """A restore by hand, and one by another plan."""
    foreign = "arn:aws:backup:us-west-1:123456789012:restore-testing-plan:other-1"
    seen = seen_with(
        a_restore_test("DynamoDB"),
        a_restore_job("EFS", at("2026-03-01 07:00")),
        a_restore_test("EFS", CreatedBy={"RestoreTestingPlanArn": foreign}),
    )
    assert seen.status == "warn"
    assert seen.evidence == (
        "The last run of restore testing had no result for the mailstore in cabal-backup."
    )


def test_a_test_of_another_table_is_none() -> None:
    other = f"{TABLE_ARN}-other"
    seen = seen_with(*both(SourceResourceArn=other))
    assert seen.status == "warn"
    assert "no result for the table in cabal-backup" in seen.evidence


def test_tests_that_aws_backup_lists_no_more_are_no_reason_to_worry() -> None:
    """On the 31st the tests of the 1st are 30 days old."""
    seen = seen_with(now=at("2026-03-31 14:00"))
    assert seen.status == "ok"
    assert seen.evidence.count("last tested by the plan's run of 2026-03-01 06:20 UTC") == 2


def test_what_a_recovery_point_remembers_is_said_when_its_job_is_no_longer_listed() -> None:
    restored = at("2026-01-15 06:40")
    points = [replace(nightly("dr")[0], resource_arn=MAILSTORE_ARN, last_restored=restored)]
    points = [replace(point, resource_type="EFS") for point in points]
    seen = finding("restore-tests", dr=a_region("dr", points=Known(points)))
    assert seen.status == "ok"
    assert "mailstore in cabal-backup-dr: last restored 2026-01-15 06:40 UTC" in seen.evidence


@pytest.mark.parametrize(
    ("schedule", "last_moment"),
    [
        ("cron(0 6 * * ? *)", "2026-03-04 06:00"),
        ("cron(0 6 ? * SUN *)", "2026-03-10 06:00"),
        ("cron(0 6 1 * ? *)", "2026-04-03 06:00"),
        ("cron(0 6 1 1/3 ? *)", "2026-04-03 06:00"),
        ("cron(0 6 1 1 ? *)", "2027-01-03 06:00"),
        # Never again, or not to be read: yearly.
        ("cron(0 6 1 1 ? 2020)", "2027-03-04 06:10"),
        ("cron(0 6 32W 1 ? *)", "2027-03-04 06:10"),
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_an_overdue_test_is_a_warning(schedule: str, last_moment: str, listed: bool) -> None:
    """By the schedule and two days more, since the last test or else the plan's last run."""
    ran = at("2026-03-01 06:10")
    settings = dict.fromkeys(
        (
            "restore_testing_schedule",
            "dr_restore_testing_table_schedule",
            "dr_restore_testing_mailstore_schedule",
        ),
        schedule,
    )
    plans = with_testing(ScheduleExpression=schedule, LastExecutionTime=ran)
    jobs = [*both(CreationDate=ran), a_restore_test("EFS", CreationDate=ran)] if listed else []
    copies = [
        a_restore_test(kind, plan=plan, CreationDate=ran)
        for kind, plan in (("DynamoDB", DR_TABLE_PLAN), ("EFS", DR_MAILSTORE_PLAN))
        if listed
    ]
    for late, overdue in ((timedelta(0), False), (timedelta(minutes=1), True)):
        state = a_state(
            settings,
            now=at(last_moment) + late,
            testing=plans,
            restore_jobs=Known(jobs),
            dr_restore_jobs=Known(copies),
        )
        seen = finding("restore-tests", state)
        assert ("overdue" in seen.evidence) is overdue
        assert seen.status == "warn" or not overdue


def test_a_kind_that_is_not_tested_any_more_is_a_warning() -> None:
    """The plan runs every week, but only the table is restored."""
    schedule = "cron(0 6 ? * MON *)"
    state = a_state(
        {"restore_testing_schedule": schedule},
        now=NOW,
        restore_jobs=Known(
            [
                a_restore_test("DynamoDB", at("2026-03-16 07:00")),
                a_restore_test("EFS", at("2026-03-02 07:00")),
            ]
        ),
        testing=with_testing(
            {
                PRIMARY_PLAN: a_deployed_plan(
                    PRIMARY_PLAN,
                    ScheduleExpression=schedule,
                    LastExecutionTime=at("2026-03-16 06:20"),
                )
            }
        ),
    )
    seen = finding("restore-tests", state)
    assert (seen.status, seen.evidence) == (
        "warn",
        "Restore tests are overdue: mailstore in cabal-backup since 2026-03-09 06:00 UTC.",
    )


def test_another_schedule_counts_from_when_it_was_set() -> None:
    """Monthly on the 1st until the 14th, then on the 10th."""
    changed: dict[str, Any] = {
        "ScheduleExpression": "cron(0 6 10 * ? *)",
        "LastUpdateTime": at("2026-03-14 12:00"),
    }
    settings = {"restore_testing_schedule": "cron(0 6 10 * ? *)"}
    for now, status in (("2026-04-12 06:00", "ok"), ("2026-04-12 06:01", "warn")):
        state = a_state(
            settings,
            now=at(now),
            restore_jobs=Known([]),
            testing=with_testing({PRIMARY_PLAN: a_deployed_plan(PRIMARY_PLAN, **changed)}),
        )
        assert finding("restore-tests", state).status == status


def test_the_first_tests_are_waited_for() -> None:
    created = at("2026-03-16 12:00")
    plans = with_testing(CreationTime=created, LastExecutionTime=None)
    changes: dict[str, Any] = {
        "restore_jobs": Known([]),
        "dr_restore_jobs": Known([]),
        "testing": plans,
    }
    seen = finding("restore-tests", now=NOW, **changes)
    assert seen.status == "ok"
    assert seen.evidence == (
        "Restore tests are on schedule: "
        "table in cabal-backup: the first test is due on 2026-04-01 06:00 UTC; "
        "mailstore in cabal-backup: the first test is due on 2026-04-01 06:00 UTC; "
        "table in cabal-backup-dr: the first test is due on 2026-04-15 06:00 UTC; "
        "mailstore in cabal-backup-dr: the first test is due on 2026-04-15 06:00 UTC."
    )
    assert finding("restore-tests", now=at("2026-04-03 06:00"), **changes).status == "ok"
    later = finding("restore-tests", now=at("2026-04-03 06:01"), **changes)
    assert later.status == "warn"
    assert later.evidence == (
        "Restore tests are overdue: table in cabal-backup since 2026-04-01 06:00 UTC; "
        "mailstore in cabal-backup since 2026-04-01 06:00 UTC."
    )


def test_a_running_first_test_is_ok() -> None:
    job = a_restore_test("DynamoDB", NOW, plan=DR_TABLE_PLAN, Status="RUNNING")
    seen = seen_with_copies(job)
    assert seen.status == "ok"
    assert "table in cabal-backup-dr: the first test is under way" in seen.evidence


@pytest.mark.parametrize("plan", [PRIMARY_PLAN, DR_TABLE_PLAN, DR_MAILSTORE_PLAN])
def test_a_plan_that_is_missing_is_a_failure(plan: str) -> None:
    seen = finding("restore-tests", testing=with_testing({plan: Known(None)}))
    assert seen.status == "fail"
    assert seen.evidence == f"There is no restore testing plan {plan}, and there should be."
    assert seen.hint == "make deploy ENVIRONMENT=prod"


def test_another_schedule_than_was_set_is_a_failure() -> None:
    seen = seen_with(*both(), ScheduleExpression="cron(0 6 1 1 ? *)")
    assert seen.status == "fail"
    assert seen.details == (
        f"{PRIMARY_PLAN}: schedule: cron(0 6 1 1 ? *), should be cron(0 6 1 * ? *)",
    )


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
    assert (seen.status, seen.details) == ("fail", (f"{PRIMARY_PLAN}: {difference}",))


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
        testing=with_testing(
            {
                PRIMARY_PLAN: a_deployed_plan(
                    PRIMARY_PLAN, selections=[a_testing_selection("DynamoDB"), *selections]
                )
            }
        ),
    )
    assert (seen.status, seen.details) == ("fail", (f"{PRIMARY_PLAN}: {difference}",))


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"selections": []}, "0 selections of the table, should be one"),
        (
            {"selections": [a_testing_selection("DynamoDB", DR_TABLE_PLAN, IamRoleArn=ROLE_ARN)]},
            f"cabal_backup_dr_table_dynamodb: role: {ROLE_ARN}, should be "
            "arn:aws:iam::123456789012:role/cabal-backup-dr-*",
        ),
        (
            {
                "selections": [
                    a_testing_selection("DynamoDB", DR_TABLE_PLAN),
                    a_testing_selection("EFS", DR_TABLE_PLAN),
                ]
            },
            "cabal_backup_dr_table_efs tests EFS too",
        ),
        (
            {"RecoveryPointSelection": CHOSEN},
            "vaults: ['arn:aws:backup:us-west-1:123456789012:backup-vault:cabal-backup'], should "
            "be ['arn:aws:backup:us-west-2:123456789012:backup-vault:cabal-backup-dr']",
        ),
        (
            {"ScheduleExpression": "cron(0 6 1 * ? *)"},
            "schedule: cron(0 6 1 * ? *), should be cron(0 6 15 * ? *)",
        ),
    ],
)
def test_another_plan_of_the_copies_is_a_failure(changes: dict[str, Any], difference: str) -> None:
    tested = a_restore_test("DynamoDB", at("2026-03-15 07:00"), plan=DR_TABLE_PLAN)
    seen = seen_with_copies(tested, **changes)
    assert (seen.status, seen.details) == ("fail", (f"{DR_TABLE_PLAN}: {difference}",))


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"ValidationStatus": "FAILED"}, "fail", "of the table in cabal-backup-dr failed"),
        ({"ValidationStatus": "TIMED_OUT"}, "fail", "of the table in cabal-backup-dr failed"),
        ({"Status": "RUNNING"}, "warn", "running for more than 24 hours"),
        ({}, "ok", "table in cabal-backup-dr: successful"),
    ],
)
def test_the_test_of_a_copy_counts_as_well(
    changes: dict[str, Any], status: str, words: str
) -> None:
    seen = seen_with_copies(
        a_restore_test("DynamoDB", at("2026-03-15 07:00"), plan=DR_TABLE_PLAN, **changes)
    )
    assert seen.status == status
    assert words in seen.evidence


def test_empty_conditions_are_none() -> None:
    empty: dict[str, list[Any]] = {"StringEquals": [], "StringNotEquals": []}
    selections = [
        a_testing_selection(kind, ProtectedResourceConditions=empty) for kind in ("DynamoDB", "EFS")
    ]
    seen = finding(
        "restore-tests",
        now=NOW,
        restore_jobs=Known(both()),
        testing=with_testing({PRIMARY_PLAN: a_deployed_plan(PRIMARY_PLAN, selections=selections)}),
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
        assert seen.details[0].startswith(
            f"mailstore in cabal-backup: {state} since 2026-03-15 13:00 UTC"
        )


@pytest.mark.parametrize("denied", ["restore_jobs", "dr_restore_jobs"])
def test_restore_jobs_that_cannot_be_seen_are_unknown(denied: str) -> None:
    assert finding("restore-tests", **{denied: DENIED}).status == "unknown"


@pytest.mark.parametrize("plan", [PRIMARY_PLAN, DR_TABLE_PLAN, DR_MAILSTORE_PLAN])
def test_a_plan_that_cannot_be_seen_is_unknown(plan: str) -> None:
    assert finding("restore-tests", testing=with_testing({plan: DENIED})).status == "unknown"


def test_what_failed_outweighs_what_is_unknown() -> None:
    failed = a_restore_test("DynamoDB", ValidationStatus="FAILED")
    seen = finding("restore-tests", now=NOW, restore_jobs=Known([failed]), dr_restore_jobs=DENIED)
    assert seen.status == "fail"


@pytest.mark.parametrize(("days", "status"), [(370, "ok"), (371, "warn")])
def test_a_kind_that_no_test_restored_in_a_year_is_a_warning(days: int, status: str) -> None:
    """The plans ran, but nothing says that a mailstore was restored since they were made."""
    now = at("2026-03-31 14:00")
    seen = finding(
        "restore-tests",
        now=now,
        restore_jobs=Known([]),
        testing=with_testing(CreationTime=now - timedelta(days=days)),
    )
    assert seen.status == status
    assert ("No restore of the mailstore within a year" in seen.evidence) is (status == "warn")


# --- restores by hand, where restore testing is off


def restored(**when: datetime) -> dict[str, Any]:
    return {"restore_jobs": Known([a_restore_job(kind, at_) for kind, at_ in when.items()])}


def by_hand(**changes: Any) -> Finding:
    """What is found where restore testing is off."""
    state = a_state({"restore_testing": False}, now=NOW, testing={}, **changes)
    return finding("restore-tests", replace(state, dr_restore_jobs=Known([])))


YEAR = timedelta(days=365)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("table", "mailstore", "status"),
    [
        (NOW - YEAR, NOW - YEAR, "ok"),
        (NOW - YEAR - timedelta(seconds=1), NOW, "warn"),
        (NOW, NOW - YEAR - timedelta(seconds=1), "warn"),
    ],
)
def test_the_exercise_is_yearly(table: datetime, mailstore: datetime, status: str) -> None:
    assert by_hand(**restored(DynamoDB=table, EFS=mailstore)).status == status


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({}, "the table nor the mailstore"),
        ({"EFS": NOW}, "of the table within"),
        ({"DynamoDB": NOW}, "of the mailstore within"),
    ],
)
def test_the_kind_that_is_overdue_is_named(when: dict[str, datetime], words: str) -> None:
    assert words in by_hand(**restored(**when)).evidence


@pytest.mark.parametrize("order", [1, -1])
def test_the_newest_restore_counts_in_whatever_order(order: int) -> None:
    jobs = [
        a_restore_job(kind, NOW - age) for kind in ("DynamoDB", "EFS") for age in (2 * YEAR, DAY)
    ]

    seen = by_hand(restore_jobs=Known(jobs[::order]))

    assert seen.status == "ok"
    assert seen.evidence.count("24 hours ago") == 2


def test_a_failed_restore_is_no_exercise() -> None:
    jobs = [
        a_restore_job("EFS", NOW),
        {
            k: v
            for k, v in a_restore_job("DynamoDB", NOW, Status="RUNNING").items()
            if k != "CompletionDate"
        },
        a_restore_job("DynamoDB", NOW, Status="FAILED"),
    ]

    assert by_hand(restore_jobs=Known(jobs)).status == "warn"


@pytest.mark.parametrize("which", ["primary", "dr"])
def test_what_a_point_remembers_counts_when_its_job_is_forgotten(which: str) -> None:
    points = [
        a_point(resource_arn=arn, vault=which, last_restored=NOW - timedelta(days=200))
        for arn in (TABLE_ARN, MAILSTORE_ARN)
    ]

    seen = by_hand(
        restore_jobs=Known([]),
        **{which: a_region(which, points=Known(points))},
    )

    assert seen.status == "ok"
    assert "200 days ago" in seen.evidence


def test_what_is_enough_needs_nothing_more() -> None:
    assert (
        by_hand(dr=a_region("dr", points=DENIED), **restored(DynamoDB=NOW, EFS=NOW)).status == "ok"
    )
    assert by_hand(restore_jobs=DENIED).status == "unknown"


def test_a_restore_of_another_table_is_no_exercise() -> None:
    another = a_restore_job("DynamoDB", NOW, SourceResourceArn=f"{TABLE_ARN}-other")
    jobs = [another, a_restore_job("EFS", NOW)]

    assert by_hand(restore_jobs=Known(jobs)).status == "warn"


def test_a_restore_of_another_tables_point_is_no_exercise() -> None:
    point = a_point(NOW - DAY, f"{TABLE_ARN}-other", resource_type="DynamoDB", last_restored=NOW)
    region = a_region("primary", points=Known([point]))

    seen = by_hand(primary=region, restore_jobs=Known([a_restore_job("EFS", NOW)]))

    assert seen.status == "warn"


def test_a_restore_dated_in_the_future_is_no_exercise() -> None:
    jobs = [a_restore_job(kind, NOW + DAY) for kind in ("DynamoDB", "EFS")]

    assert by_hand(restore_jobs=Known(jobs)).status == "warn"
