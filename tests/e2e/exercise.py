"""The yearly exercise, done with AWS Backup itself: one restore of each kind."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local_aws.client import ACCOUNT, Sandbox

from tests.sandbox.deployment import Deployment

VAULT = "cabal-backup"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/cabal-backup-role"
RESTORED_TABLE = "cabal-addresses-restored"

EXERCISE = timedelta(hours=2)
"""How long an exercise takes."""


NIGHT = (
    "scheduled_start_delay",
    "dynamodb_backup",
    "efs_backup",
    "copy_start_delay",
    "dynamodb_copy",
    "efs_copy",
)
"""The settings of the local AWS that say how long the jobs of a night take."""


def catch_up(sandbox: Sandbox) -> None:
    """Go on to the machine's time, which commands in processes of their own look at.

    In the first hours of a day the jobs of the night take a second each: they do not run while
    the test does.
    """
    now = datetime.now(UTC)
    if now.hour < 2:
        sandbox.advance_to(now.replace(hour=0, minute=0, second=0) - timedelta(seconds=1))
        before = sandbox.settings()
        sandbox.settings(**dict.fromkeys(NIGHT, 1))
        sandbox.advance_to(now)
        sandbox.settings(**{name: before[name] for name in NIGHT})
    sandbox.advance_to(datetime.now(UTC))


def exercise_restores(deployment: Deployment) -> None:
    """Restore the newest point of the table and of the mailstore, then clear away the results."""
    sandbox = deployment.sandbox
    jobs = [
        _restore(sandbox, "DynamoDB", {"targetTableName": RESTORED_TABLE}),
        _restore(
            sandbox,
            "EFS",
            {
                "file-system-id": deployment.cabal.file_system_id,
                "newFileSystem": "true",
                "Encrypted": "true",
                "PerformanceMode": "generalPurpose",
                "CreationToken": "exercise",
            },
        ),
    ]
    sandbox.advance_to(sandbox.now() + EXERCISE)
    backup = sandbox.client("backup")
    table, file_system = (_created(backup.describe_restore_job(RestoreJobId=job)) for job in jobs)
    sandbox.client("dynamodb").delete_table(TableName=table.rpartition("/")[2])
    sandbox.client("efs").delete_file_system(FileSystemId=file_system.rpartition("/")[2])


def write_reports(folder: Path, environment: str, when: datetime) -> None:
    """Committed reports of drills of everything an hour ago."""
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    for kind in ("addresses", "mailbox", "copy-back"):
        said = {
            "version": 1,
            "drill": kind,
            "environment": environment,
            "verdict": "passed",
            "ended": (when - timedelta(hours=1)).isoformat(),
            "recovery_seconds": 420.0,
            "recovery_point": {"age_seconds": 43_200.0},
        }
        (folder / f"{when:%Y-%m-%d}-{environment}-{kind}.json").write_text(json.dumps(said))


def newest_point(
    sandbox: Sandbox, resource_type: str, *, vault: str = VAULT, region: str = "us-west-1"
) -> str:
    """The ARN of the newest complete recovery point of DynamoDB or EFS in a vault."""
    points = sandbox.client("backup", region).list_recovery_points_by_backup_vault(
        BackupVaultName=vault, ByResourceType=resource_type
    )["RecoveryPoints"]
    complete = [point for point in points if point["Status"] == "COMPLETED"]
    return str(max(complete, key=lambda point: point["CreationDate"])["RecoveryPointArn"])


def _restore(sandbox: Sandbox, resource_type: str, metadata: dict[str, str]) -> str:
    job: str = sandbox.client("backup").start_restore_job(
        RecoveryPointArn=newest_point(sandbox, resource_type),
        IamRoleArn=ROLE_ARN,
        ResourceType=resource_type,
        Metadata=metadata,
    )["RestoreJobId"]
    return job


def _created(job: dict[str, Any]) -> str:
    assert job["Status"] == "COMPLETED", job
    return str(job["CreatedResourceArn"])
