"""`cabal-backup mailstore`: what is done with a restored mailstore, on a mail host."""

from __future__ import annotations

from typing import Any

from cabal_backup.cli.mailbox import run_on_the_host
from cabal_backup.mail_host import command


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "mailstore",
        help="on the mail host: bring a restored mailstore to its root",
        description="The second half of restoring the mailstore, on a host that mounts the new "
        "file system. It asks nothing of AWS. docs/runbooks/restore-mail.md explains it.",
    )
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    promote = kinds.add_parser("promote", help=command.PROMOTE_HELP)
    command.add_promote_options(promote)
    promote.set_defaults(run=run_on_the_host)
