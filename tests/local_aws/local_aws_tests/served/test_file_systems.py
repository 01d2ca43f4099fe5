"""EFS file systems are directories; AWS Backup's copies of them are complete."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from local_aws.client import Sandbox, SandboxFailed
from local_aws_tests.served.backups import (
    back_up,
    make_file_system,
    make_role,
    make_vault,
)


def restore(sandbox: Sandbox, point: str, role: str, **metadata: str) -> str:
    """Run a restore job to its end; returns the ARN of the restored resource."""
    backup = sandbox.client("backup")
    defaults = {"Encrypted": "false", "PerformanceMode": "generalPurpose", "CreationToken": "r"}
    job = backup.start_restore_job(
        RecoveryPointArn=point, IamRoleArn=role, Metadata=defaults | metadata
    )["RestoreJobId"]
    sandbox.advance(hours=1)
    done = backup.describe_restore_job(RestoreJobId=job)
    assert (done["Status"], done.get("StatusMessage")) == ("COMPLETED", None)
    return str(done["CreatedResourceArn"])


def recovery_directory(root: Path) -> Path:
    (found,) = root.glob("aws-backup-restore_*")
    return found


def fill(root: Path) -> None:
    mailbox = root / "alice"
    mailbox.mkdir(mode=0o700)
    (mailbox / "one").write_text("first")
    os.link(mailbox / "one", mailbox / "the-same")
    (mailbox / "shortcut").symlink_to("one")
    (root / "bob").mkdir()
    (root / "bob" / "two").write_text("second")
    os.utime(mailbox / "one", (1_700_000_000, 1_700_000_000))
    if os.geteuid() == 0:
        os.chown(mailbox, 65_536, 65_536)


def test_a_new_file_system_has_a_directory_until_it_is_deleted(sandbox: Sandbox) -> None:
    efs = sandbox.client("efs")
    identity = efs.create_file_system(CreationToken="one")["FileSystemId"]
    root = sandbox.efs_directory(identity)
    existed = root.is_dir()

    efs.delete_file_system(FileSystemId=identity)

    assert existed
    assert not root.exists()
    with pytest.raises(SandboxFailed, match="does not exist"):
        sandbox.efs_directory(identity)


def test_file_systems_belong_to_their_account_and_region(sandbox: Sandbox) -> None:
    there = sandbox.client("efs", "us-west-2").create_file_system(CreationToken="one")

    assert sandbox.client("efs").describe_file_systems()["FileSystems"] == []
    assert sandbox.efs_directory(there["FileSystemId"], region="us-west-2").is_dir()


def test_a_restore_into_the_source_overwrites_nothing(sandbox: Sandbox) -> None:
    made = make_file_system(sandbox)
    root = sandbox.efs_directory(made["FileSystemId"])
    fill(root)
    role = make_role(sandbox)
    make_vault(sandbox)
    point = back_up(sandbox, made["FileSystemArn"])["RecoveryPointArn"]
    (root / "alice" / "one").write_text("changed since")

    restore(
        sandbox, point, role, **{"file-system-id": made["FileSystemId"], "newFileSystem": "false"}
    )

    restored = recovery_directory(root) / "alice"
    status = (restored / "one").stat()
    assert (restored / "one").read_text() == "first"
    assert (root / "alice" / "one").read_text() == "changed since"
    assert status.st_ino == (restored / "the-same").stat().st_ino
    assert status.st_mtime == 1_700_000_000
    assert (restored / "shortcut").readlink() == Path("one")
    assert stat.S_IMODE(restored.stat().st_mode) == 0o700
    assert restored.stat().st_uid == (root / "alice").stat().st_uid


def test_one_item_into_a_new_file_system(sandbox: Sandbox) -> None:
    made = make_file_system(sandbox)
    fill(sandbox.efs_directory(made["FileSystemId"]))
    role = make_role(sandbox)
    make_vault(sandbox)
    point = back_up(sandbox, made["FileSystemArn"])["RecoveryPointArn"]

    arn = restore(
        sandbox,
        point,
        role,
        **{
            "file-system-id": made["FileSystemId"],
            "newFileSystem": "true",
            "ItemsToRestore": json.dumps(["/bob"]),
        },
    )

    root = sandbox.efs_directory(arn.rsplit("/", 1)[-1])
    assert arn != made["FileSystemArn"]
    assert [path.name for path in recovery_directory(root).iterdir()] == ["bob"]


def test_efs_measures_a_file_system_at_most_once_an_hour(sandbox: Sandbox) -> None:
    made = sandbox.client("efs").create_file_system(CreationToken="measured")
    root = sandbox.efs_directory(made["FileSystemId"])

    def size() -> int:
        (found,) = sandbox.client("efs").describe_file_systems()["FileSystems"]
        assert found["SizeInBytes"]["Timestamp"] <= sandbox.now()
        return int(found["SizeInBytes"]["Value"])

    (root / "mail").write_bytes(b"x" * 5000)
    assert size() == 0, "not measured yet"
    sandbox.advance(hours=1)
    # 2 KiB of metadata each, the root's entries in 4 KiB, the file in two times 4 KiB.
    assert size() == (2048 + 4096) + (2048 + 8192)
    os.link(root / "mail", root / "the-same")
    (root / "folder").mkdir()
    assert size() == (2048 + 4096) + (2048 + 8192)
    sandbox.advance(hours=1)
    assert size() == (2048 + 4096) + (2048 + 8192) + (2048 + 4096)
