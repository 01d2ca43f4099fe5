"""With any fault, alone or with others, the verdict is never ok."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cabal_backup.operations.status.checks import CHECKS, run_checks
from cabal_backup.operations.status.findings import Status
from cabal_backup.operations.status.state import State
from tests.any_speed import ANY_SPEED
from tests.long import shortened
from tests.unit.operations import status as package
from tests.unit.operations.status.builders import a_state, not_ok
from tests.unit.operations.status.faults import Fault


def _all_faults() -> Mapping[str, Fault]:
    """Those of each module `faults…` here."""
    found: dict[str, Fault] = {}
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if module.name.rpartition(".")[2].startswith("faults"):
            found |= import_module(module.name).FAULTS
    return found


FAULTS = _all_faults()


def verdict(state: State) -> Status:
    return run_checks(state, CHECKS).status


def test_without_a_fault_it_is_ok() -> None:
    assert not_ok(a_state()) == {}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_is_ok(fault: str) -> None:
    assert verdict(FAULTS[fault](a_state())) is not Status.OK


@settings(
    ANY_SPEED,
    max_examples=shortened(300),
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
@given(st.lists(st.sampled_from(sorted(FAULTS)), min_size=2, max_size=3, unique=True))
def test_no_faults_together_are_ok(chosen: list[str]) -> None:
    """One fault must not hide another: later ones change what the earlier ones left."""
    state = a_state()
    for fault in chosen:
        state = FAULTS[fault](state)

    assert verdict(state) is not Status.OK
