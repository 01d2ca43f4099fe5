"""Writing to stdout and stderr: in any encoding, and with errors that are distinguished.

Inside `guarded`, everything that is printed goes through here. Text from AWS reaches a
terminal in no other way, so this is the one place that makes it printable.
"""

from __future__ import annotations

import codecs
import errno
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO, cast

from cabal_backup.cli.answer import as_json
from cabal_backup.errors import ExitCode
from cabal_backup.text import printable, with_local_time, wrap

_PLAIN = {"●": "*", "○": "o", "·": ".", "✘": "x", "✔": "+", "◐": "%", "…": "...", "–": "-"}
"""What stands in for the tool's own symbols in an encoding that lacks them."""


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in missing), error.end


codecs.register_error("cabal-backup", _replace)


class WriteError(OSError):
    """Something could not be written to stdout or stderr."""

    @property
    def exit_code(self) -> ExitCode:
        """NO_READER if the reader has closed the pipe, otherwise OUTPUT."""
        closed = self.errno in (errno.EPIPE, errno.ECONNRESET)
        return ExitCode.NO_READER if closed else ExitCode.OUTPUT


class Stream:
    """stdout or stderr, for text of any origin."""

    def __init__(self, stream: TextIO, *, styled: bool = False, for_people: bool = False) -> None:
        """
        :param styled: what is written is printable already, has rich's escape sequences, and is
            not to be wrapped.
        :param for_people: no program reads it: the local time is written next to UTC.
        """
        self.stream = stream
        self._for_people = for_people
        self._styled = styled
        self._failed: WriteError | None = None

    def write(self, text: str) -> int:
        """Raises WriteError when it cannot."""
        encoding = self.stream.encoding or "utf-8"
        clean = text if self._styled else printable(text)
        if self._for_people:
            clean = with_local_time(clean)
        if not self._styled and self.stream.isatty():
            clean = wrap(clean, shutil.get_terminal_size().columns)
        with self._watched():
            self.stream.write(clean.encode(encoding, "cabal-backup").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Raises WriteError when something that was written did not arrive."""
        if self._failed is not None:
            # What wrote it may have ignored the error, as argparse does.
            raise self._failed
        with self._watched():
            self.stream.flush()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._failed = WriteError(error.errno, error.strerror)
            raise self._failed from error

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


def styled(stream: object) -> TextIO:
    """The stream for what has its own lines: tables, JSON, scripts."""
    own = Stream(stream.stream, styled=True) if isinstance(stream, Stream) else stream
    return cast("TextIO", own)


def say(text: str) -> None:
    """Print something for the operator on stderr: stdout is for the result."""
    print(text, file=sys.stderr)


def print_json(content: Mapping[str, object], *, version: int = 1) -> None:
    """Print what --json shows on stdout; what JSON has no form for as `as_json` says.

    :param version: raised when a field is removed or changes its meaning; fields may be added
        without.
    """
    text = json.dumps({"version": version, **content}, indent=2, default=as_json)
    styled(sys.stdout).write(text + "\n")


@contextmanager
def guarded() -> Iterator[None]:
    """Send everything that is printed inside through a Stream, and flush it at the end.

    Raises WriteError when that fails. Nothing stays buffered, which the interpreter would try to
    write again when it exits.
    """
    before = (sys.stdin, sys.stdout, sys.stderr)
    # A descriptor that is closed, as `<&-` and `>&-` do it, is None here.
    sys.stdin = before[0] or Path(os.devnull).open()  # noqa: SIM115 (open to the end)
    out, err = (stream or Path(os.devnull).open("w") for stream in before[1:])  # noqa: SIM115 (open to the end)
    sys.stdout, sys.stderr = Stream(out), Stream(err, for_people=True)
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="replace")
    try:
        yield
        sys.stdout.flush()
        sys.stderr.flush()
    except WriteError as error:
        if error.exit_code is ExitCode.OUTPUT:
            with suppress(WriteError):
                say(f"cabal-backup: cannot write the output: {error.strerror}")
                sys.stderr.flush()
        for stream in (out, err):
            _discard(stream)
        raise
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


def _discard(stream: TextIO) -> None:
    """Send what a real stream still holds to nowhere."""
    if stream not in (sys.__stdout__, sys.__stderr__):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
