"""Keys that are worked on later, kept in a file that goes with the process.

However many there are, memory does not grow. The file has no name and holds keys and
fingerprints only.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator, Sequence

from cabal_backup.operations.restore.tables.items import Item, encode


class KeySpool:
    """Keys, each with the fingerprint of the item it was found with."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the plan it is of)
        self._lock = threading.Lock()
        self._count = 0

    @property
    def count(self) -> int:
        return self._count

    def add(self, entries: Sequence[tuple[Item, bytes]]) -> None:
        lines = b"".join(encode([key, fingerprint.hex()]) + b"\n" for key, fingerprint in entries)
        with self._lock:
            self._file.write(lines)
            self._count += len(entries)

    def chunks(self, size: int) -> Iterator[list[tuple[Item, bytes]]]:
        """All entries, `size` at a time; nothing may be added meanwhile."""
        self._file.seek(0)
        chunk = []
        for line in self._file:
            key, fingerprint = json.loads(line)
            chunk.append((key, bytes.fromhex(fingerprint)))
            if len(chunk) == size:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def close(self) -> None:
        self._file.close()
