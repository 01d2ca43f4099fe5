"""The findings for people, for scripts and for monitoring."""

from __future__ import annotations

import json
from dataclasses import dataclass

from cabal_backup.operations.status.findings import Finding, Status, Verdict
from cabal_backup.operations.status.state import State
from cabal_backup.text import moment

JSON_VERSION = 1
"""Raised when a field is removed or changes its meaning; fields may be added without."""

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


@dataclass(frozen=True)
class Report:
    """One look: what was seen and what it comes to."""

    state: State
    verdict: Verdict

    @property
    def sentence(self) -> str:
        """The verdict in one line."""
        name = self.state.environment.name
        counts = {status: len(self.verdict.with_status(status)) for status in Status}
        not_known = f"{_checks(counts[Status.UNKNOWN])} could not be made"
        warnings = f"{_checks(counts[Status.WARN])} with a warning"
        if self.verdict.status is Status.FAIL:
            more = [f"{_checks(counts[Status.FAIL])} failed"]
            more += [not_known] if counts[Status.UNKNOWN] else []
            return f"{name} is NOT protected as promised: {', '.join(more)}."
        if self.verdict.status is Status.UNKNOWN:
            return f"Cannot tell whether {name} is protected: {not_known}."
        if self.verdict.status is Status.WARN:
            return f"{name} is protected; {warnings}."
        off = f" ({counts[Status.OFF]} off)" if counts[Status.OFF] else ""
        return f"{name} is protected: all of {_checks(counts[Status.OK])} are fine{off}."


def _checks(count: int) -> str:
    return "1 check" if count == 1 else f"{count} checks"


def link(finding: Finding) -> str:
    """Where the check is explained."""
    return f"docs/status.md#{finding.check}"


def show(report: Report, *, verbose: bool) -> None:
    """A table for people, the verdict on top, what to do about each finding below it."""
    from rich.table import Table
    from rich.text import Text

    from cabal_backup.cli.console import SafeConsole

    console = SafeConsole()
    symbol, style = _STYLES[report.verdict.status]
    # One line, however narrow the terminal: it is what a log or a `head -1` keeps.
    console.print(Text(f"{symbol} {report.sentence}", style=style), soft_wrap=True)
    environment = report.state.environment
    console.print(
        Text(
            f"  account {report.state.account}, {environment.region} and {environment.dr_region}, "
            f"{moment(report.state.now)}",
            style="dim",
        )
    )
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in report.verdict.findings:
        symbol, style = _STYLES[finding.status]
        cell = Text(finding.evidence)
        quiet = finding.status is Status.OK and not verbose
        for line in [] if quiet else _details(finding, verbose=verbose):
            cell.append(f"\n· {line}", style="dim")
        table.add_row(Text(symbol, style=style), Text(finding.check, style=style), cell)
    console.print(table)
    for finding in report.verdict.findings:
        if finding.hint:
            _, style = _STYLES[finding.status]
            console.print(Text(f"\n{finding.check}", style=style), Text(link(finding), style="dim"))
            # Soft-wrapped, so that a command can be copied in one piece.
            console.print(Text(f"  {finding.hint}"), soft_wrap=True)


def _details(finding: Finding, *, verbose: bool) -> list[str]:
    shown = list(finding.details if verbose else finding.details[:DETAILS_SHOWN])
    more = len(finding.details) - len(shown)
    return [*shown, f"… and {more} more (--verbose shows all)"] if more else shown


def as_json(report: Report) -> str:
    """The documented JSON: docs/status.md describes every field."""
    environment = report.state.environment
    return (
        json.dumps(
            {
                "version": JSON_VERSION,
                "environment": environment.name,
                "account": report.state.account,
                "region": environment.region,
                "dr_region": environment.dr_region,
                "at": report.state.now.isoformat(timespec="seconds"),
                "verdict": report.verdict.status,
                "summary": report.sentence,
                "findings": [
                    {
                        "check": finding.check,
                        "status": finding.status,
                        "evidence": finding.evidence,
                        "hint": finding.hint,
                        "details": finding.details,
                        "measures": finding.measures,
                        "link": link(finding),
                    }
                    for finding in report.verdict.findings
                ],
            },
            indent=2,
        )
        + "\n"
    )


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
