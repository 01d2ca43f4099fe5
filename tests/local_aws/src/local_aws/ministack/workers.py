"""Processes of Python functions, forked from one that has loaded boto3.

A new interpreter would load boto3 for 0.2 s, hundreds of times in a test run. What a function
brings with it is imported in its own process, from a folder that all processes with this code
share: only the first one compiles it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import local_aws
from local_aws.ministack import internals

LOADED = sys.stdlib_module_names | {
    "boto3",
    "botocore",
    "dateutil",
    "jmespath",
    "local_aws",
    "s3transfer",
    "six",
    "urllib3",
}
"""The process has some of these. A function with one of its own runs in a new interpreter."""

_WARM_PROCESS = str(Path(local_aws.__file__).with_name("warm_process.py"))

_ENDED_SECONDS = 5
"""How long the end of the output of a process that has ended is waited for: a process that the
function has started may keep it open."""

_reading = threading.Lock()
"""Held while lines are between the pipe and MiniStack's queue."""
_starting = threading.Lock()
_extracting = threading.Lock()


def install(folder: Path) -> None:
    """Start the processes of Python functions by forking.

    :param folder: for the code of functions.
    """
    runtime = internals.lambda_runtime
    runtime.subprocess = SimpleNamespace(**(vars(subprocess) | {"Popen": _start}))
    archive = partial(_Code, folder=folder)
    runtime.zipfile = SimpleNamespace(**(vars(zipfile) | {"ZipFile": archive}))
    runtime.Worker._read_stderr = _read_lines
    runtime.Worker._drain_stderr_bounded = _written


def _read_lines(worker: Any) -> None:
    """Put what a function writes to stderr into MiniStack's queue, line by line, until its end."""
    pipe, queue, rest = worker._proc.stderr, worker._stderr_queue, b""
    readable = select.poll()
    with suppress(OSError, ValueError):  # the pipe was closed
        readable.register(pipe, select.POLLIN)
        while readable.poll():
            with _reading:
                written = os.read(pipe.fileno(), 65_536)
                *lines, rest = (rest + written).split(b"\n")
                for line in lines if written else [rest] * bool(rest):
                    queue.put(line.decode(errors="replace"))
            if not written:
                return


def _written(worker: Any, **_: float) -> Any:
    """The lines of an invocation. A function writes them before its answer, which is here."""
    process, reader = worker._proc, worker._stderr_thread
    if process is None:
        reader.join(_ENDED_SECONDS)
    while process is not None and reader.is_alive():
        with _reading:
            if not _unread(process.stderr):
                break
        time.sleep(0.001)
    return worker._drain_stderr()


class _Code(zipfile.ZipFile):
    """An archive with the code of a function, or a layer.

    Python code is in one folder for all archives with the same content, and compiled there. On AWS,
    too, a function cannot write to its code.
    """

    def __init__(self, path: str, *, folder: Path) -> None:
        super().__init__(path)
        self._folder = folder / hashlib.sha256(Path(path).read_bytes()).hexdigest()

    def extractall(self, path: Any = None, *_: Any) -> None:
        """Extract into the empty folder `path`, or replace it by a link to the shared one."""
        if not any(name.endswith(".py") for name in self.namelist()):
            super().extractall(path)
            return
        with _extracting:
            if not self._folder.exists():
                shutil.rmtree(unfinished := self._folder.with_suffix(".new"), ignore_errors=True)
                super().extractall(unfinished)
                unfinished.rename(self._folder)
        Path(path).rmdir()
        Path(path).symlink_to(self._folder)


def _unread(pipe: Any) -> int:
    """The bytes that were written to a pipe and not read yet."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4), sys.byteorder)


def _start(command: Sequence[str], **options: Any) -> Any:
    if command[0] != sys.executable or _needs_interpreter(options["cwd"], options["env"]):
        return subprocess.Popen(command, **options)
    return _Fork(command[1:], options["cwd"], options["env"])


def _needs_interpreter(folder: str, variables: Mapping[str, str]) -> bool:
    """Whether the function replaces what is loaded, or has settings of the interpreter."""
    brought = {path.name.partition(".")[0] for path in Path(folder).iterdir()}
    return (
        not brought.isdisjoint(LOADED)
        or "_LAMBDA_LAYERS_DIRS" in variables
        or _of_python(variables) != _of_python(os.environ)
    )


def _of_python(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith("PYTHON")}


@cache
def _warm_process() -> socket.socket:
    """Its stdin: it ends with this process, which has the only other end."""
    ours, theirs = socket.socketpair()
    with theirs:
        subprocess.Popen(
            [sys.executable, "-P", _WARM_PROCESS, "", "warm_sdk.py", "boto3"],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    return ours


class _Fork:
    """What MiniStack uses of a subprocess.Popen with pipes."""

    def __init__(self, command: Sequence[str], folder: str, variables: Mapping[str, str]) -> None:
        asked = {"command": command, "folder": folder, "environment": dict(variables)}
        line = ascii(asked).encode() + b"\n"
        (read_in, write_in), (read_out, write_out), (read_err, write_err) = (
            os.pipe() for _ in range(3)
        )
        self.stdin = os.fdopen(write_in, "w", 1)
        self.stdout, self.stderr = os.fdopen(read_out), os.fdopen(read_err)
        self._connection, theirs = socket.socketpair()
        with theirs, _starting:
            socket.send_fds(_warm_process(), [b"\0"], [theirs.fileno()])
        sent = socket.send_fds(self._connection, [line], [read_in, write_out, write_err])
        for descriptor in (read_in, write_out, write_err):
            os.close(descriptor)
        self._connection.sendall(line[sent:])
        self._answers = self._connection.makefile()
        self.pid = int(self._answers.readline())
        # select.select() fails for the 1,025th open file.
        self._ends = select.poll()
        self._ends.register(self._connection, select.POLLIN)
        self._exit_code: int | None = None
        self._asking = threading.Lock()

    def poll(self) -> int | None:
        return self._await(0)

    def wait(self, timeout: float) -> int:
        code = self._await(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("a function", timeout)
        return code

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def _await(self, seconds: float) -> int | None:
        """The exit code, if the process ends in so many seconds."""
        with self._asking:
            if self._exit_code is None and self._ends.poll(seconds * 1000):
                self._exit_code = int(self._answers.readline() or -signal.SIGKILL)
            return self._exit_code
