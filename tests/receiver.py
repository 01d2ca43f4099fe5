"""A heartbeat's receiver on this machine: an HTTPS server that remembers who called."""

from __future__ import annotations

import ssl
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CERTIFICATE = Path(__file__).parent / "tls" / "localhost.pem"
"""The server's certificate, and its key. Python trusts it where SSL_CERT_FILE names it."""


@dataclass
class Receiver:
    """What was called, and how the next calls are answered."""

    base: str
    called: list[str] = field(default_factory=list)
    """The path of every call, in order."""
    trouble: deque[int | str] = field(default_factory=deque)
    """For each of the next calls: a status, or where it is redirected to; 200 afterwards."""


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A running receiver; it stops when the context ends."""

    class Calls(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            running.called.append(self.path)
            answer = running.trouble.popleft() if running.trouble else 200
            self.send_response(302 if isinstance(answer, str) else answer)
            if isinstance(answer, str):
                self.send_header("Location", answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output quiet."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Calls)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    running = Receiver(f"https://localhost:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
