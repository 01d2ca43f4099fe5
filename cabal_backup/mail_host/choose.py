"""Chooses what a merge will restore: creates the plan."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cabal_backup.mail_host.files import THREADS, lstat, open_directory
from cabal_backup.mail_host.folders import UNMERGED, Batch, Folder, MessageState, pack, total_of
from cabal_backup.mail_host.mail_names import folder_name, is_called, shown
from cabal_backup.mail_host.merge_plan import FolderPlan, MergePlan
from cabal_backup.mail_host.problems import Refused
from cabal_backup.mail_host.survey import Survey
from cabal_backup.mail_host.trees import Trees


@dataclass(frozen=True)
class MergeRequest:
    """What is to be restored of a mailbox."""

    folders: Sequence[str] = ()
    """Names as a mail client shows them; by default all folders, and the files outside folders."""
    since: datetime | None = None
    """The first moment of the delivery times."""
    before: datetime | None = None
    """The end of the delivery times, which is not in the range."""
    restore_moved: bool = False
    """Also messages that are in another folder today, or can be there, because a folder of the
    mailbox could not be read."""
    restore_different: bool = True
    """Also messages whose name the mailbox has with another content."""
    uid: int | None = None
    """The OS uid of a user without a home."""


def plan_merge(survey: Survey, request: MergeRequest = MergeRequest()) -> MergePlan:
    """Choose what to restore, from the result of `survey_trees`.

    Raises Refused for a folder that was not restored, and if the owner is unknown or this process
    cannot set it.
    """
    where = survey.where
    chosen = _choose(survey.folders, request.folders)
    notes = list(survey.notes)
    owner = survey.uid if request.uid is None else request.uid
    group = survey.gid if request.uid is None else request.uid
    if owner is None or group is None:
        raise Refused(
            f"{where.user} has no home under {shown(where.mount)}. Check that the mailstore is "
            "mounted there. To create a new home, give the OS uid (custom:osid) with --uid."
        )
    if owner == 0:
        raise Refused(f"The home of {where.user} belongs to root. Give the OS uid with --uid.")
    if os.geteuid() not in (0, owner):
        raise Refused(f"The files must belong to uid {owner}: run this as root.")
    if survey.uid not in (None, owner):
        notes.append(f"The home belongs to uid {survey.uid}; the messages will belong to {owner}.")
    with contextlib.ExitStack() as stack:
        trees = Trees(where, stack)
        pool = stack.enter_context(ThreadPoolExecutor(THREADS))
        chooser = _Chooser(trees, pool, request)
        plans = tuple(chooser.plan(found, survey) for found in chosen)
    if survey.unreadable and not request.restore_moved:
        notes.append(
            "A folder of the mailbox cannot be read, and missing messages could be there, so none "
            "are restored. Make it readable, or use --moved restore: then messages are restored "
            "even if they are in that folder."
        )
    files = _choose_files(survey, plans, everything=not request.folders)
    return MergePlan(
        where=where,
        uid=owner,
        gid=group,
        directory_mode=survey.directory_mode,
        make_home=survey.uid is None,
        restore_moved=request.restore_moved,
        unfinished=survey.unfinished,
        folders=plans,
        files=files.restore,
        files_left=files.left,
        problems=survey.problems,
        notes=tuple(notes),
    )


def _choose(folders: list[Folder], asked: Sequence[str]) -> list[Folder]:
    for name in asked:
        if not any(is_called(found.directory, name) for found in folders):
            there = ", ".join(shown(folder_name(found.directory)) for found in folders)
            raise Refused(f"The restore has no folder {shown(name)!r}. It has: {there}.")
    return [
        found
        for found in folders
        if not asked or any(is_called(found.directory, name) for name in asked)
    ]


class _FilesPlan(NamedTuple):
    """The paths of files that are not mail."""

    restore: tuple[str, ...]
    left: tuple[str, ...]


def _choose_files(survey: Survey, plans: Sequence[FolderPlan], *, everything: bool) -> _FilesPlan:
    there = {plan.directory: plan.exists or plan.make or not plan.directory for plan in plans}
    restore: list[str] = []
    left: list[str] = []
    for path, folder, state in survey.files:
        chosen = folder in there and (everything or path.startswith("Maildir/"))
        if not chosen or state == MessageState.PRESENT:
            continue
        unread = path.startswith("Maildir/") and folder in survey.unreadable
        can_be = state == MessageState.MISSING and there[folder] and not unread
        (restore if can_be else left).append(path)
    return _FilesPlan(tuple(restore), tuple(left))


class _Chooser:
    """Chooses the messages of each folder that will be restored."""

    def __init__(self, trees: Trees, pool: ThreadPoolExecutor, request: MergeRequest) -> None:
        self._trees = trees
        self._pool = pool
        self._request = request

    def plan(self, found: Folder, survey: Survey) -> FolderPlan:
        moved = Counter(
            place
            for ordinal, place in enumerate(found.elsewhere)
            if place and found.here[ordinal] in UNMERGED
        )
        states = self._states(found)
        missing = _in_state(states, MessageState.MISSING)
        renamed = _in_state(states, MessageState.SECOND)
        different = _in_state(states, MessageState.DIFFERENT)
        if self._request.restore_moved:
            different += _in_state(states, MessageState.CLAIMED)
        unknown = total_of(_in_state(states, MessageState.UNKNOWN))
        if found.directory in survey.unreadable or (
            survey.unreadable and not self._request.restore_moved
        ):
            unknown += total_of((*missing, *renamed, *different))
            missing, renamed, different = [], [], []
        left = 0 if self._request.restore_different else total_of(different)
        renamed += different if self._request.restore_different else []
        restore = tuple(self._in_time(found, missing))
        rename = tuple(self._in_time(found, renamed))
        letters = _letters((*restore, *rename))
        known = [(letter, found.keywords.get(ord(letter) - ord("a"))) for letter in letters]
        filtered = total_of((*missing, *renamed)) - total_of((*restore, *rename))
        wanted = restore or rename or not (found.batches or self._has_dates)
        make = not found.exists and bool(wanted)
        return FolderPlan(
            directory=found.directory,
            exists=found.exists,
            make=make,
            subscribe=make and found.subscribed,
            present=found.count(
                MessageState.PRESENT, MessageState.LINKED, MessageState.TWIN, MessageState.CLAIMED
            ),
            moved=tuple(
                (folder_name(survey.live_folders[n - 1]), count)
                for n, count in sorted(moved.items())
            ),
            filtered=filtered,
            left=left,
            unknown=unknown,
            restore=restore,
            rename=rename,
            finish=tuple(_in_state(states, MessageState.LINKED)),
            keywords=tuple((letter, name) for letter, name in known if name is not None),
            unnamed="".join(letter for letter, name in known if name is None),
        )

    @property
    def _has_dates(self) -> bool:
        return self._request.since is not None or self._request.before is not None

    def _states(self, found: Folder) -> list[tuple[Batch, bytes]]:
        """The batches with the states of their messages.

        A message that is in another folder today counts as present, unless it is restored, too.
        """
        states = []
        for batch, start in zip(found.batches, found.starts):  # noqa: B905 (Python 3.9)
            here = bytes(found.here[start : start + batch.size])
            elsewhere = found.elsewhere[start : start + batch.size]
            if not self._request.restore_moved and any(elsewhere):
                both = zip(here, elsewhere)  # noqa: B905 (Python 3.9)
                here = bytes(
                    MessageState.PRESENT if e and h != MessageState.LINKED else h for h, e in both
                )
            states.append((batch, here))
        return states

    def _in_time(self, found: Folder, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The part of the batches that was delivered in the requested range."""
        if not self._has_dates:
            yield from batches
            return
        for batch in self._pool.map(lambda batch: self._batch_in_time(found, batch), batches):
            if batch.size:
                yield batch

    def _batch_in_time(self, found: Folder, batch: Batch) -> Batch:
        """The messages whose mtime, which is the time of delivery, is in the range."""
        since = float("-inf") if self._request.since is None else self._request.since.timestamp()
        before = float("inf") if self._request.before is None else self._request.before.timestamp()
        names = []
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(self._trees.recovered_folder(found.directory))
            directory = stack.enter_context(open_directory(batch.place, folder))
            for name in batch.names():
                status = lstat(name, directory)
                if status is not None and since <= status.st_mtime < before:
                    names.append(name)
        return pack(batch.place, names)


def _in_state(states: Iterable[tuple[Batch, bytes]], state: int) -> list[Batch]:
    """The messages of one state."""
    chosen = (batch.choose(here, state) for batch, here in states)
    return [batch for batch in chosen if batch is not None]


_KEYWORD_FLAGS = re.compile(r":2,([A-Z]*[a-z][A-Za-z]*)")


def _letters(batches: Iterable[Batch]) -> list[str]:
    """The keyword flags (a to z) that at least one of the messages has."""
    flags: set[str] = set()
    for batch in batches:
        if _KEYWORD_FLAGS.search(batch.text()):
            flags.update(_KEYWORD_FLAGS.findall("/".join(batch.names())))
    return sorted(letter for letter in set("".join(flags)) if "a" <= letter <= "z")
