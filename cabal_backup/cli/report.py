"""`cabal-backup report`: one HTML file about an environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cabal_backup.cli import output
from cabal_backup.cli.costs import add_prices
from cabal_backup.cli.options import (
    Invocation,
    ReportOptions,
    add_common,
    add_report_folder,
    connect_to,
    number,
    report_folder,
)
from cabal_backup.cli.parser import Parser
from cabal_backup.cli.status_formats import document
from cabal_backup.config.project import replacement
from cabal_backup.errors import ExitCode, RefusedError, UsageError
from cabal_backup.operations.report.page import GENERATOR, page
from cabal_backup.operations.report.prices import read_prices
from cabal_backup.operations.report.summary import Report
from cabal_backup.operations.status.calendar import NIGHTS, read_calendar
from cabal_backup.operations.status.checks import CHECKS, run_checks
from cabal_backup.operations.status.drill_reports import read_reports
from cabal_backup.operations.status.read_state import read_state


@dataclass(frozen=True, kw_only=True)
class ReportPageOptions(ReportOptions):
    """The options of `report`."""

    output: Path | None
    prices: Path | None
    nights: int
    json: bool


def define_report(parser: Parser) -> None:
    parser.describe(
        "Writes one HTML file that needs no network: the verdict of status, the calendar of "
        "nights, what would be lost with the region, the recovery points with their cost, restore "
        "tests and drills. It replaces an earlier report, and no other file.",
        "report -e prod",
        "report -e prod --output prod.html --nights 90",
        note="Exit code 0 says that the report was written; status has one for the verdict.",
    )
    add_common(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="where to write it (default: cabal-backup-ENVIRONMENT.html in this folder)",
    )
    parser.add_argument(
        "-n",
        "--nights",
        type=number("a number of nights", 1, 400),
        default=NIGHTS,
        metavar="N",
        help=f"how many nights the calendar goes back (default: {NIGHTS})",
    )
    add_report_folder(parser)
    add_prices(parser)
    parser.add_argument("--json", action="store_true", help="as JSON (docs/report.md)")
    parser.runs(run, ReportPageOptions)


def run(options: ReportPageOptions, invocation: Invocation) -> int:
    file: Path = options.output or Path(f"cabal-backup-{options.environment}.html")
    _check_replaceable(file)
    known = read_prices(options.prices)
    aws = connect_to(options)
    now = invocation.clock.now()
    state = read_state(aws, now, drills=read_reports(report_folder(options)))
    report = Report(state, run_checks(state, CHECKS))
    nights = read_calendar(aws, now, nights=options.nights).from_first_point()
    _write(file, page(report, nights, known))
    if options.json:
        output.print_json({**document(report), "report": file})
    else:
        print(f"{report.sentence}\nThe report is {file}.")
    return ExitCode.OK


def _check_replaceable(file: Path) -> None:
    """Raises RefusedError for anything but an earlier report, which says so at its beginning."""
    try:
        if file.is_symlink() or (file.exists() and GENERATOR not in _beginning(file)):
            raise RefusedError(f"{file} is not an earlier report and was not changed.")
    except OSError as error:
        raise UsageError(f"Cannot read {file}: {error.strerror}.") from error


def _beginning(file: Path) -> str:
    with file.open("rb") as opened:
        return opened.read(1000).decode("utf-8", errors="replace")


def _write(file: Path, content: str) -> None:
    try:
        with replacement(file) as opened:
            opened.write(content.encode())
            _check_replaceable(file)
    except OSError as error:
        raise UsageError(f"Cannot write {file}: {error.strerror}.") from error
