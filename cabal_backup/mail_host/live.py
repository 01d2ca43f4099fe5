"""Compares the messages in the mailbox today with the restored ones."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from cabal_backup.mail_host.dovecot import other_identities, read_uidlist
from cabal_backup.mail_host.files import BATCH_SIZE, open_directory, same_content
from cabal_backup.mail_host.folders import (
    NOT_FOLDERS,
    PLACES,
    Folder,
    Index,
    Match,
    MessageState,
    dot_entries,
    messages_in,
)
from cabal_backup.mail_host.mail_names import identity_of
from cabal_backup.mail_host.trees import Trees


class _Candidate:
    """A message of the mailbox that can be the same as restored ones: they have its name."""

    __slots__ = ("claimed", "elsewhere", "here", "inode", "name", "place")

    def __init__(self, place: str, name: str, inode: int, claimed: bool) -> None:
        self.place = place
        self.name = name
        self.inode = inode
        self.claimed = claimed
        """Whether `dovecot-uidlist` relates it to one of them."""
        self.here: list[Match] = []
        """The restored messages that were in the same folder."""
        self.elsewhere: list[Match] = []


class _Pair(NamedTuple):
    """A restored message, and a message of the mailbox that can be the same."""

    match: Match
    candidate: _Candidate


class _ComparedPair(NamedTuple):
    pair: _Pair
    same: bool | None
    """Whether both have the same content; None if it is unknown."""


_MAX_CANDIDATES = 1 << 16
"""Candidates in memory until their contents are compared: 15 MB."""


class LiveScan:
    """Marks in the restored folders what the mailbox has today.

    If a file is renamed while its directory is read (Dovecot renames to change flags), the
    reader can miss it, and the message would be restored a second time. So directories that
    changed are read again, until no directory changes.
    """

    def __init__(
        self,
        trees: Trees,
        pool: ThreadPoolExecutor,
        folders: list[Folder],
        index: Index,
        readers: int,
    ) -> None:
        self._trees = trees
        self._pool = pool
        self._folders = folders
        self._index = index
        self._readers = readers
        self._numbers: dict[str, int] = {}
        self._own = {found.directory: number for number, found in enumerate(folders)}
        self.unreadable: dict[str, str] = {}
        """Folders that could not be read, and why. Messages moved there are not known."""

    def run(self, notes: list[str]) -> list[str]:
        """The folders of the mailbox, as they are numbered in `elsewhere`."""
        seen: dict[str, tuple[int, ...]] = {}
        for _ in range(8):
            now = self._changed_at()
            changed = [directory for directory in now if now[directory] != seen.get(directory)]
            if not changed:
                break
            for directory in changed:
                self._numbers.setdefault(directory, len(self._numbers))
            list(self._pool.map(self._read_folder, changed))
            seen.update(now)
        else:
            notes.append(
                "The mailbox kept changing: messages that just moved may be restored twice."
            )
        for found in self._folders:
            found.exists = found.directory in seen or found.directory in self.unreadable
        marks = set().union(*(found.elsewhere for found in self._folders))
        marked = [f for f in self._folders if self._numbers.get(f.directory, -1) + 1 in marks - {0}]
        list(self._pool.map(self._unmark_copies, marked))
        return list(self._numbers)

    def _unmark_copies(self, found: Folder) -> None:
        """Remove the marks of messages that were in this folder at the time of the backup, too.

        Such a message is a copy (Dovecot gives a copy the name of the original). An earlier
        run may have moved its file from the recovery, but `dovecot-uidlist` still lists it.
        """
        number = self._numbers[found.directory] + 1
        with self._trees.recovered_folder(found.directory) as folder:
            for lines in read_uidlist(folder):
                for line in lines.split(b"\n"):
                    name = os.fsdecode(line.partition(b" :")[2])
                    for other, ordinal, _ in self._index.find(identity_of(name)) if name else ():
                        if self._folders[other].elsewhere[ordinal] == number:
                            self._folders[other].elsewhere[ordinal] = 0

    def _changed_at(self) -> dict[str, tuple[int, ...]]:
        """When `new` and `cur` of each folder were last changed."""
        if self._trees.live is None:
            return {}
        directories, others = dot_entries(self._trees.live)
        for name in others:
            if not NOT_FOLDERS.match(name):
                self.unreadable[name] = "it is a symbolic link, or not a directory"

        directories.insert(0, "")
        times = self._pool.map(self._times, directories)
        return {directory: next(times) for directory in directories}

    def _times(self, directory: str) -> tuple[int, ...]:
        times = []
        for place in PLACES:
            with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
                folder = stack.enter_context(self._trees.live_folder(directory))
                times.append(
                    os.fstat(stack.enter_context(open_directory(place, folder))).st_mtime_ns
                )
        return tuple(times)

    def _read_folder(self, directory: str) -> None:
        """Read one folder of the mailbox, and mark the restored messages that it has."""
        candidates: list[_Candidate] = []
        own = self._own.get(directory, -1)
        try:
            with self._trees.live_folder(directory) as folder:
                others = other_identities(folder)
                # `new` first: a message moves from there to `cur`, never back.
                for place in reversed(PLACES):
                    with contextlib.suppress(FileNotFoundError):
                        for name, inode, regular in messages_in(folder, place):
                            if not regular:
                                continue
                            identity = identity_of(name)
                            matches = self._index.find(identity)
                            guid = others.get(identity)
                            if guid is not None:
                                matches = matches + self._index.find(guid)
                            if matches:
                                candidate = _Candidate(place, name, inode, guid is not None)
                                if self._mark(matches, own, candidate):
                                    candidates.append(candidate)
                            if len(candidates) >= _MAX_CANDIDATES:
                                self._settle(directory, folder, candidates)
                self._settle(directory, folder, candidates)
        except FileNotFoundError:
            pass  # deleted during the run: the next round does not find it
        except OSError as error:
            self.unreadable[directory] = error.strerror or str(error)

    def _mark(self, matches: list[Match], own: int, candidate: _Candidate) -> bool:
        """Mark the restored message that is the same file; else add those that can be the same.

        `own` is the number of the restored folder of the same name. If the message was in
        this folder at the time of the backup, too, it is a copy that stayed here, and says
        nothing about copies in other folders. Returns whether contents must be compared.
        """
        known = False
        for match in matches:
            if match.folder != own:
                candidate.elsewhere.append(match)
                continue
            states = self._folders[own].here
            if match.inode == candidate.inode:
                states[match.ordinal] = MessageState.LINKED
                return False
            if states[match.ordinal] == MessageState.PRESENT:  # since an earlier round
                known = True
            else:
                candidate.here.append(match)
        if known:
            candidate.elsewhere.clear()
        return bool(candidate.here or candidate.elsewhere)

    def _settle(self, directory: str, folder: int, candidates: list[_Candidate]) -> None:
        """Compare contents where both trees have the name; then forget the candidates."""
        here = [_Pair(match, candidate) for candidate in candidates for match in candidate.here]
        for (match, candidate), same in self._compare(folder, here):
            states = self._folders[match.folder].here
            if same:
                states[match.ordinal] = MessageState.PRESENT
                candidate.elsewhere.clear()
            elif states[match.ordinal] not in (
                MessageState.PRESENT,
                MessageState.LINKED,
                MessageState.TWIN,
            ):
                differs = MessageState.CLAIMED if candidate.claimed else MessageState.DIFFERENT
                states[match.ordinal] = MessageState.UNKNOWN if same is None else differs
        elsewhere = [
            _Pair(match, candidate) for candidate in candidates for match in candidate.elsewhere
        ]
        for (match, _), same in self._compare(folder, elsewhere):
            if same:
                number = self._numbers[directory] + 1
                self._folders[match.folder].elsewhere[match.ordinal] = number
        candidates.clear()

    def _compare(self, folder: int, pairs: list[_Pair]) -> list[_ComparedPair]:
        """Compare the contents of each pair, by batches, to decompress each only once."""
        batches: dict[tuple[int, int], list[_Pair]] = {}
        for pair in pairs:
            number = pair.match.folder
            key = number, self._folders[number].batch_of(pair.match.ordinal)
            batches.setdefault(key, []).append(pair)
        size = BATCH_SIZE if self._readers == 1 else max(2, len(pairs) // self._readers)
        pieces = [
            (*key, some[at : at + size])
            for key, some in batches.items()
            for at in range(0, len(some), size)
        ]

        def compare(piece: tuple[int, int, list[_Pair]]) -> list[_ComparedPair]:
            return self._compare_piece(folder, *piece)

        if self._readers == 1 or len(pieces) < 2:
            return [result for piece in pieces for result in compare(piece)]
        with ThreadPoolExecutor(self._readers) as pool:
            return [result for results in pool.map(compare, pieces) for result in results]

    def _compare_piece(
        self, folder: int, number: int, batch_number: int, pairs: list[_Pair]
    ) -> list[_ComparedPair]:
        """The same for pairs whose restored messages are all in one batch."""
        found = self._folders[number]
        batch, start = found.batches[batch_number], found.starts[batch_number]
        names = batch.names()
        results: list[_ComparedPair] = []
        try:
            with contextlib.ExitStack() as stack:
                enter = stack.enter_context
                recovered = enter(self._trees.recovered_folder(found.directory))
                ours = enter(open_directory(batch.place, recovered))
                theirs = {
                    place: enter(open_directory(place, folder))
                    for place in {pair.candidate.place for pair in pairs}
                }
                for pair in pairs:
                    match, candidate = pair
                    same = match.inode == candidate.inode or same_content(
                        names[match.ordinal - start], ours, candidate.name, theirs[candidate.place]
                    )
                    results.append(_ComparedPair(pair, same))
        except OSError:
            results = [_ComparedPair(pair, None) for pair in pairs]
        return results
