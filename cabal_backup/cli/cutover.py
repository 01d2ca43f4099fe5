"""`cabal-backup cutover`: a restored table's items into the live table, with proof."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from cabal_backup import names
from cabal_backup.cli import cutover_undo, progress
from cabal_backup.cli.answer import answer
from cabal_backup.cli.compare import add_only, add_pair, differences
from cabal_backup.cli.compare import lines as comparison_lines
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
)
from cabal_backup.cli.parser import Parser
from cabal_backup.errors import ExitCode, RefusedError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.restore import mail_tiers
from cabal_backup.operations.restore.mail_tiers import Reconfigure
from cabal_backup.operations.restore.tables import cutover, origin
from cabal_backup.operations.restore.tables.compare import TablePair
from cabal_backup.operations.restore.tables.cutover import (
    CutoverPlan,
    CutoverRequest,
    CutoverResult,
)
from cabal_backup.operations.restore.tables.key_patterns import KeyPatterns
from cabal_backup.operations.restore.tables.table_copy import Mode
from cabal_backup.operations.restore.tables.undo import what_is_lost, written
from cabal_backup.operations.restore.tables.wire import Stop
from cabal_backup.text import duration, plural


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


def define(parser: Parser) -> None:
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
        run,
        CutoverCommandOptions,
        plan=CutoverPlan,
        result={"cutover": CutoverResult, "deleted_table": str},
    )
    cutover_undo.define_undo(parser.add_below("undo"))


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
    add_writing(group)


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


def run(options: CutoverCommandOptions, invocation: Invocation) -> int:
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
    stop = Stop()
    with progress.shown() as report:
        plan = cutover.plan_cutover(aws, request, clock, stop, report)
    origins = [f"  {line}" for line in origin.check(aws, plan, clock.now())]
    pair = TablePair(plan.restored, plan.live)
    shown = differences(aws, pair, plan.comparison) if request.only else []
    after = _afterwards(aws, request)
    lines = [*shown, *plan.lines(), *origins, *after]
    if show_plan(plan, options, lines):
        return ExitCode.OK
    _confirm(plan, yes=options.yes)
    with carry_out(aws) as report:
        result = cutover.execute(aws, plan, clock, stop, report)
    answer.add(cutover=result)
    print_result(plan, result)
    notify(aws, request.live, _reconfigure(aws, request))
    if result.verification.problems:
        return ExitCode.DIFFERENT
    tidy_up(aws, plan.restored, wanted=request.delete_restored, yes=options.yes)
    return ExitCode.OK


def outline(aws: Aws, request: CutoverRequest, clock: Clock) -> list[str]:
    """The plan of a cutover from a table that is restored first.

    Raises RefusedError where the cutover would be refused when the table is restored.
    """
    lines = cutover.outline(aws, request, clock)
    return [*lines, *_afterwards(aws, request)]


def print_result(plan: CutoverPlan, result: CutoverResult) -> None:
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
            f"-e {plan.environment}{plan.request.region_options}{plan.request.only.options}`; the "
            "cutover can be run again."
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
            f"-e {plan.environment}{f' --from-region {source}' if source else ''}"
            f"{plan.request.other_options}"
        )
        if plan.request.delete_restored:
            mode = "" if plan.request.mode is Mode.OVERWRITE else f" --{plan.request.mode}"
            text += [
                f"To undo only what this cutover changed, restore {plan.restored.name} again from "
                "its recovery point, and then:",
                f"{command} --at {written(result.undo_point)}{mode}",
            ]
        else:
            text += ["To undo only what this cutover changed:", command]
        text.append(what_is_lost(plan.live.name, result.undo_point, plan.request.only))
        text += ["To go back:", *(f"  {line}" for line in result.way_back)]
    print("\n".join(text))


def _confirm(plan: CutoverPlan, *, yes: bool) -> None:
    if plan.unfinished is not None and plan.unfinished.is_old and yes:
        raise RefusedError(
            f"The undo point of an unfinished earlier run is {duration(plan.unfinished.age)} old: "
            f"going back to it would undo everything that others have changed in {plan.live.name} "
            "since. --yes does not accept that. Nothing was changed. Run the command without --yes "
            "and read the plan, or begin with a new undo point, which leaves what the earlier run "
            f"did: {plan.unfinished.how_to_forget}"
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
    confirm(f"{question}.", yes=yes, destroys_in=plan.environment)


def _afterwards(aws: Aws, request: CutoverRequest) -> list[str]:
    return [
        f"  then {mail_tiers.describe(_reconfigure(aws, request))}",
        *([f"  then {request.restored} is deleted"] if request.delete_restored else []),
    ]


def _reconfigure(aws: Aws, request: CutoverRequest) -> Reconfigure:
    """How the mail tiers are notified: by default not of a table in the other region."""
    if request.reconfigure is None and request.to_region not in (None, aws.environment.region):
        return Reconfigure.NONE
    return request.reconfigure or usual(aws, request.live)
