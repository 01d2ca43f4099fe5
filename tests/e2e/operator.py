"""An operator at a terminal: runs `cabal-backup` in this process, on the sandbox's time."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import pytest

from cabal_backup.cli.main import main
from cabal_backup.operations.aws import Aws, connect
from cabal_backup.operations.status.checks import CHECKS, run_checks
from cabal_backup.operations.status.drill_reports import read_reports
from cabal_backup.operations.status.state import look
from cabal_backup.project import read_environment
from tests.e2e.exercise import write_reports
from tests.sandbox.client import Sandbox
from tests.sandbox.deployment import PROJECT, Deployment


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def text(self) -> str:
        """What a person reads, whatever the width of the terminal."""
        return " ".join(self.out.split())


class SandboxClock:
    """The sandbox's time; waiting lets it pass."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._sandbox.now()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._sandbox.advance(seconds=seconds)


class Operator:
    """Runs commands on one deployment, with its account's credentials in the environment."""

    def __init__(
        self,
        deployment: Deployment,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.deployment = deployment
        self.sandbox = deployment.sandbox
        self.clock = SandboxClock(self.sandbox)
        self._capsys = capsys
        for name in [*os.environ]:
            if name.startswith("AWS_") or name == "CABAL_ENVIRONMENT":
                monkeypatch.delenv(name)
        for name, value in self.sandbox.aws_variables().items():
            monkeypatch.setenv(name, value)
        self.drills = self.sandbox.data / "drills"
        monkeypatch.setenv("CABAL_DRILLS", str(self.drills))
        write_reports(self.drills, deployment.environment, self.sandbox.now())

    def run(self, command: str, *arguments: str, **settings: object) -> Said:
        """`cabal-backup COMMAND -e development … ARGUMENTS`.

        :param settings: of the environment, on top of those it was deployed with.
        """
        return self.type(
            command,
            "--project",
            str(PROJECT),
            "-e",
            self.deployment.environment,
            *self.deployment.context_arguments(**settings),
            *arguments,
        )

    def type(self, *arguments: str) -> Said:
        """Exactly these arguments."""
        self._capsys.readouterr()
        code = main(arguments, clock=self.clock)
        out, err = self._capsys.readouterr()
        return Said(code, out, err)

    def not_ok(self, *, at: datetime | None = None) -> dict[str, str]:
        """The checks of `status` that are neither ok nor off, and what they are instead.

        :param at: what the machine's clock says; the sandbox's time when left out.

        Without the command line, and over one connection that all tests share: making
        clients anew takes longer than looking.
        """
        now = at or self.clock.now()
        state = look(_aws(self.deployment), now, drills=read_reports(self.drills))
        verdict = run_checks(state, CHECKS)
        return {
            each.check: str(each.status)
            for each in verdict.findings
            if each.status not in ("ok", "off")
        }


@cache
def _aws(deployment: Deployment) -> Aws:
    context = deployment.context.items()
    overrides = [f"{key}={value}" for key, value in context]
    return connect(read_environment(PROJECT, deployment.environment, overrides))
