"""`cabal-backup copy-back`: a recovery point from the DR vault to the primary vault."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from cabal_backup import names
from cabal_backup.cli import output
from cabal_backup.cli.answer import answer
from cabal_backup.cli.confirm import ConfirmOptions, add_confirmation, carry_out, confirm, show_plan
from cabal_backup.cli.options import (
    CommonOptions,
    Invocation,
    add_common,
    add_time,
    connect_to_change,
)
from cabal_backup.cli.parser import Parser
from cabal_backup.errors import ExitCode, UsageError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.jobs import Job
from cabal_backup.operations.report import prices
from cabal_backup.operations.restore.copies import cold_copy_back, copy_back
from cabal_backup.operations.restore.copies.cold_copy_back import ColdCopyBackPlan
from cabal_backup.operations.restore.copies.copy_back import CopyBackPlan
from cabal_backup.operations.restore.select_point import ADDRESSES, MAILSTORE, CopyBackRequest

_MONTH_DAYS = Decimal(30)


@dataclass(frozen=True, kw_only=True)
class CopyBackOptions(CommonOptions, ConfirmOptions):
    """The options of `copy-back`."""

    what: str
    at: datetime | None
    night: date | None
    file_system: str | None
    cold: bool
    wait: bool


def define_copy_back(parser: Parser) -> None:
    parser.describe(
        "Copies a recovery point from the DR vault to the primary vault, so that it can be "
        "restored there. docs/runbooks/lose-a-region.md explains it.",
        "copy-back addresses -e prod --dry-run",
        "copy-back mailstore -e prod --night 2026-11-20 --no-wait",
        "copy-back addresses -e prod --night 2026-05-20 --cold",
    )
    add_common(parser)
    parser.add_argument(
        "what",
        metavar=f"{ADDRESSES}|{MAILSTORE}|RECOVERY_POINT",
        help="copy the newest recovery point of this resource, or the one with this ARN",
    )
    add_time(parser.add_mutually_exclusive_group())
    parser.add_argument(
        "--file-system",
        metavar="ID",
        help="the file system, if the vault has recovery points of several file systems",
    )
    parser.add_argument(
        "--cold",
        action="store_true",
        help="bring back one in cold storage: restore it in the DR region, back the result up and "
        "copy that",
    )
    parser.add_argument(
        "--wait",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="wait for the end of the job (default), or only start it",
    )
    add_confirmation(parser)
    parser.runs(
        run,
        CopyBackOptions,
        plan=CopyBackPlan | ColdCopyBackPlan,
        result={"recovery_point_arn": str, "job": Job},
    )


def run(options: CopyBackOptions, invocation: Invocation) -> int:
    wanted = _wanted(options)
    aws = connect_to_change(options)
    if options.cold:
        return _bring_back(aws, options, wanted, invocation)
    plan = copy_back.plan_copy_back(aws, invocation.clock.now(), wanted)
    if show_plan(plan, options):
        return ExitCode.OK
    if plan.there is not None:
        answer.add(recovery_point_arn=plan.there.arn)
        print(plan.there.arn)
        _say_what_next(plan, plan.there.arn)
        return ExitCode.OK
    if plan.job is None:
        confirm(f"This copies into {plan.environment}.", yes=options.yes)
    with carry_out(aws) as report:
        job = copy_back.execute(aws, plan, invocation.clock, report, wait=options.wait)
    answer.add(job=job)
    if not options.wait:
        print(job.id)
        return ExitCode.OK
    answer.add(recovery_point_arn=job.recovery_point_arn)
    print(job.recovery_point_arn)
    _say_what_next(plan, job.recovery_point_arn)
    return ExitCode.OK


def _bring_back(
    aws: Aws, options: CopyBackOptions, wanted: CopyBackRequest, invocation: Invocation
) -> int:
    """Bring a cold recovery point back; the exit code."""
    clock = invocation.clock
    plan = cold_copy_back.plan_copy_back(aws, clock.now(), wanted)
    lines = [*plan.lines(), *([] if plan.done.back else _costs(plan))]
    if show_plan(plan, options, lines):
        return ExitCode.OK
    if not plan.finished:
        confirm(plan.what_is_left(), yes=options.yes)
    with carry_out(aws) as report:
        arn = cold_copy_back.execute(aws, plan, clock, report)
    answer.add(recovery_point_arn=arn)
    print(arn)
    _say_what_next(plan, arn)
    return ExitCode.OK


def _costs(plan: ColdCopyBackPlan) -> tuple[str, ...]:
    """What AWS charges, as far as the prices are known, with the arithmetic."""
    kind, gigabytes = plan.point.resource_type, Decimal(plan.point.size_bytes) / prices.GB
    price = prices.REGIONS[prices.REGION]
    days, cold_after = plan.lifecycle.delete_after_days, plan.lifecycle.cold_after_days
    warm_days = days if cold_after is None else cold_after
    cold_days = days - warm_days
    warm_days += plan.warm_lifecycle.delete_after_days
    stored = (
        warm_days * price.storage(kind, prices.WARM) + cold_days * price.storage(kind, prices.COLD)
    ) / _MONTH_DAYS
    cost = gigabytes * (price.restore(kind) + price.transfer + stored)
    return (
        f"  it costs about ${cost:.2f}: restoring {gigabytes:.2f} GB, copying it, and storing it "
        f"{warm_days} days warm and {cold_days} days cold (prices of {prices.REGION}, "
        f"{prices.LOOKED_UP})",
        "  this does not include the higher price of a restore from cold storage, or the "
        f"{plan.kind} until it is deleted",
    )


def _wanted(options: CopyBackOptions) -> CopyBackRequest:
    if options.file_system is not None and options.what != MAILSTORE:
        raise UsageError(f"--file-system goes with {MAILSTORE} only.")
    has_time = options.at is not None or options.night is not None
    if has_time and options.what not in (ADDRESSES, MAILSTORE):
        raise UsageError(
            f"--at and --night go with {ADDRESSES} or {MAILSTORE}, not with a recovery point."
        )
    if options.cold and not options.wait:
        raise UsageError("--no-wait: not with --cold, whose steps follow one another.")
    return CopyBackRequest(
        what=options.what, at=options.at, night=options.night, file_system=options.file_system
    )


def _say_what_next(plan: CopyBackPlan | ColdCopyBackPlan, arn: str) -> None:
    what = ADDRESSES if plan.point.resource_type == names.DYNAMODB else MAILSTORE
    output.say(
        f"It is back in {plan.to_region}. Next:\n"
        f"  cabal-backup restore {what} --recovery-point={arn} {plan.environment.options}"
    )
