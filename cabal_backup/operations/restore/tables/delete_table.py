"""Deleting a restored table that is not needed any more."""

from __future__ import annotations

from cabal_backup.errors import RefusedError, UsageError
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import Report, wait_until_deleted
from cabal_backup.operations.aws.results import unless_missing
from cabal_backup.operations.restore.tables.describe import (
    MISSING,
    TableDescription,
    describe_table,
    live_tables,
)
from cabal_backup.operations.restore.tables.origin import is_recorded


def delete_own_restore(aws: Aws, table: TableDescription) -> None:
    """Delete a table that this tool restored, and no other that has its name by now.

    Raises RefusedError for any other table, otherwise as `delete_restored` does.
    """
    aws = aws.at(table.region)
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
    with worded(f"deleting {table}"):
        aws.client("dynamodb").delete_table(TableName=table)


def wait_until_absent(aws: Aws, table: str, clock: Clock, report: Report) -> None:
    """Wait until a table that is being deleted does not exist; raises as `jobs.follow`."""
    dynamodb = aws.client("dynamodb")
    wait_until_deleted(
        lambda: unless_missing(lambda: dynamodb.describe_table(TableName=table), *MISSING),
        table,
        f"aws dynamodb describe-table --region {aws.region} --table-name={table}",
        clock,
        report,
    )
