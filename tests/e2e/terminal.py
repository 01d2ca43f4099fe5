"""An operator at the keyboard, and what the terminal shows."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from tests.e2e.shell import HUNG_SECONDS
from tests.sandbox.deployment import PROJECT

_SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")

_IMPATIENT = """
import runpy, types
from botocore import endpoint
endpoint.time = types.SimpleNamespace(sleep=lambda seconds: None)
runpy.run_module("cabal_backup", run_name="__main__", alter_sys=True)
"""
"""`python -m cabal_backup`, and botocore does not wait between its tries, as in all tests."""


class Keyboard:
    """A terminal at which these lines are typed."""

    def __init__(self, answers: Sequence[str], meanwhile: Callable[[], object] = list) -> None:
        """
        :param meanwhile: called while a prompt is open, before each line is typed.
        """
        self._answers = iter(answers)
        self._meanwhile = meanwhile

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        self._meanwhile()
        return f"{answer}\n" if (answer := next(self._answers, None)) is not None else ""


def type_answers(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """Let stdin be a terminal at which these lines are typed."""
    monkeypatch.setattr(sys, "stdin", Keyboard(answers))


class Terminal:
    """A command that believes a person sits in front of it."""

    def __init__(
        self,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        *,
        folder: Path = PROJECT,
        columns: int = 120,
        rows: int = 24,
    ) -> None:
        """
        :param arguments: of `cabal-backup`.
        """
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        # The size of the terminal that the tests themselves run in, or of none, is not this one's.
        others = environ.keys() - {"COLUMNS", "LINES"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _IMPATIENT, *arguments],
            cwd=folder,
            env={**{name: environ[name] for name in others}, "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(theirs)
        self._terminal = ours
        self._written = b""

    @property
    def shown(self) -> str:
        """All words that were written, without the control sequences and the ends of lines."""
        return _words(_SEQUENCE.sub("", self._text))

    @property
    def screen(self) -> list[str]:
        """The lines on the screen, with those that it has scrolled away."""
        return screen(self._text)

    @property
    def _text(self) -> str:
        return self._written.decode(errors="replace")

    def wait_for(self, words: str) -> None:
        deadline = time.monotonic() + HUNG_SECONDS
        while _words(words) not in self.shown:
            assert time.monotonic() < deadline, self.shown
            assert self._read(), self.shown

    @property
    def is_running(self) -> bool:
        """Whether the command has not ended yet."""
        return self._process.poll() is None

    def press(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def type(self, line: str) -> None:
        self.press(f"{line}\n".encode())

    def end(self) -> int:
        """The exit code, when there is nothing more to be shown."""
        while self._read():
            pass
        os.close(self._terminal)
        return self._process.wait(HUNG_SECONDS)

    def _read(self) -> bool:
        try:
            more = os.read(self._terminal, 4096)
        except OSError:  # Linux: the other end is closed
            return False
        self._written += more
        return bool(more)


def _words(text: str) -> str:
    return " ".join(text.split())


def _take_terminal() -> None:
    """Ctrl-C reaches the session that the terminal belongs to."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def screen(written: str) -> list[str]:
    """What a terminal makes of what a command writes: all lines, however long, without colors.

    Raises ValueError for a sequence that no command uses.
    """
    lines: list[list[str]] = [[]]
    row = column = position = 0
    while position < len(written):
        if found := _SEQUENCE.match(written, position):
            position = found.end()
            number, letter = found.groups()
            if letter == "A":
                row -= int(number or 1)
            elif letter == "K":
                del lines[row][0 if number == "2" else column :]
            elif letter != "m" and number != "?25":
                raise ValueError(f"unknown sequence {found[0]!r}")
            continue
        character = written[position]
        position += 1
        if character == "\r":
            column = 0
        elif character == "\n":
            row += 1
            if row == len(lines):
                lines.append([])
        else:
            lines[row] += [" "] * (column - len(lines[row]))
            lines[row][column : column + 1] = [character]
            column += 1
    return ["".join(line).rstrip() for line in lines]
