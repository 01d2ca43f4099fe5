"""A checkpoint can be written to disk and loaded by another process."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from local_aws.client import Sandbox
from local_aws_tests.served.backups import (
    VAULT,
    items,
    make_file_system,
    make_queue,
    make_role,
    make_table,
    make_vault,
    put,
)


def test_another_process_continues_from_a_saved_checkpoint(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    make_table(sandbox)
    for number in range(30):
        put(sandbox, "a-table", str(number), "value")
    file_system = make_file_system(sandbox)
    root = sandbox.efs_directory(file_system["FileSystemId"])
    make_queue(sandbox, "a-queue", "sns.amazonaws.com")
    role = make_role(sandbox)
    make_vault(sandbox)
    job = sandbox.client("backup").start_backup_job(
        BackupVaultName=VAULT, ResourceArn=file_system["FileSystemArn"], IamRoleArn=role
    )
    sandbox.advance(hours=6)
    now = sandbox.now()
    sandbox.save(sandbox.checkpoint(), tmp_path / "saved")

    with Sandbox.start(start=datetime(2030, 1, 1, tzinfo=UTC)) as other:
        other.rollback(other.load(tmp_path / "saved"))
        here = other.efs_directory(file_system["FileSystemId"])

        assert abs((other.now() - now).total_seconds()) < 3600
        assert _files(here) == _files(root) != {}
        assert here != root
        assert len(items(other, "a-table")) == 30
        assert other.client("sqs").get_queue_url(QueueName="a-queue")
        point = other.client("backup").describe_backup_job(BackupJobId=job["BackupJobId"])
        assert point["State"] == "COMPLETED"
        restored = other.client("backup").start_restore_job(
            RecoveryPointArn=point["RecoveryPointArn"],
            IamRoleArn=role,
            Metadata={
                "file-system-id": file_system["FileSystemId"],
                "newFileSystem": "false",
                "Encrypted": "true",
                "PerformanceMode": "generalPurpose",
                "CreationToken": "again",
            },
        )["RestoreJobId"]
        other.advance(hours=6)
        ended = other.client("backup").describe_restore_job(RestoreJobId=restored)
        assert ended["Status"] == "COMPLETED", ended
        assert any(here.glob("aws-backup-restore_*/a-file"))


def _files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }
