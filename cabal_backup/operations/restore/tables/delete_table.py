"""Deleting a restored table that is not needed any more."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup.errors import RefusedError, UsageError
from cabal_backup.operations.aws.client import Aws, in_words
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import follow_until
from cabal_backup.operations.aws.progress import Progress
from cabal_backup.operations.aws.results import Unknown, unless_missing
from cabal_backup.operations.restore.tables.describe import (
    MISSING,
    TableDescription,
    describe_table,
    live_tables,
)
from cabal_backup.operations.restore.tables.origin import is_recorded

_LONGEST = timedelta(minutes=30)


def delete_own_restore(aws: Aws, table: TableDescription) -> None:
    """Delete a table that this tool restored, and no other that has its name by now.

    Raises RefusedError for any other table, otherwise as `delete_restored` does.
    """
    now = describe_table(aws, table.name)
    if now is None:
        return
    if now.created != table.created or not is_recorded(aws, now):
        raise RefusedError(
            f"{table.name} is not a table that this tool restored. It is not deleted."
        )
    delete_restored(aws, table.name)


def delete_restored(aws: Aws, table: str) -> None:
    """Delete a table, but never one that Cabal uses.

    Raises UsageError for a table of the environment, CabalBackupError when AWS refuses.
    """
    if table in live_tables(aws):
        raise UsageError(f"{table} is a live table of {aws.environment.name}. It is not deleted.")
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
