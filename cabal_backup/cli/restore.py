"""`cabal-backup restore`: bring something back; one command for each kind of thing."""

from __future__ import annotations

from typing import Any

from cabal_backup.cli import (
    restore_addresses,
    restore_mailbox,
    restore_mailstore,
    restore_table,
)

KINDS = (restore_addresses, restore_table, restore_mailbox, restore_mailstore)


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "restore",
        help="bring something back",
        description="Restores to something new, never over what exists.",
    )
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    for kind in KINDS:
        kind.add_parser(kinds)
