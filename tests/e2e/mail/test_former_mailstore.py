"""After the mailstore was replaced: the recovery points of the former file system still serve."""

from __future__ import annotations

import shutil
import subprocess
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
    command = "restore mailbox alice --at 2026-01-30T12:00"
    planned = postmaster.run(f"{command} --dry-run", **settings)
    done = postmaster.run(f"{command} --yes", **settings)
    again = postmaster.run(command, **settings)
    drill = "drill mailbox --user bob --at 2026-01-30T12:00 --yes --mount"
    for wrong, option in (
        (postmaster.run(f"{command} --again", **settings), "--again"),
        (postmaster.run(drill, str(mount), **settings), "--mount"),
    ):
        assert wrong.code == 64, wrong
        assert f"{option}: not with a recovery point of {old}, a former mailstore" in wrong.err

    assert (done.code, again.code) == (0, 0), done.err + again.err
    assert (
        f"from a recovery point of {old}, a former mailstore, to a new file system" in planned.out
    )
    assert "taken 2026-01-30 00:20 UTC" in done.err
    assert again.out == done.out
    efs = postmaster.sandbox.client("efs")
    (made,) = (
        found["FileSystemId"]
        for found in efs.describe_file_systems()["FileSystems"]
        if found["FileSystemId"] != new
    )
    subnets, wanted = (
        {
            target["SubnetId"]
            for target in efs.describe_mount_targets(FileSystemId=one)["MountTargets"]
        }
        for one in (made, new)
    )
    assert subnets == wanted != set()
    (copy,) = (line for line in done.err.splitlines() if line.startswith("  cp -a "))
    copy = copy.replace("/mnt/new", str(postmaster.sandbox.efs_directory(made)))
    subprocess.run(["bash", "-euc", copy.replace("/home", str(mount))], check=True)
    merged = postmaster.on_the_host("mailbox merge alice", mount)
    assert merged.returncode == 0, merged.stderr
    assert messages(maildir) == before
