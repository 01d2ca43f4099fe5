"""What a drill made and has to remove: found in AWS itself, whoever made it and wherever.

A drill that was killed left no note. But everything a drill makes has a name that nothing
else has, and a restore that is under way tells what it is going to make.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from cabal_backup.operations.aws import Aws
from cabal_backup.operations.clock import Clock
from cabal_backup.operations.drill.plan import is_drill_table
from cabal_backup.operations.jobs import Job, follow
from cabal_backup.operations.progress import Note
from cabal_backup.operations.restoring import wait_until_active
from cabal_backup.operations.tables import delete
from cabal_backup.operations.tables.describe import describe_table, list_table_names
from cabal_backup.operations.tables.restore_addresses import list_restores

LONGEST = timedelta(hours=48)
"""How long a restore is followed, to delete what it makes."""


class What(StrEnum):
    TABLE = "table"


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """Something that a drill made, or is about to be made for one."""

    what: What
    name: str
    job: Job | None = None
    """The restore that is still making it, which AWS Backup cannot call off."""

    def __str__(self) -> str:
        coming = f", which the restore job {self.job.id} is still making" if self.job else ""
        return f"{self.what} {self.name}{coming}"


def find(aws: Aws, now: datetime, *, mount: Path | None = None) -> tuple[Leftover, ...]:
    """Everything of any drill in this environment.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    del mount
    return _tables(aws, now)


def remove(aws: Aws, leftover: Leftover, clock: Clock) -> Generator[Any, None, None]:
    """Remove one, and wait until it is gone; once more does no harm.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    if leftover.job is not None:
        yield Note(
            f"AWS Backup cannot call a restore off: job {leftover.job.id} is followed to its "
            f"end, then the {leftover.what} {leftover.name} is deleted."
        )
        yield from follow(aws, leftover.job, clock, longest=LONGEST)
    yield from _REMOVERS[leftover.what](aws, leftover, clock)


def _tables(aws: Aws, now: datetime) -> tuple[Leftover, ...]:
    live = aws.environment.addresses_table
    arn = aws.arn("dynamodb", f"table/{live}")
    coming = {
        target: job
        for job, target in list_restores(aws, arn, now)
        if not job.finished and is_drill_table(live, target)
    }
    there = {name for name in list_table_names(aws, (live,)) if is_drill_table(live, name)}
    return tuple(
        Leftover(what=What.TABLE, name=name, job=coming.get(name))
        for name in sorted(there | coming.keys())
    )


def _remove_table(aws: Aws, leftover: Leftover, clock: Clock) -> Generator[Any, None, None]:
    name = leftover.name
    table = describe_table(aws, name)
    if table is None:
        return
    if table.status == "CREATING":
        yield from wait_until_active(aws, name, clock)
    if table.status != "DELETING":
        delete.delete_restored(aws, name)
    yield from delete.wait_until_gone(aws, name, clock)


_REMOVERS = {What.TABLE: _remove_table}
