"""The local AWS's time in the modules of MiniStack that read the machine's clock.

CloudTrail, CloudWatch, DynamoDB and EFS keep times that AWS Backup's users compare
with recovery points: audit entries, metric points, a table's restorable window.
Those modules get this in place of the standard library's `time`. CloudFormation, S3,
IAM, STS and Lambda keep the machine's clock, because the CDK CLI and the SDKs
compare their answers with their own clock.
"""

from __future__ import annotations

import contextlib
import time as machine
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

Now = Callable[[], datetime]
"""The time, UTC and aware."""


class SandboxTime:
    """Replaces the module `time`; only the current time differs."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._pinned: ContextVar[float | None] = ContextVar("pinned", default=None)

    def time(self) -> float:
        """Seconds since the epoch, in the local AWS's time."""
        pinned = self._pinned.get()
        return self._now().timestamp() if pinned is None else pinned

    def gmtime(self, seconds: float | None = None) -> machine.struct_time:
        return machine.gmtime(self.time() if seconds is None else seconds)

    @contextlib.contextmanager
    def at(self, moment: datetime) -> Iterator[None]:
        """In this context the current time is `moment`."""
        token = self._pinned.set(moment.timestamp())
        try:
            yield
        finally:
            self._pinned.reset(token)

    def __getattr__(self, name: str) -> Any:
        return getattr(machine, name)


def utc(seconds: float) -> datetime:
    """The aware datetime of an epoch time in seconds."""
    return datetime.fromtimestamp(seconds, UTC)
