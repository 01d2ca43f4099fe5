"""A full year of points to nothing, killed again and again; then from zero."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from cabal_backup.cli.main import main
from tests import killing
from tests.e2e.operator import Operator
from tests.e2e.promises.vaults import VAULTS
from tests.e2e.teardown.conftest import options
from tests.e2e.teardown.left import NOTHING, everything, points, what_is_live
from tests.killing import Ended
from tests.long import shortened
from tests.sandbox.deployment import Deployment

STEPS = (
    # The step, how often it is killed before it may come to its end, and the requests to AWS
    # among which the last moment to kill it is.
    (("unlock", "--reason", "a test"), 4, 60),
    (("teardown", "delete-recovery-points"), 10, 1500),
    (("teardown", "destroy"), 6, 150),
)


def test_killed_at_random_moments(
    year: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = Operator(year, monkeypatch, capsys)
    rng = random.Random(26)
    live = what_is_live(year)
    assert len(points(year)) == 1460
    left = []
    for step, kills, requests in STEPS:
        done = 0
        while done < shortened(kills):
            ended = _run(operator, step, rng.randrange(1, 2 * requests))
            assert ended.killed or ended.code == 0, ended.said
            if ended.killed:
                done += 1
                left.append(len(points(year)))
        ended = _run(operator, step)
        assert ended.code == 0, ended.said
    assert everything(year) == NOTHING
    assert what_is_live(year) == live
    assert any(0 < number < 1460 for number in left), left

    year.deploy_assembly()
    year.sandbox.run_nights(1)
    assert len(points(year)) == 4
    assert set(everything(year)["locks"].items()) == {(place, True) for place in VAULTS}


def _run(operator: Operator, step: Sequence[str], kill_at: int | None = None) -> Ended:
    command = [*step, "--yes", *options(operator.deployment)]
    return killing.run(
        lambda: main(command, clock=operator.clock), killing.aws_calls, kill_at=kill_at
    )
