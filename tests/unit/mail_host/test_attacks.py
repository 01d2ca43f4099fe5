"""A user who prepares both trees against root gains nothing, and loses no mail (S21)."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import mail_host
from tests.mail_host import Finished, MergePlan, Progress, Refused, Stopped
from tests.maildirs import RECOVERY, Mailstore, base, content, deliver, inbox, messages, names

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do this")

OSID = 65_536 if os.geteuid() == 0 else os.geteuid()


@pytest.fixture
def store(tmp_path: Path) -> Mailstore:
    (tmp_path / "home").mkdir()
    return Mailstore.make(tmp_path / "home")


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A directory beside the mount that has to stay as it is."""
    outside = tmp_path / "outside"
    for place in (
        "cur",
        "new",
        "tmp",
        ".Folder/cur",
        ".Folder/new",
        "Maildir/cur",
        "alice/Maildir/cur",
    ):
        (outside / place).mkdir(parents=True)
    secret = outside / "secret"
    secret.write_text("not yours")
    secret.chmod(0o640)
    before = snapshot(outside)
    yield outside
    assert snapshot(outside) == before


def snapshot(top: Path) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for path in (top, *top.rglob("*")):
        status = path.lstat()
        found[str(path)] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns)
    return found


def plan_for(store: Mailstore, *, restore_moved: bool = False) -> MergePlan:
    where = mail_host.find_recovery(str(store.mount), store.user)
    uid = OSID if os.geteuid() == 0 else None
    return mail_host.plan_merge(
        mail_host.survey_trees(where), mail_host.MergeRequest(uid=uid, restore_moved=restore_moved)
    )


def merged(store: Mailstore, *attacks: Callable[[], object]) -> Finished:
    """The result of a merge, with these attacks after its first batch."""
    waiting = list(attacks)

    def report(_: Progress) -> None:
        while waiting:
            waiting.pop(0)()

    finished = mail_host.merge(plan_for(store), report, threads=1)
    assert not waiting
    return finished


def replaced_by_link(path: Path, target: Path) -> None:
    path.rename(path.with_name(f"was-{path.name}"))
    path.symlink_to(target)


# Symbolic links at every level ----------------------------------------------------------


@pytest.mark.parametrize("level", [".", "alice", "alice/Maildir"])
def test_a_link_on_the_way_to_the_restored_maildir_is_refused(
    store: Mailstore, outside: Path, level: str
) -> None:
    deliver(store.recovered, [0])
    replaced_by_link(store.recovery / level if level != "." else store.recovery, outside)
    with pytest.raises(Refused, match=r"plain directory|No recovery directory"):
        merged(store)


@pytest.mark.parametrize("level", ["alice", "alice/Maildir"])
def test_a_link_on_the_way_to_the_mailbox_is_refused(
    store: Mailstore, outside: Path, level: str
) -> None:
    deliver(store.recovered, [0])
    replaced_by_link(store.mount / level, outside)
    with pytest.raises(Refused, match="Symbolic links are not followed"):
        merged(store)
    assert messages(store.recovered) == inbox([0])


@pytest.mark.parametrize("level", ["cur", "new", ".Folder", ".Folder/cur", ".Folder/new"])
@pytest.mark.parametrize("tree", ["live", "recovered"])
def test_a_link_in_a_maildir_concerns_only_its_folder(
    store: Mailstore, outside: Path, level: str, tree: str
) -> None:
    deliver(store.recovered, [0, 1], folder="Folder")
    deliver(store.recovered, [2], folder="Folder", flags=None)
    deliver(store.recovered, [3])
    deliver(store.recovered, [4], flags=None)
    deliver(store.recovered, [5], folder="Other")
    deliver(store.live, [9], folder="Folder")
    maildir: Path = getattr(store, tree)
    at_first = messages(maildir)
    replaced_by_link(maildir / level, outside / level)
    plan = plan_for(store, restore_moved=True)  # what is behind the link is not known
    finished = mail_host.merge(plan, threads=1)
    assert finished.stopped is None
    assert ("Other", base(5)) in messages(store.live)
    if tree == "live":
        kept = {0, 1, 2} if level.startswith(".Folder") else {3, 4}
        assert plan.unknown == len(kept)
        assert {name for _, name in messages(store.recovered)} == set(map(base, kept))
    else:
        assert finished.restored == 6 - len(BEHIND[level])
        assert sum(at_first.values()) == 6


BEHIND = {"cur": {3}, "new": {4}, ".Folder": {0, 1, 2}, ".Folder/cur": {0, 1}, ".Folder/new": {2}}
"""Which messages of that test have the link on their way."""


@pytest.mark.parametrize("folder", [".", ".Folder"])
def test_a_link_for_a_message_is_not_moved(store: Mailstore, outside: Path, folder: str) -> None:
    deliver(store.recovered, [0], folder="Folder")
    trap = store.recovered / folder / "cur" / f"{base(1)}:2,"
    trap.symlink_to(outside / "secret")
    plan = plan_for(store)
    assert any(problem.reason == "not a regular file" for problem in plan.problems)
    merged(store)
    assert trap.is_symlink()
    assert messages(store.live) == Counter({("Folder", base(0)): 1})


def test_links_for_dovecots_lists_are_not_followed(store: Mailstore, outside: Path) -> None:
    deliver(store.recovered, [0], folder="Folder", flags="a")
    deliver(store.recovered, [1], flags="a")
    (store.recovered / "dovecot-keywords").write_text("0 Work\n")
    (store.recovered / ".Folder" / "dovecot-keywords").symlink_to(outside / "secret")
    (store.recovered / "subscriptions").write_text("V\t2\n\nFolder\n")
    (store.live / "dovecot-keywords").symlink_to(outside / "secret")
    (store.live / "subscriptions").symlink_to(outside / "secret")
    finished = merged(store)
    assert {problem.folder for problem in finished.problems} == {"INBOX", "Folder"}
    assert messages(store.recovered)[("INBOX", base(1))] == 1


@as_root
def test_a_directory_of_another_user_gets_no_mail(store: Mailstore) -> None:
    deliver(store.recovered, [0], folder="Folder")
    deliver(store.live, [1], folder="Folder")
    store.own(OSID)
    os.chown(store.live / ".Folder" / "cur", 99_999, 99_999)
    (problem,) = merged(store).problems
    assert problem.reason == "its folder belongs to uid 99999"
    assert messages(store.recovered)[("Folder", base(0))] == 1


# Things that are no messages ------------------------------------------------------------


def fifo(path: Path) -> None:
    os.mkfifo(path)


def directory(path: Path) -> None:
    (path / "below").mkdir(parents=True)


def device(path: Path) -> None:
    os.mknod(path, 0o600 | 0o020000, os.makedev(1, 3))


@pytest.mark.parametrize("make", [fifo, directory, pytest.param(device, marks=as_root)])
def test_only_regular_files_are_moved(store: Mailstore, make: Callable[[Path], None]) -> None:
    deliver(store.recovered, [0])
    trap = store.recovered / "cur" / f"{base(1)}:2,S"
    make(trap)
    plan = plan_for(store)
    assert "1 left: not a regular file" in str(plan)
    merged(store)
    assert messages(store.live) == inbox([0])
    assert trap.exists()


def test_a_message_swapped_for_a_fifo_after_the_plan_is_not_moved(store: Mailstore) -> None:
    (was,) = deliver(store.recovered, [0])
    plan = plan_for(store)
    was.unlink()
    os.mkfifo(was)
    (problem,) = mail_host.merge(plan).problems
    assert problem.reason == "not a regular file"
    assert messages(store.live) == Counter()


def test_nothing_is_overwritten(store: Mailstore) -> None:
    (was,) = deliver(store.recovered, [0])
    plan = plan_for(store)
    (store.live / "cur" / was.name).write_text("here first")
    (problem,) = mail_host.merge(plan).problems
    assert problem.reason == "another file has its name"
    assert (store.live / "cur" / was.name).read_text() == "here first"
    assert was.read_bytes() == content(0)


def test_a_directory_with_a_messages_name_stays(store: Mailstore) -> None:
    (was,) = deliver(store.recovered, [0])
    directory(store.live / "cur" / was.name)
    (problem,) = merged(store).problems
    assert problem.reason == "another file has its name"
    assert was.exists()


def test_a_folder_that_is_a_file_today_is_reported(store: Mailstore) -> None:
    deliver(store.recovered, [0], folder="Folder")
    (store.live / ".Folder").write_text("no folder")
    (problem,) = merged(store).problems
    assert problem.folder == "Folder"
    assert messages(store.recovered) == Counter({("Folder", base(0)): 1})
    assert (store.live / ".Folder").read_text() == "no folder"


def test_control_characters_are_not_printed(store: Mailstore) -> None:
    os.mkfifo(store.recovered / "cur" / "\x1b[2J\nFake: line:2,\udcff")
    (problem,) = plan_for(store).problems
    assert r"\x1b[2J\nFake: line:2,\xff" in str(problem)
    assert str(problem).isprintable()


def test_an_endless_list_needs_no_memory(store: Mailstore) -> None:
    deliver(store.recovered, [0], flags="a")
    with (store.recovered / "dovecot-uidlist").open("wb") as file:
        file.write(b"3 V1 G")
        file.truncate(200 << 20)
    (store.recovered / "dovecot-keywords").write_bytes(b"0 " + b"x\x1b" * 1000 + b"\n99 no\nz\n")
    assert merged(store).restored == 1
    assert names(store.live / "cur") == [f"{base(0)}:2,"]


# Other people's files -------------------------------------------------------------------


@as_root
def test_a_hard_link_to_another_users_file_keeps_its_owner(store: Mailstore) -> None:
    bobs = store.mount / "bobs"
    bobs.write_text("bob's")
    os.chown(bobs, 70_000, 70_000)
    deliver(store.recovered, [0])
    store.own(OSID)
    os.link(bobs, store.recovered / "cur" / "1.mine:2,")
    (problem,) = merged(store).problems
    assert problem.examples == ("1.mine:2,",)
    assert bobs.stat().st_uid == 70_000
    assert messages(store.live) == inbox([0])


@as_root
def test_the_recovery_directory_is_closed_to_users_while_it_is_merged(store: Mailstore) -> None:
    deliver(store.recovered, range(600))
    os.chown(store.recovery, OSID, OSID)
    seen: list[os.stat_result] = []
    assert merged(store, lambda: seen.append(store.recovery.stat())).restored == 600
    (status,) = seen
    assert (status.st_uid, status.st_mode & 0o777) == (0, 0o700)


@as_root
def test_a_staging_directory_of_another_user_is_refused(store: Mailstore, outside: Path) -> None:
    deliver(store.recovered, [0])
    trap = store.recovery / ".merging-alice"
    trap.mkdir()
    os.chown(trap, OSID, OSID)
    with pytest.raises(Refused, match="belongs to another user"):
        merged(store)
    trap.rmdir()
    trap.symlink_to(outside)
    with pytest.raises(Stopped, match="Not a directory"):
        merged(store)


# While it runs --------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["alice", "alice/Maildir"])
def test_a_home_replaced_during_the_merge_is_noticed(
    store: Mailstore, outside: Path, level: str
) -> None:
    deliver(store.recovered, range(600))
    before = snapshot(outside)
    finished = merged(store, lambda: replaced_by_link(store.mount / level, outside))
    assert "was replaced during this run" in str(finished.stopped)
    assert snapshot(outside) == before
    was = next(path for path in store.mount.rglob("was-*") if path.is_dir())
    was = was / "Maildir" if level == "alice" else was
    assert messages(was) + messages(store.recovered) == inbox(range(600))


def test_a_home_replaced_at_the_very_end_is_noticed(store: Mailstore) -> None:
    deliver(store.recovered, range(10))
    finished = merged(store, lambda: store.home.rename(store.mount / "away"), store.home.mkdir)
    assert "was replaced" in str(finished.stopped)


@pytest.mark.parametrize("level", [".Folder", ".Folder/cur"])
def test_a_folder_replaced_during_the_merge_gets_no_mail_outside(
    store: Mailstore, outside: Path, level: str
) -> None:
    deliver(store.recovered, range(600), folder="Folder")
    deliver(store.live, [5000], folder="Folder")
    finished = merged(store, lambda: replaced_by_link(store.live / level, outside))
    assert finished.problems
    assert finished.restored + sum(messages(store.recovered).values()) == 600


def test_a_folder_deleted_during_the_merge_keeps_its_mail_in_the_recovery(
    store: Mailstore,
) -> None:
    deliver(store.recovered, range(600), folder="Folder")
    deliver(store.live, [5000], folder="Folder")
    plan = plan_for(store)
    shutil.rmtree(store.live / ".Folder")
    finished = mail_host.merge(plan, threads=1)
    assert "run this again" in str(finished.problems)
    assert sum(messages(store.recovered).values()) == 600
    assert merged(store).restored == 600


def test_messages_that_go_away_meanwhile_are_counted(store: Mailstore) -> None:
    first, *_ = deliver(store.recovered, range(3))
    plan = plan_for(store)
    first.unlink()
    finished = mail_host.merge(plan)
    assert (finished.restored, finished.absent, finished.problems) == (2, 1, ())


# Disks ----------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of very few inodes and blocks."""
    mount = tmp_path / "small"
    mount.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    image = tmp_path / "image"
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("no mkfs.ext4")
    with image.open("wb") as file:
        file.truncate(4 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-b", "1024", "-m", "0", "-N", "2000", image], check=True)
    done = subprocess.run(["mount", "-o", "loop", image, mount], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("cannot mount a file system here")
    try:
        yield mount
    finally:
        libc.umount2(os.fsencode(mount), 2)


def fill(mount: Path) -> None:
    """Leave no free space, with a file `ballast`."""
    with (mount / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 1024)
        except OSError as full:
            if full.errno != errno.ENOSPC:
                raise


@as_root
def test_a_disk_that_fills_up_stops_it_and_loses_nothing(small: Path) -> None:
    store = Mailstore.make(small)
    deliver(store.recovered, range(1500))
    finished = merged(store, lambda: fill(small))
    assert finished.stopped == "the file system is full"
    assert 512 <= finished.restored < 1500
    assert messages(store.live) + messages(store.recovered) == inbox(range(1500))
    (small / "ballast").unlink()
    assert merged(store).stopped is None
    assert messages(store.live) == inbox(range(1500))


@as_root
def test_a_full_disk_is_reported_before_anything_is_moved(small: Path) -> None:
    store = Mailstore.make(small)
    deliver(store.recovered, range(200))
    fill(small)
    with pytest.raises(Stopped, match="No space left on device"):
        merged(store)
    assert messages(store.recovered) == inbox(range(200))


@as_root
def test_a_read_only_target_stops_it(small: Path) -> None:
    store = Mailstore.make(small)
    deliver(store.recovered, range(5))
    plan = plan_for(store)
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    with pytest.raises(Stopped, match="Read-only file system"):
        mail_host.merge(plan)
    assert messages(store.recovered) == inbox(range(5))


@as_root
def test_the_mailbox_on_another_file_system_is_refused(small: Path, store: Mailstore) -> None:
    deliver(store.recovered, [0])
    shutil.rmtree(store.home)
    store.home.mkdir()
    (small / "Maildir").mkdir()
    subprocess.run(["mount", "--bind", small, store.home], check=True)
    try:
        with pytest.raises(Refused, match="another file system"):
            merged(store)
    finally:
        subprocess.run(["umount", store.home], check=True)


def test_an_unwritable_target_is_reported_and_nothing_is_lost() -> None:
    """As a plain user, whom permissions stop; root is not stopped by any."""
    with tempfile.TemporaryDirectory() as mount:
        Path(mount).chmod(0o755)
        store = Mailstore.make(Path(mount))
        deliver(store.recovered, range(5))
        store.own(OSID)
        if os.geteuid() == 0:
            os.chown(store.recovery, OSID, OSID)
        (store.live / "cur").chmod(0o500)
        code, said = as_plain_user(["mailbox", "merge", "alice", "--mount", mount, "--yes"])
        assert code == mail_host.Exit.LEFT, said
        assert "5 left: Permission denied" in said
        assert messages(store.recovered) == inbox(range(5))
        (store.live / "cur").chmod(0o700)
        assert as_plain_user(["mailbox", "merge", "alice", "--mount", mount, "--yes"])[0] == 0
        assert messages(store.live) == inbox(range(5))


def as_plain_user(arguments: list[str]) -> tuple[int, str]:
    """Exit code and what was said of the program, run by the mailbox's owner."""
    with tempfile.TemporaryFile() as said:
        child = os.fork()  # the interpreter's own files may be closed to that user
        if child == 0:
            os.dup2(said.fileno(), 2)
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(OSID)
                os.setuid(OSID)
            sys.stderr = os.fdopen(2, "w")
            os._exit(mail_host.main(arguments))
        _, status = os.waitpid(child, 0)
        said.seek(0)
        return os.waitstatus_to_exitcode(status), said.read().decode()


def test_the_recovery_name_is_the_one_of_aws() -> None:
    assert mail_host.RECOVERY.match(RECOVERY)
    assert mail_host.RECOVERY.match("aws-backup-restore_2022-09-06T00-03-13-832Z")


def test_cleanup_follows_no_link(store: Mailstore, outside: Path) -> None:
    deliver(store.recovered, [0])
    (store.recovered / "tmp" / "way-out").symlink_to(outside)
    (store.recovered / ".Folder").mkdir()
    (store.recovered / ".Folder" / "cur").symlink_to(outside / "cur")
    os.mkfifo(store.recovered / "tmp" / "fifo")
    where = mail_host.find_recovery(str(store.mount), store.user)
    mail_host.cleanup(mail_host.plan_cleanup(where))
    assert names(store.mount) == ["alice"]


def test_cleanup_of_a_bottomless_directory_gives_up(store: Mailstore) -> None:
    deep = store.recovered / "tmp"
    deep = deep.joinpath(*["d"] * 200)
    deep.mkdir(parents=True)
    where = mail_host.find_recovery(str(store.mount), store.user)
    with pytest.raises(Stopped, match="nested directories"):
        mail_host.cleanup(mail_host.plan_cleanup(where))
