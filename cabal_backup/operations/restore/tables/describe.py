"""DynamoDB tables and DynamoDB's own backups of them: what they are, how far back they reach."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from cabal_backup import names
from cabal_backup.errors import (
    AwsError,
    CabalBackupError,
    NotFoundError,
    UsageError,
)
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.clock import Clock, aws_time
from cabal_backup.operations.aws.jobs import LONGEST, Progress, Report, Wait, follow_until
from cabal_backup.operations.aws.results import unless_missing
from cabal_backup.operations.restore.tables.table_items import Table
from cabal_backup.text import moment

if TYPE_CHECKING:
    from types_boto3_dynamodb.literals import KeyTypeType, ScalarAttributeTypeType
    from types_boto3_dynamodb.type_defs import (
        BackupDescriptionTypeDef,
        DescribeContinuousBackupsOutputTypeDef,
        SSEDescriptionTypeDef,
        TableDescriptionTypeDef,
    )

MISSING = ("ResourceNotFoundException", "TableNotFoundException")

APPEARANCE = timedelta(minutes=30)
"""How long DynamoDB may not find a table that was just created: DescribeTable is eventually
consistent, and may answer ResourceNotFoundException at first.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTable.html
"""


class SchemaError(UsageError):
    """Two tables are not of the same kind."""


class KeyAttribute(NamedTuple):
    """An attribute of a table's key."""

    name: str
    role: KeyTypeType
    kind: ScalarAttributeTypeType


@dataclass(frozen=True, kw_only=True)
class TableDescription:
    """A table, as DescribeTable shows it."""

    name: str
    arn: str
    status: str
    """ACTIVE, CREATING, UPDATING, DELETING …"""
    created: datetime
    items: int
    """An estimate that DynamoDB renews every six hours or so; 0 for a new table."""
    keys: tuple[KeyAttribute, ...]
    deletion_protected: bool
    restored: bool
    """Whether DynamoDB says that it was restored from something."""
    restored_from: str
    """The ARN of the table it was restored from; empty where DynamoDB does not say."""
    restored_to: datetime | None
    """The moment that was asked for when it was restored to a point in time."""
    restored_from_backup: str
    """The ARN of DynamoDB's backup that it was restored from; empty without one."""
    key_arn: str
    """The KMS key that it is encrypted under; empty for the key that DynamoDB owns."""

    @property
    def table(self) -> Table:
        """The table as the copy engine needs it."""
        return Table(self.name, tuple(name for name, _, _ in self.keys), self.region)

    @property
    def region(self) -> str:
        """Where it is."""
        return self.arn.split(":")[3]

    @property
    def schema(self) -> str:
        """The key schema for people: `user (HASH, S), domain (RANGE, S)`."""
        return ", ".join(f"{name} ({role}, {kind})" for name, role, kind in self.keys)


@dataclass(frozen=True, kw_only=True)
class Window:
    """The moments a table can be recovered to."""

    earliest: datetime
    latest: datetime
    """About five minutes ago."""
    now: datetime
    """AWS's time when it said so, in whole seconds."""


@dataclass(frozen=True, kw_only=True)
class TableBackup:
    """A backup of DynamoDB's own, not of AWS Backup's."""

    arn: str
    kind: str
    """SYSTEM for the one made when a table is deleted, USER for one made by hand."""
    created: datetime
    items: int
    """An estimate that DynamoDB renews every six hours or so."""
    size_bytes: int
    table_created: datetime
    """When the table that it is of was made: a deleted table may have been created again."""
    ttl: str | None
    """The attribute that TTL went by; None for a table that had no TTL."""
    key_arn: str
    """The KMS key of the table; empty for the key that DynamoDB owns."""

    def __str__(self) -> str:
        kind = "when the table was deleted" if self.kind == "SYSTEM" else "made by hand"
        return (
            f"{moment(self.created, seconds=True)}, {kind}, about {self.items:,} items, "
            f"{self.size_bytes:,} bytes: {self.arn}"
        )


def describe_table(aws: Aws, name: str) -> TableDescription | None:
    """The table; None when there is none."""
    with worded(f"looking at the table {name}"):
        described = unless_missing(
            lambda: aws.client("dynamodb").describe_table(TableName=name)["Table"], *MISSING
        )
    return None if described is None else _description(described)


def find_made(aws: Aws, name: str) -> TableDescription | None:
    """The table that an earlier restore made, or anything else of that name; None without one.

    Raises CabalBackupError while it is being deleted.
    """
    table = describe_table(aws, name)
    if table is not None and table.status == "DELETING":
        raise being_deleted(name)
    return table


def being_deleted(name: str) -> CabalBackupError:
    """The refusal to restore a table while DynamoDB deletes it; its name is free afterwards."""
    return CabalBackupError(
        f"The table {name} is being deleted. Nothing was done. Run the same command again in a "
        "minute, when it is deleted."
    )


def list_table_names(aws: Aws, prefixes: tuple[str, ...]) -> list[str]:
    """The names of the tables that begin with one of `prefixes`.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    with worded("listing the tables"):
        return [
            name
            for page in aws.client("dynamodb").get_paginator("list_tables").paginate()
            for name in page["TableNames"]
            if name.startswith(prefixes)
        ]


def find_table(aws: Aws, name: str) -> TableDescription:
    """The table, ready to be read and written.

    Raises NotFoundError when there is none, CabalBackupError when it is not ready.
    """
    table = describe_table(aws, name)
    if table is None:
        raise NotFoundError(f"There is no table {name} in {aws.region}.")
    if table.status not in ("ACTIVE", "UPDATING"):
        raise CabalBackupError(
            f"The table {name} is {table.status}. Try again when it is ACTIVE; "
            f"`cabal-backup jobs {aws.environment.options}` shows what is still being restored."
        )
    return table


def live_tables(aws: Aws) -> frozenset[str]:
    """The tables that Cabal uses, by the environment's settings or by their usual names."""
    environment = aws.environment
    return frozenset(
        (
            environment.addresses_table,
            *environment.pitr_tables,
            names.ADDRESSES_TABLE,
            *names.PITR_TABLES,
        )
    )


def check_target(aws: Aws, table: str, target: str | None) -> None:
    """Raises UsageError where a table would be restored under the name of another live one, or
    in the DR region under the name of any.
    """
    if target in live_tables(aws) and aws.in_dr:
        raise UsageError(
            f"{target} is the name of a live table, which is kept free in {aws.region} for a Cabal "
            "that runs there. Nothing was done. Choose another name with --to."
        )
    if target != table and target in live_tables(aws):
        raise UsageError(
            f"{target} is the name of a live table, and {table} is to be restored. Nothing was "
            "done. Choose another name with --to."
        )


def check_same_schema(one: TableDescription, other: TableDescription) -> None:
    """Raises SchemaError unless items of one table can live in the other."""
    if one.keys != other.keys:
        raise SchemaError(
            f"{one.name} and {other.name} do not have the same key: {one.name} has {one.schema}, "
            f"{other.name} has {other.schema}. Nothing was done."
        )


def is_recoverable(answer: DescribeContinuousBackupsOutputTypeDef) -> bool:
    """Whether point-in-time recovery is on."""
    recovery = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    return recovery.get("PointInTimeRecoveryStatus") == "ENABLED"


def recovery_window(aws: Aws, name: str) -> Window | None:
    """How far back point-in-time recovery reaches; None when it is off.

    Raises AwsError where DynamoDB does not say it, as just after it was switched on.
    """
    with worded(f"looking at the point-in-time recovery of {name}"):
        described = aws.client("dynamodb").describe_continuous_backups(TableName=name)
    if not is_recoverable(described):
        return None
    recovery = described["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    now = aws_time(described)
    if now is None:
        raise AwsError(
            f"DynamoDB's answer about {name} has no Date header, so AWS's time is not known. Does "
            "a proxy remove it?"
        )
    earliest = recovery.get("EarliestRestorableDateTime")
    latest = recovery.get("LatestRestorableDateTime")
    if earliest is None or latest is None:
        raise AwsError(
            f"Point-in-time recovery of {name} is on, and DynamoDB does not say yet which moments "
            "can be restored. Nothing was done. Run the same command again in five minutes."
        )
    return Window(earliest=earliest, latest=latest, now=now)


def key_arn(described: SSEDescriptionTypeDef | None) -> str:
    """The KMS key in what DynamoDB says of a table or a backup; empty without one."""
    encryption = described or {}
    on = encryption.get("Status") in ("ENABLED", "ENABLING", "UPDATING")
    return str(encryption.get("KMSMasterKeyArn", "")) if on else ""


def wait_until_active(
    aws: Aws,
    name: str,
    clock: Clock,
    report: Report,
    *,
    longest: timedelta = LONGEST,
    is_new: bool = False,
) -> TableDescription:
    """Wait until a table can be read and written, and return it.

    :param is_new: whether it was just created, so that it may not be found for APPEARANCE.

    Raises AwsError when it disappears, UnknownError as `jobs.follow` does.
    """
    dynamodb = aws.client("dynamodb")
    appears_by = clock.now() + APPEARANCE if is_new else None

    def status() -> str | None:
        nonlocal appears_by
        table = unless_missing(lambda: dynamodb.describe_table(TableName=name)["Table"], *MISSING)
        if table is not None:
            appears_by = None
            return table["TableStatus"]
        return None if appears_by is None or clock.now() > appears_by else "CREATING"

    wait = Wait(
        question=status,
        finished=lambda status: status != "CREATING",
        event=lambda status: Progress(f"waiting for {name}") if status == "CREATING" else None,
        what=f"table {name}",
        pick_up=f"`cabal-backup jobs watch {name} {aws.environment.options}`",
        longest=longest,
    )
    if follow_until(wait, clock, report) is None:
        raise AwsError(f"The table {name} no longer exists: DynamoDB did not complete it.")
    return find_table(aws, name)


def list_restoring(aws: Aws) -> list[str]:
    """The tables that are being made from one of the environment's tables.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    environment = aws.environment
    names = list_table_names(aws, (environment.addresses_table, *environment.pitr_tables))
    found = [table for name in names if (table := describe_table(aws, name)) is not None]
    return [table.name for table in found if table.status == "CREATING"]


def list_backups(aws: Aws, table: str) -> list[TableBackup]:
    """The backups DynamoDB has of a table that may have been deleted, the newest first.

    When a table with point-in-time recovery is deleted, DynamoDB makes a system backup of its
    last moment and keeps it for 35 days. A table that was deleted several times has several.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html

    Raises botocore's errors.
    """
    dynamodb = aws.client("dynamodb")
    listed = dynamodb.get_paginator("list_backups").paginate(TableName=table, BackupType="ALL")
    found = [
        _backup(dynamodb.describe_backup(BackupArn=entry["BackupArn"])["BackupDescription"])
        for page in listed
        for entry in page.get("BackupSummaries", [])
        if entry["BackupStatus"] == "AVAILABLE" and entry.get("BackupType") in ("SYSTEM", "USER")
    ]
    return sorted(found, key=lambda backup: (backup.created, backup.arn), reverse=True)


def backup_after(backups: Iterable[TableBackup], moment: datetime) -> TableBackup | None:
    """The first backup after a moment of the table that existed then; None without one."""
    later = (each for each in backups if each.table_created <= moment <= each.created)
    return min(later, key=lambda backup: backup.created, default=None)


def in_lines(backups: Sequence[TableBackup]) -> str:
    """The backups for people, numbered from 1, each on a line of its own."""
    return "\n".join(f"  {number}. {backup}" for number, backup in enumerate(backups, start=1))


def _backup(described: BackupDescriptionTypeDef) -> TableBackup:
    details, source = described["BackupDetails"], described["SourceTableDetails"]
    features = described.get("SourceTableFeatureDetails", {})
    ttl = features.get("TimeToLiveDescription") or {}
    expires = ttl.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
    return TableBackup(
        arn=details["BackupArn"],
        kind=details["BackupType"],
        created=details["BackupCreationDateTime"],
        items=source.get("ItemCount", 0),
        size_bytes=details.get("BackupSizeBytes", 0),
        table_created=source["TableCreationDateTime"],
        ttl=str(ttl["AttributeName"]) if expires else None,
        key_arn=key_arn(features.get("SSEDescription")),
    )


def _description(described: TableDescriptionTypeDef) -> TableDescription:
    types = {
        attribute["AttributeName"]: attribute["AttributeType"]
        for attribute in described["AttributeDefinitions"]
    }
    summary = described.get("RestoreSummary", {})
    return TableDescription(
        name=described["TableName"],
        arn=described["TableArn"],
        status=described["TableStatus"],
        created=described["CreationDateTime"],
        items=described.get("ItemCount", 0),
        keys=tuple(
            KeyAttribute(key["AttributeName"], key["KeyType"], types[key["AttributeName"]])
            for key in sorted(described["KeySchema"], key=lambda key: str(key["KeyType"]))
        ),
        deletion_protected=described.get("DeletionProtectionEnabled", False),
        restored="RestoreSummary" in described,
        restored_from=summary.get("SourceTableArn", ""),
        restored_to=summary.get("RestoreDateTime"),
        restored_from_backup=summary.get("SourceBackupArn", ""),
        key_arn=key_arn(described.get("SSEDescription")),
    )
