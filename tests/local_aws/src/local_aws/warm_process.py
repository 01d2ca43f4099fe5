"""Runs scripts, each in a copy of a process that has loaded their modules.

`python -P warm_process.py ADDRESS MODULE …`: stdin is a socket, and the process ends when the other
end is closed. A message on it brings a connection; clients can also connect to a socket at ADDRESS,
unless that is empty. A module is a name, or the file name of one beside this one. A connection
brings the descriptors 0, 1 and 2, and a line with a dict of Python: "command" (the script and its
arguments), "folder" and "environment". The answers are lines, too: the process id, and in the end
the exit code, or the negative number of the signal that ended the process.

It runs in the Python of any environment, so it imports the standard library only.
"""

from __future__ import annotations

import ast
import atexit
import gc
import os
import runpy
import select
import signal
import socket
import sys
import threading
import time
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 20


def main() -> None:
    address, *modules = sys.argv[1:]
    with socket.socket(fileno=os.dup(0)) as owner, socket.socket(socket.AF_UNIX) as listener:
        listening = [owner]
        if address:
            listener.bind(address)
            listener.listen()
            listening.append(listener)
        os.close(1)  # says that it listens
        os.open(os.devnull, os.O_WRONLY)
        before = dict(os.environ)
        for name in modules:
            _load(name)
        # awscli sets AWS_DATA_PATH when it is imported.
        set_by_modules = dict(os.environ.items() - before.items())
        gc.freeze()  # the copies share the memory that no collection writes to
        gc.set_threshold(100_000)  # most copies end before there is anything to collect
        # Nothing waits for those that wait for the copies.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        asked = _listen(listening)
    if asked is not None:
        descriptors, request = asked
        request["environment"].update(set_by_modules)
        _become(descriptors, request)


def _load(name: str) -> None:
    if not name.endswith(".py"):
        import_module(name)
        return
    # The folder of this file is not on sys.path, and the package may not be installed.
    spec = spec_from_file_location(Path(name).stem, Path(__file__).with_name(name))
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(module_from_spec(spec))


def _listen(listening: list[socket.socket]) -> tuple[list[int], dict[str, Any]] | None:
    """What a copy is to run; None in the first process, at its end."""
    while True:
        connection = _connection(listening)
        if connection is None:
            return None
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
            return descriptors, ast.literal_eval(line.decode())
        for descriptor in descriptors:
            os.close(descriptor)
        connection.sendall(b"%d\n" % child)
        _, status = os.waitpid(child, 0)
        connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)


def _connection(listening: list[socket.socket]) -> socket.socket | None:
    """The next connection, or None when the owner has closed its end."""
    owner, *_ = listening
    ready, _, _ = select.select(listening, [], [])
    if owner not in ready:
        connection, _ = ready[0].accept()
        return connection
    _, descriptors, _, _ = socket.recv_fds(owner, 1, 1)
    return socket.socket(fileno=descriptors[0]) if descriptors else None


def _become(descriptors: list[int], asked: dict[str, Any]) -> None:
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
    sys.argv = asked["command"]
    sys.path.insert(0, str(Path(sys.argv[0]).parent))
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        _end(ended.code or 0)
    _end(0)


def _end(code: int) -> None:
    """End as the interpreter does, without freeing the memory, which copies all of it."""
    ending: Any = threading
    ending._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        sys.exit(code)  # the interpreter says so, and ends with another code
    os._exit(code & 0xFF)


if __name__ == "__main__":
    main()
