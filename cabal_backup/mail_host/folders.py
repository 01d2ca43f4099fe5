"""Folders of a Maildir++: names, identities and states of messages, stored in little memory."""

from __future__ import annotations

import bisect
import itertools
import os
import re
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cabal_backup.mail_host.files import open_directory

MAX_NAMESAKES = 32
"""Messages of one base name in one folder that are compared with each other."""


class Batch(NamedTuple):
    """Names of messages of one folder, compressed: a million Python strings need 100 MB."""

    place: str
    """`new` or `cur`."""
    size: int
    packed: bytes
    chosen: bytes = b""
    """For each packed name, whether it belongs to the batch; empty if all of them do."""

    def names(self) -> list[str]:
        """The names, in the order of the directory."""
        names = self.text().split("/")
        return list(itertools.compress(names, self.chosen)) if self.chosen else names

    def text(self) -> str:
        """All packed names, with a "/" between them."""
        return os.fsdecode(zlib.decompress(self.packed))

    def choose(self, states: bytes, state: int) -> Batch | None:
        """The messages of this batch that are in one state; None if there are none."""
        count = states.count(state)
        if count == self.size:
            return self
        return self._replace(size=count, chosen=states.translate(_IS[state])) if count else None


_IS = [bytes(number == state for number in range(256)) for state in range(8)]
"""For each state of a message: a table for bytes.translate, 1 for the state and 0 for others."""


def pack(place: str, names: Sequence[str]) -> Batch:
    """A batch of `names`; "/" separates them, which no name can contain."""
    return Batch(place, len(names), zlib.compress(os.fsencode("/".join(names)), 1))


class Match(NamedTuple):
    """A message in the recovery directory."""

    folder: int
    ordinal: int
    inode: int


class Namesake(NamedTuple):
    """A restored message whose identity earlier messages of its folder have, too."""

    ordinal: int
    earlier: list[int]
    """The ordinals of these."""


class Identities:
    """The identities of one folder's messages, in the order of their ordinals.

    It stores Python's hash of an identity, which is keyed with a random number. If two
    identities have the same hash, the contents are compared and differ.
    """

    def __init__(self) -> None:
        self.hashes = array("q")
        self.ordinals = array("I")
        self.inodes = array("Q")

    def extend(
        self, identities: Sequence[str], others: dict[str, str], ordinal: int, inodes: Sequence[int]
    ) -> None:
        """Add messages from `ordinal` on; those in `others` also with their other identity.

        The two entries of such a message follow each other.
        """
        if not others:
            self.hashes.extend(map(hash, identities))
            self.ordinals.extend(range(ordinal, ordinal + len(identities)))
            self.inodes.extend(inodes)
            return
        for identity, inode in zip(identities, inodes):  # noqa: B905 (Python 3.9)
            for one in (identity, others.get(identity)):
                if one is not None:
                    self.hashes.append(hash(one))
                    self.ordinals.append(ordinal)
                    self.inodes.append(inode)
            ordinal += 1


class Index:
    """Where each identity is in the recovery directory, in about 30 bytes each.

    It is a hash table with open addressing: a slot has the number of an entry, from 1 on.
    """

    def __init__(self, folders: Sequence[Identities]) -> None:
        self._hashes, self._ordinals, self._inodes = array("q"), array("I"), array("Q")
        self._starts: list[int] = []
        """For each folder: its first entry."""
        for folder in folders:
            self._starts.append(len(self._hashes))
            self._hashes += folder.hashes
            self._ordinals += folder.ordinals
            self._inodes += folder.inodes
        size = 1 << (2 * len(self._hashes)).bit_length()
        self._mask = size - 1
        self._slots = array("I", bytes(4 * size))
        ends = [*self._starts[1:], len(self._hashes)]
        self.namesakes = list(map(self._insert, self._starts, ends))
        """For each folder."""

    def _insert(self, start: int, end: int) -> list[Namesake]:
        """Insert the entries of one folder; returns its namesakes.

        At most `MAX_NAMESAKES` messages of one identity are inserted.
        """
        hashes, ordinals, slots, mask = self._hashes, self._ordinals, self._slots, self._mask
        namesakes: list[Namesake] = []
        for entry in range(start, end):
            number = hashes[entry]
            at = number & mask
            other = slots[at]
            if other:
                earlier = []
                while other:
                    if other > start and hashes[other - 1] == number:
                        earlier.append(ordinals[other - 1])
                    at = (at + 1) & mask
                    other = slots[at]
                if earlier:
                    ordinal = ordinals[entry]
                    if entry == start or ordinals[entry - 1] != ordinal:
                        namesakes.append(Namesake(ordinal, earlier))
                    if len(earlier) >= MAX_NAMESAKES:
                        continue
            slots[at] = entry + 1
        return namesakes

    def find(self, identity: str) -> list[Match]:
        """All messages with that identity."""
        found: list[Match] = []
        number = hash(identity)
        at = number & self._mask
        entry = self._slots[at]
        while entry:
            if self._hashes[entry - 1] == number:
                folder = bisect.bisect_right(self._starts, entry - 1) - 1
                found.append(Match(folder, self._ordinals[entry - 1], self._inodes[entry - 1]))
            at = (at + 1) & self._mask
            entry = self._slots[at]
        return found


def total_of(batches: Iterable[Batch]) -> int:
    """The number of messages in all batches."""
    return sum(batch.size for batch in batches)


class MessageState:
    """What the mailbox has of a restored message today, in the same folder."""

    MISSING = 0
    """No message of its identity."""
    PRESENT = 1
    """This message: the same content under the same identity."""
    LINKED = 2
    """The same file (inode): a run was stopped between link and unlink."""
    TWIN = 3
    """Nothing; but it is a second copy of a message in the same folder of the recovery (a backup
    takes time: it can read a message in `new`, and a little later in `cur`)."""
    DIFFERENT = 4
    """The identity with another content: another message, or a damaged copy of this one."""
    SECOND = 5
    """Nothing; and the recovery's folder has another message of the same identity."""
    UNKNOWN = 6
    """The identity, but the contents could not be compared."""
    CLAIMED = 7
    """Another content; Dovecot's list says that the file is this message."""


UNMERGED = (
    MessageState.MISSING,
    MessageState.DIFFERENT,
    MessageState.SECOND,
    MessageState.UNKNOWN,
    MessageState.CLAIMED,
)
"""Messages that, as far as is known, only the recovery directory has."""


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
        """For each message: its MessageState."""
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


PLACES = ("cur", "new")


class DotEntries(NamedTuple):
    """Names with a leading dot in a Maildir."""

    directories: list[str]
    others: list[str]
    """What is neither a directory nor a file, such as a symbolic link."""


def dot_entries(maildir: int) -> DotEntries:
    """Read the names with a leading dot in a Maildir."""
    directories, others = [], []
    with os.scandir(maildir) as entries:
        for entry in entries:
            if not entry.name.startswith(".") or entry.name.startswith(".."):
                continue
            if entry.is_dir(follow_symlinks=False):
                directories.append(entry.name)
            elif not entry.is_file(follow_symlinks=False):
                others.append(entry.name)
    return DotEntries(sorted(directories), sorted(others))


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
