"""What a drill made and has to remove: found in AWS itself, on whichever machine it ran.

Everything a drill makes has a drill's name. A name proves nothing, because an operator can give
it too, so each needs a proof as well: a table the tag of the drill, or a restore job that began
after the drill's tagged scratch table was made; a file system the restore job with its creation
token; a directory the marker in it, or the restore job that made it. What has the name only is
reported and left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from cabal_backup import names
from cabal_backup.errors import CabalBackupError, UsageError
from cabal_backup.mail_host.files import remove_directory
from cabal_backup.mail_host.problems import Refused, Stopped
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import Job, Progress, Report, follow, wait_until_deleted
from cabal_backup.operations.aws.results import unless_missing
from cabal_backup.operations.drill.recoveries import SLACK, recovery_of_drills
from cabal_backup.operations.drill.request import drill_of_table, is_restore_token, scratch_table
from cabal_backup.operations.restore.mail import file_system_settings
from cabal_backup.operations.restore.mail.mailstore_restores import MailRestore, list_mail_restores
from cabal_backup.operations.restore.tables import origin
from cabal_backup.operations.restore.tables.describe import (
    describe_table,
    list_table_names,
    wait_until_active,
)
from cabal_backup.operations.restore.tables.table_changes import read_tags

if TYPE_CHECKING:
    from types_boto3_efs.type_defs import FileSystemDescriptionTypeDef

_SHOWN = timedelta(minutes=2)
"""How long DescribeTable may not find a new table: AWS says some seconds.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTable.html
"""

_BETWEEN_LOOKS = 1.0

LONGEST = timedelta(hours=48)
"""How long a restore is followed, to delete what it makes."""


class What(StrEnum):
    """What a drill makes."""

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
    """The restore that is still making it, which AWS Backup cannot cancel."""
    mount: Path | None = None
    """Where a directory is."""
    proven: bool = True
    """Whether it is proven that a drill made it; otherwise it is not removed."""

    def __str__(self) -> str:
        coming = f", which the restore job {self.job.id} is still making" if self.job else ""
        return f"{self.what} {self.name}{coming}"


def find(aws: Aws, clock: Clock, *, mount: Path | None = None) -> tuple[Leftover, ...]:
    """Everything of any drill in this environment.

    :param mount: where the mailstore is mounted; without it directories cannot be seen.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    restores = list_mail_restores(aws, clock.now())
    directories = () if mount is None else _directories(restores, mount)
    return (*_tables(aws, clock), *_file_systems(aws, restores), *directories)


def remove(aws: Aws, leftover: Leftover, clock: Clock, report: Report) -> None:
    """Remove one, and wait until it no longer exists; repeating it does no harm.

    Raises ValueError for one that is not proven, CabalBackupError when AWS refuses or does not
    answer.
    """
    if not leftover.proven:
        raise ValueError(f"no drill is known to have made the {leftover}")
    if leftover.job is not None:
        report(
            f"AWS Backup cannot cancel a restore: waiting for job {leftover.job.id}, then "
            f"deleting the {leftover.what} {leftover.name}."
        )
        follow(aws, leftover.job, clock, report, longest=LONGEST)
    _REMOVERS[leftover.what](aws, leftover, clock, report)


def _tables(aws: Aws, clock: Clock) -> tuple[Leftover, ...]:
    live = aws.environment.addresses_table
    restores = [
        (job, target)
        for job, target in origin.list_restores(aws, aws.table_arn, clock.now())
        if drill_of_table(live, target) is not None
    ]
    coming = {target: job for job, target in restores if not job.finished}
    there = _tables_there(aws, live, clock)
    return tuple(
        Leftover(
            what=What.TABLE,
            name=name,
            job=coming.get(name),
            proven=_is_drills_table(aws, live, name, [j for j, t in restores if t == name]),
        )
        for name in sorted(there | coming.keys())
    )


def _tables_there(aws: Aws, live: str, clock: Clock) -> set[str]:
    """The tables with a drill's name, as soon as DescribeTable finds them.

    It may not find one that a drill made just before it was interrupted, and without its tags the
    table is not known to be a drill's.
    """
    began = clock.now()
    while True:
        listed = list_table_names(aws, (live,))
        there = {name for name in listed if drill_of_table(live, name) is not None}
        is_shown = all(describe_table(aws, name) is not None for name in there)
        if is_shown or clock.now() - began > _SHOWN:
            return there
        clock.sleep(_BETWEEN_LOOKS)


def _is_drills_table(aws: Aws, live: str, name: str, restores: Sequence[Job]) -> bool:
    """Whether a table has the tag of its drill, or a restore of that drill makes or made it."""
    drill = drill_of_table(live, name)
    if drill is None:
        return False
    if _tagged_with(aws, name) == drill:
        return True
    scratch = scratch_table(live, drill)
    if name == scratch or _tagged_with(aws, scratch) != drill:
        return False
    record, table = describe_table(aws, scratch), describe_table(aws, name)
    return record is not None and any(
        job.created >= record.created - SLACK
        and (table is None or table.created >= job.created - SLACK)
        for job in restores
    )


def _tagged_with(aws: Aws, table: str) -> str | None:
    """The id in a table's tag; None without the table or the tag."""
    # DynamoDB answers AccessDenied for the tags of a table that does not exist.
    described = describe_table(aws, table)
    if described is None:
        return None
    with worded(f"reading the tags of the table {table}"):
        return read_tags(aws, described.arn).get(names.DRILL_TAG)


def _remove_table(aws: Aws, leftover: Leftover, clock: Clock, report: Report) -> None:
    name = leftover.name
    table = describe_table(aws, name)
    if table is None:
        return
    if table.status == "CREATING":
        wait_until_active(aws, name, clock, report)
    if table.status != "DELETING":
        origin.delete_restored(aws, name, clock)
    origin.wait_until_absent(aws, name, clock, report)


def _file_systems(aws: Aws, restores: Sequence[MailRestore]) -> tuple[Leftover, ...]:
    mine = [one for one in restores if one.to_new and is_restore_token(one.token)]
    coming = {restore.token: restore.job for restore in mine if not restore.job.finished}
    there = set(filter(is_restore_token, file_system_settings.list_tokens(aws)))

    def proven(token: str) -> bool:
        return _is_drills_file_system(file_system_settings.find_by_token(aws, token), mine, token)

    return tuple(
        Leftover(what=What.FILE_SYSTEM, name=token, job=coming.get(token), proven=proven(token))
        for token in sorted(there | coming.keys())
    )


def _is_drills_file_system(
    made: FileSystemDescriptionTypeDef | None, restores: Iterable[MailRestore], token: str
) -> bool:
    """Whether a restore job with this token makes or made a file system, and no one before it."""
    jobs = [restore.job for restore in restores if restore.to_new and restore.token == token]
    if made is None:
        return bool(jobs)
    return any(
        made["CreationTime"] >= job.created - SLACK
        and job.created_resource_arn in ("", made["FileSystemArn"])
        for job in jobs
    )


def _remove_file_system(aws: Aws, leftover: Leftover, clock: Clock, report: Report) -> None:
    """Delete it and wait; EFS itself refuses one that can be mounted from anywhere.

    Raises UsageError for the mailstore, CabalBackupError when AWS refuses.
    """
    made = file_system_settings.find_by_token(aws, leftover.name)
    restores = list_mail_restores(aws, clock.now())
    if made is None or not _is_drills_file_system(made, restores, leftover.name):
        return
    file_system_id = made["FileSystemId"]
    if file_system_id == aws.environment.mailstore_file_system_id:
        raise UsageError(f"{file_system_id} is the mailstore. It is not deleted.")
    efs = aws.client("efs")
    missing = "FileSystemNotFound"
    with worded(f"deleting {file_system_id}"):
        unless_missing(lambda: efs.delete_file_system(FileSystemId=file_system_id), missing)
    wait_until_deleted(
        lambda: unless_missing(
            lambda: efs.describe_file_systems(FileSystemId=file_system_id), missing
        ),
        file_system_id,
        f"aws efs describe-file-systems --region {aws.environment.region} "
        f"--file-system-id={file_system_id}",
        clock,
        report,
    )


def _directories(restores: Sequence[MailRestore], mount: Path) -> tuple[Leftover, ...]:
    """Scratch directories, and recovery directories that a drill had not moved to one yet."""
    mine = [one for one in restores if not one.to_new and is_restore_token(one.token)]
    coming = {restore.token: restore.job for restore in mine if not restore.job.finished}
    began = {restore.token for restore in mine}
    try:
        there = {entry.name for entry in mount.iterdir() if is_restore_token(entry.name)}
        recovered = recovery_of_drills(restores, mount).keys()
        proven = {name for name in there if _is_drills_directory(mount / name, name in began)}
    except OSError as error:
        raise CabalBackupError(f"{mount} cannot be read: {error.strerror}.") from error
    return tuple(
        Leftover(
            what=What.DIRECTORY,
            name=token,
            job=coming.get(token),
            mount=mount,
            proven=token in proven | recovered | coming.keys(),
        )
        for token in sorted(there | recovered | coming.keys())
    )


def _is_drills_directory(directory: Path, began: bool) -> bool:
    """Whether a scratch directory has the marker, or a drill began that made nothing in it yet."""
    if directory.is_symlink() or not directory.is_dir():
        return False
    marker = directory / names.DRILL_MARKER
    if marker.is_file() and not marker.is_symlink():
        # Written at once, but a machine may fail in between.
        with marker.open("rb") as file:
            return file.read(100).decode("ascii", "replace") in (directory.name, "")
    return began and not any(directory.iterdir())


def _remove_directory(aws: Aws, leftover: Leftover, clock: Clock, report: Report) -> None:
    assert leftover.mount is not None
    mount = leftover.mount
    report(Progress(f"deleting {leftover.name}"))
    restores = list_mail_restores(aws, clock.now())
    began = any(restore.token == leftover.name for restore in restores)
    try:
        recovered = recovery_of_drills(restores, mount).get(leftover.name, ())
        scratch = [leftover.name] if _is_drills_directory(mount / leftover.name, began) else []
        for name in (*recovered, *scratch):
            remove_directory(str(mount), name)
    except (OSError, Refused, Stopped) as error:
        raise CabalBackupError(f"{error}") from error


_REMOVERS = {
    What.TABLE: _remove_table,
    What.FILE_SYSTEM: _remove_file_system,
    What.DIRECTORY: _remove_directory,
}
