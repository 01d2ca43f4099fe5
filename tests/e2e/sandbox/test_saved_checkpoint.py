"""A checkpoint can be written to disk and loaded by another sandbox."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.e2e.sandbox.backups import VAULT, make_role, make_vault
from tests.sandbox import cabal
from tests.sandbox.client import Sandbox


def test_another_sandbox_goes_on_where_the_first_one_was(sandbox: Sandbox, tmp_path: Path) -> None:
    made = cabal.fill(sandbox, addresses=30, users=2, messages_per_user=3)
    role = make_role(sandbox)
    make_vault(sandbox)
    job = sandbox.client("backup").start_backup_job(
        BackupVaultName=VAULT, ResourceArn=made.file_system_arn, IamRoleArn=role
    )
    sandbox.advance(hours=6)
    now = sandbox.now()
    sandbox.save(sandbox.checkpoint(), tmp_path / "saved")

    with Sandbox.start(start=datetime(2030, 1, 1, tzinfo=UTC)) as other:
        other.rollback(other.load(tmp_path / "saved"))
        here = made.found_in(other)

        assert abs((other.now() - now).total_seconds()) < 3600
        assert _files(here.file_system_root) == _files(made.file_system_root)
        assert here.file_system_root != made.file_system_root
        assert other.client("dynamodb").scan(TableName=made.addresses_table)["Count"] == 30
        assert other.client("sqs").get_queue_attributes(QueueUrl=here.queue_urls[0])
        point = other.client("backup").describe_backup_job(BackupJobId=job["BackupJobId"])
        assert point["State"] == "COMPLETED"
        restored = other.client("backup").start_restore_job(
            RecoveryPointArn=point["RecoveryPointArn"],
            IamRoleArn=role,
            Metadata={
                "file-system-id": made.file_system_id,
                "newFileSystem": "false",
                "Encrypted": "true",
                "PerformanceMode": "generalPurpose",
                "CreationToken": "again",
            },
        )["RestoreJobId"]
        other.advance(hours=6)
        ended = other.client("backup").describe_restore_job(RestoreJobId=restored)
        assert ended["Status"] == "COMPLETED", ended
        assert any(here.file_system_root.glob("aws-backup-restore_*/alice"))


def _files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }
