"""`cabal-backup restore addresses`: the addresses table from a recovery point."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from cabal_backup import names
from cabal_backup.cli import compare, cutover
from cabal_backup.cli.answer import answer
from cabal_backup.cli.confirm import add_confirmation, carry_out, confirm, show_plan
from cabal_backup.cli.cutover import CutoverOptions
from cabal_backup.cli.live_tables import notify
from cabal_backup.cli.options import (
    Invocation,
    PointOptions,
    add_common,
    add_point,
    check_not_a_drills,
    connect_to_restore,
    point_request,
)
from cabal_backup.cli.parser import Subcommands
from cabal_backup.errors import ExitCode, RefusedError, UsageError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.restore import mail_tiers
from cabal_backup.operations.restore.mail_tiers import Reconfigure
from cabal_backup.operations.restore.tables import restore_addresses
from cabal_backup.operations.restore.tables.cutover import (
    CutoverPlan,
    CutoverRequest,
    CutoverResult,
    find_pair,
)
from cabal_backup.operations.restore.tables.describe import TableDescription, describe_table
from cabal_backup.operations.restore.tables.key_patterns import KeyPatterns
from cabal_backup.operations.restore.tables.restore_addresses import RestoreAddressesPlan


@dataclass(frozen=True, kw_only=True)
class AddressesOptions(PointOptions, CutoverOptions):
    """The options of `restore addresses`."""

    to: str | None
    cutover: bool


def add_parser(kinds: Subcommands) -> None:
    """Add the command to those of `restore`."""
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
        run,
        AddressesOptions,
        plan=RestoreAddressesPlan,
        result={
            "table": TableDescription,
            "next_plan": CutoverPlan,
            "cutover": CutoverResult,
            "deleted_table": str,
        },
    )


def run(options: AddressesOptions, invocation: Invocation) -> int:
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
    if options.cutover and not is_there:
        without_effect = [option for option in given if option != "--reconfigure"]
        lines += (
            _no_cutover(plan, options.reconfigure, without_effect)
            if plan.straight
            else cutover.outline(home, request, clock)
        )
    if show_plan(plan, options, lines):
        if options.cutover and is_there:
            return cutover.cut_over(home, request, options, clock)
        return ExitCode.OK
    if plan.job is None:
        confirm_restore(aws, plan, yes=options.yes)
    with carry_out(aws) as report:
        table = restore_addresses.execute(aws, plan, clock, report)
    answer.add(table=table)
    print(table.name)
    if not options.cutover:
        if request.only:
            compare.show(
                home,
                find_pair(home, plan.target, plan.live, from_region=request.from_region),
                request.only,
            )
        say_what_next(aws, plan, request)
        return ExitCode.OK
    if plan.straight:
        notify(home, plan.live, options.reconfigure or Reconfigure.PUBLISH)
        return ExitCode.OK
    return cutover.cut_over(home, request, options, clock)


def _check_only(aws: Aws, plan: RestoreAddressesPlan, only: KeyPatterns) -> None:
    """Raises RefusedError for patterns where there is no live table to leave other items in."""
    if only and (plan.straight or describe_table(aws, plan.live) is None):
        raise RefusedError(
            f"--only is for a live table that lacks some items, and {plan.live} does not exist or "
            "is being restored under its own name. Nothing was done. Leave --only out to restore "
            "the whole table."
        )


def _no_cutover(
    plan: RestoreAddressesPlan, how: Reconfigure | None, ignored: list[str]
) -> list[str]:
    """The plan of what follows a restore under the live name.

    :param ignored: the options that need a cutover.
    """
    return [
        f"There is no cutover, because {plan.target} is restored under the name that Cabal uses.",
        *([f"  without effect: {', '.join(ignored)}"] if ignored else []),
        f"  then {mail_tiers.describe(how or Reconfigure.PUBLISH)}",
    ]


def confirm_restore(aws: Aws, plan: RestoreAddressesPlan, *, yes: bool) -> None:
    """Ask before the table is restored; raises as `confirm`."""
    confirm(f"This creates {plan.target} in {aws.region} of {aws.environment.name}.", yes=yes)


def say_what_next(aws: Aws, plan: RestoreAddressesPlan, request: CutoverRequest) -> None:
    """What to type after the restore."""
    only, regions = request.only, request.region_options
    name = aws.environment.name
    if plan.straight:
        text = (
            f"{plan.live} is back. The mail tiers have to read it again: publish "
            f"{names.ADDRESS_CHANGED_EVENT} or roll the services, as docs/runbooks/"
            "restore-tables.md shows."
        )
    else:
        compared = f"  cabal-backup compare {plan.target} {plan.live} -e {name}{regions}\n"
        compared = "" if only else compared
        text = (
            f"Restored. Next:\n{compared}"
            f"  cabal-backup cutover {plan.target} {plan.live} -e {name}{regions}{only.options}"
        )
    print(text, file=sys.stderr)
