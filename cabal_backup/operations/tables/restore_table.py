"""Restoring a table to a point in time, always to a new table.

For the tables outside the plan this is the way back. A table that is gone is restored
from the backup DynamoDB makes when a table with point-in-time recovery is deleted.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup import names
from cabal_backup.errors import AwsError, UsageError
from cabal_backup.operations.answers import Unknown
from cabal_backup.operations.aws import Aws, in_words
from cabal_backup.operations.clock import Clock
from cabal_backup.operations.progress import Event, Note
from cabal_backup.operations.restoring import wait_until_active
from cabal_backup.operations.tables import settings as table_settings
from cabal_backup.operations.tables.deleted import TableBackup, newest_backup
from cabal_backup.operations.tables.describe import (
    TableDescription,
    Window,
    describe_table,
    recovery_window,
)
from cabal_backup.operations.tables.settings import TableSettings


@dataclass(frozen=True, kw_only=True)
class RestoreTablePlan:
    """Exactly what a restore to a point in time will do."""

    table: str
    target: str
    at: datetime | None
    """The moment, to the second; None for the latest there is."""
    window: Window | None
    """What the table can be recovered to; None where it is gone."""
    backup: TableBackup | None
    """What is restored instead where the table is gone."""
    under_way: TableDescription | None
    """The target, when an earlier run has begun or done this."""
    settings: TableSettings | None
    """What to bring back, where the table is restored under its own name."""

    @property
    def straight(self) -> bool:
        """Whether the table is gone and is restored under its own name."""
        return self.target == self.table

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        return (
            f"Restore {self.table} under its own name, which is gone:"
            if self.straight
            else f"Restore {self.table} to a new table {self.target}:",
            *self._source(),
            *self._under_way(),
            *self._settings(),
            *self._counter(),
        )

    def _source(self) -> tuple[str, ...]:
        if self.backup is not None:
            kind = "its last moment" if self.backup.kind == "SYSTEM" else "a backup made by hand"
            return (f"  as of {_moment(self.backup.created)}, {kind}: {self.backup.arn}",)
        if self.window is None:
            return ()
        return (
            f"  as of {_moment(self.at)}"
            if self.at
            else f"  as of its latest moment, about {_moment(self.window.latest)}",
            f"  possible: {_moment(self.window.earliest)} to {_moment(self.window.latest)}",
        )

    def _under_way(self) -> tuple[str, ...]:
        if self.under_way is None:
            return ()
        doing = "is doing" if self.under_way.status == "CREATING" else "has done"
        return (f"  an earlier run {doing} this: nothing is restored again",)

    def _settings(self) -> tuple[str, ...]:
        if self.settings is None:
            return (f"  DynamoDB does not bring back {table_settings.NOT_RESTORED}",)
        return (
            "  DynamoDB does not bring these back; afterwards they are set:",
            *(f"    {line}" for line in self.settings.lines()),
        )

    def _counter(self) -> tuple[str, ...]:
        if not self.straight or self.table != names.COUNTER_TABLE:
            return ()
        return (
            "  CAUTION: uids handed out after that moment would be handed out again. Before "
            f"anybody signs up, set {names.COUNTER_ATTRIBUTE} to the highest custom:osid",
        )


def look(
    aws: Aws, table: str, now: datetime, *, at: datetime | None, to: str | None
) -> RestoreTablePlan:
    """Plan a restore.

    :param at: the moment; None for the latest.

    Raises UsageError for a table that is not the environment's, a moment that cannot be
    restored or a target that exists.
    """
    environment = aws.environment
    known = (environment.addresses_table, *environment.pitr_tables)
    if table not in known:
        raise UsageError(
            f"{table} is no table of {environment.name}. Its tables are {', '.join(known)}; more "
            "can be listed in its pitr_tables. Nothing was done."
        )
    described = describe_table(aws, table)
    if described is None or _is_unfinished(aws, described):
        return _of_what_is_gone(aws, table, described, at, to)
    window = recovery_window(aws, table)
    if window is None:
        raise AwsError(
            f"Point-in-time recovery is off for {table}, so there is nothing to restore it from. "
            "Nothing was done."
        )
    if at is not None:
        _check_window(table, at, window)
    target = to or f"{table}-restored-{at or now:%Y%m%d-%H%M%S}"
    return RestoreTablePlan(
        table=table,
        target=target,
        at=at,
        window=window,
        backup=None,
        under_way=_under_way(aws, target, table, at),
        settings=None,
    )


def execute(
    aws: Aws, plan: RestoreTablePlan, clock: Clock
) -> Generator[Event | Unknown, None, TableDescription]:
    """Restore and wait for it; the table is what the generator returns."""
    if plan.under_way is None:
        _start(aws, plan)
    yield Note(
        f"DynamoDB restores to {plan.target} by itself; to watch it from elsewhere: "
        f"cabal-backup jobs watch {plan.target} -e {aws.environment.name}"
    )
    table = yield from wait_until_active(aws, plan.target, clock)
    if plan.settings is not None:
        yield from table_settings.bring_back(aws, plan.target, plan.settings, clock)
    return table


def _of_what_is_gone(
    aws: Aws, table: str, described: TableDescription | None, at: datetime | None, to: str | None
) -> RestoreTablePlan:
    try:
        backup = newest_backup(aws, table)
    except (BotoCoreError, ClientError) as error:
        raise in_words(error, f"looking for what DynamoDB keeps of {table}") from error
    if backup is None:
        raise AwsError(
            f"{table} is gone, and DynamoDB keeps no backup of it. It keeps one for 35 days when "
            "a table with point-in-time recovery is deleted. Nothing was done."
        )
    if at is not None:
        raise UsageError(
            f"{table} is gone, and with it every moment but its last one, "
            f"{_moment(backup.created)}. Nothing was done. Restore that with --latest."
        )
    target = to or table
    straight = target == table
    return RestoreTablePlan(
        table=table,
        target=target,
        at=None,
        window=None,
        backup=backup,
        under_way=described if straight else _under_way(aws, target, table, None),
        settings=table_settings.look(aws, table, recovery_point_arn=None) if straight else None,
    )


def _is_unfinished(aws: Aws, table: TableDescription) -> bool:
    """Whether an earlier run restored under this name, and did not come to its end."""
    return table.restored and (
        table.status == "CREATING" or not table_settings.is_complete(aws, table.name)
    )


def _check_window(table: str, at: datetime, window: Window) -> None:
    if not window.earliest <= at <= window.latest:
        raise UsageError(
            f"{table} can be restored to any second from {_moment(window.earliest)} to "
            f"{_moment(window.latest)}, not to {_moment(at)}. Nothing was done."
        )


def _under_way(aws: Aws, target: str, table: str, at: datetime | None) -> TableDescription | None:
    """The target, when an earlier run made it in the same way.

    Raises UsageError when there is another table of this name.
    """
    found = describe_table(aws, target)
    if found is None:
        return None
    from_table = found.restored_from.rpartition("/")[2] == table
    same_moment = at is not None and found.restored_to == at
    if not (from_table and (same_moment or found.status == "CREATING")):
        raise UsageError(
            f"There is a table {target} already. Nothing was done. Choose another name with --to."
        )
    return found


def _start(aws: Aws, plan: RestoreTablePlan) -> None:
    dynamodb = aws.client("dynamodb")
    try:
        if plan.backup is not None:
            dynamodb.restore_table_from_backup(
                TargetTableName=plan.target, BackupArn=plan.backup.arn
            )
        elif plan.at is None:
            dynamodb.restore_table_to_point_in_time(
                SourceTableName=plan.table,
                TargetTableName=plan.target,
                UseLatestRestorableTime=True,
            )
        else:
            dynamodb.restore_table_to_point_in_time(
                SourceTableName=plan.table, TargetTableName=plan.target, RestoreDateTime=plan.at
            )
    except (BotoCoreError, ClientError) as error:
        if not _is_ours_after_all(error):
            raise in_words(error, f"starting the restore to {plan.target}") from error


def _is_ours_after_all(error: BotoCoreError | ClientError) -> bool:
    """Whether the target exists because an earlier try worked whose answer was lost."""
    return (
        isinstance(error, ClientError)
        and error.response["Error"].get("Code") == "TableAlreadyExistsException"
        and error.response["ResponseMetadata"].get("RetryAttempts", 0) > 0
    )


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
