"""A restored table beside the live one: key schema, a sample of items, number of items."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cabal_backup.functions.validate_restore.verdict import Differs, apart, client
from cabal_backup.operations.restore.tables.items import Item, identity, key_of, same

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

SEGMENTS, PER_SEGMENT = 4, 25
"""A sample's items: the first ones of each quarter of the table, 100 in all, as many as
BatchGetItem takes."""

SAMPLE_ROUNDS = 8
"""How often BatchGetItem is asked for what it left unprocessed."""


def compare_tables(restored: str, live: str, tolerance: int, deadline: float) -> str:
    """Key schema, a sample of items, and the number of items."""
    keys, expected = _key_schema(restored, "restored"), _key_schema(live, "live")
    if keys != expected:
        one, other = (
            ", ".join(f"{name} ({role}, {type_})" for name, role, type_ in each)
            for each in (keys, expected)
        )
        raise Differs(f"The restored table's key is {one}, that of {live} {other}.")
    equal, sampled = _compare_sample(restored, live, [name for name, _, _ in expected])
    if equal * 100 < sampled * (100 - tolerance):
        raise Differs(
            f"Only {equal} of {sampled} sampled items of the restored table are the same in "
            f"{live}; {tolerance} % may differ. Either that many changed since the backup, or the "
            "backup is damaged."
        )
    sample = f"{equal} of {sampled} sampled items are the same" if sampled else "there is no item"
    items, all_items = _count(client("dynamodb"), restored, deadline)
    expected_items, all_expected = _count(client("dynamodb", live=True), live, deadline)
    if not (all_items and all_expected):
        return (
            f"The key schema is the same, and {sample}. Time ran out for counting, at "
            f"{items:,} restored and {expected_items:,} live items: the numbers are not compared."
        )
    if apart(items, expected_items, tolerance):
        raise Differs(
            f"The restored table has {items:,} items, {live} has {expected_items:,}; {tolerance} % "
            "may differ. Either that many came or went since the backup, or the backup is not "
            "whole."
        )
    return f"{items:,} items, {expected_items:,} in {live}; the key schema is the same; {sample}."


def _key_schema(table: str, which: str) -> list[tuple[str, str, str]]:
    """Name, role and type of each key attribute, the partition key first."""
    dynamodb = client("dynamodb", live=which == "live")
    try:
        described = dynamodb.describe_table(TableName=table)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException:
        raise Differs(
            f"The {which} table {table} does not exist, so nothing can be compared."
        ) from None
    types = {
        each["AttributeName"]: each["AttributeType"] for each in described["AttributeDefinitions"]
    }
    return sorted(
        (
            (each["AttributeName"], each["KeyType"], types[each["AttributeName"]])
            for each in described["KeySchema"]
        ),
        key=lambda key: key[1],
    )


def _compare_sample(restored: str, live: str, keys: list[str]) -> tuple[int, int]:
    """How many sampled items of `restored` are the same in `live`, and how many there are."""
    sample = [
        item
        for segment in range(SEGMENTS)
        for item in client("dynamodb").scan(
            TableName=restored, Segment=segment, TotalSegments=SEGMENTS, Limit=PER_SEGMENT
        )["Items"]
    ]
    found = {identity(item, keys): item for item in map(_as_sent, _get(live, sample, keys))}
    equal = 0
    for item in map(_as_sent, sample):
        other = found.get(identity(item, keys))
        equal += other is not None and same(item, other)
    return equal, len(sample)


def _as_sent(item: Item) -> Item:
    """An item as on the wire: boto3 has decoded its binary values."""
    sent: Item = json.loads(json.dumps(item, default=lambda value: b64encode(value).decode()))
    return sent


def _get(table: str, items: list[Item], keys: list[str]) -> Iterator[Item]:
    """The items of `table` with the keys of these, as far as there are any."""
    wanted = [key_of(item, keys) for item in items]
    for attempt in range(SAMPLE_ROUNDS):
        if not wanted:
            return
        if attempt:
            time.sleep(min(5.0, 0.1 * 2**attempt))
        answer = client("dynamodb", live=True).batch_get_item(
            RequestItems={table: {"Keys": wanted, "ConsistentRead": True}}
        )
        yield from answer["Responses"].get(table, [])
        wanted = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
    if wanted:
        raise Differs(
            f"{table} could not be compared: DynamoDB left {len(wanted)} keys unprocessed, "
            f"{SAMPLE_ROUNDS} times. Is its capacity used up?"
        )


def _count(dynamodb: DynamoDBClient, table: str, deadline: float) -> tuple[int, bool]:
    """The items counted before the deadline, and whether these are all.

    DescribeTable's ItemCount lags six hours, and is 0 for a table just restored.
    """
    items = 0
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, Select="COUNT"):
        items += page["Count"]
        if time.monotonic() > deadline:
            return items, "LastEvaluatedKey" not in page
    return items, True
