"""`cabal-backup status`: is it really protected? With `--all`, every environment side by side."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cabal_backup.cli import output
from cabal_backup.cli import status_formats as formats
from cabal_backup.cli.options import (
    Invocation,
    ReportOptions,
    add_common,
    add_report_folder,
    connect_to,
    report_folder,
)
from cabal_backup.cli.parser import Parser
from cabal_backup.config.project import environment_names, find_project
from cabal_backup.errors import BackupOffError, CabalBackupError, UsageError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.report.summary import Report
from cabal_backup.operations.status.checks import CHECKS, GROUPS, run_checks
from cabal_backup.operations.status.drill_reports import read_reports
from cabal_backup.operations.status.findings import NOT_OK, Status, worst
from cabal_backup.operations.status.read_state import read_state
from cabal_backup.text import with_local_time

if TYPE_CHECKING:
    from rich.text import Text

WATCH_SECONDS = 60
NAGIOS_EXIT_CODES = {Status.OK: 0, Status.WARN: 1, Status.FAIL: 2, Status.UNKNOWN: 3}
"""https://nagios-plugins.org/doc/guidelines.html"""


@dataclass(frozen=True, kw_only=True)
class StatusOptions(ReportOptions):
    """The options of `status`."""

    json: bool
    nagios: bool
    watch: bool
    all: bool
    only: Sequence[str] | None
    skip: Sequence[str]
    verbose: bool


@dataclass(frozen=True)
class _Seen:
    """One environment: its report, or why there is none."""

    name: str
    report: Report | None
    error: CabalBackupError | None = None

    @property
    def status(self) -> Status:
        """Its verdict; `off` where its backup is off, `unknown` where it could not be looked at."""
        if self.report is not None:
            return self.report.verdict.status
        return Status.OFF if isinstance(self.error, BackupOffError) else Status.UNKNOWN

    @property
    def sentence(self) -> str:
        """The verdict in one line."""
        return self.report.sentence if self.report else f"{self.name}: {self.error}"


def define_status(parser: Parser) -> None:
    parser.describe(
        "Checks whether an environment is protected. Exit codes: 0 protected, 1 not protected, "
        "2 unknown; with --nagios those of a Nagios plugin.",
        "status -e prod",
        "status -e prod --only primary-lock,dr-lock --json",
        "status --all",
    )
    add_common(parser)
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="as JSON (docs/status.md)")
    shown.add_argument("--nagios", action="store_true", help="as one line for a monitoring system")
    shown.add_argument(
        "--watch", action="store_true", help="check again every minute until everything is ok"
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="every environment side by side, each with its setting `profile`",
    )
    parser.add_argument("--only", metavar="ID,…", type=_ids, help="run only these checks")
    add_report_folder(parser)
    parser.add_argument(
        "--skip", metavar="ID,…", type=_ids, default=(), help="run all other checks"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show every check, all details"
    )
    parser.runs(run, StatusOptions)


def run(options: StatusOptions, invocation: Invocation) -> int:
    chosen = _chosen(options)
    if options.all:
        return _run_all(options, chosen, invocation.clock)
    aws = connect_to(options)
    while True:
        status = _once(options, chosen, aws, invocation.clock)
        if not options.watch or status is Status.OK:
            return NAGIOS_EXIT_CODES[status] if options.nagios else formats.EXIT_CODES[status]
        try:
            invocation.clock.sleep(WATCH_SECONDS)
        except KeyboardInterrupt:
            return formats.EXIT_CODES[status]


def _once(options: StatusOptions, chosen: list[str], aws: Aws, clock: Clock) -> Status:
    report = _look(options, chosen, aws, clock)
    if options.json:
        output.print_json(formats.document(report))
    elif options.nagios:
        sys.stdout.write(formats.nagios(report))
    else:
        # Who names a check wants to see what it saw.
        formats.show(report, verbose=options.verbose or options.only is not None)
    sys.stdout.flush()
    return report.verdict.status


def _run_all(options: StatusOptions, chosen: list[str], clock: Clock) -> int:
    if options.nagios or options.watch:
        raise UsageError("--all has no --nagios and no --watch: use them for one environment each.")
    names = environment_names(find_project(options.project, options.config), options.context)
    all_seen = [_see(options, name, chosen, clock) for name in names]
    found = {seen.status for seen in all_seen}
    # Where no environment has its backup on, nothing is known of any.
    verdict = Status.UNKNOWN if found <= {Status.OFF} else worst(found)
    if options.json:
        environments = [
            formats.document(seen.report)
            if seen.report
            else {"environment": seen.name, "verdict": seen.status, "summary": seen.sentence}
            for seen in all_seen
        ]
        output.print_json({"verdict": verdict, "environments": environments})
    else:
        _show_all(all_seen)
    return formats.EXIT_CODES[verdict]


def _see(options: StatusOptions, name: str, chosen: list[str], clock: Clock) -> _Seen:
    """Look at one environment; an error of one does not end the others."""
    try:
        return _Seen(name, _look(options, chosen, connect_to(options, one_of_all=name), clock))
    except CabalBackupError as error:
        return _Seen(name, None, error)


def _show_all(all_seen: Sequence[_Seen]) -> None:
    """The groups of checks down, the environments across; what is not ok; the verdicts."""
    from rich.table import Table
    from rich.text import Text

    from cabal_backup.cli.console import SafeConsole

    console = SafeConsole()
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("", no_wrap=True)
    for seen in all_seen:
        table.add_column(seen.name)
    for group in GROUPS:
        table.add_row(Text(group), *(_cell(seen, group) for seen in all_seen))
    console.print(table)
    for seen in all_seen:
        for finding in seen.report.verdict.findings if seen.report else ():
            if finding.status in NOT_OK:
                check = formats.styled(finding.status, finding.check)
                line = Text(f"{seen.name}: ").append_text(check)
                console.print(line.append(f": {with_local_time(finding.evidence)}"))
    print()
    for seen in all_seen:
        console.print(formats.styled(seen.status, seen.sentence), soft_wrap=True)
        if seen.report and seen.status in NOT_OK:
            on = seen.report.state.environment.options
            console.print(Text(f"  cabal-backup status {on}"), soft_wrap=True)


def _cell(seen: _Seen, name: str) -> Text:
    """The worst of a group, with its count, such as `1 fail`."""
    group = seen.report.groups.get(name) if seen.report else None
    if group is None:
        return formats.styled(seen.status if seen.report is None else Status.OFF, "")
    return formats.styled(group.status, group.counts.split(",")[0])


def _look(options: StatusOptions, chosen: list[str], aws: Aws, clock: Clock) -> Report:
    state = read_state(aws, clock.now(), drills=read_reports(report_folder(options)))
    return Report(state, run_checks(state, chosen))


def _chosen(options: StatusOptions) -> list[str]:
    asked = {*(options.only or ()), *options.skip}
    unknown = sorted(asked - CHECKS.keys())
    if unknown:
        raise UsageError(
            f"There is no check {' and no '.join(unknown)}. The checks are: {', '.join(CHECKS)}."
        )
    chosen = [
        name
        for name in CHECKS
        if (options.only is None or name in options.only) and name not in options.skip
    ]
    if not chosen:
        raise UsageError("--only and --skip leave no check to run.")
    return chosen


def _ids(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
