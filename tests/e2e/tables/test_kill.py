"""A cutover that is killed at any moment and run again ends in the same live table."""

from __future__ import annotations

import random
import signal
import subprocess
import sys

import pytest

from cabal_backup.operations.aws.client import connect
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.restore.tables import cutover
from cabal_backup.operations.restore.tables.cutover import CutoverRequest, CutoverResult
from cabal_backup.operations.restore.tables.table_copy import Mode
from cabal_backup.operations.restore.tables.transport import CancelToken
from tests import killing
from tests.builders import an_environment
from tests.e2e.exercise import catch_up
from tests.e2e.tables.conftest import Rescuer
from tests.e2e.tables.disaster import RESTORED, by_address, lose, promised, writes
from tests.e2e.tables.tables import ADDRESSES, items
from tests.killing import Ended
from tests.long import shortened
from tests.sandbox.deployment import PROJECT

KILLS = shortened(50)


def cut_over(mode: Mode, clock: Clock) -> CutoverResult:
    """One whole cutover; a copy of this process has connections of its own."""
    stop = CancelToken()
    aws = connect(an_environment("development"))
    request = CutoverRequest(restored=RESTORED, live=ADDRESSES, mode=mode)
    plan = cutover.plan_cutover(aws, request, clock, stop, lambda _: None)
    return cutover.execute(aws, plan, clock, stop, lambda _: None)


@pytest.mark.parametrize("mode", [Mode.OVERWRITE, Mode.MIRROR])
def test_killed_at_random_moments(small: Rescuer, mode: Mode) -> None:
    backup = lose(small.sandbox)
    before = by_address(items(small.sandbox, ADDRESSES))
    expected = promised(backup, before, mode)
    start = small.sandbox.checkpoint()
    clock = small.operator.clock

    def killed(at: int | None) -> Ended:
        small.sandbox.rollback(start)
        catch_up(small.sandbox)
        return killing.run(
            lambda: len(cut_over(mode, clock).verification.problems), writes, kill_at=at
        )

    whole = killed(None)
    assert whole.code == 0, whole.said
    first, last = 1, len(whole.moments)
    rng = random.Random(f"kill {mode}")
    for moment in (first, last, *(rng.randrange(first + 1, last) for _ in range(KILLS // 2 - 2))):
        assert killed(moment).killed
        interrupted = by_address(items(small.sandbox, ADDRESSES))
        assert (interrupted == before) is (moment == first)
        assert (interrupted == expected) is (moment == last)

        result = cut_over(mode, clock)

        assert result.verification.problems == ()
        assert by_address(items(small.sandbox, ADDRESSES)) == expected


def test_the_way_back_stays_the_one_from_before_the_first_write(small: Rescuer) -> None:
    """The command itself, killed in a process as an operator has it."""
    backup = lose(small.sandbox)
    before = by_address(items(small.sandbox, ADDRESSES))
    arguments = ["cutover", RESTORED, ADDRESSES, "--yes", "--rate", "20"]
    killed = subprocess.Popen(
        [sys.executable, "-m", "cabal_backup", *arguments, *small.environment()],
        cwd=PROJECT,
        env=small.sandbox.environ(),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert killed.stderr is not None
    undo = next(line for line in killed.stderr if line.startswith("Undo point"))
    while by_address(items(small.sandbox, ADDRESSES)) == before:
        assert killed.poll() is None
    killed.kill()
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    small.sandbox.advance(seconds=2)

    again = small.run("cutover", *arguments[1:4])

    assert again.code == 0, again.out + again.err
    moment = undo.partition("Undo point: ")[2][:20]
    assert f"an earlier run did not finish; the way back stays {moment}" in again.err
    assert undo.strip() in again.err
    live = items(small.sandbox, ADDRESSES)
    assert all(item in live for item in backup)
    third = small.run("cutover", *arguments[1:4])
    assert "an earlier run did not finish" not in third.err
