"""`cabal-backup relock`: put the vaults' locks back, exactly as the environment says."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from cabal_backup.cli.answer import answer
from cabal_backup.cli.confirm import ConfirmOptions, add_confirmation, carry_out, confirm, show_plan
from cabal_backup.cli.options import CommonOptions, Invocation, add_common, connect_to_change
from cabal_backup.cli.parser import Parser
from cabal_backup.cli.unlock import add_which, which
from cabal_backup.errors import AwsError, ExitCode
from cabal_backup.operations.teardown import locks


@dataclass(frozen=True, kw_only=True)
class RelockOptions(CommonOptions, ConfirmOptions):
    """The options of `relock`."""

    vault: str


def define(parser: Parser) -> None:
    parser.describe(
        "Locks both vaults, or one, in governance mode with the days of the environment's "
        "settings. It asks only if that weakens an existing lock.",
        "relock -e prod",
        "relock -e prod --vault dr --dry-run",
    )
    add_common(parser)
    add_which(parser)
    add_confirmation(parser)
    parser.runs(
        run, RelockOptions, plan=locks.RelockPlan, result={"vaults": tuple[locks.VaultLock, ...]}
    )


def run(options: RelockOptions, invocation: Invocation) -> int:
    aws = connect_to_change(options)
    now = invocation.clock.now()
    plan = locks.plan_relock(aws, now, which=which(options.vault))
    if show_plan(plan, options):
        return ExitCode.OK
    if plan.weakened:
        which_ones = " and ".join(vault.vault for vault in plan.weakened)
        confirm(
            f"This weakens the lock of {which_ones}.", yes=options.yes, destroys_in=plan.environment
        )
    with carry_out(aws) as report:
        locks.relock(aws, plan, report)
    left = locks.plan_relock(aws, now, which=which(options.vault))
    answer.add(vaults=left.vaults)
    if left.to_put:
        raise AwsError(
            "AWS accepted the lock and does not show it: "
            + "; ".join(vault.line(now) for vault in left.to_put)
            + f". Run `cabal-backup unlock -e {plan.environment} --reason …`, then this again."
        )
    if len(plan.vaults) < len(which(options.vault)):
        raise AwsError(
            "Not every vault exists; what is there is locked. `cabal-backup status -e "
            f"{plan.environment}` says what is missing."
        )
    print("Locked.", file=sys.stderr)
    return ExitCode.OK
