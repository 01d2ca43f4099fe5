"""What two tables have in common and what not, exactly and key by key.

Each table is scanned once, and every key that comes up is looked up in the other one.
DynamoDB keeps items in no order that two tables share, so nothing less is exact; and
nothing has to be remembered, so memory does not depend on the tables.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cabal_backup.errors import NotFoundError, UsageError
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.jobs import Progress, Report
from cabal_backup.operations.restore.tables.describe import (
    TableDescription,
    check_same_schema,
    find_table,
    live_tables,
)
from cabal_backup.operations.restore.tables.items import (
    AttributeValue,
    Digest,
    Item,
    KeySpool,
    fingerprint,
    identity,
    key_of,
    readable,
    same,
    scalar,
)
from cabal_backup.operations.restore.tables.key_patterns import ALL_ITEMS, KeyPatterns
from cabal_backup.operations.restore.tables.pipeline import Chunk, Counter, run
from cabal_backup.operations.restore.tables.table_items import Table, for_reading, get_all, scan
from cabal_backup.operations.restore.tables.transport import CancelToken, Transport

SAMPLES = 5
"""How many keys of each kind are shown."""

SAMPLES_OF_PATTERN = 20
"""The same where only some items are compared: each is shown with its attributes."""

_WORKERS = 8


class TablePair(NamedTuple):
    """Two tables with the same key."""

    restored: TableDescription
    live: TableDescription


def find_pair(
    aws: Aws,
    restored_name: str,
    live_name: str,
    *,
    from_region: str | None = None,
    to_region: str | None = None,
) -> TablePair:
    """A restored and a live table that items can be copied between, in this direction.

    :param from_region: that of the restored table; the primary one by default.
    :param to_region: that of the live table; the primary one by default.

    Raises UsageError when they cannot, or for a region that is not the environment's.
    """
    environment = aws.environment
    regions = (environment.region, environment.dr_region)
    from_region, to_region = (given or environment.region for given in (from_region, to_region))
    for region in (from_region, to_region):
        if region not in regions:
            raise UsageError(
                f"{region} is not a region of {environment.name}: its regions are "
                f"{' and '.join(regions)}. Nothing was done."
            )
    if restored_name == live_name and from_region == to_region:
        raise UsageError(f"{live_name} cannot be restored from itself.")
    if restored_name in live_tables(aws) and from_region == environment.region:
        raise UsageError(
            f"{restored_name} is a live table of {aws.environment.name}, not a restored one. The "
            f"restored table comes first, then the live one. Nothing was done."
        )
    restored = find_table(aws.at(from_region), restored_name)
    live = find_table(aws.at(to_region), live_name)
    check_same_schema(restored, live)
    return TablePair(restored, live)


@dataclass(frozen=True, kw_only=True)
class Group:
    """The keys of one kind: how many, and some of them."""

    count: int
    samples: tuple[Item, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A restored table and a live one, or those of their items that match a pattern, while both
    were read.
    """

    only_in_backup: Group
    only_in_live: Group
    differing: Group
    identical: Group
    backup_digest: str
    """A digest over the compared items of the backup."""
    live_digest: str
    """The same over the items that the live table has under the backup's keys."""
    restored: Digest
    """All items of the restored table, whether they match or not."""
    live_others: Digest
    """The items of the live table that do not match."""

    @property
    def equal(self) -> bool:
        """Whether both tables have the same items."""
        return not (self.only_in_backup.count or self.only_in_live.count or self.differing.count)

    @property
    def in_backup(self) -> int:
        """The number of items of the restored table."""
        return self.only_in_backup.count + self.differing.count + self.identical.count

    @property
    def in_live(self) -> int:
        """The number of items of the live table."""
        return self.only_in_live.count + self.differing.count + self.identical.count


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What is compared, and what is kept of it."""

    only: KeyPatterns = ALL_ITEMS
    """Only the items whose key matches."""
    spool: KeySpool | None = None
    """Takes the keys that only the live table has."""
    samples: int = SAMPLES
    """How many keys of each kind are kept, which takes memory for each."""


def compare(
    transport: Transport,
    pair: TablePair,
    stop: CancelToken,
    report: Report,
    scope: Scope | None = None,
) -> Comparison:
    """Compare two tables with the same key; report the progress and return the result.

    :param scope: by default all items, and a few keys of each kind.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    restored, live = pair
    scope = scope or Scope()
    backup_side = _BackupSide(transport, restored.table, live.table, scope.samples)
    live_side = _LiveSide(transport, restored.table, live.table, scope)
    with worded(f"comparing {restored.name} with {live.name}"):
        for side, table in ((backup_side, restored), (live_side, live)):
            cut = scope.only.select(for_reading, table.table, side.others)
            sources = scan(transport, table.table, cut)
            items = 0 if scope.only else table.items

            def tick(side: _BackupSide | _LiveSide = side, total: int = items) -> None:
                report(Progress("comparing", side.read.value, total or None))

            run(sources, side.work, workers=_WORKERS, stop=stop, tick=tick)
    return Comparison(
        only_in_backup=backup_side.only_in_backup.group(),
        only_in_live=live_side.only_in_live.group(),
        differing=backup_side.differing.group(),
        identical=backup_side.identical.group(),
        backup_digest=backup_side.backup_digest.hex(),
        live_digest=backup_side.live_digest.hex(),
        restored=backup_side.backup_digest + backup_side.others,
        live_others=live_side.others,
    )


def check_matches(found: Comparison, pair: TablePair, only: KeyPatterns) -> None:
    """Raises NotFoundError if neither table has an item that the patterns select."""
    if only and not (found.in_backup or found.in_live):
        raise NotFoundError(
            f"Neither {pair.restored.name} nor {pair.live.name} has an item whose partition key "
            f"matches {only}. Nothing was written. Put the pattern in quotes, and note that case "
            "matters and that it is for the whole key, as in --only='alice@*'."
        )


class DifferentAttribute(NamedTuple):
    """An attribute that two items do not have in common; None where an item lacks it."""

    name: str
    restored: AttributeValue | None
    live: AttributeValue | None


@dataclass(frozen=True, kw_only=True)
class ItemComparison:
    """One item in both tables."""

    key: Item
    in_restored: bool
    in_live: bool
    different: tuple[DifferentAttribute, ...]
    """The attributes that differ, by name."""

    @property
    def equal(self) -> bool:
        """Whether both tables have the same item."""
        return self.in_restored and self.in_live and not self.different


def compare_item(transport: Transport, pair: TablePair, text: str) -> ItemComparison:
    """Compare one item, attribute by attribute.

    :param text: its key as `readable` writes it.

    Raises UsageError for what is no key, NotFoundError if neither table has the item, and
    CabalBackupError when AWS refuses or does not answer.
    """
    restored, live = pair
    values = text.split(" / ") if len(restored.keys) > 1 else [text]
    if len(values) != len(restored.keys) or not all(values):
        names = " / ".join(key.name for key in restored.keys)
        raise UsageError(f"{text!r} is no key: the tables have {names}.")
    key = {
        one.name: scalar(one.kind, value) for one, value in zip(restored.keys, values, strict=True)
    }
    (found,) = compare_items(transport, pair, [key])
    if not (found.in_restored or found.in_live):
        raise NotFoundError(f"Neither {restored.name} nor {live.name} has an item {text}.")
    return found


def compare_items(
    transport: Transport, pair: TablePair, keys: Sequence[Item]
) -> list[ItemComparison]:
    """Compare the items of these keys, at most READ_ITEMS of them, attribute by attribute.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    with worded(
        f"reading {', '.join(map(readable, keys))} in {pair.restored.name} and {pair.live.name}"
    ):
        return [_compare_item(*one) for one in look_up(transport, pair, keys, CancelToken())]


class InBoth(NamedTuple):
    """The items that two tables have under a key; None where one has none."""

    key: Item
    restored: Item | None
    live: Item | None


def look_up(
    transport: Transport, pair: TablePair, keys: Sequence[Item], stop: CancelToken
) -> list[InBoth]:
    """The items of these keys, at most READ_ITEMS of them, in both tables. Raises DynamoDBError."""
    restored, live = (get_all(transport, table.table, keys, stop) for table in pair)
    names = pair.restored.table.key_names
    both = ((key, identity(key, names)) for key in keys)
    return [InBoth(key, restored.get(one), live.get(one)) for key, one in both]


def _compare_item(key: Item, ours: Item | None, theirs: Item | None) -> ItemComparison:
    attributes = sorted({*(ours or {}), *(theirs or {})})
    pairs = [
        DifferentAttribute(name, (ours or {}).get(name), (theirs or {}).get(name))
        for name in attributes
    ]
    return ItemComparison(
        key=key,
        in_restored=ours is not None,
        in_live=theirs is not None,
        different=tuple(
            one
            for one in pairs
            if one.restored is None
            or one.live is None
            or not same({one.name: one.restored}, {one.name: one.live})
        ),
    )


class Keys:
    """Counts keys and keeps the first few. Safe to share between threads."""

    def __init__(self, most: int) -> None:
        """
        :param most: how many are kept.
        """
        self._most = most
        self._count = 0
        self._samples: list[Item] = []
        self._lock = threading.Lock()

    def add(self, keys: Sequence[Item]) -> None:
        """Count keys."""
        with self._lock:
            self._count += len(keys)
            self._samples += keys[: self._most - len(self._samples)]

    def group(self) -> Group:
        """How many keys there are, and those that were kept."""
        return Group(count=self._count, samples=tuple(self._samples))


class _BackupSide:
    """Looks up in the live table what the backup has."""

    def __init__(self, transport: Transport, restored: Table, live: Table, samples: int) -> None:
        self._transport, self._names, self._live = transport, restored.key_names, live
        self.read = Counter()
        self.only_in_backup, self.differing = Keys(samples), Keys(samples)
        self.identical = Keys(SAMPLES)
        self.backup_digest, self.live_digest, self.others = Digest(), Digest(), Digest()

    def work(self, chunk: Chunk, stop: CancelToken) -> None:
        keys = [key_of(item, self._names) for item in chunk.items]
        there = get_all(self._transport, self._live, keys, stop)
        absent, differing, identical = [], [], []
        ours, theirs = [], []
        for item, key in zip(chunk.items, keys, strict=True):
            print_of_item = fingerprint(item)
            ours.append(print_of_item)
            other = there.get(identity(item, self._names))
            if other is None:
                absent.append(key)
            elif same(item, other):
                identical.append(key)
                theirs.append(print_of_item)
            else:
                differing.append(key)
                theirs.append(fingerprint(other))
        self.only_in_backup.add(absent)
        self.differing.add(differing)
        self.identical.add(identical)
        self.backup_digest.add(ours)
        self.live_digest.add(theirs)
        self.read.add(len(keys))


class _LiveSide:
    """Looks up in the backup what the live table has."""

    def __init__(self, transport: Transport, restored: Table, live: Table, scope: Scope) -> None:
        self._transport, self._restored, self._names = transport, restored, live.key_names
        self._spool = scope.spool
        self.read = Counter()
        self.only_in_live, self.others = Keys(scope.samples), Digest()

    def work(self, chunk: Chunk, stop: CancelToken) -> None:
        keys = [key_of(item, self._names) for item in chunk.items]
        there = get_all(self._transport, self._restored, keys, stop, keys_only=True)
        absent = [item for item in chunk.items if identity(item, self._names) not in there]
        self.only_in_live.add([key_of(item, self._names) for item in absent])
        if self._spool is not None and absent:
            self._spool.add([(key_of(item, self._names), fingerprint(item)) for item in absent])
        self.read.add(len(keys))
