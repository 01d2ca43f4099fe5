"""The command line: finds the command, runs it, and ends with its exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from cabal_backup.cli import output
from cabal_backup.cli.answer import answer
from cabal_backup.cli.options import Invocation, changing
from cabal_backup.cli.parser import CommandLineError, parse
from cabal_backup.errors import CabalBackupError, ExitCode, InternalError
from cabal_backup.text import one_line

if TYPE_CHECKING:
    from cabal_backup.operations.aws.clock import Clock

_NAGIOS_UNKNOWN = 3
"""https://nagios-plugins.org/doc/guidelines.html"""


def main(argv: Sequence[str] | None = None, *, clock: Clock | None = None) -> int:
    """Run one command; its exit code.

    :param argv: the arguments after the program's name; those of this process without it.
    """
    try:
        with output.guarded():
            return _run(sys.argv[1:] if argv is None else argv, clock)
    except output.WriteError as error:
        return error.exit_code


def _run(arguments: Sequence[str], clock: Clock | None) -> int:
    nagios, as_json = "--nagios" in arguments, "--json" in arguments
    debug, options, prog = False, None, ""
    changing.clear()
    answer.clear()
    try:
        try:
            command = parse(arguments)
        except SystemExit as ended:
            return int(ended.code or 0)
        options, prog = command.options, command.parser.prog
        debug = getattr(options, "debug", False)
        invocation = Invocation(clock or _system_clock(), command.parser)
        if not as_json or command.parts is None:
            return int(command.run(options, invocation))
        with redirect_stdout(sys.stderr):
            code, message = int(command.run(options, invocation)), ""
    except (output.WriteError, ImportError, SyntaxError):
        raise
    except KeyboardInterrupt as interrupt:
        what_then = str(interrupt) or ("" if changing.is_set() else "Nothing was changed.")
        code, message = ExitCode.INTERRUPTED, f"interrupted. {what_then}".rstrip()
        print(f"cabal-backup: {message}", file=sys.stderr)
    except (Exception, SystemExit) as error:
        explained = _explain(error, debug=debug)
        code, message = explained.exit_code, str(explained)
        if nagios:
            # A monitoring system reads one line on stdout, also when there was nothing to look at.
            print(f"UNKNOWN: {one_line(message).replace('|', '/')}")
            return _NAGIOS_UNKNOWN
        prog = getattr(error, "prog", prog)
        usage = f"{error.usage}{prog}" if isinstance(error, CommandLineError) else "cabal-backup"
        print(f"{usage}: {message}", file=sys.stderr)
    if as_json:
        output.print_json(answer.document(prog, options, code, message))
    return code


def _system_clock() -> Clock:
    from cabal_backup.operations.aws.clock import SystemClock

    return SystemClock()


def _explain(error: BaseException, *, debug: bool) -> CabalBackupError:
    """An error with its message and exit code.

    1 is the verdict of `status`, so nothing unforeseen may end with it.
    """
    if debug:
        traceback.print_exception(error)
    if isinstance(error, CabalBackupError):
        return error
    return _from_aws(error) or InternalError(_unforeseen(error))


def _from_aws(error: BaseException) -> CabalBackupError | None:
    if "botocore" not in sys.modules:
        return None
    from cabal_backup.operations.aws.client import in_words_if_from_aws

    return in_words_if_from_aws(error)


def _unforeseen(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "cabal_backup" in Path(frame.filename).parts] or frames
    where = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    said = one_line(str(error))
    return (
        f"internal error{where}: {type(error).__name__}{': ' if said else ''}{said}. This is a "
        "bug in the tool and says nothing about the backups; --debug shows more."
    )
