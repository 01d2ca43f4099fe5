"""The words for each kind of event: titles, facts and advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cabal_backup import names

Advice = tuple[tuple[str, str], ...]
"""What to do, each as a sentence and a command; {names} are filled in from the event."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """How one kind of AWS Backup's jobs is reported."""

    title: str
    """Followed by the state."""
    state: str = "state"
    """The member of `detail` that holds the state."""
    resource: tuple[str, ...] = ("resourceArn",)
    """Where the resource's ARN is; the first that is present counts."""
    facts: Mapping[str, str]
    """Labels, and the members they stand for."""
    advice: Advice


STATUS = ("The state of everything:", "cabal-backup status -e {environment}")
_JOBS = ("The jobs of the day:", "cabal-backup jobs -e {environment}")
_COPY_FACTS = {
    "Recovery point": "source",
    "From": "sourceBackupVaultArn",
    "To": "destinationBackupVaultArn",
    "Job": "copyJobId",
    "Started": "creationDate",
}

THIRD_COPY = "Third Copy"
"""A copy job into the air-gapped vault, which AWS Backup reports as any copy job."""

COPY_BACK = "Copy Back"
"""A copy job out of the DR vault, which AWS Backup reports as any copy job."""

JOBS: Mapping[str, Job] = {
    "Backup Job State Change": Job(
        title="Backup",
        facts={"Vault": "backupVaultName", "Job": "backupJobId", "Started": "creationDate"},
        advice=(
            (
                "Fix the error that AWS reports. The next night tries again; to back up now:",
                "cabal-backup backup now -e {environment}",
            ),
            STATUS,
        ),
    ),
    "Copy Job State Change": Job(
        title="Copy",
        facts=_COPY_FACTS,
        advice=(
            (
                "Fix the error that AWS reports. No later night repeats this copy; to copy now:",
                "cabal-backup copy now -e {environment}",
            ),
            STATUS,
        ),
    ),
    THIRD_COPY: Job(
        title="Copy to the air-gapped vault",
        facts=_COPY_FACTS,
        advice=(
            (
                "Fix the error that AWS reports. No later night repeats this copy; this names the "
                "command that does:",
                "cabal-backup status -e {environment} --only air-gapped",
            ),
            STATUS,
        ),
    ),
    COPY_BACK: Job(
        title="Copy back",
        facts=_COPY_FACTS,
        advice=(
            (
                "Fix the error that AWS reports, then copy back again, for the addresses:",
                "cabal-backup copy-back addresses -e {environment}",
            ),
            ("Or for the mail:", "cabal-backup copy-back mailstore -e {environment}"),
            _JOBS,
        ),
    ),
    "Restore Job State Change": Job(
        title="Restore",
        state="status",
        resource=("sourceResourceArn", "createdResourceArn", "recoveryPointArn", "source"),
        facts={
            "Recovery point": "source",
            "Restored to": "createdResourceArn",
            "Job": "restoreJobId",
            "Started": "creationDate",
            "Test": "restoreTestingPlanArn",
        },
        advice=(("Fix the error that AWS reports, then restore again.", ""), _JOBS),
    ),
    "Recovery Point State Change": Job(
        title="Recovery point",
        state="status",
        facts={"Recovery point": "source", "Vault": "backupVaultName", "Created": "creationDate"},
        advice=(
            (
                "Its retention is over, and AWS Backup could not delete it: usually the role that "
                "made it was deleted, or lacks the permission. It costs until it is deleted:",
                "cabal-backup status -e {environment} --only role,primary-points,dr-points",
            ),
        ),
    ),
    names.RESTORE_TEST_EVENT: Job(
        title="Restore test",
        state="verdict",
        facts={"Job": "restoreJobId"},
        advice=(
            (
                "What was restored differs from the live resource. Look at it before AWS Backup "
                "deletes it; the next real restore may end the same way:",
                "aws backup describe-restore-job --region {region} --restore-job-id={restoreJobId}",
            ),
            STATUS,
        ),
    ),
}
"""By detail-type."""

_REVERT = (
    "Unless it was you, restore the plan:",
    'make deploy ENVIRONMENT={environment} ARGS="--revert-drift"',
)
_POINTS = ("The recovery points that are left:", "cabal-backup points -e {environment}")

ADVICE: Mapping[str, tuple[str, str]] = {
    "lock": (
        "Unless it was you, lock the vault again now:",
        "cabal-backup relock -e {environment}",
    ),
    "points": _POINTS,
    "vault": (
        "Unless it was you, look at the vault:",
        "aws backup get-backup-vault-access-policy --region={where} --backup-vault-name={vault}",
    ),
    "plan": _REVERT,
    "opt-in": (
        "Recovery points of the table made without it can never be copied. Switch it on now:",
        "aws backup update-region-settings --region={where} --resource-type-opt-in-preference "
        "DynamoDB=true --resource-type-management-preference DynamoDB=true",
    ),
    "copy": ("Unless it was you, find out who copies your backups:", _JOBS[1]),
    "pitr": (
        "Unless it was you, switch it on again; what was restorable before is lost:",
        "aws dynamodb update-continuous-backups --region={where} --table-name={tableName} "
        "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
    ),
    "role": (
        "Without the role nothing is backed up, restored or expired. Look at it:",
        "cabal-backup status -e {environment} --only role",
    ),
    "monitoring": (
        "Unless it was you, the monitoring is being silenced. Restore it, then look at everything:",
        'make deploy ENVIRONMENT={environment} ARGS="--revert-drift"',
    ),
    "refused": (
        "Nothing was changed. Find out who it was, and why they tried:",
        "aws cloudtrail lookup-events --region={where} --lookup-attributes "
        "AttributeKey=EventName,AttributeValue={eventName}",
    ),
}
"""What to do about a change, by what it is about."""
