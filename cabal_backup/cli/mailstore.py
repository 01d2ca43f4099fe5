"""`cabal-backup mailstore`: what is done with a restored mailstore, on a mail host."""

from __future__ import annotations

from cabal_backup.cli.mailbox import run_on_the_host
from cabal_backup.cli.parser import Parser, add_commands
from cabal_backup.mail_host import command


def define(parser: Parser) -> None:
    parser.describe(
        "The second part of restoring the mailstore, on a host that mounts the new file system. "
        "It does not connect to AWS. docs/runbooks/restore-mail.md explains it.",
        "mailstore promote --mount /mnt/new --dry-run",
    )
    kinds = add_commands(parser, "WHAT")
    promote = kinds.add_parser("promote", help=command.PROMOTE_HELP)
    promote.describe(
        "Moves everything that was restored to the root of its file system.",
        "mailstore promote --mount /mnt/new --dry-run",
    )
    command.add_promote_options(promote)
    promote.set_defaults(run=run_on_the_host)
