"""DynamoDB's own backups: created when a table is deleted, listed and restored as on AWS.

MiniStack creates none when a table is deleted, lists all types for every request, and
restores at once a table with a wrong source.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListBackups.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from local_aws.backup.settings import Settings
from local_aws.ministack import internals
from local_aws.ministack.point_in_time import (
    SUMMARY,
    Answer,
    begin_making,
    state_of,
    success,
    target_refusal,
)

KEPT = timedelta(days=35)
"""How long a system backup is retained."""


class TableBackups:
    """Wraps MiniStack's operations for backups."""

    def __init__(self, clock: Callable[[], float], settings: Callable[[], Settings]) -> None:
        self._clock = clock
        self._settings = settings

    def install(self) -> None:
        """Install the wrappers, once per process."""
        dynamodb = internals.dynamodb
        self._delete_table = dynamodb._delete_table
        self._restore_table = dynamodb._restore_table_from_backup
        dynamodb._delete_table = self.delete_table
        dynamodb._list_backups = self.list_backups
        dynamodb._restore_table_from_backup = self.restore_table

    def delete_table(self, request: Mapping[str, Any]) -> Answer:
        """DeleteTable: a table with point-in-time recovery gets a system backup."""
        dynamodb = internals.dynamodb
        name = dynamodb._normalize_table_name(request.get("TableName"))
        backup, table = None, dynamodb._tables.get(name)
        is_ready = table is not None and state_of(table, self._clock()) is None
        if is_ready and dynamodb._pitr_settings.get(name, False):
            backup = self._system_backup(name)
        answer: Answer = self._delete_table(request)
        if backup is not None and answer[0] != 200:
            del dynamodb._backups[backup]
        return answer

    def list_backups(self, request: Mapping[str, Any]) -> Answer:
        """ListBackups: of the requested type, by default USER."""
        self._expire()
        wanted = request.get("BackupType", "USER")
        name = internals.dynamodb._normalize_table_name(request.get("TableName") or "")
        listed = [
            {**{key: table[key] for key in ("TableName", "TableId", "TableArn")}, **details}
            for table, details in (
                (backup["SourceTableDetails"], backup["BackupDetails"])
                for backup in internals.dynamodb._backups.values()
            )
            if wanted in ("ALL", details["BackupType"]) and name in ("", table["TableName"])
        ]
        arns = [backup["BackupArn"] for backup in listed]
        last = request.get("ExclusiveStartBackupArn")
        start = arns.index(last) + 1 if last in arns else 0
        page = listed[start : start + request.get("Limit", 100)]
        more = page and page[-1] is not listed[-1]
        return success(
            {
                "BackupSummaries": page,
                **({"LastEvaluatedBackupArn": page[-1]["BackupArn"]} if more else {}),
            }
        )

    def restore_table(self, request: Mapping[str, Any]) -> Answer:
        """RestoreTableFromBackup: with the key that DynamoDB owns unless another one is named."""
        self._expire()
        if taken := target_refusal(request.get("TargetTableName") or "", self._clock()):
            return taken
        answer: Answer = self._restore_table(request)
        if answer[0] != 200:
            return answer
        dynamodb = internals.dynamodb
        name = request["TargetTableName"]
        table, backup = dynamodb._tables[name], dynamodb._backups[request["BackupArn"]]
        table["SSEDescription"] = dynamodb._sse_description_from_spec(
            request.get("SSESpecificationOverride")
        )
        begin_making(table, self._clock(), self._settings().table_restore, self._settings())
        table[SUMMARY] = {
            "SourceBackupArn": request["BackupArn"],
            "SourceTableArn": backup["SourceTableDetails"]["TableArn"],
            "RestoreDateTime": backup["BackupDetails"]["BackupCreationDateTime"],
        }
        return success({"TableDescription": dynamodb._table_description(name)})

    def _system_backup(self, name: str) -> str:
        """Create a backup of a table before its deletion; returns its ARN."""
        dynamodb = internals.dynamodb
        _, _, body = dynamodb._create_backup(
            {"TableName": name, "BackupName": f"{name}$DeletedTableBackup"}
        )
        arn: str = json.loads(body)["BackupDetails"]["BackupArn"]
        details = dynamodb._backups[arn]["BackupDetails"]
        details["BackupType"] = "SYSTEM"
        details["BackupExpiryDateTime"] = details["BackupCreationDateTime"] + KEPT.total_seconds()
        return arn

    def _expire(self) -> None:
        backups = internals.dynamodb._backups
        now = self._clock()
        for arn, backup in list(backups.items()):
            if backup["BackupDetails"].get("BackupExpiryDateTime", now) < now:
                del backups[arn]
