"""One pass over a live tree."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_aws.backup.file_trees.entry import Entry


class Walk:
    """One pass over a tree, parents before children, names in order."""

    def __init__(
        self, content: Callable[[str, os.stat_result], tuple[str, dict[str, str], int]]
    ) -> None:
        self._content = content
        self._seen: dict[tuple[int, int], str] = {}
        self.transferred = 0

    def run(self, root: Path) -> list[Entry]:
        top = os.fspath(root)
        status = root.stat()
        entries = [_entry("", "directory", status, xattrs=read_xattrs(top))]
        pending = [(top, "")]
        while pending:
            directory, prefix = pending.pop()
            with os.scandir(directory) as listing:
                children = sorted(listing, key=lambda child: child.name)
            for child in children:
                relative = f"{prefix}{child.name}"
                entry = self._visit(child, relative)
                if entry is None:
                    continue
                entries.append(entry)
                if entry.kind == "directory":
                    pending.append((child.path, f"{relative}/"))
        return entries

    def _visit(self, child: os.DirEntry[str], relative: str) -> Entry | None:
        try:
            status = child.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                return _entry(relative, "directory", status, xattrs=read_xattrs(child.path))
            if stat.S_ISLNK(status.st_mode):
                return _entry(relative, "symlink", status, target=str(Path(child.path).readlink()))
            if stat.S_ISREG(status.st_mode):
                return self._file(child.path, relative, status)
        except FileNotFoundError:
            return None  # Removed during the walk: the file system is in use.
        return None

    def _file(self, path: str, relative: str, status: os.stat_result) -> Entry:
        if status.st_nlink > 1:
            identity = (status.st_dev, status.st_ino)
            if twin := self._seen.get(identity):
                return _entry(relative, "file", status, twin=twin)
            self._seen[identity] = relative
        digest, attributes, stored = self._content(path, status)
        self.transferred += stored
        return _entry(
            relative, "file", status, content=digest, size=status.st_size, xattrs=attributes
        )


def _entry(path: str, kind: str, status: os.stat_result, **more: Any) -> Entry:
    return Entry(
        path=path,
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        mtime_ns=status.st_mtime_ns,
        **more,
    )


def read_xattrs(path: str) -> dict[str, str]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
        return {name: os.getxattr(path, name, follow_symlinks=False).hex() for name in names}
    except OSError:
        return {}  # The directory is on a file system without them.
