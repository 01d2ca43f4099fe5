"""`cabal-backup restore addresses`: the addresses table from a recovery point."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from cabal_backup import names
from cabal_backup.cli import cutover
from cabal_backup.cli.confirm import add_confirmation, carry_out, confirm, show_plan
from cabal_backup.cli.cutover import Wishes
from cabal_backup.cli.options import (
    Invocation,
    add_common,
    add_point,
    check_not_a_drills,
    connect_to_change,
)
from cabal_backup.cli.parser import Parser
from cabal_backup.errors import ExitCode, UsageError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.restore import mail_tiers
from cabal_backup.operations.restore.mail_tiers import Reconfigure
from cabal_backup.operations.restore.tables import restore_addresses
from cabal_backup.operations.restore.tables.restore_addresses import RestoreAddressesPlan


def add_parser(kinds: Any) -> None:
    parser: Parser = kinds.add_parser(
        "addresses", help="restore the addresses table from a recovery point"
    )
    parser.describe(
        "Restores the addresses table to a new table, or under its own name if it was deleted. "
        "docs/runbooks/restore-tables.md explains it.",
        "restore addresses -e prod --dry-run",
        "restore addresses -e prod --at 2026-11-20 --cutover --missing-only",
    )
    add_common(parser)
    add_point(parser)
    parser.add_argument("--to", metavar="TABLE", help="the name of the new table")
    parser.add_argument(
        "--cutover", action="store_true", help="start the cutover after the restore"
    )
    cutover.add_wishes(parser)
    add_confirmation(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, invocation: Invocation) -> int:
    given = cutover.given(options)
    if given and not options.cutover:
        raise UsageError(
            f"{', '.join(given)}: for the cutover only, and --cutover was not given. Nothing was "
            f"done. Add --cutover, or leave {'it' if len(given) == 1 else 'them'} out."
        )
    check_not_a_drills(options.to)
    aws = connect_to_change(options)
    clock = invocation.clock
    wished = cutover.wishes(options)
    plan = restore_addresses.look(
        aws,
        clock.now(),
        point_arn=options.recovery_point,
        at=options.at,
        cold=options.cold,
        to=options.to,
        role=options.role,
    )
    is_there = plan.job is not None and plan.job.finished and not plan.straight
    lines = list(plan.lines())
    if options.cutover and not is_there:
        without_effect = [option for option in given if option != "--reconfigure"]
        lines += _cutover(aws, plan, wished, without_effect, clock)
    show_plan(lines, dry_run=options.dry_run)
    if options.dry_run:
        if options.cutover and is_there:
            return cutover.cut_over(aws, plan.target, plan.live, wished, clock)
        return ExitCode.OK
    if plan.job is None:
        confirm("restore", f"This makes {plan.target} in {options.environment}.", yes=options.yes)
    table = carry_out(aws, restore_addresses.execute(aws, plan, clock))
    print(table.name)
    if not options.cutover:
        _say_what_next(aws, plan)
        return ExitCode.OK
    if plan.straight:
        cutover.tell(aws, wished.reconfigure or Reconfigure.PUBLISH)
        return ExitCode.OK
    return cutover.cut_over(aws, plan.target, plan.live, wished, clock)


def _cutover(
    aws: Aws, plan: RestoreAddressesPlan, wished: Wishes, ignored: list[str], clock: Clock
) -> list[str]:
    """The plan of what follows the restore.

    :param ignored: the options that need a cutover.
    """
    if not plan.straight:
        return cutover.outline(aws, plan.target, plan.live, wished, clock)
    how = wished.reconfigure or Reconfigure.PUBLISH
    return [
        f"There is no cutover, because {plan.target} is restored under the name that Cabal uses.",
        *([f"  without effect: {', '.join(ignored)}"] if ignored else []),
        f"  then {mail_tiers.describe(how)}",
    ]


def _say_what_next(aws: Aws, plan: RestoreAddressesPlan) -> None:
    name = aws.environment.name
    if plan.straight:
        text = (
            f"{plan.live} is back. The mail tiers have to read it anew: publish "
            f"{names.ADDRESS_CHANGED_EVENT} or roll the services, as docs/runbooks/"
            "restore-tables.md shows."
        )
    else:
        text = (
            f"Restored. Next:\n  cabal-backup compare {plan.target} {plan.live} -e {name}\n"
            f"  cabal-backup cutover {plan.target} {plan.live} -e {name}"
        )
    print(text, file=sys.stderr)
