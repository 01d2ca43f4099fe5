"""What DynamoDB keeps of a table that is gone.

When a table with point-in-time recovery is deleted, DynamoDB makes a system backup of
its last moment and keeps it for 35 days.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cabal_backup.operations.aws import Aws


@dataclass(frozen=True, kw_only=True)
class TableBackup:
    """A backup of DynamoDB's own, not of AWS Backup's."""

    arn: str
    kind: str
    """SYSTEM for the one made when a table is deleted, USER for one made by hand."""
    created: datetime


def newest_backup(aws: Aws, table: str) -> TableBackup | None:
    """The newest backup DynamoDB has of a table that may be gone; None when it has none.

    Raises botocore's errors.
    """
    listed: list[dict[str, Any]] = []
    start: dict[str, str] = {}
    while True:
        page = aws.client("dynamodb").list_backups(TableName=table, BackupType="ALL", **start)
        listed += page.get("BackupSummaries", [])
        if not page.get("LastEvaluatedBackupArn"):
            break
        start = {"ExclusiveStartBackupArn": page["LastEvaluatedBackupArn"]}
    usable = [
        TableBackup(
            arn=entry["BackupArn"],
            kind=entry.get("BackupType", "USER"),
            created=entry["BackupCreationDateTime"],
        )
        for entry in listed
        if entry["BackupStatus"] == "AVAILABLE" and entry.get("BackupType") in ("SYSTEM", "USER")
    ]
    return max(usable, key=lambda backup: backup.created, default=None)
