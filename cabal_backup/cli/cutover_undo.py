"""`cabal-backup cutover undo`: set back what a cutover changed, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cabal_backup import names
from cabal_backup.cli import progress
from cabal_backup.cli.answer import answer
from cabal_backup.cli.compare import add_from_region, add_only
from cabal_backup.cli.confirm import (
    ConfirmOptions,
    add_confirmation,
    carry_out,
    confirm,
    show_plan,
)
from cabal_backup.cli.live_tables import add_writing, notify, tidy_up, usual
from cabal_backup.cli.options import (
    CommonOptions,
    Invocation,
    add_common,
    check_not_a_drills,
    connect_to_change,
    instant,
)
from cabal_backup.cli.parser import Parser
from cabal_backup.errors import ExitCode, UsageError
from cabal_backup.operations.restore import mail_tiers
from cabal_backup.operations.restore.mail_tiers import Reconfigure
from cabal_backup.operations.restore.tables import cutover_undo, restore_table
from cabal_backup.operations.restore.tables.compare import SAMPLES_OF_PATTERN
from cabal_backup.operations.restore.tables.cutover_undo import (
    CutoverDone,
    UndoPlan,
    UndoRequest,
    UndoResult,
)
from cabal_backup.operations.restore.tables.items import readable
from cabal_backup.operations.restore.tables.key_patterns import KeyPatterns
from cabal_backup.operations.restore.tables.table_copy import Mode
from cabal_backup.operations.restore.tables.wire import Stop
from cabal_backup.text import plural


@dataclass(frozen=True, kw_only=True)
class UndoOptions(CommonOptions, ConfirmOptions):
    """The options of `cutover undo`."""

    restored: str
    live: str
    from_region: str | None
    at: datetime | None
    mode: Mode | None
    only: Sequence[str]
    rate: float | None
    reconfigure: Reconfigure | None
    delete_restored: bool
    lower_counter: bool


def define_undo(parser: Parser) -> None:
    """Define the command."""
    parser.describe(
        "Sets back the items of the live table that are still as a cutover left them. Items that "
        "others have changed since are listed and left as they are. "
        "docs/runbooks/restore-tables.md explains it.",
        "cutover undo cabal-addresses-restored-20261120-000000 cabal-addresses -e prod --dry-run",
        "cutover undo cabal-addresses-restored-20261120-000000 cabal-addresses -e prod "
        "--at 2026-11-26T09:14:03 --mirror",
    )
    add_common(parser)
    parser.add_argument(
        "restored", metavar="RESTORED", help="the restored table that the cutover copied"
    )
    parser.add_argument("live", metavar="LIVE", help="the table Cabal uses")
    add_from_region(parser)
    parser.add_argument(
        "--at",
        type=instant,
        metavar="TIME",
        help="the undo point in UTC, as the cutover printed it (default: the undo point of the "
        "last cutover, which is recorded on RESTORED)",
    )
    modes = parser.add_mutually_exclusive_group()
    for mode in (Mode.MISSING_ONLY, Mode.MIRROR):
        modes.add_argument(
            f"--{mode}",
            dest="mode",
            action="store_const",
            const=mode,
            help=f"with --at: the cutover had --{mode}",
        )
    add_only(parser)
    add_writing(parser)
    parser.add_argument(
        "--lower-counter",
        action="store_true",
        help=f"lower {names.COUNTER_ATTRIBUTE} of {names.COUNTER_TABLE} where the cutover raised "
        "it, and delete counters that it added",
    )
    add_confirmation(parser)
    parser.runs(
        run,
        UndoOptions,
        plan=CutoverDone,
        result={"next_plan": UndoPlan, "undone": UndoResult, "deleted_table": str},
    )


def run(options: UndoOptions, invocation: Invocation) -> int:
    check_not_a_drills(options.restored, options.live)
    if options.lower_counter and options.live != names.COUNTER_TABLE:
        raise UsageError(f"--lower-counter is for {names.COUNTER_TABLE} only. Nothing was done.")
    aws = connect_to_change(options)
    clock, stop = invocation.clock, Stop()
    request = UndoRequest(
        restored=options.restored,
        live=options.live,
        from_region=options.from_region,
        at=options.at,
        mode=options.mode,
        only=KeyPatterns(tuple(options.only)),
        rate=options.rate,
        lower_counter=options.lower_counter,
    )
    done = cutover_undo.find_cutover(aws, request, clock)
    target, before = done.before.target, done.before.under_way
    if show_plan(done, options) and not done.is_restored:
        return ExitCode.OK
    if before is None:
        confirm(f"This creates {target} in {options.environment}.", yes=options.yes)
    if before is None or not done.is_restored:
        with carry_out(aws) as report:
            before = restore_table.execute(aws, done.before, clock, report)
    samples = sys.maxsize if options.dry_run or options.json else SAMPLES_OF_PATTERN
    with progress.shown() as report:
        plan = cutover_undo.plan_undo(aws, done, before, stop, report, samples=samples)
    lines = [
        *plan.lines(),
        f"  then {mail_tiers.describe(options.reconfigure or usual(aws, options.live))}",
        *([f"  then {target} is deleted"] if options.delete_restored else []),
    ]
    if show_plan(plan, options, lines):
        return ExitCode.OK
    if plan.found.count:
        confirm(
            _question(plan, aws.environment.name), yes=options.yes, destroys_in=aws.environment.name
        )
    with carry_out(aws) as report:
        result = cutover_undo.execute(aws, plan, stop, report)
    answer.add(undone=result)
    _print_result(plan, result, aws.environment.name)
    notify(aws, options.live, options.reconfigure)
    if result.left.count:
        return ExitCode.DIFFERENT
    is_silent = options.yes or not plan.found.count
    tidy_up(aws, before, wanted=options.delete_restored, yes=is_silent)
    return ExitCode.OK


def _question(plan: UndoPlan, environment: str) -> str:
    found = plan.found
    written = found.changed.count + found.removed.count
    return (
        f"This writes {plural(written, 'item')} to {plan.done.pair.live.name} of "
        f"{environment} and deletes {found.added.count:,}."
    )


def _print_result(plan: UndoPlan, result: UndoResult, environment: str) -> None:
    (restored, live), only = plan.done.pair, plan.done.request.only
    text = [
        f"{plural(result.written, 'item')} written to {live.name}, {result.deleted:,} deleted, "
        f"{result.kept:,} kept because they changed after the plan was made."
    ]
    others = result.left.others
    if others.count:
        text.append(f"{plural(others.count, 'item')} changed by others, left as they are:")
        text += [f"  {readable(key)}" for key in others.samples]
        if others.count > len(others.samples):
            text.append(
                f"  … and {others.count - len(others.samples):,} more; all: cabal-backup compare "
                f"{plan.before.name} {live.name} -e {environment}{only.options} --json"
            )
    counters = result.left.counters.count
    if counters:
        text.append(f"{plural(counters, 'counter')} kept: --lower-counter was not given.")
    if result.left.count:
        text.append(
            f"VERIFICATION FAILED: {plural(result.left.count, 'item')} of {live.name} are still as "
            f"the cutover from {restored.name} left them. Run the command again."
        )
    else:
        but = " but these counters" if counters else ""
        text.append(f"Verified: nothing of the cutover is left in the live table{but}.")
    print("\n".join(text))
