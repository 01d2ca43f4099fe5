"""Environments about to be taken down."""

from __future__ import annotations

import pytest

from tests.e2e.operator import Operator, Said
from tests.sandbox.deployment import PROJECT, Deployment


class Remover:
    """Types commands that take something away; the options of the environment come last."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.deployment = operator.deployment
        self.sandbox = operator.sandbox

    def run(self, command: str, *arguments: str, environment: str = "development") -> Said:
        """`cabal-backup COMMAND ARGUMENTS`; the command as one types it, `teardown plan`."""
        return self.operator.type(
            *command.split(), *arguments, *options(self.deployment, environment)
        )


def options(deployment: Deployment, environment: str = "development") -> list[str]:
    """The options that name an environment; any name is one, of the same account here."""
    settings = Deployment(deployment.sandbox, deployment.cabal, environment).context_arguments()
    return ["--project", str(PROJECT), "-e", environment, *settings]


@pytest.fixture
def year(first_year: tuple[Deployment, str]) -> Deployment:
    """`development` with everything it can hold: 730 points in each vault."""
    deployment, checkpoint = first_year
    deployment.sandbox.rollback(checkpoint)
    return deployment


@pytest.fixture
def remover(
    deployed: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Remover:
    """The operator's tool for ten nights."""
    deployed.sandbox.run_nights(10)
    return Remover(Operator(deployed, monkeypatch, capsys))
