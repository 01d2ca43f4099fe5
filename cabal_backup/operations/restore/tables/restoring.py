"""Waiting for a table that DynamoDB is restoring."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

from cabal_backup.errors import AwsError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import LONGEST, follow_until
from cabal_backup.operations.aws.progress import Event, Progress
from cabal_backup.operations.aws.results import Unknown, unless_missing
from cabal_backup.operations.restore.tables.describe import (
    MISSING,
    TableDescription,
    describe_table,
    find_table,
    list_table_names,
)


def wait_until_active(
    aws: Aws, name: str, clock: Clock, *, longest: timedelta = LONGEST
) -> Generator[Event | Unknown, None, TableDescription]:
    """Look at a table until it is ACTIVE; the table is what the generator returns.

    Raises AwsError when it goes away, UnknownError as `jobs.follow` does.
    """
    dynamodb = aws.client("dynamodb")

    def question() -> Any:
        return unless_missing(lambda: dynamodb.describe_table(TableName=name)["Table"], *MISSING)

    looks = follow_until(
        question,
        lambda table: table is None or table["TableStatus"] in ("ACTIVE", "UPDATING"),
        clock,
        longest,
        what=f"restore of {name}",
        pick_up=f"`cabal-backup jobs watch {name} -e {aws.environment.name}`",
    )
    while True:
        try:
            seen = next(looks)
        except StopIteration as end:
            if end.value is None:
                raise AwsError(f"The table {name} is gone: DynamoDB gave its restore up.") from None
            return find_table(aws, name)
        if isinstance(seen, Unknown):
            yield seen
        elif seen is not None and seen["TableStatus"] == "CREATING":
            yield Progress(f"restoring {name}", 0, None)


def list_restoring(aws: Aws) -> list[str]:
    """The tables that are being made from one of the environment's tables.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    environment = aws.environment
    names = list_table_names(aws, (environment.addresses_table, *environment.pitr_tables))
    found = [table for name in names if (table := describe_table(aws, name)) is not None]
    return [table.name for table in found if table.status == "CREATING"]
