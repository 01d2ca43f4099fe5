"""Restoring a table to a point in time, always to a new table.

For the tables outside the plan this is the way back. A table that was deleted is restored
from a backup that DynamoDB makes when a table with point-in-time recovery is deleted. Where
there are several, the operator chooses: a table may have been created again, empty, and deleted
again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup import names
from cabal_backup.errors import (
    AwsError,
    NotFoundError,
    RefusedError,
    UsageError,
)
from cabal_backup.operations.aws.client import Aws, in_words, worded
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import Report
from cabal_backup.operations.aws.responses import error_code
from cabal_backup.operations.aws.results import Known
from cabal_backup.operations.restore.tables import encryption, origin, table_settings
from cabal_backup.operations.restore.tables.describe import (
    TableBackup,
    TableDescription,
    Window,
    being_deleted,
    check_target,
    describe_table,
    find_made,
    in_lines,
    list_backups,
    recovery_window,
    wait_until_active,
)
from cabal_backup.operations.restore.tables.encryption import Encryption
from cabal_backup.operations.restore.tables.table_settings import TableSettings
from cabal_backup.text import moment, name_stamp, timestamp

_LATEST = timedelta(minutes=15)
"""How old the latest moment that can be restored may be: typically five minutes.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_RestoreTableToPointInTime.html
"""

_TAKEN = ("TableAlreadyExistsException", "TableInUseException")
"""There is a table of the name, or one is being created or deleted."""


class SeveralBackupsError(RefusedError):
    """The operator has to choose a backup."""

    def __init__(self, table: str, backups: Sequence[TableBackup]) -> None:
        self.backups = tuple(backups)
        self.list_of_backups = (
            f"DynamoDB keeps {len(backups)} backups of {table}:\n{in_lines(backups)}"
        )
        super().__init__(
            f"{self.list_of_backups}\nNothing was done. Choose one with --backup ARN in place of "
            "--latest."
        )


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a table is restored from: a backup of DynamoDB's, or a moment of the table."""

    table: str
    """The table's name."""
    table_arn: str
    at: datetime | None
    """The moment, to the second; None for the latest there is, or for a backup."""
    backup: TableBackup | None

    @property
    def is_latest(self) -> bool:
        """Whether it is the latest moment there is."""
        return self.at is None and self.backup is None

    def made(self, table: TableDescription) -> bool:
        """Whether a table was, or is being, restored from this.

        The latest moment is that of the restore's beginning.
        """
        if self.backup is not None:
            return table.restored_from_backup == self.backup.arn
        at = table.restored_to
        if table.restored_from_backup or table.restored_from != self.table_arn or at is None:
            return False
        if self.at is None:
            return table.created - at < _LATEST
        return at.replace(microsecond=0) == self.at


@dataclass(frozen=True, kw_only=True)
class RestoreTablePlan:
    """Exactly what a restore to a point in time will do."""

    source: Source
    target: str
    window: Window | None
    """What the table can be recovered to; None where a backup is restored."""
    under_way: TableDescription | None
    """The target, when an earlier run has begun or done this."""
    encryption: Encryption
    """The key that the restored table is encrypted under."""
    settings: TableSettings | None
    """What to bring back, where the table is restored under its own name."""
    passed_over: tuple[str, ...] = ()
    """Tables of the same restore that others have changed, or may have."""

    @property
    def table(self) -> str:
        """The name of the table that is restored."""
        return self.source.table

    @property
    def straight(self) -> bool:
        """Whether the table was deleted and is restored under its own name."""
        return self.target == self.table

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        return (
            f"Restore {self.table} under its own name, which was deleted:"
            if self.straight
            else f"Restore {self.table} to a new table {self.target}:",
            *self._source(),
            *(() if self.settings else (f"  encrypted under {self.encryption}",)),
            *(
                f"  {name} is from this restore too, but it is not known to be as it was restored: "
                "it is not used"
                for name in self.passed_over
            ),
            *self._under_way(),
            *table_settings.about(self.settings),
            *self._counter(),
        )

    def _source(self) -> tuple[str, ...]:
        if self.source.backup is not None:
            return (f"  from a backup of {self.source.backup}",)
        if self.window is None:
            return ()
        at = self.source.at or (self.under_way and self.under_way.restored_to)
        return (
            f"  as of {moment(at, seconds=True)}"
            if at
            else f"  as of its latest moment, about {moment(self.window.latest, seconds=True)}",
            f"  possible: {moment(self.window.earliest, seconds=True)} to "
            f"{moment(self.window.latest, seconds=True)}",
        )

    def _under_way(self) -> tuple[str, ...]:
        if self.under_way is None:
            return ()
        doing = "is doing" if self.under_way.status == "CREATING" else "has done"
        return (f"  an earlier run {doing} this: nothing is restored again",)

    def _counter(self) -> tuple[str, ...]:
        if not self.straight or self.table != names.COUNTER_TABLE:
            return ()
        return (
            "  CAUTION: uids handed out after that moment would be handed out again. Before "
            f"a user signs up, set {names.COUNTER_ATTRIBUTE} to the highest custom:osid",
        )


@dataclass(frozen=True, kw_only=True)
class TableRequest:
    """Which table is to be restored, and to which moment."""

    table: str
    at: datetime | None = None
    """The moment, to the second; None for the latest."""
    backup_arn: str | None = None
    """The backup of DynamoDB's that is restored, instead of a moment."""
    to: str | None = None
    """The name of the new table."""
    base: str | None = None
    """The name of the new table where `to` is None; a number is appended if it is taken.

    None for a name with the moment, or with the day for the latest one.
    """


def plan_restore(aws: Aws, now: datetime, request: TableRequest) -> RestoreTablePlan:
    """Plan a restore.

    Raises UsageError for a table that is not the environment's, a moment that cannot be
    restored or a target that exists; SeveralBackupsError where a backup has to be chosen.
    """
    table, at = request.table, request.at
    environment = aws.environment
    known = (environment.addresses_table, *environment.pitr_tables)
    if table not in known:
        raise UsageError(
            f"{table} is no table of {environment.name}. Its tables are {', '.join(known)}; more "
            "can be listed in its pitr_tables. Nothing was done."
        )
    check_target(aws, table, request.to)
    described = describe_table(aws, table)
    is_leaving = described is not None and described.status == "DELETING"
    if (described is None or is_leaving) and at is not None:
        raise UsageError(
            f"{table} was deleted: only its last moment can be restored. Nothing was done. Restore "
            "that with --latest."
        )
    if is_leaving:
        raise being_deleted(table)
    unfinished = described is not None and at is None and _is_unfinished(aws, described)
    if described is None or unfinished or request.backup_arn is not None:
        return _of_backup(aws, request, None if unfinished else described)
    window = recovery_window(aws, table)
    if window is None:
        raise AwsError(
            f"Point-in-time recovery is off for {table}, so there is nothing to restore it from. "
            "Nothing was done."
        )
    if at is not None:
        _check_window(table, at, window)
    source = Source(table=table, table_arn=described.arn, at=at, backup=None)
    stamp = f"{now:%Y%m%d}-latest" if at is None else name_stamp(at)
    target = _target(aws, source, request, stamp)
    return RestoreTablePlan(
        source=source,
        target=target.name,
        window=window,
        under_way=target.under_way,
        encryption=encryption.of_table(aws, described),
        settings=None,
        passed_over=target.passed_over,
    )


def execute(aws: Aws, plan: RestoreTablePlan, clock: Clock, report: Report) -> TableDescription:
    """Restore, wait for the table and return it.

    Raises AwsError where the table turns out to be of another restore.
    """
    is_sure = plan.under_way is None and _start(aws, plan)
    report(
        f"DynamoDB restores to {plan.target} and continues if this command ends; to watch it: "
        f"cabal-backup jobs watch {plan.target} {aws.environment.options}"
    )
    is_new = plan.under_way is None
    table = wait_until_active(aws, plan.target, clock, report, is_new=is_new)
    source = plan.source
    is_sure = is_sure and source.is_latest and table.restored_from == source.table_arn
    if not (is_sure or source.made(table)):
        raise AwsError(f"{plan.target} is not what was asked for: it {_origin(table)}.")
    if plan.settings is not None:
        table_settings.bring_back(aws, plan.target, plan.settings, clock, report)
    elif plan.under_way is None or plan.under_way.status == "CREATING":
        origin.record(aws, table, plan.table, clock, report)
    return table


def _of_backup(aws: Aws, request: TableRequest, live: TableDescription | None) -> RestoreTablePlan:
    """From a backup of DynamoDB's; `live` is the table, where there is one to keep."""
    table, arn = request.table, request.backup_arn
    with worded(f"looking for what DynamoDB keeps of {table}"):
        backups = list_backups(aws, table)
    if not backups:
        raise NotFoundError(
            f"DynamoDB keeps no backup of {table}. It keeps one for 35 days when a table with "
            "point-in-time recovery is deleted. Nothing was done."
        )
    straight = live is None and request.to in (None, table)
    under_own_name = describe_table(aws, table) if straight else None
    if under_own_name is not None and arn is None:
        arn = under_own_name.restored_from_backup
    backup = _chosen(table, backups, arn)
    source = Source(
        table=table, table_arn=aws.arn("dynamodb", f"table/{table}"), at=None, backup=backup
    )
    if under_own_name is not None and not source.made(under_own_name):
        raise UsageError(
            f"{table} exists, and it {_origin(under_own_name)}. Nothing was done. Choose another "
            "name with --to."
        )
    target = (
        _Target(table, under_own_name)
        if straight
        else _target(aws, source, request, name_stamp(backup.created))
    )
    known: Known[TableBackup | None] = Known(backup)
    return RestoreTablePlan(
        source=source,
        target=target.name,
        window=None,
        under_way=target.under_way,
        encryption=encryption.of_table(aws, live) if live else encryption.of_deleted(aws, known),
        settings=table_settings.read_settings(aws, backup=known, recovery_point_arn=None)
        if straight
        else None,
        passed_over=target.passed_over,
    )


def _chosen(table: str, backups: Sequence[TableBackup], arn: str | None) -> TableBackup:
    if arn is None:
        if len(backups) > 1:
            raise SeveralBackupsError(table, backups)
        return backups[0]
    for backup in backups:
        if backup.arn == arn:
            return backup
    raise NotFoundError(
        f"DynamoDB keeps no backup {arn} of {table}. Nothing was done. Its backups are:\n"
        f"{in_lines(backups)}"
    )


def _is_unfinished(aws: Aws, table: TableDescription) -> bool:
    """Whether an earlier run restored a backup under this name, and did not complete."""
    return table.restored_from_backup != "" and (
        table.status == "CREATING" or not table_settings.is_complete(aws, table.name)
    )


def _check_window(table: str, at: datetime, window: Window) -> None:
    if not window.earliest <= at <= window.latest:
        later = " A moment can be restored from about five minutes after it." * (at > window.latest)
        raise UsageError(
            f"{table} can be restored to any second from "
            f"{moment(window.earliest, seconds=True)} to {moment(window.latest, seconds=True)}, "
            f"not to {moment(at, seconds=True)}.{later} Nothing was done."
        )


class _Target(NamedTuple):
    """The name of the new table, the table where an earlier run made it, and the names taken."""

    name: str
    under_way: TableDescription | None
    passed_over: tuple[str, ...] = ()


def _target(aws: Aws, source: Source, request: TableRequest, stamp: str) -> _Target:
    """The table to restore to.

    DynamoDB has no token for a restore. So the name is the same in each run, also in one that
    follows so soon that DynamoDB does not show the table of the run before: it refuses to make
    another one of that name.

    :param stamp: what the name has, if none is asked for.

    Raises UsageError when the name that was asked for is taken by anything else.
    """
    if (to := request.to) is not None:
        found = find_made(aws, to)
        if found is not None and not _is_usable(aws, source, found):
            raise UsageError(_taken(aws, source, found))
        return _Target(to, found)
    taken: list[str] = []
    for name in origin.names_for(request.base or f"{source.table}-restored-{stamp}"):
        found = find_made(aws, name)
        if found is None or _is_usable(aws, source, found):
            return _Target(name, found, tuple(taken))
        if not source.is_latest:
            taken.append(name)
    raise AssertionError("names_for never ends")


def _is_usable(aws: Aws, source: Source, table: TableDescription) -> bool:
    """Whether an earlier run makes, or made, the same, and others have not changed it since.

    What was the latest moment when a restore that is complete began is not the latest one now.
    """
    return source.made(table) and (
        table.status == "CREATING" or (not source.is_latest and origin.is_unchanged(aws, table))
    )


def _taken(aws: Aws, source: Source, table: TableDescription) -> str:
    text = f"There is a table {table.name} already"
    if source.made(table) and not source.is_latest:
        text += ", of this restore, but it is not known to be as it was restored"
    elif table.restored:
        text += f": it {_origin(table)}"
    text += ". Nothing was done. Choose another name with --to."
    is_recovery = table.restored_from and not table.restored_from_backup
    if table.status == "CREATING" and table.restored_to and is_recovery:
        text += (
            " To follow that restore: cabal-backup restore table "
            f"{table.restored_from.rpartition('/')[2]} "
            f"--at {timestamp(table.restored_to)} --to={table.name} "
            f"{aws.environment.options}"
        )
    return text


def _origin(table: TableDescription) -> str:
    doing = "is being restored" if table.status == "CREATING" else "was restored"
    if table.restored_from_backup:
        return f"{doing} from the backup {table.restored_from_backup}"
    if table.restored_to is None:
        return "was not restored from anything, as far as DynamoDB says"
    source = table.restored_from.rpartition("/")[2]
    return f"{doing} from {source} as of {moment(table.restored_to, seconds=True)}"


def _start(aws: Aws, plan: RestoreTablePlan) -> bool:
    """Whether DynamoDB began the restore.

    False where the name is taken: by the same restore, where the answer to an earlier try was lost,
    or a run was killed so recently that DescribeTable did not show its table yet; or by another
    one.
    """
    dynamodb = aws.client("dynamodb")
    source = plan.source
    common = {
        "TargetTableName": plan.target,
        "SSESpecificationOverride": plan.encryption.key.specification,
    }
    start: Callable[..., object] = dynamodb.restore_table_to_point_in_time
    if source.backup is not None:
        start = dynamodb.restore_table_from_backup
        how: dict[str, object] = {"BackupArn": source.backup.arn}
    elif source.at is None:
        how = {"SourceTableName": plan.table, "UseLatestRestorableTime": True}
    else:
        how = {"SourceTableName": plan.table, "RestoreDateTime": source.at}
    try:
        start(**common, **how)
    except (BotoCoreError, ClientError) as error:
        if error_code(error) not in _TAKEN:
            raise in_words(error, f"starting the restore to {plan.target}") from error
        return False
    return True
