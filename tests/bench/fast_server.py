"""A server that is not the limit: it speaks just enough of DynamoDB's protocol to be copied
from and to, and does next to nothing for it.

A Scan answers with pages that were made beforehand; a BatchWriteItem is accepted and its
items are counted. Nothing is stored, so nothing slows down as a table grows.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

PAGE_ITEMS = 3400
"""About 1 MB of addresses, the largest page a Scan gives."""

_WRITTEN = b'{"UnprocessedItems":{}}'


def address(number: int) -> dict[str, dict[str, str]]:
    """An item of `cabal-addresses`, as large as those usually are."""
    return {
        "address": {"S": f"shop{number:07d}@letters.example.com"},
        "tld": {"S": "example.com"},
        "user": {"S": f"user{number % 97}"},
        "username": {"S": f"shop{number:07d}"},
        "subdomain": {"S": "letters"},
        "comment": {"S": "online shop, asked for by the newsletter"},
        "RequestTime": {"S": "2026-01-01T00:00:00+00:00"},
    }


class Table:
    """A source with a number of items, in pages that are repeated as often as needed."""

    def __init__(self, items: int) -> None:
        self.items = items
        self.written = 0
        self._bodies: dict[tuple[int, int | None], bytes] = {}

    def page(self, request: dict[str, Any]) -> bytes:
        segment, segments = request.get("Segment", 0), request.get("TotalSegments", 1)
        first, end = (self.items * part // segments for part in (segment, segment + 1))
        start = request.get("ExclusiveStartKey", {}).get("address", {}).get("S", "")
        position = int(start.partition("@")[0][4:]) + 1 if start else first
        stop = min(position + PAGE_ITEMS, end)
        return self._body(stop - position, stop - 1 if stop < end else None)

    def _body(self, count: int, last: int | None) -> bytes:
        """The items of a full page are always the same; its last key says where to go on."""
        items = self._bodies.get((count, None))
        if items is None:
            items = json.dumps([address(number) for number in range(count)]).encode()
            self._bodies[count, None] = items
        start = (
            b""
            if last is None
            else b',"LastEvaluatedKey":'
            + json.dumps({"address": address(last)["address"]}).encode()
        )
        return b'{"Count":%d,"ScannedCount":%d,"Items":' % (count, count) + items + start + b"}"

    def describe(self, name: str) -> bytes:
        table = {
            "TableName": name,
            "TableStatus": "ACTIVE",
            "TableArn": f"arn:aws:dynamodb:us-west-1:123456789012:table/{name}",
            "CreationDateTime": 1.7e9,
            "ItemCount": self.items,
            "KeySchema": [{"AttributeName": "address", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "address", "AttributeType": "S"}],
            "ProvisionedThroughput": {"ReadCapacityUnits": 100, "WriteCapacityUnits": 100},
        }
        return json.dumps({"Table": table}).encode()


class Connection(asyncio.Protocol):
    """One client's connection: HTTP/1.1, as plain as it gets."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while True:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._received[:end]).lower()
            length = int(_header(head, b"content-length") or b"0")
            if b"expect: 100-continue" in head and len(self._received) == end + 4:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            if len(self._received) < end + 4 + length:
                return
            body = bytes(self._received[end + 4 : end + 4 + length])
            del self._received[: end + 4 + length]
            self._answer(_header(head, b"x-amz-target"), body)

    def _answer(self, target: bytes, body: bytes) -> None:
        operation = target.rpartition(b".")[2]
        if operation == b"batchwriteitem":
            self._table.written += body.count(b'"PutRequest"')
            answer = _WRITTEN
        elif operation == b"scan":
            answer = self._table.page(json.loads(body))
        elif operation == b"describetable":
            answer = self._table.describe(json.loads(body)["TableName"])
        elif operation == b"listtables":
            answer = b'{"TableNames":["source","target"]}'
        elif operation == b"written":
            answer = b"%d" % self._table.written
            self._table.written = 0
        else:
            raise ValueError(f"{operation!r} is not served")
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
            b"Content-Length: %d\r\n\r\n" % len(answer) + answer
        )


def _header(head: bytes, name: bytes) -> bytes:
    return head.partition(b"\r\n" + name + b":")[2].partition(b"\r\n")[0].strip()


async def serve(items: int) -> None:
    """Serve a table with so many items; prints the port."""
    table = Table(items)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(table), "127.0.0.1", 0
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
