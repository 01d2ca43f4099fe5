"""What two maildirs hold, message by message and byte by byte."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cabal_backup.operations.drill.record import Check

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PLACES = ("cur", "new")


@dataclass(frozen=True)
class Message:
    """One message as a file."""

    path: Path
    uid: int
    changed: float
    """When its inode last changed: unlike a delivery's time, it cannot be set."""


@dataclass(frozen=True)
class Difference:
    """A restored maildir beside the live one."""

    restored: int
    live: int
    identical: int
    differing: int
    missing: int
    """Live messages, untouched since before the backup, that were not restored."""
    older: int
    """All live messages that are untouched since before the backup."""


Messages = Mapping[tuple[str, str], Message]
"""By folder, and name without the flags; a copy in another folder may have the same name."""


def messages(maildir: Path) -> Messages:
    """The messages in all folders of a maildir."""
    return dict(_messages(maildir))


def compare(restored: Messages, live: Messages, taken: datetime) -> Difference:
    """Read what both have, also where it was moved to another folder since.

    A message that disappears meanwhile is one that live has not.
    """
    anywhere = {base: message for (_, base), message in live.items()}
    identical = differing = 0
    for (folder, base), message in restored.items():
        other = live.get((folder, base)) or anywhere.get(base)
        theirs = None if other is None else _digest(other.path)
        ours = _digest(message.path)
        if theirs is None:
            continue
        if ours == theirs:
            identical += 1
        else:
            differing += 1
    older = [base for (_, base), one in live.items() if one.changed < taken.timestamp()]
    bases = {base for _, base in restored}
    return Difference(
        restored=len(restored),
        live=len(live),
        identical=identical,
        differing=differing,
        missing=sum(base not in bases for base in older),
        older=len(older),
    )


def about(found: Difference) -> list[Check]:
    """What the difference shows. A message never changes, so here nothing is tolerated."""
    return [
        Check("not empty", found.restored > 0, f"{found.restored:,} messages were restored"),
        Check(
            "content",
            found.identical > 0 and not found.differing,
            f"{found.identical:,} are in the mailbox today and identical, {found.differing:,} "
            f"differ; {found.restored - found.identical - found.differing:,} are no longer there",
        ),
        Check(
            "complete",
            not found.missing,
            f"of the {found.older:,} messages of today that are untouched since before the "
            f"backup, {found.missing:,} were not restored",
        ),
    ]


def about_owner(restored: Messages, uid: int) -> Check:
    """Whether the messages belong to whom the mailbox belongs."""
    others = sum(message.uid != uid for message in restored.values())
    return Check("owner", not others, f"{others:,} messages of another owner than the mailbox's")


Digests = Mapping[tuple[str, str], bytes | None]
"""The SHA-256 of each message, by the keys of `Messages`."""


def digests(messages: Messages) -> Digests:
    """Read every message."""
    return {key: _digest(message.path) for key, message in messages.items()}


def about_merge(before: Digests, merged: Messages, uid: int) -> Check:
    """Whether every message arrived in the scratch mailbox, unchanged and as its owner's."""
    absent = len(before.keys() - merged.keys())
    after = digests(merged)
    changed = sum(key in after and after[key] != digest for key, digest in before.items())
    others = sum(message.uid != uid for message in merged.values())
    more = len(merged.keys() - before.keys())
    return Check(
        "merge",
        not (absent or changed or others or more),
        f"{len(merged):,} messages merged into a scratch mailbox, {absent:,} not, {changed:,} with "
        f"another content, {more:,} too many, {others:,} of a wrong owner",
    )


def _messages(maildir: Path) -> Iterator[tuple[tuple[str, str], Message]]:
    for folder in _folders(maildir):
        name = "" if folder == maildir else folder.name
        for entry in (entry for place in _PLACES for entry in _entries(folder / place)):
            if entry.name.startswith(".") or not entry.is_file(follow_symlinks=False):
                continue
            # Deleted or renamed just now: the user reads mail.
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                message = Message(Path(entry.path), status.st_uid, status.st_ctime)
                yield (name, entry.name.partition(":")[0]), message


def _folders(maildir: Path) -> Iterator[Path]:
    yield maildir
    for entry in _entries(maildir):
        if entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
            yield Path(entry.path)


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        if directory.is_symlink():
            return []
        with os.scandir(directory) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _digest(path: Path) -> bytes | None:
    """SHA-256 of a regular file; None when it is not there, or not one, any more."""
    try:
        descriptor = os.open(path, _READ)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return hashlib.file_digest(file, "sha256").digest()
