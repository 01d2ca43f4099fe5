"""What every restore of the mailstore has: its job, and how long it may take.

https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-efs.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cabal_backup import names
from cabal_backup.errors import RefusedError
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.jobs import Job, restore_value
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.restore.mail import file_system_settings
from cabal_backup.operations.restore.restore_jobs import list_restore_jobs, metadata_of
from cabal_backup.text import duration

if TYPE_CHECKING:
    from types_boto3_efs.type_defs import FileSystemDescriptionTypeDef

LONGEST = timedelta(days=7)
"""The longest that AWS Backup lets a backup or a restore of EFS run; see RATES."""

RATES = "https://docs.aws.amazon.com/efs/latest/ug/awsbackup.html#backup-performance"
"""AWS: "in general" 100 MB/s for mostly large files, 500 files/s for mostly small ones."""

_BYTES_A_SECOND = 100e6
_FILES_A_SECOND = 500
_BYTES_A_MESSAGE = 50_000
"""What a message is taken to have. AWS Backup does not say how many files there are."""

_COLD = timedelta(hours=4)
_ITEMS = "ItemsToRestore"


def starting_metadata(aws: Aws, point: RecoveryPoint) -> dict[str, str]:
    """What AWS Backup needs to be given again: encryption, performance."""
    with worded(f"asking how to restore {point.arn}"):
        described = aws.client("backup").get_recovery_point_restore_metadata(
            BackupVaultName=aws.vault, RecoveryPointArn=point.arn
        )
    wanted = ("file-system-id", "Encrypted", "KmsKeyId", "PerformanceMode")
    found = {key: restore_value(described["RestoreMetadata"], key) for key in wanted}
    key = found["KmsKeyId"]
    if key and key.startswith("arn:") and key.split(":")[3] != aws.region:
        # A key belongs to one region; without one EFS takes the AWS-managed key of this region.
        del found["KmsKeyId"]
    return {key: value for key, value in found.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class MailRestore:
    """A restore of mail, and what it was asked for."""

    job: Job
    metadata: Mapping[str, str]

    @property
    def token(self) -> str:
        """The creation token; empty if AWS Backup shows none."""
        return restore_value(self.metadata, "CreationToken") or ""

    @property
    def to_new(self) -> bool:
        """Whether it makes a new file system."""
        return (restore_value(self.metadata, "newFileSystem") or "").lower() == "true"

    @property
    def items(self) -> list[str] | None:
        """The paths that were asked for; None for everything."""
        return _items(self.metadata)


def list_mail_restores(aws: Aws, now: datetime, *, point: str | None = None) -> list[MailRestore]:
    """The restores of file systems of 30 days, the newest first.

    :param point: only those of this recovery point.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    jobs = list_restore_jobs(
        aws,
        now,
        lambda entry: (
            entry.get("ResourceType") == names.EFS
            and point in (None, entry.get("RecoveryPointArn"))
        ),
    )
    return [MailRestore(job=job, metadata=metadata_of(aws, job)) for job in jobs]


def find_jobs(
    aws: Aws, point: RecoveryPoint, wanted: Mapping[str, str], now: datetime
) -> list[Job]:
    """The restores of a point whose metadata says `wanted`, of 30 days, the newest first.

    Those of a drill are not among them: it removes what it restored.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    restores = list_mail_restores(aws, now, point=point.arn)
    return [
        restore.job
        for restore in restores
        if _says(restore.metadata, wanted) and not restore.token.startswith(names.DRILL)
    ]


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What an earlier run restores, or has restored, to a new file system."""

    token: str
    """The creation token of this restore."""
    job: Job | None = None
    """The restore job: it runs, or it has made the file system."""
    made: FileSystemDescriptionTypeDef | None = None
    """The file system of a job that is completed."""
    in_use: tuple[str, ...] = ()
    """File systems of earlier restores that are in use, so this one makes another."""


def find_earlier(
    aws: Aws, point: RecoveryPoint, wanted: Mapping[str, str], now: datetime
) -> Earlier:
    """What an earlier run has done of a restore to a new file system.

    A file system keeps its creation token while it exists. One that is in use is no unfinished
    restore, so this restore takes the next token: the mailstore, and in the primary region one with
    mount targets, which AWS Backup does not create, whose job is not known.

    :param wanted: what the metadata of its job says; the first creation token is in it.

    Raises RefusedError for any other file system with that token that no job is known to have
    completed, CabalBackupError when AWS refuses or does not answer.
    """
    in_use: list[str] = []
    while True:
        token = wanted["CreationToken"] + (f"-{len(in_use) + 1}" if in_use else "")
        jobs = find_jobs(aws, point, {**wanted, "CreationToken": token}, now)
        running = next((job for job in jobs if not job.finished), None)
        made = file_system_settings.find_by_token(aws, token)
        if running is not None:
            return Earlier(token=token, job=running, in_use=tuple(in_use))
        if made is None or made["LifeCycleState"] in ("deleting", "deleted"):
            return Earlier(token=token, in_use=tuple(in_use))
        identity = str(made["FileSystemId"])
        if identity != aws.environment.mailstore_file_system_id:
            for job in jobs:
                if job.completed_well and job.created_resource_arn == made["FileSystemArn"]:
                    return Earlier(token=token, job=job, made=made, in_use=tuple(in_use))
            if aws.in_dr or not made["NumberOfMountTargets"]:
                raise _not_whole(aws, identity, jobs)
        in_use.append(identity)


def _not_whole(aws: Aws, identity: str, jobs: Sequence[Job]) -> RefusedError:
    ended = f"its job ended {jobs[0].state}" if jobs else "AWS Backup no longer lists its job"
    return RefusedError(
        f"An earlier restore of this recovery point made {identity}, and it is not "
        f"known to be whole: {ended}. Nothing was done. If it is not needed, delete its mount "
        "targets and then the file system, and run this again:\n"
        f"{file_system_settings.how_to_delete(aws.region, identity)}"
    )


def expectation(point: RecoveryPoint, now: datetime) -> tuple[str, ...]:
    """How long restoring everything may take, with the arithmetic, in sentences."""
    cold = point.is_cold(now)
    tier = "in cold storage: about four hours before it begins" if cold else "warm"
    if not point.size_bytes:
        return (f"{tier}; AWS Backup does not say how large it is, so no time can be given",)
    large = timedelta(seconds=point.size_bytes / _BYTES_A_SECOND)
    small = timedelta(seconds=point.size_bytes / _BYTES_A_MESSAGE / _FILES_A_SECOND)
    extra = _COLD if cold else timedelta()
    lines = [
        f"{size(point.size_bytes)}, {tier}",
        f"{estimate(large + extra)} at the 100 MB/s that AWS gives for large files, "
        f"{estimate(small + extra)} at its 500 files/s with messages of 50 kB",
        f"mail is small files, so expect the latter or more ({RATES})",
    ]
    if small + extra > LONGEST:
        lines.append(
            "AWS ENDS A RESTORE AFTER SEVEN DAYS, and this may take longer: the mailboxes that "
            "matter most first, one by one, with `restore mailbox`"
        )
    return tuple(lines)


def estimate(time: timedelta) -> str:
    """`under an hour`, `5 hours` or `3 days`."""
    return "under an hour" if time < timedelta(hours=1) else duration(time)


def size(number: int) -> str:
    """Bytes as people say them: `12.3 GB`."""
    amount, unit = float(number), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{number} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"


def _says(metadata: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return _items(metadata) == _items(wanted) and all(
        (restore_value(metadata, key) or "").lower() == value.lower()
        for key, value in wanted.items()
        if key != _ITEMS
    )


def _items(metadata: Mapping[str, str]) -> list[str] | None:
    items: list[str] | None = json.loads(restore_value(metadata, _ITEMS) or "null")
    return items
