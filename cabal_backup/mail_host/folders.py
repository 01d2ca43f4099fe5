"""One folder of a Maildir++ and the state of each message in it."""

from __future__ import annotations

import bisect
import os
import re
from array import array
from collections.abc import Iterator

from cabal_backup.mail_host.batches import Batch, Identities
from cabal_backup.mail_host.files import open_directory


class Folder:
    """One folder of the recovery directory, and the state of its messages."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.batches: list[Batch] = []
        self.starts: list[int] = []
        """For each batch: the ordinal of its first message."""
        self.not_mail: list[str] = []
        """Files and directories in it that are not messages and that Dovecot does not recreate."""
        self.keywords: dict[int, str] = {}
        self.subscribed = False
        self.exists = False
        """Whether the mailbox has this folder, too."""
        self.identities = Identities()
        """Until they are all in the index."""
        self.here = bytearray()
        """For each message: MISSING, PRESENT, … in the same folder today."""
        self.elsewhere = array("i")
        """For each message: 0, or the number of another folder that has it today."""

    def add(self, batch: Batch) -> None:
        """Add a batch of messages."""
        self.starts.append(self.batches[-1].size + self.starts[-1] if self.batches else 0)
        self.batches.append(batch)

    def batch_of(self, ordinal: int) -> int:
        """The number of the batch that has this message."""
        return bisect.bisect_right(self.starts, ordinal) - 1

    def path_of(self, ordinal: int) -> tuple[str, str]:
        """`new` or `cur`, and the name, of one message."""
        number = self.batch_of(ordinal)
        batch = self.batches[number]
        return batch.place, batch.names()[ordinal - self.starts[number]]

    def count(self, *states: int) -> int:
        """How many messages are in one of these states."""
        return sum(self.here.count(state) for state in states)


MISSING = 0
"""The mailbox's folder has no message of this identity."""
PRESENT = 1
"""It has this message: the same content under the same identity."""
LINKED = 2
"""It has the same file (inode): a run was stopped between link and unlink."""
TWIN = 3
"""Missing, but a second copy of a message in the same folder of the recovery (a backup takes
time: it can read a message in `new`, and a little later in `cur`)."""
DIFFERENT = 4
"""The mailbox's folder has the identity with another content: another message, or a damaged
copy of this one."""
SECOND = 5
"""Missing, and the recovery's folder has another message of the same identity."""
UNKNOWN = 6
"""The mailbox's folder has the identity, but the contents could not be compared."""

CLAIMED = 7
"""Dovecot's list says that a file of the mailbox's folder is this message; the content is
another."""

UNMERGED = (MISSING, DIFFERENT, SECOND, UNKNOWN, CLAIMED)
"""Messages that, as far as is known, only the recovery directory has."""

PLACES = ("cur", "new")


def dot_entries(maildir: int) -> tuple[list[str], list[str]]:
    """Names with a leading dot in a Maildir: the directories, and what is not a file either."""
    directories, others = [], []
    with os.scandir(maildir) as entries:
        for entry in entries:
            if not entry.name.startswith(".") or entry.name.startswith(".."):
                continue
            if entry.is_dir(follow_symlinks=False):
                directories.append(entry.name)
            elif not entry.is_file(follow_symlinks=False):
                others.append(entry.name)
    return sorted(directories), sorted(others)


NOT_FOLDERS = re.compile(r"\.(dovecot|notmuch|nfs)")
"""Names with a leading dot that occur in Maildirs and are known not to be folders."""


def messages_in(folder: int, place: str) -> Iterator[tuple[str, int, bool]]:
    """(name, inode, whether it can be a message) of each entry of `new` or `cur`."""
    with open_directory(place, folder) as directory, os.scandir(directory) as entries:
        for entry in entries:
            name = entry.name
            if name[0] != ".":
                yield name, entry.inode(), entry.is_file(follow_symlinks=False)
            elif not name.startswith(".nfs"):
                yield name, entry.inode(), False
