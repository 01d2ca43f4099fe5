"""Manifests and blobs below one directory."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_aws.backup.file_trees.entry import Entry
from local_aws.backup.file_trees.restore import Restore, choose
from local_aws.backup.file_trees.walk import Walk, read_xattrs

_CHUNK = 1 << 20
_Fingerprint = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class Capture:
    """A tree in the store: its name, all its bytes, and those that were new to the store."""

    tree: str
    size: int
    transferred: int


class TreeStore:
    """Trees under one directory."""

    def __init__(self, directory: Path) -> None:
        self._blobs = directory / "blobs"
        self._manifests = directory / "manifests"
        self._blobs.mkdir(parents=True, exist_ok=True)
        self._manifests.mkdir(parents=True, exist_ok=True)
        self._known: dict[_Fingerprint, tuple[str, dict[str, str]]] = {}
        self._captured: dict[Path, Capture] | None = None

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Walk each tree once: in this context, nothing but `restore` changes one."""
        self._captured = {}
        try:
            yield
        finally:
            self._captured = None

    def capture(self, root: Path) -> Capture:
        """A copy of everything below `root`; sockets, pipes and devices are left out."""
        captured = self._captured
        if captured and (known := captured.get(root)) and (self._manifests / known.tree).exists():
            return known
        walk = Walk(self._content)
        entries = walk.run(root)
        text = json.dumps([entry.row() for entry in entries], separators=(",", ":")).encode()
        tree = hashlib.sha256(text).hexdigest()
        path = self._manifests / tree
        if not path.exists():
            _write_whole(path, text)
        size = sum(entry.size for entry in entries)
        if captured is not None:
            captured[root] = Capture(tree, size, transferred=0)
        return Capture(tree, size, walk.transferred)

    def restore(self, tree: str, target: Path, items: Sequence[str] | None = None) -> None:
        """Write the tree, or only these items of it, into the new directory `target`.

        Raises:
            FileExistsError: `target` exists; nothing was touched.
            ItemNotFound: an item is not in the tree; nothing was written.
        """
        entries = self._read(tree)
        chosen = entries if items is None else choose(entries, items)
        target.mkdir(mode=0o755)
        Restore(self._blobs, target).run(chosen)
        if self._captured is not None:
            self._captured.clear()

    def drop(self, tree: str) -> None:
        """Remove a manifest that no recovery point uses; blobs are kept."""
        (self._manifests / tree).unlink(missing_ok=True)

    def trees(self) -> set[str]:
        """The names of all trees in the store."""
        return {path.name for path in self._manifests.iterdir()}

    def export(self, trees: Iterable[str]) -> dict[str, bytes]:
        """The manifests of these trees, which `adopt` restores."""
        return {tree: (self._manifests / tree).read_bytes() for tree in trees}

    def bring_back(self, manifests: Mapping[str, bytes]) -> None:
        for tree, text in manifests.items():
            path = self._manifests / tree
            if not path.exists():
                _write_whole(path, text)

    def _read(self, tree: str) -> list[Entry]:
        return [Entry(*row) for row in json.loads((self._manifests / tree).read_bytes())]

    def _content(self, path: str, status: os.stat_result) -> tuple[str, dict[str, str], int]:
        """Digest, extended attributes and newly stored bytes of a regular file."""
        fingerprint = (
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )
        known = self._known.get(fingerprint)
        if known is not None:
            return (*known, 0)
        digest, stored = self._store(Path(path))
        attributes = read_xattrs(path)
        self._known[fingerprint] = (digest, attributes)
        return digest, attributes, stored

    def _store(self, path: Path) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        partial = self._blobs / f"partial-{os.getpid()}-{os.urandom(6).hex()}"
        with path.open("rb") as source, partial.open("wb") as copy:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                copy.write(chunk)
                size += len(chunk)
        name = digest.hexdigest()
        blob = self._blobs / name[:2] / name
        if blob.exists():
            partial.unlink()
            return name, 0
        blob.parent.mkdir(exist_ok=True)
        partial.rename(blob)
        return name, size


def _write_whole(path: Path, data: bytes) -> None:
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    partial.write_bytes(data)
    partial.rename(path)
