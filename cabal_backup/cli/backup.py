"""`cabal-backup backup now` and `copy now`: what the night does, now."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cabal_backup.cli.answer import answer
from cabal_backup.cli.confirm import ConfirmOptions, add_confirmation, carry_out, confirm, show_plan
from cabal_backup.cli.options import (
    CommonOptions,
    Invocation,
    add_common,
    connect_to_change,
    one_of,
)
from cabal_backup.cli.parser import Parser, add_commands
from cabal_backup.errors import ExitCode
from cabal_backup.operations.aws.jobs import Job
from cabal_backup.operations.restore.copies import on_demand
from cabal_backup.operations.restore.select_point import ADDRESSES, MAILSTORE


class Protected(StrEnum):
    """What the plan backs up."""

    ADDRESSES = ADDRESSES
    MAILSTORE = MAILSTORE


@dataclass(frozen=True, kw_only=True)
class OnDemandOptions(CommonOptions, ConfirmOptions):
    """The options of `backup now` and `copy now`."""

    what: Sequence[str]
    wait: bool
    plan: Callable[..., on_demand.OnDemandPlan]


def define_backup(parser: Parser) -> None:
    parser.describe(
        "Backs up the addresses table and the mailstore now, with the lifecycle and the role of "
        "the plan. `copy now` copies the result to the DR region.",
        "backup now -e prod",
    )
    now = _add_now(parser)
    now.describe(
        "Backs up the addresses table and the mailstore now, or one of them. Run again, it "
        "follows the jobs that still run.",
        "backup now -e prod --dry-run",
        "backup now addresses -e prod --no-wait",
    )
    add_common(now)
    now.add_argument(
        "what",
        nargs="*",
        type=one_of(Protected),
        metavar=f"{ADDRESSES}|{MAILSTORE}",
        help="what to back up (default: both)",
    )
    _finish(now, on_demand.plan_backup)


def define_copy(parser: Parser) -> None:
    parser.describe(
        "Copies recovery points of the primary vault to the DR vault now, with the lifecycle and "
        "the role of the plan.",
        "copy now -e prod",
    )
    now = _add_now(parser)
    now.describe(
        "Copies every recovery point of the last 30 days that has no copy, or those that are "
        "named. Run again, it follows the jobs that still run.",
        "copy now -e prod --dry-run",
    )
    add_common(now)
    now.add_argument(
        "what",
        nargs="*",
        metavar="RECOVERY_POINT",
        help="the ARN, or its last part (default: every one without a copy)",
    )
    _finish(now, on_demand.plan_copy)


def _add_now(parser: Parser) -> Parser:
    """The command `now` below a command."""
    return add_commands(parser, "WHEN").add_parser("now", help="start at once")


def _finish(parser: Parser, plan: Callable[..., on_demand.OnDemandPlan]) -> None:
    """Add the options that both commands have.

    :param plan: makes the plan from `aws`, the time and what is named.
    """
    parser.add_argument(
        "--wait",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="wait for the end of the jobs (default), or only start them",
    )
    add_confirmation(parser)
    parser.set_defaults(plan=plan)
    parser.runs(run, OnDemandOptions, plan=on_demand.OnDemandPlan, result={"jobs": tuple[Job, ...]})


def run(options: OnDemandOptions, invocation: Invocation) -> int:
    aws = connect_to_change(options)
    plan = options.plan(aws, invocation.clock.now(), options.what)
    if show_plan(plan, options) or not plan.items:
        return ExitCode.OK
    if any(item.job is None for item in plan.items):
        confirm(f"This {plan.kind}s in {aws.environment.name}.", yes=options.yes)
    with carry_out(aws) as report:
        jobs = on_demand.execute(aws, plan, invocation.clock, report, wait=options.wait)
    answer.add(jobs=jobs)
    for job in jobs:
        print(job.recovery_point_arn if options.wait else job.id)
    return ExitCode.OK
