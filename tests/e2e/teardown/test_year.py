"""A full year of points to nothing, killed again and again; then from zero."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest

from tests.e2e.promises.vaults import VAULTS
from tests.e2e.shell import HUNG_SECONDS
from tests.e2e.teardown.conftest import options
from tests.e2e.teardown.left import NOTHING, everything, points, what_is_live
from tests.sandbox.deployment import Deployment

STEPS = (
    # The step, how often it is killed before it may come to its end, and for about how many
    # seconds it works once it has shown its plan.
    (("unlock", "--reason", "a test"), 4, 0.15),
    (("teardown", "delete-recovery-points"), 10, 1.0),
    (("teardown", "destroy"), 6, 2.0),
)


def test_killed_at_twenty_random_moments(
    year: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(26)
    # The sandbox keeps the machine's pace here: a deleted point shall not be listed for long.
    year.sandbox.settings(deletion_duration=1)
    live = what_is_live(year)
    assert len(points(year)) == 1460
    began = time.monotonic()
    left = []
    for step, kills, work in STEPS:
        done = 0
        while done < kills:
            if _killed(year, step, dice, work if done % 2 else None):
                done += 1
                left.append(len(points(year)))
        process = _start(year, *step)
        said = process.communicate(timeout=HUNG_SECONDS)
        assert process.returncode == 0, said
    seconds = time.monotonic() - began
    assert everything(year) == NOTHING
    assert what_is_live(year) == live
    assert len(left) == 20
    assert any(0 < number < 1460 for number in left)
    with capsys.disabled():
        sys.stdout.write(
            f"\n1,460 points to nothing in {seconds:.0f} s, killed 20 times, with so many points "
            f"left each time: {left}\n"
        )

    year.deploy()
    year.sandbox.run_nights(1)
    assert len(points(year)) == 4
    assert set(everything(year)["locks"].items()) == {(place, True) for place in VAULTS}


def _killed(
    deployment: Deployment, step: Sequence[str], dice: random.Random, work: float | None
) -> bool:
    """Start a step and kill it: while it starts and looks, or within `work` s of its plan.

    False when it came to its end before.
    """
    process = _start(deployment, *step)
    assert process.stdout is not None
    if work is not None:
        process.stdout.readline()
    try:
        process.wait(dice.uniform(0, work) if work is not None else dice.uniform(0.3, 1.5))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    said = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), said
    return process.returncode != 0


def _start(deployment: Deployment, *step: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "cabal_backup", *step, "--yes", *options(deployment)],
        env=deployment.sandbox.environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
