"""Environments about to be taken down."""

from __future__ import annotations

import pytest

from tests.e2e.operator import Operator, Said
from tests.e2e.prepared import prepare
from tests.sandbox.deployment import PROJECT, Deployment

YEAR = 365
"""Nights after which as many points expire each night as are made."""


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


@pytest.fixture(scope="session")
def first_year(first_deployment: tuple[Deployment, str]) -> tuple[Deployment, str]:
    """The deployment after a full year of nights, and the checkpoint right after."""
    deployment, checkpoint = first_deployment

    def live() -> None:
        deployment.sandbox.rollback(checkpoint)
        deployment.sandbox.run_nights(YEAR)

    _, year = prepare(deployment.sandbox, "year", live, deployment.cabal.file_system_id)
    return deployment, year


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
