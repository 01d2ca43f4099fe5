"""Some faults at once, on the local AWS: the verdict is never ok.

tests/unit/operations/status/test_any_faults.py does the same with many more combinations.
"""

from __future__ import annotations

import pkgutil
import random
from collections.abc import Callable, Mapping
from importlib import import_module

import pytest
from botocore.exceptions import ClientError

from tests.e2e import status as package
from tests.e2e.operator import Operator
from tests.long import shortened
from tests.sandbox.deployment import Deployment

EXAMPLES = shortened(20)

Fault = Callable[[Deployment], object]
NotOk = Mapping[str, str]


def _all_faults() -> Mapping[str, Fault]:
    """The rows of each module `test_faults…` here, but for those that turn nothing."""
    found: dict[str, Fault] = {}
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if module.name.rpartition(".")[2].startswith("test_faults"):
            rows: Mapping[str, tuple[Fault, NotOk]] = import_module(module.name).FAULTS
            found |= {name: inject for name, (inject, turned) in rows.items() if turned}
    return found


FAULTS = _all_faults()


def _examples() -> list[tuple[str, ...]]:
    """The same every time; what keeps AWS from answering comes last."""
    rng = random.Random(13)
    names = sorted(FAULTS)
    chosen = [rng.sample(names, rng.choice((2, 3))) for _ in range(EXAMPLES)]
    return [tuple(sorted(each, key=_keeps_from_asking)) for each in chosen]


def _keeps_from_asking(fault: str) -> bool:
    return any(word in fault for word in ("may not be", "is down", "throttled"))


@pytest.mark.parametrize("faults", _examples(), ids=" + ".join)
def test_no_faults_together_are_ok(operator: Operator, faults: tuple[str, ...]) -> None:
    first, *more = faults
    FAULTS[first](operator.deployment)
    for fault in more:
        try:
            FAULTS[fault](operator.deployment)
        except (ClientError, ValueError):
            # What it would change is no longer there: the first fault took it away.
            continue

    assert operator.not_ok() != {}
