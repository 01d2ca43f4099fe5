"""The commands of `cabal-backup` that a text prints for the operator to type."""

from __future__ import annotations

import re
import shlex

from cabal_backup.cli.parser import parse

_COMMAND = re.compile(
    r"(?<!\[)cabal-backup ((?:(?!;|[,.:)](?:\s|$)| (?:shows|lists) | \(|[`\"\n]).)+)"
)


def printed_commands(text: str) -> list[str]:
    """Each command up to the end of its line or clause, without `cabal-backup`."""
    return [found[1].strip() for found in _COMMAND.finditer(text)]


def read(command: str) -> None:
    """Parse a command. Raises CommandLineError for one that cannot be typed as it stands."""
    parse(shlex.split(command))
