"""Which items of a table are compared and copied: those whose partition key matches a pattern."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cabal_backup.operations.restore.tables.items import Digest, Item, fingerprint, readable
from cabal_backup.operations.restore.tables.pipeline import Chunk
from cabal_backup.operations.restore.tables.table_items import Cut, Table


@dataclass(frozen=True)
class KeyPatterns:
    """Shell patterns for partition keys; without any, every item matches.

    Case matters: https://docs.python.org/3/library/fnmatch.html#fnmatch.fnmatchcase
    """

    patterns: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def __str__(self) -> str:
        return " or ".join(map(repr, self.patterns))

    @property
    def options(self) -> str:
        """The patterns as options of a command, with a space in front; empty without any."""
        return "".join(f" --only={shlex.quote(pattern)}" for pattern in self.patterns)

    @property
    def name(self) -> str:
        """A word that identifies the patterns in the value of a tag, which cannot have a `*`."""
        if not self.patterns:
            return ""
        return hashlib.sha256("\n".join(sorted(set(self.patterns))).encode()).hexdigest()[:16]

    def match(self, item: Item, table: Table) -> bool:
        """Whether the partition key of an item, as `readable` writes it, matches a pattern."""
        if not self.patterns:
            return True
        name = table.key_names[0]
        text = readable({name: item[name]})
        return any(fnmatchcase(text, pattern) for pattern in self.patterns)

    def select(self, cut: Cut, table: Table, others: Digest | None = None) -> Cut:
        """The same cut, with the items of this table that match.

        :param others: takes the items that do not match.
        """
        if not self.patterns:
            return cut

        def matching(pages: Iterable[list[Item]]) -> Iterator[list[Item]]:
            for page in pages:
                if others is not None:
                    left_out = (item for item in page if not self.match(item, table))
                    others.add([fingerprint(item) for item in left_out])
                yield [item for item in page if self.match(item, table)]

        def cut_matching(pages: Iterable[list[Item]]) -> Iterator[Chunk]:
            return cut(matching(pages))

        return cut_matching


ALL_ITEMS = KeyPatterns()
