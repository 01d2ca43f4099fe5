"""The command line: finds the command, runs it, and ends with its exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from cabal_backup.cli import (
    alerts,
    compare,
    copy_back,
    cutover,
    drill,
    jobs,
    mailbox,
    mailstore,
    points,
    relock,
    restore,
    status,
    teardown,
    unlock,
)
from cabal_backup.cli.options import Invocation
from cabal_backup.errors import CabalBackupError, ExitCode
from cabal_backup.operations.clock import Clock, SystemClock

COMMANDS = (
    status,
    points,
    jobs,
    alerts,
    restore,
    compare,
    cutover,
    copy_back,
    mailbox,
    mailstore,
    drill,
    unlock,
    relock,
    teardown,
)


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints end with the documented exit code."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(ExitCode.USAGE, f"{self.prog}: {message}\n")


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="cabal-backup",
        description="Looks after the backups of Cabal: what was deployed, how it is doing, "
        "and what to do when it is needed.",
        epilog="The exit codes are explained in docs/exit-codes.md.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None, *, clock: Clock | None = None) -> int:
    """Run one command; its exit code.

    :param argv: the arguments after the program's name; those of this process without it.
    """
    try:
        options = build_parser().parse_args(argv)
    except SystemExit as ended:
        return int(ended.code or 0)
    try:
        return int(options.run(options, Invocation(clock or SystemClock())))
    except CabalBackupError as error:
        print(f"cabal-backup: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("cabal-backup: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever was reading, such as `head`, has seen enough.
        sys.stderr.close()
        return 141
