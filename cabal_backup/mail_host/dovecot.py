"""Dovecot's own files in a Maildir: keywords, subscriptions, the UID list and locks."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from cabal_backup.mail_host.files import READ, Inode, inode_of, lstat, read_small
from cabal_backup.mail_host.mail_names import identity_of, shown

_MAX_LISTED = 256 << 20
"""Bytes of a `dovecot-uidlist` that are read: enough for two million messages."""


def parse_keywords(content: bytes) -> dict[int, str]:
    """The content of `dovecot-keywords`: the keyword of each letter a to z, by its number."""
    found = {}
    for line in content.split(b"\n"):
        number, _, keyword = line.partition(b" ")
        name = os.fsdecode(keyword)
        if number.isdigit() and int(number) < 26 and name and name.isprintable():
            found[int(number)] = name
    return found


def format_keywords(keywords: dict[int, str]) -> bytes:
    """The content of a `dovecot-keywords` with these keywords."""
    return b"".join(b"%d %s\n" % (n, os.fsencode(k)) for n, k in sorted(keywords.items()))


_SUBSCRIPTIONS_2 = b"V\t2\n\n"


def is_subscribed(content: bytes, directory: str) -> bool:
    """Whether a `subscriptions` with this content contains the folder."""
    return _subscription(content, directory) in content.split(b"\n")


def _subscription(content: bytes, directory: str) -> bytes:
    """The line for a folder in a `subscriptions` of the same version as `content`."""
    name = os.fsencode(directory[1:])
    newer = not content or content.startswith(_SUBSCRIPTIONS_2)
    return name.replace(b".", b"\t") if newer else name


def with_subscription(content: bytes, directory: str) -> bytes:
    """The content of `subscriptions` with the folder added."""
    if not content:
        content = _SUBSCRIPTIONS_2
    if not content.endswith(b"\n"):
        content += b"\n"
    return content + _subscription(content, directory) + b"\n"


def other_identities(folder: int) -> dict[str, str]:
    """Identity → identity of the GUID, for messages whose GUID is not their base name.

    Dovecot keeps the base name when it moves a message. Only if the folder had that name
    before (moved away and back), the message gets a new name, and `dovecot-uidlist` keeps
    the old one: `5 G<guid> :<name>`.
    """
    found: dict[str, str] = {}
    for lines in read_uidlist(folder):
        if b" G" in lines:
            found.update(_guids(lines.split(b"\n")))
    return found


def read_uidlist(folder: int) -> Iterator[bytes]:
    """The content of `dovecot-uidlist`, some whole lines at a time; nothing without the file.

    The user can write anything to it: reading ends at `_MAX_LISTED`, and where a line has
    256 KiB, because then Dovecot did not write it.
    """
    try:
        descriptor = os.open("dovecot-uidlist", READ, dir_fd=folder)
    except OSError:
        return
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return
        rest = b""
        for _ in range(_MAX_LISTED >> 18):
            chunk = file.read(1 << 18)
            lines, newline, rest = (rest + chunk).rpartition(b"\n")
            if not newline:
                return
            yield lines


def _guids(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    for line in lines:
        facts, _, name = line.partition(b" :")
        for fact in facts.split(b" ")[1:]:
            if name and fact.startswith(b"G") and len(fact) > 1:
                yield identity_of(os.fsdecode(name)), identity_of(os.fsdecode(fact[1:]))


def adding_keywords(keywords: Sequence[str]) -> Callable[[bytes], bytes]:
    """A function that adds these keywords to the content of `dovecot-keywords`."""

    def grown(content: bytes) -> bytes:
        today = parse_keywords(content)
        for keyword in keywords:
            free = [number for number in range(26) if number not in today]
            if free and keyword.lower() not in {name.lower() for name in today.values()}:
                today[free[0]] = keyword
        return format_keywords(today)

    return grown


STALE_AFTER = 120
"""Seconds after which Dovecot removes a lock, MAILDIR_UIDLIST_LOCK_STALE_TIMEOUT."""


@dataclass(frozen=True)
class DovecotLock:
    """A Dovecot lock file, by the rules of its file_dotlock_create (src/lib/file-dotlock.c).

    On NFS, Dovecot uses mtime. It never removes the lock of a process that is alive on its
    own host. It removes the lock of a dead process at once; this program does not, because a
    container can have the host's name and other process numbers.
    """

    name: str
    inode: Inode
    owner: str
    """`process:host`; empty if the file does not contain it."""
    uid: int
    changed: float
    """When the lock, or the file that it protects, was last changed."""

    @classmethod
    def read(cls, name: str, folder: int) -> DovecotLock | None:
        """The lock; None if it no longer exists."""
        status = lstat(name, folder)
        if status is None:
            return None
        protected = lstat(name[: -len(".lock")], folder)
        changed = status.st_mtime if protected is None else max(status.st_mtime, protected.st_mtime)
        owner = os.fsdecode(read_small(name, folder, at_most=200)).strip()
        return cls(name, inode_of(status), owner, status.st_uid, changed)

    @property
    def is_held_here(self) -> bool:
        """Whether its process is alive on this host."""
        process, _, host = self.owner.partition(":")
        if not process.isdigit() or host != os.uname().nodename:
            return False
        try:
            os.kill(int(process), 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            pass
        return int(process) > 0

    def __str__(self) -> str:
        owner = shown(self.owner) or "unknown"
        return f"{self.name} is held by process {owner}, uid {self.uid}"
