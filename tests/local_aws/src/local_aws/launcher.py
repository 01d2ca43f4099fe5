"""Starts the local AWS in this process and serves until it is stopped."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_aws.ministack import environment

if TYPE_CHECKING:
    from local_aws.system import System

LOG_FILE = "sandbox.log"
_KEEP_ALIVE_SECONDS = 75

Ready = Callable[[Mapping[str, Any]], None]

_log = logging.getLogger("sandbox")


def serve(
    data: Path,
    *,
    port: int,
    start: datetime | None,
    auth: bool,
    leash: bool,
    ready: Ready,
) -> None:
    """Serve on 127.0.0.1 until SIGTERM or SIGINT; with `leash` also until stdin is closed.

    Port 0 is a free port. All files are below `data`. When the local AWS answers, `ready` is
    called with `endpoint`, `data`, `log` and `pid`.
    """
    for directory in (data, data / "tmp"):
        directory.mkdir(parents=True, exist_ok=True)
    listener = socket.create_server((environment.LOOPBACK, port))
    _prepare_environment(data, listener.getsockname()[1], auth)
    _log_to(data / LOG_FILE)

    import uvloop

    # MiniStack reads its settings while it is imported, so it is imported here.
    from local_aws.system import System

    system = System(data, start)
    _collect_seldom()
    try:
        uvloop.run(_run(system, listener, data, leash, ready))
    finally:
        system.close()


def _collect_seldom() -> None:
    """Spare the garbage collector what lives as long as the process, and the state of AWS.

    A rollback makes hundreds of thousands of objects, none of them garbage.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)


def _prepare_environment(data: Path, port: int, auth: bool) -> None:
    kept = environment.without_aws(os.environ)
    os.environ.clear()
    os.environ.update(kept)
    os.environ.update(environment.variables(data, port=port, auth=auth))


def _log_to(path: Path) -> None:
    """Write all logs to a file; stdout is for the ready line."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s [%(name)s] %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("uvicorn", "botocore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


async def _run(
    system: System, listener: socket.socket, data: Path, leash: bool, ready: Ready
) -> None:
    import uvicorn

    from local_aws.gate import Gate

    gate: Any = Gate(system)
    server = uvicorn.Server(
        uvicorn.Config(
            gate,
            http="httptools",
            ws="none",
            loop="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            date_header=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=1,
        )
    )

    def stop() -> None:
        server.should_exit = True

    # It would end the process with the signal, and the data would not be closed.
    server.capture_signals = nullcontext  # type: ignore[method-assign, assignment]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if leash:
        _stop_with_stdin(loop, stop)
    # Connections inherit it. Without it, half of an answer waits for the client's next packet.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    port = listener.getsockname()[1]
    serving = asyncio.create_task(server.serve([listener]))
    ticker = asyncio.create_task(_tick(system))
    await _answers(port)
    ready(
        {
            "endpoint": f"http://{environment.LOOPBACK}:{port}",
            "data": str(data),
            "log": str(data / LOG_FILE),
            "pid": os.getpid(),
        }
    )
    await serving
    ticker.cancel()


def _stop_with_stdin(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Stop when the process at the other end of stdin ends, in whatever way."""
    descriptor = sys.stdin.fileno()

    def look() -> None:
        if not os.read(descriptor, 1024):
            loop.remove_reader(descriptor)
            stop()

    loop.add_reader(descriptor, look)


async def _tick(system: System) -> None:
    from local_aws.system import TICK_SECONDS

    while True:
        await asyncio.sleep(TICK_SECONDS)
        try:
            await asyncio.to_thread(system.tick)
        except Exception:
            _log.exception("A tick failed")


async def _answers(port: int) -> None:
    """Wait until a request is answered."""
    while True:
        reader, writer = await asyncio.open_connection(environment.LOOPBACK, port)
        writer.write(b"GET /_sandbox/now HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n\r\n")
        answered = (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        if answered:
            return
