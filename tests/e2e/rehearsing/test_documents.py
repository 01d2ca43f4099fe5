"""What docs/restore-testing.md says to type, typed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from local_aws.client import Sandbox

from tests.e2e.rehearsing.conftest import SETTINGS
from tests.e2e.shell import make_checkout, sections, type_in
from tests.sandbox.deployment import Deployment


@pytest.fixture
def deployment(listening_from_noon: tuple[Deployment, str]) -> Deployment:
    deployment, checkpoint = listening_from_noon
    deployment.sandbox.rollback(checkpoint)
    return deployment


@pytest.fixture
def checkout(deployment: Deployment, tmp_path: Path) -> Path:
    """As an operator has it who has chosen SETTINGS."""
    folder = make_checkout(tmp_path, deployment)
    context = folder / "cdk.context.json"
    more = {f"{deployment.environment}.{name}": value for name, value in SETTINGS.items()}
    context.write_text(json.dumps(json.loads(context.read_text()) | more))
    return folder


def test_a_restore_test_is_run_now_and_read(deployment: Deployment, checkout: Path) -> None:
    sandbox = deployment.sandbox
    blocks = sections("docs/restore-testing.md")
    move, put_back = blocks["Running one now"]
    # After the night, and before the test that SETTINGS ask for.
    sandbox.advance_to(datetime(2026, 1, 2, 8, 0, tzinfo=UTC))
    type_in([move], checkout, deployment)
    sandbox.advance_to(datetime(2026, 1, 2, 16, 0, tzinfo=UTC))
    type_in([put_back], checkout, deployment)
    while verdicts(sandbox) != {"SUCCESSFUL"}:
        assert sandbox.now() < datetime(2026, 1, 3, 8, 0, tzinfo=UTC), verdicts(sandbox)
        sandbox.advance(hours=1)
    _, listed = blocks["Reading a verdict"][0].splitlines()
    said = type_in([listed], checkout, deployment)
    assert said.count("SUCCESSFUL") == 2
    (plan,) = sandbox.client("backup").list_restore_testing_plans()["RestoreTestingPlans"]
    assert plan["ScheduleExpression"] == "cron(0 6 1 * ? *)"


def verdicts(sandbox: Sandbox) -> set[str | None]:
    """On the restores that tests have made so far."""
    jobs = sandbox.client("backup").list_restore_jobs()["RestoreJobs"]
    return {job.get("ValidationStatus") for job in jobs}


def test_the_status_check_it_names_is_there(deployment: Deployment, checkout: Path) -> None:
    """Whatever it finds: it looks at the machine's clock, and the sandbox has its own."""
    status, _ = sections("docs/restore-testing.md")["Reading a verdict"][0].splitlines()
    said = type_in([f"{status} --json || test $? -le 2"], checkout, deployment)
    assert '"check": "restore-tests"' in said
