"""DynamoDB's own backups of a table, which outlive it.

When a table with point-in-time recovery is deleted, DynamoDB makes a system backup of
its last moment and keeps it for 35 days. A table that was deleted several times has several.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.restore.tables.describe import key_arn


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
    """When the table that it is of was made: a table that was deleted may have been made anew."""
    ttl: str | None
    """The attribute that TTL went by; None for a table that had no TTL."""
    key_arn: str
    """The KMS key of the table; empty for the key that DynamoDB owns."""

    def __str__(self) -> str:
        kind = "when the table was deleted" if self.kind == "SYSTEM" else "made by hand"
        return (
            f"{self.created:%Y-%m-%d %H:%M:%S UTC}, {kind}, about {self.items:,} items, "
            f"{self.size_bytes:,} bytes: {self.arn}"
        )


def list_backups(aws: Aws, table: str) -> list[TableBackup]:
    """The backups DynamoDB has of a table that may have been deleted, the newest first.

    Raises botocore's errors.
    """
    dynamodb = aws.client("dynamodb")
    listed: list[dict[str, Any]] = []
    start: dict[str, str] = {}
    while True:
        page = dynamodb.list_backups(TableName=table, BackupType="ALL", **start)
        listed += page.get("BackupSummaries", [])
        if not page.get("LastEvaluatedBackupArn"):
            break
        start = {"ExclusiveStartBackupArn": page["LastEvaluatedBackupArn"]}
    found = [
        _backup(dynamodb.describe_backup(BackupArn=entry["BackupArn"])["BackupDescription"])
        for entry in listed
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


def _backup(described: Mapping[str, Any]) -> TableBackup:
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
        key_arn=key_arn(features),
    )
