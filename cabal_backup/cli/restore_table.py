"""`cabal-backup restore table`: a table as it was at a point in time."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import datetime

from cabal_backup.cli.answer import answer
from cabal_backup.cli.confirm import (
    ConfirmOptions,
    add_confirmation,
    ask,
    can_ask,
    carry_out,
    confirm,
    show_plan,
)
from cabal_backup.cli.options import (
    Invocation,
    Where,
    WhereOptions,
    add_common,
    add_where,
    check_not_a_drills,
    connect_to_restore,
    moment,
)
from cabal_backup.cli.parser import Subcommands
from cabal_backup.cli.restore_addresses import confirm_restore, say_what_next
from cabal_backup.errors import ExitCode, RefusedError, UsageError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.restore.select_point import PointRequest
from cabal_backup.operations.restore.tables import restore_addresses, restore_table
from cabal_backup.operations.restore.tables.cutover import CutoverRequest
from cabal_backup.operations.restore.tables.describe import TableDescription
from cabal_backup.operations.restore.tables.restore_addresses import RestoreAddressesPlan
from cabal_backup.operations.restore.tables.restore_table import (
    RestoreTablePlan,
    SeveralBackupsError,
    TableRequest,
)


@dataclass(frozen=True, kw_only=True)
class TableOptions(WhereOptions, ConfirmOptions):
    """The options of `restore table`."""

    table: str
    at: datetime | None
    latest: bool
    backup: str | None
    to: str | None
    cold: bool


def add_parser(kinds: Subcommands) -> None:
    """Add the command to those of `restore`."""
    parser = kinds.add_parser("table", help="restore a table to a point in time")
    parser.describe(
        "Restores one of Cabal's tables to a new table by point-in-time recovery, or under its "
        "own name if it was deleted. With --in dr it restores the newest recovery point of the "
        "table from before that time. docs/runbooks/restore-tables.md explains it.",
        "restore table cabal-counter -e prod --latest --dry-run",
        "restore table cabal-user-preferences -e prod --at 2026-11-20T08:30",
        "restore table cabal-addresses -e prod --in dr --at 2026-05-20T08:30 --cold",
    )
    add_common(parser)
    parser.add_argument("table", metavar="NAME", help="the table, such as cabal-counter")
    when = parser.add_mutually_exclusive_group(required=True)
    when.add_argument(
        "--at",
        type=moment,
        metavar="TIME",
        help="the point in time in UTC, such as 2026-11-20T08:30:00",
    )
    when.add_argument("--latest", action="store_true", help="the latest time that can be restored")
    when.add_argument(
        "--backup", metavar="ARN", help="a backup in DynamoDB, such as the one of a deleted table"
    )
    parser.add_argument("--to", metavar="TABLE", help="the name of the new table")
    add_where(parser)
    add_confirmation(parser)
    parser.runs(
        run,
        TableOptions,
        plan=RestoreTablePlan | RestoreAddressesPlan,
        result={"table": TableDescription},
    )


def _plan(aws: Aws, options: TableOptions, now: datetime) -> RestoreTablePlan:
    """The plan; where there are several backups of a deleted table, the operator chooses one.

    Raises SeveralBackupsError with --yes, with --dry-run and without a terminal.
    """

    request = TableRequest(
        table=options.table, at=options.at, backup_arn=options.backup, to=options.to
    )
    try:
        return restore_table.plan_restore(aws, now, request)
    except SeveralBackupsError as several:
        if options.yes or options.dry_run or not can_ask():
            raise
        print(several.list_of_backups, file=sys.stderr)
        typed = ask("Which one? Type its number: ")
        chosen = dict(enumerate(several.backups, start=1))
        if not typed.isdecimal() or int(typed) not in chosen:
            raise RefusedError("Not chosen. Nothing was changed.") from None
        request = replace(request, backup_arn=chosen[int(typed)].arn)
        return restore_table.plan_restore(aws, now, request)


def _salvage(aws: Aws, options: TableOptions, clock: Clock) -> int:
    """Restore a recovery point in the DR region; the exit code."""
    request = PointRequest(at=options.at, cold=options.cold)
    plan = restore_addresses.plan_restore(
        aws, clock.now(), request, to=options.to, table=options.table
    )
    if show_plan(plan, options):
        return ExitCode.OK
    if plan.job is None:
        confirm_restore(aws, plan, yes=options.yes)
    with carry_out(aws) as report:
        table = restore_addresses.execute(aws, plan, clock, report)
    answer.add(table=table)
    print(table.name)
    cutover = CutoverRequest(restored=plan.target, live=plan.live, from_region=aws.region)
    say_what_next(aws, plan, cutover)
    return ExitCode.OK


def run(options: TableOptions, invocation: Invocation) -> int:
    check_not_a_drills(options.table, options.to)
    if options.where is Where.PRIMARY and options.cold:
        raise UsageError("--cold: only with --in dr. Nothing was done.")
    if options.where is Where.DR and options.backup:
        raise UsageError("--backup: not with --in dr. Nothing was done.")
    aws = connect_to_restore(options)
    clock = invocation.clock
    if aws.in_dr:
        return _salvage(aws, options, clock)
    plan = _plan(aws, options, clock.now())
    if show_plan(plan, options):
        return ExitCode.OK
    if plan.under_way is None:
        confirm(f"This creates {plan.target} in {options.environment}.", yes=options.yes)
    with carry_out(aws) as report:
        table = restore_table.execute(aws, plan, clock, report)
    answer.add(table=table)
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
