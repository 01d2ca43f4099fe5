"""What is done on the mail host itself to bring restored mail back.

AWS Backup restores files of the mailstore into a directory of their own,
`aws-backup-restore_<datetime>` at the root of a file system. The rest is files moving
from one directory to another, on a host that mounts that file system:

    python3 mail_host.py mailbox merge alice
    python3 mail_host.py mailstore promote --mount /mnt/new

This is one file, of Python 3.9 or newer and its standard library, so that it can be
copied to such a host as it is (`cabal-backup mailbox script` prints it). Both commands
look, show a plan, and carry it out when told to; both can be killed at any moment and
run again.

It runs as root among files that a user controls. So every directory is opened relative
to its parent and never through a symbolic link; nothing is ever overwritten; a file gets
its owner through a descriptor, before it can be seen in the mailbox. A message moves by
link(2), then unlink(2): of the calls that refuse to overwrite, these are the ones NFS has.

A message is in the mailbox when a file of the same folder has its base name and is the
same inode or has the same content. The name alone proves nothing: two messages can have one
base name, and the file in the mailbox can be damaged.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import bisect
import contextlib
import dataclasses
import errno
import fcntl
import hashlib
import io
import itertools
import json
import os
import re
import stat
import struct
import sys
import threading
import time
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import IO, Any, NamedTuple, Optional

EXIT_DONE = 0
"""Done, or nothing to do."""

EXIT_LEFT = 1
"""Done, but something could not be restored and was left where it was; it is listed."""

EXIT_REFUSED = 2
"""Refused, or asked wrongly; nothing was changed."""

EXIT_STOPPED = 3
"""Stopped half-way, nothing lost: mend what the message says and run it again."""

EXIT_NOT_CONFIRMED = 4
"""The plan was shown and not agreed to; nothing was changed."""

EXIT_INTERRUPTED = 130
"""Ctrl-C; nothing lost: run it again."""

RECOVERY = re.compile(r"aws-backup-restore_[0-9A-Za-z.:_-]+\Z")
QUEUES = ("smtp-queue", "smtp-in-queue")
WHY_NOT_QUEUES = "sendmail's queues as they were then: alive again, they send old mail again"

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,127}\Z")
_BATCH = 512
"""Messages moved by one task: the directories are opened and checked once for each."""

_DEPTH = 64
"""Directories in each other that a cleanup follows: more is no mailbox."""

_NAMESAKES = 32
"""Messages of one base name in one folder that are compared with each other."""

_MOST_COMPARED = 256 << 20
"""Bytes of one file that are compared. A larger message is left where it is, and listed."""

_MOST_LISTED = 256 << 20
"""Bytes of a `dovecot-uidlist` that are read: enough for two million messages."""


class Refused(Exception):
    """This will not be done; nothing was changed."""


class Stopped(Exception):
    """It cannot go on, for a reason that concerns more than one message."""


# --------------------------------------------------------------------------------------
# Names, as people see them
# --------------------------------------------------------------------------------------


def shown(name: str) -> str:
    """A file's name fit for a terminal: control characters and stray bytes escaped."""
    return "".join(map(_shown_character, name))


def _shown_character(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # a byte that is no UTF-8, see os.fsdecode
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def folder_name(directory: str) -> str:
    """What a mail client calls a Maildir++ directory: "" is INBOX, ".A.B" is A.B."""
    return _decoded(directory[1:]) if directory else "INBOX"


def _decoded(name: str) -> str:
    """IMAP's modified UTF-7 (RFC 3501, 5.1.3) as text; unchanged if it is none."""

    def plain(match: re.Match[str]) -> str:
        if not match[1]:
            return "&"
        packed = match[1].replace(",", "/")
        return base64.b64decode(packed + "=" * (-len(packed) % 4)).decode("utf-16-be")

    try:
        return re.sub(r"&([^-]*)-", plain, name)
    except (ValueError, binascii.Error):
        return name


def _is_called(directory: str, asked: str) -> bool:
    names = {directory[1:], folder_name(directory)} if directory else {"INBOX"}
    if not directory:
        asked = asked.upper()
    return asked.replace("/", ".") in {name.replace("/", ".") for name in names}


_ONLY_SIZES = re.compile(r"[SWU]=[0-9]+(?:,[SWU]=[0-9]+)*(?::|\Z)").match
_FIELDS = re.compile(r",(?:[SWU]=[0-9]+|R=[0-9a-f]{32})(?=,|\Z)")


def _identity(name: str) -> str:
    """What the names of one message have in common, whatever happened to it since.

    Its base name, which is the file's name without the flags, and without the fields that
    programs add and remove: `,S=` and `,W=` (Dovecot: the size), `,U=` (mbsync and
    OfflineIMAP: the UID) and our own `,R=`, see `_new_name`. Two messages can have the same
    identity: only their content can tell.
    """
    stem, _, fields = name.partition(",")
    if ":" not in stem and _ONLY_SIZES(fields):
        return stem
    base = name.partition(":")[0]
    return _FIELDS.sub("", base) if "," in base else base


def _new_name(name: str, digest: str) -> str:
    """A base name of its own for a message whose name another message has.

    It ends in `,R=<digest of the content>`, so that a run that is repeated chooses it again,
    and recognizes the message by it.
    """
    base, colon, info = name.partition(":")
    fields = [field for field in base.split(",") if not re.fullmatch("R=[0-9a-f]{32}", field)]
    return f"{','.join(fields)},R={digest}{colon}{info}"


class Problem(NamedTuple):
    """One reason for which files of one folder were left where they are."""

    folder: str
    reason: str
    files: int
    examples: tuple[str, ...]
    """Names of up to three of the files."""

    def __str__(self) -> str:
        names = ", ".join(map(shown, self.examples))
        more = ", …" if self.files > len(self.examples) else ""
        return f"{shown(self.folder)}: {self.files} left: {self.reason} ({names}{more})"


class _Problems:
    """Counts problems, so that a million of them take no more room than a few."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[Any]] = {}
        self._lock = threading.Lock()

    def add(self, directory: str, reason: str, name: str, count: int = 1) -> None:
        with self._lock:
            entry = self._found.setdefault((folder_name(directory), reason), [0, []])
            entry[0] += count
            if len(entry[1]) < 3:
                entry[1].append(name)

    def all(self) -> tuple[Problem, ...]:
        with self._lock:
            found = sorted(self._found.items())
        return tuple(Problem(*key, count, tuple(names)) for key, (count, names) in found)


# --------------------------------------------------------------------------------------
# Directories, opened one level at a time and never through a link
# --------------------------------------------------------------------------------------

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Inode(NamedTuple):
    """Which file something is, whatever it is called."""

    device: int
    number: int


class _Name(NamedTuple):
    """A name in an open directory."""

    name: str
    parent: int


def _inode(status: os.stat_result) -> Inode:
    return Inode(status.st_dev, status.st_ino)


def _lstat(name: str, parent: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _opened(name: str, parent: int) -> Iterator[int]:
    """A descriptor of the directory `name` in `parent`. OSError if it is anything else."""
    descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _opened_mount(mount: str) -> Iterator[int]:
    """A descriptor of the mount point. Its path is the operator's: links are followed."""
    try:
        descriptor = os.open(mount, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"{shown(mount)}: {error.strerror}. Say with --mount where it is.") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _names(directory: int) -> list[str]:
    with os.scandir(directory) as entries:
        return sorted(entry.name for entry in entries)


def _contents(name: str, parent: int, *, at_most: int = 1 << 20) -> bytes:
    """What a small regular file of one name holds; nothing if it is anything else."""
    try:
        descriptor = os.open(name, _READ, dir_fd=parent)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            return b""
        return file.read(at_most)


def _same_content(name: str, parent: int, other: str, other_parent: int) -> bool | None:
    """Whether two files hold the same bytes; None when that cannot be found out.

    It cannot where one of them cannot be read, or is larger than `_MOST_COMPARED`.
    """
    try:
        ours = os.open(name, _READ, dir_fd=parent)
        try:
            theirs = os.open(other, _READ, dir_fd=other_parent)
            try:
                return _same_bytes(ours, theirs)
            finally:
                os.close(theirs)
        finally:
            os.close(ours)
    except OSError:
        return None


def _same_bytes(first: int, second: int) -> bool | None:
    compared, size = 0, 1 << 15
    while compared <= _MOST_COMPARED:
        ours, theirs = os.read(first, size), os.read(second, size)
        if ours != theirs:
            cut_short = len(ours) != len(theirs)
            same_size = cut_short and os.fstat(first).st_size == os.fstat(second).st_size
            return None if same_size else False
        if len(ours) < size:
            return True
        compared, size = compared + size, 1 << 20
    return None


def _digest_of(descriptor: int) -> str:
    """32 hexadecimal digits that stand for the content of an open file."""
    digest = hashlib.blake2b(digest_size=16)
    read = 0
    while chunk := os.pread(descriptor, 1 << 20, read):
        read += len(chunk)
        if read > _MOST_COMPARED:
            raise OSError(errno.EFBIG, "too large to be given a new name")
        digest.update(chunk)
    return digest.hexdigest()


_DESCRIPTORS = "/proc/self/fd"
_HAS_DESCRIPTORS = os.access(_DESCRIPTORS, os.X_OK)


def _link_open_file(descriptor: int, source: _Name, to: _Name) -> None:
    """Give the open file, which `source` named when it was opened, another name.

    On Linux the file itself is linked, by way of /proc, whatever `source` names by now.
    Elsewhere the name has to be resolved once more, and the new name is removed again if
    it turns out to be another file's: between the two calls that file has the new name.
    """
    if _HAS_DESCRIPTORS:
        os.link(f"{_DESCRIPTORS}/{descriptor}", to.name, dst_dir_fd=to.parent)
        return
    os.link(
        source.name,
        to.name,
        src_dir_fd=source.parent,
        dst_dir_fd=to.parent,
        follow_symlinks=False,
    )
    there = _lstat(to.name, to.parent)
    if there is None or _inode(there) != _inode(os.fstat(descriptor)):
        os.unlink(to.name, dir_fd=to.parent)
        raise OSError(errno.EAGAIN, "was replaced meanwhile")


def _mount_id(descriptor: int) -> str:
    """Which mount an open directory was reached through; "" where that is not known.

    A bind mount of the same file system has the same device, and another id (proc(5),
    /proc/pid/fdinfo). Systems without it have the comparison of devices only.
    """
    path = f"/proc/self/fdinfo/{descriptor}"
    with contextlib.suppress(OSError), open(path) as file:  # noqa: PTH123 (no pathlib: slow to load)
        for line in file:
            if line.startswith("mnt_id:"):
                return line.strip()
    return ""


def _mounts_below(directory: int) -> list[str]:
    """Paths of what is mounted below an open directory (proc(5), /proc/pid/mountinfo)."""
    try:
        top = os.readlink(f"{_DESCRIPTORS}/{directory}") + "/"  # noqa: PTH115
        with open("/proc/self/mountinfo", "rb") as file:  # noqa: PTH123
            points = [os.fsdecode(line.split(b" ")[4]) for line in file]
    except OSError:
        return []
    plain = (re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), p) for p in points)
    return sorted(point for point in plain if point.startswith(top))


def _refuse_mounts(name: str, parent: int) -> None:
    """Raise Refused if anything is mounted on or below a directory that is to be removed."""
    with _opened(name, parent) as directory:
        below = _mounts_below(directory)
        here = os.fstat(directory).st_dev != os.fstat(parent).st_dev
        if here or _mount_id(directory) != _mount_id(parent):
            below.insert(0, name)
    if below:
        raise Refused(
            f"{', '.join(map(shown, below[:5]))}: a mount. Removing {shown(name)} would remove "
            "what is mounted there, too. Nothing was removed. Unmount it and run this again."
        )


def _remove_tree(
    name: str, parent: int, pool: ThreadPoolExecutor | None = None, depth: int = 0
) -> None:
    """Remove a directory and all in it; a symbolic link in it goes, what it names stays.

    Raises Stopped at a mount point, and leaves what is mounted there.
    """
    if depth > _DEPTH:
        raise Stopped(f"{shown(name)}: more than {_DEPTH} directories in each other; left there.")
    with _opened(name, parent) as directory:
        if _mount_id(directory) != _mount_id(parent):
            raise Stopped(f"{shown(name)} is a mount point; what is mounted there was left.")
        files: list[str] = []
        below: list[str] = []
        with os.scandir(directory) as entries:
            for entry in entries:
                is_directory = entry.is_dir(follow_symlinks=False)
                (below if is_directory else files).append(entry.name)

        def remove(names: Sequence[str]) -> None:
            for file in names:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(file, dir_fd=directory)

        batches = (files[at : at + _BATCH] for at in range(0, len(files), _BATCH))
        list(map(remove, batches) if pool is None else pool.map(remove, batches))
        for child in below:
            _remove_tree(child, directory, pool, depth + 1)
    os.rmdir(name, dir_fd=parent)


def remove_directory(mount: str, name: str) -> None:
    """Remove a directory at the mount's root and all in it; nothing if it is not there.

    Raises Refused, before anything is removed, if something is mounted on or below it.
    """
    with _opened_mount(mount) as root:
        if _lstat(name, root) is not None:
            _refuse_mounts(name, root)
            _remove_tree(name, root)


# --------------------------------------------------------------------------------------
# Many names in little room
# --------------------------------------------------------------------------------------


class Batch(NamedTuple):
    """Names of messages of one folder, compressed: a million plain ones are 100 MB."""

    place: str
    """`new` or `cur`."""
    size: int
    packed: bytes

    def names(self) -> list[str]:
        """The names, in the order of the directory."""
        return self.text().split("/")

    def text(self) -> str:
        """The names, with a "/" between them."""
        return os.fsdecode(zlib.decompress(self.packed))


def _packed(place: str, names: Iterable[str]) -> Iterator[Batch]:
    """Batches of `names`; "/" separates them, which no name can hold."""
    some: list[str] = []
    for name in names:
        some.append(name)
        if len(some) == _BATCH:
            yield Batch(place, _BATCH, zlib.compress(os.fsencode("/".join(some)), 1))
            some.clear()
    if some:
        yield Batch(place, len(some), zlib.compress(os.fsencode("/".join(some)), 1))


class _Match(NamedTuple):
    """A message of the recovery directory."""

    folder: int
    ordinal: int
    inode: int


class _Index:
    """Where each identity is in the recovery directory, in 24 bytes each.

    Identities are kept as Python's hash of them, whose key nobody knows. If two had one hash,
    their contents would be compared, and found to differ.
    """

    _KEY = struct.Struct("<q").pack
    _RECORD = struct.Struct("<qQII")
    _SHELVES = 1 << 12

    def __init__(self) -> None:
        self._shelves = [bytearray() for _ in range(self._SHELVES)]

    def add(self, identity: str, folder: int, ordinal: int, inode: int) -> int:
        """Remember a message; how many of that identity the folder had already.

        It is not remembered if these are `_NAMESAKES`.
        """
        number = hash(identity)
        shelf, key = self._shelves[number % self._SHELVES], self._KEY(number)
        there = 0
        if key in shelf:
            there = sum(match.folder == folder for match in self._on(shelf, key))
        if there < _NAMESAKES:
            shelf += self._RECORD.pack(number, inode, folder, ordinal)
        return there

    def find(self, identity: str) -> list[_Match]:
        """Each message with that identity."""
        number = hash(identity)
        shelf, key = self._shelves[number % self._SHELVES], self._KEY(number)
        return self._on(shelf, key) if key in shelf else []

    def _on(self, shelf: bytearray, key: bytes) -> list[_Match]:
        found: list[_Match] = []
        at = shelf.find(key)
        while at >= 0:
            if at % self._RECORD.size == 0:
                _, inode, folder, ordinal = self._RECORD.unpack_from(shelf, at)
                found.append(_Match(folder, ordinal, inode))
            at = shelf.find(key, at + 1)
        return found


# --------------------------------------------------------------------------------------
# Dovecot's own lists
# --------------------------------------------------------------------------------------


def _keywords(content: bytes) -> dict[int, str]:
    """`dovecot-keywords`: which keyword the letters a to z stand for, by their number."""
    found = {}
    for line in content.split(b"\n"):
        number, _, keyword = line.partition(b" ")
        name = os.fsdecode(keyword)
        if number.isdigit() and int(number) < 26 and name and name.isprintable():
            found[int(number)] = name
    return found


def _keywords_file(keywords: dict[int, str]) -> bytes:
    return b"".join(b"%d %s\n" % (n, os.fsencode(k)) for n, k in sorted(keywords.items()))


_SUBSCRIPTIONS_2 = b"V\t2\n\n"


def _is_subscribed(content: bytes, directory: str) -> bool:
    return _subscription(content, directory) in content.split(b"\n")


def _subscription(content: bytes, directory: str) -> bytes:
    """The line for a folder in a `subscriptions` of the same version as `content`."""
    name = os.fsencode(directory[1:])
    newer = not content or content.startswith(_SUBSCRIPTIONS_2)
    return name.replace(b".", b"\t") if newer else name


def _subscribed(content: bytes, directory: str) -> bytes:
    """`content` with the folder in it."""
    if not content:
        content = _SUBSCRIPTIONS_2
    if not content.endswith(b"\n"):
        content += b"\n"
    return content + _subscription(content, directory) + b"\n"


def _other_identities(folder: int) -> dict[str, str]:
    """Identity to identity of the GUID, for messages whose GUID is not their base name.

    Dovecot keeps the base name when it moves a message. Only where a folder has had that
    name before (moved away and back), the message gets a new one and its old one is kept
    in `dovecot-uidlist`: `5 G<guid> :<name>`.
    """
    found: dict[str, str] = {}
    for lines in _uidlist(folder):
        if b" G" in lines:
            found.update(_guids(lines.split(b"\n")))
    return found


def _uidlist(folder: int) -> Iterator[bytes]:
    """`dovecot-uidlist`, some whole lines at a time; nothing if there is none.

    The user can have made it anything: reading ends at `_MOST_LISTED`, and where 256 KiB
    are one line, because then it is no list of Dovecot's.
    """
    try:
        descriptor = os.open("dovecot-uidlist", _READ, dir_fd=folder)
    except OSError:
        return
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return
        rest = b""
        for _ in range(_MOST_LISTED >> 18):
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
                yield _identity(os.fsdecode(name)), _identity(os.fsdecode(fact[1:]))


# --------------------------------------------------------------------------------------
# Look: what is in the two trees
# --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Where:
    """The two trees: `<mount>/<recovery>/<user>/Maildir` and `<mount>/<user>/Maildir`."""

    mount: str
    recovery: str
    user: str


def check_user(user: str) -> None:
    """Raises Refused for what is no user's name: one plain directory at the mount's root."""
    if not _USER.match(user) or user in QUEUES or user.startswith("aws-backup-"):
        raise Refused(f"{shown(user)!r} is no user's name: one directory at the mount's root.")


def find_recovery(mount: str, user: str, recovery: str | None = None) -> Where:
    """The recovery directory that holds `user`: the only one, or the one named.

    Raises Refused for a name that is no user's, and if there is none or more than one.
    """
    check_user(user)
    if recovery is not None and not RECOVERY.match(recovery):
        raise Refused(f"{shown(recovery)!r} is no recovery directory: aws-backup-restore_….")
    with _opened_mount(mount) as root:
        there = [name for name in _names(root) if RECOVERY.match(name)]
        candidates = there if recovery is None else [name for name in there if name == recovery]
        holding = [name for name in candidates if _holds(root, name, user)]
    if len(holding) == 1:
        return Where(mount, holding[0], user)
    if holding:
        raise Refused(f"More than one restore holds {user}: {', '.join(holding)}. Say --recovery.")
    seen = f"There is {', '.join(there)}." if there else "There is no aws-backup-restore_… at all."
    raise Refused(
        f"No recovery directory with {user} in it under {shown(mount)}. {seen} Has the restore "
        "job completed, and into this file system?"
    )


def _holds(root: int, recovery: str, user: str) -> bool:
    try:
        with _opened(recovery, root) as directory:
            return _lstat(user, directory) is not None
    except OSError:
        return False


class _Trees:
    """The directories at the top of both trees, open; and a check that they still are."""

    def __init__(self, where: Where, stack: contextlib.ExitStack) -> None:
        self.where = where
        self._stack = stack
        self._links: list[tuple[int, str, Inode]] = []
        self.mount = stack.enter_context(_opened_mount(where.mount))
        self.device = os.fstat(self.mount).st_dev
        self._mount_id = _mount_id(self.mount)
        try:
            self.recovery = self._enter(where.recovery, self.mount)
            self.recovered_home = self._enter(where.user, self.recovery)
            self.recovered = self._enter_if_there("Maildir", self.recovered_home)
        except OSError as error:
            raise Refused(
                f"{where.recovery}/{where.user}/Maildir is not one plain directory in the other: "
                f"{error.strerror}."
            ) from error
        try:
            self.home = self._enter_if_there(where.user, self.mount)
            self.live = None if self.home is None else self._enter_if_there("Maildir", self.home)
        except OSError as error:
            raise Refused(
                f"{shown(where.mount)}/{where.user}/Maildir is not a plain directory in a plain "
                f"home: {error.strerror}. Nothing is done through links."
            ) from error

    def _enter_if_there(self, name: str, parent: int) -> int | None:
        return None if _lstat(name, parent) is None else self._enter(name, parent)

    def _enter(self, name: str, parent: int) -> int:
        descriptor = self._stack.enter_context(_opened(name, parent))
        self._check_mount(descriptor, name)
        self._links.append((parent, name, _inode(os.fstat(descriptor))))
        return descriptor

    def _check_mount(self, descriptor: int, name: str) -> None:
        other = os.fstat(descriptor).st_dev != self.device
        if other or _mount_id(descriptor) != self._mount_id:
            raise OSError(errno.EXDEV, f"{shown(name)} is on another file system or mount")

    def enter_made(self) -> None:
        """Open the home and the Maildir that were made since."""
        self.home = self._enter(self.where.user, self.mount) if self.home is None else self.home
        self.live = self._enter("Maildir", self.home) if self.live is None else self.live

    def check(self) -> None:
        """Raise Stopped if any of the directories has been replaced or taken away."""
        for parent, name, inode in self._links:
            status = _lstat(name, parent)
            if status is None or _inode(status) != inode:
                raise Stopped(
                    f"{name} of {self.where.user} was replaced while this ran: somebody else is "
                    "at work here. Find out who, then run this again."
                )

    @contextlib.contextmanager
    def folder(self, directory: str, top: int) -> Iterator[int]:
        """A folder of a Maildir, open; `top` itself for INBOX."""
        if not directory:
            yield top
        else:
            with self.below(directory, top) as descriptor:
                yield descriptor

    @contextlib.contextmanager
    def below(self, name: str, parent: int) -> Iterator[int]:
        """A directory of either tree, open. OSError if it is a link or another mount."""
        with _opened(name, parent) as descriptor:
            self._check_mount(descriptor, name)
            yield descriptor


class _Folder:
    """One folder of the recovery directory, while it is looked at."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.batches: list[Batch] = []
        self.starts: list[int] = []
        """For each batch: the ordinal of its first message."""
        self.not_mail: list[str] = []
        """Files and directories in it that are neither messages nor made again by Dovecot."""
        self.keywords: dict[int, str] = {}
        self.subscribed = False
        self.exists = False
        """Whether the mailbox has it, too."""
        self.here = bytearray()
        """For each message: _MISSING, _PRESENT, … in the same folder today."""
        self.elsewhere = array("i")
        """For each message: 0, or the number of another folder that has it today."""

    def take(self, batches: Iterable[Batch]) -> None:
        """Add batches of messages."""
        for batch in batches:
            last = self.batches[-1].size + self.starts[-1] if self.batches else 0
            self.starts.append(last)
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


_MISSING = 0
"""The mailbox's folder has no message of this identity."""
_PRESENT = 1
"""It has this message: the same content under the same identity."""
_LINKED = 2
"""It has this very file: a run was stopped between link and unlink."""
_TWIN = 3
"""Missing, but under another name in the recovery already (a backup is not taken in one
instant: it can see a message in `new`, and in `cur` a little later)."""
_DIFFERENT = 4
"""The mailbox's folder has the identity with another content: another message, or a damaged
copy of this one."""
_SECOND = 5
"""Missing, and another message of the same identity is in the recovery's folder, too."""
_UNKNOWN = 6
"""The mailbox's folder has the identity, but the contents could not be compared."""

_CLAIMED = 7
"""Dovecot's list says that a file of the mailbox's folder is this message; the content is
another."""

_UNMERGED = (_MISSING, _DIFFERENT, _SECOND, _UNKNOWN, _CLAIMED)
"""What only the recovery directory has, as far as is known."""

_PLACES = ("cur", "new")


@dataclass
class Survey:
    """What `look` found: the input of `plan_merge`, and of no use after it."""

    where: Where
    folders: list[_Folder]
    live_folders: list[str]
    unreadable: dict[str, str]
    """Folders of the mailbox that could not be read, and why."""
    files: list[OtherFile]
    """Everything that is neither a message nor made again by Dovecot."""
    uid: int | None
    """Of the home directory; None without one."""
    gid: int | None
    directory_mode: int
    unfinished: bool
    """Whether an earlier merge was stopped before its end."""
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def look(where: Where, *, threads: int = 16) -> Survey:
    """Read the directories of both trees, once, and compare them. Changes nothing.

    Raises Refused if the top of either tree is not made of plain directories, and if what was
    restored is no Maildir++.
    """
    problems = _Problems()
    index = _Index()
    with contextlib.ExitStack() as stack:
        started = time.perf_counter()
        trees = _Trees(where, stack)
        readers = _threads_for((time.perf_counter() - started) / _CALLS_TO_OPEN_TREES)
        _check_is_maildir(trees)
        notes = _notes_on_failures(_names(trees.mount))
        pool = stack.enter_context(ThreadPoolExecutor(threads))
        folders = [_Folder(name) for name in _mail_folders(trees, pool, problems)]
        list(
            pool.map(
                lambda number: _look_at_recovered(trees, folders[number], number, index, problems),
                range(len(folders)),
            )
        )
        live = _LookAtLive(trees, pool, folders, index, readers)
        live_folders = live.run(notes)
        for directory, reason in live.unreadable.items():
            problems.add(directory, f"in the mailbox, cannot be read: {reason}", directory)
        files = list(_look_at_files(trees, folders, problems))
        home = None if trees.home is None else os.fstat(trees.home)
        mode = 0o700
        if trees.live is not None:
            mode = stat.S_IMODE(os.fstat(trees.live).st_mode) & 0o2777
        unfinished = _lstat(_workshop_name(where), trees.recovery) is not None
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
"""File system calls that `_Trees` makes, about."""


def _check_is_maildir(trees: _Trees) -> None:
    """Raise Refused for a home that was restored and has another format of mailbox."""
    maildir = trees.recovered
    there = _names(trees.recovered_home if maildir is None else maildir)
    if maildir is not None and any(n in ("cur", "new") or n.startswith(".") for n in there):
        return
    if there:
        home = f"{trees.where.recovery}/{trees.where.user}"
        what = "has no Maildir" if maildir is None else "has a Maildir that is no Maildir++"
        raise Refused(
            f"{home} {what}: there is {_some(there)}. Mailboxes of other formats (mdbox, sdbox, "
            "LAYOUT=fs) are not supported: merge them with Dovecot's own doveadm-import(1)."
        )


def _has_mail_of_other_format(name: str, parent: int) -> bool:
    """Whether a directory is a folder of LAYOUT=fs (Work/cur) or of dbox (dbox-Mails)."""
    try:
        with _opened(name, parent) as directory:
            return bool({"cur", "new", "dbox-Mails"} & set(_names(directory)))
    except OSError:
        return False


def _dot_entries(maildir: int) -> tuple[list[str], list[str]]:
    """Directories of a Maildir whose name begins with a dot, and what is no file either."""
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


def _mail_folders(trees: _Trees, pool: ThreadPoolExecutor, problems: _Problems) -> list[str]:
    """Directories of the folders that were restored: "" for INBOX, then .A, .A.B, …

    A directory with a dot that has neither `cur` nor `new`, such as .notmuch, is none.
    """
    if trees.recovered is None:
        return []
    directories, others = _dot_entries(trees.recovered)
    for name in others:
        if not _NOT_FOLDERS.match(name):
            problems.add(name, "a folder that is no directory", name)
    are_folders = pool.map(lambda name: _is_mail_folder(name, trees), directories)
    return ["", *(name for name, is_one in zip(directories, are_folders) if is_one)]  # noqa: B905


def _is_mail_folder(name: str, trees: _Trees) -> bool:
    assert trees.recovered is not None
    try:
        with _opened(name, trees.recovered) as directory:
            return any(_lstat(part, directory) is not None for part in _PARTS)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # and what is in it cannot be read: that is reported


_PARTS = ("cur", "new", "maildirfolder")

_NOT_FOLDERS = re.compile(r"\.(dovecot|notmuch|nfs)")
"""What is in Maildirs by a name with a dot, and is known to be no folder."""


def _messages(folder: int, place: str) -> Iterator[tuple[str, int, bool]]:
    """(name, inode, whether it can be a message) of what is in `new` or `cur`."""
    with _opened(place, folder) as directory, os.scandir(directory) as entries:
        for entry in entries:
            name = entry.name
            if name[0] != ".":
                yield name, entry.inode(), entry.is_file(follow_symlinks=False)
            elif not name.startswith(".nfs"):
                yield name, entry.inode(), False


def _look_at_recovered(
    trees: _Trees, found: _Folder, number: int, index: _Index, problems: _Problems
) -> None:
    assert trees.recovered is not None

    here, seconds = found.here, list[_Second]()

    def remembered(folder: int, place: str) -> Iterator[str]:
        try:
            for name, inode, regular in _messages(folder, place):
                if not regular:
                    hidden = name.startswith(".")
                    reason = "hidden, and so no message" if hidden else "not a regular file"
                    problems.add(found.directory, reason, name)
                    continue
                identity = _identity(name)
                namesakes = index.add(identity, number, len(here), inode)
                if identity in others:
                    index.add(others[identity], number, len(here), inode)
                if namesakes:
                    seconds.append((identity, len(here), namesakes, name))
                here.append(_SECOND if namesakes else _MISSING)
                yield name
        except FileNotFoundError:
            pass
        except OSError as error:
            problems.add(found.directory, f"cannot be read: {error.strerror}", place)

    try:
        with trees.folder(found.directory, trees.recovered) as folder:
            found.keywords = _keywords(_contents("dovecot-keywords", folder))
            others = _other_identities(folder)
            found.not_mail = [name for name in _names(folder) if not _is_disposable(name)]
            for place in _PLACES:
                found.take(_packed(place, remembered(folder, place)))
            for identity, ordinal, count, name in seconds:
                if count >= _NAMESAKES:
                    here[ordinal] = _UNKNOWN
                    problems.add(found.directory, f"more than {_NAMESAKES} have this name", name)
                    continue
                namesakes = (m.ordinal for m in index.find(identity) if m.folder == number)
                earlier = sorted(other for other in namesakes if other < ordinal)
                here[ordinal] = _among_namesakes(found, folder, ordinal, earlier)
    except OSError as error:
        problems.add(found.directory, f"cannot be read: {error.strerror}", found.directory)
    found.elsewhere = array("i", bytes(4 * len(found.here)))
    if found.directory:
        content = _contents("subscriptions", trees.recovered)
        found.subscribed = _is_subscribed(content, found.directory)


_Second = tuple[str, int, int, str]
"""A message whose identity others have: that, its ordinal, how many before it, its name."""


def _among_namesakes(found: _Folder, folder: int, ordinal: int, earlier: Iterable[int]) -> int:
    """_TWIN if a message has the content of an earlier one of its name; _SECOND, or _UNKNOWN."""
    state = _SECOND
    place, name = found.path_of(ordinal)
    for other in earlier:
        other_place, other_name = found.path_of(other)
        with _opened(place, folder) as ours, _opened(other_place, folder) as theirs:
            same = _same_content(name, ours, other_name, theirs)
        if same:
            return _TWIN
        if same is None:
            state = _UNKNOWN
    return state


class _Doubt:
    """A message of the mailbox that may be some of those in the recovery: the same name."""

    __slots__ = ("claimed", "elsewhere", "here", "inode", "name", "place")

    def __init__(self, place: str, name: str, inode: int, claimed: bool) -> None:
        self.place = place
        self.name = name
        self.inode = inode
        self.claimed = claimed
        """Whether it is by Dovecot's list that it may be one of them."""
        self.here: list[_Match] = []
        """Those that were in the same folder."""
        self.elsewhere: list[_Match] = []


_Pair = tuple[_Match, int]
"""A message of the recovery, and the number of the doubt about it."""

_MOST_DOUBTS = 1 << 16
"""Kept until their contents are compared: 15 MB."""


class _LookAtLive:
    """Marks in the folders of the recovery what the mailbox has today.

    A directory that changes while it is read may not show a file that is renamed just then
    (Dovecot renames to change flags), and a missed message would come back twice. So what
    changed is read again, until all directories have been read unchanged.
    """

    def __init__(
        self,
        trees: _Trees,
        pool: ThreadPoolExecutor,
        folders: list[_Folder],
        index: _Index,
        readers: int,
    ) -> None:
        self._trees = trees
        self._pool = pool
        self._folders = folders
        self._index = index
        self._readers = readers
        self._numbers: dict[str, int] = {}
        self.unreadable: dict[str, str] = {}
        """Folders that could not be read, and why. What was moved there is not known."""

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
            list(self._pool.map(self._look, changed))
            seen.update(now)
        else:
            notes.append("The mailbox never stood still: what moved just now may come back twice.")
        for found in self._folders:
            found.exists = found.directory in seen or found.directory in self.unreadable
        marks = set().union(*(found.elsewhere for found in self._folders))
        marked = [f for f in self._folders if self._numbers.get(f.directory, -1) + 1 in marks - {0}]
        list(self._pool.map(self._unmark_copies, marked))
        return list(self._numbers)

    def _unmark_copies(self, found: _Folder) -> None:
        """Take back the marks that a message is in this folder now, if it was then, too.

        Its file need not be in the recovery any more: an earlier run may have moved it from
        there. Dovecot's own list still has it. (A copy in Dovecot has its original's name.)
        """
        number = self._numbers[found.directory] + 1
        assert self._trees.recovered is not None
        with self._trees.folder(found.directory, self._trees.recovered) as folder:
            for lines in _uidlist(folder):
                for line in lines.split(b"\n"):
                    name = os.fsdecode(line.partition(b" :")[2])
                    for other, ordinal, _ in self._index.find(_identity(name)) if name else ():
                        if self._folders[other].elsewhere[ordinal] == number:
                            self._folders[other].elsewhere[ordinal] = 0

    def _changed_at(self) -> dict[str, tuple[int, ...]]:
        """When `new` and `cur` of each folder were last changed."""
        if self._trees.live is None:
            return {}
        directories, others = _dot_entries(self._trees.live)
        for name in others:
            if not _NOT_FOLDERS.match(name):
                self.unreadable[name] = "it is a symbolic link, or no directory"
        directories.insert(0, "")
        times = self._pool.map(self._times, directories)
        return {directory: next(times) for directory in directories}

    def _times(self, directory: str) -> tuple[int, ...]:
        assert self._trees.live is not None
        times = []
        for place in _PLACES:
            with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
                folder = stack.enter_context(self._trees.folder(directory, self._trees.live))
                times.append(os.fstat(stack.enter_context(_opened(place, folder))).st_mtime_ns)
        return tuple(times)

    def _look(self, directory: str) -> None:
        assert self._trees.live is not None
        doubts: list[_Doubt] = []
        try:
            with self._trees.folder(directory, self._trees.live) as folder:
                others = _other_identities(folder)
                # `new` first: a message goes from there to `cur`, never the other way.
                for place in reversed(_PLACES):
                    with contextlib.suppress(FileNotFoundError):
                        for name, inode, regular in _messages(folder, place):
                            if not regular:
                                continue
                            identity = _identity(name)
                            matches = self._index.find(identity)
                            guid = others.get(identity)
                            if guid is not None:
                                matches = matches + self._index.find(guid)
                            if matches:
                                doubt = _Doubt(place, name, inode, guid is not None)
                                self._mark(matches, directory, doubt, doubts)
                            if len(doubts) >= _MOST_DOUBTS:
                                self._settle(directory, folder, doubts)
                self._settle(directory, folder, doubts)
        except FileNotFoundError:
            pass  # deleted meanwhile: the next round will not find it
        except OSError as error:
            self.unreadable[directory] = error.strerror or str(error)

    def _mark(
        self, matches: list[_Match], directory: str, doubt: _Doubt, doubts: list[_Doubt]
    ) -> None:
        """Mark the recovered messages that are this very file; remember those that may be it.

        If it was in this folder at the time of the backup, too, then it is a copy that
        stayed, and says nothing about copies in other folders.
        """
        known = False
        for match in matches:
            found = self._folders[match.folder]
            if found.directory != directory:
                doubt.elsewhere.append(match)
            elif match.inode == doubt.inode:
                found.here[match.ordinal] = _LINKED
                return
            elif found.here[match.ordinal] == _PRESENT:  # since an earlier round
                known = True
            else:
                doubt.here.append(match)
        if known:
            doubt.elsewhere.clear()
        if doubt.here or doubt.elsewhere:
            doubts.append(doubt)

    def _settle(self, directory: str, folder: int, doubts: list[_Doubt]) -> None:
        """Compare contents where a name is in both trees; and forget the doubts."""
        here = [(match, number) for number, d in enumerate(doubts) for match in d.here]
        for (match, number), same in self._compare(folder, doubts, here):
            states = self._folders[match.folder].here
            if same:
                states[match.ordinal] = _PRESENT
                doubts[number].elsewhere.clear()
            elif states[match.ordinal] not in (_PRESENT, _LINKED, _TWIN):
                states[match.ordinal] = (
                    _UNKNOWN if same is None else _CLAIMED if doubts[number].claimed else _DIFFERENT
                )
        elsewhere = [(match, number) for number, d in enumerate(doubts) for match in d.elsewhere]
        for (match, _), same in self._compare(folder, doubts, elsewhere):
            if same:
                number = self._numbers[directory] + 1
                self._folders[match.folder].elsewhere[match.ordinal] = number
        doubts.clear()

    def _compare(
        self, folder: int, doubts: list[_Doubt], pairs: list[_Pair]
    ) -> list[tuple[_Pair, bool | None]]:
        """Whether the files of each pair hold the same; by batches, to unpack each once."""
        batches: dict[tuple[int, int], list[_Pair]] = {}
        for pair in pairs:
            found = self._folders[pair[0].folder]
            batches.setdefault((pair[0].folder, found.batch_of(pair[0].ordinal)), []).append(pair)
        size = _BATCH if self._readers == 1 else max(2, len(pairs) // self._readers)
        pieces = [
            (*key, some[at : at + size])
            for key, some in batches.items()
            for at in range(0, len(some), size)
        ]

        def compare(piece: tuple[int, int, list[_Pair]]) -> list[tuple[_Pair, bool | None]]:
            return self._compare_piece(folder, doubts, *piece)

        if self._readers == 1 or len(pieces) < 2:
            return [result for piece in pieces for result in compare(piece)]
        with ThreadPoolExecutor(self._readers) as pool:
            return [result for results in pool.map(compare, pieces) for result in results]

    def _compare_piece(
        self, folder: int, doubts: list[_Doubt], number: int, batch_number: int, pairs: list[_Pair]
    ) -> list[tuple[_Pair, bool | None]]:
        assert self._trees.recovered is not None
        found = self._folders[number]
        batch, start = found.batches[batch_number], found.starts[batch_number]
        names = batch.names()
        results: list[tuple[_Pair, bool | None]] = []
        try:
            with contextlib.ExitStack() as stack:
                enter = stack.enter_context
                recovered = enter(self._trees.folder(found.directory, self._trees.recovered))
                ours = enter(_opened(batch.place, recovered))
                theirs = {
                    place: enter(_opened(place, folder))
                    for place in {doubts[pair[1]].place for pair in pairs}
                }
                for pair in pairs:
                    doubt, name = doubts[pair[1]], names[pair[0].ordinal - start]
                    same = pair[0].inode == doubt.inode or _same_content(
                        name, ours, doubt.name, theirs[doubt.place]
                    )
                    results.append((pair, same))
        except OSError:
            results = [(pair, None) for pair in pairs]
        return results


class OtherFile(NamedTuple):
    """A file that is not a message: a Sieve script, `dovecot-acl`, …"""

    path: str
    """Below the user's home."""
    folder: str
    """The directory of the folder it is in; "" also for what is in no folder."""
    state: int
    """_MISSING, _PRESENT, _DIFFERENT, or _UNKNOWN."""


def _look_at_files(
    trees: _Trees, folders: list[_Folder], problems: _Problems
) -> Iterator[OtherFile]:
    """Compare what is not mail in both homes."""
    are_folders = {found.directory for found in folders}
    for found in folders:
        names = [name for name in found.not_mail if found.directory or name not in are_folders]
        if names:
            path = f"Maildir/{found.directory}/" if found.directory else "Maildir/"
            for name, state in _files_of_folder(trees, found, names, problems):
                yield OtherFile(path + name, found.directory, state)
    home = [name for name in _names(trees.recovered_home) if not _is_regenerated(name)]
    home = [name for name in home if name != "Maildir"]
    home = _without_mail(home, trees.recovered_home, "", problems)
    for name, state in _compare_files(trees, home, trees.recovered_home, trees.home):
        yield OtherFile(name, "", state)


def _without_mail(
    names: Iterable[str], parent: int, directory: str, problems: _Problems
) -> list[str]:
    """`names` without the directories that hold mail of another format, which are reported."""
    plain = []
    for name in names:
        if _has_mail_of_other_format(name, parent):
            problems.add(directory, "a directory with mail that is no Maildir++ folder", name)
        else:
            plain.append(name)
    return plain


def _files_of_folder(
    trees: _Trees, found: _Folder, names: Sequence[str], problems: _Problems
) -> Iterator[tuple[str, int]]:
    assert trees.recovered is not None
    with contextlib.ExitStack() as stack:
        try:
            recovered = stack.enter_context(trees.folder(found.directory, trees.recovered))
            live = None
            if trees.live is not None and found.exists:
                live = stack.enter_context(trees.folder(found.directory, trees.live))
        except OSError:
            yield from ((name, _UNKNOWN) for name in names)
            return
        plain = _without_mail(names, recovered, found.directory, problems)
        yield from _compare_files(trees, plain, recovered, live)


def _compare_files(
    trees: _Trees, names: Iterable[str], recovered: int, live: int | None, depth: int = 0
) -> Iterator[tuple[str, int]]:
    """(path, state) of each of these files, and of those in these directories."""
    for name in names:
        status = _lstat(name, recovered)
        if status is None:
            continue
        if not stat.S_ISDIR(status.st_mode):
            yield name, _state_of_file(name, status, recovered, live)
            continue
        with contextlib.ExitStack() as stack:
            try:
                ours = stack.enter_context(trees.below(name, recovered))
                theirs = None
                if live is not None and _lstat(name, live) is not None:
                    theirs = stack.enter_context(trees.below(name, live))
                below = _names(ours)
            except OSError:
                yield name, _UNKNOWN
                continue
            if depth == _DEPTH:
                yield name, _UNKNOWN
                continue
            for path, state in _compare_files(trees, below, ours, theirs, depth + 1):
                yield f"{name}/{path}", state


def _state_of_file(name: str, status: os.stat_result, recovered: int, live: int | None) -> int:
    there = None if live is None else _lstat(name, live)
    if live is None or there is None:
        can_be_restored = stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)
        return _MISSING if can_be_restored else _UNKNOWN
    if _inode(there) == _inode(status):
        return _PRESENT
    if stat.S_IFMT(there.st_mode) != stat.S_IFMT(status.st_mode):
        return _DIFFERENT
    if stat.S_ISLNK(status.st_mode):
        same: bool | None = os.readlink(name, dir_fd=recovered) == os.readlink(name, dir_fd=live)
    else:
        same = _same_content(name, recovered, name, live)
    return _UNKNOWN if same is None else _PRESENT if same else _DIFFERENT


_REGENERATED = re.compile(
    r"dovecot\.(index|list\.index|mailbox\.log)|dovecot-(uidlist|uidvalidity|acl-list)"
    r"|(fts|lucene|xapian)-|\.nfs|\.temp\.|\.dovecot\.lda-dupes|.*\.lock\Z"
)
"""Dovecot's own files that it makes again by itself, and its locks."""

_MERGED = {"cur", "new", "tmp", "maildirfolder", "maildirsize", "subscriptions", "dovecot-keywords"}
"""What of a folder is merged in another way than by moving the file, or is of no use."""


def _is_regenerated(name: str) -> bool:
    return _REGENERATED.match(name) is not None


def _is_disposable(name: str) -> bool:
    """Whether a name in a folder is neither mail nor anything that could be missed."""
    return name in _MERGED or _is_regenerated(name)


def _notes_on_failures(at_root: Iterable[str]) -> list[str]:
    """What AWS Backup says with directories beside the recovery directory.

    https://docs.aws.amazon.com/efs/latest/ug/awsbackup.html, "Restore a recovery point".
    """
    return [
        f"{shown(name)} exists: AWS Backup could not place everything. Look into it."
        for name in at_root
        if name.startswith(("aws-backup-failed-restore_", "aws-backup-lost+found"))
    ]


# --------------------------------------------------------------------------------------
# Plan: what will be moved
# --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FolderPlan:
    """What happens to one folder of the recovery directory."""

    directory: str
    exists: bool
    """Whether the mailbox has it."""
    make: bool
    """Whether it will be created."""
    subscribe: bool
    present: int
    """Messages that the mailbox has in this folder, in whatever flag state; and second names."""
    moved: tuple[tuple[str, int], ...]
    """Messages that the mailbox has in another folder: (that folder, how many)."""
    filtered: int
    """Missing messages outside --since and --before."""
    left: int
    """Messages that differ from the mailbox's by their name, and are not wanted."""
    unknown: int
    """Messages of which it is not known whether the mailbox has them; they are left."""
    restore: tuple[Batch, ...] = field(repr=False)
    rename: tuple[Batch, ...] = field(repr=False)
    """Messages to restore by a new name: another message has theirs."""
    finish: tuple[Batch, ...] = field(repr=False)
    """Messages that an earlier run, stopped, had already put into the mailbox."""
    keywords: tuple[tuple[str, str], ...] = ()
    """(letter, keyword) of the flags a to z of the messages to restore."""
    unnamed: str = ""
    """Letters among these flags that the restored `dovecot-keywords` does not explain."""

    @property
    def name(self) -> str:
        """The folder as a mail client shows it."""
        return folder_name(self.directory)

    @property
    def missing(self) -> int:
        """Messages that will be restored."""
        return _total(self.restore) + self.renamed

    @property
    def renamed(self) -> int:
        """How many of them get a new name."""
        return _total(self.rename)

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.restore or self.rename or self.finish or self.make)


def _total(batches: Iterable[Batch]) -> int:
    return sum(batch.size for batch in batches)


@dataclass(frozen=True)
class MergePlan:
    """Everything `merge` will do; str() of it is for people."""

    where: Where
    uid: int
    gid: int
    directory_mode: int
    make_home: bool
    restore_moved: bool
    unfinished: bool
    """Whether an earlier merge was stopped before its end: it is tidied up after."""
    folders: tuple[FolderPlan, ...]
    files: tuple[str, ...]
    """Files that are not mail, and that the user's home does not have: they are restored."""
    files_left: tuple[str, ...]
    """Files that are not mail, and cannot be restored or are another file there today."""
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def missing(self) -> int:
        """Messages that will be restored."""
        return sum(folder.missing for folder in self.folders)

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        changes = any(folder.changes for folder in self.folders)
        return self.unfinished or bool(self.files) or changes

    @property
    def unknown(self) -> int:
        """Messages of which it is not known whether the mailbox has them."""
        return sum(folder.unknown for folder in self.folders)

    def __str__(self) -> str:
        return "\n".join(_plan_lines(self))

    def as_dict(self) -> dict[str, Any]:
        """The plan for --json: all but the messages' names."""
        return {
            "mount": self.where.mount,
            "recovery": self.where.recovery,
            "user": self.where.user,
            "uid": self.uid,
            "gid": self.gid,
            "makes_home": self.make_home,
            "restore": self.missing,
            "folders": [
                {
                    "folder": folder.name,
                    "restore": folder.missing,
                    "present": folder.present,
                    "moved": dict(folder.moved),
                    "filtered": folder.filtered,
                    "renamed": folder.renamed,
                    "different": folder.left,
                    "unknown": folder.unknown,
                    "finish": _total(folder.finish),
                    "create": folder.make,
                    "subscribe": folder.subscribe,
                }
                for folder in self.folders
            ],
            "files": list(self.files),
            "files_left": list(self.files_left),
            "problems": [problem._asdict() for problem in self.problems],
            "notes": list(self.notes),
        }


def _plan_lines(plan: MergePlan) -> Iterator[str]:
    where = plan.where
    yield (
        f"Restore {plan.missing} messages of {where.user}, from {where.recovery} into "
        f"{shown(where.mount)}/{where.user}/Maildir, owner {plan.uid}:{plan.gid}."
    )
    if plan.make_home:
        yield f"{where.user} has no home directory there: it is made."
    if plan.unfinished:
        yield "An earlier merge was stopped before its end: this one finishes it."
    yield f"  {'restore':>9} {'present':>9} {'moved':>9} {'filtered':>9}  folder"
    for folder in plan.folders:
        moved = sum(count for _, count in folder.moved)
        what = [shown(folder.name)]
        if folder.make:
            what.append("(created)" if not folder.subscribe else "(created and subscribed)")
        numbers = (folder.missing, folder.present, moved, folder.filtered)
        yield "  " + " ".join(f"{number:>9}" for number in numbers) + "  " + " ".join(what)
    for folder in plan.folders:
        for to_folder, count in folder.moved:
            then = "restored here as well" if plan.restore_moved else "left there"
            yield f"  {count} of {shown(folder.name)} are in {shown(to_folder)} today: {then}."
        if folder.renamed:
            yield (
                f"  {folder.renamed} of {shown(folder.name)} have the name of another message: "
                "restored under a new name."
            )
        if folder.left:
            yield (
                f"  {folder.left} of {shown(folder.name)} differ from the message that has their "
                "name in the mailbox: left. With --different restore they are restored, too."
            )
        if folder.unknown:
            yield (
                f"  {folder.unknown} of {shown(folder.name)}: it is not known whether the mailbox "
                "has them: left."
            )
        if folder.unnamed:
            yield f"  {shown(folder.name)}: nothing says what keywords {folder.unnamed} were: lost."
    if any(folder.moved for folder in plan.folders) and not plan.restore_moved:
        yield "  With --moved restore they come back to the folder they were in, too."
    for outcome, files in (
        ("restored, because the home has none", plan.files),
        (
            "left, because the home has others of these names or they cannot be read",
            plan.files_left,
        ),
    ):
        if files:
            yield f"  {len(files)} files that are not mail are {outcome}: {_some(files)}."
    yield from (f"  {problem}" for problem in plan.problems)
    yield from (f"  {note}" for note in plan.notes)


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names[:20])) + (", …" if len(names) > 20 else "")


def plan_merge(
    survey: Survey,
    *,
    folders: Sequence[str] = (),
    since: datetime | None = None,
    before: datetime | None = None,
    restore_moved: bool = False,
    restore_different: bool = True,
    uid: int | None = None,
    threads: int = 16,
) -> MergePlan:
    """What to move, given what was found.

    `folders` are names as a mail client shows them; all, without, and then also the files
    in no folder. Dates are of delivery: `since` is in the range, `before` is not.
    `restore_moved`: also messages that are in another folder today, or may be, because a
    folder of the mailbox could not be read. `restore_different`: also messages whose name
    the mailbox has with another content. Raises Refused for a folder that was not restored,
    and when the owner is unknown or cannot be set by this process.
    """
    where = survey.where
    chosen = _choose(survey.folders, folders)
    notes = list(survey.notes)
    owner = survey.uid if uid is None else uid
    group = survey.gid if uid is None else uid
    if owner is None or group is None:
        raise Refused(
            f"{where.user} has no home under {shown(where.mount)}. Is this the mailstore's mount? "
            "If the user is to have one again, give the OS uid (custom:osid) with --uid."
        )
    if owner == 0:
        raise Refused(f"The home of {where.user} belongs to root. Give the OS uid with --uid.")
    if os.geteuid() not in (0, owner):
        raise Refused(f"Files have to be given to uid {owner}: run this as root.")
    if survey.uid not in (None, owner):
        notes.append(f"The home belongs to uid {survey.uid}, the messages will to {owner}.")
    with contextlib.ExitStack() as stack:
        trees = _Trees(where, stack)
        pool = stack.enter_context(ThreadPoolExecutor(threads))
        chooser = _Chooser(
            trees,
            pool,
            since=since,
            before=before,
            restore_moved=restore_moved,
            restore_different=restore_different,
        )
        plans = tuple(chooser.plan(found, survey) for found in chosen)
    if survey.unreadable and not restore_moved:
        notes.append(
            "What was moved to a folder that cannot be read is not known, so nothing that is "
            "missing is restored. Make it readable, or use --moved restore: then messages come "
            "back even if they are in that folder."
        )
    files, files_left = _choose_files(survey, plans, everything=not folders)
    return MergePlan(
        where=where,
        uid=owner,
        gid=group,
        directory_mode=survey.directory_mode,
        make_home=survey.uid is None,
        restore_moved=restore_moved,
        unfinished=survey.unfinished,
        folders=plans,
        files=files,
        files_left=files_left,
        problems=survey.problems,
        notes=tuple(notes),
    )


def _choose(folders: list[_Folder], asked: Sequence[str]) -> list[_Folder]:
    for name in asked:
        if not any(_is_called(found.directory, name) for found in folders):
            there = ", ".join(shown(folder_name(found.directory)) for found in folders)
            raise Refused(f"The restore has no folder {shown(name)!r}. It has: {there}.")
    return [
        found
        for found in folders
        if not asked or any(_is_called(found.directory, name) for name in asked)
    ]


def _choose_files(
    survey: Survey, plans: Sequence[FolderPlan], *, everything: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The files that are not mail to restore, and those to leave."""
    there = {plan.directory: plan.exists or plan.make or not plan.directory for plan in plans}
    restore: list[str] = []
    left: list[str] = []
    for path, folder, state in survey.files:
        chosen = folder in there and (everything or path.startswith("Maildir/"))
        if not chosen or state == _PRESENT:
            continue
        unread = path.startswith("Maildir/") and folder in survey.unreadable
        can_be = state == _MISSING and there[folder] and not unread
        (restore if can_be else left).append(path)
    return tuple(restore), tuple(left)


class _Chooser:
    """Chooses the messages of each folder that are to be restored."""

    def __init__(
        self,
        trees: _Trees,
        pool: ThreadPoolExecutor,
        *,
        since: datetime | None,
        before: datetime | None,
        restore_moved: bool,
        restore_different: bool,
    ) -> None:
        self._trees = trees
        self._pool = pool
        self._since = since
        self._before = before
        self._restore_moved = restore_moved
        self._restore_different = restore_different

    def plan(self, found: _Folder, survey: Survey) -> FolderPlan:
        moved = Counter(
            place
            for ordinal, place in enumerate(found.elsewhere)
            if place and found.here[ordinal] in _UNMERGED
        )
        missing = list(self._in_state(found, _MISSING))
        renamed = list(self._in_state(found, _SECOND))
        different = list(self._in_state(found, _DIFFERENT))
        if self._restore_moved:
            different += self._in_state(found, _CLAIMED)
        unknown = _total(self._in_state(found, _UNKNOWN))
        if found.directory in survey.unreadable or (survey.unreadable and not self._restore_moved):
            unknown += _total((*missing, *renamed, *different))
            missing, renamed, different = [], [], []
        left = 0 if self._restore_different else _total(different)
        renamed += different if self._restore_different else []
        restore = tuple(self._in_time(found, missing))
        rename = tuple(self._in_time(found, renamed))
        letters = _letters((*restore, *rename))
        known = [(letter, found.keywords.get(ord(letter) - ord("a"))) for letter in letters]
        filtered = _total((*missing, *renamed)) - _total((*restore, *rename))
        wanted = restore or rename or not (found.batches or self._has_dates)
        make = not found.exists and bool(wanted)
        return FolderPlan(
            directory=found.directory,
            exists=found.exists,
            make=make,
            subscribe=make and found.subscribed,
            present=found.count(_PRESENT, _LINKED, _TWIN, _CLAIMED),
            moved=tuple(
                (folder_name(survey.live_folders[n - 1]), count)
                for n, count in sorted(moved.items())
            ),
            filtered=filtered,
            left=left,
            unknown=unknown,
            restore=restore,
            rename=rename,
            finish=tuple(self._linked(found)),
            keywords=tuple((letter, name) for letter, name in known if name is not None),
            unnamed="".join(letter for letter, name in known if name is None),
        )

    @property
    def _has_dates(self) -> bool:
        return self._since is not None or self._before is not None

    def _in_state(self, found: _Folder, state: int) -> Iterator[Batch]:
        """The messages of one state; without those that were moved, if these are not wanted."""
        for batch, start in zip(found.batches, found.starts):  # noqa: B905 (Python 3.9)
            here = found.here[start : start + batch.size]
            elsewhere = found.elsewhere[start : start + batch.size]
            if not self._restore_moved and any(elsewhere):
                both = zip(here, elsewhere)  # noqa: B905 (Python 3.9)
                here = bytearray(_PRESENT if e else h for h, e in both)
            yield from _chosen(batch, here, state)

    @staticmethod
    def _linked(found: _Folder) -> Iterator[Batch]:
        for batch, start in zip(found.batches, found.starts):  # noqa: B905 (Python 3.9)
            yield from _chosen(batch, found.here[start : start + batch.size], _LINKED)

    def _in_time(self, found: _Folder, batches: Iterable[Batch]) -> Iterator[Batch]:
        if not self._has_dates:
            yield from batches
            return
        for batches_in_time in self._pool.map(
            lambda batch: list(_packed(batch.place, self._names_in_time(found, batch))), batches
        ):
            yield from batches_in_time

    def _names_in_time(self, found: _Folder, batch: Batch) -> Iterator[str]:
        """Those whose file's mtime, which is the date of delivery, is in the range."""
        assert self._trees.recovered is not None
        since = float("-inf") if self._since is None else self._since.timestamp()
        before = float("inf") if self._before is None else self._before.timestamp()
        with (
            self._trees.folder(found.directory, self._trees.recovered) as folder,
            _opened(batch.place, folder) as directory,
        ):
            for name in batch.names():
                status = _lstat(name, directory)
                if status is not None and since <= status.st_mtime < before:
                    yield name


def _chosen(batch: Batch, states: bytearray, state: int) -> Iterator[Batch]:
    """The part of a batch that is in that state; a batch of its own, or none."""
    count = states.count(state)
    if count == batch.size:
        yield batch
    elif count:
        named = zip(batch.names(), states)  # noqa: B905 (Python 3.9)
        yield from _packed(batch.place, (name for name, its in named if its == state))


_KEYWORD_FLAGS = re.compile(r":2,([A-Z]*[a-z][A-Za-z]*)")


def _letters(batches: Iterable[Batch]) -> list[str]:
    """The keyword flags (a to z) that any of the messages has."""
    flags: set[str] = set()
    for batch in batches:
        flags.update(_KEYWORD_FLAGS.findall(batch.text()))
    return sorted(letter for letter in set("".join(flags)) if "a" <= letter <= "z")


# --------------------------------------------------------------------------------------
# Execute: the messages move
# --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """How far it is."""

    restored: int
    of: int


@dataclass(frozen=True)
class Finished:
    """How it ended; the last event of `merge`."""

    restored: int
    finished: int
    """Messages that an earlier run had put into the mailbox, now gone from the recovery."""
    gone: int
    """Messages that were no longer in the recovery directory when their turn came."""
    problems: tuple[Problem, ...]
    stopped: str | None
    """Why it did not come to its end."""
    files: int = 0
    """Files restored that are not mail."""
    notes: tuple[str, ...] = ()
    """What else was done, in words: stale locks of Dovecot's that were removed."""


class _Tally(NamedTuple):
    restored: int = 0
    finished: int = 0
    gone: int = 0

    def plus(self, other: _Tally) -> _Tally:
        return _Tally(
            self.restored + other.restored, self.finished + other.finished, self.gone + other.gone
        )


_FATAL = {
    errno.ENOSPC: "the file system is full",
    errno.EDQUOT: "the quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.ESTALE: "the file system went away",
    errno.EMFILE: "too many open files",
}


def merge(
    plan: MergePlan, *, threads: int | None = None, lock_wait: float = 30.0
) -> Iterator[Progress | Finished]:
    """Carry out the plan; yields Progress now and then, and Finished at the end.

    `threads` None measures how long a call takes and chooses. `lock_wait`: for how many
    seconds, in total, it waits for locks of Dovecot's. Before anything is moved,
    raises Refused when another merge of this user is running, and Stopped when nothing can
    be written.
    """
    with contextlib.ExitStack() as stack:
        trees = _Trees(plan.where, stack)
        try:
            workshop = stack.enter_context(_workshop(trees))
        except OSError as error:
            raise Stopped(f"{plan.where.recovery}: {error.strerror}.") from error
        yield from _Merge(plan, trees, _Keeper(plan, trees, workshop, lock_wait), threads).run()


_MERGING = ".merging-"


def _workshop_name(where: Where) -> str:
    return f"{_MERGING}{where.user}"


@contextlib.contextmanager
def _workshop(trees: _Trees) -> Iterator[int]:
    """A directory of our own, where what the user shall have is made before he can see it.

    The recovery directory is closed to all but us first: what is in it was the user's, and
    may be changed by him otherwise. A lock keeps a second merge of the same user out.
    """
    if os.geteuid() == 0:
        os.fchown(trees.recovery, 0, 0)
        os.fchmod(trees.recovery, 0o700)
    name = _workshop_name(trees.where)
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=trees.recovery)
    with _opened(name, trees.recovery) as workshop:
        if os.fstat(workshop).st_uid != os.geteuid():
            raise Refused(f"{trees.where.recovery}/{name} is not ours. Look at it; remove it.")
        lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=workshop)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise Refused(f"Another merge of {trees.where.user} is running.") from None
        there = _lstat("lock", workshop)
        if there is None or _inode(there) != _inode(os.fstat(lock)):
            os.close(lock)
            raise Refused(f"Another merge of {trees.where.user} has just ended. Look again.")
        try:
            yield workshop
        finally:
            with contextlib.suppress(OSError, Stopped):
                _remove_tree(name, trees.recovery)
            os.close(lock)


class _Merge:
    """One run of a plan."""

    def __init__(
        self, plan: MergePlan, trees: _Trees, keeper: _Keeper, threads: int | None
    ) -> None:
        self._plan = plan
        self._trees = trees
        self._lists = keeper
        self._threads = threads
        self._problems = _Problems()
        self._stopped: str | None = None

    def run(self) -> Iterator[Progress | Finished]:
        total = _Tally()
        for tally in self._tallies():
            total = total.plus(tally)
            yield Progress(total.restored, self._plan.missing)
        files = self._restore_files()
        if self._stopped is None:
            self._guarded("", self._trees.check)
        if self._trees.live is not None:
            self._guarded("", self._lists.forget_quota)
        yield Finished(*total, self._problems.all(), self._stopped, files, tuple(self._lists.notes))

    def _restore_files(self) -> int:
        """The files that are not mail; how many."""
        restored = 0
        for path in self._plan.files:
            if self._stopped is not None:
                break
            try:
                self._trees.check()
                restored += self._lists.restore_file(path)
            except Stopped as stopped:
                self._stopped = str(stopped)
            except OSError as error:
                self._note("", path, error)
        return restored

    def _tallies(self) -> Iterator[_Tally]:
        self._guarded("", self._lists.make_home)
        self._guarded("", self._lists.take_back_locks)
        if self._stopped is not None:
            return
        tasks = self._tasks()
        if not tasks:
            return
        threads = self._threads
        if threads is None:
            tasks, first = self._with_a_first_few(tasks)
            started = time.perf_counter()
            tally = self._task(*first)
            yield tally
            calls = 3 * (tally.restored + tally.finished) or 1
            threads = _threads_for((time.perf_counter() - started) / calls)
        if threads > 1:
            count = sum(batch.size for _, batch, _, _ in tasks)
            size = min(_BATCH, max(16, count // (4 * threads)))
            if len(tasks) < threads:  # one piece each, if that is possible
                size = min(_BATCH, max(size, -(-count // (threads - len(tasks)))))
            tasks = [piece for task in tasks for piece in _in_pieces(task, size)]
        if threads == 1:
            for task in tasks:
                yield self._task(*task)
            return
        pool = ThreadPoolExecutor(threads)
        try:
            futures: list[Future[_Tally]] = [pool.submit(self._task, *task) for task in tasks]
            tasks.clear()
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            self._stopped = self._stopped or "interrupted"
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _tasks(self) -> list[_Task]:
        """Batches of all folders, dealt in turn: calls in one directory wait for each other."""
        piles: list[list[_Task]] = []
        for folder in self._plan.folders:
            letters = self._prepared(folder) if folder.changes else None
            if letters is not None:
                table = letters if folder.keywords or folder.unnamed else None
                piles.append(
                    [
                        (folder.directory, batch, table, how)
                        for how, batches in (
                            (_FINISH, folder.finish),
                            (_MOVE, folder.restore),
                            (_MOVE_ANEW, folder.rename),
                        )
                        for batch in batches
                    ]
                )
        deepest = max(map(len, piles), default=0)
        return [pile[level] for level in range(deepest) for pile in piles if level < len(pile)]

    @staticmethod
    def _with_a_first_few(tasks: list[_Task]) -> tuple[list[_Task], _Task]:
        first, *others = tasks
        few, *rest = _in_pieces(first, 16)
        return rest + others, few

    def _prepared(self, folder: FolderPlan) -> dict[str, str] | None:
        """Make the folder ready; the letter each keyword has in it today. None: left out."""
        try:
            table = self._lists.prepare(folder)
        except OSError as error:
            if error.errno in _FATAL:
                self._stopped = self._stopped or _FATAL[error.errno]
            reason = f"the folder cannot be prepared: {error.strerror}"
            self._problems.add(folder.directory, reason, "all of it", folder.missing)
            return None
        except Stopped as stopped:
            self._stopped = self._stopped or str(stopped)
            return None
        lost = [name for letter, name in folder.keywords if letter not in table]
        lost += [f"letter {letter}" for letter in folder.unnamed]
        for name in lost:
            self._problems.add(folder.directory, "a keyword that cannot be kept", name)
        return table

    def _guarded(self, directory: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Stopped as stopped:
            self._stopped = self._stopped or str(stopped)
        except OSError as error:
            if error.errno in _FATAL:
                self._stopped = self._stopped or _FATAL[error.errno]
            else:
                self._problems.add(directory, f"cannot be used: {error.strerror}", "all of it")
                if not directory:
                    self._stopped = self._stopped or f"the mailbox cannot be used: {error.strerror}"

    def _task(self, directory: str, batch: Batch, table: dict[str, str] | None, how: str) -> _Tally:
        """Move, or finish moving, the messages of one batch."""
        counts = {"restored": 0, "finished": 0, "gone": 0}
        trees = self._trees
        if self._stopped is not None:
            return _Tally()
        try:
            trees.check()
            assert trees.recovered is not None
            assert trees.live is not None
            with contextlib.ExitStack() as stack:
                enter = stack.enter_context
                from_folder = enter(trees.folder(directory, trees.recovered))
                from_place = enter(_opened(batch.place, from_folder))
                folder = enter(trees.folder(directory, trees.live))
                self._lists.check_owner(folder)
                place = enter(_opened(batch.place, folder))
                self._lists.check_owner(place)
                for name in batch.names():
                    if self._stopped is not None:
                        break
                    try:
                        if how == _FINISH:
                            outcome = _finish(name, from_place)
                        else:
                            to_name = _renamed(name, table) if table is not None else name
                            outcome = self._move(name, from_place, to_name, place, how)
                        counts[outcome] += 1
                    except OSError as error:
                        self._note(directory, name, error)
        except Stopped as stopped:
            self._stopped = self._stopped or str(stopped)
        except OSError as error:
            self._note(directory, "all of a batch", error, batch.size)
        return _Tally(**counts)

    def _note(self, directory: str, name: str, error: OSError, count: int = 1) -> None:
        if error.errno in _FATAL:
            self._stopped = self._stopped or _FATAL[error.errno]
        else:
            self._problems.add(directory, error.strerror or str(error), name, count)

    def _move(self, name: str, from_place: int, to_name: str, place: int, how: str) -> str:
        """Give one message its owner and mode, and then its place in the mailbox."""
        try:
            status = os.stat(name, dir_fd=from_place, follow_symlinks=False)
        except FileNotFoundError:
            return "gone"
        lists = self._lists
        given = (
            status.st_mode & lists.kind_and_excess == stat.S_IFREG
            and status.st_uid == lists.uid
            and status.st_gid == lists.gid
        )
        if how == _MOVE_ANEW or not given:
            source, to = _Name(name, from_place), _Name(to_name, place)
            return lists.bring(source, to, anew=how == _MOVE_ANEW)
        try:
            os.link(name, to_name, src_dir_fd=from_place, dst_dir_fd=place, follow_symlinks=False)
        except FileExistsError:
            _check_is_linked(status, _Name(to_name, place))
        except FileNotFoundError:
            if _lstat(name, from_place) is None:
                return "gone"
            raise OSError(errno.ENOENT, "its folder was deleted meanwhile") from None
        os.unlink(name, dir_fd=from_place)
        return "restored"


def _check_is_linked(status: os.stat_result, to: _Name) -> None:
    """Raise OSError if a name that is in use is another file's."""
    there = _lstat(to.name, to.parent)
    if there is None or _inode(there) != _inode(status):
        raise OSError(errno.EEXIST, "something else has its name") from None


_FINISH, _MOVE, _MOVE_ANEW = "finish", "move", "move under a new name"
"""What a task does: `_FINISH` only takes away the recovery's name of what was restored."""

_Task = tuple[str, Batch, Optional[dict[str, str]], str]  # noqa: UP045 (Python 3.9)
"""Folder, messages, the letters of their keywords today (None: they have none), and what
is done with them."""


def _in_pieces(task: _Task, size: int) -> Iterator[_Task]:
    """The same work in tasks of at most `size` messages."""
    directory, batch, table, how = task
    if batch.size <= size:
        yield task
        return
    names = batch.names()
    for at in range(0, len(names), size):
        for piece in _packed(batch.place, names[at : at + size]):
            yield directory, piece, table, how


def _finish(name: str, from_place: int) -> str:
    """Take away the recovery's name of a message that the mailbox has by a name of its own."""
    status = _lstat(name, from_place)
    if status is None or status.st_nlink < 2:
        return "gone"
    os.unlink(name, dir_fd=from_place)
    return "finished"


def _renamed(name: str, table: dict[str, str]) -> str:
    """`name` with the letters of its keywords as they are in the live folder."""
    base, separator, info = name.partition(":2,")
    flags, comma, rest = info.partition(",")
    if not separator or not flags or flags.isupper():
        return name
    letters = {table.get(flag, "") if "a" <= flag <= "z" else flag for flag in flags}
    return f"{base}:2,{''.join(sorted(letters))}{comma}{rest}"


def _threads_for(seconds_a_call: float) -> int:
    """Threads help where calls wait for a network; elsewhere they only get in each other's way."""
    if seconds_a_call < 0.000_2:
        return 1
    return 64


class _Keeper:
    """Everything in the mailbox that is not a message: directories, owners, Dovecot's lists."""

    def __init__(self, plan: MergePlan, trees: _Trees, workshop: int, lock_wait: float) -> None:
        self._plan = plan
        self._trees = trees
        self._workshop = workshop
        self._lock_wait = lock_wait
        self._file_mode = plan.directory_mode & 0o666
        self.uid = plan.uid
        self.gid = plan.gid
        self.kind_and_excess = ~self._file_mode
        """Of a mode, all that a message must not have, and the kind of the file."""
        self.notes: list[str] = []
        self._was = os.fstat(trees.recovered_home).st_uid
        """The user's uid at the time of the backup."""

    def check_owner(self, directory: int) -> None:
        """Raise OSError for a directory that is not the user's: not one to put mail into."""
        status = os.fstat(directory)
        owners = {self._plan.uid}
        if self._trees.home is not None:
            owners.add(os.fstat(self._trees.home).st_uid)
        if status.st_uid not in owners or status.st_dev != self._trees.device:
            raise OSError(errno.EPERM, f"its folder belongs to uid {status.st_uid}")

    def bring(
        self, source: _Name, to: _Name, *, anew: bool = False, widest: int | None = None
    ) -> str:
        """Set owner and mode of one file, link it and take its old name; all of one descriptor.

        Permissions are taken away (all but `widest`: without, those of a message), never
        added. `anew` gives the file a new base name.
        """
        try:
            descriptor = os.open(source.name, _READ, dir_fd=source.parent)
        except FileNotFoundError:
            return "gone"
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):  # a symbolic link, a socket
                raise OSError(errno.EINVAL, "not a regular file") from error
            raise
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            self._check_was_his(status)
            mask = self._file_mode if widest is None else widest
            self._give(descriptor, stat.S_IMODE(status.st_mode) & mask)
            if anew:
                to = _Name(_new_name(to.name, _digest_of(descriptor)), to.parent)
            try:
                _link_open_file(descriptor, source, to)
            except FileExistsError:
                _check_is_linked(status, to)
            except FileNotFoundError:
                if os.fstat(descriptor).st_nlink == 0:
                    return "gone"
                raise OSError(errno.ENOENT, "its folder was deleted meanwhile") from None
            there = _lstat(source.name, source.parent)
            if there is not None and _inode(there) == _inode(status):
                os.unlink(source.name, dir_fd=source.parent)
        finally:
            os.close(descriptor)
        return "restored"

    def _check_was_his(self, status: os.stat_result) -> None:
        """Raise OSError for a file that did not belong to the user when the backup was taken.

        A file in his directories can be another user's, or a link to one: it must not
        become his. One of root's with several names never does.
        """
        linked_to_roots = status.st_uid == 0 and status.st_nlink > 1
        if status.st_uid not in (self._was, self._plan.uid) or linked_to_roots:
            raise OSError(errno.EPERM, f"belongs to uid {status.st_uid}, not to the user")

    def _give(self, descriptor: int, mode: int) -> None:
        status = os.fstat(descriptor)
        if (status.st_uid, status.st_gid) != (self._plan.uid, self._plan.gid):
            os.fchown(descriptor, self._plan.uid, self._plan.gid)
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
            os.fchmod(descriptor, mode)

    def make_home(self) -> None:
        """The home and the Maildir, if they are not there and there is something to restore."""
        plan, trees = self._plan, self._trees
        if trees.live is not None or not (plan.files or any(f.changes for f in plan.folders)):
            return
        if trees.home is None and _lstat(trees.where.user, trees.mount) is None:
            self._make(_Name(trees.where.user, trees.mount), trees.recovered_home, (), {})
        with _opened(trees.where.user, trees.mount) as home:
            if _lstat("Maildir", home) is None:
                assert trees.recovered is not None
                self._make(_Name("Maildir", home), trees.recovered, ("cur", "new", "tmp"), {})
        trees.enter_made()

    def prepare(self, folder: FolderPlan) -> dict[str, str]:
        """Make the folder if it is gone, and find out which letters its keywords have today."""
        assert self._trees.live is not None
        assert self._trees.recovered is not None
        # First: once the folder is there, a rerun takes it for one that was never gone.
        if folder.subscribe:
            self._subscribe(folder.directory)
        if folder.directory and _lstat(folder.directory, self._trees.live) is None:
            if not folder.make:
                raise OSError(errno.ENOENT, "deleted since the plan was made; run this again")
            names = {ord(letter) - ord("a"): name for letter, name in folder.keywords}
            files = {"maildirfolder": b""}
            if names:
                files["dovecot-keywords"] = _keywords_file(names)
            with self._trees.folder(folder.directory, self._trees.recovered) as recovered:
                made = _Name(folder.directory, self._trees.live)
                self._make(made, recovered, ("cur", "new", "tmp"), files)
        with self._trees.folder(folder.directory, self._trees.live) as opened:
            self.check_owner(opened)
            for place in ("cur", "new", "tmp"):
                if _lstat(place, opened) is None:
                    self._make(_Name(place, opened), opened, (), {})
            return self._letters_today(folder, opened)

    def restore_file(self, path: str) -> int:
        """Move one file that is not mail; whether it was there, and there was none in its place."""
        *above, name = path.split("/")
        assert self._trees.home is not None
        with contextlib.ExitStack() as stack:
            recovered, live = self._trees.recovered_home, self._trees.home
            for directory in above:
                recovered = stack.enter_context(self._trees.below(directory, recovered))
                if _lstat(directory, live) is None:
                    self._make(_Name(directory, live), recovered, (), {})
                live = stack.enter_context(self._trees.below(directory, live))
                self.check_owner(live)
            status = _lstat(name, recovered)
            if status is None:
                return 0
            source, to = _Name(name, recovered), _Name(name, live)
            if stat.S_ISLNK(status.st_mode):
                self._check_was_his(status)
                self._copy_link(os.readlink(name, dir_fd=recovered), to)
                os.unlink(name, dir_fd=recovered)
                return 1
            return self.bring(source, to, widest=self._plan.directory_mode & 0o777) == "restored"

    def _copy_link(self, target: str, to: _Name) -> None:
        """A symbolic link of the user's, which is never followed here."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink("link", dir_fd=self._workshop)
        os.symlink(target, "link", dir_fd=self._workshop)
        owner = self._plan.uid, self._plan.gid
        os.chown("link", *owner, dir_fd=self._workshop, follow_symlinks=False)
        os.link(
            "link", to.name, src_dir_fd=self._workshop, dst_dir_fd=to.parent, follow_symlinks=False
        )

    def forget_quota(self) -> None:
        """Remove `maildirsize`, Maildir++'s sum of all messages: Dovecot then counts anew.

        https://doc.dovecot.org/2.3/configuration_manual/quota/quota_maildir/
        """
        assert self._trees.live is not None
        with contextlib.suppress(FileNotFoundError):
            os.unlink("maildirsize", dir_fd=self._trees.live)

    def _letters_today(self, folder: FolderPlan, opened: int) -> dict[str, str]:
        wanted = [name for _, name in folder.keywords]
        today = _keywords(_contents("dovecot-keywords", opened))
        if not {name.lower() for name in wanted} <= {name.lower() for name in today.values()}:
            self._grow(opened, "dovecot-keywords", "dovecot-uidlist.lock", _adding(wanted))
            today = _keywords(_contents("dovecot-keywords", opened))
        letters = {name.lower(): chr(ord("a") + number) for number, name in today.items()}
        return {
            letter: letters[name.lower()]
            for letter, name in folder.keywords
            if name.lower() in letters
        }

    def _subscribe(self, directory: str) -> None:
        assert self._trees.live is not None
        if not _is_subscribed(_contents("subscriptions", self._trees.live), directory):
            self._grow(
                self._trees.live,
                "subscriptions",
                "subscriptions.lock",
                lambda content: _subscribed(content, directory),
            )

    def _make(
        self, to: _Name, like: int, directories: Sequence[str], files: dict[str, bytes]
    ) -> None:
        """A directory of the user's, made complete before it appears under its name.

        Its group and others get what the Maildir grants them today, as far as the directory
        `like` granted it.
        """
        mode = self._plan.directory_mode & (os.fstat(like).st_mode | 0o7700)
        with contextlib.suppress(FileNotFoundError):
            _remove_tree("made", self._workshop)
        os.mkdir("made", 0o700, dir_fd=self._workshop)
        with _opened("made", self._workshop) as made:
            for file, content in files.items():
                self._write(_Name(file, made), content, mode & 0o666)
            for child in directories:
                os.mkdir(child, 0o700, dir_fd=made)
                with _opened(child, made) as opened:
                    self._give(opened, mode)
            self._give(made, mode)
        # A directory replaces at most an empty directory: nothing can be lost by it.
        try:
            os.rename("made", to.name, src_dir_fd=self._workshop, dst_dir_fd=to.parent)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise

    def _write(self, to: _Name, content: bytes, mode: int, newer_than: int = 0) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(to.name, dir_fd=to.parent)
        with os.fdopen(os.open(to.name, _CREATE, 0o600, dir_fd=to.parent), "wb") as file:
            file.write(content)
            file.flush()
            self._give(file.fileno(), mode)
            now = int(os.fstat(file.fileno()).st_mtime)
            if now <= newer_than:
                os.utime(file.fileno(), (now, newer_than + 1))

    def _grow(self, folder: int, name: str, lock: str, grown: Callable[[bytes], bytes]) -> None:
        """Add to one of Dovecot's lists as Dovecot does: under its lock, a whole new file.

        Dovecot reads a list again when its mtime, in seconds, has changed.
        """
        with self._dovecot_lock(folder, lock):
            status = _lstat(name, folder)
            if status is not None and not (stat.S_ISREG(status.st_mode) and status.st_nlink == 1):
                raise OSError(errno.EINVAL, f"{name} is not a plain file")
            content = _contents(name, folder)
            if status is not None and len(content) != status.st_size:
                raise OSError(errno.EFBIG, f"{name} cannot be read whole")
            newer_than, mode = 0, self._file_mode
            if status is not None:
                newer_than, mode = int(status.st_mtime), status.st_mode & self._file_mode
            self._write(_Name("list", self._workshop), grown(content), mode, newer_than)
            os.rename("list", name, src_dir_fd=self._workshop, dst_dir_fd=folder)

    def take_back_locks(self) -> None:
        """Remove Dovecot's locks that a killed merge held: Dovecot would wait for minutes."""
        ours = _lstat("dotlock", self._workshop)
        if ours is None or ours.st_nlink == 1:
            return
        if self._trees.live is None:
            return
        for directory in ("", *_dot_entries(self._trees.live)[0]):
            with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
                folder = stack.enter_context(self._trees.folder(directory, self._trees.live))
                for name in ("dovecot-uidlist.lock", "subscriptions.lock"):
                    there = _lstat(name, folder)
                    if there is not None and _inode(there) == _inode(ours):
                        os.unlink(name, dir_fd=folder)

    @contextlib.contextmanager
    def _dovecot_lock(self, folder: int, name: str) -> Iterator[None]:
        """Hold one of Dovecot's lock files; raises OSError if it is another's for too long."""
        while not self._locked(folder, name):
            lock = _Lock.read(name, folder)
            if lock is None:
                continue
            age = self._file_server_time() - lock.changed
            if age > _STALE_AFTER and not lock.is_held_here:
                there = _lstat(name, folder)
                if there is not None and _inode(there) == lock.inode:
                    os.unlink(name, dir_fd=folder)
                    self.notes.append(f"{lock}, unchanged for {age:.0f} s: removed, as stale.")
                continue
            if self._lock_wait <= 0:
                raise OSError(
                    errno.EAGAIN,
                    f"{lock}, unchanged for {age:.0f} s. It counts as stale after {_STALE_AFTER} s"
                    + (", unless that process is alive" if lock.is_held_here else "")
                    + ". Run this again",
                )
            self._lock_wait -= 0.1
            time.sleep(0.1)
        try:
            yield
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)

    def _locked(self, folder: int, name: str) -> bool:
        self._file_server_time()  # Dovecot, too, removes a lock that is not of now
        try:
            os.link("dotlock", name, src_dir_fd=self._workshop, dst_dir_fd=folder)
        except FileExistsError:
            return False
        return True

    def _file_server_time(self) -> float:
        """The time by the clock that also the locks have theirs from; our lock gets it."""
        if _lstat("dotlock", self._workshop) is None:
            self._write(_Name("dotlock", self._workshop), b"", self._file_mode)
        os.utime("dotlock", dir_fd=self._workshop)
        return os.stat("dotlock", dir_fd=self._workshop).st_mtime


_STALE_AFTER = 120
"""Seconds after which Dovecot removes a lock, MAILDIR_UIDLIST_LOCK_STALE_TIMEOUT."""


@dataclass(frozen=True)
class _Lock:
    """A lock file of Dovecot's, as its file_dotlock_create judges it (src/lib/file-dotlock.c).

    Dovecot on NFS goes by mtime. It never removes the lock of a process that is alive on its
    own host. That it removes at once the lock of one that is not, is left out here: a container
    may have the host's name, and other process numbers.
    """

    name: str
    inode: Inode
    owner: str
    """`process:host`; empty if the file does not say."""
    uid: int
    changed: float
    """When it, or the file that it protects, was last changed."""

    @classmethod
    def read(cls, name: str, folder: int) -> _Lock | None:
        """The lock; None if it is not there any more."""
        status = _lstat(name, folder)
        if status is None:
            return None
        protected = _lstat(name[: -len(".lock")], folder)
        changed = status.st_mtime if protected is None else max(status.st_mtime, protected.st_mtime)
        owner = os.fsdecode(_contents(name, folder, at_most=200)).strip()
        return cls(name, _inode(status), owner, status.st_uid, changed)

    @property
    def is_held_here(self) -> bool:
        """Whether it is of a process that is alive on this host."""
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


def _adding(keywords: Sequence[str]) -> Callable[[bytes], bytes]:
    def grown(content: bytes) -> bytes:
        today = _keywords(content)
        for keyword in keywords:
            free = [number for number in range(26) if number not in today]
            if free and keyword.lower() not in {name.lower() for name in today.values()}:
                today[free[0]] = keyword
        return _keywords_file(today)

    return grown


# --------------------------------------------------------------------------------------
# Cleanup: the recovery directory goes
# --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CleanupPlan:
    """What removing a user's part of a recovery directory would throw away."""

    where: Where
    unmerged: tuple[str, ...]
    """What the mailbox does not have, in words; empty when nothing is lost."""
    others: tuple[str, ...]
    """What else is in the recovery directory, and stays."""

    def __str__(self) -> str:
        lines = [f"Remove {self.where.recovery}/{self.where.user} and all that is in it."]
        lines += [f"  Not in the mailbox: {what}" for what in self.unmerged]
        if self.others:
            lines.append(f"  Left: {', '.join(map(shown, self.others))} in {self.where.recovery}.")
        return "\n".join(lines)


def plan_cleanup(where: Where) -> CleanupPlan:
    """Look once more at everything in the user's part of the recovery directory.

    Raises Refused if something is mounted below it.
    """
    with contextlib.ExitStack() as stack:
        trees = _Trees(where, stack)
        _refuse_mounts(where.user, trees.recovery)
    survey = look(where)
    unmerged = []
    for found in survey.folders:
        for states, why in (
            ((_MISSING, _SECOND), ""),
            ((_DIFFERENT, _CLAIMED), ", which differ from the message of their name"),
            ((_UNKNOWN,), ", which could not be compared"),
        ):
            if count := found.count(*states):
                name = shown(folder_name(found.directory))
                unmerged.append(f"{count} messages of {name}{why}{_examples(found, states)}")
    unmerged += [str(problem) for problem in survey.problems]
    strange = [file.path for file in survey.files if file.state != _PRESENT]
    with contextlib.ExitStack() as stack:
        trees = _Trees(where, stack)
        others = [
            name
            for name in _names(trees.recovery)
            if name != where.user and not name.startswith(_MERGING)
        ]
    if strange:
        unmerged.append(f"{len(strange)} files that are not mail: {_some(strange)}")
    return CleanupPlan(where, tuple(unmerged), tuple(others))


def _examples(found: _Folder, states: Sequence[int]) -> str:
    """Names of up to three messages in one of these states."""
    ordinals = (ordinal for ordinal, state in enumerate(found.here) if state in states)
    names = [shown("/".join(found.path_of(n))) for n in itertools.islice(ordinals, 3)]
    return f" ({', '.join(names)}{', …' if found.count(*states) > 3 else ''})"


def cleanup(plan: CleanupPlan) -> None:
    """Remove the user's part of the recovery directory, and that directory when it is empty.

    Raises Refused while a merge of the user is running, and if something is mounted below it.
    """
    where = plan.where
    with contextlib.ExitStack() as stack:
        trees = _Trees(where, stack)
        _refuse_mounts(where.user, trees.recovery)
        with _workshop(trees), ThreadPoolExecutor(16) as pool:
            _remove_tree(where.user, trees.recovery, pool)
        if not plan.others:
            os.rmdir(where.recovery, dir_fd=trees.mount)


# --------------------------------------------------------------------------------------
# Promote: a whole mailstore, restored to a new file system, comes to its root
# --------------------------------------------------------------------------------------

_MARK = ".promoting"
_BELONGS = {"lost+found"}


@dataclass(frozen=True)
class PromotePlan:
    """Everything `promote` will do; str() of it is for people."""

    mount: str
    recovery: str
    promote: tuple[str, ...]
    leave: tuple[tuple[str, str], ...]
    """(name, why it stays in the recovery directory)."""
    notes: tuple[str, ...]

    def __str__(self) -> str:
        users = len(self.promote)
        lines = [f"Bring {users} entries of {self.recovery} to {shown(self.mount)}:"]
        some = ", ".join(map(shown, self.promote[:8])) + (", …" if users > 8 else "")
        lines += [f"  {some}"] if users else []
        lines += [f"  Left behind: {shown(name)}: {why}." for name, why in self.leave]
        lines += [f"  {note}" for note in self.notes]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The plan for --json."""
        return {**dataclasses.asdict(self), "leave": dict(self.leave)}


def plan_promote(
    mount: str, *, recovery: str | None = None, with_queues: bool = False
) -> PromotePlan:
    """What to bring to the root of the file system mounted at `mount`.

    Raises Refused when it is not a new file system, or when anything would be covered.
    """
    if recovery is not None and not RECOVERY.match(recovery):
        raise Refused(f"{shown(recovery)!r} is no recovery directory: aws-backup-restore_….")
    with _opened_mount(mount) as root:
        at_root = _names(root)
        there = [name for name in at_root if RECOVERY.match(name)]
        chosen = there if recovery is None else [name for name in there if name == recovery]
        if len(chosen) != 1:
            raise Refused(
                f"{len(chosen)} recovery directories at {shown(mount)}"
                + (f": {', '.join(chosen)}. Say --recovery." if chosen else ". Is it the new one?")
            )
        try:
            with _opened(chosen[0], root) as directory:
                names = _names(directory)
                same = os.fstat(directory).st_dev == os.fstat(root).st_dev
                promote, leave = _sorted_out(names, with_queues)
                covered = [name for name in promote if _is_covered(name, directory, root)]
        except OSError as error:
            raise Refused(f"{chosen[0]} is not a plain directory: {error.strerror}.") from error
    if not same:
        raise Refused(f"{chosen[0]} is another file system's: renames cannot leave it.")
    foreign = [
        name
        for name in at_root
        if not name.startswith("aws-backup-") and name not in _BELONGS and name not in QUEUES
    ]
    if foreign and _MARK not in names:
        raise Refused(
            f"{shown(mount)} is not a new file system: {len(foreign)} others are at its root "
            f"({', '.join(map(shown, foreign[:5]))}). For one user, use: mailbox merge."
        )
    if covered:
        raise Refused(
            f"At the root of {shown(mount)} there is already: {', '.join(map(shown, covered))}. "
            "Nothing is covered. Move them away, or merge mailbox by mailbox."
        )
    notes = tuple(_notes_on_failures(at_root))
    return PromotePlan(mount, chosen[0], tuple(promote), tuple(leave), notes)


def _sorted_out(names: Iterable[str], with_queues: bool) -> tuple[list[str], list[tuple[str, str]]]:
    promote, leave = [], []
    for name in names:
        if name in QUEUES and not with_queues:
            leave.append((name, WHY_NOT_QUEUES))
        elif name.startswith("aws-backup-"):
            leave.append((name, "an older restore that was in the backup"))
        elif name in _BELONGS:
            leave.append((name, "the file system's own"))
        elif name.startswith(_MERGING):
            leave.append((name, "of a merge that was interrupted; it holds no mail"))
        elif name != _MARK:
            promote.append(name)
    return promote, leave


def _is_covered(name: str, directory: int, root: int) -> bool:
    """Whether the root has the name, other than as the same file (by a run that was killed)."""
    there, here = _lstat(name, root), _lstat(name, directory)
    return there is not None and (here is None or _inode(there) != _inode(here))


def promote(plan: PromotePlan) -> Iterator[Progress]:
    """Carry out the plan by renames. Raises Stopped when the root changed since the plan."""
    with _opened_mount(plan.mount) as root:
        with _opened(plan.recovery, root) as recovery:
            mark = os.open(_MARK, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=recovery)
            os.close(mark)
            for number, name in enumerate(plan.promote, 1):
                try:
                    _bring_up(name, recovery, root)
                except OSError as error:
                    raise Stopped(f"{shown(name)}: {error.strerror}. Nothing is lost.") from error
                yield Progress(number, len(plan.promote))
            if not plan.leave:
                os.unlink(_MARK, dir_fd=recovery)
        if not plan.leave:
            os.rmdir(plan.recovery, dir_fd=root)


def _bring_up(name: str, recovery: int, root: int) -> None:
    status = os.stat(name, dir_fd=recovery, follow_symlinks=False)
    if _is_covered(name, recovery, root):
        raise OSError(errno.EEXIST, "came to be at the root meanwhile")
    if stat.S_ISDIR(status.st_mode):
        os.rename(name, name, src_dir_fd=recovery, dst_dir_fd=root)
        return
    with contextlib.suppress(FileExistsError):  # the same file: that was checked
        os.link(name, name, src_dir_fd=recovery, dst_dir_fd=root, follow_symlinks=False)
    os.unlink(name, dir_fd=recovery)


# --------------------------------------------------------------------------------------
# As a program
# --------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    return run(_parser().parse_args(arguments))


def run(options: argparse.Namespace) -> int:
    """Run the command whose options these are; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code: int = options.on_the_host(options)
    except Refused as refusal:
        _say(f"Refused. {refusal}")
        return EXIT_REFUSED
    except Stopped as stopped:
        _say(f"Stopped. {stopped}")
        return EXIT_STOPPED
    except OSError as error:
        _say(f"Stopped. {error}. Nothing is lost: mend it and run this again.")
        return EXIT_STOPPED
    except KeyboardInterrupt:
        _say("Interrupted. Nothing is lost: run this again.")
        return EXIT_INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Bring restored mail back, on a host that mounts the mailstore.",
        epilog=f"Exit codes: {EXIT_DONE} done, {EXIT_LEFT} done but something was left, "
        f"{EXIT_REFUSED} refused, {EXIT_STOPPED} stopped half-way (run again), "
        f"{EXIT_NOT_CONFIRMED} not confirmed, {EXIT_INTERRUPTED} interrupted (run again).",
    )
    nouns = parser.add_subparsers(required=True, metavar="mailbox|mailstore")
    mailbox = nouns.add_parser("mailbox", help="one user's mail").add_subparsers(required=True)
    mailstore = nouns.add_parser("mailstore", help="everybody's").add_subparsers(required=True)

    add_merge_options(mailbox.add_parser("merge", help=MERGE_HELP))
    add_promote_options(mailstore.add_parser("promote", help=PROMOTE_HELP))
    return parser


MERGE_HELP = "move missing messages from a restore into a mailbox"
PROMOTE_HELP = "bring a whole restore to the root"


def add_merge_options(parser: argparse.ArgumentParser) -> None:
    """The options of `mailbox merge`, for `run`."""
    parser.set_defaults(on_the_host=_merge_command)
    parser.add_argument("user", metavar="USER")
    parser.add_argument("--mount", default="/home", help="where the mailstore is (default: /home)")
    parser.add_argument(
        "--folder", action="append", default=[], metavar="F", help="only this folder"
    )
    parser.add_argument("--since", type=_date, metavar="DATE", help="delivered on or after (UTC)")
    parser.add_argument("--before", type=_date, metavar="DATE", help="delivered before (UTC)")
    parser.add_argument(
        "--moved",
        choices=("report", "restore"),
        default="report",
        help="messages that are in another folder today, or may be in one that cannot be read: "
        "leave them (default), or restore them",
    )
    parser.add_argument(
        "--different",
        choices=("restore", "report"),
        default="restore",
        help="messages whose name the mailbox has with another content: restore them under a new "
        "name (default), or leave them",
    )
    parser.add_argument(
        "--uid", type=_uid, metavar="N", help="owner (default: as the home directory)"
    )
    parser.add_argument("--threads", type=_threads, metavar="N", help="default: measured")
    parser.add_argument("--cleanup", action="store_true", help="then remove the recovery directory")
    _add_what_both_have(parser)


def add_promote_options(parser: argparse.ArgumentParser) -> None:
    """The options of `mailstore promote`, for `run`."""
    parser.set_defaults(on_the_host=_promote_command)
    parser.add_argument("--mount", required=True, help="where the NEW file system is mounted")
    parser.add_argument(
        "--with-queues", action="store_true", help=f"bring {', '.join(QUEUES)}, too"
    )
    _add_what_both_have(parser)


def _add_what_both_have(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recovery", metavar="NAME", help="which aws-backup-restore_…")
    parser.add_argument("--dry-run", action="store_true", help="show the plan, change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="JSON on standard output")


def _date(text: str) -> datetime:
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date like 2026-08-31") from None
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)  # noqa: UP017 (Python 3.9)


def _uid(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 2**32 - 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no user's uid")
    return int(text)


def _threads(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 256:
        raise argparse.ArgumentTypeError(f"{text!r}: 1 to 256")
    return int(text)


def _say(text: str, stream: IO[str] | None = None) -> None:
    stream = stream or sys.stderr
    stream.write(text + "\n")
    stream.flush()


def _answer(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _merge_command(options: argparse.Namespace) -> int:
    report: dict[str, Any] = {}
    try:
        return _merge_and_report(options, report)
    finally:
        if options.json and report:
            _say(json.dumps(report, indent=2), sys.stdout)


def _merge_and_report(options: argparse.Namespace, report: dict[str, Any]) -> int:
    where = find_recovery(options.mount, options.user, options.recovery)
    plan = plan_merge(
        look(where),
        folders=options.folder,
        since=options.since,
        before=options.before,
        restore_moved=options.moved == "restore",
        restore_different=options.different == "restore",
        uid=options.uid,
    )
    report["plan"] = plan.as_dict()
    _say(str(plan), sys.stderr if options.json else sys.stdout)
    code = EXIT_LEFT if plan.problems or plan.unknown else EXIT_DONE
    if options.dry_run:
        return code
    if not plan.changes:
        _say("Nothing to restore.")
    else:
        if not options.yes and _answer("Go on? Type yes: ") != "yes":
            _say("Not confirmed; nothing was changed.")
            return EXIT_NOT_CONFIRMED
        ended = _followed(merge(plan, threads=options.threads))
        report["result"] = {
            **dataclasses.asdict(ended),
            "problems": [problem._asdict() for problem in ended.problems],
        }
        for line in (*ended.notes, *ended.problems):
            _say(f"  {line}")
        if ended.stopped is not None:
            _say(f"Stopped: {ended.stopped}. Nothing is lost: mend it and run this again.")
            return EXIT_STOPPED
        code = EXIT_LEFT if ended.problems else code
    return (_clean_up(where, report) or code) if options.cleanup else code


def _followed(events: Iterator[Progress | Finished]) -> Finished:
    finished = None
    shown_at = time.monotonic()
    for event in events:
        if isinstance(event, Finished):
            finished = event
        elif time.monotonic() - shown_at > 2:
            shown_at = time.monotonic()
            _say(f"  {event.restored} of {event.of}")
    assert finished is not None, "the last event of every merge"
    files = f" and {finished.files} other files" if finished.files else ""
    _say(f"Restored {finished.restored} messages{files}{_besides(finished)}.")
    return finished


def _besides(ended: Finished) -> str:
    earlier = f"; {ended.finished} that an earlier run had begun" if ended.finished else ""
    return earlier + (f"; {ended.gone} had gone from the recovery" if ended.gone else "")


def _clean_up(where: Where, report: dict[str, Any]) -> int:
    plan = plan_cleanup(where)
    _say(str(plan))
    report["cleanup"] = {"unmerged": list(plan.unmerged), "others": list(plan.others)}
    if plan.unmerged and _answer(f"To remove it all, type {where.recovery}: ") != where.recovery:
        _say(f"Kept {where.recovery}.")
        return EXIT_NOT_CONFIRMED
    cleanup(plan)
    _say(f"Removed {where.recovery}" + (f"/{where.user}." if plan.others else "."))
    return EXIT_DONE


def _promote_command(options: argparse.Namespace) -> int:
    plan = plan_promote(options.mount, recovery=options.recovery, with_queues=options.with_queues)
    if options.json:
        _say(json.dumps(plan.as_dict(), indent=2), sys.stdout)
    else:
        _say(str(plan), sys.stdout)
    if options.dry_run:
        return EXIT_DONE
    if not options.yes and _answer("Go on? Type yes: ") != "yes":
        _say("Not confirmed; nothing was changed.")
        return EXIT_NOT_CONFIRMED
    for _ in promote(plan):
        pass
    _say(f"Brought {len(plan.promote)} entries to {shown(options.mount)}.")
    if plan.leave:
        _say(f"{plan.recovery} is kept, for what was left behind.")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
