"""The words for each kind of event: titles, facts and advice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cabal_backup import names

Advice = tuple[tuple[str, str], ...]
"""What to do, each as a sentence and a command; {names} are filled in from the event."""

_LIST_JOBS = ("The jobs of the day:", "cabal-backup jobs -e {environment}")


class JobReport(NamedTuple):
    """How one kind of AWS Backup's jobs is reported."""

    title: str
    """Followed by the state."""
    sentence: str
    command: str = ""
    further: Advice = ()
    """What to do beside the sentence and the command."""


FACTS: Mapping[str, tuple[str, ...]] = {
    "Recovery point": ("source",),
    "Vault": ("backupVaultName",),
    "From": ("sourceBackupVaultArn",),
    "To": ("destinationBackupVaultArn",),
    "Restored to": ("createdResourceArn",),
    "Job": ("backupJobId", "copyJobId", "restoreJobId"),
    "Created": ("creationDate",),
    "Test": ("restoreTestingPlanArn",),
}
"""What a message shows of a job, by label: members of `detail`, of which the first that is there
counts; `source` is the recovery point.
"""

COPY = "Copy Job State Change"
THIRD_COPY, COPY_BACK = "Third Copy", "Copy Back"
"""Copies into the air-gapped vault and out of the DR vault, which AWS reports as any copy."""

JOBS: Mapping[str, JobReport] = {
    "Backup Job State Change": JobReport(
        "Backup",
        "Fix the error that AWS reports. The next night tries again; to back up now:",
        "cabal-backup backup now -e {environment}",
    ),
    COPY: JobReport(
        "Copy",
        "Fix the error that AWS reports. No later night repeats this copy; to copy now:",
        "cabal-backup copy now -e {environment}",
    ),
    THIRD_COPY: JobReport(
        "Copy to the air-gapped vault",
        "Fix the error that AWS reports. No later night repeats this copy; to see the command that "
        "does:",
        "cabal-backup status -e {environment} --only air-gapped",
    ),
    COPY_BACK: JobReport(
        "Copy back",
        "Fix the error that AWS reports, then copy back again, for the addresses:",
        "cabal-backup copy-back addresses -e {environment}",
        (("Or for the mail:", "cabal-backup copy-back mailstore -e {environment}"), _LIST_JOBS),
    ),
    "Restore Job State Change": JobReport(
        "Restore",
        "Fix the error that AWS reports, then restore again.",
        further=(_LIST_JOBS,),
    ),
    "Recovery Point State Change": JobReport(
        "Recovery point",
        "Its retention is over, and AWS Backup could not delete it: usually the role that made it "
        "was deleted, or lacks the permission. It costs until it is deleted:",
        "cabal-backup status -e {environment} --only role,primary-points,dr-points",
    ),
    names.RESTORE_TEST_EVENT: JobReport(
        "Restore test",
        "What was restored differs from the live resource. Look at it before AWS Backup deletes "
        "it; the next real restore may end the same way:",
        "aws backup describe-restore-job --region {region} --restore-job-id={restoreJobId}",
    ),
}
"""By detail-type."""

_REVERT = 'make deploy ENVIRONMENT={environment} ARGS="--revert-drift"'

ABOUT: Mapping[str, tuple[str, ...]] = {
    "lock": ("vault", "backupVaultName", "region"),
    "vault": ("vault", "backupVaultName", "region"),
    "points": ("points", "backupVaultName"),
    "plan": ("plan", "backupPlanId"),
    "opt-in": ("opt-in", "region"),
    "copy": ("copy", "destinationBackupVaultArn"),
}
"""What was changed, by the kind of the change: a word, and the members that identify it.

The same of AWS Backup's own event and of the call that it reports.
"""

ADVICE: Mapping[str, tuple[str, str]] = {
    "lock": (
        "Unless it was you, lock the vault again now:",
        "cabal-backup relock -e {environment}",
    ),
    "points": ("The recovery points that are left:", "cabal-backup points -e {environment}"),
    "vault": (
        "Unless it was you, look at the vault:",
        "aws backup get-backup-vault-access-policy --region={where} --backup-vault-name={vault}",
    ),
    "plan": ("Unless it was you, restore the plan:", _REVERT),
    "opt-in": (
        "Recovery points of the table made without it can never be copied. Switch it on now:",
        "aws backup update-region-settings --region={where} --resource-type-opt-in-preference "
        "DynamoDB=true --resource-type-management-preference DynamoDB=true",
    ),
    "copy": ("Unless it was you, find out who copies your backups:", _LIST_JOBS[1]),
    "pitr": (
        "Unless it was you, set it to its full length again; what was restorable before is lost:",
        "aws dynamodb update-continuous-backups --region={where} --table-name={tableName} "
        "--point-in-time-recovery-specification "
        f"PointInTimeRecoveryEnabled=true,RecoveryPeriodInDays={names.PITR_DAYS}",
    ),
    "role": (
        "Without the role nothing is backed up, restored or expired. Look at it:",
        "cabal-backup status -e {environment} --only role",
    ),
    "monitoring": (
        "Unless it was you, the monitoring is being silenced. Restore it, then look at everything:",
        _REVERT,
    ),
    "refused": (
        "Nothing was changed. Find out who it was, and why they tried:",
        "aws cloudtrail lookup-events --region={where} --lookup-attributes "
        "AttributeKey=EventName,AttributeValue={eventName}",
    ),
}
"""What to do about a change, by what it is about."""
