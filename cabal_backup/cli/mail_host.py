"""`cabal-backup mailbox` and `mailstore`: what is done with restored mail, on the mail host."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from cabal_backup.cli import output
from cabal_backup.cli.options import Invocation
from cabal_backup.cli.parser import Parser, add_commands
from cabal_backup.errors import ExitCode
from cabal_backup.mail_host import command
from cabal_backup.operations.restore.mail import host_script


@dataclass(frozen=True)
class ScriptOptions:
    """The options of `mailbox script`: none."""


def define_mailbox(parser: Parser) -> None:
    parser.describe(
        "The second part of restoring a mailbox, on a host that mounts the mailstore. It does "
        "not connect to AWS. docs/runbooks/restore-mail.md explains it.",
        "mailbox merge alice --dry-run",
    )
    kinds = add_commands(parser, "WHAT")
    merge = kinds.add_parser("merge", help=command.MERGE.summary)
    merge.describe(command.MERGE.description, *command.MERGE.examples)
    command.add_merge_options(merge)
    merge.runs(run_on_the_host, command.MergeOptions)
    script = kinds.add_parser("script", help="print the file to copy to the host")
    script.describe(
        "Prints one Python source file (3.9 or newer, standard library only) with "
        "`mailbox merge` and `mailstore promote`, for a host without this tool. Its first line "
        "names the version and the SHA-256 of the other lines.",
        "mailbox script > mail_host.py",
    )
    script.runs(run_script, ScriptOptions)


def define_mailstore(parser: Parser) -> None:
    parser.describe(
        "The second part of restoring the mailstore, on a host that mounts the new file system. "
        "It does not connect to AWS. docs/runbooks/restore-mail.md explains it.",
        "mailstore promote --mount /mnt/new --dry-run",
    )
    kinds = add_commands(parser, "WHAT")
    promote = kinds.add_parser("promote", help=command.PROMOTE.summary)
    promote.describe(command.PROMOTE.description, *command.PROMOTE.examples)
    command.add_promote_options(promote)
    promote.runs(run_on_the_host, command.PromoteOptions)


def run_on_the_host(options: command.MergeOptions | command.PromoteOptions, _: Invocation) -> int:
    return command.run(options)


def run_script(_: ScriptOptions, __: Invocation) -> int:
    output.styled(sys.stdout).write(host_script.build())
    return ExitCode.OK
