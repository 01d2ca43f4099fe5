"""The runbook's commands, typed in two accounts: the second one restores what the first lost."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from local_aws.client import ACCOUNT, Sandbox

from tests.e2e.air_gapped.conftest import REGION, SECOND, VAULT
from tests.e2e.operator import Operator
from tests.e2e.shell import HUNG_SECONDS, sections
from tests.sandbox.deployment import Deployment, aws_cli

RUNBOOK = "docs/runbooks/air-gapped.md"
ACCEPT, RESTORE = "Accept the share", "Restore in the second account"


def typed(sandbox: Sandbox, account: str, folder: Path, *blocks: str) -> str:
    """Type blocks in one account; waiting lets the sandbox's time pass."""
    fake = folder / "bin"
    fake.mkdir(exist_ok=True)
    sleep = fake / "sleep"
    sleep.write_text(
        f"#!/bin/sh\nexec curl --silent --fail --output /dev/null --request POST "
        f"--data '{{\"seconds\": 600}}' {sandbox.endpoint}/_sandbox/advance\n"
    )
    sleep.chmod(0o755)
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=folder,
        env={
            **sandbox.environ(region=REGION, account=account),
            "PATH": os.pathsep.join([str(fake), str(Path(aws_cli()).parent), os.environ["PATH"]]),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=HUNG_SECONDS,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def test_the_second_account_restores_what_the_first_one_lost(
    air_gapped: Deployment,
    operator: Operator,
    tmp_path: Path,
) -> None:
    sandbox, cabal = air_gapped.sandbox, air_gapped.cabal
    blocks = sections(RUNBOOK)
    sandbox.advance(minutes=5)
    assert VAULT in typed(sandbox, SECOND, tmp_path, *blocks[ACCEPT])
    addresses = sandbox.client("dynamodb").scan(TableName=cabal.addresses_table)["Items"]
    mail = {path.name for path in (cabal.file_system_root / "alice").rglob("*") if path.is_file()}
    sandbox.run_nights(2)
    operator.run("status")

    lose_everything(sandbox)
    said = typed(sandbox, SECOND, tmp_path, *blocks[RESTORE])
    assert re.findall("COMPLETED|FAILED", said) == ["COMPLETED", "COMPLETED"]
    restored = sandbox.client("dynamodb", REGION, SECOND).scan(TableName="cabal-addresses")["Items"]
    assert by_address(restored) == by_address(addresses)
    (file_system,) = sandbox.client("efs", REGION, SECOND).describe_file_systems()["FileSystems"]
    root = sandbox.efs_directory(file_system["FileSystemId"], region=REGION, account=SECOND)
    (directory,) = root.glob("aws-backup-restore_*")
    assert by_address(restored_by_the_owner(sandbox)) == by_address(addresses)
    assert {path.name for path in (directory / "alice").rglob("*") if path.is_file()} == mail


def restored_by_the_owner(sandbox: Sandbox) -> list[dict[str, dict[str, str]]]:
    backup = sandbox.client("backup", REGION)
    (point, *_) = backup.list_recovery_points_by_backup_vault(
        BackupVaultName=VAULT, ByResourceType="DynamoDB"
    )["RecoveryPoints"]
    backup.start_restore_job(
        RecoveryPointArn=point["RecoveryPointArn"],
        IamRoleArn=f"arn:aws:iam::{ACCOUNT}:role/cabal-backup-role",
        Metadata={"targetTableName": "cabal-addresses"},
    )
    sandbox.advance(hours=1)
    items: list[dict[str, dict[str, str]]] = sandbox.client("dynamodb", REGION).scan(
        TableName="cabal-addresses"
    )["Items"]
    return items


def lose_everything(sandbox: Sandbox) -> None:
    """What an attacker who controls the account can do; the third copies stay."""
    for region, vault in (
        ("us-west-1", "cabal-backup"),
        (REGION, "cabal-backup-dr"),
        (REGION, VAULT),
    ):
        backup = sandbox.client("backup", region)
        if vault != VAULT:
            backup.delete_backup_vault_lock_configuration(BackupVaultName=vault)
        points = backup.list_recovery_points_by_backup_vault(BackupVaultName=vault)[
            "RecoveryPoints"
        ]
        assert len(points) == 4
        for point in points:
            asked = {"BackupVaultName": vault, "RecoveryPointArn": point["RecoveryPointArn"]}
            if vault != VAULT:
                backup.delete_recovery_point(**asked)
                continue
            with pytest.raises(backup.exceptions.InvalidRequestException):
                backup.delete_recovery_point(**asked)
    sandbox.advance(minutes=1)


def by_address(items: list[dict[str, dict[str, str]]]) -> list[str]:
    return sorted(str(item) for item in items)
