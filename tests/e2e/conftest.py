"""A local AWS for the end-to-end tests: one process a session, rewound in between."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from local_aws.client import Sandbox
from local_aws.pytest_plugin import START

from tests.e2e.assembly import synthesize_here
from tests.e2e.exercise import exercise_restores
from tests.e2e.hints import HINTS
from tests.e2e.operator import Operator
from tests.e2e.prepared import bootstrapped, prepare
from tests.e2e.warm import warm_commands
from tests.sandbox import cabal
from tests.sandbox.cabal import Cabal
from tests.sandbox.deployment import Deployment, aws_cli

ADDRESSES = 500
"""In the table of Cabal: enough for a hundred to be sampled and a fifth to be much."""


REAL_AWS_CLI = aws_cli()


@pytest.fixture(scope="session", autouse=True)
def signals_reach_children() -> None:
    """Children inherit which signals are ignored: a shell ignores Ctrl-C for what it runs in the
    background, and `nohup` a closed terminal.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """After a test, type the hints of the last thing that it read."""
    HINTS.forget()
    yield
    assert HINTS.type_new() == []


@pytest.fixture(scope="session", autouse=True)
def warm() -> Iterator[None]:
    """`aws` and `cabal-backup` start at once for what looks for them with `aws_cli`."""
    if "CABAL_AWS_CLI" in os.environ or not Path(aws_cli()).exists():
        yield
        return
    with warm_commands() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setenv("CABAL_AWS_CLI", str(folder / "aws"))
        yield


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore does not wait between its tries; everything else in the process does."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None))


@pytest.fixture
def real_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executables themselves, as an operator starts them."""
    monkeypatch.setenv("CABAL_AWS_CLI", REAL_AWS_CLI)


@pytest.fixture(scope="session")
def running_sandbox(running_local_aws: Sandbox) -> Sandbox:
    """The process. Tests use `sandbox`, which is reset for each of them."""
    return running_local_aws


@pytest.fixture(scope="session")
def pristine(empty_local_aws: str) -> str:
    """The checkpoint of a sandbox without any resource."""
    return empty_local_aws


@pytest.fixture(scope="session")
def bootstrapped_account(running_sandbox: Sandbox, pristine: str) -> str:
    """The checkpoint of a sandbox that was only bootstrapped."""
    return bootstrapped(running_sandbox, pristine)


@pytest.fixture
def sandbox(running_sandbox: Sandbox, pristine: str) -> Sandbox:
    """An AWS in which nothing has been made yet; its time is 2026-01-01, 12:00 UTC."""
    running_sandbox.rollback(pristine)
    return running_sandbox


@pytest.fixture(scope="session")
def first_deployment(running_sandbox: Sandbox, bootstrapped_account: str) -> tuple[Deployment, str]:
    """The application deployed for a believable Cabal, and the checkpoint right after."""
    return _deployed_at(START, running_sandbox, bootstrapped_account, "deployed")


@pytest.fixture(scope="session")
def first_recent(running_sandbox: Sandbox, bootstrapped_account: str) -> tuple[Deployment, str]:
    """The same three days ago on the machine's clock, and the checkpoint right after."""
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return _deployed_at(noon - timedelta(days=3), running_sandbox, bootstrapped_account, "recent")


def _deployed_at(
    moment: datetime, sandbox: Sandbox, bootstrapped_account: str, name: str
) -> tuple[Deployment, str]:
    def deploy() -> Cabal:
        sandbox.rollback(bootstrapped_account)
        sandbox.advance_to(moment)
        filled = cabal.fill(sandbox, addresses=ADDRESSES)
        Deployment(sandbox, filled, synthesize=synthesize_here).deploy_assembly()
        return filled

    filled, checkpoint = prepare(sandbox, name, deploy, f"{moment:%Y-%m-%d}")
    sandbox.rollback(checkpoint)
    found = filled.found_in(sandbox)
    return Deployment(sandbox, found, synthesize=synthesize_here), checkpoint


@pytest.fixture
def deployed(first_deployment: tuple[Deployment, str]) -> Deployment:
    """`development`, just deployed; half a day before its first night."""
    deployment, checkpoint = first_deployment
    deployment.sandbox.rollback(checkpoint)
    return deployment


@pytest.fixture
def recent(first_recent: tuple[Deployment, str]) -> Deployment:
    """`development` for commands in processes of their own, which look at the machine's clock.

    With `catch_up` it has three nights; `deployed` has more each day.
    """
    deployment, checkpoint = first_recent
    deployment.sandbox.rollback(checkpoint)
    return deployment


@pytest.fixture(scope="session")
def first_year(first_deployment: tuple[Deployment, str]) -> tuple[Deployment, str]:
    """The deployment after a full year of nights, and the checkpoint right after."""
    deployment, checkpoint = first_deployment

    def live() -> None:
        deployment.sandbox.rollback(checkpoint)
        deployment.sandbox.run_nights(365)

    _, year = prepare(deployment.sandbox, "year", live, deployment.cabal.file_system_id)
    return deployment, year


@pytest.fixture(scope="session")
def first_protection(first_deployment: tuple[Deployment, str]) -> tuple[Deployment, str]:
    """The deployment after 36 nights and an exercise, and the checkpoint right after."""
    deployment, checkpoint = first_deployment

    def live() -> None:
        deployment.sandbox.rollback(checkpoint)
        deployment.sandbox.run_nights(36)
        exercise_restores(deployment)
        # 13:00: the last night is over and due, whatever the start window allows.
        deployment.sandbox.advance(hours=5)

    _, protected = prepare(deployment.sandbox, "protected", live, deployment.cabal.file_system_id)
    return deployment, protected


@pytest.fixture
def protected(first_protection: tuple[Deployment, str]) -> Deployment:
    """`development` in good health: 36 nights old, both kinds of restore exercised; about 13:00."""
    deployment, checkpoint = first_protection
    deployment.sandbox.rollback(checkpoint)
    return deployment


@pytest.fixture
def operator(
    protected: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Operator:
    """The operator's tool for `protected`."""
    return Operator(protected, monkeypatch, capsys)
