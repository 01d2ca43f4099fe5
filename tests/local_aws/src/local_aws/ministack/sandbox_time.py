"""The sandbox's time where MiniStack would read the machine's.

CloudTrail, CloudWatch, DynamoDB and EFS keep times that AWS Backup's users compare
with recovery points: an audit entry, a metric point, a table's restorable window.
Those modules get this in place of the standard library's `time`. CloudFormation, S3,
IAM, STS and Lambda stay on the machine's clock, because the CDK CLI and the SDKs
compare what they answer with their own.
"""

from __future__ import annotations

import contextlib
import time as machine
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

Now = Callable[[], datetime]
"""What time it is in the sandbox, UTC and aware."""


class SandboxTime:
    """Stands in for the module `time`; everything but the current time is the real one."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._pinned: ContextVar[float | None] = ContextVar("pinned", default=None)

    def time(self) -> float:
        """Seconds since the epoch, in the sandbox."""
        pinned = self._pinned.get()
        return self._now().timestamp() if pinned is None else pinned

    def gmtime(self, seconds: float | None = None) -> machine.struct_time:
        return machine.gmtime(self.time() if seconds is None else seconds)

    @contextlib.contextmanager
    def at(self, moment: datetime) -> Iterator[None]:
        """Inside, this thread of work sees `moment` as the current time."""
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
