"""Exit codes, the exceptions behind them, and problems with single files."""

from __future__ import annotations

import threading
from typing import NamedTuple

from cabal_backup.mail_host.mail_names import folder_name, shown


class Exit:
    """The exit codes."""

    DONE = 0
    """Done, or nothing to do."""
    LEFT = 1
    """Done, but something could not be restored and was left where it was; it is listed."""
    REFUSED = 2
    """Refused, or the command line is not valid; nothing was changed."""
    STOPPED = 3
    """Stopped before the end, nothing is lost: fix the reported cause and run it again."""
    NOT_CONFIRMED = 4
    """The plan was shown and not confirmed; nothing was changed."""
    INTERNAL = 70
    """An error in this program, in one line; nothing is lost: report it, and run it again."""
    INTERRUPTED = 130
    """Ctrl-C; nothing is lost: run it again."""


class Refused(Exception):
    """The request is refused; nothing was changed."""


class Stopped(Exception):
    """The run cannot continue, for a reason that affects more than one message."""


class Problem(NamedTuple):
    """One reason why files of one folder were left where they are."""

    folder: str
    reason: str
    files: int
    examples: tuple[str, ...]
    """Names of up to three of the files."""

    def __str__(self) -> str:
        names = ", ".join(map(shown, self.examples))
        more = ", …" if self.files > len(self.examples) else ""
        return f"{shown(self.folder)}: {self.files} left: {self.reason} ({names}{more})"


class Problems:
    """Counts problems, so that a million of them need no more memory than a few."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._examples: dict[tuple[str, str], list[str]] = {}
        self._lock = threading.Lock()

    def add(self, directory: str, reason: str, name: str, count: int = 1) -> None:
        """Count `count` files of a folder; `name` is an example."""
        with self._lock:
            key = (folder_name(directory), reason)
            self._counts[key] = self._counts.get(key, 0) + count
            examples = self._examples.setdefault(key, [])
            if len(examples) < 3:
                examples.append(name)

    def all(self) -> tuple[Problem, ...]:
        """All problems so far, sorted by folder and reason."""
        with self._lock:
            return tuple(
                Problem(*key, count, tuple(self._examples[key]))
                for key, count in sorted(self._counts.items())
            )
