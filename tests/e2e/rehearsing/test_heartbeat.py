"""The heartbeat on the real deployment: exactly when a night is complete."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.rehearsing.conftest import MORNING, PARAMETER
from tests.receiver import CERTIFICATE, Receiver, receiver
from tests.sandbox.client import Sandbox
from tests.sandbox.deployment import Deployment
from tests.sandbox.seed import run_aws

PATH = "/ping/4f1d2c3b-is-a-secret"
MIDNIGHT = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Waiting:
    """A deployment at noon before its first night, and somebody who waits for its heartbeat."""

    deployment: Deployment
    receiver: Receiver

    @property
    def sandbox(self) -> Sandbox:
        return self.deployment.sandbox

    def lags(self, kind: str) -> list[dict[str, Any]]:
        points: list[dict[str, Any]] = self.sandbox.client("cloudwatch").get_metric_statistics(
            Namespace="CabalBackup",
            MetricName="CopyLag",
            Dimensions=[{"Name": "ResourceType", "Value": kind}],
            StartTime=MIDNIGHT,
            EndTime=MIDNIGHT + timedelta(days=2),
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        return points

    def log(self) -> str:
        """Everything that our functions have logged."""
        logs = self.sandbox.client("logs")
        groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
        return "\n".join(
            event["message"]
            for group in groups
            for event in logs.filter_log_events(logGroupName=group)["events"]
        )


@pytest.fixture
def waiting(listening_from_noon: tuple[Deployment, str], tmp_path: Path) -> Iterator[Waiting]:
    deployment, checkpoint = listening_from_noon
    sandbox = deployment.sandbox
    sandbox.rollback(checkpoint)
    trust_the_receiver(sandbox)
    with receiver() as running:
        # As docs/heartbeat.md says.
        url = tmp_path / "heartbeat-url"
        url.write_text(f"{running.base}{PATH}\n")
        run_aws(
            sandbox,
            f"aws ssm put-parameter --type SecureString --name {PARAMETER} "
            f"--value {shlex.quote(f'file://{url}')}",
        )
        yield Waiting(deployment, running)


def trust_the_receiver(sandbox: Sandbox) -> None:
    """Add the test's certificate to those the deployed function trusts; nothing else."""
    functions = sandbox.client("lambda")
    (night,) = (
        found
        for found in functions.list_functions()["Functions"]
        if found["Handler"] == "night.handler"
    )
    variables = night["Environment"]["Variables"] | {"SSL_CERT_FILE": str(CERTIFICATE)}
    functions.update_function_configuration(
        FunctionName=night["FunctionName"], Environment={"Variables": variables}
    )


def test_each_complete_night_is_told(waiting: Waiting) -> None:
    waiting.sandbox.advance_to(MIDNIGHT)
    assert waiting.receiver.called == []
    waiting.sandbox.advance_to(MORNING)
    first = len(waiting.receiver.called)
    # Two when both copies arrive together: each sees the other one.
    assert first in (1, 2)
    assert set(waiting.receiver.called) == {PATH}
    waiting.sandbox.advance(days=1)
    assert len(waiting.receiver.called) in (first + 1, first + 2)


@pytest.mark.parametrize("kind", ["backup", "copy"])
@pytest.mark.parametrize("resource_type", ["DynamoDB", "EFS"])
def test_a_night_in_which_something_failed_is_not(
    waiting: Waiting, kind: str, resource_type: str
) -> None:
    waiting.sandbox.faults.fail_next(kind, resource_type=resource_type, message="It failed.")
    waiting.sandbox.advance_to(MORNING)
    assert waiting.receiver.called == []
    waiting.sandbox.advance(days=1)
    assert set(waiting.receiver.called) == {PATH}, "the next one is complete again"


def test_a_night_without_any_backup_is_not(waiting: Waiting) -> None:
    waiting.sandbox.client("backup").update_region_settings(
        ResourceTypeOptInPreference={"EFS": False}
    )
    waiting.sandbox.advance_to(MORNING)
    assert waiting.receiver.called == []


def test_each_copy_is_measured_in_the_sandboxs_time(waiting: Waiting) -> None:
    waiting.sandbox.advance_to(MORNING)
    backup = waiting.sandbox.client("backup")
    for job in backup.list_copy_jobs(ByState="COMPLETED")["CopyJobs"]:
        point = backup.describe_recovery_point(
            BackupVaultName="cabal-backup", RecoveryPointArn=job["SourceRecoveryPointArn"]
        )
        taken = job["CompletionDate"] - point["CreationDate"]
        (measured,) = waiting.lags(job["ResourceType"])
        assert measured["Maximum"] == pytest.approx(taken.total_seconds())
        assert measured["Maximum"] > 60
        assert timedelta(0) <= job["CompletionDate"] - measured["Timestamp"] < timedelta(minutes=1)


def test_the_url_is_not_logged_even_when_nobody_answers(waiting: Waiting) -> None:
    waiting.receiver.trouble.extend([404] * 100)
    waiting.sandbox.advance_to(MORNING)
    log = waiting.log()
    assert "HTTP 404" in log
    assert json.dumps(PATH).strip('"') not in log
    assert waiting.receiver.base not in log
    assert len(waiting.lags("EFS")) == 1, "it is measured all the same"
