"""The words of the watch: one message about everything that is not ok."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cabal_backup.operations.status.findings import NOT_OK, Status, Verdict
from cabal_backup.text import mail_body, mail_subject, moment, plural, printable

MAX_DETAILS = 20
"""Single cases of one finding in a message; `status --verbose` shows all."""

_WORDS: Mapping[Status, tuple[str, str]] = {
    Status.FAIL: ("NOT PROTECTED", "is NOT PROTECTED"),
    Status.UNKNOWN: (
        "PROTECTION UNKNOWN",
        "may not be protected: not everything could be examined",
    ),
    Status.WARN: (
        "protected, with warnings",
        "is protected, but some checks have warnings",
    ),
}
"""A verdict in the subject, and after the environment's name in the first line."""


@dataclass(frozen=True)
class WatchMessage:
    """What is published."""

    subject: str
    body: str


@dataclass(frozen=True, kw_only=True)
class WatchRun:
    """What one run of the watch has found."""

    environment: str
    now: datetime
    verdict: Verdict
    since: Mapping[str, datetime]
    """Since when each check that is not ok has not been; empty when all are ok."""
    before: Mapping[str, datetime]
    """The same as of the run before."""
    skipped: Sequence[str]
    """The checks that were not run."""

    def message(self) -> WatchMessage | None:
        """None where everything is ok and was before."""
        if self.since:
            lines = self._not_ok()
            subject = f"{_WORDS[self.verdict.status][0]}: {', '.join(self.since)}"
        elif self.before:
            lines = self._ok_again()
            subject = "everything is ok again"
        else:
            return None
        found = mail_body(printable("\n".join(lines)))
        body = (
            f"{found}\n\nTo look at everything yourself:\n"
            f"    cabal-backup status -e {self.environment}\n\n"
            f"Not checked by the watch: {', '.join(self.skipped)}, which needs files of the "
            "project."
        )
        return WatchMessage(mail_subject(self.environment, subject), body)

    def as_json(self) -> dict[str, object]:
        """As `cabal-backup watch run` reads it."""
        since = {check: at.isoformat(timespec="seconds") for check, at in self.since.items()}
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
                    "since": since.get(each.check),
                }
                for each in self.verdict.findings
            ],
            "skipped": list(self.skipped),
        }

    def _ok_again(self) -> Iterator[str]:
        yield f"Everything about {self.environment} is ok again, as of {moment(self.now)}."
        yield ""
        for check, at in self.before.items():
            yield f"  {check} was not ok since {moment(at)}"

    def _not_ok(self) -> Iterator[str]:
        worst = self.verdict.status
        first = min(self.since[each.check] for each in self.verdict.with_status(worst))
        yield f"{self.environment} {_WORDS[worst][1]}. Since {moment(first)}."
        count = plural(len(self.since), "check is", "checks are")
        yield f"{count} not ok. This message repeats every day until all are."
        for finding in (one for status in NOT_OK for one in self.verdict.with_status(status)):
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
