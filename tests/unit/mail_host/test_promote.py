"""A whole mailstore comes from its recovery directory to the root of a new file system (S22)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests import killing, mail_host
from tests.killing import Ended
from tests.mail_host import Refused, Stopped
from tests.maildirs import RECOVERY, names
from tests.unit.mail_host import program

USERS = ("alice", "bob", "carol")


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """A new file system as AWS Backup fills it."""
    for name in (*USERS, "smtp-queue", "smtp-in-queue"):
        (tmp_path / RECOVERY / name / "Maildir").mkdir(parents=True)
    (tmp_path / RECOVERY / "notes.txt").write_text("a file at the root")
    (tmp_path / RECOVERY / "link").symlink_to("alice")
    return tmp_path


def promoted(mount: Path, *, with_queues: bool = False) -> None:
    mail_host.promote(mail_host.plan_promote(str(mount), with_queues=with_queues))


def test_everything_but_the_queues_is_moved_to_the_root(mount: Path) -> None:
    inode = (mount / RECOVERY / "alice").stat().st_ino
    promoted(mount)
    assert names(mount) == [*USERS[:1], RECOVERY, *USERS[1:], "link", "notes.txt"]
    assert (mount / "alice").stat().st_ino == inode
    assert (mount / "link").readlink() == Path("alice")
    assert [name for name in names(mount / RECOVERY) if name != ".promoting"] == [
        "smtp-in-queue",
        "smtp-queue",
    ]


def test_the_plan_says_why_the_queues_stay(mount: Path) -> None:
    plan = str(mail_host.plan_promote(str(mount)))
    assert "Left behind: smtp-queue: sendmail's queues at the time of the backup" in plan
    assert "send old mail again" in plan
    assert not (mount / "alice").exists()


def test_queues_are_moved_with_an_option_and_the_empty_directory_is_removed(mount: Path) -> None:
    promoted(mount, with_queues=True)
    assert RECOVERY not in names(mount)
    assert "smtp-queue" in names(mount)


def test_queues_can_be_brought_later(mount: Path) -> None:
    promoted(mount)
    promoted(mount, with_queues=True)
    assert RECOVERY not in names(mount)


def test_the_backup_of_a_restored_file_system_is_promoted_twice(mount: Path) -> None:
    outer = RECOVERY.replace("2026", "2027")
    (mount / outer).mkdir()
    (mount / RECOVERY).rename(mount / outer / RECOVERY)
    (mount / outer / "lost+found").mkdir()
    promoted(mount)
    assert RECOVERY in names(mount)
    (mount / outer / "lost+found").rmdir()
    (mount / outer / ".promoting").unlink()
    (mount / outer).rmdir()
    promoted(mount)
    assert {*USERS, "link", "notes.txt"} <= {*names(mount)}


def test_queues_beside_an_older_restore_stay_where_they_are(mount: Path) -> None:
    (mount / RECOVERY / "aws-backup-restore_2020-01-01T00-00-00-000Z").mkdir()
    promoted(mount)
    promoted(mount)
    assert "aws-backup-restore_2020-01-01T00-00-00-000Z" not in names(mount)


def test_queue_directories_made_by_access_points_are_no_obstacle(mount: Path) -> None:
    (mount / "smtp-queue").mkdir()
    promoted(mount)
    with pytest.raises(Refused, match="already has: smtp-queue"):
        promoted(mount, with_queues=True)


def test_a_file_system_in_use_is_refused(mount: Path) -> None:
    (mount / "dave").mkdir()
    with pytest.raises(Refused, match=r"not a new file system.*dave.*mailbox merge"):
        promoted(mount)
    assert names(mount / RECOVERY / "alice") == ["Maildir"]


@pytest.mark.parametrize("what", ["directory", "empty directory", "file", "link"])
def test_nothing_is_overwritten_at_the_root(mount: Path, what: str) -> None:
    (mount / RECOVERY / ".promoting").touch()  # an earlier run has begun
    there = mount / "bob"
    if "directory" in what:
        there.mkdir()
    if what == "directory":
        (there / "new mail").touch()
    if what == "file":
        there.write_text("new")
    if what == "link":
        there.symlink_to("nowhere")
    before = there.lstat()
    with pytest.raises(Refused, match="already has: bob"):
        promoted(mount)
    assert there.lstat() == before
    assert not (mount / "alice").exists()


def test_what_appears_after_the_plan_is_not_covered(mount: Path) -> None:
    plan = mail_host.plan_promote(str(mount))
    (mount / "bob").write_text("new")
    with pytest.raises(Stopped, match="bob: appeared at the root during the run"):
        mail_host.promote(plan)
    assert (mount / "bob").read_text() == "new"
    assert (mount / RECOVERY / "bob").is_dir()
    (mount / "bob").unlink()
    promoted(mount)
    assert set(USERS) <= set(names(mount))


def test_a_linked_recovery_directory_is_refused(mount: Path) -> None:
    (mount / RECOVERY).rename(mount / "lost+found")
    (mount / RECOVERY).symlink_to("lost+found")
    with pytest.raises(Refused, match="not a plain directory"):
        promoted(mount)


def test_none_and_two_recovery_directories_are_refused(mount: Path, tmp_path: Path) -> None:
    other = tmp_path / "aws-backup-restore_2026-09-07T00-00-00-000Z"
    other.mkdir()
    with pytest.raises(Refused, match=r"2 recovery directories .* Use --recovery"):
        promoted(mount)
    plan = mail_host.plan_promote(str(mount), recovery=RECOVERY)
    assert plan.recovery == RECOVERY
    with pytest.raises(Refused, match="0 recovery directories"):
        mail_host.plan_promote(str(mount / RECOVERY))


def test_older_restores_in_the_backup_stay_and_failed_parts_are_mentioned(mount: Path) -> None:
    (mount / RECOVERY / "aws-backup-restore_2020-01-01T00-00-00-000Z").mkdir()
    (mount / "aws-backup-lost+found").mkdir()
    plan = mail_host.plan_promote(str(mount))
    assert "an older restore that was in the backup" in str(plan)
    assert "could not restore everything" in str(plan)


def test_what_an_interrupted_merge_left_is_not_promoted(mount: Path) -> None:
    (mount / RECOVERY / ".merging-alice").mkdir()
    plan = mail_host.plan_promote(str(mount))
    assert ".merging-alice: from a merge that was interrupted" in str(plan)
    promoted(mount)
    assert ".merging-alice" not in names(mount)
    assert ".merging-alice" in names(mount / RECOVERY)


def test_killed_at_any_moment_a_second_run_completes(tmp_path: Path) -> None:
    everyone = [f"user{number:04}" for number in range(600)]
    for name in everyone:
        (tmp_path / RECOVERY / name).mkdir(parents=True)
        (tmp_path / RECOVERY / f"{name}.txt").touch()
    command = ["mailstore", "promote", "--yes", "--mount", str(tmp_path)]

    def promote(kill_at: int | None = None) -> Ended:
        return killing.run(lambda: mail_host.main(command), killing.file_changes, kill_at=kill_at)

    rng = random.Random(27)
    for _ in range(5):
        # Each of 1,200 entries is moved by one change to files at least.
        ended = promote(kill_at=rng.randrange(1, 200))
        assert ended.killed, ended.said
    ended = promote()
    assert ended.code == 0, ended.said
    assert names(tmp_path) == sorted([*everyone, *(f"{name}.txt" for name in everyone)])


def test_the_program_asks_first(mount: Path) -> None:
    command = ["mailstore", "promote", "--mount", str(mount)]
    done = program.run(*command, said="no\n")
    assert done.returncode == mail_host.Exit.NOT_CONFIRMED
    assert not (mount / "alice").exists()
    done = program.run(*command, "--dry-run")
    assert done.returncode == mail_host.Exit.DONE
    assert "Move 5 entries" in done.stdout
    done = program.run(*command, said="yes\n")
    assert done.returncode == mail_host.Exit.DONE
    assert set(USERS) <= set(names(mount))
