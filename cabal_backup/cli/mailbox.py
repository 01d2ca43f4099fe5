"""`cabal-backup mailbox`: what is done with a restored mailbox, on the mail host."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from cabal_backup.cli.options import Invocation
from cabal_backup.errors import ExitCode
from cabal_backup.operations.mail import mail_host


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "mailbox",
        help="on the mail host: merge a restored mailbox",
        description="The second half of restoring a mailbox, on a host that mounts the mailstore. "
        "It asks nothing of AWS. docs/runbooks/restore-mail.md explains it.",
    )
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    merge = kinds.add_parser("merge", help=mail_host.MERGE_HELP)
    mail_host.add_merge_options(merge)
    merge.set_defaults(run=run_on_the_host)
    script = kinds.add_parser(
        "script",
        help="print the file to copy to the host",
        description="Prints one file of plain Python (3.9 or newer) that has `mailbox merge` and "
        "`mailstore promote`, to be copied to a host without this tool.",
    )
    script.set_defaults(run=run_script)


def run_on_the_host(options: argparse.Namespace, _: Invocation) -> int:
    return mail_host.run(options)


def run_script(_: argparse.Namespace, __: Invocation) -> int:
    sys.stdout.write(Path(mail_host.__file__).read_text(encoding="utf-8"))
    return ExitCode.OK
