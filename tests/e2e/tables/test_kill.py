"""A cutover that is killed at any moment and run again ends in the same live table."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from cabal_backup.operations.aws.client import Aws, connect
from cabal_backup.operations.aws.clock import SystemClock
from cabal_backup.operations.aws.jobs import Event, Progress
from cabal_backup.operations.restore.tables import cutover
from cabal_backup.operations.restore.tables.cutover import CutoverRequest, CutoverResult
from cabal_backup.operations.restore.tables.table_copy import Mode
from cabal_backup.operations.restore.tables.wire import Stop
from tests.builders import an_environment
from tests.e2e.tables.conftest import Rescuer
from tests.e2e.tables.disaster import RESTORED, by_address, lose, promised
from tests.e2e.tables.tables import ADDRESSES, items
from tests.sandbox.deployment import PROJECT

KILLS = 50
RATE = 200.0
"""Write units a second of the runs that are killed, so that writing takes most of a second."""
CHUNKS = 12
"""In as many the items are written, 25 each."""


def cut_over(
    aws: Aws, mode: Mode, *, rate: float | None = None, reports: int | None = None
) -> CutoverResult:
    """One whole cutover; writes a byte to the file descriptor `reports` before its first write,
    and one after each chunk.
    """
    stop = Stop()
    clock = SystemClock()

    def report(event: Event) -> None:
        if reports is not None and (begins(event) or is_written(event)):
            os.write(reports, b"!")

    request = CutoverRequest(restored=RESTORED, live=ADDRESSES, mode=mode, rate=rate)
    plan = cutover.plan_cutover(aws, request, clock, stop, report)
    return cutover.execute(aws, plan, clock, stop, report)


def begins(event: Event) -> bool:
    return isinstance(event, str) and "Undo point" in event


def is_written(event: Event) -> bool:
    return isinstance(event, Progress) and event.step in ("writing", "deleting")


def kill_after(aws: Aws, mode: Mode, chunks: int, seconds: float) -> None:
    """Begin a cutover in a process of its own, and kill it `seconds` after so many chunks.

    `aws` must not have been used for any request: a process and its child cannot share
    connections.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            cut_over(aws, mode, rate=RATE, reports=writing)
        finally:
            os._exit(0)
    os.close(writing)
    for _ in range(1 + chunks):
        os.read(reading, 1)
    os.close(reading)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


@pytest.mark.parametrize("mode", [Mode.OVERWRITE, Mode.MIRROR])
def test_killed_at_random_moments(small: Rescuer, mode: Mode) -> None:
    backup = lose(small.sandbox)
    before = by_address(items(small.sandbox, ADDRESSES))
    expected = promised(backup, before, mode)
    start = small.sandbox.checkpoint()
    aws, for_children = (connect(an_environment("development")) for _ in range(2))
    for_children.client("dynamodb")
    dice = random.Random(f"kill {mode}")
    midway = 0
    for _ in range(KILLS // 2):
        small.sandbox.rollback(start)
        small.sandbox.advance_to(datetime.now(UTC))
        kill_after(for_children, mode, dice.randrange(CHUNKS), dice.uniform(0, 0.1))
        interrupted = by_address(items(small.sandbox, ADDRESSES))
        midway += interrupted not in (before, expected)

        result = cut_over(aws, mode)

        assert result.verification.problems == ()
        assert by_address(items(small.sandbox, ADDRESSES)) == expected
    assert midway >= KILLS // 8


def test_the_way_back_stays_the_one_from_before_the_first_write(small: Rescuer) -> None:
    """The command itself, killed in a process as an operator has it."""
    backup = lose(small.sandbox)
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
    time.sleep(0.5)
    killed.kill()
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    time.sleep(1.1)

    again = small.run("cutover", *arguments[1:4])

    assert again.code == 0, again.out + again.err
    moment = undo.partition("Undo point: ")[2][:20]
    assert f"an earlier run did not finish; the way back stays {moment}" in again.err
    assert undo.strip() in again.err
    live = items(small.sandbox, ADDRESSES)
    assert all(item in live for item in backup)
    third = small.run("cutover", *arguments[1:4])
    assert "an earlier run did not finish" not in third.err
