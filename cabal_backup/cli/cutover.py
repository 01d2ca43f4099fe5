"""`cabal-backup cutover`: a restored table's items into the live table, with proof; and
`cutover undo`, which sets back what a cutover changed, and nothing else.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cabal_backup import names
from cabal_backup.cli import output, progress
from cabal_backup.cli.answer import answer
from cabal_backup.cli.compare import add_from_region, add_only, add_pair, differences
from cabal_backup.cli.compare import lines as comparison_lines
from cabal_backup.cli.confirm import (
    ConfirmOptions,
    add_confirmation,
    ask,
    can_ask,
    carry_out,
    confirm,
    show_plan,
)
from cabal_backup.cli.options import (
    CommonOptions,
    Invocation,
    add_common,
    check_not_a_drills,
    connect_to_change,
    instant,
    one_of,
    positive,
)
from cabal_backup.cli.parser import Parser
from cabal_backup.config.environment import Environment
from cabal_backup.errors import ExitCode, RefusedError, UsageError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.restore import mail_tiers
from cabal_backup.operations.restore.mail_tiers import Reconfigure
from cabal_backup.operations.restore.tables import (
    cutover,
    cutover_undo,
    origin,
    restore_table,
)
from cabal_backup.operations.restore.tables.compare import SAMPLES_OF_PATTERN, TablePair
from cabal_backup.operations.restore.tables.cutover import (
    CutoverPlan,
    CutoverRequest,
    CutoverResult,
)
from cabal_backup.operations.restore.tables.cutover_undo import (
    CutoverDone,
    UndoPlan,
    UndoRequest,
    UndoResult,
)
from cabal_backup.operations.restore.tables.describe import TableDescription
from cabal_backup.operations.restore.tables.items import readable
from cabal_backup.operations.restore.tables.key_patterns import KeyPatterns
from cabal_backup.operations.restore.tables.table_copy import Mode, Transfer
from cabal_backup.operations.restore.tables.transport import CancelToken, Rate, Transport
from cabal_backup.operations.restore.tables.undo import what_is_lost
from cabal_backup.text import duration, plural, timestamp


@dataclass(frozen=True, kw_only=True)
class CutoverOptions(ConfirmOptions):
    """The options of a cutover; see `add_cutover_options`."""

    only: Sequence[str]
    mode: Mode
    no_undo: bool
    rate: float | None
    reconfigure: Reconfigure | None
    """None: as the table needs it."""
    delete_restored: bool
    lower_counter: bool = False
    not_a_restore: bool = False


@dataclass(frozen=True, kw_only=True)
class CutoverCommandOptions(CommonOptions, CutoverOptions):
    """The options of `cutover`."""

    restored: str
    live: str
    from_region: str | None
    to_region: str | None


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


def define_cutover(parser: Parser) -> None:
    parser.describe(
        "Copies the items of a restored table into the live table, reads both tables again to "
        "verify the result, and makes the mail tiers read the addresses again. "
        "docs/runbooks/restore-tables.md explains it.",
        "cutover cabal-addresses-restored-20261120-000000 cabal-addresses -e prod --dry-run",
        "cutover cabal-addresses-restored-20261120-000000 cabal-addresses -e prod --missing-only",
        "cutover cabal-addresses-restored-20261120-000000 cabal-addresses -e prod --only 'alice@*'",
        "cutover cabal-addresses-restored-20260520-000000 cabal-addresses -e prod "
        "--from-region us-east-1",
    )
    add_common(parser)
    add_pair(parser)
    parser.add_argument(
        "--not-a-restore",
        action="store_true",
        help="accept a RESTORED that was not restored from LIVE according to AWS",
    )
    add_cutover_options(parser)
    parser.add_argument(
        "--lower-counter",
        action="store_true",
        help=f"set {names.COUNTER_ATTRIBUTE} of {names.COUNTER_TABLE} to a lower value, to undo a "
        "cutover that raised it by mistake",
    )
    add_confirmation(parser)
    parser.runs(
        run_cutover,
        CutoverCommandOptions,
        plan=CutoverPlan,
        result={"cutover": CutoverResult, "deleted_table": str},
    )
    _define_undo(parser.add_below("undo"))


def _define_undo(parser: Parser) -> None:
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
    _add_writing(parser)
    parser.add_argument(
        "--lower-counter",
        action="store_true",
        help=f"lower {names.COUNTER_ATTRIBUTE} of {names.COUNTER_TABLE} where the cutover raised "
        "it, and delete counters that it added",
    )
    add_confirmation(parser)
    parser.runs(
        run_undo,
        UndoOptions,
        plan=CutoverDone,
        result={"next_plan": UndoPlan, "undone": UndoResult, "deleted_table": str},
    )


def add_cutover_options(parser: argparse.ArgumentParser) -> None:
    """The options of a cutover; `restore addresses --cutover` has them too."""
    add_only(parser)
    group = parser.add_argument_group("cutover")
    modes = group.add_mutually_exclusive_group()
    modes.add_argument(
        "--missing-only",
        dest="mode",
        action="store_const",
        const=Mode.MISSING_ONLY,
        default=Mode.OVERWRITE,
        help="write only the items that the live table does not have",
    )
    modes.add_argument(
        "--mirror",
        dest="mode",
        action="store_const",
        const=Mode.MIRROR,
        help="also delete the items that the backup does not have",
    )
    group.add_argument("--no-undo", action="store_true", help="do not create an undo point")
    _add_writing(group)


def _add_writing(parser: argparse._ActionsContainer) -> None:
    """The options of what writes to a live table."""
    parser.add_argument(
        "--rate",
        type=positive("a number of write units"),
        metavar="UNITS",
        help="the maximum of write units per second",
    )
    parser.add_argument(
        "--reconfigure",
        type=one_of(Reconfigure),
        choices=tuple(Reconfigure),
        metavar="HOW",
        help="how the mail tiers read the addresses again: publish an event, roll the services, "
        "or none (default: publish for the addresses, none for other tables)",
    )
    parser.add_argument(
        "--delete-restored", action="store_true", help="delete the restored table at the end"
    )


def given(options: CutoverOptions) -> list[str]:
    """The options of `add_cutover_options` that were given, as they are typed; without --only,
    which is for the comparison too.
    """
    return [
        option
        for option, is_given in (
            (f"--{options.mode}", options.mode is not Mode.OVERWRITE),
            ("--no-undo", options.no_undo),
            ("--rate", options.rate is not None),
            ("--reconfigure", options.reconfigure is not None),
            ("--delete-restored", options.delete_restored),
        )
        if is_given
    ]


def request_of(
    options: CutoverOptions,
    restored: str,
    live: str,
    *,
    from_region: str | None = None,
    to_region: str | None = None,
) -> CutoverRequest:
    """The cutover that the options ask for; its regions as `CutoverRequest` has them."""
    return CutoverRequest(
        restored=restored,
        live=live,
        from_region=from_region,
        to_region=to_region,
        mode=options.mode,
        only=KeyPatterns(tuple(options.only)),
        no_undo=options.no_undo,
        rate=options.rate,
        reconfigure=options.reconfigure,
        lower_counter=options.lower_counter,
        not_a_restore=options.not_a_restore,
        delete_restored=options.delete_restored,
    )


def run_cutover(options: CutoverCommandOptions, invocation: Invocation) -> int:
    check_not_a_drills(options.restored, options.live)
    aws = connect_to_change(options)
    request = request_of(
        options,
        options.restored,
        options.live,
        from_region=options.from_region,
        to_region=options.to_region,
    )
    return cut_over(aws, request, options, invocation.clock)


def cut_over(aws: Aws, request: CutoverRequest, options: CutoverOptions, clock: Clock) -> int:
    """Plan, confirm, copy, verify, notify the mail tiers, clean up; the exit code."""
    stop = CancelToken()
    with progress.shown() as report:
        plan = cutover.plan_cutover(aws, request, clock, stop, report)
    origins = [f"  {line}" for line in origin.check(aws, plan, clock.now())]
    pair = TablePair(plan.restored, plan.live)
    shown = differences(aws, pair, plan.comparison) if request.only else []
    if show_plan(plan, options, [*shown, *plan.lines(), *origins, *_afterwards(aws, request)]):
        return ExitCode.OK
    _confirm(plan, yes=options.yes)
    with carry_out(aws) as report:
        result = cutover.execute(aws, plan, clock, stop, report)
    answer.add(cutover=result)
    _print_cutover(plan, result)
    mail_tiers.reconfigure(aws, _reconfigure(aws, request), progress.print_line)
    if result.verification.problems:
        return ExitCode.DIFFERENT
    _tidy_up(aws, plan.restored, clock, wanted=request.delete_restored, yes=options.yes)
    return ExitCode.OK


def outline(aws: Aws, request: CutoverRequest, clock: Clock) -> list[str]:
    """The plan of a cutover from a table that is restored first.

    Raises RefusedError where the cutover would be refused when the table is restored.
    """
    lines = cutover.outline(aws, request, clock)
    return [*lines, *_afterwards(aws, request)]


def _print_cutover(plan: CutoverPlan, result: CutoverResult) -> None:
    """What was done, and what reading back showed."""
    copied, verified = result.copied, result.verification
    text = [
        f"{plural(copied.written, 'item')} written to {plan.live.name}, {copied.kept:,} left as "
        "they were."
    ]
    if result.deleted is not None:
        text.append(f"{result.deleted.deleted:,} deleted.")
    text += [f"{remark[0].upper()}{remark[1:]}." for remark in verified.remarks]
    found = verified.comparison
    text += comparison_lines(found, plan.restored.name, plan.live.name)
    text.append(f"digest of the backup               {found.backup_digest}")
    text.append(f"digest of the same keys in live    {found.live_digest}")
    if verified.problems:
        text.append(f"VERIFICATION FAILED: {'; '.join(verified.problems)}.")
        text.append(
            "They were changed while the cutover ran, or not written. "
            f"Look at them with `cabal-backup compare {plan.restored.name} {plan.live.name} "
            f"{plan.environment.options}{plan.request.region_options}{plan.request.only.options}`; "
            "the cutover can be run again."
        )
    else:
        text.append(
            "Verified: the live table holds what it should"
            + (f" under the keys that match {plan.request.only}." if plan.request.only else ".")
        )
    if result.undo_point is not None:
        source = plan.request.from_region
        command = (
            f"  cabal-backup cutover undo {plan.restored.name} {plan.live.name} "
            f"{plan.environment.options}{f' --from-region {source}' if source else ''}"
            f"{plan.request.other_options}"
        )
        if plan.request.delete_restored:
            mode = "" if plan.request.mode is Mode.OVERWRITE else f" --{plan.request.mode}"
            text += [
                f"To undo only what this cutover changed, restore {plan.restored.name} again from "
                "its recovery point, and then:",
                f"{command} --at {timestamp(result.undo_point)}{mode}",
            ]
        else:
            text += ["To undo only what this cutover changed:", command]
        text += ["To go back:", *(f"  {line}" for line in result.way_back)]
        text.append(what_is_lost(plan.live.name, result.undo_point, plan.request.only))
    print("\n".join(text))


def _confirm(plan: CutoverPlan, *, yes: bool) -> None:
    if plan.unfinished is not None and plan.unfinished.is_old and yes:
        raise RefusedError(
            f"The undo point of an unfinished earlier run is {duration(plan.unfinished.age)} old: "
            f"going back to it would undo everything that others have changed in {plan.live.name} "
            "since. --yes does not accept that. Nothing was changed. Run the command without --yes "
            "and read the plan, or begin with a new undo point, which keeps the changes of the "
            f"earlier run: {plan.unfinished.how_to_forget}"
        )
    question = (
        f"This writes {plural(plan.to_write, 'item')} to {plan.live.name} of {plan.environment}"
    )
    if plan.to_delete:
        question += f" and deletes {plan.to_delete:,}"
    if plan.lowerings:
        question += f", and lowers {names.COUNTER_ATTRIBUTE}"
    if plan.unfinished is not None and plan.unfinished.is_old:
        question += f"; the way back stays {duration(plan.unfinished.age)} old"
    confirm(f"{question}.", yes=yes, destroys_in=plan.environment.name)


def run_undo(options: UndoOptions, invocation: Invocation) -> int:
    check_not_a_drills(options.restored, options.live)
    if options.lower_counter and options.live != names.COUNTER_TABLE:
        raise UsageError(f"--lower-counter is for {names.COUNTER_TABLE} only. Nothing was done.")
    aws = connect_to_change(options)
    clock, stop = invocation.clock, CancelToken()
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
        reading = Transfer(transport=Transport(aws), rate=Rate(None), stop=stop, report=report)
        plan = cutover_undo.plan_undo(reading, done, before, samples=samples)
    how = options.reconfigure or _usual(aws, options.live)
    after = _steps_after(how, target if options.delete_restored else None)
    if show_plan(plan, options, [*plan.lines(), *after]):
        return ExitCode.OK
    found, name = plan.found, aws.environment.name
    if found.count:
        confirm(
            f"This writes {plural(found.changed.count + found.removed.count, 'item')} to "
            f"{done.pair.live.name} of {name} and deletes {found.added.count:,}.",
            yes=options.yes,
            destroys_in=name,
        )
    with carry_out(aws) as report:
        result = cutover_undo.execute(aws, plan, clock, stop, report)
    answer.add(undone=result)
    _print_undone(plan, result, aws.environment)
    mail_tiers.reconfigure(aws, how, progress.print_line)
    if result.left.count:
        return ExitCode.DIFFERENT
    is_silent = options.yes or not found.count
    _tidy_up(aws, before, clock, wanted=options.delete_restored, yes=is_silent)
    return ExitCode.OK


def _print_undone(plan: UndoPlan, result: UndoResult, environment: Environment) -> None:
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
                f"{plan.before.name} {live.name} {environment.options}{only.options} --json"
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


def _afterwards(aws: Aws, request: CutoverRequest) -> list[str]:
    deleted = request.restored if request.delete_restored else None
    return _steps_after(_reconfigure(aws, request), deleted)


def _steps_after(how: Reconfigure, deleted: str | None) -> list[str]:
    """The plan of what follows the writing.

    :param deleted: the restored table, if it is deleted.
    """
    return [
        f"  then {mail_tiers.describe(how)}",
        *([f"  then {deleted} is deleted"] if deleted else []),
    ]


def _reconfigure(aws: Aws, request: CutoverRequest) -> Reconfigure:
    """How the mail tiers are notified: by default not of a table in the other region."""
    if request.reconfigure is None and request.to_region not in (None, aws.environment.region):
        return Reconfigure.NONE
    return request.reconfigure or _usual(aws, request.live)


def _usual(aws: Aws, live: str) -> Reconfigure:
    """How the mail tiers read a changed live table again, where no option says it."""
    is_addresses = live in (names.ADDRESSES_TABLE, aws.environment.addresses_table)
    return Reconfigure.PUBLISH if is_addresses else Reconfigure.NONE


def _tidy_up(
    aws: Aws, restored: TableDescription, clock: Clock, *, wanted: bool, yes: bool
) -> None:
    """Delete the restored table if that is wanted; otherwise ask, or print how.

    Only a table that this tool restored is deleted, or offered for it.
    """
    name = restored.name
    if not origin.is_recorded(aws, restored):
        output.say(f"{name} is kept: this tool did not restore it.")
        return
    environment = aws.environment.name
    if not wanted and not yes and can_ask():
        wanted = ask(f"Delete {name}? Type {environment} to continue: ") == environment
    if wanted:
        origin.delete_own_restore(aws, restored, clock)
        answer.add(deleted_table=name)
        output.say(f"{name} is being deleted.")
    else:
        output.say(
            f"{name} is kept. It costs storage; when it is not needed any more: aws dynamodb "
            f"delete-table --region {restored.region} --table-name={name}"
        )
