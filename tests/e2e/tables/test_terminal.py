"""At a terminal: the plan is shown, the word has to be typed, and what is asked is asked."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import subprocess
import sys
import termios
import time

import pytest

from tests.e2e.shell import HUNG_SECONDS
from tests.e2e.tables.conftest import Rescuer
from tests.e2e.tables.disaster import RESTORED, by_address, lose, promised
from tests.e2e.tables.tables import ADDRESSES, items, tables
from tests.sandbox.deployment import PROJECT


class Terminal:
    """A command that believes a person sits in front of it."""

    def __init__(self, rescuer: Rescuer, *arguments: str) -> None:
        ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cabal_backup", *arguments, *rescuer.environment()],
            cwd=PROJECT,
            env={**rescuer.sandbox.environ(), "TERM": "xterm", "COLUMNS": "120"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(theirs)
        self._terminal = ours
        self.shown = ""

    def wait_for(self, words: str) -> None:
        deadline = time.monotonic() + HUNG_SECONDS
        while words not in self.shown:
            assert time.monotonic() < deadline, self.shown
            assert self._read(), self.shown

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
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", more.decode(errors="replace"))
        self.shown += text.replace("\r\n", "\n")
        return bool(more)


def _take_terminal() -> None:
    """Ctrl-C reaches the session that the terminal belongs to."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_cutover_by_a_person(small: Rescuer) -> None:
    backup = lose(small.sandbox)
    expected = promised(backup, items(small.sandbox, ADDRESSES), "mirror")

    terminal = Terminal(small, "cutover", RESTORED, ADDRESSES, "--mirror")
    terminal.wait_for("Type development to continue: ")
    assert "60 items only the live table has: deleted" in terminal.shown
    assert by_address(items(small.sandbox, ADDRESSES)) != expected
    terminal.type("development")
    terminal.wait_for(f"Delete {RESTORED}? Type development to continue: ")
    terminal.type("development")

    assert terminal.end() == 0, terminal.shown
    assert "Verified: the live table holds what it should." in terminal.shown
    assert "writing" in terminal.shown
    assert by_address(items(small.sandbox, ADDRESSES)) == expected
    assert RESTORED not in tables(small.sandbox)


@pytest.mark.parametrize("typed", ["", "yes", "cutover"])
def test_another_word_changes_nothing(small: Rescuer, typed: str) -> None:
    lose(small.sandbox)
    before = items(small.sandbox, ADDRESSES)

    terminal = Terminal(small, "cutover", RESTORED, ADDRESSES, "--mirror")
    terminal.wait_for("to continue: ")
    terminal.type(typed)

    assert terminal.end() == 4
    assert "Not confirmed. Nothing was changed." in terminal.shown
    assert items(small.sandbox, ADDRESSES) == before


def test_ctrl_c_in_the_middle_ends_it_and_it_can_be_run_again(small: Rescuer) -> None:
    backup = lose(small.sandbox)
    expected = promised(backup, items(small.sandbox, ADDRESSES), "overwrite")

    terminal = Terminal(small, "cutover", RESTORED, ADDRESSES, "--yes", "--rate", "20")
    terminal.wait_for("Undo point")
    time.sleep(0.5)
    terminal.press(b"\x03")

    assert terminal.end() == 130, terminal.shown
    assert "cabal-backup: interrupted" in terminal.shown
    assert "Nothing was changed" not in terminal.shown
    again = small.run(f"cutover {RESTORED} {ADDRESSES} --yes")
    assert again.code == 0, again.err
    assert by_address(items(small.sandbox, ADDRESSES)) == expected
