"""`cabal-backup drill`: rehearse a runbook, measure it, prove it and clear away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from cabal_backup import names
from cabal_backup.cli import progress
from cabal_backup.cli.answer import answer
from cabal_backup.cli.confirm import (
    ConfirmOptions,
    add_confirmation,
    all_like_ctrl_c,
    can_ask,
    confirm,
    show_plan,
)
from cabal_backup.cli.options import (
    Invocation,
    ReportOptions,
    add_common,
    add_report_folder,
    add_role,
    add_which_point,
    changing,
    connect_to_change,
    number,
    report_folder,
)
from cabal_backup.cli.parser import Parser, Subcommands, add_commands
from cabal_backup.errors import (
    CabalBackupError,
    CredentialsError,
    ExitCode,
    NotFoundError,
    RefusedError,
    UsageError,
)
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.deployed import check_environment
from cabal_backup.operations.drill import leftovers, rehearse_mailbox, write_report
from cabal_backup.operations.drill.leftovers import Leftover
from cabal_backup.operations.drill.perform import AnyDrillPlan, perform, plan_drill
from cabal_backup.operations.drill.record import Record, Run
from cabal_backup.operations.drill.request import DrillRequest
from cabal_backup.operations.drill.write_report import Redaction
from cabal_backup.operations.restore.select_point import PointRequest
from cabal_backup.operations.status.drill_reports import ALL, DrillKind, DrillVerdict

_ABOUT = {
    DrillKind.ADDRESSES: "the addresses table: restore, compare, cutover into a scratch table",
    DrillKind.MAILBOX: "one mailbox: restore, read, merge into a scratch mailbox",
    DrillKind.COPY_BACK: "the copy-back: copy from the DR region, restore from the copy",
}
_ABOUT_ALL = "all of these in turn"


@dataclass(frozen=True, kw_only=True)
class DrillOptions(ReportOptions, ConfirmOptions):
    """The options of `drill`; those with a default are not of every kind."""

    which: str
    protected: bool
    role: str
    recovery_point: str | None = None
    at: datetime | None = None
    night: date | None = None
    tolerance: int | None = None
    user: str | None = None
    mount: Path | None = None
    cold: bool = False


def define_drill(parser: Parser) -> None:
    parser.describe(
        "Runs the commands of a runbook in an environment, verifies what was restored, removes "
        "it and writes a report to be committed. docs/runbooks/drill.md explains it.",
        "drill addresses -e development",
    )
    kinds = add_commands(parser, "WHAT")
    for kind, about in [*_ABOUT.items(), (ALL, _ABOUT_ALL)]:
        _add_kind(kinds, kind, about)


def _add_kind(kinds: Subcommands, kind: str, about: str) -> None:
    parser = kinds.add_parser(kind, help=about)
    user = " --user alice --mount /home" if kind in (DrillKind.MAILBOX, ALL) else ""
    parser.describe(f"Rehearses {about}.", f"drill {kind} -e development{user}")
    add_common(parser)
    if kind in (DrillKind.MAILBOX, ALL):
        parser.add_argument(
            "--user", required=True, metavar="USER", help="the owner of the mailbox"
        )
        parser.add_argument(
            "--mount",
            type=Path,
            metavar="FOLDER",
            help="where the mailstore is mounted on this host; without it the restored messages "
            "are not verified",
        )
    if kind in (DrillKind.ADDRESSES, DrillKind.MAILBOX):
        add_which_point(parser)
    if kind != DrillKind.MAILBOX:
        parser.add_argument(
            "--tolerance",
            type=number("a percentage", 0, 99),
            metavar="PERCENT",
            help="how many items of the restored table may differ from the live table, which "
            "changes after the backup (default: restore_testing_tolerance_percent)",
        )
    if kind == DrillKind.COPY_BACK:
        parser.add_argument(
            "--cold",
            action="store_true",
            help="bring back the newest recovery point in cold storage, in about five hours",
        )
    add_role(parser)
    add_report_folder(parser)
    parser.add_argument(
        f"--{names.PRODUCTION}",
        dest="protected",
        action="store_true",
        help=f"allow a drill in {names.PRODUCTION}, which also asks for this name",
    )
    add_confirmation(parser)
    parser.set_defaults(which=kind)
    parser.runs(
        run,
        DrillOptions,
        plan=PlannedDrills,
        result={"verdict": DrillVerdict, "drills": tuple[Record, ...], "reports": tuple[Path, ...]},
    )


@dataclass(frozen=True)
class PlannedDrill:
    """A drill that can be done, or why it cannot."""

    kind: DrillKind
    plan: AnyDrillPlan | None
    problem: str = ""


@dataclass(frozen=True)
class PlannedDrills:
    """The drills, and what earlier ones left."""

    drills: Sequence[PlannedDrill]
    earlier: Sequence[Leftover] = ()

    @property
    def possible(self) -> bool:
        """Whether at least one drill can be done."""
        return any(each.plan for each in self.drills)

    def lines(self) -> Iterator[str]:
        """Everything that will be done, and what cannot be."""
        for leftover in self.earlier:
            if not leftover.proven:
                yield (
                    f"The {leftover} has a drill's name, but it is not proven that a drill made "
                    "it: it is not deleted."
                )
                continue
            yield (
                f"An earlier drill left the {leftover}. It is removed first; if that drill is "
                "still running elsewhere, wait for it."
            )
        for each in self.drills:
            if each.plan is None:
                yield f"The {each.kind} drill has failed before it began: {each.problem}"
            else:
                yield from each.plan.lines()


@dataclass(frozen=True)
class _Reports:
    """Writes the reports of drills."""

    folder: Path
    redaction: Redaction
    written: list[Path] = field(default_factory=list)

    def write(self, record: Record) -> None:
        """Write the report of one drill and print its outcome."""
        # Written before anything is printed: the output may be closed.
        file = self._write(
            record, record.kind, write_report.as_json(record), write_report.as_markdown(record)
        )
        for line in (write_report.headline(record), *record.stays, *record.not_verified, file):
            print(line)

    def write_summary(self, records: Sequence[Record]) -> None:
        """Write the report of several drills."""
        json, markdown = write_report.summary_json(records), write_report.summary_markdown(records)
        print(self._write(records[0], ALL, json, markdown))

    def _write(self, first: Record, kind: str, json: object, markdown: str) -> Path:
        content = write_report.Content(self.redaction.values(json), self.redaction.text(markdown))
        file = write_report.write(self.folder, first.started, first.environment, kind, content)
        self.written.append(file)
        return file


def run(options: DrillOptions, invocation: Invocation) -> int:
    folder = report_folder(options)
    if not options.dry_run:
        _check_allowed(options)
    aws = connect_to_change(options)
    if not options.dry_run:
        write_report.make_folder(folder)
    clock = invocation.clock
    request = _request(options, aws)
    if request.user is not None:
        rehearse_mailbox.check_wanted(request.user, request.mount)
    kinds = list(_ABOUT) if options.which == ALL else [DrillKind(options.which)]
    planned = _plan(aws, clock, kinds, request, dry_run=options.dry_run)
    if show_plan(planned, options):
        return ExitCode.OK
    if planned.possible:
        _confirm(options, kinds)
    check_environment(aws)
    changing.set()
    reports = _Reports(folder, Redaction(aws.account, request.user, request.mount))
    with all_like_ctrl_c():
        records = _perform(aws, clock, planned, request, reports)
    if options.which == ALL:
        reports.write_summary(records)
    verdict = write_report.worst(records)
    answer.add(verdict=verdict, drills=records, reports=reports.written)
    if any(record.interrupted for record in records):
        return ExitCode.INTERRUPTED
    return ExitCode.OK if verdict is DrillVerdict.PASSED else ExitCode.DRILL_FAILED


def _plan(
    aws: Aws, clock: Clock, kinds: Sequence[DrillKind], request: DrillRequest, *, dry_run: bool
) -> PlannedDrills:
    """Plan each drill. One that cannot be planned has failed; the others are still done."""
    drills: list[PlannedDrill] = []
    for kind in kinds:
        try:
            drills.append(PlannedDrill(kind, plan_drill(aws, clock.now(), kind, request)))
        except CabalBackupError as error:
            mistyped = isinstance(error, UsageError | NotFoundError) and request.chosen
            if dry_run or mistyped or isinstance(error, CredentialsError):
                raise
            drills.append(PlannedDrill(kind, None, str(error)))
    planned = PlannedDrills(drills)
    if not planned.possible:
        return planned
    try:
        return PlannedDrills(drills, leftovers.find(aws, clock, mount=request.mount))
    except CabalBackupError as error:
        if dry_run:
            raise
        # A drill creates nothing unless it knows what earlier ones left.
        return PlannedDrills([PlannedDrill(kind, None, str(error)) for kind in kinds])


def _perform(
    aws: Aws, clock: Clock, planned: PlannedDrills, request: DrillRequest, reports: _Reports
) -> list[Record]:
    """Do one drill after the other, and write a report of each."""
    records: list[Record] = []
    earlier = planned.earlier
    for each in planned.drills:
        now = clock.now()
        record = Record(each.kind, aws.environment.name, now)
        records.append(record)
        try:
            if each.plan is None:
                record.problems.append(each.problem)
                record.ended = now
            else:
                with progress.shown() as show:
                    mount = request.mount
                    run = Run(aws=aws, clock=clock, record=record, report=show, mount=mount)
                    perform(run, each.plan, earlier)
                earlier = ()
        finally:
            reports.write(record)
        if record.interrupted:
            break
    return records


def _check_allowed(options: DrillOptions) -> None:
    """Confirmed twice: by an option, and by typing the name, which --yes does not answer."""
    prod = names.PRODUCTION
    if options.environment != prod:
        return
    if not options.protected:
        raise RefusedError(
            f"Drills are for development, not for {prod}. Nothing was changed. To drill in "
            f"{prod}, use --{prod} and type its name at a terminal."
        )
    if not can_ask():
        raise RefusedError(
            f"stdin is not a terminal on which {prod} can be typed, and --yes does not replace "
            "that. Nothing was changed."
        )


def _confirm(options: DrillOptions, kinds: Sequence[DrillKind]) -> None:
    name = options.environment
    protected = name == names.PRODUCTION
    confirm(
        f"This drills {', '.join(kinds)} in {name}.",
        yes=options.yes and not protected,
        destroys_in=name if protected else None,
    )


def _request(options: DrillOptions, aws: Aws) -> DrillRequest:
    usual = aws.environment.restore_testing_tolerance_percent
    return DrillRequest(
        tolerance_percent=usual if options.tolerance is None else options.tolerance,
        point=PointRequest(
            arn=options.recovery_point, at=options.at, night=options.night, role=options.role
        ),
        user=options.user,
        mount=options.mount,
        cold=options.cold,
    )
