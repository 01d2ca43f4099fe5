"""`cabal-backup teardown`: an environment's backup taken down, in deliberate steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cabal_backup import names
from cabal_backup.cli import output
from cabal_backup.cli.answer import answer
from cabal_backup.cli.confirm import (
    ConfirmOptions,
    add_confirmation,
    ask,
    carry_out,
    confirm,
    show_plan,
)
from cabal_backup.cli.options import (
    CommonOptions,
    Invocation,
    add_common,
    connect_to,
    connect_to_change,
    number,
)
from cabal_backup.cli.parser import Parser, Subcommands, add_commands
from cabal_backup.errors import ExitCode, RefusedError
from cabal_backup.operations.teardown import delete_points, destroy
from cabal_backup.operations.teardown.delete_points import DeletePointsPlan
from cabal_backup.operations.teardown.inventory import (
    INCLUDE_OTHERS,
    Inventory,
    overview,
    take_inventory,
)
from cabal_backup.text import plural


@dataclass(frozen=True, kw_only=True)
class PlanOptions(CommonOptions):
    """The options of `teardown plan`."""

    json: bool


@dataclass(frozen=True, kw_only=True)
class DeleteOptions(CommonOptions, ConfirmOptions):
    """The options of `teardown delete-recovery-points`."""

    include_other_resources: bool
    points: int | None


@dataclass(frozen=True, kw_only=True)
class DestroyOptions(CommonOptions, ConfirmOptions):
    """The options of `teardown destroy`."""


def define_teardown(parser: Parser) -> None:
    parser.describe(
        "Removes the backup of an environment in three deliberate steps: unlock, "
        "delete-recovery-points, destroy. docs/runbooks/teardown.md explains them.",
        "teardown plan -e development",
    )
    steps = add_commands(parser, "STEP")
    _add_plan(steps)
    _add_delete(steps)
    _add_destroy(steps)


def _add_plan(steps: Subcommands) -> None:
    parser = steps.add_parser("plan", help="show what exists and what prevents each step")
    parser.describe(
        "Shows what exists, what deleting it costs and what prevents it. It changes nothing.",
        "teardown plan -e development",
    )
    add_common(parser)
    parser.add_argument("--json", action="store_true", help="as JSON (docs/runbooks/teardown.md)")
    parser.runs(run_plan, PlanOptions)


def _add_delete(steps: Subcommands) -> None:
    parser = steps.add_parser(
        "delete-recovery-points", help="delete every recovery point of both vaults"
    )
    parser.describe(
        "Deletes exactly the recovery points of the plan that it shows. It refuses while a vault "
        "is locked. A deleted recovery point cannot be restored.",
        "teardown delete-recovery-points -e development --dry-run",
    )
    add_common(parser)
    add_confirmation(parser)
    parser.add_argument(
        "--include-other-resources",
        action="store_true",
        help="also the recovery points of resources that this environment does not protect",
    )
    parser.add_argument(
        "--points",
        type=number("a number of recovery points", 0),
        metavar="N",
        help=f"with --yes in {names.PRODUCTION}: the number of recovery points",
    )
    parser.runs(run_delete, DeleteOptions, plan=DeletePointsPlan, result={"deleted": int})


def _add_destroy(steps: Subcommands) -> None:
    parser = steps.add_parser("destroy", help="delete both stacks, the vaults and the role")
    parser.describe(
        "Deletes both stacks, the vaults and the role. It refuses while a vault is locked or has "
        "recovery points.",
        "teardown destroy -e development --dry-run",
    )
    add_common(parser)
    add_confirmation(parser)
    parser.runs(
        run_destroy, DestroyOptions, plan=destroy.DestroyPlan, result={"checked": tuple[str, ...]}
    )


def run_plan(options: PlanOptions, invocation: Invocation) -> int:
    seen = take_inventory(connect_to(options), invocation.clock.now())
    if options.json:
        output.print_json(_as_json(seen))
    else:
        print("\n".join(overview(seen)))
    return ExitCode.OK


def _as_json(seen: Inventory) -> Mapping[str, object]:
    return {
        "environment": seen.environment,
        "stacks": [{"name": stack.name, "region": stack.region} for stack in seen.stacks],
        "vaults": [
            {
                "vault": vault.vault,
                "region": vault.region,
                "locked": vault.locked,
                "recovery_points": len(vault.points),
            }
            for vault in seen.vaults
        ],
        "roles": seen.roles,
        "nights": seen.nights,
        "blockers": seen.blockers(),
        "stays": seen.stays(),
    }


def run_delete(options: DeleteOptions, invocation: Invocation) -> int:
    aws = connect_to_change(options, recorded=True)
    plan = delete_points.plan_deletion(
        take_inventory(aws, invocation.clock.now()),
        include_others=options.include_other_resources,
    )
    if show_plan(plan, options):
        return ExitCode.OK
    if plan.points:
        _confirm_deletion(plan, options)
        with carry_out(aws, recorded=True) as report:
            deleted = delete_points.delete_points(aws, plan, invocation.clock, report)
        answer.add(deleted=deleted)
        output.say(f"{plural(deleted, 'recovery point')} deleted.")
    if plan.kept:
        output.say(
            f"{plural(plan.kept, 'recovery point')} of other resources left, so their vault cannot "
            f"be deleted: {INCLUDE_OTHERS}."
        )
        return ExitCode.OK
    output.say(f"Next: cabal-backup teardown destroy {aws.environment.options}")
    return ExitCode.OK


def run_destroy(options: DestroyOptions, invocation: Invocation) -> int:
    aws = connect_to_change(options, recorded=True)
    clock = invocation.clock
    plan = destroy.plan_destruction(take_inventory(aws, clock.now()))
    if show_plan(plan, options):
        return ExitCode.OK
    if not plan.seen.is_empty:
        name = plan.seen.environment.name
        confirm(f"This ends the backup of {name}.", yes=options.yes, destroys_in=name)
        with carry_out(aws, recorded=True) as report:
            destroy.destroy(aws, plan, clock, report)
    checked = destroy.prove(aws, clock)
    answer.add(checked=checked)
    left = "Only what no one can delete yet" if plan.seen.held else "Nothing"
    print(f"{left} is left of the backup of {plan.seen.environment}. Verified:")
    print("\n".join(f"  {line}" for line in checked))
    print("Left alone:")
    print("\n".join(f"  {line}" for line in (*plan.seen.stays(), *destroy.STAYS)))
    return ExitCode.OK


def _confirm_deletion(plan: DeletePointsPlan, options: DeleteOptions) -> None:
    """The environment's name; for some the number of points as well, also for a script."""
    name = plan.seen.environment.name
    counted = name == names.PRODUCTION
    if options.points is not None and options.points != plan.points:
        raise RefusedError(
            f"The plan has {plural(plan.points, 'recovery point')}, not {options.points:,}. "
            "Nothing was deleted."
        )
    if options.yes and counted and options.points is None:
        raise RefusedError(
            f"In {name}, --yes also requires the number of recovery points: --points N. Nothing "
            "was deleted."
        )
    confirm(
        f"This deletes {plural(plan.points, 'recovery point')} of {name}.",
        yes=options.yes,
        destroys_in=name,
    )
    if options.yes or not counted:
        return
    if ask("How many recovery points are deleted? ").replace(",", "") != str(plan.points):
        raise RefusedError("That is not their number. Nothing was deleted.")
