"""A drill that is interrupted clears away; one that is killed, the next one does."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from cabal_backup.cli.main import main
from cabal_backup.config.project import find_project, read_environment
from cabal_backup.operations.aws.client import connect
from cabal_backup.operations.aws.jobs import Event
from cabal_backup.operations.drill import rehearse_addresses
from cabal_backup.operations.drill.perform import perform
from cabal_backup.operations.drill.record import Record, Run
from cabal_backup.operations.drill.rehearse_addresses import AddressesDrillPlan
from cabal_backup.operations.drill.request import DrillRequest
from cabal_backup.operations.restore.tables import restore_addresses
from tests import killing
from tests.e2e.drill.conftest import QUICK, USER, Driller, left
from tests.e2e.exercise import catch_up
from tests.e2e.operator import SandboxClock
from tests.e2e.shell import HUNG_SECONDS
from tests.killing import Ended
from tests.long import shortened
from tests.sandbox.deployment import PROJECT

KILLS = shortened(10)


class Interrupting(SandboxClock):
    """Ctrl-C at the waits with these numbers, the first being 1."""

    def interrupt_at(self, *numbers: int) -> Interrupting:
        self._numbers = numbers
        return self

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if len(self.slept) in self._numbers:
            raise KeyboardInterrupt


def test_ctrl_c_while_it_restores(driller: Driller) -> None:
    driller.operator.clock = Interrupting(driller.sandbox).interrupt_at(2)
    with driller.live_data_stays():
        said = driller.drill("addresses")

    assert said.code == 130, said.err
    assert "AWS Backup cannot cancel a restore" in said.err
    assert left(driller.sandbox) == []
    report = driller.report
    assert (report["verdict"], report["reasons"]) == (
        "interrupted",
        ["interrupted before its end"],
    )
    assert report["recovery_seconds"] is None


def test_ctrl_c_twice_leaves_it_to_the_next_drill(driller: Driller) -> None:
    patient = driller.operator.clock
    driller.operator.clock = Interrupting(driller.sandbox).interrupt_at(2, 3)
    said = driller.drill("addresses")
    driller.operator.clock = patient

    assert said.code == 130
    assert left(driller.sandbox) != []
    assert "interrupted twice" in driller.report["left_over"][0]

    with driller.live_data_stays():
        again = driller.drill("addresses")

    assert again.code == 0, again.err
    assert "which the restore job " in again.err
    assert left(driller.sandbox) == []
    assert len(driller.reports[0]["cleared"]) == 2


def test_a_refusal_while_dynamodb_does_not_show_the_scratch_table(driller: Driller) -> None:
    driller.sandbox.faults.deny("StartRestoreJob")
    said = driller.drill("addresses")
    assert (said.code, driller.report["verdict"]) == (6, "failed"), said.err
    assert left(driller.sandbox) == []


@dataclass(frozen=True)
class Clumsy(AddressesDrillPlan):
    """A drill with a fault in it, at the worst moment."""

    def rehearse(self, run: Run) -> None:
        run.record.use(self.restore.point)
        rehearse_addresses.make_scratch(run.aws, self)
        restore_addresses.execute(run.aws, self.restore, run.clock, run.report)
        raise ZeroDivisionError("unforeseen")


def test_an_unforeseen_error(driller: Driller) -> None:
    operator = driller.operator
    given = [f"{key}={value}" for key, value in operator.deployment.context.items()]
    aws = connect(read_environment(find_project(PROJECT), operator.deployment.environment, given))
    now = operator.clock.now()
    planned = rehearse_addresses.plan_drill(aws, now, DrillRequest(tolerance_percent=10))
    plan = Clumsy(
        restore=planned.restore, scratch=planned.scratch, tolerance_percent=10, kind=planned.kind
    )
    record = Record(plan.kind, "development", now)
    reported: list[Event] = []

    run = Run(aws=aws, clock=operator.clock, record=record, report=reported.append)

    with pytest.raises(ZeroDivisionError):
        perform(run, plan)

    assert left(driller.sandbox) == []
    assert record.verdict == "failed"
    assert record.problems == ["ZeroDivisionError: unforeseen"]


@pytest.fixture
def today(driller: Driller, first_present: str) -> Driller:
    """On the machine's time, which processes of their own look at; AWS is quick."""
    driller.sandbox.rollback(first_present)
    driller.sandbox.settings(**QUICK)
    catch_up(driller.sandbox)
    return driller


class Process:
    """The command, in a process of its own."""

    def __init__(self, driller: Driller, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cabal_backup", *driller.command(*arguments, "--yes")],
            cwd=PROJECT,
            env=driller.sandbox.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.heard: list[str] = []

    def wait_for(self, says: Callable[[str], bool]) -> None:
        """Until a line on stderr is what is waited for."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.heard.append(line)
            if says(line):
                return
        raise AssertionError("".join(self.heard))

    def end(self, ending: signal.Signals) -> int:
        self._process.send_signal(ending)
        _, rest = self._process.communicate(timeout=HUNG_SECONDS)
        self.heard.append(rest)
        return self._process.returncode


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals(today: Driller, ending: signal.Signals) -> None:
    with today.live_data_stays():
        process = Process(today, "addresses")
        process.wait_for(lambda line: "PENDING" in line or "RUNNING" in line)
        code = process.end(ending)

    assert code == 130, "".join(process.heard)
    assert left(today.sandbox) == []
    assert today.report["verdict"] == "interrupted"


def moments(pass_moment: killing.Pass) -> None:
    """Every call of AWS, but of those that ask about a job only the first in a row: how often a
    drill asks depends on the machine.
    """
    previous = ""

    def pass_new(name: str) -> None:
        nonlocal previous
        if name != previous or not re.fullmatch(r"GET /restore-jobs/[\w-]+", name):
            pass_moment(name)
        previous = name

    killing.aws_calls(pass_new)


@pytest.mark.parametrize(
    ("which", "first"), [("addresses", "CreateTable"), ("mailbox", "PUT /restore-jobs")]
)
def test_killed_at_random_moments_the_next_one_finds_what_is_left(
    driller: Driller, which: str, first: str
) -> None:
    """The first time right after it made something, which DescribeTable does not find yet; the
    last moment is that before it deletes the last table. A mailbox drill deletes with no call.
    """
    arguments = [which]
    if which == "mailbox":
        arguments += ["--user", USER, "--mount", str(driller.mount)]
    remembered = driller.sandbox.checkpoint()
    before = driller.data()

    def drill(kill_at: int | None = None) -> Ended:
        driller.sandbox.rollback(remembered)
        return killing.run(
            lambda: main(driller.command(*arguments, "--yes"), clock=driller.operator.clock),
            moments,
            kill_at=kill_at,
        )

    whole = drill()
    assert whole.code == 0, whole.said
    made = whole.moments.index(first) + 2
    deletions = [number for number, name in enumerate(whole.moments) if name == "DeleteTable"]
    last = deletions[-1] if deletions else len(whole.moments)
    rng = random.Random(which)
    for moment in (made, last, *(rng.randint(made, last) for _ in range(KILLS))):
        ended = drill(moment)
        assert ended.killed, ended.said
        assert driller.data() == before
        assert left(driller.sandbox) != [], moment

        again = driller.drill(*arguments)

        assert again.code == 0, again.err
        assert "An earlier drill left the " in again.err, moment
        assert left(driller.sandbox) == []
        assert driller.data() == before
