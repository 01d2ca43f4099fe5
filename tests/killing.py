"""Work that is killed at a chosen moment: at a change to files or a call of AWS, not at a time.

So the moments are the same on however slow a machine.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

_CHANGES = {f"os.{name}" for name in ("chmod", "chown", "link", "mkdir", "remove", "rename")}
_CHANGES |= {f"os.{name}" for name in ("rmdir", "symlink", "truncate", "utime")}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT

Pass = Callable[[str], None]
Watch = Callable[[Pass], None]
"""Calls what it is given at each moment, with its name, from then on in this process."""


@dataclass(frozen=True)
class Ended:
    """How the work ended, what it printed, and the moments it passed: before each step."""

    code: int
    """The exit code, or the negative number of the signal."""
    said: str
    moments: tuple[str, ...]

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


def run(work: Callable[[], int], watch: Watch, *, kill_at: int | None = None) -> Ended:
    """Do `work`, which returns an exit code, in a copy of this process.

    :param kill_at: the moment at which the copy is killed; the first is 1.

    `work` must not use connections of this process.
    """
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as passed:
        child = os.fork()
        if child == 0:
            code = 99
            try:
                _redirect(said.fileno())
                numbers = itertools.count(1)

                def pass_moment(name: str) -> None:
                    if next(numbers) == kill_at:
                        os.kill(os.getpid(), signal.SIGKILL)
                    os.write(passed.fileno(), f"{name}\n".encode())

                watch(pass_moment)
                code = work()
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        passed.seek(0)
        moments = tuple(passed.read().decode().splitlines())
        return Ended(os.waitstatus_to_exitcode(status), said.read().decode(), moments)


def file_changes(pass_moment: Pass) -> None:
    """Every change to files that Python makes, but for writing into an open one.

    https://docs.python.org/3/library/audit_events.html
    """

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CHANGES or (event == "open" and _is_for_writing(arguments[2])):
            pass_moment(event)

    sys.addaudithook(look)


def aws_calls(pass_moment: Pass, patch: pytest.MonkeyPatch | None = None) -> None:
    """Every request to AWS, before it is sent and once it is answered.

    The name is that of the operation where a header has it, otherwise the method and the path.
    Threads send one request at a time, so that after each two moments one more is answered.

    :param patch: ends it; None: it lasts as long as the process.
    """
    from botocore.httpsession import URLLib3Session

    send, turn = URLLib3Session.send, threading.RLock()

    def watched(session: Any, request: Any) -> Any:
        target = request.headers.get("X-Amz-Target", b"")
        target = target.decode() if isinstance(target, bytes) else str(target)
        path = urlsplit(request.url).path
        name = target.rpartition(".")[2] or f"{request.method} {path}"
        with turn:
            pass_moment(name)
            try:
                return send(session, request)
            finally:
                pass_moment(name)

    (patch or pytest.MonkeyPatch()).setattr(URLLib3Session, "send", watched)


def _is_for_writing(flags: object) -> bool:
    return isinstance(flags, int) and bool(flags & _WRITES)


def _redirect(said: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for descriptor in (1, 2):
        os.dup2(said, descriptor)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = sys.stderr = os.fdopen(1, "w", 1, closefd=False)
