"""Which nights must be there: after a wipe, a replaced plan, a changed retention, a late start."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.aws.results import Known
from cabal_backup.operations.status.state import Plan, PlanVersion, RegionState, State
from tests.unit.operations.status.builders import (
    DENIED,
    DR_VAULT_ARN,
    LAST_NIGHT,
    MAILSTORE_ARN,
    NOW,
    TABLE_ARN,
    a_backup_job,
    a_copy_action,
    a_copy_job,
    a_mailstore,
    a_plan,
    a_point,
    a_region,
    a_rule,
    a_state,
    a_table,
    a_vault,
    after,
    an_event,
    at,
    finding,
    nightly,
    nights_until,
    not_ok,
    with_tables,
)

YEAR_AGO = at("2025-03-01 12:00")
"""When the plan and the vaults of `a_year` were made: more than a year ago."""

YEAR = nights_until(LAST_NIGHT, 365)
NEWEST = YEAR[:2]


def a_year(**changes: Any) -> State:
    """A healthy environment that keeps a whole year."""
    year = {"plan": Known(a_plan(created=YEAR_AGO)), **after(YEAR, YEAR_AGO)}
    return a_state(**{**year, **changes})


def kept(which: str, nights: list[datetime], made: datetime = YEAR_AGO) -> RegionState:
    """A region of `a_year` in whose vault only these nights are left."""
    name = "cabal-backup" if which == "primary" else "cabal-backup-dr"
    vault = Known(a_vault(name, CreationDate=made))
    return a_region(which, vault=vault, points=Known(nightly(which, nights)))


def changed(*versions: tuple[datetime, Plan]) -> Any:
    """A plan that was changed at these moments."""
    return Known(
        replace(
            versions[-1][1],
            created=versions[0][0],
            versions=tuple(PlanVersion(created=when, plan=plan.plan) for when, plan in versions),
        )
    )


def test_a_year_is_healthy() -> None:
    assert not_ok(a_year()) == {}
    assert finding("nights", a_year()).evidence == "None of the 364 earlier nights is missing."


# --- wiped


def test_both_vaults_were_wiped_but_for_the_newest_two() -> None:
    state = a_year(primary=kept("primary", NEWEST), dr=kept("dr", NEWEST))

    seen = finding("nights", state)

    assert not_ok(state) == {"nights": "fail"}
    assert seen.details[0] == "2025-04-01 to 2026-03-29: cabal-addresses"
    assert "deleted from cabal-backup before their time" in seen.evidence


def test_a_wipe_that_no_job_remembers() -> None:
    """All that shows the missing nights is the age of the plan."""
    recent = YEAR[:31]
    state = a_year(primary=kept("primary", recent), dr=kept("dr", recent))

    assert not_ok(state) == {"nights": "fail"}
    assert finding("nights", state).evidence == (
        "668 recovery points of earlier nights missing, 10 or more of one resource within 30 "
        "nights."
    )


def test_only_the_older_copies_were_deleted() -> None:
    state = a_year(dr=kept("dr", YEAR[:31]))

    assert not_ok(state) == {"dr-copies": "fail"}
    assert finding("dr-copies", state).details[0] == "2025-04-01 to 2026-02-28: cabal-addresses"


def test_only_the_primary_vault_was_wiped() -> None:
    assert not_ok(a_year(primary=kept("primary", YEAR[:31]))) == {"nights": "fail"}


@pytest.mark.parametrize("which", ["primary", "dr"])
def test_older_points_are_being_deleted(which: str) -> None:
    points = [
        replace(point, status="DELETING") if point.created < NEWEST[-1] else point
        for point in nightly(which, YEAR)
    ]

    state = a_year(**{which: replace(kept(which, []), points=Known(points))})

    assert not_ok(state)[f"{which}-points"] == "fail"


def test_one_old_night_that_is_in_neither_vault_is_a_warning() -> None:
    nights = YEAR[:200] + YEAR[201:]

    assert not_ok(a_year(**after(nights, YEAR_AGO))) == {"nights": "warn"}


def test_one_old_copy_that_is_missing_is_a_warning() -> None:
    assert not_ok(a_year(dr=kept("dr", YEAR[:200] + YEAR[201:]))) == {"dr-copies": "warn"}


def test_a_copy_shows_that_an_old_point_was_deleted() -> None:
    state = a_year(primary=kept("primary", YEAR[:200] + YEAR[201:]))

    assert not_ok(state) == {"nights": "fail"}


def test_a_wipe_and_a_new_plan_do_not_look_like_a_fresh_deployment() -> None:
    """The vaults are older than the plan by more than a setting up takes."""
    state = a_year(
        plan=Known(a_plan(created=NEWEST[-1] - timedelta(hours=6))),
        primary=kept("primary", NEWEST),
        dr=kept("dr", NEWEST),
        backup_jobs=Known([]),
        copy_jobs=Known([]),
    )

    assert not_ok(state) == {"nights": "warn"}


def test_a_vault_recreated_under_an_old_plan_is_a_wipe() -> None:
    state = a_year(**after(NEWEST, NEWEST[-1] - timedelta(hours=6)))

    assert not_ok(state) == {"nights": "fail"}


def test_a_job_that_completed_must_have_left_its_point() -> None:
    """A backup was made on demand an hour ago, and its recovery point is not there."""
    missing = a_backup_job(NOW - timedelta(hours=1), TABLE_ARN)

    seen = finding("nights", a_year(backup_jobs=Known([missing])))

    assert seen.status == "fail"
    assert seen.details == (f"the job of 2026-03-31 13:00 UTC: {TABLE_ARN}",)


# --- asked of CloudTrail


@pytest.mark.parametrize("which", ["primary", "dr"])
def test_deletions_are_reported_though_the_lock_stands(which: str) -> None:
    region = a_region(which, deletions=Known([an_event(at("2026-03-30 17:05"))]))

    seen = finding(f"{which}-points", **{which: region})

    assert seen.status == "warn"
    assert "user/mallory: 1 recovery point deleted" in seen.evidence


@pytest.mark.parametrize(
    ("ago", "status"), [(timedelta(days=1), "warn"), (timedelta(days=8), "ok")]
)
def test_a_lock_that_was_off_is_reported_for_a_week(ago: timedelta, status: str) -> None:
    event = an_event(NOW - ago, "DeleteBackupVaultLockConfiguration")

    seen = finding("dr-lock", dr=a_region("dr", lock_removals=Known([event])))

    assert seen.status == status


@pytest.mark.parametrize(
    ("check", "what"), [("primary-lock", "lock_removals"), ("primary-points", "deletions")]
)
def test_without_cloudtrail_it_is_unknown(check: str, what: str) -> None:
    assert finding(check, primary=a_region("primary", **{what: DENIED})).status == "unknown"


# --- environments with a history


def test_an_adopted_environment_is_judged_by_the_plan_that_it_had() -> None:
    """Terraform's plan kept copies warm; it was imported, and changed 100 days ago."""
    warm = a_plan(a_rule(CopyActions=[a_copy_action(Lifecycle={"DeleteAfterDays": 365})]))
    plan = changed((YEAR_AGO, warm), (at("2025-12-20 12:00"), a_plan()))

    assert not_ok(a_year(plan=plan)) == {}


def test_nights_before_the_present_plan_are_a_warning() -> None:
    """`backup` was false for a quarter; the vaults were kept."""
    began = at("2026-01-01 12:00")
    nights = [night for night in YEAR if not at("2025-10-01 00:00") < night < began]
    state = a_year(plan=Known(a_plan(created=began)), **after(nights, YEAR_AGO))

    assert not_ok(state) == {"nights": "warn"}
    assert finding("nights", state).evidence == (
        "186 recovery points of earlier nights missing, 186 of them from before the present plan "
        "was made."
    )


def test_what_an_earlier_plan_made_counts() -> None:
    made = at("2026-03-20 12:00")
    points = [
        replace(point, plan_id="an-earlier-plan") if point.created < made else point
        for point in nightly("primary", YEAR)
    ]
    primary = replace(kept("primary", []), points=Known(points))

    assert not_ok(a_year(plan=Known(a_plan(created=made)), primary=primary)) == {}


def test_what_another_plan_makes_does_not_count() -> None:
    points = [replace(point, plan_id="another-plan") for point in nightly("primary", NEWEST)]
    points += nightly("primary", YEAR[2:])
    dr = [replace(point, plan_id="another-plan") for point in nightly("dr", NEWEST)]
    dr += nightly("dr", YEAR[2:])
    state = a_year(
        primary=replace(kept("primary", []), points=Known(points)),
        dr=replace(kept("dr", []), points=Known(dr)),
    )

    assert finding("last-night", state).status == "warn"
    assert finding("nights", state).status == "fail"


def test_a_retention_that_was_raised_does_not_ask_for_what_has_expired() -> None:
    raised = at("2025-12-01 12:00")
    days = {"DeleteAfterDays": 90}
    short = a_plan(a_rule(Lifecycle=days, CopyActions=[a_copy_action(Lifecycle=days)]))
    nights = [night for night in YEAR if night > raised]

    state = a_year(plan=changed((YEAR_AGO, short), (raised, a_plan())), **after(nights, YEAR_AGO))

    assert not_ok(state) == {}


def test_a_retention_that_was_lowered_asks_for_the_old_ones_still() -> None:
    short = a_plan(a_rule(Lifecycle={"DeleteAfterDays": 40}))

    state = a_year(
        plan=changed((YEAR_AGO, a_plan()), (at("2026-03-20 12:00"), short)),
        **after(YEAR[:40], YEAR_AGO),
    )

    assert finding("nights", state).status == "fail"


def test_another_dr_region_begins_with_its_vault() -> None:
    moved = at("2026-02-10 12:00")
    elsewhere = DR_VAULT_ARN.replace("us-west-2", "eu-west-1")
    old = a_plan(a_rule(CopyActions=[a_copy_action(DestinationBackupVaultArn=elsewhere)]))
    copied = [night for night in YEAR if night > moved]

    state = a_year(
        plan=changed((YEAR_AGO, old), (moved, a_plan())), dr=kept("dr", copied, made=moved)
    )

    assert not_ok(state) == {}


@pytest.mark.parametrize(("wiped", "status"), [(False, "ok"), (True, "fail")])
def test_a_new_mailstore_begins_with_its_creation(wiped: bool, status: str) -> None:
    """A mailstore that was restored to a new file system has no older nights."""
    made = at("2026-01-20 09:00")

    def since(which: str) -> RegionState:
        points = [
            point
            for point in nightly(which, YEAR)
            if point.resource_arn == TABLE_ARN
            or point.created > (at("2026-03-20 09:00") if wiped else made)
        ]
        return replace(kept(which, []), points=Known(points))

    state = a_year(
        mailstore=Known({"LifeCycleState": "available", "CreationTime": made}),
        primary=since("primary"),
        dr=since("dr"),
        backup_jobs=Known([]),
        copy_jobs=Known([]),
    )

    assert finding("nights", state).status == status
    assert finding("dr-copies", state).status == "ok"


def test_a_recreated_table_keeps_its_nights() -> None:
    table = a_table(table=Known({"TableStatus": "ACTIVE", "CreationDateTime": NOW}))
    tables = with_tables(cabal_addresses=table)

    assert finding("nights", a_year(tables=tables)).status == "ok"
    state = a_year(tables=tables, primary=kept("primary", YEAR[:20]))
    assert finding("nights", state).status == "fail"


def test_without_the_plan_the_vault_says_since_when() -> None:
    assert finding("nights", a_year(plan=DENIED)).status == "ok"
    assert finding("nights", a_year(plan=DENIED, **after(YEAR[:31], YEAR_AGO))).status == "fail"


def test_without_plan_and_vault_it_is_unknown() -> None:
    region = a_region("primary", vault=DENIED)

    assert finding("nights", plan=DENIED, primary=region).status == "unknown"


def test_points_that_could_never_be_copied_are_a_warning() -> None:
    """Those from before the opt-in, which DynamoDB keeps itself."""
    optin = at("2025-12-20 12:00")
    points = [
        replace(point, arn=f"{TABLE_ARN}/backup/{point.created:%Y%m%d}")
        if point.resource_arn == TABLE_ARN and point.created < optin
        else point
        for point in nightly("primary", YEAR)
    ]
    copies = [
        copy
        for copy in nightly("dr", YEAR)
        if copy.resource_arn == MAILSTORE_ARN or copy.created > optin
    ]

    state = a_year(
        primary=replace(kept("primary", []), points=Known(points)),
        dr=replace(kept("dr", []), points=Known(copies)),
    )

    assert not_ok(state) == {"dr-copies": "warn"}


# --- a fresh deployment


def fresh(**changes: Any) -> State:
    made = at("2026-03-31 13:00")
    return a_state(
        **{"plan": Known(a_plan(created=made)), **after([], made), **changes},
    )


def test_a_fresh_deployment_is_not_unprotected_before_its_first_night() -> None:
    seen = finding("last-night", fresh())

    assert (seen.status, seen.evidence) == (
        "warn",
        "2 resources have not had a first night yet.",
    )
    assert seen.details[0] == "cabal-addresses: due from the night of 2026-04-01"
    assert not_ok(fresh()) == {"last-night": "warn", "copy-back": "warn"}


def test_a_fresh_deployment_is_late_after_its_first_night() -> None:
    assert finding("last-night", fresh(now=at("2026-04-01 12:00"))).status == "fail"


# --- made on demand


def on_demand(created: datetime, arn: str = TABLE_ARN, **changes: Any) -> RecoveryPoint:
    return a_point(created, arn, plan_id=None, **changes)


def test_a_point_made_on_demand_does_not_replace_the_last_night() -> None:
    changes = after(YEAR[1:40])
    made = [on_demand(at("2026-03-31 12:00"), arn) for arn in (TABLE_ARN, MAILSTORE_ARN)]
    changes["primary"] = a_region("primary", points=Known([*made, *nightly("primary", YEAR[1:40])]))

    seen = finding("last-night", a_state(**changes))

    assert seen.status == "warn"
    assert "made on demand" in seen.details[0]


def test_a_point_made_on_demand_does_not_replace_an_earlier_night() -> None:
    nights = [night for night in YEAR[:40] if night.date() != at("2026-03-20 00:00").date()]
    changes = after(nights)
    made = [on_demand(at("2026-03-20 12:00"), arn) for arn in (TABLE_ARN, MAILSTORE_ARN)]
    changes["primary"] = a_region("primary", points=Known([*made, *nightly("primary", nights)]))

    assert finding("nights", a_state(**changes)).status == "warn"


def test_a_point_that_was_copied_back_counts_for_its_night() -> None:
    lost = a_point(YEAR[5], TABLE_ARN)
    points = [point for point in nightly("primary", YEAR[:40]) if point.arn != lost.arn]
    back = replace(lost, arn=f"{lost.arn}-back", plan_id=None)
    state = a_state(primary=a_region("primary", points=Known([*points, back])))

    assert finding("nights", replace(state, backup_jobs=Known([]))).status == "ok"


@pytest.mark.parametrize("arn", [TABLE_ARN, "arn:aws:dynamodb:us-west-1:123456789012:table/other"])
def test_a_point_made_on_demand_needs_no_copy(arn: str) -> None:
    made = on_demand(at("2026-03-20 12:00"), arn)
    region = a_region("primary", points=Known([made, *nightly("primary")]))

    assert finding("dr-copies", primary=region).status == "ok"


def test_a_failed_copy_of_a_point_made_on_demand_is_a_warning() -> None:
    made = on_demand(at("2026-03-20 12:00"))
    region = a_region("primary", points=Known([made, *nightly("primary")]))
    job = a_copy_job(made, State="FAILED", StatusMessage="No.")

    assert finding("copy-jobs", primary=region, copy_jobs=Known([job])).status == "warn"


def test_a_repeated_copy_that_fails_is_a_warning_where_there_is_a_copy() -> None:
    job = a_copy_job(a_point(YEAR[35]), State="FAILED", StatusMessage="It is cold.")

    assert finding("copy-jobs", copy_jobs=Known([job])).status == "warn"


def test_jobs_of_other_resources_are_not_looked_at() -> None:
    """An ARN was mistyped, say."""
    other = TABLE_ARN.replace("cabal-addresses", "cabal-adresses")
    backup = a_backup_job(NOW, other, State="FAILED")
    copy = a_copy_job(on_demand(NOW, other), State="FAILED")

    assert finding("backup-jobs", backup_jobs=Known([backup])).status == "off"
    assert finding("copy-jobs", copy_jobs=Known([copy])).status == "off"


@pytest.mark.parametrize("check", ["backup-jobs", "copy-jobs"])
def test_a_job_that_completed_with_a_message_is_a_warning(check: str) -> None:
    message = "Some files were not backed up."
    backup = a_backup_job(LAST_NIGHT, StatusMessage=message)
    copy = a_copy_job(a_point(), StatusMessage=message)

    seen = finding(check, backup_jobs=Known([backup]), copy_jobs=Known([copy]))

    assert seen.status == "warn"
    assert seen.details[0].endswith("COMPLETED: Some files were not backed up.")


# --- each copy once


def test_a_copy_belongs_to_one_point_only() -> None:
    """Two plan-made points of one moment, and one copy."""
    twin = replace(
        a_point(), arn=f"{a_point().arn}-twin", created=LAST_NIGHT + timedelta(seconds=9)
    )
    region = a_region("primary", points=Known([twin, *nightly("primary")]))

    assert finding("dr-copies", primary=region).status == "fail"


def test_a_copy_of_another_resource_is_none() -> None:
    """The job names a recovery point, but it is of the mailstore."""
    source, wrong = a_point(), a_point(LAST_NIGHT, MAILSTORE_ARN, vault="dr")
    copies = [copy for copy in nightly("dr") if copy.arn != a_point(vault="dr").arn]

    seen = finding(
        "dr-copies",
        dr=a_region("dr", points=Known(copies)),
        copy_jobs=Known([a_copy_job(source, wrong)]),
    )

    assert seen.status == "fail"


# --- every second night


def test_a_resource_that_is_missed_every_second_night_fails() -> None:
    assert finding("nights", **after(YEAR[:40:2])).status == "fail"


@pytest.mark.parametrize(("missed", "status"), [(9, "warn"), (10, "fail")])
def test_a_third_of_a_month_is_too_much(missed: int, status: str) -> None:
    missing = YEAR[2 : 2 + 3 * missed : 3]

    seen = finding("nights", **after([night for night in YEAR[:40] if night not in missing]))

    assert seen.status == status


# --- single points


def among(**changes: Any) -> RegionState:
    """A point as it should be, but for the changes, among the others."""
    point = on_demand(at("2026-03-20 12:00"), **changes)
    return a_region("primary", points=Known([point, *nightly("primary")]))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"role_arn": "arn:aws:iam::123456789012:role/other"}, "made under arn:aws:iam"),
        ({"delete_at": NOW - timedelta(days=3)}, "should have been deleted by now"),
    ],
)
def test_points_that_are_not_as_the_others(changes: dict[str, Any], words: str) -> None:
    seen = finding("primary-points", primary=among(**changes))

    assert seen.status == "warn"
    assert words in seen.details[0]


def test_a_point_that_expires_just_now_is_as_it_should_be() -> None:
    region = among(delete_at=NOW - timedelta(hours=8))

    assert finding("primary-points", primary=region).status == "ok"


def test_a_point_dated_in_the_future_is_reported_and_is_not_the_last_night() -> None:
    ahead = [a_point(NOW + timedelta(days=1), arn) for arn in (TABLE_ARN, MAILSTORE_ARN)]
    region = a_region("primary", points=Known([*ahead, *nightly("primary", YEAR[1:40])]))

    assert finding("primary-points", primary=region).status == "warn"
    assert finding("last-night", primary=region).status == "fail"


FORMER = MAILSTORE_ARN[:-1] + "f"
REPLACED = at("2026-03-11 14:00")
"""When the present mailstore was made."""


def with_former_mailstore(since: datetime = REPLACED) -> State:
    """A healthy environment whose recovery points until `since` are a former mailstore's."""

    def before(region: RegionState) -> RegionState:
        assert isinstance(region.points, Known)
        points = [
            replace(point, resource_arn=FORMER)
            if point.resource_arn == MAILSTORE_ARN and point.created < since
            else point
            for point in region.points.value
        ]
        return replace(region, points=Known(points))

    state = a_state(mailstore=Known(a_mailstore(CreationTime=since)))
    jobs: list[list[Any]] = [
        [
            {**job, "ResourceArn": FORMER}
            if job["ResourceArn"] == MAILSTORE_ARN and job["CreationDate"] < since
            else job
            for job in answer.value
        ]
        for answer in (state.backup_jobs, state.copy_jobs)
        if isinstance(answer, Known)
    ]
    return replace(
        state,
        primary=before(state.primary),
        dr=before(state.dr),
        backup_jobs=Known(jobs[0]),
        copy_jobs=Known(jobs[1]),
    )


def test_the_nights_of_a_former_mailstore_count() -> None:
    state = with_former_mailstore()

    assert not_ok(state) == {}
    assert finding("nights", state).evidence == "None of the 39 earlier nights is missing."


def test_a_deleted_night_of_a_former_mailstore_is_reported() -> None:
    state = with_former_mailstore()
    assert isinstance(state.primary.points, Known)
    points = [
        point
        for point in state.primary.points.value
        if point.resource_arn != FORMER or point.created < REPLACED - timedelta(days=1)
    ]
    seen = finding("nights", replace(state, primary=replace(state.primary, points=Known(points))))

    assert seen.status == "fail"
    assert seen.details == (
        f"2026-03-11: mailstore {MAILSTORE_ARN.rpartition('/')[2]}",
        f"the job of 2026-03-11 00:20 UTC: {FORMER}",
    )


def test_the_newest_night_must_be_the_present_mailstores() -> None:
    seen = finding("last-night", with_former_mailstore(LAST_NIGHT + timedelta(hours=1)))
    assert (seen.status, seen.evidence) == ("warn", "1 resource has not had a first night yet.")

    late = with_former_mailstore(LAST_NIGHT + timedelta(hours=1))
    long_there = replace(late, mailstore=Known(a_mailstore()))
    assert finding("last-night", long_there).status == "fail"


def test_what_failed_for_a_former_mailstore_has_succeeded_since() -> None:
    state = with_former_mailstore()
    assert isinstance(state.backup_jobs, Known)
    failed = a_backup_job(LAST_NIGHT - timedelta(days=1), FORMER, State="FAILED")
    of_present = {**failed, "ResourceArn": MAILSTORE_ARN, "CreationDate": NOW}
    former = a_backup_job(NOW + timedelta(minutes=1), FORMER)

    def seen(*jobs: Any) -> str:
        known = Known([*state.backup_jobs.value, *jobs])  # type: ignore[union-attr]
        return finding("backup-jobs", replace(state, backup_jobs=known)).status

    assert seen(failed) == "warn"
    assert seen(of_present, former) == "fail"
