"""The command line: finds the command, runs it, and ends with its exit code."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cabal_backup.cli import (
    alerts,
    compare,
    config,
    copy_back,
    cutover,
    drill,
    jobs,
    mailbox,
    mailstore,
    output,
    points,
    relock,
    restore,
    status,
    teardown,
    unlock,
    verify_aws,
    watch,
)
from cabal_backup.cli.options import Invocation
from cabal_backup.errors import CabalBackupError, ExitCode
from cabal_backup.operations.aws import in_words_if_from_aws
from cabal_backup.operations.clock import Clock, SystemClock
from cabal_backup.operations.status.findings import Status
from cabal_backup.text import one_line

COMMANDS = (
    config,
    status,
    points,
    jobs,
    alerts,
    watch,
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
    verify_aws,
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
        with output.guarded():
            return _run(argv, clock or SystemClock())
    except output.WriteError as error:
        return error.exit_code


def _run(argv: Sequence[str] | None, clock: Clock) -> int:
    options = argparse.Namespace()
    try:
        try:
            options = build_parser().parse_args(argv)
        except SystemExit as ended:
            return int(ended.code or 0)
        return int(options.run(options, Invocation(clock)))
    except output.WriteError:
        raise
    except KeyboardInterrupt:
        print("cabal-backup: interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except (Exception, SystemExit) as error:
        return _report(error, options)


def _report(error: BaseException, options: argparse.Namespace) -> int:
    """Print how a command failed; its exit code.

    1 is the verdict of `status`, so nothing unforeseen may end with it.
    """
    if getattr(options, "debug", False):
        traceback.print_exception(error)
    explained = error if isinstance(error, CabalBackupError) else in_words_if_from_aws(error)
    code = ExitCode.INTERNAL if explained is None else explained.exit_code
    message = _unforeseen(error) if explained is None else str(explained)
    if getattr(options, "nagios", False):
        # A monitoring system reads one line on stdout, also when there was nothing to look at.
        print(f"UNKNOWN: {one_line(message).replace('|', '/')}")
        return status.NAGIOS_EXIT_CODES[Status.UNKNOWN]
    print(f"cabal-backup: {message}", file=sys.stderr)
    return code


def _unforeseen(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "cabal_backup" in Path(frame.filename).parts] or frames
    where = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    said = one_line(str(error))
    return (
        f"internal error{where}: {type(error).__name__}{': ' if said else ''}{said}. This is a "
        "fault of the tool and says nothing about the backups; --debug shows more."
    )
