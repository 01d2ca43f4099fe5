"""The drills that were done, as their reports in the repository say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cabal_backup import names
from cabal_backup.operations.aws.results import Answer, Known, Unknown

VERSION = 1
"""Raised when a field is removed or changes its meaning; fields may be added without."""

ALL = "all"
"""The `drill` of a report that sums up the others."""


class DrillKind(StrEnum):
    """The runbooks that a drill rehearses."""

    ADDRESSES = "addresses"
    MAILBOX = "mailbox"
    COPY_BACK = "copy-back"


class DrillVerdict(StrEnum):
    """How a drill ended."""

    PASSED = "passed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, kw_only=True)
class PastDrill:
    """One drill that was done."""

    kind: str
    environment: str
    passed: bool
    ended: datetime
    recovery_seconds: float | None

    def shows(self, environment: str) -> bool:
        """Whether it passed and counts for an environment.

        Production is not drilled without need. What was shown elsewhere holds for it too: the code
        and the templates are the same.
        """
        return self.passed and environment in (self.environment, names.PRODUCTION)


def read_reports(folder: Path) -> Answer[Sequence[PastDrill]]:
    """Every drill that a folder has a report of; none where there is no such folder."""
    found: list[PastDrill] = []
    try:
        files = sorted(folder.glob("*.json")) if folder.is_dir() else []
        for file in files:
            content = json.loads(file.read_text(encoding="utf-8"))
            if content["version"] != VERSION:
                return Unknown(f"{file.name} was written by another version of this tool.")
            if content["drill"] == ALL:
                continue
            ended, seconds = datetime.fromisoformat(content["ended"]), content["recovery_seconds"]
            if ended.tzinfo is None:
                raise ValueError("a time without its zone")
            if seconds is not None and not (
                type(seconds) in (int, float) and 0 <= seconds < timedelta.max.total_seconds()
            ):
                raise ValueError("no number of seconds")
            found.append(
                PastDrill(
                    kind=str(content["drill"]),
                    environment=str(content["environment"]),
                    passed=content["verdict"] == DrillVerdict.PASSED,
                    ended=ended,
                    recovery_seconds=None if seconds is None else float(seconds),
                )
            )
    except OSError as error:
        return Unknown(f"{folder} cannot be read: {error.strerror}.")
    except (ValueError, KeyError, TypeError):
        return Unknown(f"{file.name} is no report of a drill.")
    return Known(tuple(found))
