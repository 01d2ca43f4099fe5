"""What a manifest says about one file, directory or link."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Entry:
    """One file, directory or symbolic link; `path` is relative to the root, "" the root itself."""

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int = 0
    content: str | None = None
    target: str | None = None
    twin: str | None = None
    """The path of an entry seen earlier that is the same file (a hard link)."""
    xattrs: dict[str, str] = field(default_factory=dict)

    def row(self) -> list[Any]:
        return [
            self.path,
            self.kind,
            self.mode,
            self.uid,
            self.gid,
            self.mtime_ns,
            self.size,
            self.content,
            self.target,
            self.twin,
            self.xattrs,
        ]
