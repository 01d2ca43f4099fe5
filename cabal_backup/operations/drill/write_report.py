"""The report of a drill: Markdown for people, JSON for programs, both to be committed.

The repository may be public. So no account, file system, principal, mailbox or address
stands in a report, also where AWS's own words have them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import NamedTuple

from cabal_backup.errors import UsageError
from cabal_backup.operations.drill.record import Record
from cabal_backup.operations.status.drill_reports import ALL, VERSION, DrillVerdict
from cabal_backup.text import day, minutes, moment, printable

_PATTERNS = (
    # A principal's name may be personal: a role session may be named after a mail address.
    (r"arn:[\w-]+:(?:sts|iam)::\d*:(?:assumed-role|user|federated-user)/[\w+=,.@/-]+", "principal"),
    (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "address"),
    (r"\bfs-[0-9a-f]{8,40}\b", "file system"),
    (r"(?<![\w.])\d{12}(?!\w|\.\d)", "account"),
)


@dataclass(frozen=True)
class Redaction:
    """Takes out what must not become public."""

    account: str
    user: str | None = None
    mount: Path | None = None

    def text(self, text: str) -> str:
        """The text without principals, addresses, the account and the user."""
        for pattern, what in _PATTERNS:
            text = re.sub(pattern, f"<{what}>", text)
        text = text.replace(self.account, "<account>")
        if self.mount is not None:
            text = text.replace(str(self.mount).rstrip("/") or "/", "<mount>")
        if self.user is not None:
            text = re.sub(rf"(?<![\w.@+-]){re.escape(self.user)}(?![\w@+-])", "<user>", text)
        return text

    def values(self, value: object) -> object:
        """The same of everything in a JSON value; the names of its fields stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.values(element) for element in value]
        if isinstance(value, dict):
            return {name: self.values(element) for name, element in value.items()}
        return value


def as_json(record: Record) -> dict[str, object]:
    """The documented fields of one drill (docs/runbooks/drill.md)."""
    return {
        "version": VERSION,
        "drill": record.kind,
        "environment": record.environment,
        "verdict": record.verdict,
        "reasons": record.reasons,
        "started": _iso(record.started),
        "ended": _iso(record.ended),
        "recovery_seconds": record.recovery_seconds,
        "recovery_point": None
        if record.point is None
        else {
            "id": record.point.id,
            "taken": _iso(record.point.taken),
            "age_seconds": record.point_age_seconds,
            "size_bytes": record.point.size_bytes,
        },
        "steps": [{"step": step.name, "seconds": step.seconds} for step in record.steps],
        "checks": [
            {"check": check.name, "passed": check.passed, "evidence": check.evidence}
            for check in record.checks
        ],
        "not_verified": list(record.not_verified),
        "cleared": list(record.cleared),
        "left_over": list(record.left_over),
        "stays": list(record.stays),
    }


def summary_json(records: Sequence[Record]) -> dict[str, object]:
    """The same of several drills in turn."""
    return {
        "version": VERSION,
        "drill": ALL,
        "environment": records[0].environment,
        "verdict": worst(records),
        "started": _iso(records[0].started),
        "ended": _iso(records[-1].ended),
        "drills": [
            {
                "drill": record.kind,
                "verdict": record.verdict,
                "reasons": record.reasons,
                "recovery_seconds": record.recovery_seconds,
                "point_age_seconds": record.point_age_seconds,
            }
            for record in records
        ],
    }


def as_markdown(record: Record) -> str:
    """One drill for people."""
    return "\n".join(_markdown(record)) + "\n"


def summary_markdown(records: Sequence[Record]) -> str:
    """Several drills for people."""
    first = records[0]
    lines = [
        f"# Drills in {first.environment}, {day(first.started)}: {worst(records)}",
        "",
        "| drill | verdict | recovery time | recovery point |",
        "| --- | --- | --- | --- |",
    ]
    for record in records:
        cells = (record.kind, record.verdict, _recovery(record), _age(record))
        lines.append(f"| {' | '.join(cells)} |")
    reasons = [f"{record.kind}: {reason}" for record in records for reason in record.reasons]
    lines += ["", *_bullets(reasons)] if reasons else []
    return "\n".join(lines) + "\n"


def worst(records: Iterable[Record]) -> DrillVerdict:
    """The worst verdict of several drills."""
    verdicts = {record.verdict for record in records}
    for verdict in (DrillVerdict.FAILED, DrillVerdict.INTERRUPTED):
        if verdict in verdicts:
            return verdict
    return DrillVerdict.PASSED


def headline(record: Record) -> str:
    """How a drill ended, in one line."""
    if record.verdict is DrillVerdict.PASSED:
        return (
            f"PASSED: the {record.kind} drill in {record.environment}: restored and verified in "
            f"{_recovery(record)}, from a recovery point {_age(record)} old."
        )
    return (
        f"{record.verdict.upper()}: the {record.kind} drill in {record.environment}: "
        f"{'; '.join(record.reasons) or 'nothing was shown'}"
    )


def make_folder(folder: Path) -> None:
    """Make sure beforehand that reports can be written. Raises UsageError when they cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".drill"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(f"Cannot write reports to {folder}: {error.strerror}.") from error


class Content(NamedTuple):
    """A report as JSON and as Markdown."""

    data: object
    text: str


def write(folder: Path, started: datetime, environment: str, kind: str, content: Content) -> Path:
    """Write JSON and Markdown, never over an earlier report; the path of the Markdown.

    Raises UsageError when they cannot be written.
    """
    texts = {".json": json.dumps(content.data, indent=2) + "\n", ".md": content.text}
    try:
        for number in count(1):
            stem = f"{day(started)}-{environment}-{kind}" + (f"-{number}" if number > 1 else "")
            if any((folder / f"{stem}{suffix}").exists() for suffix in texts):
                continue
            for suffix, text in texts.items():
                with (folder / f"{stem}{suffix}").open("x", encoding="utf-8") as file:
                    file.write(printable(text))
            return folder / f"{stem}.md"
    except OSError as error:
        raise UsageError(f"Cannot write the report to {folder}: {error.strerror}.") from error
    raise AssertionError("numbers do not end")


def _markdown(record: Record) -> Iterator[str]:
    yield f"# Drill: {record.kind} in {record.environment}, {day(record.started)}"
    yield ""
    yield f"**{record.verdict.upper()}**"
    yield from ("", *_bullets(record.reasons)) if record.reasons else ()
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    yield f"| began | {_moment(record.started)} |"
    yield f"| ended | {_moment(record.ended)} |"
    yield f"| recovery time, start to verified | {_recovery(record)} |"
    if record.point is not None:
        yield f"| recovery point | {record.point.id}, taken {_moment(record.point.taken)} |"
        yield f"| its age at the start | {_age(record)} |"
    if record.steps:
        yield from ("", "| step | seconds |", "| --- | --- |")
        yield from (f"| {step.name} | {step.seconds:.0f} |" for step in record.steps)
    if record.checks:
        yield from ("", "| check | | evidence |", "| --- | --- | --- |")
        for check in record.checks:
            yield f"| {check.name} | {'passed' if check.passed else 'FAILED'} | {check.evidence} |"
    for title, lines in (
        ("Not verified", record.not_verified),
        ("Left by an earlier drill, and removed", record.cleared),
        ("Left over", record.left_over),
        ("Stays on purpose", record.stays),
    ):
        yield from ("", f"{title}:", "", *_bullets(lines)) if lines else ()


def _bullets(lines: Iterable[str]) -> list[str]:
    return [f"- {' '.join(line.split())}" for line in lines]


def _recovery(record: Record) -> str:
    seconds = record.recovery_seconds
    return "never verified" if seconds is None else minutes(seconds)


def _age(record: Record) -> str:
    seconds = record.point_age_seconds
    return "none restored" if seconds is None else f"{seconds / 3600:,.0f} hours"


def _iso(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat(timespec="seconds")


def _moment(when: datetime | None) -> str:
    return "not" if when is None else moment(when, seconds=True)
