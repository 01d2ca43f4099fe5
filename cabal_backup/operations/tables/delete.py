"""Deleting a restored table that is not needed any more."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup.errors import UsageError
from cabal_backup.operations.answers import Unknown, unless_missing
from cabal_backup.operations.aws import Aws, in_words
from cabal_backup.operations.clock import Clock
from cabal_backup.operations.jobs import follow_until
from cabal_backup.operations.progress import Progress
from cabal_backup.operations.tables.describe import MISSING

_LONGEST = timedelta(minutes=30)


def delete_restored(aws: Aws, table: str) -> None:
    """Delete a table, but never one that Cabal uses.

    Raises UsageError for a table of the environment, CabalBackupError when AWS refuses.
    """
    environment = aws.environment
    if table in (environment.addresses_table, *environment.pitr_tables):
        raise UsageError(f"{table} is a live table of {environment.name}. It is not deleted.")
    try:
        aws.client("dynamodb").delete_table(TableName=table)
    except (BotoCoreError, ClientError) as error:
        raise in_words(error, f"deleting {table}") from error


def wait_until_gone(
    aws: Aws, table: str, clock: Clock
) -> Generator[Progress | Unknown, None, None]:
    """Look at a table that is being deleted until it is there no more.

    Raises UnknownError as `jobs.follow` does.
    """

    def question() -> Any:
        return unless_missing(
            lambda: aws.client("dynamodb").describe_table(TableName=table), *MISSING
        )

    looks = follow_until(
        question,
        lambda there: there is None,
        clock,
        _LONGEST,
        what=f"deletion of {table}",
        pick_up=f"aws dynamodb describe-table --region {aws.environment.region} "
        f"--table-name={table}",
    )
    for seen in looks:
        if isinstance(seen, Unknown):
            yield seen
        elif seen is not None:
            yield Progress(f"deleting {table}", 0, None)
