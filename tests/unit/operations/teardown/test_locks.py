"""What is said before a lock goes off or on."""

from __future__ import annotations

from dataclasses import replace

from cabal_backup.config.environment import Lock
from cabal_backup.operations.teardown.locks import RelockPlan, UnlockPlan
from tests.builders import an_environment
from tests.unit.operations.status.builders import NOW, nightly
from tests.unit.operations.teardown.test_inventory import a_vault_lock

PRIMARY = a_vault_lock(nightly("primary"))
DR = a_vault_lock(nightly("dr"), dr=True)
LOCK = Lock(min_days=30, max_days=365)


def test_unlocking_counts_what_the_lock_protects() -> None:
    plan = UnlockPlan(environment=an_environment(), now=NOW, vaults=(PRIMARY, DR), reason="a test")
    assert plan.lines()[0] == "Remove the lock of cabal-backup and cabal-backup-dr:"
    assert "80 recovery points, 60 of them younger than 30 days" in plan.lines()[1]
    assert "  reason: a test" in plan.lines()


def test_unlocking_again_finishes_what_is_left() -> None:
    off = replace(PRIMARY, locked=False)
    plan = UnlockPlan(environment=an_environment(), now=NOW, vaults=(off, DR), reason="a test")
    assert plan.to_remove == (DR,)
    both_off = replace(plan, vaults=(off, replace(DR, locked=False)))
    assert (both_off.to_remove, both_off.lines()[0]) == ((), "There is no lock to remove:")


def test_relocking_touches_only_what_is_not_as_configured() -> None:
    off, loose = replace(PRIMARY, locked=False, min_days=None), replace(DR, min_days=7)
    plan = RelockPlan(environment=an_environment(), now=NOW, vaults=(off, DR), lock=LOCK)
    assert plan.to_put == (off,)
    assert replace(plan, vaults=(PRIMARY, loose)).to_put == (loose,)
    right = replace(plan, vaults=(PRIMARY, DR))
    assert (right.to_put, right.lines()[0]) == ((), "Nothing to do: locked to 30 to 365 days")
