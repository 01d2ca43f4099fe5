"""The nights: when they are due, what is missing, and what failed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.aws.results import Known
from tests.unit.operations.status.builders import (
    DENIED,
    LAST_NIGHT,
    MAILSTORE_ARN,
    NOW,
    TABLE_ARN,
    a_backup_job,
    a_copy_action,
    a_plan,
    a_point,
    a_region,
    a_rule,
    a_state,
    after,
    at,
    finding,
    nightly,
    nights_until,
)


def primary(points: list[RecoveryPoint]) -> dict[str, Any]:
    return {"primary": a_region("primary", points=Known(points))}


def since(last: str, count: int = 40) -> dict[str, Any]:
    """Recovery points of each night up to this one."""
    return primary(nightly("primary", nights_until(at(last), count)))


# --- last-night


@pytest.mark.parametrize(
    ("now", "newest", "status"),
    [
        # Until 12:00 (a start window of 8 hours and 4 to finish) the night before counts.
        ("2026-03-31 00:00:00", "2026-03-30 00:20", "ok"),
        ("2026-03-31 11:59:59", "2026-03-30 00:20", "ok"),
        ("2026-03-31 12:00:00", "2026-03-30 00:20", "fail"),
        ("2026-03-31 12:00:00", "2026-03-31 00:20", "ok"),
        # Started at the very end of the window.
        ("2026-03-31 12:00:00", "2026-03-31 08:00", "ok"),
        # The first and the last moment of a day.
        ("2026-03-31 12:00:00", "2026-03-31 00:00:00", "ok"),
        ("2026-03-31 12:00:00", "2026-03-30 23:59:59", "fail"),
        ("2026-03-31 23:59:59", "2026-03-31 00:20", "ok"),
        ("2026-03-31 11:59:59", "2026-03-29 00:20", "fail"),
        ("2026-04-01 00:00:01", "2026-03-31 00:20", "ok"),
        # A leap day is a day.
        ("2028-03-01 11:00:00", "2028-02-29 00:20", "ok"),
        ("2028-03-01 11:00:00", "2028-02-28 00:20", "fail"),
    ],
)
def test_the_last_night_is_due_at_noon(now: str, newest: str, status: str) -> None:
    assert finding("last-night", now=at(now), **since(newest)).status == status


@pytest.mark.parametrize(
    ("minutes", "now", "status"),
    [
        (60, "2026-03-31 04:59:59", "ok"),
        (60, "2026-03-31 05:00:00", "fail"),
        (720, "2026-03-31 15:59:59", "ok"),
        (720, "2026-03-31 16:00:00", "fail"),
        (None, "2026-03-31 12:00:00", "fail"),
    ],
)
def test_the_start_window_of_the_rule_counts(minutes: int | None, now: str, status: str) -> None:
    plan = Known(a_plan(a_rule(StartWindowMinutes=minutes)))

    seen = finding("last-night", now=at(now), plan=plan, **since("2026-03-30 00:20"))

    assert seen.status == status


def test_a_moment_in_another_time_zone_is_the_same_moment() -> None:
    now = at("2026-03-31 14:00").astimezone(ZoneInfo("America/Los_Angeles"))

    assert finding("last-night", now=now).status == "ok"


def test_one_resource_alone_may_be_late() -> None:
    points = [p for p in nightly("primary") if p.resource_arn == TABLE_ARN]
    points += [
        a_point(night, MAILSTORE_ARN) for night in nights_until(at("2026-03-30 00:20"), count=20)
    ]

    seen = finding("last-night", **primary(points))

    assert seen.status == "fail"
    assert seen.evidence == "The night of 2026-03-31 is missing in cabal-backup."
    assert seen.details == (
        "mailstore fs-0123456789abcdef0: the newest is of 2026-03-30 00:20 UTC, 38 hours ago",
    )
    assert "cabal-backup jobs --days 2 -e prod" in seen.hint
    assert "cabal-backup backup now -e prod" in seen.hint


def test_a_resource_without_any_point_is_named() -> None:
    points = [p for p in nightly("primary") if p.resource_arn == TABLE_ARN]

    (detail,) = finding("last-night", **primary(points)).details

    assert detail == "mailstore fs-0123456789abcdef0: there is no completed recovery point at all"


@pytest.mark.parametrize("status", ["PARTIAL", "EXPIRED", "CREATING", "DELETING", "STOPPED"])
def test_only_a_completed_point_counts(status: str) -> None:
    last = at("2026-03-31 00:20")
    points = nightly("primary", nights_until(last - timedelta(days=1)))
    points += [a_point(last, TABLE_ARN, status=status), a_point(last, MAILSTORE_ARN)]

    assert finding("last-night", **primary(points)).status == "fail"


@pytest.mark.parametrize(
    ("running", "status"),
    [([TABLE_ARN, MAILSTORE_ARN], "warn"), ([TABLE_ARN], "fail"), ([], "fail")],
)
def test_a_backup_still_running_is_not_missing(running: list[str], status: str) -> None:
    jobs = [a_backup_job(at("2026-03-31 07:50"), arn, State="RUNNING") for arn in running]

    seen = finding("last-night", backup_jobs=Known(jobs), **since("2026-03-30 00:20"))

    assert seen.status == status


def test_a_backup_running_since_another_night_does_not_help() -> None:
    jobs = [
        a_backup_job(at("2026-03-30 23:59"), arn, State="RUNNING")
        for arn in (TABLE_ARN, MAILSTORE_ARN)
    ]

    seen = finding("last-night", backup_jobs=Known(jobs), **since("2026-03-30 00:20"))

    assert seen.status == "fail"


def test_the_age_is_measured_of_the_resource_that_is_worse_off() -> None:
    points = [a_point(at("2026-03-31 02:00"), TABLE_ARN)]
    points += [a_point(at("2026-03-31 00:00"), MAILSTORE_ARN)]

    seen = finding("last-night", now=at("2026-03-31 14:00"), **primary(points))

    assert seen.measures == {"oldest_newest_point_seconds": 14 * 3600}


def test_without_any_point_there_is_no_age() -> None:
    assert finding("last-night", **primary([])).measures == {}


# --- nights


def without(*missing: datetime, count: int = 40) -> dict[str, Any]:
    """Some nights of the healthy state were missed."""
    nights = nights_until(at("2026-03-31 00:20"), count)
    return after([night for night in nights if night not in missing])


def without_one(missed: RecoveryPoint) -> dict[str, Any]:
    """One resource was missed in one night."""
    changes = after(nights_until(LAST_NIGHT))
    for region in ("primary", "dr"):
        kept = [
            point
            for point in changes[region].points.value
            if (point.created, point.resource_arn) != (missed.created, missed.resource_arn)
        ]
        changes[region] = a_region(region, points=Known(kept))
    for jobs in ("backup_jobs", "copy_jobs"):
        changes[jobs] = Known(
            [
                job
                for job in changes[jobs].value
                if missed.arn
                not in (job.get("RecoveryPointArn"), job.get("SourceRecoveryPointArn"))
            ]
        )
    return changes


def test_all_nights_are_there() -> None:
    assert finding("nights").evidence == "None of the 39 earlier nights is missing."


@pytest.mark.parametrize(
    ("missing", "status"),
    [
        ("2026-03-31 00:20", "ok"),  # That is last-night's.
        ("2026-03-30 00:20", "warn"),
        ("2026-03-01 00:20", "warn"),
        ("2026-02-20 00:20", "warn"),  # The first night after the plan was made.
    ],
)
def test_how_far_back_nights_are_looked_for(missing: str, status: str) -> None:
    assert finding("nights", **without(at(missing))).status == status


def test_before_noon_the_night_before_is_the_last() -> None:
    changes = after(nights_until(at("2026-03-29 00:20"), 38))

    assert finding("nights", now=at("2026-03-31 09:00"), **changes).status == "ok"


def test_missing_nights_are_listed_for_each_resource() -> None:
    seen = finding("nights", **without(at("2026-03-20 00:20")))

    assert seen.evidence == "2 recovery points of earlier nights missing."
    assert seen.details == (
        "2026-03-20: cabal-addresses",
        "2026-03-20: mailstore fs-0123456789abcdef0",
    )


def test_consecutive_nights_are_one_line() -> None:
    missing = [at(f"2026-03-{day} 00:20") for day in (10, 11, 12, 20)]

    seen = finding("nights", **without(*missing))

    assert seen.details == (
        "2026-03-10 to 2026-03-12: cabal-addresses",
        "2026-03-10 to 2026-03-12: mailstore fs-0123456789abcdef0",
        "2026-03-20: cabal-addresses",
        "2026-03-20: mailstore fs-0123456789abcdef0",
    )


def test_a_single_missing_night_is_singular() -> None:
    seen = finding("nights", **without_one(a_point(at("2026-03-20 00:20"), TABLE_ARN)))

    assert seen.evidence == "1 recovery point of earlier nights missing."


@pytest.mark.parametrize("count", [1, 2])
def test_nothing_is_missing_before_the_plan_was_made(count: int) -> None:
    made = at("2026-03-31 12:00") - timedelta(days=count)
    changes = after(nights_until(LAST_NIGHT, count), made)

    found = finding("nights", plan=Known(a_plan(created=made)), **changes)
    assert found.status == ("off" if count == 1 else "ok")


def test_what_has_expired_is_not_missing() -> None:
    week = {"MoveToColdStorageAfterDays": -1, "DeleteAfterDays": 7}
    rule = a_rule(Lifecycle=week, CopyActions=[a_copy_action(Lifecycle=week)])

    seen = finding(
        "nights",
        a_state(
            {
                "cold_after_days": "never",
                "delete_after_days": 7,
                "dr_cold_after_days": "never",
                "dr_delete_after_days": 7,
                "lock_min_days": 1,
            },
            plan=Known(a_plan(rule)),
            **after(nights_until(LAST_NIGHT, count=7)),
        ),
    )

    assert (seen.status, seen.evidence) == ("ok", "None of the 6 earlier nights is missing.")


# --- backup-jobs


def failed(created: str, **changes: Any) -> dict[str, Any]:
    job = a_backup_job(
        at(created), State="FAILED", StatusMessage="Insufficient privileges", **changes
    )
    others = [a_backup_job(at("2026-03-20 00:00"))]
    return {"backup_jobs": Known([job, *others])}


def test_a_failure_without_a_later_success_fails() -> None:
    seen = finding("backup-jobs", **failed("2026-03-21 00:00"))

    assert seen.status == "fail"
    assert seen.evidence == "1 backup job failed, and none has succeeded since."
    assert seen.details == (
        "2026-03-21 00:00 UTC: cabal-addresses: FAILED: Insufficient privileges",
    )


def test_a_failure_that_was_made_up_for_warns() -> None:
    assert finding("backup-jobs", **failed("2026-03-19 00:00")).status == "warn"


def test_the_success_of_another_resource_does_not_help() -> None:
    jobs = [
        a_backup_job(at("2026-03-21 00:00"), MAILSTORE_ARN, State="FAILED"),
        a_backup_job(at("2026-03-22 00:00"), TABLE_ARN),
    ]

    seen = finding("backup-jobs", backup_jobs=Known(jobs))

    assert seen.status == "fail"
    assert seen.details == (
        "2026-03-21 00:00 UTC: mailstore fs-0123456789abcdef0: FAILED: AWS gives no reason",
    )


@pytest.mark.parametrize("state", ["FAILED", "EXPIRED", "ABORTED", "PARTIAL"])
def test_every_unsuccessful_end_counts(state: str) -> None:
    jobs = [a_backup_job(NOW, State=state)]

    assert finding("backup-jobs", backup_jobs=Known(jobs)).status == "fail"


def test_jobs_into_other_vaults_do_not_count() -> None:
    jobs = [a_backup_job(NOW, State="FAILED", BackupVaultName="Default")]

    assert finding("backup-jobs", backup_jobs=Known(jobs)).status == "off"


# --- unknown


@pytest.mark.parametrize("check", ["last-night", "nights"])
def test_without_the_points_the_nights_are_unknown(check: str) -> None:
    seen = finding(check, primary=a_region("primary", points=DENIED))

    assert seen.status == "unknown"
    assert "AccessDeniedException" in seen.evidence


def test_without_the_jobs_failures_are_unknown() -> None:
    assert finding("backup-jobs", backup_jobs=DENIED).status == "unknown"
