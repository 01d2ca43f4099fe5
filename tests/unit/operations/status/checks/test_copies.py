"""The copies in the DR region: matched, missing, under way, and how far back they reach."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from cabal_backup.config.environment import Lifecycle
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.aws.results import Known
from tests.unit.operations.status.builders import (
    DENIED,
    DR_VAULT_ARN,
    MAILSTORE_ARN,
    NOW,
    ROLE_ARN,
    TABLE_ARN,
    VAULT_ARN,
    a_copy_job,
    a_point,
    a_region,
    at,
    finding,
    nightly,
    nights_until,
)


def pair(created: datetime) -> tuple[RecoveryPoint, RecoveryPoint]:
    return a_point(created), a_point(created, vault="dr")


def seen_of(
    sources: list[RecoveryPoint], copies: list[RecoveryPoint], jobs: list[Any], **changes: Any
) -> Any:
    return finding(
        "dr-copies",
        primary=a_region("primary", points=Known(sources)),
        dr=a_region("dr", points=Known(copies)),
        copy_jobs=Known(jobs),
        **changes,
    )


def test_all_are_copied() -> None:
    assert finding("dr-copies").evidence == (
        "60 recovery points of the last 30 days copied; the slowest took 30 minutes."
    )
    assert finding("dr-copies").measures == {"points_without_copy": 0}


def test_a_copy_is_found_by_its_job_whatever_its_date() -> None:
    source = a_point(at("2026-03-20 00:20"))
    copy = a_point(at("2026-03-25 00:20"), vault="dr")

    assert seen_of([source], [copy], [a_copy_job(source, copy)]).status == "ok"


@pytest.mark.parametrize(
    ("apart", "status"),
    [
        (timedelta(0), "ok"),
        (timedelta(seconds=60), "ok"),
        (timedelta(seconds=-60), "ok"),
        (timedelta(seconds=61), "fail"),
    ],
)
def test_without_a_job_it_is_found_by_its_date(apart: timedelta, status: str) -> None:
    source = a_point(at("2026-03-20 00:20"))
    copy = a_point(source.created + apart, vault="dr")

    assert seen_of([source], [copy], []).status == status


def test_the_copy_of_another_resource_is_none() -> None:
    source = a_point(at("2026-03-20 00:20"), TABLE_ARN)
    copy = a_point(source.created, MAILSTORE_ARN, vault="dr")

    assert seen_of([source], [copy], []).status == "fail"


@pytest.mark.parametrize("status", ["PARTIAL", "EXPIRED", "CREATING"])
def test_a_copy_that_is_not_complete_is_none(status: str) -> None:
    source, copy = pair(at("2026-03-20 00:20"))

    assert seen_of([source], [replace(copy, status=status)], []).status == "fail"


def test_a_completed_job_does_not_replace_a_deleted_copy() -> None:
    source, copy = pair(at("2026-03-20 00:20"))

    seen = seen_of([source], [], [a_copy_job(source, copy)])

    assert seen.status == "fail"
    assert seen.measures == {"points_without_copy": 1}


@pytest.mark.parametrize(
    ("age", "status"),
    [
        (timedelta(hours=12) - timedelta(seconds=1), "ok"),
        (timedelta(hours=12), "fail"),
        (timedelta(hours=12, seconds=1), "fail"),
    ],
)
def test_a_copy_may_take_twelve_hours_to_be_started(age: timedelta, status: str) -> None:
    source = a_point(NOW - age)

    assert seen_of([source], [], []).status == status


@pytest.mark.parametrize("state", ["CREATED", "RUNNING"])
def test_a_running_copy_is_no_gap(state: str) -> None:
    source = a_point(at("2026-03-31 00:20"))

    seen = seen_of([source], [], [a_copy_job(source, State=state)])

    assert (seen.status, seen.measures) == ("ok", {"points_without_copy": 1})
    assert "1 copy under way" in seen.evidence


@pytest.mark.parametrize(
    ("underway", "status"),
    [(timedelta(days=3) - timedelta(seconds=1), "ok"), (timedelta(days=3), "fail")],
)
def test_a_copy_job_that_never_ends_is_waited_for_three_days(
    underway: timedelta, status: str
) -> None:
    source = a_point(NOW - underway)
    job = a_copy_job(source, State="RUNNING", CreationDate=NOW - underway)

    assert seen_of([source], [], [job]).status == status


@pytest.mark.parametrize("state", ["FAILED", "PARTIAL"])
def test_a_copy_that_failed_is_a_gap_at_once(state: str) -> None:
    source = a_point(NOW - timedelta(hours=1))

    assert seen_of([source], [], [a_copy_job(source, State=state)]).status == "fail"


def test_a_later_job_that_runs_is_waited_for() -> None:
    source = a_point(at("2026-03-30 00:20"))
    jobs = [
        a_copy_job(source, State="RUNNING", CreationDate=NOW - timedelta(hours=1)),
        a_copy_job(source, State="FAILED"),
    ]

    assert seen_of([source], [], jobs).status == "ok"


def test_a_later_job_that_failed_does_not_undo_a_copy() -> None:
    source = a_point(at("2026-03-20 00:20"))
    copy = a_point(at("2026-03-25 00:20"), vault="dr")
    jobs = [
        a_copy_job(source, copy),
        a_copy_job(source, State="FAILED", CreationDate=at("2026-03-26 09:00")),
    ]

    assert seen_of([source], [copy], jobs).status == "ok"


def test_a_gap_names_the_point_and_how_to_copy_it() -> None:
    source = a_point(at("2026-03-20 00:20"))

    seen = seen_of([source], [], [])

    assert seen.evidence == (
        "1 recovery point of the last 30 days without a copy in cabal-backup-dr."
    )
    assert seen.details == (f"2026-03-20 00:20 UTC: cabal-addresses: {source.arn}",)
    assert seen.hint.endswith("cabal-backup copy now -e prod")


@pytest.mark.parametrize(
    ("created", "status"),
    [(NOW - timedelta(days=30), "fail"), (NOW - timedelta(days=30, seconds=1), "warn")],
)
def test_thirty_days_are_looked_at(created: datetime, status: str) -> None:
    assert seen_of([a_point(created)], [], []).status == status


@pytest.mark.parametrize("status", ["CREATING", "PARTIAL", "EXPIRED"])
def test_what_is_not_complete_need_not_be_copied(status: str) -> None:
    assert seen_of([a_point(at("2026-03-20 00:20"), status=status)], [], []).status == "off"


@pytest.mark.parametrize("which", ["primary", "dr"])
def test_a_vault_that_cannot_be_looked_into_leaves_it_unknown(which: str) -> None:
    assert finding("dr-copies", **{which: a_region(which, points=DENIED)}).status == "unknown"


def test_without_the_jobs_dates_are_enough() -> None:
    seen = finding("dr-copies", copy_jobs=DENIED)

    assert seen.status == "ok"
    assert seen.evidence == "60 recovery points of the last 30 days copied."


# --- copy-jobs


def jobs(*listed: Any) -> Any:
    return finding("copy-jobs", copy_jobs=Known(list(listed)))


def test_a_failed_copy_that_was_made_up_for_warns() -> None:
    source, copy = pair(at("2026-03-20 00:20"))
    failed = a_copy_job(source, State="FAILED", StatusMessage="Rate exceeded")

    assert jobs(failed, a_copy_job(source, copy)).status == "warn"


def test_a_failed_copy_without_a_later_one_fails_with_the_reason_of_aws() -> None:
    source, another = a_point(at("2026-03-20 00:20")), a_point(at("2026-03-21 00:20"))
    failed = a_copy_job(source, State="FAILED", StatusMessage="Rate exceeded")

    seen = finding(
        "copy-jobs",
        dr=a_region("dr", points=Known([])),
        copy_jobs=Known([failed, a_copy_job(another)]),
    )

    assert (seen.status, seen.evidence) == (
        "fail",
        "1 copy job failed, and no later job for the same recovery point has succeeded.",
    )
    assert seen.details == ("2026-03-20 00:35 UTC: cabal-addresses: FAILED: Rate exceeded",)


def test_copies_to_other_vaults_do_not_count() -> None:
    back = "arn:aws:backup:us-west-1:123456789012:backup-vault:cabal-backup"
    failed = a_copy_job(a_point(), State="FAILED", DestinationBackupVaultArn=back)

    assert jobs(failed).status == "off"


def test_jobs_that_cannot_be_listed_are_unknown() -> None:
    assert finding("copy-jobs", copy_jobs=DENIED).status == "unknown"


# --- foreign-copies

FOREIGN_VAULT = "arn:aws:backup:us-west-2:210987654321:backup-vault:cabal-backup-dr"


def foreign(**changes: Any) -> Any:
    """A copy job from the DR vault."""
    return a_copy_job(a_point(vault="dr"), **{"SourceBackupVaultArn": DR_VAULT_ARN, **changes})


def test_copies_between_the_two_vaults_are_not_foreign() -> None:
    back = foreign(DestinationBackupVaultArn=VAULT_ARN)
    seen = finding("foreign-copies", dr_copy_jobs=Known([back]))
    assert (seen.status, seen.details) == ("ok", ())


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("CREATED", "fail"),
        ("RUNNING", "fail"),
        ("COMPLETED", "fail"),
        ("PARTIAL", "fail"),
        ("FAILED", "warn"),
    ],
)
@pytest.mark.parametrize(
    "vault", [FOREIGN_VAULT, f"{VAULT_ARN}-2", VAULT_ARN.replace("us-west-1", "eu-west-1")]
)
def test_a_copy_to_another_vault_is_reported(vault: str, state: str, status: str) -> None:
    job = foreign(DestinationBackupVaultArn=vault, State=state)
    seen = finding("foreign-copies", dr_copy_jobs=Known([job]))
    assert seen.status == status
    assert seen.details == (
        f"2026-03-31 00:35 UTC: cabal-addresses to {vault} with {ROLE_ARN}: {state}",
    )


def test_a_foreign_copy_from_the_primary_vault_is_reported() -> None:
    job = a_copy_job(a_point(), DestinationBackupVaultArn=FOREIGN_VAULT)
    assert finding("foreign-copies", copy_jobs=Known([job])).status == "fail"


def test_copies_of_other_applications_are_not_ours() -> None:
    theirs = foreign(SourceBackupVaultArn=f"{DR_VAULT_ARN}-2", DestinationBackupVaultArn="else")
    assert finding("foreign-copies", dr_copy_jobs=Known([theirs])).status == "ok"


@pytest.mark.parametrize("which", ["copy_jobs", "dr_copy_jobs"])
def test_copy_jobs_of_one_region_that_cannot_be_listed_are_unknown(which: str) -> None:
    assert finding("foreign-copies", **{which: DENIED}).status == "unknown"


# --- copy-back


ADDRESSES_BACK = "`cabal-backup copy-back addresses --cold -e prod`"
MAILSTORE_BACK = "`cabal-backup copy-back mailstore --cold -e prod`"


def in_dr(*points: RecoveryPoint) -> Any:
    return finding("copy-back", dr=a_region("dr", points=Known(list(points))))


def test_copy_back_reaches_as_far_as_the_warm_copies() -> None:
    assert finding("copy-back").evidence == (
        "Copying back reaches to 2026-03-02 00:20 UTC for cabal-addresses and 2026-03-02 00:20 "
        "UTC for mailstore fs-0123456789abcdef0; copying back 20 older cold copies takes some "
        f"hours: {ADDRESSES_BACK}, {MAILSTORE_BACK}."
    )


@pytest.mark.parametrize(("age", "status"), [(30, "warn"), (29, "ok")])
def test_a_copy_goes_cold_to_the_second(age: int, status: str) -> None:
    night = NOW - timedelta(days=age)

    assert in_dr(*nightly("dr", [night])).status == status


def test_the_resource_without_a_warm_copy_is_named() -> None:
    seen = in_dr(
        a_point(at("2026-03-31 00:20"), TABLE_ARN, vault="dr"),
        a_point(at("2026-02-01 00:20"), MAILSTORE_ARN, vault="dr"),
    )

    assert seen.status == "warn"
    assert "no warm copy of mailstore fs-0123456789abcdef0," in seen.evidence
    assert "`cabal-backup copy-back mailstore --cold -e prod`" in seen.hint


def test_a_resource_without_any_copy_cannot_be_brought_back() -> None:
    seen = in_dr(a_point(at("2026-03-31 00:20"), TABLE_ARN, vault="dr"))

    assert seen.status == "warn"
    assert "--cold" not in seen.hint


def test_a_single_cold_copy_is_singular() -> None:
    nights = nights_until(at("2026-03-31 00:20"), 30)
    points = [*nightly("dr", nights), a_point(at("2026-02-01 00:20"), vault="dr")]

    assert in_dr(*points).evidence.endswith(
        f"; copying back 1 older cold copy takes some hours: {ADDRESSES_BACK}."
    )


def test_every_resource_with_a_cold_copy_has_its_command() -> None:
    cold = at("2026-02-01 00:20")
    assert in_dr(*nightly("dr", [cold])).hint.endswith(f": {ADDRESSES_BACK}, {MAILSTORE_BACK}.")
    former = "fs-0fedcba9876543210"
    mail = a_point(cold, MAILSTORE_ARN, vault="dr")
    other = replace(mail, resource_arn=MAILSTORE_ARN.replace("fs-0123456789abcdef0", former))
    assert in_dr(mail, other).hint.endswith(
        ": `cabal-backup copy-back mailstore --cold -e prod --file-system fs-0123456789abcdef0`, "
        f"`cabal-backup copy-back mailstore --cold -e prod --file-system {former}`."
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "PARTIAL"},
        {"original": "arn:aws:backup:us-west-2:123456789012:recovery-point:1"},
        {"resource_arn": f"{TABLE_ARN}-of-another-application"},
    ],
)
def test_what_cannot_be_brought_back_is_not_counted(changes: dict[str, str]) -> None:
    warm = nightly("dr", nights_until(at("2026-03-31 00:20"), 30))
    other = replace(a_point(at("2026-02-01 00:20"), vault="dr"), **changes)  # type: ignore[arg-type]
    assert in_dr(*warm, other).evidence == in_dr(*warm).evidence


def test_all_warm_copies_can_be_copied_back() -> None:
    forever = Lifecycle(cold_after_days=None, delete_after_days=365)
    points = [
        a_point(at("2025-06-01 00:20"), arn, vault="dr", lifecycle=forever)
        for arn in (TABLE_ARN, MAILSTORE_ARN)
    ]

    assert in_dr(*points).evidence == (
        "Copying back reaches to 2025-06-01 00:20 UTC for cabal-addresses and 2025-06-01 00:20 "
        "UTC for mailstore fs-0123456789abcdef0."
    )


def test_an_unknown_dr_vault_leaves_copying_back_unknown() -> None:
    assert finding("copy-back", dr=a_region("dr", points=DENIED)).status == "unknown"
