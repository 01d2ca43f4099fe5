"""Many names and identities of messages, stored in little memory."""

from __future__ import annotations

import itertools
import os
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

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


class Index:
    """Where each identity is in the recovery directory, in 24 bytes each.

    It stores Python's hash of an identity, which is keyed with a random number. If two
    identities have the same hash, the contents are compared and differ.
    """

    _RECORD = struct.Struct("<qQII")
    _KEY = struct.Struct("<q")
    _SHELVES = 1 << 14

    def __init__(self) -> None:
        self._shelves = [bytearray() for _ in range(self._SHELVES)]

    def add(self, identity: str, folder: int, ordinal: int, inode: int) -> int:
        """Add a message; returns how many of that identity the folder had before.

        It is not added if these are `MAX_NAMESAKES`.
        """
        number = hash(identity)
        record = self._RECORD.pack(number, inode, folder, ordinal)
        shelf = self._shelves[number % self._SHELVES]
        there = 0
        key = record[:8]
        if key in shelf:
            there = sum(match.folder == folder for match in self._on(shelf, key))
        if there < MAX_NAMESAKES:
            shelf += record
        return there

    def find(self, identity: str) -> list[Match]:
        """All messages with that identity."""
        number = hash(identity)
        shelf, key = self._shelves[number % self._SHELVES], self._KEY.pack(number)
        return self._on(shelf, key) if key in shelf else []

    def _on(self, shelf: bytearray, key: bytes) -> list[Match]:
        found: list[Match] = []
        at = shelf.find(key)
        while at >= 0:
            if at % self._RECORD.size == 0:
                _, inode, folder, ordinal = self._RECORD.unpack_from(shelf, at)
                found.append(Match(folder, ordinal, inode))
            at = shelf.find(key, at + 1)
        return found


def total_of(batches: Iterable[Batch]) -> int:
    """The number of messages in all batches."""

    return sum(batch.size for batch in batches)
