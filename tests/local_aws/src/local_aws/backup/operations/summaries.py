"""Counts of jobs, for dashboards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from local_aws.backup.core import Call, operation
from local_aws.backup.paging import page
from local_aws.backup.state import Job

HISTORY_DAYS = 14
_ALL, _ANY = "AGGREGATE_ALL", "ANY"

Window = tuple[datetime, datetime]


@operation("ListBackupJobSummaries")
def list_backup_job_summaries(call: Call) -> Mapping[str, Any]:
    return _summaries(call, call.region.backup_jobs.values(), "BackupJobSummaries", True)


@operation("ListCopyJobSummaries")
def list_copy_job_summaries(call: Call) -> Mapping[str, Any]:
    return _summaries(call, call.region.copy_jobs.values(), "CopyJobSummaries", True)


@operation("ListRestoreJobSummaries")
def list_restore_job_summaries(call: Call) -> Mapping[str, Any]:
    return _summaries(call, call.region.restore_jobs.values(), "RestoreJobSummaries", False)


def _summaries(
    call: Call, jobs: Iterable[Job], member: str, with_category: bool
) -> Mapping[str, Any]:
    period = call.params.get("AggregationPeriod", "ONE_DAY")
    windows = _windows(call.now, period)
    state = _label(call.params.get("State"))
    resource_type = _label(call.params.get("ResourceType"))
    category = _label(call.params.get("MessageCategory"))
    counts: Counter[tuple[Window, str, str, str]] = Counter()
    if call.params.get("AccountId") in (None, _ANY, _ALL, call.scope.account):
        for job in jobs:
            window = next((w for w in windows if w[0] <= job.created < w[1]), None)
            labels = (
                state(job.state),
                resource_type(job.resource_type),
                category(getattr(job, "message_category", None) or "SUCCESS"),
            )
            if window is not None and None not in labels:
                counts[(window, *(str(label) for label in labels))] += 1  # type: ignore[index]
    rows = [
        _row(call, window, labels, count, with_category)
        for (window, *labels), count in counts.items()
    ]
    chosen, token = page(rows, _key, call.operation, call.params)
    return {member: chosen, "AggregationPeriod": period, "NextToken": token}


def _row(
    call: Call, window: Window, labels: list[str], count: int, with_category: bool
) -> dict[str, Any]:
    state, resource_type, category = labels
    row: dict[str, Any] = {
        "Region": call.scope.region,
        "AccountId": call.scope.account,
        "State": state,
        "ResourceType": resource_type,
        "Count": count,
        "StartTime": window[0],
        "EndTime": window[1],
    }
    return row | {"MessageCategory": category} if with_category else row


def _windows(now: datetime, period: str) -> list[Window]:
    """ONE_DAY counts each of the last 14 days, the others one span up to the end of today."""
    tomorrow = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    if period == "ONE_DAY":
        starts = [tomorrow - timedelta(days=days) for days in range(1, HISTORY_DAYS + 1)]
        return [(start, start + timedelta(days=1)) for start in starts]
    days = 7 if period == "SEVEN_DAYS" else HISTORY_DAYS
    return [(tomorrow - timedelta(days=days), tomorrow)]


def _label(wanted: str | None) -> Callable[[str], str | None]:
    """How a value is counted: by itself, in one sum of all, or not."""
    if wanted == _ALL:
        return lambda _value: _ALL
    if wanted in (None, _ANY):
        return lambda value: value
    return lambda value: value if value == wanted else None


def _key(row: dict[str, Any]) -> tuple[float | str, ...]:
    return (
        -row["StartTime"].timestamp(),
        row["State"],
        row["ResourceType"],
        row.get("MessageCategory", ""),
    )
