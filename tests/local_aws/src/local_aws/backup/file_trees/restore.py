"""Restores all entries of a tree, or some items."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from local_aws.backup.file_trees.entry import Entry

_CHUNK = 1 << 20


class ItemNotFound(LookupError):
    """An item to restore that is not in the tree."""


class Restore:
    """Writes entries below a directory that did not exist before."""

    def __init__(self, blobs: Path, target: Path) -> None:
        self._blobs = blobs
        self._target = target
        self._may_chown = os.geteuid() == 0

    def run(self, entries: Sequence[Entry]) -> None:
        by_path = {entry.path: entry for entry in entries}
        written: dict[str, Path] = {}
        directories: list[tuple[Path, Entry]] = []
        for entry in entries:
            path = self._target / entry.path if entry.path else self._target
            if entry.kind == "directory":
                if entry.path:
                    path.mkdir(mode=0o700)
                directories.append((path, entry))
            elif entry.kind == "symlink":
                path.symlink_to(entry.target or "")
                self._dress(path, entry)
            else:
                self._file(path, entry, by_path, written)
        for path, entry in reversed(directories):
            self._dress(path, entry)

    def _file(
        self, path: Path, entry: Entry, by_path: dict[str, Entry], written: dict[str, Path]
    ) -> None:
        origin = entry.twin or entry.path
        if origin in written:
            os.link(written[origin], path)
            return
        source = by_path.get(origin, entry)
        if source.content is None:
            raise RuntimeError(f"the manifest has no content for {entry.path}")
        blob = self._blobs / source.content[:2] / source.content
        with blob.open("rb") as stored, path.open("xb") as copy:
            shutil.copyfileobj(stored, copy, _CHUNK)
        self._dress(path, source)
        written[origin] = path

    def _dress(self, path: Path, entry: Entry) -> None:
        if self._may_chown:
            os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
        if entry.kind != "symlink":
            for name, value in entry.xattrs.items():
                _set_xattr(path, name, bytes.fromhex(value))
            path.chmod(entry.mode)
        os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)


def choose(entries: Sequence[Entry], items: Sequence[str]) -> list[Entry]:
    """These items with all below them, and the directories that lead to them."""
    wanted = [str(PurePosixPath("/") / item.lstrip("/"))[1:] for item in items]
    paths = {entry.path for entry in entries}
    for item, path in zip(items, wanted, strict=True):
        if path not in paths:
            raise ItemNotFound(item)
    leading = {
        str(parent) if str(parent) != "." else ""
        for path in wanted
        for parent in PurePosixPath(path).parents
    }
    below = tuple(f"{path}/" for path in wanted if path)
    everything = "" in wanted
    chosen = [
        entry
        for entry in entries
        if everything
        or entry.path in wanted
        or entry.path in leading
        or entry.path.startswith(below)
    ]
    return _with_their_own_content(entries, chosen)


def _with_their_own_content(entries: Sequence[Entry], chosen: list[Entry]) -> list[Entry]:
    """Hard links whose first name was not selected get its content."""
    kept = {entry.path for entry in chosen}
    by_path = {entry.path: entry for entry in entries}
    adopted: dict[str, Entry] = {}
    result = []
    for entry in chosen:
        if entry.twin is None or entry.twin in kept:
            result.append(entry)
            continue
        first = adopted.get(entry.twin)
        if first is None:
            origin = by_path[entry.twin]
            entry = Entry(*[entry.path, *origin.row()[1:]])
            adopted[origin.path] = entry
        else:
            entry = Entry(*entry.row())
            entry.twin = first.path
        result.append(entry)
    return result


def _set_xattr(path: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(path, name, value)
    except OSError:
        return  # not supported here, or a name only the kernel may set
