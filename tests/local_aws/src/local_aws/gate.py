"""Handles each HTTP request: controls, lost regions, otherwise MiniStack."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from local_aws.control import PREFIX, Control
from local_aws.ministack import internals
from local_aws.ministack.endpoint import raw_path
from local_aws.ministack.service_faults import error_body
from local_aws.system import System

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Gate:
    """An ASGI application that wraps MiniStack's."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._control = Control(system)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["path"].startswith(PREFIX):
                await self._answer_control(scope, receive, send)
                return
            headers = _headers(scope)
            if self._system.is_lost(_region(scope, headers)):
                content_type, body = error_body(*_LOST, headers.get("content-type", ""))
                await _respond(send, HTTPStatus.SERVICE_UNAVAILABLE, body, content_type)
                return
            raw_path.set((scope.get("raw_path") or scope["path"].encode()).decode("latin-1"))
            send = _like_aws(send, cors="origin" in headers)
            if _service(headers) in ON_SANDBOX_TIME:
                send = self._dated(send)
        await internals.app.app(scope, receive, send)

    def _dated(self, send: Send) -> Send:
        """Set the `Date` header of each answer to the time of the local AWS."""

        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self._system.now(), usegmt=True).encode()
                headers = [each for each in message["headers"] if each[0].lower() != b"date"]
                message = {**message, "headers": [*headers, (b"date", date)]}
            await send(message)

        return send_dated

    async def _answer_control(self, scope: Message, receive: Receive, send: Send) -> None:
        path = scope["path"][len(PREFIX) :]
        body = await _read(receive)
        status, answer = await self._control.handle(scope["method"], path, body)
        await _respond(send, status, answer, "application/json")


ON_SANDBOX_TIME = {
    "backup",
    "cloudtrail",
    "dynamodb",
    "elasticfilesystem",
    "events",
    "kms",
    "monitoring",
    "ssm",
}
"""The services that use the time of the local AWS, by their names in signatures."""

_SIGNED_FOR = re.compile(r"Credential=[^/,]+/\d{8}/[^/,]+/([^/,]+)/aws4_request")

_LOST = ("ServiceUnavailable", "The region cannot be reached.")


def _headers(scope: Message) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }


def _service(headers: dict[str, str]) -> str:
    """The service a request is signed for; empty for an anonymous one."""
    signed = _SIGNED_FOR.search(headers.get("authorization", ""))
    return signed[1] if signed else ""


def _region(scope: Message, headers: dict[str, str]) -> str:
    """The region a request is signed for."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    return str(internals.router.extract_region(headers, query))


def _like_aws(send: Send, *, cors: bool) -> Send:
    """Replace MiniStack's request id with the service's own, and leave out what only a browser's
    request is answered: each header takes both ends time.

    :param cors: whether the request has an Origin.
    """

    async def send_as_aws(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"]
            if not cors:
                headers = [h for h in headers if not h[0].lower().startswith(b"access-control-")]
            ids = [h for h in headers if h[0].lower() == b"x-amzn-requestid"]
            own = next((h for h in ids if h[0] != b"x-amzn-requestid"), None)
            if own is not None and len(ids) > 1:
                headers = [*(h for h in headers if h not in ids), own]
            message = {**message, "headers": headers}
        await send(message)

    return send_as_aws


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def _respond(send: Send, status: int, body: bytes, content_type: str) -> None:
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
