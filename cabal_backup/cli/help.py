"""`cabal-backup help`: the same as `--help` after a command."""

from __future__ import annotations

import argparse
from contextlib import suppress

from cabal_backup.cli.options import Invocation
from cabal_backup.cli.parser import Parser, parse
from cabal_backup.errors import ExitCode


def define(parser: Parser) -> None:
    parser.describe(
        "Shows the help of a command, or the list of all commands.",
        "help",
        "help restore addresses",
    )
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="the command")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, _: Invocation) -> int:
    with suppress(SystemExit):
        parse([*options.words, "--help"])
    return ExitCode.OK
