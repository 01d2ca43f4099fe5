"""Items on the wire: nothing is rounded, reordered sets are equal, digests add up."""

from __future__ import annotations

import json
import random
import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cabal_backup.operations.restore.tables.counter import highest
from cabal_backup.operations.restore.tables.items import (
    AttributeValue,
    Digest,
    Item,
    canonical,
    canonical_number,
    encode,
    fingerprint,
    identity,
    readable,
    same,
    write_units,
)
from tests.any_speed import ANY_SPEED
from tests.long import shortened

ITEM: Item = {
    "id": {"S": "é\u2028\0"},
    "n": {"N": "12345678901234567890123456789012345678"},
    "empty": {"M": {"s": {"S": ""}, "b": {"B": ""}, "l": {"L": []}}},
    "sets": {"L": [{"NS": ["3", "1"]}, {"BS": ["/w==", "AA=="]}]},
    "words": {"SS": ["b", "a"]},
}


def test_the_order_in_a_set_means_nothing_and_everything_else_does() -> None:
    turned: Item = {
        **ITEM,
        "words": {"SS": ["a", "b"]},
        "sets": {"L": [{"NS": ["1", "3"]}, *ITEM["sets"]["L"][1:]]},
    }
    assert same(ITEM, dict(reversed(turned.items())))
    assert canonical(ITEM) == canonical(turned)
    changes: Item = {
        "n": {"N": "12345678901234567890123456789012345679"},
        "empty": {"M": {}},
        "sets": {"L": list(reversed(ITEM["sets"]["L"]))},
        "words": {"L": [{"S": "a"}, {"S": "b"}]},
        "id": {"B": "b"},
    }
    for name, value in changes.items():
        assert not same(ITEM, {**ITEM, name: value})


def test_a_text_that_looks_like_a_set_is_a_text() -> None:
    text: Item = {"id": {"S": '"SS":["b","a"]'}}
    assert not same(text, {"id": {"S": '"SS":["a","b"]'}})


def test_json_is_short_and_keeps_every_character() -> None:
    assert encode({"id": {"S": "é\0"}}) == b'{"id":{"S":"\xc3\xa9\\u0000"}}'


def test_a_number_is_the_same_key_however_it_is_written() -> None:
    assert identity({"id": {"N": "1.0"}}, ["id"]) == identity({"id": {"N": "1"}}, ["id"])
    assert identity({"id": {"S": "1.0"}}, ["id"]) != identity({"id": {"S": "1"}}, ["id"])


@st.composite
def two_ways_to_write(draw: st.DrawFn) -> tuple[str, str]:
    """A number of DynamoDB, of any length and size, and another text for the same number."""
    digits = str(draw(st.integers(0, 10 ** draw(st.integers(1, 38)) - 1)))
    exponent = draw(st.integers(-130, 126 - len(digits)))
    sign = draw(st.sampled_from(["", "-"]))
    zeros = draw(st.integers(0, 5))
    point = draw(st.integers(0, len(digits) + zeros))
    written = digits + "0" * zeros
    shifted = exponent - zeros + len(written) - point
    leading = "0" * draw(st.integers(0 if point else 1, 2))
    mark = draw(st.sampled_from(["e", "E", "E+" if shifted >= 0 else "E"]))
    other = f"{leading}{written[:point]}.{written[point:]}{mark}{shifted}"
    return f"{sign}{digits}E{exponent}", (sign or draw(st.sampled_from(["", "+"]))) + other


@settings(ANY_SPEED, derandomize=True, database=None, max_examples=shortened(2000))
@given(two_ways_to_write(), st.integers(0, 37))
def test_equal_numbers_and_only_those_are_the_same(pair: tuple[str, str], place: int) -> None:
    number, again = pair
    assert Fraction(number) == Fraction(again)
    assert canonical_number(number) == canonical_number(again)
    assert Fraction(canonical_number(number)) == Fraction(number)
    assert re.fullmatch(r"0|-?(0|[1-9]\d*)(\.\d*[1-9])?", canonical_number(number))
    sign, digits, exponent = re.findall(r"^(-?)(\d+)E(.+)$", number)[0]
    at = place % len(digits)
    changed = digits[:at] + str((int(digits[at]) + 1) % 10) + digits[at + 1 :]
    other = f"{sign}{changed}E{exponent}"
    values: list[AttributeValue] = [
        {"N": number},
        {"NS": ["7", number]},
        {"L": [{"M": {"n": {"N": number}}}]},
    ]
    for value in values:
        item: Item = {"v": value}
        text = encode(item).decode()
        equal, different = (_rewritten(text, number, each) for each in (again, other))
        assert same(item, equal)
        assert fingerprint(item) == fingerprint(equal)
        assert not same(item, different)
        assert fingerprint(item) != fingerprint(different)
    names = ["id", "sort"]
    for name in names:
        key: Item = {"id": {"N": "1"}, "sort": {"N": "1"}, name: {"N": number}}
        assert identity(key, names) == identity({**key, name: {"N": again}}, names)
        assert identity(key, names) != identity({**key, name: {"N": other}}, names)


def _rewritten(text: str, number: str, other: str) -> Item:
    found: Item = json.loads(text.replace(f'"{number}"', f'"{other}"'))
    return found


def test_a_digest_does_not_depend_on_the_order_but_on_each_item() -> None:
    prints = [fingerprint({"id": {"N": str(number)}}) for number in range(100)]
    shuffled = random.Random(1).sample(prints, len(prints))
    one, other, less, twice = Digest(), Digest(), Digest(), Digest()
    one.add(prints)
    for start in range(0, 100, 7):
        other.add(shuffled[start : start + 7])
    less.add(prints[1:])
    twice.add([*prints, prints[0]])
    assert one.hex() == other.hex()
    assert (one.count, len(one.hex())) == (100, 64)
    assert len({one.hex(), less.hex(), twice.hex()}) == 3


@pytest.mark.parametrize(("size", "units"), [(0, 1), (1, 1), (1024, 1), (1025, 2), (409_600, 400)])
def test_write_units_round_up(size: int, units: int) -> None:
    assert write_units(size) == units


def test_keys_for_people() -> None:
    assert (
        readable({"user": {"S": "alice"}, "domain": {"S": "example.com"}}) == "alice / example.com"
    )


def a_counter(osid: str | None, **more: AttributeValue) -> Item:
    return {"counter": {"S": "counter"}, **({"osid": {"N": osid}} if osid else {}), **more}


@pytest.mark.parametrize(
    ("backup", "live", "wins"),
    [
        ("7", "9", "9"),
        ("9", "7", "9"),
        ("10", "9", "10"),
        ("9.5", "9", "9.5"),
        ("7", None, "7"),
        (None, "9", "9"),
    ],
)
def test_the_higher_counter_wins(backup: str | None, live: str | None, wins: str) -> None:
    chosen = highest(a_counter(backup, of={"S": "backup"}), a_counter(live, of={"S": "live"}))
    assert Decimal(chosen["osid"]["N"]) == Decimal(wins)
    assert chosen["of"] == {"S": "backup"}


def test_without_a_live_counter_the_backups_stays() -> None:
    assert highest(a_counter("7"), None) == a_counter("7")
