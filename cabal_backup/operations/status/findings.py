"""What a check says: a status, the evidence for it, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """What a check found, from best to worst."""

    OK = "ok"
    WARN = "warn"
    """Something is wrong, but the environment is still protected."""
    FAIL = "fail"
    """The environment is not protected as promised."""
    UNKNOWN = "unknown"
    """It could not be read, so it is not known to be ok."""
    OFF = "off"
    """Nothing was looked at: the settings switch it off, or there is nothing yet."""


NOT_OK = (Status.FAIL, Status.UNKNOWN, Status.WARN)
"""What is reported to the operator, the worst first."""


def worst(statuses: Iterable[Status]) -> Status:
    """FAIL is worse than UNKNOWN, and UNKNOWN than WARN; OK without any."""
    seen = set(statuses)
    return next((status for status in NOT_OK if status in seen), Status.OK)


@dataclass(frozen=True)
class Outcome:
    """What a check returns, which does not know its id."""

    status: Status
    evidence: str
    """What was seen, in a sentence or two."""
    hint: str = ""
    """What to type or do next; empty where nothing is to be done."""
    details: tuple[str, ...] = ()
    """Single cases behind the evidence, such as the nights that are missing."""
    measures: Mapping[str, float] = field(default_factory=dict)
    """Numbers for monitoring, by name; a name that ends in `_seconds` is a time."""
    unreachable: bool = False
    """Whether it is unknown only because a region or a service does not answer."""

    def of(self, check: str) -> Finding:
        """The finding of a check."""
        return Finding(**vars(self), check=check)


@dataclass(frozen=True, kw_only=True)
class Finding(Outcome):
    """The result of one check."""

    check: str
    """The stable id, such as `primary-lock`; explained under that name in docs/status.md."""
    explained_by: str = ""
    """The check whose finding explains this one, with the same remedy; empty for most."""


@dataclass(frozen=True)
class Verdict:
    """All findings of one look, and the worst of them."""

    findings: tuple[Finding, ...]

    @property
    def status(self) -> Status:
        """The worst of the findings."""
        return worst(finding.status for finding in self.findings)

    def with_status(self, status: Status) -> Sequence[Finding]:
        """The findings with this status."""
        return [finding for finding in self.findings if finding.status is status]
