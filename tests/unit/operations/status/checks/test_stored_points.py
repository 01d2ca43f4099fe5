"""Lifecycles of the recovery points, the tables, drills and the clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cabal_backup.config.environment import Lifecycle
from cabal_backup.operations.aws.legal_holds import LegalHold
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.aws.results import Known
from tests.unit.operations.status.builders import (
    DENIED,
    LAST_NIGHT,
    NOW,
    a_described_table,
    a_drill,
    a_point,
    a_region,
    a_state,
    a_table,
    at,
    finding,
    nightly,
    with_tables,
)


def among_others(**changes: Any) -> Any:
    """What primary-points says about a month of points and one like this."""
    odd = a_point(at("2026-03-15 09:00"), **changes)
    return finding(
        "primary-points", primary=a_region("primary", points=Known([odd, *nightly("primary")]))
    )


def test_all_points_with_one_lifecycle() -> None:
    assert finding("dr-points").evidence == (
        "80 recovery points in cabal-backup-dr, each cold after 30 days, deleted after 365."
    )


@pytest.mark.parametrize(
    ("lifecycle", "status", "words"),
    [
        (Lifecycle(cold_after_days=30, delete_after_days=364), "fail", "expires after 364 days"),
        (Lifecycle(cold_after_days=None, delete_after_days=30), "fail", "expires after 30 days"),
        (
            Lifecycle(cold_after_days=30, delete_after_days=366),
            "warn",
            "cold after 30 days, deleted after 366",
        ),
        (
            Lifecycle(cold_after_days=None, delete_after_days=365),
            "warn",
            "never cold, deleted after 365",
        ),
        (None, "warn", "never expires"),
    ],
)
def test_another_lifecycle(lifecycle: Lifecycle | None, status: str, words: str) -> None:
    seen = among_others(lifecycle=lifecycle)

    assert seen.status == status
    assert seen.details == (f"2026-03-15 09:00 UTC: cabal-addresses: {words}",)


@pytest.mark.parametrize("vault", ["primary", "dr"])
@pytest.mark.parametrize("days", [40, 364, 366])
def test_a_point_made_on_demand_may_have_a_lifecycle_of_its_own(vault: str, days: int) -> None:
    lifecycle = Lifecycle(cold_after_days=None, delete_after_days=days)
    made = a_point(at("2026-03-15 09:00"), plan_id=None, lifecycle=lifecycle)
    source = a_region("primary", points=Known([made, *nightly("primary")]))

    seen = beside_the_nights(vault, made, primary=source)

    assert (seen.status, seen.evidence) == (
        "ok",
        f"80 recovery points in {VAULTS[vault]}, each cold after 30 days, deleted after 365. And 1 "
        "made on demand with another lifecycle.",
    )
    assert seen.details == (
        f"2026-03-15 09:00 UTC: cabal-addresses: never cold, deleted after {days}",
    )


VAULTS = {"primary": "cabal-backup", "dr": "cabal-backup-dr"}


def beside_the_nights(vault: str, point: RecoveryPoint, **regions: Any) -> Any:
    """What the points of one vault are with one more."""
    region = a_region(vault, points=Known([point, *nightly(vault)]))
    return finding(f"{vault}-points", **{**regions, vault: region})


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"status": "DELETING"}, "fail"),
        ({"status": "PARTIAL"}, "warn"),
        ({"lifecycle": None}, "warn"),
        ({"role_arn": "arn:aws:iam::123456789012:role/other"}, "warn"),
    ],
)
def test_what_is_wrong_also_with_a_point_made_on_demand(
    changes: dict[str, Any], status: str
) -> None:
    made = a_point(at("2026-03-15 09:00"), plan_id=None, **{"lifecycle": SHORT, **changes})
    found = beside_the_nights("primary", made)
    assert found.status == status
    if status == "warn":
        assert found.evidence == "1 recovery point in cabal-backup differs from the others."


@pytest.mark.parametrize(("vault", "other"), [("primary", "dr"), ("dr", "primary")])
def test_a_copy_on_demand_of_a_night_lives_as_long_as_the_night(vault: str, other: str) -> None:
    """It is the only one of the night in this vault."""
    night = at("2026-03-15 09:00")
    short = a_point(night, plan_id=None, lifecycle=SHORT)
    original = a_region(other, points=Known([a_point(night), *nightly(other)]))

    assert beside_the_nights(vault, short, **{other: original}).status == "fail"
    unknown = a_region(other, points=DENIED)
    assert beside_the_nights(vault, short, **{other: unknown}).status == "fail"


def test_a_short_copy_whose_source_is_not_there_may_be_of_a_night() -> None:
    short = a_point(at("2026-03-15 09:00"), plan_id=None, lifecycle=SHORT)

    assert beside_the_nights("dr", short).status == "fail"


@pytest.mark.parametrize(
    ("status", "result"),
    [
        ("PARTIAL", "warn"),
        ("EXPIRED", "warn"),
        ("STOPPED", "warn"),
        ("CREATING", "ok"),
        ("DELETING", "fail"),
        ("AVAILABLE", "ok"),
    ],
)
def test_another_state(status: str, result: str) -> None:
    seen = among_others(status=status, status_message="The role was deleted.")

    assert seen.status == result
    if result == "warn":
        assert seen.details == (
            f"2026-03-15 09:00 UTC: cabal-addresses: {status} The role was deleted.",
        )


def test_nights_of_available_points_are_complete() -> None:
    available = [replace(point, status="AVAILABLE") for point in nightly("primary")]
    found = finding("nights", primary=a_region("primary", points=Known(available)))
    assert found == finding("nights")


def test_points_of_something_else_are_named_by_their_arn() -> None:
    seen = among_others(resource_arn="arn:aws:s3:::a-bucket", lifecycle=None)

    assert seen.details == ("2026-03-15 09:00 UTC: arn:aws:s3:::a-bucket: never expires",)


def test_each_vault_has_its_own_lifecycle() -> None:
    state = a_state({"dr_cold_after_days": "never"})

    assert finding("primary-points", state).status == "ok"
    assert finding("dr-points", state).status == "warn"


SHORT = Lifecycle(cold_after_days=None, delete_after_days=30)


def beside_last_night(**changes: Any) -> Any:
    """What primary-points says of one more point of the same backup as last night's."""
    copy = a_point(arn="arn:aws:backup:us-west-1::recovery-point:copied-back", **changes)
    return finding(
        "primary-points", primary=a_region("primary", points=Known([copy, *nightly("primary")]))
    )


def test_a_second_copy_of_the_same_backup_may_go_earlier() -> None:
    seen = beside_last_night(lifecycle=SHORT)

    assert seen.status == "ok"
    assert seen.evidence.startswith("80 recovery points in cabal-backup, each cold after 30 days")
    assert seen.evidence.endswith(" And 1 second copy of some.")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"lifecycle": SHORT, "created": at("2026-03-31 00:22")}, "fail"),
        ({"lifecycle": SHORT, "resource_arn": "arn:aws:dynamodb:::table/other"}, "fail"),
        ({"lifecycle": None}, "warn"),
        ({"lifecycle": SHORT, "status": "PARTIAL"}, "warn"),
    ],
)
def test_what_is_no_second_copy(changes: dict[str, Any], status: str) -> None:
    assert beside_last_night(**changes).status == status


def test_two_short_ones_do_not_replace_each_other() -> None:
    pair = [
        a_point(at("2026-03-15 09:00"), lifecycle=SHORT, arn=f"arn:aws:backup:::{name}")
        for name in ("one", "other")
    ]
    points = Known([*pair, *nightly("primary")])
    assert finding("primary-points", primary=a_region("primary", points=points)).status == "fail"


@pytest.mark.parametrize("which", ["primary", "dr"])
def test_points_that_cannot_be_listed_are_unknown(which: str) -> None:
    seen = finding(f"{which}-points", **{which: a_region(which, points=DENIED)})

    assert seen.status == "unknown"


# --- legal holds


def a_hold(*points: RecoveryPoint, **changes: Any) -> LegalHold:
    hold = LegalHold(
        id="0c1a6f2c-0b3d-4a57-9c1e-2f8d6b7a9c10",
        title="lawsuit 7",
        description="letter",
        region="us-west-1",
        status="ACTIVE",
        created=NOW,
        points=frozenset(point.arn for point in points),
    )
    return replace(hold, **changes)


def test_a_held_recovery_point_may_outlive_its_time() -> None:
    overdue = a_point(at("2025-03-01 00:20"))
    points = Known([overdue, *nightly("primary")])
    without = finding("primary-points", primary=a_region("primary", points=points))
    assert "should have been deleted by now" in without.details[0]

    holds = Known([a_hold(overdue)])
    held = {"primary": a_region("primary", points=points, holds=holds)}

    assert finding("primary-points", **held).status == "ok"
    seen = finding("legal-holds", **held)
    assert (seen.status, seen.evidence) == ("ok", "1 legal hold on recovery points.")
    assert seen.details == ('"lawsuit 7" in us-west-1, ACTIVE: 1 recovery point, reason: letter',)


def test_holds_of_others_are_not_reported() -> None:
    elsewhere = a_region("primary", holds=Known([a_hold(points=frozenset({"arn:other"}))]))
    assert finding("legal-holds", primary=elsewhere).evidence == (
        "No legal hold keeps a recovery point."
    )


@pytest.mark.parametrize("unseen", [{"holds": DENIED}, {"points": DENIED}])
def test_holds_that_cannot_be_seen_are_unknown(unseen: Any) -> None:
    assert finding("legal-holds", dr=a_region("dr", **unseen)).status == "unknown"


# --- sizes


def sized(*newest_first: int, **changes: Any) -> dict[str, Any]:
    """The table's points of the last nights in the primary vault, with these sizes in bytes."""
    points = [
        a_point(LAST_NIGHT - timedelta(days=ago), size_bytes=bytes_, **changes)
        for ago, bytes_ in enumerate(newest_first)
    ]
    return {"primary": a_region("primary", points=Known(points))}


@pytest.mark.parametrize(
    ("sizes", "status"),
    [
        ([1000, 1000, 1000], "ok"),
        ([500, 1000, 1000], "ok"),
        ([499, 1000, 1000], "warn"),
        ([5000, 1000, 1000], "ok"),
        ([0, 1000, 1000], "fail"),
        # The first night, and an empty one.
        ([1000], "ok"),
        ([0], "fail"),
        # One night of another size does not move the median.
        ([499, 2, 1000, 1000, 1000], "warn"),
        ([499, 500, 500, 1000], "ok"),
        # Nights from before the last 30 days are not usual any more.
        ([100, *[100] * 30, *[1000] * 100], "ok"),
    ],
)
def test_the_newest_point_is_as_large_as_usual(sizes: list[int], status: str) -> None:
    seen = finding("sizes", **sized(*sizes))

    assert seen.status == status
    if status != "ok":
        assert seen.details[0].startswith(f"cabal-addresses in cabal-backup: {sizes[0]:,} bytes")


def test_points_that_are_not_complete_do_not_count() -> None:
    partial = a_point(LAST_NIGHT + timedelta(hours=1), size_bytes=0, status="PARTIAL")
    points = Known([partial, *nightly("primary")])

    assert finding("sizes", primary=a_region("primary", points=points)).status == "ok"


def test_the_copies_are_compared_with_each_other() -> None:
    empty = a_point(LAST_NIGHT, vault="dr", size_bytes=0)
    points = Known([empty, *nightly("dr")[2:]])

    assert finding("sizes", dr=a_region("dr", points=points)).status == "fail"


def test_sizes_that_cannot_be_seen_are_unknown() -> None:
    unseen = a_region("dr", points=DENIED)

    assert finding("sizes", dr=unseen).status == "unknown"
    assert finding("sizes", dr=unseen, **sized(0, 1000)).status == "fail"


# --- tables


def tables(**changed: Any) -> dict[str, Any]:
    return {"tables": with_tables(**changed)}


def switched_off() -> Any:
    described = {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"}}
    return a_table(backups=Known(described))


def test_a_missing_table_is_named_once() -> None:
    seen = tables(cabal_counter=a_table(table=Known(None), backups=Known(None)))

    assert finding("tables", **seen).status == "fail"
    assert finding("tables", **seen).evidence == ("In us-west-1: cabal-counter does not exist.")
    assert finding("pitr", **seen).evidence == "Point-in-time recovery is on for 4 tables."
    assert finding("deletion-protection", **seen).status == "ok"


def test_the_table_in_the_plan_belongs_to_resources() -> None:
    seen = tables(cabal_addresses=a_table(table=Known(None), backups=Known(None)))

    assert finding("tables", **seen).status == "ok"
    assert finding("resources", **seen).status == "fail"


def test_each_table_without_pitr_gets_its_command() -> None:
    seen = finding("pitr", **tables(cabal_counter=switched_off(), cabal_addresses=switched_off()))

    assert seen.status == "fail"
    assert "off for cabal-addresses and cabal-counter:" in seen.evidence
    assert seen.hint.count("aws dynamodb update-continuous-backups --region us-west-1") == 2
    assert "--table-name=cabal-counter " in seen.hint


def test_the_window_and_its_beginning_are_shown() -> None:
    assert "cabal-counter: 35 days, back to 2026-02-24 14:00 UTC" in finding("pitr").details


def test_a_description_without_pitr_is_off() -> None:
    assert finding("pitr", **tables(cabal_counter=a_table(backups=Known({})))).status == "fail"


def recovering(
    days: int | None = 35,
    back: timedelta | None = timedelta(days=35),
    age: timedelta = timedelta(days=100),
) -> dict[str, Any]:
    """cabal-counter with this window, recoverable as far `back`, and of this age."""
    recovery: dict[str, Any] = {"PointInTimeRecoveryStatus": "ENABLED"}
    if days is not None:
        recovery["RecoveryPeriodInDays"] = days
    if back is not None:
        recovery["EarliestRestorableDateTime"] = NOW - back
    counter = a_table(
        table=Known(a_described_table(CreationDateTime=NOW - age)),
        backups=Known({"PointInTimeRecoveryDescription": recovery}),
    )
    return {"tables": with_tables(cabal_counter=counter)}


@pytest.mark.parametrize(
    ("window", "status"),
    [
        # Older answers do not name the window, which was always 35 days then.
        (recovering(days=None), "ok"),
        (recovering(days=34, back=timedelta(days=34)), "warn"),
        (recovering(days=7, back=timedelta(days=7)), "warn"),
        (recovering(days=6, back=timedelta(days=6)), "fail"),
        (recovering(days=1, back=timedelta(days=1)), "fail"),
        # Switched off and on again.
        (recovering(back=timedelta(days=33)), "warn"),
        (recovering(back=timedelta(days=7)), "warn"),
        (recovering(back=timedelta(days=6)), "fail"),
        (recovering(back=None), "fail"),
        # A young table, whose recovery was switched on with it.
        (recovering(back=timedelta(days=3), age=timedelta(days=3, hours=2)), "ok"),
        (recovering(back=timedelta(days=3), age=timedelta(days=5)), "fail"),
    ],
)
def test_how_far_back_a_table_can_be_recovered(window: dict[str, Any], status: str) -> None:
    seen = finding("pitr", **window)

    assert seen.status == status
    if status != "ok":
        assert "cabal-counter" in seen.evidence
        assert "--table-name=cabal-counter " in seen.hint


def test_a_window_too_short_is_set_to_its_whole_length() -> None:
    hint = finding("pitr", **recovering(days=1, back=timedelta(days=1))).hint

    assert "PointInTimeRecoveryEnabled=true,RecoveryPeriodInDays=35" in hint


def test_deletion_protection_off_warns_with_its_command() -> None:
    table = a_table(table=Known({"TableStatus": "ACTIVE"}))

    seen = finding("deletion-protection", **tables(cabal_dmarc_reports=table))

    assert seen.status == "warn"
    assert seen.hint == (
        "aws dynamodb update-table --region us-west-1 --table-name=cabal-dmarc-reports "
        "--deletion-protection-enabled"
    )


@pytest.mark.parametrize(
    ("check", "table"),
    [
        ("tables", a_table(table=DENIED)),
        ("deletion-protection", a_table(table=DENIED)),
        ("pitr", a_table(backups=DENIED)),
    ],
)
def test_a_table_that_cannot_be_looked_at_is_unknown(check: str, table: Any) -> None:
    assert finding(check, **tables(cabal_counter=table)).status == "unknown"


@pytest.mark.parametrize(
    ("check", "bad", "denied"),
    [
        ("tables", a_table(table=Known(None)), a_table(table=DENIED)),
        ("pitr", switched_off(), a_table(backups=DENIED)),
    ],
)
def test_what_is_wrong_outweighs_what_is_unknown(check: str, bad: Any, denied: Any) -> None:
    seen = finding(check, **tables(cabal_counter=bad, cabal_dmarc_reports=denied))

    assert seen.status == "fail"


# --- tables


def test_no_table_at_all_is_a_warning() -> None:
    seen = finding("tables", a_state({"pitr_tables": []}))

    assert (seen.status, seen.evidence) == (
        "warn",
        "pitr_tables is empty: no table outside the plan is looked at.",
    )


# --- drill and clock


def test_a_report_dated_in_the_future_is_reported_and_does_not_count() -> None:
    drills = [a_drill(kind) for kind in ("mailbox", "copy-back")]
    ahead = a_drill("addresses", NOW + timedelta(days=1))

    seen = finding("drill", drills=Known([*drills, ahead]))

    assert seen.status == "warn"
    assert seen.details[0] == "addresses in prod: 2026-04-01 14:00 UTC"
    assert "addresses: never, as far as the reports say" in seen.details


@pytest.mark.parametrize(
    ("skew", "status"),
    [
        (timedelta(minutes=3), "ok"),
        (timedelta(minutes=-3), "ok"),
        (timedelta(minutes=4), "unknown"),
        (timedelta(minutes=-4), "unknown"),
    ],
)
def test_a_clock_that_is_wrong_leaves_it_unknown(skew: timedelta, status: str) -> None:
    assert finding("clock", clock_skew=Known(skew)).status == status


def test_which_way_the_clock_is_wrong() -> None:
    evidence = finding("clock", clock_skew=Known(timedelta(minutes=-7))).evidence

    assert evidence.startswith("This machine's clock is 7 minutes behind AWS's:")
