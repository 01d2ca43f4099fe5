"""After the mailstore was replaced: the recovery points of the former file system still serve."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.mail.conftest import Postmaster
from tests.e2e.operator import Operator
from tests.e2e.status import aws_by_hand
from tests.maildirs import messages


@pytest.fixture
def replaced(operator: Operator, tmp_path: Path) -> tuple[Postmaster, str]:
    """36 nights, then the mailstore was lost and restored, and 3 nights since; the new id."""
    postmaster = Postmaster(operator, tmp_path)
    efs = postmaster.sandbox.client("efs")
    targets = efs.describe_mount_targets(FileSystemId=postmaster.cabal.file_system_id)
    aws_by_hand.delete_file_system(operator.deployment)
    where = [part for one in targets["MountTargets"] for part in ("--subnet", str(one["SubnetId"]))]
    restored = postmaster.run("restore mailstore --yes", *where)
    assert restored.code == 0, restored.err
    new = restored.out.strip()
    promoted = postmaster.on_the_host("mailstore promote", postmaster.sandbox.efs_directory(new))
    assert promoted.returncode == 0, promoted.stderr
    operator.deployment.deploy_assembly(mailstore_file_system_id=new)
    operator.sandbox.advance(days=3)
    return postmaster, new


def test_old_nights_count_are_shown_and_can_be_restored(replaced: tuple[Postmaster, str]) -> None:
    postmaster, new = replaced
    old = postmaster.cabal.file_system_id
    settings = {"mailstore_file_system_id": new}

    status = postmaster.run("status --json", **settings)
    findings = {
        each["check"]: each
        for each in status.json["findings"]
        if each["status"] not in ("ok", "off")
    }
    assert (status.code, findings) == (0, {})

    shown = postmaster.run("points --json", "--nights", "39", **settings).json
    assert {cell["state"] for night in shown["nights"] for cell in night["cells"]} == {
        "warm",
        "cold",
    }
    calendar = postmaster.run("points --nights 39", **settings)
    assert f"36 of the mailstore's nights are of {old}, a former mailstore" in calendar.text

    mount = postmaster.sandbox.efs_directory(new)
    maildir = mount / "alice" / "Maildir"
    before = messages(maildir)
    shutil.rmtree(maildir)
    planned = postmaster.run(
        "restore mailbox alice --at 2026-01-30T12:00 --dry-run --cold", **settings
    )
    done = postmaster.run("restore mailbox alice --at 2026-01-30T12:00 --yes", **settings)

    assert done.code == 0, done.err
    assert f"Restore /alice from a recovery point of {old}, a former mailstore, to {new}" in (
        planned.out
    )
    assert "taken 2026-01-30 00:20 UTC" in done.err
    merged = postmaster.on_the_host("mailbox merge alice", mount)
    assert merged.returncode == 0, merged.stderr
    assert messages(maildir) == before
