"""`cabal-backup restore`: bring something back; one command for each kind of thing."""

from __future__ import annotations

from cabal_backup.cli import restore_addresses, restore_mailbox, restore_mailstore, restore_table
from cabal_backup.cli.parser import Parser, add_commands

KINDS = (restore_addresses, restore_table, restore_mailbox, restore_mailstore)


def define(parser: Parser) -> None:
    parser.describe(
        "Restores to a new resource and never overwrites an existing one.",
        "restore addresses -e prod --dry-run",
    )
    kinds = add_commands(parser, "WHAT")
    for kind in KINDS:
        kind.add_parser(kinds)
