"""One mailbox from a recovery point back to its owner: S20 and S21, on the local AWS."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from local_aws.client import ACCOUNT

from tests.e2e.mail.conftest import Interrupting, Postmaster, newest_mailstore_point
from tests.e2e.status import aws_by_hand
from tests.maildirs import messages

FOR_RESTORES = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores"


def recovery_directories(mount: Path) -> list[str]:
    return sorted(path.name for path in mount.glob("aws-backup-restore_*"))


def files(top: Path) -> dict[str, tuple[bytes, int, int]]:
    """Every file below a directory: what is in it, its owner and its mode."""
    return {
        str(path.relative_to(top)): (
            path.read_bytes(),
            path.lstat().st_uid,
            path.lstat().st_mode,
        )
        for path in top.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def lose_mail(maildir: Path) -> int:
    """Half of INBOX and a whole folder go; how many messages that were."""
    deleted = sorted((maildir / "cur").iterdir())[::2]
    for path in deleted:
        path.unlink()
    archived = len([*(maildir / ".Archive" / "cur").iterdir()])
    archived += len([*(maildir / ".Archive" / "new").iterdir()])
    shutil.rmtree(maildir / ".Archive")
    return len(deleted) + archived


def test_lost_mail_is_restored_and_merged(postmaster: Postmaster) -> None:
    maildir = postmaster.mount / "alice" / "Maildir"
    before, owner = messages(maildir), maildir.stat().st_uid
    others = files(postmaster.mount / "bob")
    lost = lose_mail(maildir)
    assert lost > 10

    restored = postmaster.run("restore mailbox alice --yes")

    assert restored.code == 0, restored.err
    assert "Restore /alice from a recovery point of fs-" in restored.err
    assert "taken 2026-01-02 00:20 UTC, 6 hours ago" in restored.err
    assert f"as arn:aws:iam::{ACCOUNT}:role/cabal-backup-role" in restored.err
    (job,) = postmaster.restore_jobs()
    assert restored.out.strip() == job["RestoreJobId"]
    (directory,) = recovery_directories(postmaster.mount)
    assert [path.name for path in (postmaster.mount / directory).iterdir()] == ["alice"]
    check_the_time_that_is_said(restored.err, directory)
    assert messages(maildir) != before

    for line in re.findall(r"python3 mail_host\.py (.*)", restored.err):
        done = postmaster.on_the_host(line, postmaster.mount)
        assert done.returncode == 0, done.stderr

    assert messages(maildir) == before
    assert recovery_directories(postmaster.mount) == []
    assert files(postmaster.mount / "bob") == others
    assert {path.stat().st_uid for path in maildir.rglob("*")} == {owner}


def test_one_folder_is_all_that_is_requested(postmaster: Postmaster) -> None:
    maildir = postmaster.mount / "alice" / "Maildir"
    before = messages(maildir)
    lose_mail(maildir)
    inbox = messages(maildir)

    restored = postmaster.run("restore mailbox alice --folder Archive --yes")

    assert restored.code == 0, restored.err
    assert "Restore /alice/Maildir/.Archive from a recovery point of fs-" in restored.err
    (job,) = postmaster.restore_jobs()
    metadata = postmaster.sandbox.client("backup").get_restore_job_metadata(
        RestoreJobId=job["RestoreJobId"]
    )["Metadata"]
    assert json.loads(metadata["ItemsToRestore"]) == ["/alice/Maildir/.Archive"]
    (directory,) = recovery_directories(postmaster.mount)
    found = postmaster.mount / directory / "alice" / "Maildir"
    assert [path.name for path in found.iterdir()] == [".Archive"]
    # The whole mailbox is another restore; the same folder is not restored twice.
    with postmaster.nothing_changes():
        again = postmaster.run("restore mailbox alice --folder Archive --yes")
        whole = postmaster.run("restore mailbox alice --dry-run")
    assert "has done this already" in again.err
    assert "has done this already" not in whole.out

    for line in re.findall(r"python3 mail_host\.py (.*)", restored.err):
        assert "--folder Archive" in line
        done = postmaster.on_the_host(line, postmaster.mount)
        assert done.returncode == 0, done.stderr
    archive = Counter({key: count for key, count in before.items() if key[0] == "Archive"})
    assert messages(maildir) == inbox + archive
    assert recovery_directories(postmaster.mount) == []


def check_the_time_that_is_said(said: str, directory: str) -> None:
    window = re.search(r"between (.{19}) UTC and (.{19}) UTC", said)
    assert window is not None
    first, last = map(datetime.fromisoformat, window.groups())
    stamp = datetime.strptime(directory[-24:-5], "%Y-%m-%dT%H-%M-%S")  # noqa: DTZ007 (as said)
    assert first <= stamp <= last


def test_the_same_code_inside_the_tool(
    postmaster: Postmaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    maildir = postmaster.mount / "alice" / "Maildir"
    before = messages(maildir)
    lost = lose_mail(maildir)
    assert postmaster.run("restore mailbox alice --yes").code == 0
    merge = ["mailbox", "merge", "alice", "--mount", str(postmaster.mount)]

    planned = postmaster.operator.type(*merge, "--dry-run")
    unasked = postmaster.operator.type(*merge)
    assert (planned.code, unasked.code) == (0, 4), unasked.err
    assert messages(maildir) != before

    merged = postmaster.operator.type(*merge, "--yes", "--json", "--cleanup")
    assert merged.code == 0, merged.err
    assert json.loads(merged.out)["result"]["restored"] == lost
    assert messages(maildir) == before


def test_interrupted_and_run_again_there_is_one_restore(postmaster: Postmaster) -> None:
    operator = postmaster.operator
    patient, operator.clock = operator.clock, Interrupting(operator.sandbox)
    interrupted = postmaster.run("restore mailbox alice --yes")
    operator.clock = patient
    assert interrupted.code == 130
    (job,) = postmaster.restore_jobs()
    assert f"cabal-backup jobs watch {job['RestoreJobId']}" in interrupted.err

    again = postmaster.run("restore mailbox alice")
    third = postmaster.run("restore mailbox alice")

    assert (again.code, third.code) == (0, 0), again.err + third.err
    assert f"the job {job['RestoreJobId']} is doing this already" in again.err
    assert "has done this already, at 2026-01-02 " in third.err
    assert again.out == third.out
    assert len(postmaster.restore_jobs()) == len(recovery_directories(postmaster.mount)) == 1

    for_another = postmaster.run("restore mailbox bob --yes")
    once_more = postmaster.run("restore mailbox alice --again --yes")
    assert (for_another.code, once_more.code) == (0, 0)
    assert len(postmaster.restore_jobs()) == len(recovery_directories(postmaster.mount)) == 3


@pytest.mark.parametrize(
    "name",
    [
        *("..", ".", "", "alice/Maildir", "/alice", "alice\n", "alice\0", "-alice", "*"),
        *("smtp-queue", "aws-backup-restore_2026-01-01T00-00-00-000Z", "a" * 129),
    ],
)
def test_what_is_no_users_name(postmaster: Postmaster, name: str) -> None:
    with postmaster.nothing_changes():
        said = postmaster.operator.type(
            "restore", "mailbox", "--yes", *postmaster.environment(), "--", name
        )
    assert said.code == 64
    assert "is not a user name" in said.err
    assert "Nothing was done." in said.err


def test_a_user_who_is_not_in_the_backup(postmaster: Postmaster) -> None:
    said = postmaster.run("restore mailbox Alice --yes")
    assert said.code == 3
    assert "ended FAILED. AWS says: Item /Alice does not exist" in said.err
    assert "Is /Alice in that backup? Names are case-sensitive." in said.err


def test_a_cold_point_needs_the_option_cold(postmaster: Postmaster) -> None:
    postmaster.sandbox.advance(days=32)
    with postmaster.nothing_changes():
        said = postmaster.run("restore mailbox alice --yes --at 2026-01-03T00:00")
        planned = postmaster.run("restore mailbox alice --dry-run --cold --at 2026-01-03T00:00")
    assert said.code == 4
    assert "is in cold storage. Restoring it takes about four hours longer" in said.err
    assert "The oldest warm one is from 2026-01-0" in said.err
    assert planned.code == 0
    assert "in cold storage: about four hours" in planned.out


def test_a_role_that_may_not_restore(postmaster: Postmaster) -> None:
    postmaster.sandbox.client("iam").detach_role_policy(
        RoleName="cabal-backup-role", PolicyArn=FOR_RESTORES
    )
    with postmaster.nothing_changes():
        said = postmaster.run("restore mailbox alice --yes")
        without_role = postmaster.run("restore mailbox alice --yes --role missing")
    assert (said.code, without_role.code) == (3, 9)
    assert "AWSBackupServiceRolePolicyForRestores is not attached" in said.err
    assert "There is no role missing" in without_role.err


def test_without_a_mailstore_without_a_terminal_and_in_another_environment(
    postmaster: Postmaster,
) -> None:
    with postmaster.nothing_changes():
        dry = postmaster.run("restore mailbox alice --dry-run")
        unasked = postmaster.run("restore mailbox alice")
        elsewhere = postmaster.run("restore mailbox alice --yes", account="000000000000")
        table = postmaster.run(
            "restore mailbox alice --yes --recovery-point", a_point_of_the_table(postmaster)
        )
    assert dry.code == 0
    assert newest_mailstore_point(postmaster.sandbox) in dry.out
    assert unasked.code == 4
    assert "stdin is not a terminal, and --yes was not given." in unasked.err
    assert elsewhere.code == 77
    assert table.code == 64
    assert "is a recovery point of cabal-addresses, not of fs-" in table.err

    aws_by_hand.delete_file_system(postmaster.operator.deployment)
    refused = postmaster.run("restore mailbox alice --yes --cold")
    assert refused.code == 9
    assert "does not exist, so nothing can be restored into it" in refused.err
    point = newest_mailstore_point(postmaster.sandbox)
    whole = f"restore mailstore {postmaster.operator.options} --recovery-point={point} --cold`"
    assert whole in refused.err
    assert postmaster.restore_jobs() == []


def a_point_of_the_table(postmaster: Postmaster) -> str:
    points = postmaster.sandbox.client("backup").list_recovery_points_by_backup_vault(
        BackupVaultName="cabal-backup", ByResourceType="DynamoDB"
    )["RecoveryPoints"]
    return str(points[0]["RecoveryPointArn"])
