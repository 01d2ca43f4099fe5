"""The dashboard on the real deployment: its lines are metrics that there really are."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from tests.e2e.rehearsing.conftest import MORNING
from tests.sandbox.client import Sandbox
from tests.sandbox.deployment import Deployment

BOTH = {"DynamoDB", "EFS"}


def with_data(sandbox: Sandbox) -> dict[str, set[str]]:
    """The metrics of the dashboard that have a value: for which kinds, by name and region."""
    body = json.loads(
        sandbox.client("cloudwatch").get_dashboard(DashboardName="cabal-backup")["DashboardBody"]
    )
    found: dict[str, set[str]] = {}
    for widget in body["widgets"]:
        for namespace, name, *rest in widget["properties"].get("metrics", []):
            *pairs, options = rest
            region = options.get("region", widget["properties"]["region"])
            dimensions = dict(zip(pairs[::2], pairs[1::2], strict=True))
            if _points(sandbox, region, namespace, name, dimensions):
                found.setdefault(f"{name} {region}", set()).add(dimensions["ResourceType"])
    return found


def _points(
    sandbox: Sandbox, region: str, namespace: str, name: str, dimensions: dict[str, str]
) -> list[Any]:
    answer = sandbox.client("cloudwatch", region).get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=MORNING - timedelta(days=1),
        EndTime=sandbox.now() + timedelta(hours=1),
        Period=86_400,
        Statistics=["Sum"],
    )
    points: list[Any] = answer["Datapoints"]
    return points


def test_a_good_night_and_its_test_fill_the_good_lines_and_no_other(
    listening_from_noon: tuple[Deployment, str],
) -> None:
    deployment, checkpoint = listening_from_noon
    sandbox = deployment.sandbox
    sandbox.rollback(checkpoint)
    assert with_data(sandbox) == {}
    sandbox.advance_to(MORNING + timedelta(hours=8))
    assert with_data(sandbox) == {
        "NumberOfBackupJobsCompleted us-west-1": BOTH,
        "NumberOfCopyJobsCompleted us-west-1": BOTH,
        "CopyLag us-west-1": BOTH,
        "NumberOfRecoveryPointsCompleted us-west-1": BOTH,
        "NumberOfRecoveryPointsCompleted us-west-2": BOTH,
        "NumberOfRestoreJobsCompleted us-west-1": BOTH,
        "RestoreTestSuccessful us-west-1": BOTH,
    }


def test_failures_are_seen(listening_from_noon: tuple[Deployment, str]) -> None:
    deployment, checkpoint = listening_from_noon
    sandbox = deployment.sandbox
    sandbox.rollback(checkpoint)
    sandbox.faults.fail_next("backup", resource_type="EFS", message="It failed.")
    sandbox.faults.fail_next("copy", resource_type="DynamoDB", message="It failed.")
    sandbox.faults.fail_next("restore", resource_type="DynamoDB", message="It failed.")
    sandbox.advance_to(MORNING + timedelta(hours=8))
    seen = with_data(sandbox)
    assert {name: kinds for name, kinds in seen.items() if "Failed" in name} == {
        "NumberOfBackupJobsFailed us-west-1": {"EFS"},
        "NumberOfCopyJobsFailed us-west-1": {"DynamoDB"},
        "NumberOfRestoreJobsFailed us-west-1": {"DynamoDB"},
    }
    assert "CopyLag us-west-1" not in seen
