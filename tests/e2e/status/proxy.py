"""A proxy between the tool and AWS that answers some requests itself."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

KEPT = ("content-type", "x-amzn-requestid", "x-amzn-errortype", "x-amz-crc32", "date")


@dataclass
class Reply:
    """What arrives at the tool."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


Change = Callable[[Reply], Reply]
"""From AWS's reply to the one that is passed on."""


@contextmanager
def proxy(endpoint: str, change: Change, *, but_not: tuple[str, ...] = ()) -> Iterator[str]:
    """A running proxy in front of `endpoint`; its own URL.

    :param but_not: services whose replies are passed on as they are.
    """
    behind = urlsplit(endpoint).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            connection = http.client.HTTPConnection(behind)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            headers = {name: answer.headers[name] for name in KEPT if name in answer.headers}
            reply = Reply(answer.status, answer.read(), headers)
            connection.close()
            service = self.headers.get("Authorization", "").partition("Credential=")[2].split("/")
            if len(service) < 4 or service[3] not in but_not:
                reply = change(reply)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def do_GET(self) -> None:
            self.forward()

        def do_POST(self) -> None:
            self.forward()

        def do_PUT(self) -> None:
            self.forward()

        def log_message(self, *_: object) -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
