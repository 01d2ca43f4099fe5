"""Each mode of the cutover leaves exactly the set its documentation promises: for tables of
every DynamoDB type, empty values and all.
"""

from __future__ import annotations

import base64
import itertools
import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cabal_backup.operations.aws.client import Aws, connect
from cabal_backup.operations.aws.clock import SystemClock
from cabal_backup.operations.aws.jobs import Event
from cabal_backup.operations.restore.tables import cutover
from cabal_backup.operations.restore.tables.cutover import CutoverRequest
from cabal_backup.operations.restore.tables.items import canonical
from cabal_backup.operations.restore.tables.table_copy import Mode
from cabal_backup.operations.restore.tables.transport import CancelToken, Transport
from tests.builders import an_environment
from tests.e2e.tables.conftest import Rescuer

Item = dict[str, Any]

_numbered = itertools.count()

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
number = st.one_of(
    st.integers(-(10**37), 10**37).map(str),
    st.integers(1, 99).map(lambda n: f"0.{n:02d}5"),
    st.just("12345678901234567890123456789012345678"),
)
binary = st.binary(max_size=12).map(lambda content: base64.b64encode(content).decode())
scalar = st.one_of(
    text.map(lambda value: {"S": value}),
    number.map(lambda value: {"N": value}),
    binary.map(lambda value: {"B": value}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"NULL": True}),
)
non_empty_binary = st.binary(min_size=1, max_size=6).map(lambda b: base64.b64encode(b).decode())
sets = st.one_of(
    st.sets(text.filter(bool), min_size=1, max_size=4).map(lambda v: {"SS": sorted(v)}),
    st.sets(st.integers(-99, 99).map(str), min_size=1, max_size=4).map(lambda v: {"NS": sorted(v)}),
    st.sets(non_empty_binary, min_size=1, max_size=4).map(lambda v: {"BS": sorted(v)}),
)
value = st.recursive(
    st.one_of(scalar, sets),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda v: {"L": v}),
        st.dictionaries(text.filter(bool), inner, max_size=3).map(lambda v: {"M": v}),
    ),
    max_leaves=6,
)
attributes = st.dictionaries(
    st.text("abcdefgh #:.é", min_size=1, max_size=6).map(lambda name: f"_{name}"),
    value,
    max_size=4,
)


@dataclass(frozen=True)
class Kind:
    """A key type, and keys of it that may or may not collide."""

    keys: dict[str, str]
    key: st.SearchStrategy[Item]


KINDS = (
    Kind({"id": "S"}, st.sampled_from("abcdefgh").map(lambda v: {"id": {"S": v}})),
    Kind({"id": "N"}, st.integers(-4, 4).map(lambda v: {"id": {"N": str(v)}})),
    Kind(
        {"id": "N", "sort": "N"},
        # Equal to the 28 digits of Python's decimal context; DynamoDB has 38.
        st.tuples(st.integers(0, 1), st.integers(0, 3)).map(
            lambda v: {
                "id": {"N": f"1234567890123456789012345678.{v[0] + 1}"},
                "sort": {"N": str(-(10**37) - v[1])},
            }
        ),
    ),
    Kind(
        {"id": "B", "sort": "N"},
        st.tuples(st.sampled_from([b"\0", b"\xff", b"ab"]), st.integers(0, 3)).map(
            lambda v: {
                "id": {"B": base64.b64encode(v[0]).decode()},
                "sort": {"N": str(v[1])},
            }
        ),
    ),
)


@st.composite
def a_pair(draw: st.DrawFn) -> tuple[Kind, list[Item], list[Item]]:
    """A backup that is not empty, and a live table that shares some of its items."""
    kind = draw(st.sampled_from(KINDS))

    def some(least: int) -> list[Item]:
        keys = draw(st.lists(kind.key, min_size=least, max_size=8, unique_by=json.dumps))
        return [{**draw(attributes), **key} for key in keys]

    backup, live = some(1), some(0)
    shared = draw(st.lists(st.sampled_from(backup), max_size=3, unique_by=json.dumps))
    taken = {_key(item, kind) for item in shared}
    return kind, backup, shared + [item for item in live if _key(item, kind) not in taken]


@pytest.fixture
def aws(small: Rescuer) -> Aws:
    small.sandbox.settings(table_creation=0, table_visibility=0)
    return connect(an_environment("development"))


@pytest.mark.parametrize("mode", list(Mode))
def test_exactly_what_is_promised(aws: Aws, mode: Mode) -> None:
    reported: list[Event] = []

    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(a_pair())
    def check(pair: tuple[Kind, list[Item], list[Item]]) -> None:
        kind, backup, live = pair
        restored_table, live_table = (_make(aws, kind, items) for items in (backup, live))
        request = CutoverRequest(restored=restored_table, live=live_table, mode=mode, no_undo=True)
        clock, stop = SystemClock(), CancelToken()
        plan = cutover.plan_cutover(aws, request, clock, stop, reported.append)
        result = cutover.execute(aws, plan, clock, stop, reported.append)
        assert _read(aws, live_table) == _canonical(_promised(mode, kind, backup, live))
        assert result.verification.problems == ()
        for table in (restored_table, live_table):
            aws.client("dynamodb").delete_table(TableName=table)

    check()


def _promised(mode: Mode, kind: Kind, backup: list[Item], live: list[Item]) -> list[Item]:
    ours = {_key(item, kind): item for item in backup}
    theirs = {_key(item, kind): item for item in live}
    return list(
        {
            Mode.OVERWRITE: {**theirs, **ours},
            Mode.MISSING_ONLY: {**ours, **theirs},
            Mode.MIRROR: ours,
        }[mode].values()
    )


def _key(item: Item, kind: Kind) -> str:
    return json.dumps([item[name] for name in kind.keys])


def _canonical(items: list[Item]) -> list[bytes]:
    return sorted(canonical(item) for item in items)


def _make(aws: Aws, kind: Kind, items: list[Item]) -> str:
    name = f"random-{next(_numbered)}"
    dynamodb: Any = aws.client("dynamodb")
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": key, "KeyType": role}
            for key, role in zip(kind.keys, ("HASH", "RANGE"), strict=False)
        ],
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": each} for key, each in kind.keys.items()
        ],
    )
    for item in items:
        _call(aws, "PutItem", {"TableName": name, "Item": item})
    return name


def _read(aws: Aws, table: str) -> list[bytes]:
    return _canonical(_call(aws, "Scan", {"TableName": table})["Items"])


def _call(aws: Aws, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    return Transport(aws).call(operation, json.dumps(request).encode(), CancelToken())
