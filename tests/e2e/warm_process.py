"""Runs one script many times, each time in a copy of a process that has its modules loaded.

`python -P warm_process.py SOCKET SCRIPT MODULE …`: each connection to the socket brings the
descriptors 0, 1 and 2, and a line of JSON with arguments, folder and environment. The answer is
the exit code. It ends when its stdin is closed. For the Python of another environment, so that
it imports the standard library only.
"""

from __future__ import annotations

import json
import os
import runpy
import select
import signal
import socket
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 20


def main() -> None:
    address, script, *modules = sys.argv[1:]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        os.close(1)  # says that it listens
        os.open(os.devnull, os.O_WRONLY)
        before = dict(os.environ)
        for name in modules:
            import_module(name)
        # awscli sets AWS_DATA_PATH when it is imported.
        set_by_modules = dict(os.environ.items() - before.items())
        # Nothing waits for those that wait for the copies.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        asked = _listen(listener)
    if asked is not None:
        descriptors, request = asked
        request["environment"].update(set_by_modules)
        _become(script, descriptors, request)


def _listen(listener: socket.socket) -> tuple[list[int], dict[str, Any]] | None:
    """What a copy is to run; None in the first process, at its end."""
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return None
        connection, _ = listener.accept()
        if os.fork():
            connection.close()
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        line, descriptors, _, _ = socket.recv_fds(connection, MOST_BYTES, 3)
        while not line.endswith(b"\n"):
            line += connection.recv(MOST_BYTES)
        child = os.fork()
        if child == 0:
            connection.close()
            return descriptors, json.loads(line)
        for descriptor in descriptors:
            os.close(descriptor)
        _, status = os.waitpid(child, 0)
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)


def _become(script: str, descriptors: list[int], asked: dict[str, Any]) -> None:
    """Run the script as the interpreter does when it starts with these."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", 1 if os.isatty(1) else -1, closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    os.chdir(asked["folder"])
    sys.argv = [script, *asked["arguments"]]
    sys.path.insert(0, str(Path(script).parent))
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
