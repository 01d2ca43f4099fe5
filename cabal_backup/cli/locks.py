"""`cabal-backup unlock` and `relock`: the locks of the vaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cabal_backup.cli import output
from cabal_backup.cli.answer import answer
from cabal_backup.cli.confirm import ConfirmOptions, add_confirmation, carry_out, confirm, show_plan
from cabal_backup.cli.options import CommonOptions, Invocation, add_common, connect_to_change
from cabal_backup.cli.parser import Parser
from cabal_backup.errors import AwsError, ExitCode, UsageError
from cabal_backup.operations.teardown import locks
from cabal_backup.operations.teardown.locks import DR, PRIMARY, RelockPlan, UnlockPlan, VaultLock
from cabal_backup.text import moment


@dataclass(frozen=True, kw_only=True)
class UnlockOptions(CommonOptions, ConfirmOptions):
    """The options of `unlock`."""

    vault: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class RelockOptions(CommonOptions, ConfirmOptions):
    """The options of `relock`."""

    vault: str


def define_unlock(parser: Parser) -> None:
    parser.describe(
        "Removes the lock of both vaults, or of one, so that recovery points can be deleted. "
        "docs/runbooks/locks.md explains when to do this.",
        "unlock -e development --reason 'teardown of the test environment' --dry-run",
    )
    add_common(parser)
    _add_which(parser)
    parser.add_argument(
        "--reason", required=True, metavar="TEXT", help="the reason, which CloudTrail records"
    )
    add_confirmation(parser)
    parser.runs(run_unlock, UnlockOptions, plan=UnlockPlan, result={"unlocked": tuple[str, ...]})


def define_relock(parser: Parser) -> None:
    parser.describe(
        "Locks both vaults, or one, in governance mode with the days of the environment's "
        "settings. It asks only if that weakens an existing lock.",
        "relock -e prod",
        "relock -e prod --vault dr --dry-run",
    )
    add_common(parser)
    _add_which(parser)
    add_confirmation(parser)
    parser.runs(
        run_relock, RelockOptions, plan=RelockPlan, result={"vaults": tuple[VaultLock, ...]}
    )


def _add_which(parser: Parser) -> None:
    parser.add_argument(
        "--vault",
        choices=(PRIMARY, DR, "both"),
        default="both",
        help="the vault of the primary or the DR region (default: both)",
    )


def _which(vault: str) -> Sequence[str]:
    """The vaults that --vault chooses."""
    return (PRIMARY, DR) if vault == "both" else (vault,)


def _option(vault: str) -> str:
    """The option --vault as it is typed, after a space."""
    return "" if vault == "both" else f" --vault {vault}"


def run_unlock(options: UnlockOptions, invocation: Invocation) -> int:
    if not options.reason.strip():
        raise UsageError("--reason is empty. State why the lock is removed.")
    aws = connect_to_change(options, recorded=True)
    plan = locks.plan_unlock(
        aws, invocation.clock.now(), reason=options.reason.strip(), which=_which(options.vault)
    )
    if show_plan(plan, options) or not plan.to_remove:
        return ExitCode.OK
    name = plan.environment.name
    confirm(f"This removes the protection of {name}.", yes=options.yes, destroys_in=name)
    with carry_out(aws, recorded=True) as report:
        locks.unlock(aws, plan, report)
    answer.add(unlocked=[vault.vault for vault in plan.to_remove])
    regions = " and ".join(vault.region for vault in plan.to_remove)
    output.say(
        f"CloudTrail in {regions} now holds DeleteBackupVaultLockConfiguration with your name and, "
        "at the end of its userAgent, the reason. Its event history keeps that for 90 days."
    )
    output.say(
        f"`cabal-backup status {plan.environment.options}` fails until the locks are back. At the "
        f"latest at {moment(plan.relock_by)}:\n"
        f"  cabal-backup relock {plan.environment.options}{_option(options.vault)}"
    )
    return ExitCode.OK


def run_relock(options: RelockOptions, invocation: Invocation) -> int:
    aws = connect_to_change(options)
    now = invocation.clock.now()
    plan = locks.plan_relock(aws, now, which=_which(options.vault))
    if show_plan(plan, options):
        return ExitCode.OK
    if plan.weakened:
        which_ones = " and ".join(vault.vault for vault in plan.weakened)
        name = plan.environment.name
        confirm(f"This weakens the lock of {which_ones}.", yes=options.yes, destroys_in=name)
    with carry_out(aws) as report:
        locks.relock(aws, plan, report)
    left = locks.plan_relock(aws, now, which=_which(options.vault))
    answer.add(vaults=left.vaults)
    if left.to_put:
        raise AwsError(
            "AWS accepted the lock and does not show it: "
            + "; ".join(vault.line(now) for vault in left.to_put)
            + f". Run `cabal-backup unlock {plan.environment.options}{_option(options.vault)} "
            "--reason …`, then this again."
        )
    if len(plan.vaults) < len(_which(options.vault)):
        raise AwsError(
            "A vault is missing, so it was not locked; any other vault that --vault chooses is "
            f"locked. `cabal-backup status {plan.environment.options}` shows which is missing."
        )
    output.say("Locked.")
    return ExitCode.OK
