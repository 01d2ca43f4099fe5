"""`cabal-backup hold`: legal holds on recovery points."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from cabal_backup.cli import output
from cabal_backup.cli.answer import answer
from cabal_backup.cli.confirm import ConfirmOptions, add_confirmation, carry_out, confirm, show_plan
from cabal_backup.cli.options import (
    CommonOptions,
    Invocation,
    add_common,
    connect_to,
    connect_to_change,
    night,
    number,
)
from cabal_backup.cli.parser import Parser, Subcommands, add_commands
from cabal_backup.errors import ExitCode, UsageError
from cabal_backup.operations import holds
from cabal_backup.operations.aws.legal_holds import LegalHold
from cabal_backup.operations.holds import HoldPlan, HoldRequest, ReleasePlan
from cabal_backup.text import moment, plural


@dataclass(frozen=True, kw_only=True)
class CreateOptions(CommonOptions, ConfirmOptions):
    """The options of `hold create`."""

    title: str
    reason: str
    first: date | None
    last: date | None
    resource: str | None


@dataclass(frozen=True, kw_only=True)
class ListOptions(CommonOptions):
    """The options of `hold list`."""

    json: bool


@dataclass(frozen=True, kw_only=True)
class ReleaseOptions(CommonOptions, ConfirmOptions):
    """The options of `hold release`."""

    name: str
    reason: str
    retain_record: int | None


def define_hold(parser: Parser) -> None:
    parser.describe(
        "Places, lists and releases legal holds: AWS Backup does not delete, expire or move to "
        "cold storage what is held. docs/runbooks/legal-holds.md explains them.",
        "hold list -e prod",
    )
    kinds = add_commands(parser, "ACTION")
    _add_create(kinds)
    _add_list(kinds)
    _add_release(kinds)


def _add_create(kinds: Subcommands) -> None:
    parser = kinds.add_parser("create", help="keep recovery points until the hold is released")
    parser.describe(
        "Places a legal hold on recovery points that exist now, in both regions.",
        "hold create 'lawsuit 7' --reason 'letter of 2026-11-20' -e prod --dry-run",
        "hold create 'lawsuit 7' --reason 'letter of 2026-11-20' -e prod --from 2026-11-01 "
        "--to 2026-11-20 --resource mailstore",
    )
    add_common(parser)
    parser.add_argument("title", metavar="TITLE", help="the name of the hold")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; AWS Backup keeps it")
    for name, dest, which in (("--from", "first", "first"), ("--to", "last", "last")):
        parser.add_argument(
            name, dest=dest, type=night, metavar="DATE", help=f"the {which} night (default: all)"
        )
    parser.add_argument(
        "--resource",
        choices=("addresses", "mailstore"),
        help="only recovery points of this resource (default: of both)",
    )
    add_confirmation(parser)
    parser.runs(run_create, CreateOptions, plan=HoldPlan, result={"holds": tuple[LegalHold, ...]})


def _add_list(kinds: Subcommands) -> None:
    parser = kinds.add_parser("list", help="show the holds and what they cover")
    parser.describe(
        "Shows the legal holds on recovery points of the environment, in both regions.",
        "hold list -e prod",
    )
    add_common(parser)
    parser.add_argument(
        "--json", action="store_true", help="as JSON (docs/runbooks/legal-holds.md)"
    )
    parser.runs(run_list, ListOptions)


def _add_release(kinds: Subcommands) -> None:
    parser = kinds.add_parser("release", help="release a hold")
    parser.describe(
        "Releases a legal hold in both regions. What should have expired meanwhile is deleted by "
        "AWS Backup within 24 hours.",
        "hold release 'lawsuit 7' --reason 'settled' -e prod",
    )
    add_common(parser)
    parser.add_argument("name", metavar="HOLD", help="its title, or its id in one region")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; AWS Backup keeps it")
    parser.add_argument(
        "--retain-record",
        type=number("a number of days", 0, 36500),
        metavar="DAYS",
        help="how long AWS Backup lists the released hold",
    )
    add_confirmation(parser)
    parser.runs(run_release, ReleaseOptions, plan=ReleasePlan, result={"released": tuple[str, ...]})


def _check_text(**given: str) -> None:
    """Raises UsageError for a text that is empty."""
    for name, text in given.items():
        if not text.strip():
            raise UsageError(f"The {name} must not be empty. Nothing was done.")


def run_create(options: CreateOptions, invocation: Invocation) -> int:
    _check_text(title=options.title, reason=options.reason)
    if options.first and options.last and options.first > options.last:
        raise UsageError("--from is after --to. Nothing was done.")
    aws = connect_to_change(options)
    request = HoldRequest(
        title=options.title.strip(),
        reason=options.reason.strip(),
        first=options.first,
        last=options.last,
        resource=options.resource,
    )
    plan = holds.plan_hold(aws, invocation.clock.now(), request)
    if show_plan(plan, options):
        return ExitCode.OK
    confirm(
        f"This keeps recovery points of {aws.environment.name} until the hold is released.",
        yes=options.yes,
    )
    with carry_out(aws) as report:
        placed = holds.place_holds(aws, plan, invocation.clock, report)
    answer.add(holds=placed)
    print("\n".join(map(_line, placed)))
    return ExitCode.OK


def run_list(options: ListOptions, invocation: Invocation) -> int:
    found = holds.find_holds(connect_to(options))
    if options.json:
        output.print_json({"at": invocation.clock.now(), "holds": found})
    else:
        print("\n".join(map(_line, found)) or "There is no legal hold.")
    return ExitCode.OK


def run_release(options: ReleaseOptions, invocation: Invocation) -> int:
    _check_text(reason=options.reason)
    aws = connect_to_change(options)
    plan = holds.plan_release(
        aws, invocation.clock.now(), options.name, options.reason, options.retain_record
    )
    if show_plan(plan, options):
        return ExitCode.OK
    expired = (
        f", and AWS Backup deletes {plural(len(plan.expired), 'recovery point')}"
        if plan.expired
        else ""
    )
    confirm(f"This ends the legal hold{expired}.", yes=options.yes, destroys_in=plan.title)
    with carry_out(aws) as report:
        released = holds.release_holds(aws, plan, invocation.clock, report)
    answer.add(released=released)
    print(f"Released: {', '.join(released)}.")
    return ExitCode.OK


def _line(hold: LegalHold) -> str:
    return (
        f'"{hold.title}" in {hold.region}: {hold.status}, '
        f"{plural(len(hold.points), 'recovery point')}, since {moment(hold.created)}, reason: "
        f"{hold.description} ({hold.id})"
    )
