"""Files that are not mail: Sieve scripts, ACLs, and other files of the home."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cabal_backup.mail_host.files import (
    MAX_DEPTH,
    inode_of,
    lstat,
    names_in,
    open_directory,
    same_content,
)
from cabal_backup.mail_host.folders import Folder, MessageState
from cabal_backup.mail_host.problems import Problems
from cabal_backup.mail_host.trees import Trees


def _has_mail_of_other_format(name: str, parent: int) -> bool:
    """Whether a directory is a folder of LAYOUT=fs (Work/cur) or dbox (dbox-Mails)."""
    try:
        with open_directory(name, parent) as directory:
            return bool({"cur", "new", "dbox-Mails"} & set(names_in(directory)))
    except OSError:
        return False


class OtherFile(NamedTuple):
    """A file that is not a message: a Sieve script, `dovecot-acl`, …"""

    path: str
    """Relative to the user's home."""
    folder: str
    """The directory of its folder; "" also for files outside all folders."""
    state: int
    """MISSING, PRESENT, DIFFERENT, or UNKNOWN."""


def compare_other_files(
    trees: Trees, folders: list[Folder], problems: Problems
) -> Iterator[OtherFile]:
    """Compare the files that are not mail in both homes."""
    are_folders = {found.directory for found in folders}
    for found in folders:
        names = [name for name in found.not_mail if found.directory or name not in are_folders]
        if names:
            path = f"Maildir/{found.directory}/" if found.directory else "Maildir/"
            for name, state in _files_of_folder(trees, found, names, problems):
                yield OtherFile(path + name, found.directory, state)
    home = [name for name in names_in(trees.recovered_home) if not is_regenerated(name)]
    home = [name for name in home if name != "Maildir"]
    home = _without_mail(home, trees.recovered_home, "", problems)
    for name, state in _compare_files(trees, home, trees.recovered_home, trees.home):
        yield OtherFile(name, "", state)


def _without_mail(
    names: Iterable[str], parent: int, directory: str, problems: Problems
) -> list[str]:
    """`names` without the directories with mail of another format, which are reported."""
    plain = []
    for name in names:
        if _has_mail_of_other_format(name, parent):
            problems.add(directory, "a directory with mail that is not a Maildir++ folder", name)
        else:
            plain.append(name)
    return plain


def _files_of_folder(
    trees: Trees, found: Folder, names: Sequence[str], problems: Problems
) -> Iterator[tuple[str, int]]:
    with contextlib.ExitStack() as stack:
        try:
            recovered = stack.enter_context(trees.recovered_folder(found.directory))
            live = None
            if trees.live is not None and found.exists:
                live = stack.enter_context(trees.live_folder(found.directory))
        except OSError:
            yield from ((name, MessageState.UNKNOWN) for name in names)
            return
        plain = _without_mail(names, recovered, found.directory, problems)
        yield from _compare_files(trees, plain, recovered, live)


def _compare_files(
    trees: Trees, names: Iterable[str], recovered: int, live: int | None, depth: int = 0
) -> Iterator[tuple[str, int]]:
    """(path, state) of each of these files, and of the files in these directories."""
    for name in names:
        status = lstat(name, recovered)
        if status is None:
            continue
        if not stat.S_ISDIR(status.st_mode):
            yield name, _state_of_file(name, status, recovered, live)
            continue
        with contextlib.ExitStack() as stack:
            try:
                ours = stack.enter_context(trees.below(name, recovered))
                theirs = None
                if live is not None and lstat(name, live) is not None:
                    theirs = stack.enter_context(trees.below(name, live))
                below = names_in(ours)
            except OSError:
                yield name, MessageState.UNKNOWN
                continue
            if depth == MAX_DEPTH:
                yield name, MessageState.UNKNOWN
                continue
            for path, state in _compare_files(trees, below, ours, theirs, depth + 1):
                yield f"{name}/{path}", state


def _state_of_file(name: str, status: os.stat_result, recovered: int, live: int | None) -> int:
    there = None if live is None else lstat(name, live)
    if live is None or there is None:
        can_be_restored = stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)
        return MessageState.MISSING if can_be_restored else MessageState.UNKNOWN
    if inode_of(there) == inode_of(status):
        return MessageState.PRESENT
    if stat.S_IFMT(there.st_mode) != stat.S_IFMT(status.st_mode):
        return MessageState.DIFFERENT
    if stat.S_ISLNK(status.st_mode):
        same: bool | None = os.readlink(name, dir_fd=recovered) == os.readlink(name, dir_fd=live)
    else:
        same = same_content(name, recovered, name, live)
    return (
        MessageState.UNKNOWN
        if same is None
        else MessageState.PRESENT
        if same
        else MessageState.DIFFERENT
    )


_REGENERATED = re.compile(
    r"dovecot\.(index|list\.index|mailbox\.log)|dovecot-(uidlist|uidvalidity|acl-list)"
    r"|(fts|lucene|xapian)-|\.nfs|\.temp\.|\.dovecot\.lda-dupes|.*\.lock\Z"
)
"""Dovecot's own files, which it recreates, and its locks."""

_MERGED = {"cur", "new", "tmp", "maildirfolder", "maildirsize", "subscriptions", "dovecot-keywords"}
"""Parts of a folder that are not merged by moving the file, or not at all."""


def is_regenerated(name: str) -> bool:
    """Whether Dovecot makes this file again by itself."""
    return _REGENERATED.match(name) is not None


def is_disposable(name: str) -> bool:
    """Whether a name in a folder is not mail, and its loss does not matter."""
    return name in _MERGED or is_regenerated(name)
