"""Reads both trees and compares them. Changes nothing."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from array import array
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from cabal_backup.mail_host.dovecot import is_subscribed, other_identities, parse_keywords
from cabal_backup.mail_host.files import (
    BATCH_SIZE,
    THREADS,
    lstat,
    names_in,
    open_directory,
    read_small,
    same_content,
)
from cabal_backup.mail_host.folders import (
    MAX_NAMESAKES,
    NOT_FOLDERS,
    PLACES,
    Folder,
    Identities,
    Index,
    MessageState,
    Namesake,
    dot_entries,
    messages_in,
    pack,
)
from cabal_backup.mail_host.live import LiveScan
from cabal_backup.mail_host.mail_names import identity_of, some_of
from cabal_backup.mail_host.other_files import OtherFile, compare_other_files, is_disposable
from cabal_backup.mail_host.problems import Problem, Problems, Refused
from cabal_backup.mail_host.trees import Trees, Where, notes_on_failures, staging_name, threads_for


@dataclass
class Survey:
    """The result of `survey_trees` and the input of `plan_merge`."""

    where: Where
    folders: list[Folder]
    live_folders: list[str]
    unreadable: dict[str, str]
    """Folders of the mailbox that could not be read, and why."""
    files: list[OtherFile]
    """Everything that is not a message and that Dovecot does not recreate."""
    uid: int | None
    """The owner of the home directory; None without a home."""
    gid: int | None
    directory_mode: int
    unfinished: bool
    """Whether an earlier merge was stopped before its end."""
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def survey_trees(where: Where) -> Survey:
    """Read the directories of both trees, once, and compare them. Changes nothing.

    Raises Refused if the top of either tree is not a plain directory, and if the restored
    mailbox is not a Maildir++.
    """
    problems = Problems()
    with contextlib.ExitStack() as stack:
        started = time.perf_counter()
        trees = Trees(where, stack)
        readers = threads_for((time.perf_counter() - started) / _CALLS_TO_OPEN_TREES)
        _check_is_maildir(trees)
        notes = notes_on_failures(names_in(trees.mount))
        pool = stack.enter_context(ThreadPoolExecutor(THREADS))
        folders = [Folder(name) for name in _mail_folders(trees, pool, problems)]
        list(pool.map(lambda found: _read_recovered(trees, found, problems), folders))
        index = Index([found.identities for found in folders])
        for found in folders:
            found.identities = Identities()  # to free its memory
        compare = partial(_compare_namesakes, trees, problems)
        list(pool.map(compare, folders, index.namesakes))
        live = LiveScan(trees, pool, folders, index, readers)
        live_folders = live.run(notes)
        for directory, reason in live.unreadable.items():
            problems.add(directory, f"folder of the mailbox cannot be read: {reason}", directory)
        files = list(compare_other_files(trees, folders, problems))
        home = None if trees.home is None else os.fstat(trees.home)
        mode = 0o700
        if trees.live is not None:
            mode = stat.S_IMODE(os.fstat(trees.live).st_mode) & 0o2777
        unfinished = lstat(staging_name(where), trees.recovery) is not None
    return Survey(
        where=where,
        folders=folders,
        live_folders=live_folders,
        unreadable=live.unreadable,
        files=files,
        uid=None if home is None else home.st_uid,
        gid=None if home is None else home.st_gid,
        directory_mode=mode | 0o700,
        unfinished=unfinished,
        problems=problems.all(),
        notes=tuple(notes),
    )


_CALLS_TO_OPEN_TREES = 14
"""The approximate number of file system calls that `Trees` makes."""


def _check_is_maildir(trees: Trees) -> None:
    """Raise Refused if the restored home has a mailbox of another format."""
    maildir = trees.recovered
    there = names_in(trees.recovered_home if maildir is None else maildir)
    if maildir is not None and any(n in ("cur", "new") or n.startswith(".") for n in there):
        return
    if there:
        home = f"{trees.where.recovery}/{trees.where.user}"
        what = "has no Maildir" if maildir is None else "has a Maildir that is not a Maildir++"
        raise Refused(
            f"{home} {what}: it contains {some_of(there)}. Other mailbox formats (mdbox, sdbox, "
            "LAYOUT=fs) are not supported: merge them with Dovecot's doveadm-import(1)."
        )


def _mail_folders(trees: Trees, pool: ThreadPoolExecutor, problems: Problems) -> list[str]:
    """Directories of the restored folders: "" for INBOX, then .A, .A.B, …

    A directory with a leading dot but without `cur` and `new`, such as .notmuch, is not a
    folder.
    """
    if trees.recovered is None:
        return []
    entries = dot_entries(trees.recovered)
    for name in entries.others:
        if not NOT_FOLDERS.match(name):
            problems.add(name, "a folder that is not a directory", name)
    names = entries.directories
    are_folders = pool.map(lambda name: _is_mail_folder(name, trees), names)
    return ["", *(name for name, is_one in zip(names, are_folders) if is_one)]  # noqa: B905 (3.9)


def _is_mail_folder(name: str, trees: Trees) -> bool:
    assert trees.recovered is not None
    try:
        with open_directory(name, trees.recovered) as directory:
            return any(lstat(part, directory) is not None for part in _PARTS)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # its content cannot be read, which is reported later


_PARTS = ("cur", "new", "maildirfolder")


def _read_recovered(trees: Trees, found: Folder, problems: Problems) -> None:
    """Read one folder of the recovery directory."""
    assert trees.recovered is not None

    def read(folder: int, place: str) -> None:
        names: list[str] = []
        inodes: list[int] = []
        try:
            for name, inode, regular in messages_in(folder, place):
                if not regular:
                    hidden = name.startswith(".")
                    reason = "hidden, so not a message" if hidden else "not a regular file"
                    problems.add(found.directory, reason, name)
                    continue
                names.append(name)
                inodes.append(inode)
                if len(names) == BATCH_SIZE:
                    add(place, names, inodes)
                    names, inodes = [], []
        except FileNotFoundError:
            pass
        except OSError as error:
            problems.add(found.directory, f"cannot be read: {error.strerror}", place)
        if names:
            add(place, names, inodes)

    def add(place: str, names: list[str], inodes: list[int]) -> None:
        identities = list(map(identity_of, names))
        found.identities.extend(identities, others, len(found.here), inodes)
        found.here.extend(bytes([MessageState.MISSING]) * len(names))
        found.add(pack(place, names))

    try:
        with trees.recovered_folder(found.directory) as folder:
            found.keywords = parse_keywords(read_small("dovecot-keywords", folder))
            others = other_identities(folder)
            found.not_mail = [name for name in names_in(folder) if not is_disposable(name)]
            for place in PLACES:
                read(folder, place)
    except OSError as error:
        problems.add(found.directory, f"cannot be read: {error.strerror}", found.directory)
    found.elsewhere = array("i", bytes(4 * len(found.here)))
    if found.directory:
        content = read_small("subscriptions", trees.recovered)
        found.subscribed = is_subscribed(content, found.directory)


def _compare_namesakes(
    trees: Trees, problems: Problems, found: Folder, namesakes: list[Namesake]
) -> None:
    """Compare the restored messages of one folder that have the same identity, and set their
    states.
    """
    for namesake in namesakes:
        found.here[namesake.ordinal] = MessageState.SECOND
    if not namesakes:
        return
    directory = found.directory
    try:
        with trees.recovered_folder(directory) as folder:
            for ordinal, earlier in namesakes:
                if len(earlier) < MAX_NAMESAKES:
                    found.here[ordinal] = _compared(found, folder, ordinal, earlier)
                    continue
                found.here[ordinal] = MessageState.UNKNOWN
                _, name = found.path_of(ordinal)
                problems.add(directory, f"more than {MAX_NAMESAKES} have this name", name)
    except OSError as error:
        problems.add(directory, f"cannot be read: {error.strerror}", directory)


def _compared(found: Folder, folder: int, ordinal: int, earlier: Iterable[int]) -> int:
    """TWIN if an earlier message of that name has the same content; else SECOND or UNKNOWN."""
    state = MessageState.SECOND
    place, name = found.path_of(ordinal)
    for other in earlier:
        other_place, other_name = found.path_of(other)
        with open_directory(place, folder) as ours, open_directory(other_place, folder) as theirs:
            same = same_content(name, ours, other_name, theirs)
        if same:
            return MessageState.TWIN
        if same is None:
            state = MessageState.UNKNOWN
    return state
