"""Which items a pattern for keys selects."""

from __future__ import annotations

import pytest

from cabal_backup.operations.restore.tables.items import Digest, Item, fingerprint
from cabal_backup.operations.restore.tables.key_patterns import KeyPatterns
from cabal_backup.operations.restore.tables.table_items import Table, for_reading

ADDRESSES = Table("addresses", ("address",))
PREFERENCES = Table("preferences", ("user", "name"))


@pytest.mark.parametrize(
    ("patterns", "address", "matches"),
    [
        ((), "alice@example.com", True),
        (("alice@*",), "alice@example.com", True),
        (("alice@*",), "Alice@example.com", False),
        (("alice@*",), "malice@example.com", False),
        (("alice",), "alice@example.com", False),
        (("alice@*", "bob@*"), "bob@example.com", True),
        (("alice@*", "bob@*"), "carol@example.com", False),
        (("a?ice@[ef]*.com",), "alice@example.com", True),
    ],
)
def test_a_pattern_is_for_the_whole_key(
    patterns: tuple[str, ...], address: str, matches: bool
) -> None:
    assert KeyPatterns(patterns).match({"address": {"S": address}}, ADDRESSES) is matches


def test_only_the_partition_key_counts() -> None:
    item: Item = {"name": {"S": "alice"}, "user": {"N": "42"}}
    assert KeyPatterns(("4*",)).match(item, PREFERENCES)
    assert not KeyPatterns(("alice",)).match(item, PREFERENCES)


def test_the_others_are_added_to_their_digest() -> None:
    alice: Item = {"address": {"S": "alice"}}
    bob: Item = {"address": {"S": "bob"}}
    carol: Item = {"address": {"S": "carol"}}
    others, expected = Digest(), Digest()
    expected.add([fingerprint(bob), fingerprint(carol)])

    cut = KeyPatterns(("alice",)).select(for_reading, ADDRESSES, others)

    chunks = list(cut([[bob], [carol, alice], []]))
    assert [item for chunk in chunks for item in chunk.items] == [alice]
    assert (others.hex(), others.count) == (expected.hex(), 2)


def test_patterns_as_they_are_typed_and_as_a_tag_has_them() -> None:
    two = KeyPatterns(("alice@*", "bob"))
    assert two.options == " --only='alice@*' --only=bob"
    assert two.name == KeyPatterns(("bob", "alice@*", "bob")).name
    assert two.name.isalnum()
    assert two.name != KeyPatterns(("alice@*",)).name
    assert (KeyPatterns().options, KeyPatterns().name) == ("", "")
