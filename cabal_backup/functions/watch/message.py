"""The words of the watch: one message about everything that is not ok."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cabal_backup.operations.status.findings import NOT_OK, Status, Verdict
from cabal_backup.text import mail_subject, moment, plural, printable

MAX_DETAILS = 20
"""Single cases of one finding in a message; `status --verbose` shows all."""

MAX_BODY = 60_000
"""Characters of up to four bytes; SNS takes 256 KiB."""

_VERDICTS: Mapping[Status, str] = {
    Status.FAIL: "NOT PROTECTED",
    Status.UNKNOWN: "PROTECTION UNKNOWN",
    Status.WARN: "protected, with warnings",
}


@dataclass(frozen=True)
class Message:
    """What is published."""

    subject: str
    body: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one run of the watch has found."""

    environment: str
    now: datetime
    verdict: Verdict
    since: Mapping[str, datetime]
    """Since when each check that is not ok has not been; empty when all is well."""
    before: Mapping[str, datetime]
    """The same as of the run before."""
    skipped: Sequence[str]
    """The checks that were not run."""

    def message(self) -> Message | None:
        """None where all is well and was before."""
        if self.since:
            subject = f"{_VERDICTS[self.verdict.status]}: {', '.join(self.since)}"
            return self._message(subject, [*self._opening(), *self._findings()])
        if not self.before:
            return None
        lines = [f"Everything about {self.environment} is ok again, as of {moment(self.now)}.", ""]
        lines += (f"  {check} was not ok since {moment(at)}" for check, at in self.before.items())
        return self._message("all is well again", lines)

    def as_json(self) -> dict[str, object]:
        """As `cabal-backup watch run` reads it."""
        return {
            "environment": self.environment,
            "at": self.now.isoformat(timespec="seconds"),
            "status": str(self.verdict.status),
            "findings": [
                {
                    "check": each.check,
                    "status": str(each.status),
                    "evidence": each.evidence,
                    "hint": each.hint,
                    "details": list(each.details),
                    "since": self.since[each.check].isoformat(timespec="seconds")
                    if each.check in self.since
                    else None,
                }
                for each in self.verdict.findings
            ],
            "skipped": list(self.skipped),
        }

    def _message(self, subject: str, lines: Sequence[str]) -> Message:
        found = printable("\n".join(lines))
        if len(found) > MAX_BODY:
            found = f"{found[:MAX_BODY]} …\n\nThis message is cut."
        body = [
            found,
            "",
            "To look at everything yourself:",
            f"    cabal-backup status -e {self.environment}",
            "",
            f"Not checked by the watch: {', '.join(self.skipped)}, which needs files of the "
            "project.",
        ]
        return Message(mail_subject(self.environment, subject), "\n".join(body))

    def _opening(self) -> Iterator[str]:
        worst = self.verdict.status
        found = self.verdict.with_status(worst)
        first = min(self.since[each.check] for each in found)
        words = {
            Status.FAIL: "is NOT PROTECTED",
            Status.UNKNOWN: "may not be protected: not everything could be looked at",
            Status.WARN: "is protected, but not everything is as it should be",
        }[worst]
        yield f"{self.environment} {words}. Since {moment(first)}."
        count = plural(len(self.since), "check is", "checks are")
        yield f"{count} not ok. This message repeats every day until all are."

    def _findings(self) -> Iterator[str]:
        for finding in (one for worst in NOT_OK for one in self.verdict.with_status(worst)):
            if finding.explained_by:
                continue
            since = moment(self.since[finding.check])
            yield from ("", f"{finding.status.upper()} {finding.check}, since {since}")
            yield f"  {finding.evidence}"
            yield from (f"    {each}" for each in finding.details[:MAX_DETAILS])
            if (more := len(finding.details) - MAX_DETAILS) > 0:
                yield f"    and {more} more: status --verbose shows all"
            if finding.hint:
                yield f"  To do: {finding.hint}"
