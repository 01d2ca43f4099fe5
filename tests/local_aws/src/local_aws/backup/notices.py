"""Vault notifications, published to SNS.

AWS: aws-backup/latest/devguide/backup-notifications.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_aws.backup.outbox import iso
from local_aws.backup.state import CopyJob, Job, RecoveryPoint
from local_aws.backup.world import Scope

if TYPE_CHECKING:
    from local_aws.backup.core import Core

_SENTENCES = {
    "backup": {
        "CREATED": "An AWS Backup job was started.",
        "COMPLETED": "An AWS Backup job was completed successfully.",
        "EXPIRED": "An AWS Backup job failed to complete in time.",
        "ABORTED": "An AWS Backup job was stopped.",
        "FAILED": "An AWS Backup job failed.",
    },
    "copy": {
        "CREATED": "An AWS Backup copy job was started.",
        "COMPLETED": "An AWS Backup copy job was completed successfully.",
        "FAILED": "An AWS Backup copy job failed.",
    },
    "restore": {
        "PENDING": "An AWS Backup restore job was started.",
        "COMPLETED": "An AWS Backup restore job was completed successfully.",
        "FAILED": "An AWS Backup restore job failed.",
    },
}
_IDENTIFIER = {"backup": "BackupJob ID", "copy": "CopyJob ID", "restore": "RestoreJob ID"}


def job_changed(core: Core, scope: Scope, job: Job, vault_name: str, point_arn: str | None) -> None:
    vault = core.state.region(scope).vaults.get(vault_name)
    sentence = _SENTENCES[job.kind].get(job.state)
    if vault is None or vault.topic_arn is None or sentence is None:
        return
    if _event_name(job) not in vault.events:
        return
    recovery_point = f" Recovery point ARN: {point_arn}." if job.state == "COMPLETED" else ""
    message = (
        f"{sentence}{recovery_point} Resource ARN : {job.resource_arn}. "
        f"{_IDENTIFIER[job.kind]} : {job.job_id}"
    )
    attributes = {
        "EventType": f"{job.kind.upper()}_JOB",
        "State": job.state,
        "AccountId": scope.account,
        "Id": job.job_id,
        "StartTime": iso(job.created),
    }
    core.outbox.notify(scope, vault.topic_arn, message, attributes)


def point_changed(core: Core, scope: Scope, point: RecoveryPoint) -> None:
    vault = core.state.region(scope).vaults.get(point.vault_name)
    if vault is None or vault.topic_arn is None or "RECOVERY_POINT_MODIFIED" not in vault.events:
        return
    attributes = {
        "EventType": "RECOVERY_POINT",
        "State": point.status,
        "AccountId": scope.account,
        "Id": point.arn,
        "StartTime": iso(point.created),
    }
    message = f"An AWS Backup recovery point was modified. Recovery point ARN: {point.arn}."
    core.outbox.notify(scope, vault.topic_arn, message, attributes)


def _event_name(job: Job) -> str:
    """The event type for this state. A failed backup has no event type of its own."""
    if job.state in ("CREATED", "PENDING"):
        return f"{job.kind.upper()}_JOB_STARTED"
    if isinstance(job, CopyJob):
        return "COPY_JOB_SUCCESSFUL" if job.state == "COMPLETED" else "COPY_JOB_FAILED"
    return f"{job.kind.upper()}_JOB_COMPLETED"
