"""A merge widens no permission, takes no foreign file, guesses nothing and removes no mount."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import mail_host
from tests.mail_host import Finished, MergePlan, Refused, Stopped
from tests.maildirs import RECOVERY, Mailstore, base, deliver, inbox, make_folder, messages, names
from tests.unit.mail_host.program import run_merge

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do this")

OSID = 65_536 if os.geteuid() == 0 else os.geteuid()


@pytest.fixture
def store(tmp_path: Path) -> Mailstore:
    return Mailstore.make(tmp_path)


def plan_for(store: Mailstore, **choices: Any) -> MergePlan:
    where = mail_host.find_recovery(str(store.mount), store.user)
    uid = choices.pop("uid", OSID if os.geteuid() == 0 else None)
    return mail_host.plan_merge(
        mail_host.survey_trees(where), mail_host.MergeRequest(uid=uid, **choices)
    )


def carry_out(plan: MergePlan, **choices: Any) -> Finished:
    return mail_host.merge(plan, threads=1, **choices)


def merged(store: Mailstore, **choices: Any) -> Finished:
    return carry_out(plan_for(store, **choices))


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


# Permissions ----------------------------------------------------------------------------


def test_a_new_maildir_is_private_whatever_the_home_is(store: Mailstore) -> None:
    (message,) = deliver(store.recovered, [0])
    message.chmod(0o644)
    deliver(store.recovered, [1], folder="Work")
    store.own(OSID)
    subprocess.run(["rm", "-r", store.live], check=True)
    store.home.chmod(0o755)
    merged(store)
    assert mode(store.home) == 0o755
    for path in (store.live, *store.live.rglob("*")):
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path


def test_the_mailbox_can_grant_more_but_not_more_than_was_restored(store: Mailstore) -> None:
    store.live.chmod(0o2770)
    wide, narrow = deliver(store.recovered, [0, 1])
    wide.chmod(0o664)
    narrow.chmod(0o640)
    deliver(store.recovered, [2], folder="Private")
    make_folder(store.recovered, "Shared").chmod(0o750)
    store.own(OSID)
    merged(store)
    assert mode(store.live / "cur" / wide.name) == 0o660
    assert mode(store.live / "cur" / narrow.name) == 0o640
    assert mode(store.live / ".Private") == mode(store.live / ".Private" / "cur") == 0o2700
    assert mode(store.live / ".Private" / "maildirfolder") == 0o600
    assert mode(store.live / ".Shared") == 0o2750


def test_a_longer_list_keeps_its_permissions(store: Mailstore) -> None:
    store.live.chmod(0o755)
    deliver(store.recovered, [0], flags="a")
    (store.recovered / "dovecot-keywords").write_text("0 Work\n")
    (store.live / "dovecot-keywords").write_text("0 Other\n")
    (store.live / "dovecot-keywords").chmod(0o600)
    store.own(OSID)
    merged(store)
    assert mode(store.live / "dovecot-keywords") == 0o600


# Owners ---------------------------------------------------------------------------------


@as_root
def test_a_file_of_another_owner_is_left_alone(store: Mailstore) -> None:
    theirs, his = deliver(store.recovered, [0, 1])
    (store.recovery / "alice" / "notes").write_text("not his")
    store.own(70_000)
    os.chown(theirs, 80_000, 80_000)
    os.chown(store.recovery / "alice" / "notes", 0, 0)
    finished = merged(store)
    assert finished.restored == 1
    assert {(problem.reason, problem.examples) for problem in finished.problems} == {
        ("belongs to uid 80000, not to the user", (theirs.name,)),
        ("belongs to uid 0, not to the user", ("notes",)),
    }
    assert (theirs.stat().st_uid, theirs.stat().st_nlink) == (80_000, 1)
    assert (store.live / "cur" / his.name).stat().st_uid == OSID
    assert not (store.home / "notes").exists()


@as_root
def test_a_name_that_is_replaced_after_its_owner_was_set_is_not_linked(
    store: Mailstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (message,) = deliver(store.recovered, [0])
    store.own(70_000)
    wanted = message.stat().st_ino
    secret = store.mount / "secret"
    secret.write_text("of another user")
    plan = plan_for(store)
    real = os.fchmod

    def replace(descriptor: int, permissions: int) -> None:
        real(descriptor, permissions)
        if os.fstat(descriptor).st_ino == wanted and message.exists():
            message.rename(store.recovery / "alice" / "aside")
            os.link(secret, message)

    monkeypatch.setattr(os, "fchmod", replace)
    message.chmod(0o644)
    carry_out(plan)
    (restored,) = (store.live / "cur").iterdir()
    assert restored.stat().st_ino == wanted
    assert secret.stat().st_uid != OSID
    assert message.stat().st_ino == secret.stat().st_ino


@as_root
def test_without_proc_a_replaced_name_is_noticed_and_taken_back(
    store: Mailstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_host, "HAS_DESCRIPTORS", False)
    first, second = deliver(store.recovered, [0, 1])
    store.own(70_000)
    plan = plan_for(store)
    secret = store.mount / "secret"
    secret.write_text("of another user")
    real = os.link

    def replace(source: str, target: str, **given: Any) -> None:
        if source == first.name:
            first.unlink()
            real(secret, first)
        real(source, target, **given)

    monkeypatch.setattr(os, "link", replace)
    (problem,) = carry_out(plan).problems
    assert problem.reason == "was replaced during the run"
    assert names(store.live / "cur") == [second.name]
    assert secret.stat().st_uid != OSID


# NFS, such as EFS -----------------------------------------------------------------------


@pytest.fixture
def nfs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are removed while they are open stay until then, as with Linux's NFS client.

    https://nfs.sourceforge.net/#faq_d2
    """
    unlink, close, renamed = os.unlink, os.close, dict[int, Path]()

    def path_of(descriptor: int) -> Path:
        return Path(f"/proc/self/fd/{descriptor}").readlink()

    def unlink_unless_open(name: str, *, dir_fd: int | None = None) -> None:
        path = Path(name) if dir_fd is None else path_of(dir_fd) / name
        for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
            with contextlib.suppress(OSError):
                if path_of(descriptor) == path:
                    renamed[descriptor] = path.rename(path.parent / f".nfs{descriptor:016x}")
                    return
        unlink(name, dir_fd=dir_fd)

    def close_and_remove(descriptor: int) -> None:
        close(descriptor)
        if descriptor in renamed:
            unlink(renamed.pop(descriptor))

    monkeypatch.setattr(os, "unlink", unlink_unless_open)
    monkeypatch.setattr(os, "close", close_and_remove)


@pytest.mark.usefixtures("nfs")
def test_nothing_is_left_on_nfs(store: Mailstore) -> None:
    given, *_ = deliver(store.recovered, [0, 1], flags="a")
    deliver(store.recovered, [2], folder="Work")
    (store.recovered / "dovecot-keywords").write_text("0 Work\n")
    (store.recovery / "alice" / ".dovecot.sieve").write_text("keep;")
    store.own(OSID)
    given.chmod(0o644)

    merged(store)
    assert names(store.recovery) == ["alice"]
    assert names(store.recovered / "cur") == []
    done = run_merge(store, "--yes", "--cleanup")

    assert done.returncode == mail_host.Exit.DONE, done.stderr
    assert not store.recovery.exists()


@pytest.mark.parametrize("is_available", [True, False])
def test_a_folder_that_another_nfs_client_deleted(
    store: Mailstore, monkeypatch: pytest.MonkeyPatch, is_available: bool
) -> None:
    deliver(store.recovered, [0, 1], folder="Drafts")
    deliver(store.recovered, [2, 3], folder="Work")
    for folder in ("Drafts", "Work"):
        make_folder(store.live, folder)
    store.own(OSID)
    plan = plan_for(store)
    deleted, link = (store.live / ".Drafts" / "cur").stat().st_ino, os.link

    def link_unless_stale(*names: Any, dst_dir_fd: int, **options: Any) -> None:
        if os.fstat(dst_dir_fd).st_ino == deleted:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        link(*names, dst_dir_fd=dst_dir_fd, **options)

    def stale(descriptor: int) -> None:  # noqa: ARG001 (as os.fstatvfs has it)
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(os, "link", link_unless_stale)
    if not is_available:
        monkeypatch.setattr(os, "fstatvfs", stale)
    finished = carry_out(plan)

    assert finished.stopped == (None if is_available else "the file system is no longer available")
    assert finished.restored == (2 if is_available else 0)
    assert [str(problem).split(" (")[0] for problem in finished.problems] == (
        ["Drafts: 2 left: Stale file handle"] * is_available
    )


# Folders of the mailbox that cannot be read ---------------------------------------------


def unlistable(folder: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """Reading this directory fails as it does on a broken disk or file server."""
    inode, real = (folder / "cur").stat().st_ino, os.scandir

    def scandir(directory: Any) -> Any:
        if isinstance(directory, int) and os.fstat(directory).st_ino == inode:
            raise OSError(error, os.strerror(error))
        return real(directory)

    monkeypatch.setattr(os, "scandir", scandir)


@pytest.mark.parametrize("error", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_nothing_is_restored_into_a_folder_that_cannot_be_read(
    store: Mailstore, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    deliver(store.recovered, [0, 1], folder="Work")
    deliver(store.recovered, [2])
    deliver(store.live, [0, 1, 2], folder="Work")
    unlistable(store.live / ".Work", monkeypatch, error)
    plan = plan_for(store)
    assert (plan.missing, plan.unknown) == (0, 3)
    assert f"folder of the mailbox cannot be read: {os.strerror(error)}" in str(plan)
    assert "A folder of the mailbox cannot be read, and missing messages could be" in str(plan)

    finished = merged(store, restore_moved=True)
    assert finished.restored == 1
    assert messages(store.live) == inbox([2]) + messages_of("Work", [0, 1, 2])


def messages_of(folder: str, numbers: list[int]) -> Any:
    return type(inbox([]))({(folder, base(number)): 1 for number in numbers})


def test_a_folder_that_is_a_link_is_reported_and_nothing_is_guessed(store: Mailstore) -> None:
    deliver(store.recovered, [0, 1])
    deliver(store.live, [1], folder="Archive")
    elsewhere = store.mount / "elsewhere"
    (store.live / ".Archive").rename(elsewhere)
    (store.live / ".Archive").symlink_to(elsewhere)
    done = run_merge(store, "--yes")
    assert done.returncode == mail_host.Exit.LEFT
    assert "Archive: 1 left: folder of the mailbox cannot be read: it is a symbolic" in done.stdout
    assert messages(store.recovered) == inbox([0, 1])
    assert run_merge(store, "--yes", "--moved", "restore").returncode == mail_host.Exit.LEFT
    assert messages(store.live)["INBOX", base(0)] == 1


def test_links_for_a_sieve_script_are_no_folder(store: Mailstore) -> None:
    deliver(store.recovered, [0])
    (store.live / ".dovecot.sieve").symlink_to("sieve/main.sieve")
    assert merged(store).restored == 1


@pytest.mark.parametrize(
    "made",
    [
        ["mdbox/storage", "mdbox/mailboxes"],
        ["sdbox/mailboxes/INBOX/dbox-Mails"],
        ["mail/Work/cur", "mail/INBOX/cur"],
        ["Maildir/mailboxes/INBOX/dbox-Mails"],
    ],
)
def test_a_mailbox_of_another_format_is_refused(store: Mailstore, made: list[str]) -> None:
    subprocess.run(["rm", "-r", store.recovered], check=True)
    for directory in made:
        (store.recovery / "alice" / directory).mkdir(parents=True)
    for options in ([], ["--cleanup"], ["--dry-run"]):
        done = run_merge(store, "--yes", *options)
        assert done.returncode == mail_host.Exit.REFUSED
        assert "Other mailbox formats (mdbox, sdbox, LAYOUT=fs) are not supported" in (done.stderr)
    assert (store.recovery / "alice" / made[0]).is_dir()


def test_folders_of_another_layout_are_reported_and_left(store: Mailstore) -> None:
    deliver(store.recovered, [0])
    work = make_folder(store.recovered, "Work")
    deliver(store.recovered, [1], folder="Work")
    work.rename(store.recovered / "Work")
    done = run_merge(store, "--yes", "--cleanup")
    assert done.returncode == mail_host.Exit.NOT_CONFIRMED
    assert "a directory with mail that is not a Maildir++ folder (Work)" in done.stdout
    assert messages(store.live) == inbox([0])
    assert names(store.recovered / "Work" / "cur")
    assert not (store.live / "Work").exists()


# Locks ----------------------------------------------------------------------------------


def planted(store: Mailstore, *, age: float, owner: str = "") -> list[Path]:
    """Three folders, each with a lock of Dovecot's and a keyword that has to be added."""
    locks = []
    for number, folder in enumerate(["INBOX", "A", "B"]):
        deliver(store.recovered, [number], folder=folder, flags="a")
        there = store.recovered if folder == "INBOX" else store.recovered / f".{folder}"
        (there / "dovecot-keywords").write_text("0 Work\n")
        lock = make_folder(store.live, folder) / "dovecot-uidlist.lock"
        lock.write_text(owner)
        then = time.time() - age
        os.utime(lock, (then, then))
        locks.append(lock)
    return locks


def test_stale_locks_are_removed_as_dovecot_does_and_reported(store: Mailstore) -> None:
    locks = planted(store, age=121, owner="4711:imap-1")
    finished = merged(store)
    assert (finished.restored, finished.problems) == (3, ())
    assert len(finished.notes) == 3
    assert finished.notes[0].startswith(
        f"dovecot-uidlist.lock is held by process 4711:imap-1, uid {os.geteuid()}, unchanged for 12"
    )
    assert not any(lock.exists() for lock in locks)


def test_locks_that_are_in_use_are_waited_for_once_and_reported(
    store: Mailstore, slept: list[float]
) -> None:
    locks = planted(store, age=0, owner="4711:imap-1")
    finished = merged(store)
    assert sum(slept) == pytest.approx(30, abs=0.2)
    assert finished.restored == 0
    assert len(finished.problems) == 3
    assert "is held by process 4711:imap-1" in finished.problems[0].reason
    assert "It counts as stale after 120 s. Run this again" in finished.problems[0].reason
    assert all(lock.exists() for lock in locks)


def test_a_lock_is_in_use_while_the_list_it_protects_changes(store: Mailstore) -> None:
    planted(store, age=1000)
    (store.live / "dovecot-uidlist").write_text("3 V1 N8 G00\n")
    (problem,) = carry_out(plan_for(store), lock_wait=0).problems
    assert problem.folder == "INBOX"


def test_the_lock_of_a_process_that_is_alive_here_is_not_removed(store: Mailstore) -> None:
    planted(store, age=1000, owner=f"{os.getpid()}:{socket.gethostname()}")
    problems = carry_out(plan_for(store), lock_wait=0).problems
    assert [problem.folder for problem in problems] == ["A", "B", "INBOX"]
    assert "unless that process is alive" in problems[0].reason


def test_our_own_locks_are_not_stale_for_dovecot(store: Mailstore) -> None:
    """All have one inode, and each gets a new mtime, however old the one before has become."""
    planted(store, age=121)
    seen: list[float] = []
    real = os.rename

    def look(source: str, target: str, **given: Any) -> None:
        if target == "dovecot-keywords":
            folder = given["dst_dir_fd"]
            seen.append(os.stat("dovecot-uidlist.lock", dir_fd=folder).st_mtime)
            os.utime("dovecot-uidlist.lock", (1, 1), dir_fd=folder)
        real(source, target, **given)

    started = time.time()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "rename", look)
        merged(store)
    assert len(seen) == 3
    assert min(seen) > started - 1


# Mounts ---------------------------------------------------------------------------------


@pytest.fixture
def bound(store: Mailstore) -> Iterator[Path]:
    """A directory of the same file system, mounted below the recovery directory."""
    precious = store.mount / "precious"
    precious.mkdir()
    (precious / "only copy").write_text("kept")
    point = store.recovered / "tmp" / "with space"
    point.mkdir()
    done = subprocess.run(["mount", "--bind", precious, point], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("cannot mount here")
    try:
        yield precious
    finally:
        subprocess.run(["umount", point], check=True)


@as_root
def test_cleanup_refuses_a_mount_before_anything_is_removed(store: Mailstore, bound: Path) -> None:
    deliver(store.recovered, [0])
    deliver(store.live, [0])
    done = run_merge(store, "--yes", "--cleanup")
    assert done.returncode == mail_host.Exit.REFUSED
    assert "with space: a mount point." in done.stderr
    assert names(bound) == ["only copy"]
    assert messages(store.recovered) == inbox([0])
    where = mail_host.find_recovery(str(store.mount), store.user)
    with pytest.raises(Refused, match="Nothing was removed"):
        mail_host.cleanup(mail_host.CleanupPlan(where, (), ()))
    with pytest.raises(Refused, match="Nothing was removed"):
        mail_host.remove_directory(str(store.mount), RECOVERY)


@as_root
def test_cleanup_refuses_a_file_that_is_a_mount(store: Mailstore) -> None:
    point, precious = store.recovered / "tmp" / "file", store.mount / "precious"
    point.touch()
    precious.write_text("kept")
    done = subprocess.run(["mount", "--bind", precious, point], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("cannot mount here")
    try:
        assert run_merge(store, "--yes", "--cleanup").returncode == mail_host.Exit.REFUSED
    finally:
        subprocess.run(["umount", point], check=True)
    assert precious.read_text() == "kept"


@as_root
def test_a_mount_that_appears_during_a_cleanup_is_left(store: Mailstore, bound: Path) -> None:
    with (
        mail_host.open_mount(str(store.recovered)) as parent,
        pytest.raises(Stopped, match="is a mount point"),
    ):
        mail_host.remove_tree("tmp", parent)
    assert names(bound) == ["only copy"]


@as_root
def test_a_mailbox_that_is_mounted_over_another_is_not_merged(
    store: Mailstore, bound: Path
) -> None:
    deliver(store.recovered, [0])
    subprocess.run(["mount", "--bind", bound, store.live], check=True)
    try:
        with pytest.raises(Refused, match="another file system or mount"):
            plan_for(store)
    finally:
        subprocess.run(["umount", store.live], check=True)


# Files that are not mail ----------------------------------------------------------------


def test_what_is_not_mail_is_restored_where_there_is_none(store: Mailstore) -> None:
    home = store.recovery / "alice"
    deliver(store.recovered, [0], folder="Work")
    make_folder(store.live, "Work")
    made = {
        "sieve/main.sieve": "keep;",
        "Maildir/dovecot-acl": "user=bob lr\n",
        "Maildir/.Work/dovecot-attributes": "a",
        "Maildir/.notmuch/xapian/data": "index",
        "Maildir/.dovecot.sieve.d/x": "keep;",
    }
    for path, text in made.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text)
        (home / path).chmod(0o644)
    (home / ".dovecot.sieve").symlink_to("sieve/main.sieve")
    (home / "Maildir" / ".Work" / "dovecot.index.cache").write_text("made again")
    store.own(OSID)
    plan = plan_for(store)
    assert set(plan.files) == {*made, ".dovecot.sieve"}
    assert "6 files that are not mail are restored" in str(plan)
    assert [folder.name for folder in plan.folders] == ["INBOX", "Work"]

    done = run_merge(store, "--yes", "--cleanup")
    assert done.returncode == mail_host.Exit.DONE, done.stderr
    assert "and 6 other files" in done.stderr
    for path, text in made.items():
        restored = store.home / path
        assert restored.read_text() == text
        assert (mode(restored), restored.stat().st_uid) == (0o600, OSID)
        assert mode(restored.parent) == 0o700
    assert (store.home / ".dovecot.sieve").readlink() == Path("sieve/main.sieve")
    assert (store.home / ".dovecot.sieve").lstat().st_uid == OSID
    assert not store.recovery.exists()


def test_what_is_not_mail_and_is_another_file_today_is_left_and_listed(store: Mailstore) -> None:
    for top, text in ((store.recovery / "alice", "then"), (store.home, "today")):
        (top / ".dovecot.sieve").write_text(text)
        (top / "same").write_text("same")
        (top / "Maildir" / "dovecot-acl").write_text(text)
    done = run_merge(store, "--yes", "--cleanup")
    assert done.returncode == mail_host.Exit.NOT_CONFIRMED
    assert "2 files that are not mail: Maildir/dovecot-acl, .dovecot.sieve" in done.stderr
    assert (store.home / ".dovecot.sieve").read_text() == "today"
    assert (store.recovery / "alice" / ".dovecot.sieve").read_text() == "then"


def test_with_folders_only_their_files_are_restored(store: Mailstore) -> None:
    (store.recovery / "alice" / ".dovecot.sieve").write_text("keep;")
    for folder in ("Work", "Home"):
        (make_folder(store.recovered, folder) / "dovecot-acl").write_text("x")
        make_folder(store.live, folder)
    assert plan_for(store, folders=["Work"]).files == ("Maildir/.Work/dovecot-acl",)


def test_hidden_files_beside_messages_are_listed(store: Mailstore) -> None:
    (store.recovered / "cur" / ".hidden").write_text("no message, but a file")
    (store.recovered / "cur" / ".nfs0001").write_text("of the NFS client")
    done = run_merge(store, "--yes", "--cleanup")
    assert done.returncode == mail_host.Exit.NOT_CONFIRMED
    assert "INBOX: 1 left: hidden, so not a message (.hidden)" in done.stderr
    assert (store.recovered / "cur" / ".hidden").exists()


@as_root
def test_a_link_where_a_directory_should_be_is_not_followed(
    store: Mailstore, tmp_path: Path
) -> None:
    (store.recovery / "alice" / "sieve").mkdir()
    (store.recovery / "alice" / "sieve" / "x").write_text("keep;")
    outside = tmp_path / "outside"
    outside.mkdir()
    (store.home / "sieve").symlink_to(outside)
    plan = plan_for(store)
    assert (plan.files, plan.files_left) == ((), ("sieve",))
    merged(store)
    assert names(outside) == []
