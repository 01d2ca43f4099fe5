"""Summarises the findings: the verdict in a sentence, and the groups of the checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cabal_backup.operations.status.checks import CHECKS, GROUPS
from cabal_backup.operations.status.checks.vaults import DEPLOYMENT
from cabal_backup.operations.status.findings import NOT_OK, Finding, Status, Verdict
from cabal_backup.operations.status.state import State
from cabal_backup.text import plural


@dataclass(frozen=True)
class Report:
    """One look: what was seen and what it comes to."""

    state: State
    verdict: Verdict

    @property
    def is_deployed(self) -> bool:
        """Whether there was more to look at than that this environment is not deployed."""
        first = self.verdict.findings[0]
        return first.check != DEPLOYMENT or first.status is not Status.FAIL

    @property
    def groups(self) -> Mapping[str, CheckGroup]:
        """The findings by their group, without groups of which no check was made."""
        found = {
            name: CheckGroup(tuple(one for one in self.verdict.findings if one.check in checks))
            for name, checks in GROUPS.items()
        }
        return {name: group for name, group in found.items() if group.findings}

    @property
    def sentence(self) -> str:
        """The verdict in one line. Only all checks together say that it is protected."""
        name, findings = self.state.environment.name, self.verdict.findings
        if not self.is_deployed:
            return findings[0].evidence
        counts = {status: len(self.verdict.with_status(status)) for status in Status}
        made = f"{len(findings)} of {len(CHECKS)} checks"
        part = "" if len(findings) == len(CHECKS) else f" ({made})"
        not_known = f"{plural(counts[Status.UNKNOWN], 'check')} could not be made"
        warnings = f"{plural(counts[Status.WARN], 'check')} with a warning"
        if self.verdict.status is Status.FAIL:
            more = [f"{plural(counts[Status.FAIL], 'check')} failed"]
            more += [not_known] if counts[Status.UNKNOWN] else []
            return f"{name} is NOT protected as promised: {', '.join(more)}{part}."
        if self.verdict.status is Status.UNKNOWN:
            return f"Cannot tell whether {name} is protected: {not_known}{part}."
        off = f" ({counts[Status.OFF]} off)" if counts[Status.OFF] else ""
        if self.verdict.status is Status.WARN:
            return f"{name}: {made}, {warnings}." if part else f"{name} is protected; {warnings}."
        if part:
            return f"{name}: {made}, {counts[Status.OK]} ok{off}."
        return f"{name} is protected: all of {plural(counts[Status.OK], 'check')} are fine{off}."


@dataclass(frozen=True)
class CheckGroup:
    """The findings about one subject."""

    findings: tuple[Finding, ...]

    @property
    def status(self) -> Status:
        """The worst; `off` where nothing was looked at."""
        if all(finding.status is Status.OFF for finding in self.findings):
            return Status.OFF
        return Verdict(self.findings).status

    @property
    def counts(self) -> str:
        """Such as `1 fail, 7 ok`."""
        of = {status: len(Verdict(self.findings).with_status(status)) for status in Status}
        order = (*NOT_OK, Status.OK, Status.OFF)
        return ", ".join(f"{of[status]} {status}" for status in order if of[status])


def link(finding: Finding, page: str) -> str:
    """Where the check is explained; those of `status` have one explanation."""
    return f"docs/{'status' if finding.check in CHECKS else page}.md#{finding.check}"
