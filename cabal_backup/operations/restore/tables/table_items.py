"""Reading and writing the items of tables on the wire, with every retry they need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from cabal_backup.names import COUNTER_ATTRIBUTE
from cabal_backup.operations.restore.tables.items import (
    Item,
    KeyIdentity,
    encode,
    identity,
    key_of,
    same,
)
from cabal_backup.operations.restore.tables.pipeline import Chunk, Source
from cabal_backup.operations.restore.tables.transport import CancelToken, DynamoDBError, Transport

SEGMENTS = 4
"""Parallel segments of a scan."""

WRITE_ITEMS = 25
"""BatchWriteItem takes 25 writes and 16 MB a request. All limits here:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
"""
WRITE_BYTES = 15 * 1024 * 1024
READ_ITEMS = 100
"""BatchGetItem takes 100 keys a request."""

_MAX_CONDITIONS = 100
"""Attributes one condition is about: an expression has at most 300 operators and 4 KB."""

_FAILED_CONDITION = "ConditionalCheckFailedException"


@dataclass(frozen=True)
class Table:
    """A table whose items are read or written."""

    name: str
    key_names: tuple[str, ...]
    region: str | None = None
    """Where it is; None for the region that AWS is acted in."""


Cut = Callable[[Iterable[list[Item]]], Iterator[Chunk]]
"""How the pages of a scan are cut into chunks."""


def scan(transport: Transport, table: Table, cut: Cut) -> list[Source]:
    """Every item of a table, in chunks, as sources that can be read side by side."""

    def segment(number: int) -> Source:
        return lambda stop: cut(_pages(transport, table, number, stop))

    return [segment(number) for number in range(SEGMENTS)]


def _pages(
    transport: Transport, table: Table, number: int, stop: CancelToken
) -> Iterator[list[Item]]:
    request: dict[str, object] = {
        "TableName": table.name,
        "ConsistentRead": True,
        "Segment": number,
        "TotalSegments": SEGMENTS,
    }
    while True:
        answer = transport.call("Scan", encode(request), stop, region=table.region)
        yield answer["Items"]
        if not answer.get("LastEvaluatedKey"):
            return
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def for_reading(pages: Iterable[list[Item]]) -> Iterator[Chunk]:
    """As many items as BatchGetItem takes keys."""
    for page in pages:
        # A page has at most 1 MB; what its parts weigh need not be known exactly.
        for start in range(0, len(page), READ_ITEMS):
            part = page[start : start + READ_ITEMS]
            yield Chunk(part, (), len(part) * 1024 * 1024 // len(page))


def for_checked_writing(pages: Iterable[list[Item]]) -> Iterator[Chunk]:
    """The same, with the JSON to write."""
    for chunk in for_reading(pages):
        encoded = [encode(item) for item in chunk.items]
        yield Chunk(chunk.items, encoded, sum(map(len, encoded)))


def for_writing(pages: Iterable[list[Item]]) -> Iterator[Chunk]:
    """As much JSON as BatchWriteItem takes; the items themselves are not needed any more."""
    encoded: list[bytes] = []
    size = 0
    for page in pages:
        for item in page:
            content = encode(item)
            if encoded and (len(encoded) == WRITE_ITEMS or size + len(content) > WRITE_BYTES):
                yield Chunk((), encoded, size)
                encoded, size = [], 0
            encoded.append(content)
            size += len(content)
    if encoded:
        yield Chunk((), encoded, size)


def put_all(
    transport: Transport, table: Table, encoded: Sequence[bytes], stop: CancelToken
) -> None:
    """Write items, at most WRITE_ITEMS of them, over whatever is there."""
    name = encode(table.name)
    request = (
        b'{"RequestItems":{'
        + name
        + b":["
        + b",".join(b'{"PutRequest":{"Item":' + item + b"}}" for item in encoded)
        + b"]}}"
    )
    waiting, failed = len(encoded), 0
    while True:
        answer = transport.call("BatchWriteItem", request, stop, region=table.region)
        left = (answer.get("UnprocessedItems") or {}).get(table.name) or []
        if not left:
            return
        # Only tries without any progress count.
        failed = failed + 1 if len(left) == waiting else 1
        _give_up_after(transport, failed, "BatchWriteItem")
        waiting = len(left)
        request = encode({"RequestItems": {table.name: left}})
        transport.retries.wait(failed, stop)


def get_all(
    transport: Transport,
    table: Table,
    keys: Sequence[Item],
    stop: CancelToken,
    *,
    keys_only: bool = False,
) -> dict[KeyIdentity, Item]:
    """The items of these keys, at most READ_ITEMS of them, as they are now.

    DynamoDB refuses a request without any key.
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_KeysAndAttributes.html
    """
    if not keys:
        return {}
    wanted: dict[str, object] = {"ConsistentRead": True}
    if keys_only:
        placeholders = {f"#k{number}": name for number, name in enumerate(table.key_names)}
        wanted |= {
            "ProjectionExpression": ",".join(placeholders),
            "ExpressionAttributeNames": placeholders,
        }
    found: dict[KeyIdentity, Item] = {}
    left, failed = list(keys), 0
    while True:
        request = {"RequestItems": {table.name: {**wanted, "Keys": left}}}
        answer = transport.call("BatchGetItem", encode(request), stop, region=table.region)
        for item in answer.get("Responses", {}).get(table.name, []):
            found[identity(item, table.key_names)] = item
        unprocessed = (answer.get("UnprocessedKeys") or {}).get(table.name, {}).get("Keys", [])
        if not unprocessed:
            return found
        failed = failed + 1 if len(unprocessed) == len(left) else 1
        _give_up_after(transport, failed, "BatchGetItem")
        left = unprocessed
        transport.retries.wait(failed, stop)


def put_if_absent(
    transport: Transport, table: Table, encoded: bytes, item: Item, stop: CancelToken
) -> bool:
    """Write an item unless its key is taken; whether it is now there as given.

    The item that is there is compared, because a write may have succeeded although its
    answer was lost.
    """
    request = (
        b'{"TableName":'
        + encode(table.name)
        + b',"Item":'
        + encoded
        + b',"ConditionExpression":"attribute_not_exists(#k)","ExpressionAttributeNames":{"#k":'
        + encode(table.key_names[0])
        + b'},"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}'
    )
    there = _conditionally(transport, table, "PutItem", request, stop)
    return there is None or same(there, item)


def put_if_still(
    transport: Transport, table: Table, item: Item, seen: Item | None, stop: CancelToken
) -> bool:
    """Write an item if the counter of the one that is there is what was seen; whether it was.

    :param seen: the item as it was seen; None when there was none.
    """
    request: dict[str, object] = {"TableName": table.name, "Item": item}
    if seen is None:
        request["ConditionExpression"] = "attribute_not_exists(#a)"
        request["ExpressionAttributeNames"] = {"#a": table.key_names[0]}
    else:
        request["ExpressionAttributeNames"] = {"#a": COUNTER_ATTRIBUTE}
        if COUNTER_ATTRIBUTE in seen:
            request["ConditionExpression"] = "#a = :seen"
            request["ExpressionAttributeValues"] = {":seen": seen[COUNTER_ATTRIBUTE]}
        else:
            request["ConditionExpression"] = "attribute_not_exists(#a)"
    return _conditionally(transport, table, "PutItem", encode(request), stop) is None


def replace_if_still(
    transport: Transport, table: Table, item: Item, seen: Item | None, stop: CancelToken
) -> bool:
    """Write an item unless the one that is there has changed since it was read; whether it is
    there as given.

    :param seen: the item that was read; None when there was none.

    For an attribute that is added at the same moment, see `delete_if_still`.
    """
    if seen is None:
        return put_if_absent(transport, table, encode(item), item, stop)
    request = {"TableName": table.name, "Item": item, **_if_still(seen)}
    there = _conditionally(transport, table, "PutItem", encode(request), stop)
    return there is None or same(there, item)


def delete_if_still(transport: Transport, table: Table, item: Item, stop: CancelToken) -> bool:
    """Delete an item unless it has changed since it was read; whether it no longer exists.

    An attribute that is added at the same moment, without changing another, goes
    unnoticed: DynamoDB has no condition on an item as a whole.
    """
    request = {
        "TableName": table.name,
        "Key": key_of(item, table.key_names),
        **_if_still(item),
    }
    there = _conditionally(transport, table, "DeleteItem", encode(request), stop)
    # The condition also fails if the item does not exist, after an earlier try or otherwise.
    return not there


def _if_still(item: Item) -> dict[str, object]:
    """The condition that the attributes of an item are as they were read."""
    names = dict(
        zip((f"#a{number}" for number in range(_MAX_CONDITIONS)), sorted(item), strict=False)
    )
    return {
        "ConditionExpression": " AND ".join(f"{name}=:{name[1:]}" for name in names),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": {f":{name[1:]}": item[names[name]] for name in names},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _conditionally(
    transport: Transport, table: Table, operation: str, request: bytes, stop: CancelToken
) -> Item | None:
    """None when it was done; the item that is there, or {}, when the condition failed."""
    try:
        transport.call(operation, request, stop, region=table.region)
    except DynamoDBError as error:
        if error.code != _FAILED_CONDITION:
            raise
        there: Item = error.answer.get("Item") or {}
        return there
    return None


def _give_up_after(transport: Transport, failed: int, operation: str) -> None:
    if failed >= transport.retries.tries:
        raise DynamoDBError(
            operation,
            "ProvisionedThroughputExceededException",
            f"{failed} tries in a row were throttled.",
            {},
        )
