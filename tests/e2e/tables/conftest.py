"""An operator who restores tables."""

from __future__ import annotations

import shlex

import pytest
from local_aws.client import Sandbox

from tests.e2e.exercise import catch_up
from tests.e2e.operator import Operator, Said
from tests.e2e.terminal import Terminal
from tests.sandbox import cabal
from tests.sandbox.deployment import PROJECT, Deployment

ITEMS = 300
"""Addresses in a small Cabal."""


class Rescuer:
    """Types the commands about tables; the options of the environment come last."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.sandbox = operator.sandbox

    def run(self, command: str, *arguments: str, **settings: object) -> Said:
        """`cabal-backup COMMAND ARGUMENTS`; the command as one types it, `restore table x`."""
        return self.operator.type(*shlex.split(command), *arguments, *self.environment(**settings))

    def terminal(self, *arguments: str) -> Terminal:
        """The same in a process and a terminal of its own."""
        return Terminal([*arguments, *self.environment()], self.sandbox.environ())

    def environment(self, **settings: object) -> list[str]:
        deployment = self.operator.deployment
        named = ["--project", str(PROJECT), "-e", deployment.environment]
        return [*named, *deployment.context_arguments(**settings)]


@pytest.fixture
def rescuer(operator: Operator) -> Rescuer:
    """In front of a deployment that is 36 nights old."""
    return Rescuer(operator)


@pytest.fixture(scope="session")
def small_cabal(running_sandbox: Sandbox, pristine: str) -> tuple[Deployment, str]:
    """A Cabal with few addresses and nothing deployed, on the machine's time: commands in
    processes of their own look at the machine's clock.
    """
    running_sandbox.rollback(pristine)
    catch_up(running_sandbox)
    filled = cabal.fill(running_sandbox, addresses=ITEMS, users=2, messages_per_user=1)
    return Deployment(running_sandbox, filled), running_sandbox.checkpoint()


@pytest.fixture
def small(
    small_cabal: tuple[Deployment, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Rescuer:
    """In front of a Cabal with few addresses, for what needs no backups."""
    deployment, checkpoint = small_cabal
    deployment.sandbox.rollback(checkpoint)
    catch_up(deployment.sandbox)
    return Rescuer(Operator(deployment, monkeypatch, capsys))
