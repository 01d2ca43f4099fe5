"""A restored table or file system beside the live one, as far as AWS describes both."""

from __future__ import annotations

import json
import os
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from cabal_backup.operations.restore.tables.items import Item, identity, key_of, same

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import (
        AttributeValueTypeDef,
        UniversalAttributeValueTypeDef,
    )
    from types_boto3_efs import EFSClient
    from types_boto3_efs.type_defs import FileSystemDescriptionTypeDef

RETRIES = Config(
    retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=5, read_timeout=10
)
"""A throttled, failed or lost call is tried 6 times."""

SEGMENTS, PER_SEGMENT = 4, 25
"""A sample's items: the first ones of each quarter of the table, 100 in all, as many as
BatchGetItem takes."""

SAMPLE_ROUNDS = 8
"""How often BatchGetItem is asked for what it left unprocessed."""

SETTLED_AFTER = timedelta(hours=3)
"""From the end of a restore until the size of its file system counts: EFS says it is right
when nothing was written "for a period longer than a couple of hours".

https://docs.aws.amazon.com/efs/latest/ug/API_FileSystemSize.html
"""

SIZE_TIMEOUT = timedelta(hours=18)
"""From the end of a restore until a size that is still missing is a failure."""

OVERHEAD = 64 * 1024
"""Bytes a restored file system may have more: a directory at its root holds everything."""


class Differs(Exception):
    """The restored resource differs from the live one; the message says how and what to do."""


class NotYet(Exception):
    """The restored resource cannot be judged yet."""


def compare_tables(restored: str, live: str, tolerance: int, deadline: float) -> str:
    """Key schema, a sample of items, and the number of items.

    :param tolerance: how much may differ, in percent.
    :param deadline: until when items are counted, on the monotonic clock, in seconds.

    Raises Differs.
    """
    here = boto3.client("dynamodb", config=RETRIES)
    there = boto3.client("dynamodb", region_name=os.environ["LIVE_REGION"], config=RETRIES)
    keys, expected = _key_schema(here, restored, "restored"), _key_schema(there, live, "live")
    if keys != expected:
        one, other = (
            ", ".join(f"{name} ({role}, {type_})" for name, role, type_ in each)
            for each in (keys, expected)
        )
        raise Differs(f"The restored table's key is {one}, that of {live} {other}.")
    key_names = [name for name, _, _ in expected]
    sample = _sample(here, restored)
    live_items = map(_as_sent, _get(there, live, [key_of(item, key_names) for item in sample]))
    found = {identity(item, key_names): item for item in live_items}
    equal = 0
    for item in map(_as_sent, sample):
        match = found.get(identity(item, key_names))
        equal += match is not None and same(item, match)
    if equal * 100 < len(sample) * (100 - tolerance):
        raise Differs(
            f"Only {equal} of {len(sample)} sampled items of the restored table are the same in "
            f"{live}; {tolerance} % may differ. Either that many changed since the backup, or the "
            "backup is damaged."
        )
    sampled = (
        f"{equal} of {len(sample)} sampled items are the same" if sample else "there is no item"
    )
    items, all_items = _count(here, restored, deadline)
    expected_items, all_expected = _count(there, live, deadline)
    if not (all_items and all_expected):
        return (
            f"The key schema is the same, and {sampled}. Time ran out for counting, at "
            f"{items:,} restored and {expected_items:,} live items: the numbers are not compared."
        )
    if _apart(items, expected_items, tolerance):
        raise Differs(
            f"The restored table has {items:,} items, {live} has {expected_items:,}; {tolerance} % "
            "may differ. Either so many were added or deleted since the backup, or the backup is "
            "incomplete."
        )
    return f"{items:,} items, {expected_items:,} in {live}; the key schema is the same; {sampled}."


def _key_schema(dynamodb: DynamoDBClient, table: str, which: str) -> list[tuple[str, str, str]]:
    """Name, role and type of each key attribute, the partition key first."""
    try:
        described = dynamodb.describe_table(TableName=table)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException:
        raise Differs(
            f"The {which} table {table} does not exist, so nothing can be compared."
        ) from None
    types = {
        each["AttributeName"]: each["AttributeType"] for each in described["AttributeDefinitions"]
    }
    keys = [(each["AttributeName"], each["KeyType"]) for each in described["KeySchema"]]
    return [(name, role, types[name]) for name, role in sorted(keys, key=lambda key: key[1])]


def _sample(dynamodb: DynamoDBClient, table: str) -> list[Mapping[str, AttributeValueTypeDef]]:
    return [
        item
        for segment in range(SEGMENTS)
        for item in dynamodb.scan(
            TableName=table, Segment=segment, TotalSegments=SEGMENTS, Limit=PER_SEGMENT
        )["Items"]
    ]


def _get(
    dynamodb: DynamoDBClient,
    table: str,
    wanted: Sequence[Mapping[str, UniversalAttributeValueTypeDef]],
) -> Iterator[Mapping[str, AttributeValueTypeDef]]:
    """The items of `table` with these keys, as far as there are any."""
    for attempt in range(SAMPLE_ROUNDS):
        if not wanted:
            return
        if attempt:
            time.sleep(min(5.0, 0.1 * 2**attempt))
        answer = dynamodb.batch_get_item(
            RequestItems={table: {"Keys": wanted, "ConsistentRead": True}}
        )
        yield from answer["Responses"].get(table, [])
        left = answer.get("UnprocessedKeys", {}).get(table)
        wanted = left["Keys"] if left else []
    if wanted:
        raise Differs(
            f"{table} could not be compared: DynamoDB left {len(wanted)} keys unprocessed, "
            f"{SAMPLE_ROUNDS} times. Is its capacity used up?"
        )


def _as_sent(item: Mapping[str, AttributeValueTypeDef]) -> Item:
    """An item as on the wire: boto3 has decoded its binary values."""
    sent: Item = json.loads(json.dumps(item, default=lambda value: b64encode(value).decode()))
    return sent


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


def compare_file_systems(
    restored: str, live: str, tolerance: int, completed: datetime, now: datetime
) -> str:
    """State, encryption and metered size: what the API can tell.

    Not the performance mode: restore testing restores into generalPurpose, whatever the
    live file system has.

    :param tolerance: by how much the sizes may differ, in percent.
    :param completed: when the restore was complete.

    Raises Differs; and NotYet while EFS has not measured the restored file system.
    """
    if now < completed + SETTLED_AFTER:
        raise NotYet("EFS has not measured it since the restore")
    here = boto3.client("efs", config=RETRIES)
    there = boto3.client("efs", region_name=os.environ["LIVE_REGION"], config=RETRIES)
    found, expected = _file_system(here, restored, "restored"), _file_system(there, live, "live")
    if found["LifeCycleState"] != "available":
        raise Differs(f"The restored file system is {found['LifeCycleState']}, not available.")
    if expected.get("Encrypted") and not found.get("Encrypted"):
        raise Differs(f"The restored file system is not encrypted, {live} is.")
    measured = found["SizeInBytes"].get("Timestamp")
    if measured is None or measured < completed:
        if now < completed + SIZE_TIMEOUT:
            raise NotYet("EFS has not measured it since the restore")
        raise Differs(
            "EFS has not measured the restored file system in "
            f"{SIZE_TIMEOUT // timedelta(hours=1)} hours since the restore, so its size is unknown."
        )
    size, expected_size = found["SizeInBytes"]["Value"], expected["SizeInBytes"]["Value"]
    if _apart(size, expected_size, tolerance, spare=OVERHEAD):
        raise Differs(
            f"The restored file system holds {size:,} bytes, {live} {expected_size:,}; "
            f"{tolerance} % may differ. Either so much was added or deleted since the backup, or "
            "the backup is incomplete."
        )
    return f"{size:,} bytes, {expected_size:,} in {live}; available; encryption as expected."


def _file_system(efs: EFSClient, identity: str, which: str) -> FileSystemDescriptionTypeDef:
    """A file system as EFS describes it. Raises Differs when there is none."""
    try:
        return efs.describe_file_systems(FileSystemId=identity)["FileSystems"][0]
    except (efs.exceptions.FileSystemNotFound, IndexError):
        raise Differs(
            f"The {which} file system {identity} does not exist, so nothing can be compared."
        ) from None


def _apart(found: int, expected: int, tolerance: int, *, spare: int = 0) -> bool:
    """Whether two numbers differ by more than `tolerance` percent of the expected one."""
    return abs(found - expected) * 100 > expected * tolerance + spare * 100
