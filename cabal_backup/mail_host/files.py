"""Files and directories, opened one level at a time and never through a symbolic link."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from cabal_backup.mail_host.mail_names import shown
from cabal_backup.mail_host.problems import Refused, Stopped

BATCH_SIZE = 512
"""Messages that one task handles: it opens and checks their directories once."""

THREADS = 16
"""Threads that read or remove directories."""

MAX_DEPTH = 64
"""Levels of nested directories that are followed: a mailbox does not have more."""


MAX_COMPARED = 256 << 20
"""Bytes of one file that are compared. A larger message is left where it is, and listed."""


_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Inode(NamedTuple):
    """The identity of a file, independent of its names."""

    device: int
    number: int


class Name(NamedTuple):
    """A name in an open directory."""

    name: str
    parent: int


def inode_of(status: os.stat_result) -> Inode:
    """The device and inode number in a result of `stat`."""
    return Inode(status.st_dev, status.st_ino)


def lstat(name: str, parent: int) -> os.stat_result | None:
    """The status of an entry, not of what it links to; None if it does not exist."""
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def open_directory(name: str, parent: int) -> Iterator[int]:
    """A descriptor of the directory `name` in `parent`. OSError if it is not a directory."""
    with _closing(os.open(name, _DIRECTORY, dir_fd=parent)) as descriptor:
        yield descriptor


@contextlib.contextmanager
def open_mount(mount: str) -> Iterator[int]:
    """A descriptor of the mount point. The operator chose the path, so links are followed."""
    try:
        opened = os.open(mount, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(
            f"{shown(mount)}: {error.strerror}. Use --mount with the right path."
        ) from error
    with _closing(opened) as descriptor:
        yield descriptor


def names_in(directory: int) -> list[str]:
    """The names in an open directory, sorted."""
    with os.scandir(directory) as entries:
        return sorted(entry.name for entry in entries)


def read_small(name: str, parent: int, *, at_most: int = 1 << 20) -> bytes:
    """The content of a small regular file with one name; empty for everything else."""
    try:
        descriptor = os.open(name, READ, dir_fd=parent)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            return b""
        return file.read(at_most)


_READ_WITHOUT_TRACE = READ | getattr(os, "O_NOATIME", 0)


def _untraced(name: str, parent: int) -> contextlib.AbstractContextManager[int]:
    """Open a file so that reading it does not change its access time, if that is permitted.

    Only root and the owner of the file may do that (open(2), O_NOATIME).
    """
    try:
        return _closing(os.open(name, _READ_WITHOUT_TRACE, dir_fd=parent))
    except PermissionError:
        return _closing(os.open(name, READ, dir_fd=parent))


def same_content(name: str, parent: int, other: str, other_parent: int) -> bool | None:
    """Whether two files have the same content.

    None if that is unknown, because one cannot be read or is larger than `MAX_COMPARED`.
    """
    try:
        with _untraced(name, parent) as ours, _untraced(other, other_parent) as theirs:
            return _same_bytes(ours, theirs)
    except OSError:
        return None


def _same_bytes(first: int, second: int) -> bool | None:
    compared, size = 0, 1 << 15
    while compared <= MAX_COMPARED:
        ours, theirs = os.read(first, size), os.read(second, size)
        if ours != theirs:
            cut_short = len(ours) != len(theirs)
            same_size = cut_short and os.fstat(first).st_size == os.fstat(second).st_size
            return None if same_size else False
        if len(ours) < size:
            return True
        compared, size = compared + size, 1 << 20
    return None


def digest_of(descriptor: int) -> str:
    """A digest of the content of an open file: 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    read = 0
    chunk = os.pread(descriptor, 1 << 20, read)
    while chunk:
        read += len(chunk)
        if read > MAX_COMPARED:
            raise OSError(errno.EFBIG, "too large for a new name")
        digest.update(chunk)
        chunk = os.pread(descriptor, 1 << 20, read)
    return digest.hexdigest()


_DESCRIPTORS = "/proc/self/fd"
HAS_DESCRIPTORS = os.access(_DESCRIPTORS, os.X_OK)


def link_open_file(descriptor: int, source: Name, to: Name) -> None:
    """Give the open file, which had the name `source` when it was opened, another name.

    On Linux, /proc links the open file itself, even if `source` is another file by now.
    Other systems must resolve the name again; if it is another file by now, the new name is
    removed again. Between the two calls that other file has the new name.
    """
    if HAS_DESCRIPTORS:
        os.link(f"{_DESCRIPTORS}/{descriptor}", to.name, dst_dir_fd=to.parent)
        return
    os.link(
        source.name,
        to.name,
        src_dir_fd=source.parent,
        dst_dir_fd=to.parent,
        follow_symlinks=False,
    )
    there = lstat(to.name, to.parent)
    if there is None or inode_of(there) != inode_of(os.fstat(descriptor)):
        os.unlink(to.name, dir_fd=to.parent)
        raise OSError(errno.EAGAIN, "was replaced during the run")


def mount_id(descriptor: int) -> str:
    """The mount through which a directory was opened; "" if the system does not report it.

    A bind mount of the same file system has the same device, but another id (proc(5),
    /proc/pid/fdinfo). Without the id, only the devices are compared.
    """
    path = f"/proc/self/fdinfo/{descriptor}"
    with contextlib.suppress(OSError), open(path) as file:  # noqa: PTH123 (no pathlib: slow to load)
        for line in file:
            if line.startswith("mnt_id:"):
                return line.strip()
    return ""


def _mounts_below(directory: int) -> list[str]:
    """Mount points below an open directory (proc(5), /proc/pid/mountinfo)."""
    try:
        top = os.readlink(f"{_DESCRIPTORS}/{directory}") + "/"  # noqa: PTH115 (no pathlib)
        with open("/proc/self/mountinfo", "rb") as file:  # noqa: PTH123 (no pathlib)
            points = [os.fsdecode(line.split(b" ")[4]) for line in file]
    except OSError:
        return []
    plain = (re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), p) for p in points)
    return sorted(point for point in plain if point.startswith(top))


def refuse_mounts(name: str, parent: int) -> None:
    """Raise Refused if a directory that will be removed is a mount point or contains one."""
    with open_directory(name, parent) as directory:
        below = _mounts_below(directory)
        here = os.fstat(directory).st_dev != os.fstat(parent).st_dev
        if here or mount_id(directory) != mount_id(parent):
            below.insert(0, name)
    if below:
        raise Refused(
            f"{', '.join(map(shown, below[:5]))}: a mount point. Removing {shown(name)} would "
            "also remove the mounted files. Nothing was removed. Unmount it and run this again."
        )


def remove_tree(
    name: str, parent: int, pool: ThreadPoolExecutor | None = None, depth: int = 0
) -> None:
    """Remove a directory and its content. Symbolic links are removed, not followed.

    Raises Stopped at a mount point; the mounted files are not removed.
    """
    if depth > MAX_DEPTH:
        raise Stopped(f"{shown(name)}: more than {MAX_DEPTH} nested directories; not removed.")
    with open_directory(name, parent) as directory:
        if mount_id(directory) != mount_id(parent):
            raise Stopped(f"{shown(name)} is a mount point; the mounted files were not removed.")
        remove_content(directory, pool, depth)
    os.rmdir(name, dir_fd=parent)


def remove_content(
    directory: int, pool: ThreadPoolExecutor | None = None, depth: int = 0, *, keep: str = ""
) -> None:
    """Remove what an open directory contains, except the file `keep`; as `remove_tree`."""
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

    files = [name for name in files if name != keep]
    batches = (files[at : at + BATCH_SIZE] for at in range(0, len(files), BATCH_SIZE))
    list(map(remove, batches) if pool is None else pool.map(remove, batches))
    for child in below:
        remove_tree(child, directory, pool, depth + 1)


def remove_directory(mount: str, name: str) -> None:
    """Remove a directory at the root of the mount, with its content, if it exists.

    Raises Refused, before anything is removed, if it is a mount point or contains one.
    """
    with open_mount(mount) as root:
        if lstat(name, root) is not None:
            refuse_mounts(name, root)
            remove_tree(name, root)
