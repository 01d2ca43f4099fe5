"""Deleting a restored table that is not needed any more."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup.errors import UsageError
from cabal_backup.operations.aws import Aws, in_words


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
