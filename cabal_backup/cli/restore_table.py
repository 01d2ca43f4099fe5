"""`cabal-backup restore table`: a table as it was at a point in time."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from cabal_backup.cli import progress
from cabal_backup.cli.confirm import add_confirmation, confirm, show_plan
from cabal_backup.cli.moments import moment
from cabal_backup.cli.options import Invocation, add_common, connect_to
from cabal_backup.errors import ExitCode
from cabal_backup.operations.tables import restore_table


def add_parser(kinds: Any) -> None:
    parser = kinds.add_parser(
        "table",
        help="a table, as it was at a point in time",
        description="Restores one of Cabal's tables to a new table by point-in-time recovery, or "
        "under its own name when it is gone. docs/runbooks/restore-tables.md explains it.",
    )
    add_common(parser)
    parser.add_argument("table", metavar="NAME", help="the table, such as cabal-counter")
    when = parser.add_mutually_exclusive_group(required=True)
    when.add_argument(
        "--at", type=moment, metavar="TIME", help="such as 2026-11-20T08:30:00, in UTC"
    )
    when.add_argument("--latest", action="store_true", help="the latest moment there is")
    parser.add_argument("--to", metavar="TABLE", help="the new table's name")
    add_confirmation(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, invocation: Invocation) -> int:
    aws = connect_to(options)
    clock = invocation.clock
    plan = restore_table.look(aws, options.table, clock.now(), at=options.at, to=options.to)
    show_plan(plan.lines(), dry_run=options.dry_run)
    if options.dry_run:
        return ExitCode.OK
    if plan.under_way is None:
        confirm("restore", f"This makes {plan.target} in {options.environment}.", yes=options.yes)
    table = progress.run(restore_table.execute(aws, plan, clock))
    print(table.name)
    if plan.straight:
        text = f"{plan.table} is back."
    else:
        name = aws.environment.name
        text = (
            f"Restored. Next:\n  cabal-backup compare {plan.target} {plan.table} -e {name}\n"
            f"  cabal-backup cutover {plan.target} {plan.table} -e {name}"
        )
    print(text, file=sys.stderr)
    return ExitCode.OK
