"""The lifecycle of a copy that keeps its old creation date, under a lock."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cabal_backup.config.environment import Lifecycle, Lock
from cabal_backup.errors import RefusedError
from cabal_backup.operations.restore.copies.copy_back import (
    begun_days,
    lifecycle_on_arrival,
    shortest_lifecycle,
)
from tests.unit.operations.status.builders import A_YEAR, NOW

LOCK = Lock(min_days=30, max_days=365)


def begun(age_days: float) -> int:
    return begun_days(NOW - timedelta(days=age_days), NOW)


def arriving(
    age_days: float, wanted: Lifecycle = A_YEAR, lock: Lock | None = LOCK
) -> tuple[int | None, int]:
    chosen = lifecycle_on_arrival(wanted, begun(age_days), lock, "cabal-backup")
    return chosen.cold_after_days, chosen.delete_after_days


@pytest.mark.parametrize(
    ("age_days", "expected"),
    [
        (0.5, (30, 365)),
        (22.5, (30, 365)),
        # From here on it would be cold within a week of its arrival.
        (23.5, (None, 365)),
        (200, (None, 365)),
        # Without a lock's maximum it would live a month from now; 365 days is all it gets.
        (350, (None, 365)),
    ],
)
def test_as_configured_unless_it_would_go_cold_at_once(
    age_days: float, expected: tuple[int | None, int]
) -> None:
    assert arriving(age_days) == expected


@pytest.mark.parametrize(("age_days", "cold"), [(28.5, 30), (29.5, None)])
def test_one_that_is_not_about_to_be_restored_goes_cold_after_its_arrival(
    age_days: float, cold: int | None
) -> None:
    chosen = lifecycle_on_arrival(A_YEAR, begun(age_days), LOCK, "cabal-backup-dr", warm_days=1)
    assert chosen.cold_after_days == cold


def test_it_lives_long_enough_to_be_restored() -> None:
    assert arriving(350, lock=None) == (None, 380)
    assert arriving(350, lock=Lock(min_days=30, max_days=370)) == (None, 370)
    short = Lifecycle(cold_after_days=None, delete_after_days=35)
    assert arriving(20, short) == (None, 50)


def test_never_shorter_than_the_lock_accepts() -> None:
    short = Lifecycle(cold_after_days=None, delete_after_days=7)
    assert arriving(0.5, short, Lock(min_days=60, max_days=365)) == (None, 60)


def test_90_days_in_cold_storage_or_none() -> None:
    """A lock with a smaller maximum cuts the cold time below what AWS demands."""
    assert arriving(1.5, A_YEAR, Lock(min_days=30, max_days=119)) == (None, 119)
    assert arriving(1.5, A_YEAR, Lock(min_days=30, max_days=120)) == (30, 120)


@pytest.mark.parametrize("age_days", [364.5, 365, 400])
def test_one_that_would_expire_on_arrival_is_refused(age_days: float) -> None:
    with pytest.raises(RefusedError, match="at most 365 days counted from the backup"):
        arriving(age_days)
    assert arriving(age_days, lock=None)[1] > age_days


@pytest.mark.parametrize(
    ("age_days", "lock", "expected"),
    [
        (0.5, LOCK, 30),
        (27.5, LOCK, 30),
        (28.5, LOCK, 31),
        (0.5, Lock(min_days=1, max_days=365), 3),
        (0.5, None, 3),
        (200, None, 202),
        # Less than requested, but not yet expired when it arrives.
        (28.5, Lock(min_days=1, max_days=30), 30),
    ],
)
def test_a_rehearsal_is_as_short_as_the_lock_accepts(
    age_days: float, lock: Lock | None, expected: int
) -> None:
    chosen = shortest_lifecycle(begun(age_days), lock)
    assert (chosen.cold_after_days, chosen.delete_after_days) == (None, expected)


def test_a_rehearsal_that_would_expire_on_arrival() -> None:
    with pytest.raises(RefusedError, match="it would expire on arrival"):
        shortest_lifecycle(begun(29.5), Lock(min_days=1, max_days=30))
