"""`cabal-backup unlock`: take the vaults' locks off, for a reason."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from cabal_backup.cli.answer import answer
from cabal_backup.cli.confirm import ConfirmOptions, add_confirmation, carry_out, confirm, show_plan
from cabal_backup.cli.options import CommonOptions, Invocation, add_common, connect_to_change
from cabal_backup.cli.parser import Parser
from cabal_backup.errors import ExitCode, UsageError
from cabal_backup.operations.teardown import locks
from cabal_backup.operations.teardown.locks import DR, PRIMARY, UnlockPlan
from cabal_backup.text import moment


@dataclass(frozen=True, kw_only=True)
class UnlockOptions(CommonOptions, ConfirmOptions):
    """The options of `unlock`."""

    vault: str
    reason: str


def define(parser: Parser) -> None:
    parser.describe(
        "Removes the lock of both vaults, or of one, so that recovery points can be deleted. "
        "docs/runbooks/locks.md explains when to do this.",
        "unlock -e development --reason 'teardown of the test environment' --dry-run",
    )
    add_common(parser)
    add_which(parser)
    parser.add_argument(
        "--reason", required=True, metavar="TEXT", help="the reason, which CloudTrail records"
    )
    add_confirmation(parser)
    parser.runs(run, UnlockOptions, plan=UnlockPlan, result={"unlocked": tuple[str, ...]})


def add_which(parser: argparse.ArgumentParser) -> None:
    """The option --vault."""
    parser.add_argument(
        "--vault",
        choices=(PRIMARY, DR, "both"),
        default="both",
        help="the vault of the primary or the DR region (default: both)",
    )


def which(vault: str) -> Sequence[str]:
    """The vaults that --vault chooses."""
    return (PRIMARY, DR) if vault == "both" else (vault,)


def run(options: UnlockOptions, invocation: Invocation) -> int:
    if not options.reason.strip():
        raise UsageError("--reason is empty. Say why the lock has to go.")
    aws = connect_to_change(options, recorded=True)
    plan = locks.plan_unlock(
        aws, invocation.clock.now(), reason=options.reason.strip(), which=which(options.vault)
    )
    if show_plan(plan, options):
        return ExitCode.OK
    if not plan.to_remove:
        return ExitCode.OK
    name = plan.environment
    confirm(f"This removes the protection of {name}.", yes=options.yes, destroys_in=name)
    with carry_out(aws, recorded=True) as report:
        locks.unlock(aws, plan, report)
    answer.add(unlocked=[vault.vault for vault in plan.to_remove])
    _say_what_next(plan)
    return ExitCode.OK


def _say_what_next(plan: UnlockPlan) -> None:
    regions = " and ".join(vault.region for vault in plan.to_remove)
    print(
        f"CloudTrail in {regions} now holds DeleteBackupVaultLockConfiguration with your name and, "
        "at the end of its userAgent, the reason. Its event history keeps that for 90 days.",
        file=sys.stderr,
    )
    print(
        f"`cabal-backup status -e {plan.environment}` fails until the locks are back. At the "
        f"latest at {moment(plan.relock_by)}:\n  cabal-backup relock -e {plan.environment}",
        file=sys.stderr,
    )
