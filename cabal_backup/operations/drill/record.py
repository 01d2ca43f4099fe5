"""What a drill has done and shown so far."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import Report
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.status.drill_reports import DrillVerdict


@dataclass(frozen=True)
class Step:
    """One step of the runbook, and how long it took."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Check:
    """One requirement, and what was observed."""

    name: str
    passed: bool
    evidence: str


@dataclass(frozen=True)
class PointUsed:
    """The recovery point that was restored."""

    id: str
    """The last part of its ARN, which has no account in it."""
    taken: datetime
    size_bytes: int


@dataclass
class Record:
    """The record of one drill; `perform` writes it, and the report is made of it."""

    kind: str
    environment: str
    started: datetime
    began: datetime | None = None
    """When the first step began, after what an earlier drill had left was deleted."""
    verified: datetime | None = None
    """When all checks were made."""
    ended: datetime | None = None
    point: PointUsed | None = None
    steps: list[Step] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Why it did not complete."""
    interrupted: bool = False
    not_verified: list[str] = field(default_factory=list)
    """What this drill cannot show, and why."""
    cleared: list[str] = field(default_factory=list)
    """What an earlier drill had left, and was deleted now."""
    left_over: list[str] = field(default_factory=list)
    """What could not be deleted."""
    stays: list[str] = field(default_factory=list)
    """What stays on purpose, because it may not be removed."""

    @property
    def verdict(self) -> DrillVerdict:
        """PASSED only if every check passed and nothing is left over."""
        if self.interrupted:
            return DrillVerdict.INTERRUPTED
        clean = not self.problems and not self.left_over
        shown = self.verified is not None and bool(self.checks)
        if clean and shown and all(check.passed for check in self.checks):
            return DrillVerdict.PASSED
        return DrillVerdict.FAILED

    @property
    def reasons(self) -> list[str]:
        """Why it did not pass; empty when it did."""
        failed = [f"{check.name}: {check.evidence}" for check in self.checks if not check.passed]
        left = [f"left over: {what}" for what in self.left_over]
        interrupted = ["interrupted before its end"] if self.interrupted else []
        return [*self.problems, *failed, *left, *interrupted]

    @property
    def recovery_seconds(self) -> float | None:
        """From the beginning until everything was verified; None when it never was."""
        if self.began is None or self.verified is None:
            return None
        return (self.verified - self.began).total_seconds()

    @property
    def point_age_seconds(self) -> float | None:
        """How old the recovery point was at the beginning: what a loss would have cost then."""
        if self.began is None or self.point is None:
            return None
        return (self.began - self.point.taken).total_seconds()

    def use(self, point: RecoveryPoint) -> None:
        """Note which recovery point is restored."""
        self.point = PointUsed(id=point.id, taken=point.created, size_bytes=point.size_bytes)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a drill."""

    aws: Aws
    clock: Clock
    record: Record
    """Everything that happens is written to it."""
    report: Report
    mount: Path | None = None
    """Where the mailstore is mounted on this machine."""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a step; one that fails is measured as well."""
        began = self.clock.now()
        try:
            yield
        finally:
            seconds = (self.clock.now() - began).total_seconds()
            self.record.steps.append(Step(name, seconds))
