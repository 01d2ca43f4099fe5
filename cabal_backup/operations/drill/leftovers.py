"""What a drill made and has to remove: found in AWS itself, whoever made it and wherever.

A drill that was killed left no note. But everything a drill makes has a name that nothing
else has, and a restore that is under way tells what it is going to make.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from cabal_backup.errors import CabalBackupError
from cabal_backup.operations.aws import Aws
from cabal_backup.operations.clock import Clock
from cabal_backup.operations.drill.plan import is_drill_table, is_restore_token
from cabal_backup.operations.drill.recoveries import recovery_of_drills
from cabal_backup.operations.jobs import Job, follow
from cabal_backup.operations.mail import delete as delete_file_system
from cabal_backup.operations.mail import file_system_settings, mail_host
from cabal_backup.operations.mail.mailstore_restores import MailRestore, list_mail_restores
from cabal_backup.operations.progress import Note, Progress
from cabal_backup.operations.restoring import wait_until_active
from cabal_backup.operations.tables import delete
from cabal_backup.operations.tables.describe import describe_table, list_table_names
from cabal_backup.operations.tables.origin import list_restores

LONGEST = timedelta(hours=48)
"""How long a restore is followed, to delete what it makes."""


class What(StrEnum):
    TABLE = "table"
    FILE_SYSTEM = "file system"
    DIRECTORY = "directory"


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """Something that a drill made, or is about to be made for one."""

    what: What
    name: str
    """A table's name; the token of a restore of mail, which names its scratch directory too."""
    job: Job | None = None
    """The restore that is still making it, which AWS Backup cannot call off."""
    mount: Path | None = None
    """Where a directory is."""

    def __str__(self) -> str:
        coming = f", which the restore job {self.job.id} is still making" if self.job else ""
        return f"{self.what} {self.name}{coming}"


def find(aws: Aws, now: datetime, *, mount: Path | None = None) -> tuple[Leftover, ...]:
    """Everything of any drill in this environment.

    :param mount: where the mailstore is mounted; without it nobody can see directories.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    restores = list_mail_restores(aws, now)
    directories = () if mount is None else _directories(restores, mount)
    return (*_tables(aws, now), *_file_systems(aws, restores), *directories)


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


def _file_systems(aws: Aws, restores: Sequence[MailRestore]) -> tuple[Leftover, ...]:
    coming = {
        restore.token: restore.job
        for restore in restores
        if restore.to_new and not restore.job.finished and is_restore_token(restore.token)
    }
    there = set(filter(is_restore_token, file_system_settings.list_tokens(aws)))
    return tuple(
        Leftover(what=What.FILE_SYSTEM, name=token, job=coming.get(token))
        for token in sorted(there | coming.keys())
    )


def _remove_file_system(aws: Aws, leftover: Leftover, clock: Clock) -> Generator[Any, None, None]:
    made = file_system_settings.find_by_token(aws, leftover.name)
    if made is not None:
        yield from delete_file_system.delete_restored(aws, str(made["FileSystemId"]), clock)


def _directories(restores: Sequence[MailRestore], mount: Path) -> tuple[Leftover, ...]:
    """Scratch directories, and recovery directories that a drill had not got hold of yet."""
    coming = {
        restore.token: restore.job
        for restore in restores
        if not restore.to_new and not restore.job.finished and is_restore_token(restore.token)
    }
    try:
        there = {entry.name for entry in mount.iterdir() if is_restore_token(entry.name)}
        there |= recovery_of_drills(restores, mount).keys()
    except OSError as error:
        raise CabalBackupError(f"{mount} cannot be read: {error.strerror}.") from error
    return tuple(
        Leftover(what=What.DIRECTORY, name=token, job=coming.get(token), mount=mount)
        for token in sorted(there | coming.keys())
    )


def _remove_directory(aws: Aws, leftover: Leftover, clock: Clock) -> Generator[Any, None, None]:
    assert leftover.mount is not None
    mount = leftover.mount
    yield Progress(f"deleting {leftover.name}", 0, None)
    restores = list_mail_restores(aws, clock.now())
    try:
        recovered = recovery_of_drills(restores, mount)
        for name in (*recovered.get(leftover.name, ()), leftover.name):
            mail_host.remove_directory(str(mount), name)
    except (OSError, mail_host.Refused, mail_host.Stopped) as error:
        raise CabalBackupError(f"{error}") from error


_REMOVERS = {
    What.TABLE: _remove_table,
    What.FILE_SYSTEM: _remove_file_system,
    What.DIRECTORY: _remove_directory,
}
