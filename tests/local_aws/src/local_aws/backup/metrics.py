"""Counts in the CloudWatch namespace AWS/Backup, every five minutes and never zero.

AWS: aws-backup/latest/devguide/cloudwatch.html. Copy jobs count under the name of the
vault that they copy into.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from local_aws.backup.state import Job
from local_aws.backup.world import Scope

if TYPE_CHECKING:
    from local_aws.backup.core import Core

_JOBS = {
    "backup": "NumberOfBackupJobs",
    "copy": "NumberOfCopyJobs",
    "restore": "NumberOfRestoreJobs",
}


def flush(core: Core, scope: Scope, period_end: datetime) -> None:
    """Report the counts of one period; without counts, nothing is reported."""
    counts = core.state.metrics.pop((scope, period_end), {})
    for (name, dimensions), value in counts.items():
        core.outbox.metric(scope, name, dict(dimensions), float(value), period_end)


def count_job(core: Core, scope: Scope, job: Job, state: str, vault_name: str) -> None:
    if state != "ABORTING":
        name = f"{_JOBS[job.kind]}{state.capitalize()}"
        count(core, scope, name, vault_name, job.resource_type)


def count(core: Core, scope: Scope, name: str, vault_name: str, resource_type: str) -> None:
    period_end = _period_end(core.now(), core.settings.metric_period)
    counts = core.state.metrics.get((scope, period_end))
    if counts is None:
        counts = core.state.metrics[scope, period_end] = {}
        core.state.agenda.add(period_end, "metrics.flush", scope, period_end)
    by_vault = ("BackupVaultName", vault_name)
    for dimensions in ((by_vault,), (by_vault, ("ResourceType", resource_type))):
        key = (name, dimensions)
        counts[key] = counts.get(key, 0) + 1


def _period_end(now: datetime, period: timedelta) -> datetime:
    start = datetime(1970, 1, 1, tzinfo=now.tzinfo)
    return start + ((now - start) // period + 1) * period
