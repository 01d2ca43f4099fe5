"""The HTML of `cabal-backup report`: one file without scripts and without anything to load."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from string import Template

from cabal_backup.operations.aws.results import Unknown
from cabal_backup.operations.report import prices
from cabal_backup.operations.report.costs import NOT_INCLUDED, Amount, Stock, estimate, total
from cabal_backup.operations.report.figures import Loss, if_region_failed, stored
from cabal_backup.operations.report.prices import REGIONS, Prices
from cabal_backup.operations.report.summary import Report, link
from cabal_backup.operations.status.calendar import SYMBOLS, Calendar, Cell
from cabal_backup.operations.status.drill_reports import PastDrill
from cabal_backup.operations.status.findings import NOT_OK, Finding
from cabal_backup.operations.status.state import State
from cabal_backup.text import day, minutes, moment, printable

GENERATOR = '<meta name="generator" content="cabal-backup report">'
"""By this a later report knows that it may replace the file."""

COLORS = {
    "light": {
        "background": "#ffffff",
        "text": "#1b1f24",
        "quiet": "#57606a",
        "line": "#d0d7de",
        "ok": "#116329",
        "warn": "#7a4b00",
        "fail": "#a40e26",
        "unknown": "#6639ba",
        "off": "#57606a",
        "cold": "#0550ae",
    },
    "dark": {
        "background": "#0d1117",
        "text": "#e6edf3",
        "quiet": "#9da7b3",
        "line": "#3d444d",
        "ok": "#56d364",
        "warn": "#e3b341",
        "fail": "#ff8f88",
        "unknown": "#d2a8ff",
        "off": "#9da7b3",
        "cold": "#79c0ff",
    },
}
"""Each text color has a contrast of at least 4.5 to the background.

https://www.w3.org/TR/WCAG22/#contrast-minimum
"""

_PAGE = Template(
    """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
$generator
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Backup of $name, $date</title>
<style>
$style
</style>
</head>
<body>
<main>
<h1>Backup of $name</h1>
<p class="quiet">$where</p>
$sections
</main>
</body>
</html>
"""
)

_STYLE = Template(
    """:root { $light }
@media (prefers-color-scheme: dark) { :root { $dark } }
@media print {
  :root { $light }
  tr, h2 { break-inside: avoid; }
  h2 { break-after: avoid; }
  main { max-width: none; }
}
body { margin: 0; background: var(--background); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 1rem 1.5rem 3rem; }
h1 { margin-bottom: 0; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
.verdict { font-size: 1.25rem; font-weight: 600; }
.quiet, caption { color: var(--quiet); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; }
caption { text-align: left; padding-bottom: .25rem; }
th, td { padding: .25rem .75rem .25rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
code { overflow-wrap: anywhere; }
.ok, .warm { color: var(--ok); } .warn, .missing { color: var(--warn); }
.fail, .failed { color: var(--fail); } .unknown, .incomplete { color: var(--unknown); }
.off { color: var(--off); } .cold { color: var(--cold); }"""
)


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def page(report: Report, calendar: Calendar, known: Mapping[str, Prices] = REGIONS) -> str:
    """The whole file.

    :param known: the prices of each region.
    """
    state = report.state
    sections = (
        _verdict(report),
        _region(state),
        _nights(calendar),
        _points(state),
        _coming_year(state, known),
        _restore_tests(report),
        _drills(state),
    )
    environment = state.environment
    schemes = {
        scheme: " ".join(f"--{name}: {value};" for name, value in colors.items())
        for scheme, colors in COLORS.items()
    }
    return _PAGE.substitute(
        generator=GENERATOR,
        name=_text(environment.name),
        date=day(state.now),
        style=_STYLE.substitute(schemes),
        where=_text(
            f"Account {state.account}, {environment.region} with copies in "
            f"{environment.dr_region}, {moment(state.now)}. All times are UTC."
        ),
        sections="\n".join(sections),
    )


def _verdict(report: Report) -> str:
    groups = ((name, _colored(group.status, group.counts)) for name, group in report.groups.items())
    return _section(
        "Verdict",
        f'<p class="verdict {report.verdict.status}">{_text(report.sentence)}</p>',
        _table("Checks of status", ("subject", "result"), groups),
        *(
            line
            for finding in report.verdict.findings
            if finding.status in NOT_OK and not finding.explained_by
            for line in _finding(finding)
        ),
    )


def _finding(finding: Finding) -> Iterator[str]:
    yield f"<h3>{_colored(finding.status, f'{finding.check}: {finding.status}')}</h3>"
    yield _paragraph(finding.evidence)
    if finding.details:
        yield "<ul>" + "".join(f"<li>{_text(line)}</li>" for line in finding.details) + "</ul>"
    if finding.hint:
        yield f"<p><code>{_text(finding.hint)}</code></p>"
    yield f'<p class="quiet">{_text(link(finding, "status"))}</p>'


def _region(state: State) -> str:
    heading, losses = f"If {state.environment.region} failed now", if_region_failed(state)
    if isinstance(losses, Unknown):
        return _section(heading, _paragraph(f"The copies could not be listed: {losses.reason}"))
    table = _table(
        "What was written after the newest copy would be lost. Recovery times are those that "
        "drills measured; a restore follows the copy-back.",
        ("resource", "newest copy", "lost", "copy-back to", "copy-back took", "restore took"),
        (_loss(loss, state) for loss in losses.value),
    )
    return _section(heading, table, _paragraph("What to do: docs/runbooks/lose-a-region.md."))


def _loss(loss: Loss, state: State) -> tuple[str, ...]:
    return (
        loss.resource,
        _when(loss.newest_copy),
        "everything" if loss.lost is None else f"{loss.lost / timedelta(hours=1):,.0f} hours",
        _when(loss.reach),
        *(
            "unknown" if isinstance(state.drills, Unknown) else _took(past)
            for past in (loss.copy_back, loss.recovery)
        ),
    )


def _took(past: PastDrill | None) -> str:
    """How long a drill took, and when and where it was."""
    if past is None or past.recovery_seconds is None:
        return "never measured"
    return f"{minutes(past.recovery_seconds)} ({past.environment}, {day(past.ended)})"


def _nights(calendar: Calendar) -> str:
    columns = [f"{column.region} {column.resource}" for column in calendar.columns]
    rows = [
        (f"{night:%a %Y-%m-%d}", *(_cell(calendar.cells[night, each]) for each in calendar.columns))
        for night in calendar.nights
    ]
    counts = ", ".join(f"{calendar.count(cell)} {cell}" for cell in Cell if calendar.count(cell))
    return _section(
        "Nights",
        _table(f"The newest night first: {counts}.", ("night", *columns), rows),
        *map(_paragraph, calendar.former),
        *(
            _paragraph(f"{vault} could not be read: {reason}")
            for vault, reason in calendar.unknown.items()
        ),
    )


def _cell(cell: Cell) -> Html:
    return Html(
        f'<span class="{cell}"><span aria-hidden="true">{SYMBOLS[cell]}</span> {cell}</span>'
    )


def _points(state: State) -> str:
    found = list(stored(state))
    rows: list[tuple[str, ...]] = [
        (
            f"{one.vault} ({one.region})",
            one.resource,
            one.tier,
            _Number(f"{one.count:,}"),
            f"{day(one.oldest)} to {day(one.newest)}",
            _Number(f"{one.size_bytes / prices.GB:,.2f}"),
            _Number(one.dollars.words()),
        )
        for one in found
    ]
    together = Amount.total([one.dollars for one in found]).words()
    rows.append(("together", "", "", "", "", "", _Number(together)))
    headings = ("vault", "resource", "tier", "points", "backups of", "GB", "dollars a month")
    vaults = (state.primary, *state.copy_vaults)
    unknown = [vault.vault_name for vault in vaults if isinstance(vault.points, Unknown)]
    missing = f" Without {' and '.join(unknown)}, which could not be listed." if unknown else ""
    listed = ", ".join(f"{kind} {tier} ${price}" for (kind, tier), price in prices.STORAGE.items())
    return _section(
        "Recovery points and what they cost",
        _table(f"By tier. GB are of 1,073,741,824 bytes.{missing}", headings, rows),
        _paragraph(
            f"Prices of a GB and month in {prices.REGION}, {prices.LOOKED_UP}: {listed} "
            f"({prices.SOURCE}). Of file systems AWS Backup stores what changed and reports whole "
            "sizes, so that their cost is between that of one recovery point and that of all. "
            "Recovery points that are not complete, such as EXPIRED ones, are billed, too. "
            "They, transfer between the regions and restores are not in it (docs/costs.md)."
        ),
    )


def _coming_year(state: State, known: Mapping[str, Prices]) -> str:
    environment = state.environment
    points = {each.vault_name: each.points for each in (state.primary, *state.copy_vaults)}
    costs = estimate(environment, Stock(now=state.now, at=state, points=points), known)
    assumed = prices.assumption(known, (environment.region, environment.dr_region))
    left_out = f"{assumed} Not included: {'; '.join(NOT_INCLUDED)} (docs/costs.md)."
    rows = [
        (
            *cost.line,
            *(
                _Number(each.words())
                for each in (cost.this_month, cost.coming_year, cost.months[-1])
            ),
        )
        for cost in (*costs, total(costs))
    ]
    headings = ("", "region", "resource", "tier", "this month", "coming year", "its last month")
    return _section(
        "What the coming year costs",
        _table("Dollars without tax, as the recovery points age.", headings, rows),
        _paragraph(left_out),
    )


def _restore_tests(report: Report) -> str:
    answers = (
        (report.state.environment.region, report.state.restore_jobs),
        (report.state.environment.dr_region, report.state.dr_restore_jobs),
    )
    jobs = [(region, job) for region, answer in answers for job in answer.value_or(())]
    rows = [
        (
            moment(job["CreationDate"]),
            region,
            job.get("ResourceType", ""),
            "restore test" if "CreatedBy" in job else "by hand",
            job["Status"],
            job.get("ValidationStatus", ""),
        )
        for region, job in sorted(jobs, key=lambda each: each[1]["CreationDate"], reverse=True)
    ]
    headings = ("started", "region", "type", "made by", "status", "validation")
    return _section(
        "Restore tests",
        *(
            _paragraph(_colored(finding.status, finding.evidence))
            for finding in report.verdict.findings
            if finding.check == "restore-tests"
        ),
        *(
            _paragraph(f"The restore jobs in {region} are not known: {answer.reason}")
            for region, answer in answers
            if isinstance(answer, Unknown)
        ),
        _table("Restore jobs of the last 30 days.", headings, rows),
    )


def _drills(state: State) -> str:
    if isinstance(state.drills, Unknown):
        return _section("Drills", _paragraph(state.drills.reason))
    rows = [
        (
            past.kind,
            past.environment,
            day(past.ended),
            "passed" if past.passed else "did not pass",
            "" if past.recovery_seconds is None else _took(past).partition(" (")[0],
        )
        for past in sorted(state.drills.value, key=lambda past: past.ended, reverse=True)
    ]
    headings = ("drill", "environment", "ended", "result", "recovery time")
    return _section("Drills", _table("Of the reports in the project's folder.", headings, rows))


def _section(heading: str, *parts: str) -> str:
    """:param parts: of HTML."""
    return "\n".join([f"<h2>{_text(heading)}</h2>", *parts])


def _paragraph(text: str) -> str:
    return f"<p>{_text(text)}</p>"


def _table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first cell of each row is its heading."""
    rows = list(rows)
    body = [
        f'<tr><th scope="row">{_text(first)}</th>' + "".join(map(_data, others)) + "</tr>"
        for first, *others in rows
    ]
    if not body:
        return _paragraph(f"{caption} There is none.")
    head = "".join(
        f'<th scope="col"{_class(cell)}>{_text(heading)}</th>'
        for heading, cell in zip(headings, rows[0], strict=True)
    )
    # Focusable, so that a keyboard can scroll a table that is wider than the window.
    return "\n".join(
        [
            f'<div class="scroll" tabindex="0" role="region" aria-label="{_text(caption)}"><table>',
            f"<caption>{_text(caption)}</caption>",
            f"<thead><tr>{head}</tr></thead>",
            "<tbody>",
            *body,
            "</tbody></table></div>",
        ]
    )


def _data(cell: str) -> str:
    return f"<td{_class(cell)}>{_text(cell)}</td>"


def _class(cell: str) -> str:
    return ' class="number"' if isinstance(cell, _Number) else ""


class _Number(str):
    """Text that stands to the right of its column."""

    __slots__ = ()


def _colored(status: str, words: str) -> Html:
    return Html(f'<span class="{status}">{_text(words)}</span>')


def _when(when: datetime | None) -> str:
    return "none" if when is None else moment(when)


def _text(text: str) -> str:
    """Escaped for HTML, unless it is markup already."""
    return text if isinstance(text, Html) else escape(printable(text))
