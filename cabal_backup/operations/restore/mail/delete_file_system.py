"""Deleting a restored file system that is not needed any more."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup.errors import UsageError
from cabal_backup.operations.aws.client import Aws, in_words
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import follow_until
from cabal_backup.operations.aws.progress import Progress
from cabal_backup.operations.aws.results import Unknown, unless_missing

_GONE = "FileSystemNotFound"
_LONGEST = timedelta(minutes=30)


def delete_restored(
    aws: Aws, file_system_id: str, clock: Clock
) -> Generator[Progress | Unknown, None, None]:
    """Delete a file system, but never the mailstore, and wait until it no longer exists.

    EFS itself refuses one that can be mounted from anywhere.

    Raises UsageError for the mailstore, CabalBackupError when AWS refuses.
    """
    if file_system_id == aws.environment.mailstore_file_system_id:
        raise UsageError(f"{file_system_id} is the mailstore. It is not deleted.")
    efs = aws.client("efs")
    try:
        unless_missing(lambda: efs.delete_file_system(FileSystemId=file_system_id), _GONE)
    except (BotoCoreError, ClientError) as error:
        raise in_words(error, f"deleting {file_system_id}") from error

    def question() -> Any:
        return unless_missing(lambda: efs.describe_file_systems(FileSystemId=file_system_id), _GONE)

    looks = follow_until(
        question,
        lambda there: there is None,
        clock,
        _LONGEST,
        what=f"deletion of {file_system_id}",
        pick_up=f"aws efs describe-file-systems --region {aws.environment.region} "
        f"--file-system-id={file_system_id}",
    )
    for seen in looks:
        if isinstance(seen, Unknown):
            yield seen
        elif seen is not None:
            yield Progress(f"deleting {file_system_id}", 0, None)
