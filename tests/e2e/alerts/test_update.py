"""A deployment of the version before is updated in place: nothing that is kept is touched."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from local_aws.client import Sandbox

from tests.e2e.alerts.conftest import REGIONS, SETTINGS, confirm
from tests.e2e.assembly import synthesize_here
from tests.sandbox import cabal
from tests.sandbox.deployment import PROJECT, Deployment

BEFORE = "ef20a59"
"""The last commit that deployed silence alarms, a dashboard and one function per event."""

HEARTBEAT = {"heartbeat_parameter": "/cabal-backup/heartbeat"}
"""A setting that has kept its name; what calls the URL is another function now."""

VAULTS = (("us-west-1", "cabal-backup"), ("us-west-2", "cabal-backup-dr"))


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The project as it was then."""
    packed = subprocess.run(["git", "archive", BEFORE], cwd=PROJECT, capture_output=True)
    if packed.returncode:
        pytest.skip(f"this clone does not reach back to {BEFORE}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(tmp_path / "earlier", filter="data")
    return tmp_path / "earlier"


def synthesize_there(project: Path, folder: Path, context: Mapping[str, str]) -> Path:
    declared = json.loads((project / "cdk.json").read_text())["context"]
    subprocess.run(
        [sys.executable, "app.py"],
        cwd=project,
        env={
            **os.environ,
            "CDK_OUTDIR": str(folder),
            "CDK_CONTEXT_JSON": json.dumps({**declared, **context}),
            "PYTHONPATH": str(project),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        check=True,
        capture_output=True,
    )
    return folder


def kept(sandbox: Sandbox) -> dict[str, Any]:
    """What an update must not touch: vaults, locks, recovery points, plan, role, subscriptions."""
    found: dict[str, Any] = {}
    for region, name in VAULTS:
        backup = sandbox.client("backup", region)
        vault = backup.describe_backup_vault(BackupVaultName=name)
        pages = backup.get_paginator("list_recovery_points_by_backup_vault")
        found[name] = {
            "created": vault["CreationDate"],
            "lock": (vault["Locked"], vault["MinRetentionDays"], vault["MaxRetentionDays"]),
            "points": sorted(
                point["RecoveryPointArn"]
                for page in pages.paginate(BackupVaultName=name)
                for point in page["RecoveryPoints"]
            ),
        }
        topic = f"arn:aws:sns:{region}:123456789012:cabal-backup-alerts"
        found[topic] = sandbox.client("sns", region).list_subscriptions_by_topic(TopicArn=topic)[
            "Subscriptions"
        ]
    found["plans"] = [
        plan["BackupPlanId"]
        for plan in sandbox.client("backup").list_backup_plans()["BackupPlansList"]
    ]
    role = sandbox.client("iam").get_role(RoleName="cabal-backup-role")["Role"]
    found["role"] = role["RoleId"]
    return found


def test_the_version_before_is_updated_in_place(
    running_sandbox: Sandbox, bootstrapped_account: str, earlier: Path, tmp_path: Path
) -> None:
    running_sandbox.rollback(bootstrapped_account)
    made = cabal.fill(running_sandbox, addresses=10, users=1, messages_per_user=1)
    before = Deployment(
        running_sandbox,
        made,
        synthesize=lambda context: synthesize_there(earlier, tmp_path / "then", context),
    )
    # It does not wait until IAM shows its roles: here they are shown at once.
    before.cdk(
        "deploy",
        f"{before.environment}/*",
        "--require-approval",
        "never",
        **SETTINGS,
        **HEARTBEAT,
        dashboard="true",
    )
    confirm(running_sandbox)
    running_sandbox.run_nights(2)
    untouched = kept(running_sandbox)
    alarms = running_sandbox.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert len(alarms) == 4

    Deployment(running_sandbox, made, synthesize=synthesize_here).deploy(**SETTINGS, **HEARTBEAT)

    assert kept(running_sandbox) == untouched
    cloudwatch = running_sandbox.client("cloudwatch")
    alarms = cloudwatch.describe_alarms()["MetricAlarms"]
    assert [each["AlarmName"] for each in alarms] == ["cabal-backup-watch"]
    assert cloudwatch.list_dashboards()["DashboardEntries"] == []
    for region in REGIONS:
        rules = running_sandbox.client("events", region).list_rules()["Rules"]
        assert {rule["Name"] for rule in rules} >= {"cabal-backup-jobs", "cabal-backup-watch"}
