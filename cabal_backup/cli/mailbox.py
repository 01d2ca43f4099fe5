"""`cabal-backup mailbox`: what is done with a restored mailbox, on the mail host."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from cabal_backup.cli.options import Invocation
from cabal_backup.errors import ExitCode
from cabal_backup.mail_host import command
from cabal_backup.operations.mail import host_script


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "mailbox",
        help="on the mail host: merge a restored mailbox",
        description="The second half of restoring a mailbox, on a host that mounts the mailstore. "
        "It asks nothing of AWS. docs/runbooks/restore-mail.md explains it.",
    )
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    merge = kinds.add_parser("merge", help=command.MERGE_HELP)
    command.add_merge_options(merge)
    merge.set_defaults(run=run_on_the_host)
    script = kinds.add_parser(
        "script",
        help="print the file to copy to the host",
        description="Prints one Python source file (3.9 or newer, standard library only) with "
        "`mailbox merge` and `mailstore promote`, for a host without this tool. Its first line "
        "names the version and the SHA-256 of the other lines.",
    )
    script.set_defaults(run=run_script)


def run_on_the_host(options: argparse.Namespace, _: Invocation) -> int:
    return command.run(options)


def run_script(_: argparse.Namespace, __: Invocation) -> int:
    sys.stdout.write(host_script.build())
    return ExitCode.OK
