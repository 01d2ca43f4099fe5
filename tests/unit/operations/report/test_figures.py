"""The figures of the report: what would be lost, and what storage costs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from cabal_backup.operations.aws.results import Known, Unknown
from cabal_backup.operations.report.figures import Loss, if_region_failed, stored
from tests.unit.operations.status.builders import (
    DENIED,
    LAST_NIGHT,
    MAILSTORE_ARN,
    NOW,
    TABLE_ARN,
    a_drill,
    a_point,
    a_region,
    a_state,
)

GB = 2**30


def losses(**changes: Any) -> dict[str, Loss]:
    answer = if_region_failed(a_state(**changes))
    assert isinstance(answer, Known)
    return {loss.resource.partition(" ")[0]: loss for loss in answer.value}


def dollars(*gigabytes: int, resource: str, age: int) -> tuple[int, Decimal, Decimal]:
    """How many points are stored, at least and at most for how many dollars a month.

    :param age: of the newest in days; the others are a day older each.
    """
    points = [
        a_point(NOW - timedelta(days=age + older), resource, size_bytes=each * GB)
        for older, each in enumerate(gigabytes)
    ]
    state = a_state(
        primary=a_region("primary", points=Known(points)), dr=a_region("dr", points=Known([]))
    )
    (one,) = stored(state)
    return one.count, one.dollars.least.normalize(), one.dollars.most.normalize()


def test_what_the_newest_copy_does_not_have_is_lost() -> None:
    found = losses()

    assert found.keys() == {"cabal-addresses", "mailstore"}
    for loss in found.values():
        assert loss.newest_copy is not None
        assert loss.newest_copy.date() == LAST_NIGHT.date()
        assert loss.lost == NOW - loss.newest_copy
        # Copies go cold after 30 days, and cannot be copied back then.
        assert loss.reach is not None
        assert timedelta(days=29) < NOW - loss.reach < timedelta(days=30)


def test_without_a_complete_copy_everything_is_lost() -> None:
    partial = a_point(vault="dr", status="PARTIAL")
    found = losses(dr=a_region("dr", points=Known([partial])))

    for loss in found.values():
        assert (loss.newest_copy, loss.lost, loss.reach) == (None, None, None)


def test_a_cold_copy_can_be_restored_but_not_copied_back() -> None:
    cold = a_point(NOW - timedelta(days=40), vault="dr")
    loss = losses(dr=a_region("dr", points=Known([cold])))["cabal-addresses"]

    assert (loss.newest_copy, loss.reach) == (cold.created, None)
    assert loss.lost == timedelta(days=40)


def test_copies_that_cannot_be_listed_are_unknown() -> None:
    assert isinstance(if_region_failed(a_state(dr=a_region("dr", points=DENIED))), Unknown)


def test_recovery_times_are_those_of_the_newest_drill_that_passed_and_measured() -> None:
    drills = [
        a_drill("addresses", NOW - timedelta(days=9), recovery_seconds=60.0),
        a_drill("addresses", NOW - timedelta(days=3), recovery_seconds=90.0),
        a_drill("addresses", NOW - timedelta(days=2), passed=False, recovery_seconds=1.0),
        a_drill("addresses", NOW - timedelta(days=1), recovery_seconds=None),
        a_drill("mailbox", recovery_seconds=120.0),
    ]
    found = losses(drills=Known(drills))

    seconds = {
        name: loss.recovery.recovery_seconds if loss.recovery else None
        for name, loss in found.items()
    }
    assert seconds == {"cabal-addresses": 90.0, "mailstore": 120.0}
    assert {loss.copy_back for loss in found.values()} == {None}


def test_backups_of_a_table_are_whole_and_so_is_their_price() -> None:
    assert dollars(10, 20, resource=TABLE_ARN, age=1) == (2, Decimal("3.36"), Decimal("3.36"))
    assert dollars(10, 20, resource=TABLE_ARN, age=50) == (2, Decimal("1.008"), Decimal("1.008"))


def test_backups_of_a_file_system_cost_between_one_and_all() -> None:
    assert dollars(100, 80, resource=MAILSTORE_ARN, age=1) == (
        2,
        Decimal("6"),
        Decimal("10.8"),
    )
    assert dollars(100, 80, resource=MAILSTORE_ARN, age=50) == (
        2,
        Decimal("1.2"),
        Decimal("2.16"),
    )


def test_each_tier_of_each_vault_has_a_row() -> None:
    rows = [(one.vault, one.resource.partition(" ")[0], one.tier) for one in stored(a_state())]

    assert rows == [
        (vault, resource, tier)
        for vault in ("cabal-backup", "cabal-backup-dr")
        for resource in ("cabal-addresses", "mailstore")
        for tier in ("warm", "cold")
    ]
    assert {one.count for one in stored(a_state())} == {30, 10}


def test_a_vault_that_cannot_be_listed_has_no_row() -> None:
    rows = list(stored(a_state(dr=a_region("dr", points=DENIED))))

    assert {one.vault for one in rows} == {"cabal-backup"}
