"""CloudFormation's side of a custom resource: it sends requests and waits at a URL.

The response URL is a real HTTP server on this machine. What CloudFormation requires
of an answer is checked for every answer:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import uuid4

from cabal_backup.custom_resource import Event

SIGNATURE = "9f86d081884c7d659a2feaa0c55ad015"
STACK_ID = "arn:aws:cloudformation:us-west-1:123456789012:stack/cabal-backup/5f0d8a40-0000"
SENTINEL = "this-is-a-property-of-the-event"

Handler = Callable[[Event, object], None]
Answer = dict[str, Any]

HANG_UP = "hang up"
GARBAGE = "garbage"


@dataclass
class ResponseUrl:
    """Where answers are delivered, and how the next deliveries go wrong."""

    base: str
    trouble: deque[int | str] = field(default_factory=deque)
    """For each of the next deliveries: a status to refuse with, HANG_UP or GARBAGE."""
    deliveries: int = 0
    accepted: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

    def signed(self, request_id: str) -> str:
        return (
            f"{self.base}/{STACK_ID.replace(':', '%3A')}%7COptIn%7C{request_id}"
            f"?AWSAccessKeyId=EXAMPLE&Expires=1763769600&Signature={SIGNATURE}"
        )


@contextmanager
def response_url() -> Iterator[ResponseUrl]:
    """A running server; it stops when the context ends."""

    class Deliveries(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            url.deliveries += 1
            trouble = url.trouble.popleft() if url.trouble else None
            if trouble == GARBAGE:
                self.wfile.write(b"\x00\x01 this is not HTTP\r\n\r\n")
            if isinstance(trouble, str):
                self.close_connection = True
                return
            if trouble is None:
                url.accepted.append((self.path, dict(self.headers), body))
            self.send_response(trouble or 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Deliveries)
    url = ResponseUrl(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Resource:
    """One custom resource in one stack, led through its life as CloudFormation does."""

    handler: Handler
    url: ResponseUrl
    physical_id: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)

    def create(self) -> Answer:
        """Create it; when that fails, roll back by deleting what was named."""
        answer = self.send("Create")
        self.physical_id = answer["PhysicalResourceId"]
        if answer["Status"] == "FAILED":
            self.delete()
        return answer

    def update(self) -> Answer:
        """Update it; a changed physical id means a replacement: delete the old one."""
        answer = self.send("Update")
        if answer["PhysicalResourceId"] != self.physical_id:
            self.delete()
            self.physical_id = answer["PhysicalResourceId"]
        return answer

    def delete(self) -> Answer:
        return self.send("Delete")

    def send(self, request_type: str) -> Answer:
        """Send one request and take the one answer to it."""
        event = self.event(request_type)
        before = len(self.url.accepted)
        self.handler(event, None)
        ((path, headers, body),) = self.url.accepted[before:]
        answer: Answer = json.loads(body)
        _check(event, path, headers, body, answer)
        self.answers.append(answer)
        return answer

    def event(self, request_type: str) -> Event:
        request_id = str(uuid4())
        event: Any = {
            "RequestType": request_type,
            "ServiceToken": "arn:aws:lambda:us-west-1:123456789012:function:OptIn",
            "ResponseURL": self.url.signed(request_id),
            "StackId": STACK_ID,
            "RequestId": request_id,
            "LogicalResourceId": "OptIn",
            "ResourceType": "Custom::AdvancedDynamoDBBackup",
            "ResourceProperties": {"ServiceToken": SENTINEL, **self.properties},
        }
        if request_type != "Create":
            assert self.physical_id, f"{request_type} before a physical id is known"
            event["PhysicalResourceId"] = self.physical_id
        if request_type == "Update":
            event["OldResourceProperties"] = {"ServiceToken": SENTINEL}
        return cast("Event", event)


def _check(event: Any, path: str, headers: Mapping[str, str], body: bytes, answer: Answer) -> None:
    sent_to = urlsplit(event["ResponseURL"])
    assert path == f"{sent_to.path}?{sent_to.query}"
    # S3 refuses a signed PUT whose content type is not the signed one, which is empty.
    assert headers["Content-Type"] == ""
    assert int(headers["Content-Length"]) == len(body) <= 4096
    for echoed in ("StackId", "RequestId", "LogicalResourceId"):
        assert answer[echoed] == event[echoed]
    assert answer["Status"] in ("SUCCESS", "FAILED")
    assert answer["Status"] == "SUCCESS" or answer["Reason"]
    assert 1 <= len(answer["PhysicalResourceId"]) <= 1024
