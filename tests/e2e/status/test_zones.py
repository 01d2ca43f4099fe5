"""The zone of the operator's machine adds the local time for people, and changes nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from tests.e2e.operator import Operator, Said, SandboxClock
from tests.e2e.status import aws_by_hand as hand
from tests.e2e.status.aws_by_hand import PRIMARY
from tests.sandbox.deployment import PROJECT

ZONES = ("America/Los_Angeles", "Asia/Kolkata")
"""West of Greenwich, and east of it by an offset that is not a whole number of hours."""

COMMANDS = (
    "status --json",
    "status --verbose",
    "points --json",
    "points",
    "points --list",
    "jobs --days 30 --json",
    "jobs --days 30",
    "restore addresses --dry-run",
    "restore addresses --at 2026-01-20T00:00 --dry-run",
    "restore mailbox 1 --dry-run",
    "restore mailstore --dry-run",
    "copy-back addresses --at 2026-01-20T00:00 --dry-run",
    "unlock --reason test --dry-run",
    "relock --dry-run",
    "teardown plan",
)


LOCAL = re.compile(r" \((?:\d{4}-\d\d-\d\d )?\d\d:\d\d [A-Z]+\)")
"""The local time after a time in UTC."""

FOR_PEOPLE = {
    command for command in COMMANDS if "--json" not in command and not command.startswith("points")
} - {"jobs --days 30", "unlock --reason test --dry-run", "relock --dry-run", "teardown plan"}
"""The commands that print times for people."""


class StoppedClock(SandboxClock):
    """Shows the moment at which it was stopped."""

    def __init__(self, operator: Operator) -> None:
        super().__init__(operator.sandbox)
        self._at = operator.sandbox.now()

    def now(self) -> datetime:
        return self._at


@contextmanager
def zone(name: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", name)
        time.tzset()
        yield
    time.tzset()


def print_everything(operator: Operator, checkpoint: str) -> dict[str, Said]:
    """What each command prints at the checkpoint's time, however long the others take."""
    context = operator.deployment.context_arguments()
    environment = ["--project", str(PROJECT), "-e", operator.deployment.environment, *context]
    printed = {}
    for each in COMMANDS:
        operator.sandbox.rollback(checkpoint)
        printed[each] = operator.type(*each.split(), *environment)
    return printed


def whole(said: Said) -> str:
    """Without the line breaks, which depend on the length of the text."""
    return " ".join((said.out + said.err).split())


def test_every_zone_prints_the_same(operator: Operator) -> None:
    hand.unlock(operator.sandbox, PRIMARY)
    operator.sandbox.faults.fail_next("backup", resource_type="EFS", message="Broken.")
    tomorrow = operator.sandbox.now() + timedelta(days=1)
    # Times are printed to the minute.
    operator.sandbox.advance_to(tomorrow.replace(second=0, microsecond=0))
    operator.clock = StoppedClock(operator)
    checkpoint = operator.sandbox.checkpoint()
    with zone("UTC"):
        expected = print_everything(operator, checkpoint)
    assert {name: said.code for name, said in expected.items() if said.code not in (0, 1)} == {}

    for name in ZONES:
        with zone(name):
            printed = print_everything(operator, checkpoint)
        texts = {each: whole(said) for each, said in printed.items()}
        assert {each: LOCAL.sub("", text) for each, text in texts.items()} == {
            each: whole(said) for each, said in expected.items()
        }
        assert {each for each, text in texts.items() if LOCAL.search(text)} == FOR_PEOPLE


def test_a_printed_time_is_one_that_at_understands(operator: Operator) -> None:
    with zone("America/Los_Angeles"):
        lines = operator.run("points", "--list").out.splitlines()
        printed = [line.split() for line in lines if "DynamoDB  warm" in line]
        created, point = printed[-2][0], printed[-2][-1]
        environment = operator.deployment.context_arguments()
        said = operator.type(
            "restore", "addresses", "--at", f"{created[:-1]}.999999Z", "--dry-run",
            "--project", str(PROJECT), "-e", "development", *environment,
        )  # fmt: skip

    assert point in said.out
