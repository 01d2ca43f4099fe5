"""The commands that a text prints for the operator to type."""

from __future__ import annotations

import re
import shlex
from functools import cache

from cabal_backup.cli.parser import parse

_END = r"(?:;|[,.:)](?:\s|$)| (?:shows|lists) | \(|[`\"\n])"
_COMMAND = rf"(?<![\[(=\w-]){{}} ((?:\$\([^)]*\)|'[^'\n]*'|(?!{_END}).)+)"


def printed_commands(text: str, program: str = "cabal-backup") -> list[str]:
    """Each command up to the end of its line or clause, without the program."""
    return [found[1].strip() for found in re.finditer(_COMMAND.format(program), text)]


@cache
def read(command: str) -> object:
    """The options of a command. Raises CommandLineError for one that cannot be typed as it is."""
    return parse(shlex.split(command)).options
