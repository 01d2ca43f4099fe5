"""Items as DynamoDB sends them, compared and summed up without changing a byte.

An item stays the JSON that it is on the wire: numbers are strings there and binary
values base64, so nothing is rounded, and empty values stay empty. Wherever two numbers
are compared, `canonical_number` decides.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TypedDict, TypeVar

Value = TypeVar("Value")


class AttributeValue(TypedDict, total=False):
    """A value as on the wire, which has one of these members; binary values are base64.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
    """

    S: str
    N: str
    B: str
    SS: list[str]
    NS: list[str]
    BS: list[str]
    M: dict[str, AttributeValue]
    L: list[AttributeValue]
    BOOL: bool
    NULL: bool


Item = dict[str, AttributeValue]
"""Attribute names and values as on the wire, such as {"osid": {"N": "65536"}}."""

KeyIdentity = tuple[tuple[str, str], ...]
"""A key that can be looked up: the type and value of each of its attributes."""

_PLAIN_NUMBER = r"(?:0|-?[1-9][0-9]*|-?(?:0|[1-9][0-9]*)\.[0-9]*[1-9])"
_IS_PLAIN = re.compile(_PLAIN_NUMBER)
_OTHER_FORMS = re.compile(rf'"[SNB]S":\[|"N":"(?!{_PLAIN_NUMBER}")')
"""What has equal forms in an item's JSON: a set, and a number that is not plain."""

_WRITE_UNIT_BYTES = 1024


def encode(content: object) -> bytes:
    """The JSON of an item or a request, as short as it gets."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


def write_units(size: int) -> int:
    """Write units for an item whose JSON has `size` bytes: one a KB, rounded up.

    JSON is somewhat longer than the item, so this is somewhat too much.
    """
    return max(1, -(-size // _WRITE_UNIT_BYTES))


def key_of(item: Mapping[str, Value], key_names: Sequence[str]) -> dict[str, Value]:
    """The key attributes of an item."""
    return {name: item[name] for name in key_names}


def identity(item: Item, key_names: Sequence[str]) -> KeyIdentity:
    """The key of an item, for lookups."""
    return tuple(_kind_and_text(item[name]) for name in key_names)


def canonical_number(text: str) -> str:
    """The same text for equal numbers, another for others: plain notation without an exponent,
    leading or trailing zeros, and "0" for every zero.

    Exact for every number of DynamoDB: up to 38 significant digits, from 1E-130 to
    9.99…E+125, positive and negative.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html

    Not `Decimal.normalize`, nor any other arithmetic: it rounds to the 28 digits of the
    context. Making a Decimal and formatting it do not.
    """
    if _IS_PLAIN.fullmatch(text):
        return text
    number = Decimal(text)
    if not number:
        return "0"
    plain = f"{number:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def same(one: Item, other: Item) -> bool:
    """Whether two items are equal; the order in a set and how a number is written mean nothing."""
    return one == other or canonical(one) == canonical(other)


def canonical(item: Item) -> bytes:
    """The same bytes for equal items, other bytes for others."""
    text = json.dumps(item, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if _OTHER_FORMS.search(text):
        ordered = {name: _ordered(value) for name, value in item.items()}
        text = json.dumps(ordered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def fingerprint(item: Item) -> bytes:
    """SHA-256 of the canonical item: 32 bytes."""
    return hashlib.sha256(canonical(item)).digest()


class Digest:
    """A digest of a collection of items, whatever the order they come in.

    The fingerprints are added up modulo 2^256. Safe to share between threads.
    """

    def __init__(self) -> None:
        self._sum = 0
        self._count = 0
        self._lock = threading.Lock()

    def add(self, fingerprints: Sequence[bytes]) -> None:
        """Add items by their fingerprints, in any order."""
        part = sum(int.from_bytes(one, "big") for one in fingerprints)
        with self._lock:
            self._sum = (self._sum + part) % (1 << 256)
            self._count += len(fingerprints)

    def __add__(self, other: Digest) -> Digest:
        both = Digest()
        both._sum = (self._sum + other._sum) % (1 << 256)
        both._count = self._count + other._count
        return both

    @property
    def count(self) -> int:
        """The number of items."""
        return self._count

    def hex(self) -> str:
        """The digest as 64 hexadecimal digits."""
        return f"{self._sum:064x}"


def readable(key: Item) -> str:
    """A key for people: `alice@example.com`, or `alice / example.com`."""
    return " / ".join(str(next(iter(value.values()))) for value in key.values())


class KeySpool:
    """Keys that are worked on later, each with the fingerprint of the item it was found with.

    They are kept in a file without a name, which goes with the process: however many there are,
    memory does not grow.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the plan it is of)
        self._lock = threading.Lock()
        self._count = 0

    @property
    def count(self) -> int:
        """The number of keys."""
        return self._count

    def add(self, entries: Sequence[tuple[Item, bytes]]) -> None:
        """Add keys, each with the fingerprint of its item."""
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
        """Delete the file."""
        self._file.close()


def scalar(kind: str, text: str) -> AttributeValue:
    """The value of a key attribute, which is a text (S), a number (N) or binary (B)."""
    return {"N": text} if kind == "N" else {"B": text} if kind == "B" else {"S": text}


def _kind_and_text(value: AttributeValue) -> tuple[str, str]:
    if "N" in value:
        return "N", canonical_number(value["N"])
    return ("B", value["B"]) if "B" in value else ("S", value["S"])


def _ordered(value: AttributeValue) -> AttributeValue:
    """An attribute value in which every set is in order and every number canonical."""
    if "N" in value:
        return {"N": canonical_number(value["N"])}
    if "NS" in value:
        return {"NS": sorted(map(canonical_number, value["NS"]))}
    if "SS" in value:
        return {"SS": sorted(value["SS"])}
    if "BS" in value:
        return {"BS": sorted(value["BS"])}
    if "L" in value:
        return {"L": [_ordered(element) for element in value["L"]]}
    if "M" in value:
        return {"M": {name: _ordered(element) for name, element in value["M"].items()}}
    return value
