"""What the commands that write to a live table have in common."""

from __future__ import annotations

import argparse
import sys

from cabal_backup import names
from cabal_backup.cli import progress
from cabal_backup.cli.answer import answer
from cabal_backup.cli.confirm import ask, can_ask
from cabal_backup.cli.options import one_of, positive
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.restore import mail_tiers
from cabal_backup.operations.restore.mail_tiers import Reconfigure
from cabal_backup.operations.restore.tables import delete_table, origin
from cabal_backup.operations.restore.tables.describe import TableDescription


def add_writing(parser: argparse._ActionsContainer) -> None:
    """The options of what writes to a live table."""
    parser.add_argument(
        "--rate",
        type=positive("a number of write units"),
        metavar="UNITS",
        help="the maximum of write units per second",
    )
    parser.add_argument(
        "--reconfigure",
        type=one_of(Reconfigure),
        choices=tuple(Reconfigure),
        metavar="HOW",
        help="how the mail tiers read the addresses again: publish an event, roll the services, "
        "or none (default: publish for the addresses, none for other tables)",
    )
    parser.add_argument(
        "--delete-restored", action="store_true", help="delete the restored table at the end"
    )


def usual(aws: Aws, live: str) -> Reconfigure:
    """How the mail tiers read a changed live table again, where no option says it."""
    is_addresses = live in (names.ADDRESSES_TABLE, aws.environment.addresses_table)
    return Reconfigure.PUBLISH if is_addresses else Reconfigure.NONE


def notify(aws: Aws, live: str, how: Reconfigure | None) -> None:
    """Make the mail tiers read a changed live table again; None: as the table needs it."""
    mail_tiers.reconfigure(aws, how or usual(aws, live), progress.print_line)


def tidy_up(aws: Aws, restored: TableDescription, *, wanted: bool, yes: bool) -> None:
    """Delete the restored table if that is wanted; otherwise ask, or print how.

    Only a table that this tool restored is deleted, or offered for it.
    """
    name = restored.name
    if not origin.is_recorded(aws, restored):
        print(f"{name} is kept: this tool did not restore it.", file=sys.stderr)
        return
    environment = aws.environment.name
    if not wanted and not yes and can_ask():
        wanted = ask(f"Delete {name}? Type {environment} to continue: ") == environment
    if wanted:
        delete_table.delete_own_restore(aws, restored)
        answer.add(deleted_table=name)
        print(f"{name} is being deleted.", file=sys.stderr)
    else:
        print(
            f"{name} is kept. It costs storage; when it is not needed any more: aws dynamodb "
            f"delete-table --region {restored.region} --table-name={name}",
            file=sys.stderr,
        )
