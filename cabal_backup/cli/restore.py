"""`cabal-backup restore`: bring something back, with a command for each kind of thing; here the
tables.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from cabal_backup import names
from cabal_backup.cli import compare, cutover, output, progress, restore_mail
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
from cabal_backup.cli.cutover import CutoverOptions
from cabal_backup.cli.options import (
    Invocation,
    PointOptions,
    RestoreRegion,
    WhereOptions,
    add_common,
    add_point,
    add_where,
    check_not_a_drills,
    connect_to_restore,
    moment,
    point_request,
)
from cabal_backup.cli.parser import Parser, Subcommands, add_commands
from cabal_backup.errors import ExitCode, RefusedError, UsageError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.restore import mail_tiers
from cabal_backup.operations.restore.mail_tiers import Reconfigure
from cabal_backup.operations.restore.select_point import PointRequest
from cabal_backup.operations.restore.tables import restore_addresses, restore_table
from cabal_backup.operations.restore.tables.compare import find_pair
from cabal_backup.operations.restore.tables.cutover import (
    CutoverPlan,
    CutoverRequest,
    CutoverResult,
)
from cabal_backup.operations.restore.tables.describe import TableDescription, describe_table
from cabal_backup.operations.restore.tables.key_patterns import KeyPatterns
from cabal_backup.operations.restore.tables.restore_addresses import RestoreAddressesPlan
from cabal_backup.operations.restore.tables.restore_table import (
    RestoreTablePlan,
    SeveralBackupsError,
    TableRequest,
)


@dataclass(frozen=True, kw_only=True)
class AddressesOptions(PointOptions, CutoverOptions):
    """The options of `restore addresses`."""

    to: str | None
    cutover: bool


@dataclass(frozen=True, kw_only=True)
class TableOptions(WhereOptions, ConfirmOptions):
    """The options of `restore table`."""

    table: str
    at: datetime | None
    latest: bool
    backup: str | None
    to: str | None
    cold: bool


def define_restore(parser: Parser) -> None:
    parser.describe(
        "Restores to a new resource and never overwrites an existing one.",
        "restore addresses -e prod --dry-run",
    )
    kinds = add_commands(parser, "WHAT")
    _add_addresses(kinds)
    _add_table(kinds)
    restore_mail.add_mailbox(kinds)
    restore_mail.add_mailstore(kinds)


def _add_addresses(kinds: Subcommands) -> None:
    parser = kinds.add_parser("addresses", help="restore the addresses table from a recovery point")
    parser.describe(
        "Restores the addresses table to a new table, or under its own name if it was deleted. "
        "With --only it then shows how these items differ, and the cutover writes no others. "
        "docs/runbooks/restore-tables.md explains it.",
        "restore addresses -e prod --dry-run",
        "restore addresses -e prod --night 2026-11-20 --cutover --missing-only",
        "restore addresses -e prod --night 2026-11-20 --only 'alice@*'",
        "restore addresses -e prod --in dr --night 2026-05-20 --cold",
    )
    add_common(parser)
    add_point(parser)
    parser.add_argument("--to", metavar="TABLE", help="the name of the new table")
    parser.add_argument(
        "--cutover", action="store_true", help="start the cutover after the restore"
    )
    cutover.add_cutover_options(parser)
    add_confirmation(parser)
    parser.runs(
        run_addresses,
        AddressesOptions,
        plan=RestoreAddressesPlan,
        result={
            "table": TableDescription,
            "next_plan": CutoverPlan,
            "cutover": CutoverResult,
            "deleted_table": str,
        },
    )


def _add_table(kinds: Subcommands) -> None:
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
        run_table,
        TableOptions,
        plan=RestoreTablePlan | RestoreAddressesPlan,
        result={"table": TableDescription},
    )


def run_addresses(options: AddressesOptions, invocation: Invocation) -> int:
    given = cutover.given(options)
    if given and not options.cutover:
        raise UsageError(
            f"{', '.join(given)}: for the cutover only, and --cutover was not given. Nothing was "
            f"done. Add --cutover, or leave {'it' if len(given) == 1 else 'them'} out."
        )
    check_not_a_drills(options.to)
    aws = connect_to_restore(options)
    # Where the live table is.
    home = aws.at(aws.environment.region)
    clock = invocation.clock
    plan = restore_addresses.plan_restore(aws, clock.now(), point_request(options), to=options.to)
    request = cutover.request_of(
        options, plan.target, plan.live, from_region=aws.region if aws.in_dr else None
    )
    _check_only(home, plan, request.only)
    is_there = plan.job is not None and plan.job.finished and not plan.straight
    lines = list(plan.lines())
    if request.only and not options.cutover:
        lines.append(f"  then the items whose key matches {request.only} are compared")
    reconfigure = options.reconfigure or Reconfigure.PUBLISH
    if options.cutover and plan.straight:
        lines += _no_cutover(plan, reconfigure, [each for each in given if each != "--reconfigure"])
    elif options.cutover and not is_there:
        lines += cutover.outline(home, request, clock)
    if show_plan(plan, options, lines):
        if options.cutover and is_there:
            return cutover.cut_over(home, request, options, clock)
        return ExitCode.OK
    _restore(aws, plan, clock, yes=options.yes)
    if not options.cutover:
        if request.only:
            pair = find_pair(home, plan.target, plan.live, from_region=request.from_region)
            compare.show(home, pair, request.only)
        _say_what_next(aws, plan, request)
        return ExitCode.OK
    if plan.straight:
        mail_tiers.reconfigure(home, reconfigure, progress.print_line)
        return ExitCode.OK
    return cutover.cut_over(home, request, options, clock)


def _check_only(aws: Aws, plan: RestoreAddressesPlan, only: KeyPatterns) -> None:
    """Raises RefusedError for patterns if there is no live table."""
    if only and (plan.straight or describe_table(aws, plan.live) is None):
        raise RefusedError(
            f"--only is for a live table that lacks some items, and {plan.live} does not exist or "
            "is being restored under its own name. Nothing was done. Leave --only out to restore "
            "the whole table."
        )


def _no_cutover(plan: RestoreAddressesPlan, how: Reconfigure, ignored: list[str]) -> list[str]:
    """The plan of what follows a restore under the live name.

    :param ignored: the options that need a cutover.
    """
    return [
        f"There is no cutover, because {plan.target} is restored under the name that Cabal uses.",
        *([f"  without effect: {', '.join(ignored)}"] if ignored else []),
        f"  then {mail_tiers.describe(how)}",
    ]


def run_table(options: TableOptions, invocation: Invocation) -> int:
    check_not_a_drills(options.table, options.to)
    if options.where is RestoreRegion.PRIMARY and options.cold:
        raise UsageError("--cold: only with --in dr. Nothing was done.")
    if options.where is RestoreRegion.DR and options.backup:
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
    request = CutoverRequest(restored=plan.target, live=plan.table)
    text = f"{plan.table} is back." if plan.straight else _next_steps(aws, request)
    output.say(text)
    return ExitCode.OK


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
        output.say(several.list_of_backups)
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
    _restore(aws, plan, clock, yes=options.yes)
    later = CutoverRequest(restored=plan.target, live=plan.live, from_region=aws.region)
    _say_what_next(aws, plan, later)
    return ExitCode.OK


def _restore(aws: Aws, plan: RestoreAddressesPlan, clock: Clock, *, yes: bool) -> None:
    """Ask, restore the table from its recovery point, and print its name."""
    if plan.job is None:
        confirm(f"This creates {plan.target} in {aws.region} of {aws.environment.name}.", yes=yes)
    with carry_out(aws) as report:
        table = restore_addresses.execute(aws, plan, clock, report)
    answer.add(table=table)
    print(table.name)


def _say_what_next(aws: Aws, plan: RestoreAddressesPlan, request: CutoverRequest) -> None:
    text = (
        f"{plan.live} is back. The mail tiers have to read it again: publish "
        f"{names.ADDRESS_CHANGED_EVENT} or roll the services, as docs/runbooks/"
        "restore-tables.md shows."
        if plan.straight
        else _next_steps(aws, request)
    )
    output.say(text)


def _next_steps(aws: Aws, request: CutoverRequest) -> str:
    """What to type after a restore to a new table."""
    live, environment = request.live, aws.environment
    # What was salvaged goes into the live table when its region is back.
    left_out = ("--assume-region-lost",) if aws.in_dr else ()
    on = environment.options_of(environment.name, *left_out)
    regions, only = request.region_options, request.only
    compared = f"  cabal-backup compare {request.restored} {live} {on}{regions}\n"
    return (
        f"Restored. Next:\n{'' if only else compared}"
        f"  cabal-backup cutover {request.restored} {live} {on}{regions}{only.options}"
    )
