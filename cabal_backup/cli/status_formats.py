"""The findings for people, for scripts and for monitoring."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cabal_backup.errors import ExitCode
from cabal_backup.operations.report.summary import Report, link
from cabal_backup.operations.status.findings import NOT_OK, Finding, Status
from cabal_backup.text import moment, with_local_time, wrap

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

EXIT_CODES = {
    Status.OK: ExitCode.OK,
    Status.WARN: ExitCode.OK,
    Status.FAIL: ExitCode.NOT_PROTECTED,
    Status.UNKNOWN: ExitCode.UNKNOWN,
}

DETAILS_SHOWN = 5

_STYLES = {
    Status.OK: ("✔", "green"),
    Status.WARN: ("!", "yellow"),
    Status.FAIL: ("✘", "bold red"),
    Status.UNKNOWN: ("?", "bold magenta"),
    Status.OFF: ("-", "dim"),
}
_NAGIOS = {
    Status.OK: "OK",
    Status.WARN: "WARNING",
    Status.FAIL: "CRITICAL",
    Status.UNKNOWN: "UNKNOWN",
}


def show(report: Report, *, verbose: bool) -> None:
    """The groups with their findings that are not ok, and the verdict at the end.

    The verdict is the first line, too, where the terminal would scroll it away.

    :param verbose: show every finding with all its details.
    """
    from cabal_backup.cli.console import SafeConsole

    console = SafeConsole()
    with console.capture() as captured:
        if report.is_deployed:
            _show_groups(console, report, verbose=verbose)
        else:
            _print_indented(console, report.verdict.findings[0].hint)
    body = captured.get()
    verdict = styled(report.verdict.status, report.sentence)
    if body.count("\n") >= console.height - 1:
        console.print(verdict, soft_wrap=True)
    console.file.write(body)
    # One line, however narrow the terminal: it is what a log or a `tail -1` keeps.
    console.print(verdict, soft_wrap=True)


def _show_groups(console: Console, report: Report, *, verbose: bool) -> None:
    from rich.text import Text

    environment, when = report.state.environment, moment(report.state.now)
    where = f"account {report.state.account}, {environment.region} and {environment.dr_region}"
    console.print(Text(f"  {where}, {with_local_time(when)}", style="dim"))
    for name, group in report.groups.items():
        console.print(styled(group.status, f"{name:<12}{group.counts}"))
        for finding in group.findings:
            if not verbose and (finding.status not in NOT_OK or finding.explained_by):
                continue
            print_finding(console, finding, "status", verbose=verbose)


def print_finding(console: Console, finding: Finding, page: str, *, verbose: bool) -> None:
    """A finding with what to do about it.

    :param page: the document that explains the check.
    :param verbose: show all details.
    """
    from rich.text import Text

    heading = Text("  ").append_text(styled(finding.status, finding.check))
    console.print(heading.append(f"  {link(finding, page)}", style="dim"), soft_wrap=True)
    _print_indented(console, finding.evidence)
    for line in _details(finding, page, verbose=verbose):
        _print_indented(console, f"· {line}", style="dim")
    if finding.hint:
        hint = f"    {with_local_time(finding.hint)}"
        # A command stays in one piece, so that it can be copied.
        if console.is_terminal:
            hint = wrap(hint, console.width)
        console.print(Text(hint), soft_wrap=True)


def _print_indented(console: Console, words: str, style: str = "") -> None:
    """Wrapped between words only: an ARN stays in one piece, and a command in backticks."""
    from rich.text import Text

    # A space that must stay is replaced by a character that no printable text has.
    kept = re.sub("`[^`]*`", lambda command: command[0].replace(" ", "\0"), with_local_time(words))
    filled = textwrap.fill(
        kept,
        console.width,
        initial_indent="    ",
        subsequent_indent="      " if style else "    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    console.print(Text(filled.replace("\0", " "), style=style), soft_wrap=True)


def styled(status: Status, words: str) -> Text:
    """The words after the symbol of a status, in its color."""
    from rich.text import Text

    symbol, style = _STYLES[status]
    return Text(f"{symbol} {words}", style=style)


def _details(finding: Finding, page: str, *, verbose: bool) -> list[str]:
    """The first details, or all.

    :param page: `status` has --verbose; `doctor` shows all of them only with --json.
    """
    shown = list(finding.details if verbose else finding.details[:DETAILS_SHOWN])
    more = len(finding.details) - len(shown)
    option = "--verbose" if page == "status" else "--json"
    return [*shown, f"… and {more} more ({option} shows all)"] if more else shown


def document(report: Report) -> Mapping[str, object]:
    """The documented JSON of one environment: docs/status.md describes every field."""
    environment = report.state.environment
    return {
        "version": 1,
        "environment": environment.name,
        "account": report.state.account,
        "region": environment.region,
        "dr_region": environment.dr_region,
        "at": report.state.now,
        "verdict": report.verdict.status,
        "summary": report.sentence,
        "findings": [finding_document(one, "status") for one in report.verdict.findings],
    }


def finding_document(finding: Finding, page: str) -> Mapping[str, object]:
    """What `--json` prints of one finding; `page` as for `print_finding`."""
    return {
        "check": finding.check,
        "status": finding.status,
        "evidence": finding.evidence,
        "hint": finding.hint,
        "details": finding.details,
        "measures": finding.measures,
        "link": link(finding, page),
    }


def nagios(report: Report) -> str:
    """One line and its performance data.

    https://nagios-plugins.org/doc/guidelines.html
    """
    troubled = [f.check for f in report.verdict.findings if f.status not in (Status.OK, Status.OFF)]
    named = f" ({', '.join(troubled)})" if troubled else ""
    data = [f"{status}={len(report.verdict.with_status(status))};;;0" for status in Status]
    for finding in report.verdict.findings:
        for name, value in finding.measures.items():
            unit = "s" if name.endswith("_seconds") else ""
            data.append(f"{name.removesuffix('_seconds')}={value:.0f}{unit};;;0")
    sentence = report.sentence.replace("|", "/")
    return f"{_NAGIOS[report.verdict.status]}: {sentence}{named} | {' '.join(data)}\n"
