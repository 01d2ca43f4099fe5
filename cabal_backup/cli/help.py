"""`cabal-backup help`: the same as `--help` after a command."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from cabal_backup.cli.options import Invocation
from cabal_backup.cli.parser import Parser, parse
from cabal_backup.errors import ExitCode


@dataclass(frozen=True, kw_only=True)
class HelpOptions:
    """The options of `help`."""

    words: Sequence[str]


def define(parser: Parser) -> None:
    parser.describe(
        "Shows the help of a command, or the list of all commands.",
        "help",
        "help restore addresses",
    )
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="the command")
    parser.runs(run, HelpOptions)


def run(options: HelpOptions, _: Invocation) -> int:
    with suppress(SystemExit):
        parse([*options.words, "--help"])
    return ExitCode.OK
