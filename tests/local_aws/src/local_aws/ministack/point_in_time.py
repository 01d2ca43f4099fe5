"""Point-in-time recovery with the items of that time.

MiniStack restores a table's present items for any requested time. This follows
the DynamoDB Developer Guide ("Point-in-time recovery"): a window of 1-35 days that
begins when recovery was enabled and ends five minutes ago. The new table is
CREATING for a while, and has no PITR, TTL, tags, streams and deletion
protection.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from local_aws.backup.settings import Settings
from local_aws.ministack import internals
from local_aws.ministack.table_history import MAXIMUM_WINDOW_SECONDS, TableHistory

LAG_SECONDS = 300
"""The latest restorable time is typically five minutes before the current time."""

_RECOVERY = "_sandbox_recovery"
VISIBLE_FROM = "_sandbox_visible_from"
SUMMARY = "RestoreSummary"
_STATE = "_sandbox_state"
"""In a table's record: CREATING, UPDATING or DELETING, and until when (epoch seconds)."""

Answer = tuple[int, dict[str, str], bytes]


class PointInTimeRecovery:
    """Replaces MiniStack's three operations for continuous backups."""

    def __init__(
        self,
        history: TableHistory,
        clock: Callable[[], float],
        settings: Callable[[], Settings],
    ) -> None:
        self._history = history
        self._clock = clock
        self._settings = settings

    def install(self) -> None:
        dynamodb = internals.dynamodb
        dynamodb._describe_continuous_backups = self.describe
        dynamodb._update_continuous_backups = self.update
        dynamodb._restore_table_to_point_in_time = self.restore
        describe_table = dynamodb._table_description

        def describe_restored(name: str) -> dict[str, Any]:
            description: dict[str, Any] = describe_table(name)
            return self._as_restored(dynamodb._tables[name], description)

        dynamodb._table_description = describe_restored

    def describe(self, request: Mapping[str, Any]) -> Answer:
        """DescribeContinuousBackups."""
        table = find_table(request)
        return _missing(request) if table is None else self._answer(table)

    def update(self, request: Mapping[str, Any]) -> Answer:
        """UpdateContinuousBackups; enabling it again starts a new window."""
        table = find_table(request)
        if table is None:
            return _missing(request)
        specification = request.get("PointInTimeRecoverySpecification") or {}
        enabled = specification.get("PointInTimeRecoveryEnabled")
        if enabled is None:
            return refusal("ValidationException", "PointInTimeRecoveryEnabled must not be null")
        days = specification.get("RecoveryPeriodInDays", 35)
        if not 1 <= days <= 35:
            return refusal("ValidationException", "RecoveryPeriodInDays must be 1 to 35")
        name = table["TableName"]
        was_enabled = internals.dynamodb._pitr_settings.get(name, False)
        # A longer window does not restore what a shorter one has dropped.
        since = self._window(table)[0] if was_enabled and enabled else self._clock()
        internals.dynamodb._pitr_settings[name] = bool(enabled)
        table[_RECOVERY] = {"since": since, "days": days}
        return self._answer(table)

    def restore(self, request: Mapping[str, Any]) -> Answer:
        """RestoreTableToPointInTime."""
        dynamodb = internals.dynamodb
        source_name = request.get("SourceTableName") or dynamodb._normalize_table_name(
            request.get("SourceTableArn") or ""
        )
        target = request.get("TargetTableName")
        source = dynamodb._tables.get(source_name)
        if source is None:
            return refusal("TableNotFoundException", f"Table not found: {source_name}")
        if not target:
            return refusal("ValidationException", "TargetTableName must not be null")
        if taken := target_refusal(target, self._clock()):
            return taken
        if not dynamodb._pitr_settings.get(source_name, False):
            return refusal(
                "PointInTimeRecoveryUnavailableException",
                f"Point in time recovery is not enabled for table '{source_name}'",
            )
        moment = self._moment(source, request)
        if moment is None:
            return refusal("InvalidRestoreTimeException", "Invalid RestoreDateTime")
        return self._make(source, target, moment, request)

    def _make(
        self, source: Mapping[str, Any], target: str, moment: float, request: Mapping[str, Any]
    ) -> Answer:
        dynamodb = internals.dynamodb
        create = dynamodb._restore_create_request(
            target,
            source["KeySchema"],
            source["AttributeDefinitions"],
            request.get("BillingModeOverride")
            or source.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
            request.get("ProvisionedThroughputOverride") or source.get("ProvisionedThroughput"),
            request,
            source.get("GlobalSecondaryIndexes"),
            source.get("LocalSecondaryIndexes"),
            [],
        )
        encryption = request.get("SSESpecificationOverride")
        if encryption:
            create["SSESpecification"] = encryption
        status, headers, body = dynamodb._create_table(create)
        if status != 200:
            return status, headers, body
        table = dynamodb._tables[target]
        if not encryption:
            table["SSEDescription"] = source.get("SSEDescription")
        table["items"] = self._history.items_at(dict(source), self._last_write(moment, request))
        dynamodb._items_replaced(table)
        begin_making(table, self._clock(), self._settings().table_restore, self._settings())
        table[SUMMARY] = {"SourceTableArn": source["TableArn"], "RestoreDateTime": moment}
        return success({"TableDescription": dynamodb._table_description(target)})

    def _moment(self, source: Mapping[str, Any], request: Mapping[str, Any]) -> float | None:
        """The requested epoch time, or None if it is outside the window."""
        earliest, latest = self._window(source)
        if request.get("UseLatestRestorableTime"):
            return latest
        moment = request.get("RestoreDateTime")
        if not isinstance(moment, int | float) or not earliest <= moment <= latest:
            return None
        return float(moment)

    def _last_write(self, moment: float, request: Mapping[str, Any]) -> float:
        """The latest time of a write that is restored, for a moment to the second."""
        if request.get("UseLatestRestorableTime"):
            return moment
        begin = math.floor(moment)
        # The clock has milliseconds.
        return begin + 0.9995 if self._settings().restored_second == "included" else begin - 0.0005

    def _window(self, table: Mapping[str, Any]) -> tuple[float, float]:
        recovery = self._recovery(table)
        now = self._clock()
        reach = min(recovery["days"] * 86_400, MAXIMUM_WINDOW_SECONDS)
        earliest = max(recovery["since"], now - reach, self._history.known_from(dict(table)))
        return earliest, max(earliest, now - LAG_SECONDS)

    def _recovery(self, table: Mapping[str, Any]) -> dict[str, float]:
        """Since when recovery is on; for a table that was created with it, since its creation."""
        stored: dict[str, float] | None = table.get(_RECOVERY)
        return stored or {"since": float(table["CreationDateTime"]), "days": 35}

    def _answer(self, table: Mapping[str, Any]) -> Answer:
        recovery: dict[str, Any] = {"PointInTimeRecoveryStatus": "DISABLED"}
        if internals.dynamodb._pitr_settings.get(table["TableName"], False):
            earliest, latest = self._window(table)
            recovery = {
                "PointInTimeRecoveryStatus": "ENABLED",
                "RecoveryPeriodInDays": int(self._recovery(table)["days"]),
                "EarliestRestorableDateTime": earliest,
                "LatestRestorableDateTime": latest,
            }
        return success(
            {
                "ContinuousBackupsDescription": {
                    "ContinuousBackupsStatus": "ENABLED",
                    "PointInTimeRecoveryDescription": recovery,
                }
            }
        )

    def _as_restored(self, table: Mapping[str, Any], description: dict[str, Any]) -> dict[str, Any]:
        """A restored table has RestoreSummary."""
        summary = table.get(SUMMARY)
        if summary is None:
            return description
        restoring = state_of(table, self._clock()) == "CREATING"
        return {**description, SUMMARY: {**summary, "RestoreInProgress": restoring}}


def find_table(request: Mapping[str, Any]) -> dict[str, Any] | None:
    """MiniStack's record of the table that a request names; None if it does not exist."""
    name = internals.dynamodb._normalize_table_name(request.get("TableName"))
    table: dict[str, Any] | None = internals.dynamodb._tables.get(name)
    return table


def _missing(request: Mapping[str, Any]) -> Answer:
    return refusal("TableNotFoundException", f"Table not found: {request.get('TableName')}")


def target_refusal(target: str, now: float) -> Answer | None:
    """Why no table can be restored under a name; None for one that is free."""
    table = internals.dynamodb._tables.get(target)
    if table is None:
        return None
    if state_of(table, now) in ("CREATING", "DELETING"):
        return refusal("TableInUseException", f"Table is being created or deleted: {target}")
    return refusal("TableAlreadyExistsException", f"Table already exists: {target}")


def begin_making(
    table: dict[str, Any], now: float, duration: timedelta, settings: Settings
) -> None:
    """Note in MiniStack's record of a new table when it is found, and when it is ACTIVE."""
    table[VISIBLE_FROM] = now + settings.table_visibility.total_seconds()
    begin(table, "CREATING", now, duration)


def begin(table: dict[str, Any], state: str, now: float, duration: timedelta) -> None:
    """Note in MiniStack's record of a table that it is not ACTIVE for a while."""
    table[_STATE] = (state, now + duration.total_seconds())


def end(table: dict[str, Any]) -> None:
    """A new table is found and ACTIVE."""
    for key in (VISIBLE_FROM, _STATE):
        table.pop(key, None)


def state_of(table: Mapping[str, Any], now: float) -> str | None:
    """CREATING, UPDATING or DELETING; None for a table that is ACTIVE."""
    state, until = table.get(_STATE, ("", 0.0))
    return state if now < until else None


def deletion_is_over(table: Mapping[str, Any], now: float) -> bool:
    """Whether a deleted table is to be removed."""
    state, until = table.get(_STATE, ("", 0.0))
    return bool(state == "DELETING" and until <= now)


def success(body: Mapping[str, Any]) -> Answer:
    return 200, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(body).encode()


def refusal(code: str, message: str) -> Answer:
    kind = f"com.amazonaws.dynamodb.v20120810#{code}"
    body = json.dumps({"__type": kind, "message": message}).encode()
    return 400, {"Content-Type": "application/x-amz-json-1.0"}, body
