"""The restored mailbox and the live one: where they are, and their open directories."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cabal_backup.mail_host.files import (
    Inode,
    inode_of,
    lstat,
    mount_id,
    names_in,
    open_directory,
    open_mount,
)
from cabal_backup.mail_host.mail_names import QUEUES, RECOVERY, shown
from cabal_backup.mail_host.problems import Refused, Stopped

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,127}\Z")


@dataclass(frozen=True)
class Where:
    """The two trees: `<mount>/<recovery>/<user>/Maildir` and `<mount>/<user>/Maildir`."""

    mount: str
    recovery: str
    user: str


def check_user(user: str) -> None:
    """Raises Refused unless `user` is a valid user name: one directory at the mount's root."""
    if not _USER.match(user) or user in QUEUES or user.startswith("aws-backup-"):
        raise Refused(
            f"{shown(user)!r} is not a user name: one directory at the root of the mount."
        )


def check_recovery(name: str | None) -> None:
    """Raises Refused for what cannot be the name of a recovery directory. None passes."""
    if name is not None and not RECOVERY.match(name):
        raise Refused(
            f"{shown(name)!r} is not the name of a recovery directory: aws-backup-restore_…."
        )


def find_recovery(mount: str, user: str, recovery: str | None = None) -> Where:
    """The recovery directory that holds `user`: the only one, or the one named.

    Raises Refused for an invalid user name, and if there is no such directory or more than one.
    """
    check_user(user)
    check_recovery(recovery)
    with open_mount(mount) as root:
        there = [name for name in names_in(root) if RECOVERY.match(name)]
        chosen = [name for name in there if recovery in (None, name)]
        holding = [name for name in chosen if _holds(root, name, user)]
    if len(holding) == 1:
        return Where(mount, holding[0], user)
    if holding:
        raise Refused(f"More than one restore holds {user}: {', '.join(holding)}. Use --recovery.")
    seen = f"Found: {', '.join(there)}." if there else "There is no aws-backup-restore_… at all."
    raise Refused(
        f"No recovery directory under {shown(mount)} contains {user}. {seen} Check that the "
        "restore job has completed, and that it restored to this file system."
    )


def _holds(root: int, recovery: str, user: str) -> bool:
    try:
        with open_directory(recovery, root) as directory:
            return lstat(user, directory) is not None
    except OSError:
        return False


class Trees:
    """The directories at the top of both trees, open; and a check that they are unchanged."""

    def __init__(self, where: Where, stack: contextlib.ExitStack) -> None:
        self.where = where
        self._stack = stack
        self._links: list[tuple[int, str, Inode]] = []
        self.mount = stack.enter_context(open_mount(where.mount))
        self.device = os.fstat(self.mount).st_dev
        self._mount_id = mount_id(self.mount)
        try:
            self.recovery = self._enter(where.recovery, self.mount)
            self.recovered_home = self._enter(where.user, self.recovery)
            self.recovered = self._enter_if_there("Maildir", self.recovered_home)
        except OSError as error:
            raise Refused(
                f"{where.recovery}/{where.user}/Maildir: one of these is not a plain "
                f"directory: {error.strerror}."
            ) from error
        try:
            self.home = self._enter_if_there(where.user, self.mount)
            self.live = None if self.home is None else self._enter_if_there("Maildir", self.home)
        except OSError as error:
            raise Refused(
                f"{shown(where.mount)}/{where.user}/Maildir: one of these is not a plain "
                f"directory: {error.strerror}. Symbolic links are not followed."
            ) from error

    def _enter_if_there(self, name: str, parent: int) -> int | None:
        return None if lstat(name, parent) is None else self._enter(name, parent)

    def _enter(self, name: str, parent: int) -> int:
        descriptor = self._stack.enter_context(open_directory(name, parent))
        self._check_mount(descriptor, name)
        self._links.append((parent, name, inode_of(os.fstat(descriptor))))
        return descriptor

    def _check_mount(self, descriptor: int, name: str) -> None:
        other = os.fstat(descriptor).st_dev != self.device
        if other or mount_id(descriptor) != self._mount_id:
            raise OSError(errno.EXDEV, f"{shown(name)} is on another file system or mount")

    def enter_made(self) -> None:
        """Open the home and the Maildir after they were created."""
        self.home = self._enter(self.where.user, self.mount) if self.home is None else self.home
        self.live = self._enter("Maildir", self.home) if self.live is None else self.live

    def check(self) -> None:
        """Raise Stopped if any of the directories was replaced or removed."""
        for parent, name, inode in self._links:
            status = lstat(name, parent)
            if status is None or inode_of(status) != inode:
                raise Stopped(
                    f"{name} of {self.where.user} was replaced during this run: another process "
                    "changes these directories. Find and stop it, then run this again."
                )

    def live_folder(self, directory: str) -> contextlib.AbstractContextManager[int]:
        """A folder of the user's Maildir, open; the Maildir itself for INBOX."""
        assert self.live is not None
        return self._folder(directory, self.live)

    def recovered_folder(self, directory: str) -> contextlib.AbstractContextManager[int]:
        """A folder of the restored Maildir, open; the Maildir itself for INBOX."""
        assert self.recovered is not None
        return self._folder(directory, self.recovered)

    @contextlib.contextmanager
    def _folder(self, directory: str, top: int) -> Iterator[int]:
        if not directory:
            yield top
        else:
            with self.below(directory, top) as descriptor:
                yield descriptor

    @contextlib.contextmanager
    def below(self, name: str, parent: int) -> Iterator[int]:
        """A directory of either tree, open. OSError if it is a link or another mount."""
        with open_directory(name, parent) as descriptor:
            self._check_mount(descriptor, name)
            yield descriptor


STAGING_PREFIX = ".merging-"


def staging_name(where: Where) -> str:
    """The name of the staging directory, which is in the recovery directory."""
    return f"{STAGING_PREFIX}{where.user}"


def threads_for(seconds_a_call: float) -> int:
    """Many threads where calls wait for a network, otherwise one: threads would only compete."""
    return 1 if seconds_a_call < 0.000_2 else 64


def notes_on_failures(at_root: Iterable[str]) -> list[str]:
    """What the other directories that AWS Backup may create mean.

    https://docs.aws.amazon.com/efs/latest/ug/awsbackup.html, "Restore a recovery point".
    """
    return [
        f"{shown(name)} exists: AWS Backup could not restore everything. Check its content."
        for name in at_root
        if name.startswith(("aws-backup-failed-restore_", "aws-backup-lost+found"))
    ]
