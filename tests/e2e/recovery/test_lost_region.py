"""S23: after a month of nights, the primary region is lost and restored."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from local_aws.client import ACCOUNT, Sandbox

from tests.e2e.operator import Operator
from tests.e2e.recovery.disaster import build_anew, mail, wipe_primary_region
from tests.e2e.shell import sections, type_in
from tests.e2e.teardown.left import has_role
from tests.sandbox.deployment import PROJECT, Deployment

TABLE = "cabal-addresses"
LATER = {"address": {"S": "made-after-the-last-night@mail.example.com"}}


def items(sandbox: Sandbox, table: str) -> list[dict[str, Any]]:
    pages = sandbox.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    return sorted(
        (item for page in pages for item in page["Items"]), key=lambda item: item["address"]["S"]
    )


def test_s23_the_primary_region_is_lost_and_restored(
    deployed: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    sandbox, root = deployed.sandbox, deployed.cabal.file_system_root
    _live_for_a_month(deployed)
    addresses, mailbox = items(sandbox, TABLE), mail(root / "alice")
    sandbox.run_nights(1)
    sandbox.client("dynamodb").put_item(TableName=TABLE, Item=LATER)
    (root / "alice" / "Maildir" / "new" / "too-late").write_text("lost")
    sandbox.advance(hours=9)

    lost_at = sandbox.now()
    sandbox.faults.lose_regions("us-west-1")
    operator = Operator(deployed, monkeypatch, capsys)
    _assert_nothing_hangs(operator)
    sandbox.faults.lose_regions()
    wipe_primary_region(deployed)

    # Half a day until there is a region to go back to; no night is taken in it.
    sandbox.advance(hours=4)
    anew = build_anew(deployed)
    remove_the_role(anew, tmp_path)
    anew.deploy_assembly()
    back_at = sandbox.now()
    operator = Operator(anew, monkeypatch, capsys)

    table_point = _copy_back(operator, "addresses")
    mail_point = _copy_back(operator, "mailstore")
    said = operator.type(
        *["restore", "addresses", "--recovery-point", table_point.arn, "--yes"],
        *_options(operator),
    )
    assert said.code == 0, said
    assert items(sandbox, said.out.strip()) == addresses
    assert said.out.strip() == TABLE  # it was lost, so it is restored under its own name
    restored = _restore_mailstore(sandbox, mail_point.arn)
    assert mail(restored / "alice") == mailbox

    for point in (table_point, mail_point):
        # The last night before the loss, with its own date.
        assert point.created.date() == lost_at.date()
        assert point.delete_after == 365
    lost = lost_at - min(table_point.created, mail_point.created)
    with capsys.disabled():
        sys.stdout.write(
            f"\nlost: the last {lost.total_seconds() / 3600:.1f} hours; addresses and mailstore "
            f"copied back and restored in {(sandbox.now() - back_at).total_seconds() / 60:.0f} "
            "minutes of the sandbox's time\n"
        )
    assert 9 <= lost.total_seconds() / 3600 <= 24


def _live_for_a_month(deployed: Deployment) -> None:
    """Nights, and between them mail and addresses that come and go."""
    sandbox, root = deployed.sandbox, deployed.cabal.file_system_root
    for week in range(4):
        sandbox.run_nights(7)
        (root / "alice" / "Maildir" / "new" / f"week-{week}").write_text(f"mail of week {week}")
        address = {"address": {"S": f"week-{week}@mail.example.com"}, "user": {"S": "alice"}}
        sandbox.client("dynamodb").put_item(TableName=TABLE, Item=address)
    sandbox.run_nights(2)


def _assert_nothing_hangs(operator: Operator) -> None:
    operator.clock.slept.clear()
    lost = ("--assume-region-lost", "us-west-1")
    status = operator.run("status", *lost)
    assert status.code == 2
    assert "us-west-1 is assumed lost and was not asked" in status.text
    points = operator.run("points", "--list", *lost)
    assert points.code == 2
    assert points.out.count("cabal-backup-dr") == 62
    assert "could not read cabal-backup: us-west-1 is assumed lost" in points.err
    jobs = operator.run("jobs", *lost)
    assert (jobs.code, "could not list the backup jobs in us-west-1" in jobs.err) == (2, True)
    for command in (
        ("copy-back", "addresses", "--yes"),
        ("unlock", "--reason", "a test", "--yes"),
        ("teardown", "plan"),
        ("restore", "addresses", "--yes"),
    ):
        said = operator.type(*command, *_options(operator), *lost)
        assert (said.code, "assumed lost" in said.err) == (69, True), (command, said)
    wrong = operator.run("points", "--assume-region-lost", "eu-west-1")
    assert (wrong.code, "its regions are us-west-1 and us-west-2" in wrong.err) == (64, True)
    assert operator.clock.slept == []


class _Point:
    """A recovery point in the primary vault, by the ARN that `copy-back` printed."""

    def __init__(self, sandbox: Sandbox, arn: str) -> None:
        described = sandbox.client("backup").describe_recovery_point(
            BackupVaultName="cabal-backup", RecoveryPointArn=arn
        )
        self.arn = arn
        self.created: datetime = described["CreationDate"]
        self.delete_after: int = described["Lifecycle"]["DeleteAfterDays"]


def _copy_back(operator: Operator, what: str) -> _Point:
    said = operator.run("copy-back", what, "--yes")
    assert said.code == 0, said
    assert f"cabal-backup restore {what} --recovery-point={said.out.strip()}" in said.err
    return _Point(operator.sandbox, said.out.strip())


def _restore_mailstore(sandbox: Sandbox, arn: str) -> Path:
    """The newest recovery directory of a new file system, by AWS Backup itself."""
    backup = sandbox.client("backup")
    metadata = backup.get_recovery_point_restore_metadata(
        BackupVaultName="cabal-backup", RecoveryPointArn=arn
    )["RestoreMetadata"]
    job = backup.start_restore_job(
        RecoveryPointArn=arn,
        IamRoleArn=f"arn:aws:iam::{ACCOUNT}:role/cabal-backup-role",
        ResourceType="EFS",
        Metadata={
            **metadata,
            "newFileSystem": "true",
            "Encrypted": "true",
            "PerformanceMode": "generalPurpose",
            "CreationToken": "recovered",
        },
    )["RestoreJobId"]
    sandbox.advance(hours=1)
    seen = backup.describe_restore_job(RestoreJobId=job)
    assert seen["Status"] == "COMPLETED", seen
    identity = seen["CreatedResourceArn"].rpartition("/")[2]
    (directory,) = sandbox.efs_directory(identity).glob("aws-backup-restore_*")
    return directory


def remove_the_role(deployment: Deployment, folder: Path) -> None:
    """As the runbook says."""
    (block,) = sections("docs/runbooks/lose-a-region.md")["1. Have the region ready"]
    assert "aws iam delete-role --role-name cabal-backup-role" in block
    assert has_role(deployment.sandbox)
    type_in([block], folder, deployment)
    assert not has_role(deployment.sandbox)


def _options(operator: Operator) -> list[str]:
    deployment = operator.deployment
    return [
        *["--project", str(PROJECT), "-e", deployment.environment],
        *deployment.context_arguments(),
    ]
