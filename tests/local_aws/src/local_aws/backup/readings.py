"""Where AWS's documents leave, or left, a question open, and what this service answers.

An open question is answered in the way that is harder on the client, so that a tool which works
here does not depend on a lenient AWS. A question with a source is settled.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """One question. `setting` names what in `Settings` chooses another answer."""

    question: str
    answer: str
    setting: str | None = None
    source: str | None = None
    """What settled it: a page of AWS's, or where real answers were recorded."""


READINGS = (
    Reading(
        "May two selections of one plan have the same name?",
        "No: AlreadyExistsException. CloudFormation creates the replacement of a selection before "
        "it deletes the old one.",
        "same_selection_name_refused",
    ),
    Reading(
        "How long after a change of a role does AWS Backup see it as it was?",
        "Not at all, and for five seconds during a deployment. A new role cannot be assumed, new "
        "policies do not count, and a Lambda function is refused what they allow.",
        "iam_propagation",
    ),
    Reading(
        "Which exception refuses DeleteRecoveryPoint and UpdateRecoveryPointLifecycle in a "
        "locked vault?",
        "InvalidRequestException; AccessDeniedException and InvalidParameterValueException can "
        "be chosen, because all three have been reported.",
        "locked_delete_error",
    ),
    Reading(
        "What does reading a vault that does not exist say?",
        "AccessDeniedException for DescribeBackupVault, the access policy, the notifications "
        "and the list of protected resources; ResourceNotFoundException for everything else.",
        "missing_vault_error",
    ),
    Reading(
        "DeleteBackupVaultLockConfiguration without a lock?",
        "InvalidRequestException.",
        "delete_missing_lock_refused",
    ),
    Reading(
        "Deleting a vault just after its last recovery point has gone?",
        "Refused once more with ERROR_9101, then accepted.",
        "emptied_vault_refuses_once",
    ),
    Reading(
        "Does a region need the DynamoDB opt-in to copy from it or to restore in it a point "
        "that already is an advanced one?",
        "No: a point made while it was on can still be copied and restored. With the setting, "
        "the region where the job runs needs it.",
        "advanced_features_needed_everywhere",
        source="AWS Backup Developer Guide, Advanced DynamoDB backup",
    ),
    Reading(
        "How many items does ItemsToRestore take?",
        "Five; more are refused with InvalidParameterValueException.",
        "restore_item_limit",
    ),
    Reading(
        "How long is a deleted recovery point still listed?",
        "As DELETING for ten seconds.",
        "deletion_duration",
    ),
    Reading(
        "When after its schedule does a backup start?",
        "After 20 minutes: AWS promises only the start window. The recovery point is created when "
        "the job starts.",
        "scheduled_start_delay",
    ),
    Reading(
        "When after its schedule is a job created?",
        "After 15 minutes; 10 to 38 have been seen. A plan that is changed in between does not "
        "run that night.",
        "scheduled_creation_delay",
    ),
    Reading(
        "When after DeleteAt is a recovery point deleted?",
        "At a random moment within 8 hours.",
        "longest_expiry_delay",
        source="AWS Backup Developer Guide, Lifecycle and storage tiers",
    ),
    Reading(
        "Which exception refuses DeleteRecoveryPoint under a legal hold?",
        "The same as in a locked vault.",
        "locked_delete_error",
    ),
    Reading(
        "What does a legal hold hold?",
        "The recovery points that are there when it is made; later ones are free. What should have "
        "expired meanwhile does so when it is cancelled.",
    ),
    Reading(
        "Is a recovery point listed while its job runs?",
        "Yes, with status CREATING; it disappears when the job fails or is stopped.",
    ),
    Reading(
        "May backup and copy jobs of one resource run at the same time?",
        "One job of either kind at a time; later ones stay CREATED.",
        source="AWS Backup Developer Guide, Creating a backup copy; quota Concurrent backup and "
        "copy jobs per resource",
    ),
    Reading(
        "In which order are lists?",
        "Newest first, by creation date; a copy has the creation date of its source. AWS "
        "promises no order.",
    ),
    Reading(
        "May a NextToken be used with other filters?",
        "No: InvalidParameterValueException.",
    ),
    Reading(
        "Unknown members in a request's body or query?",
        "InvalidParameterValueException, where AWS may ignore them.",
    ),
    Reading(
        "A used idempotency token with other parameters?",
        "InvalidParameterValueException. The token of a finished restore is refused with "
        "the same exception.",
    ),
    Reading(
        "Starting a backup of a resource that does not exist?",
        "The call succeeds, the job ends FAILED.",
    ),
    Reading(
        "Starting a backup of a resource type that is not opted in?",
        "On demand: InvalidRequestException. On schedule: no job.",
    ),
    Reading(
        "A role that is missing, cannot be assumed or lacks permission?",
        "The call succeeds and the job ends FAILED with category AccessDenied; only "
        "CreateBackupSelection and the two of restore testing selections refuse a role that AWS "
        "Backup may not assume, and the first one that may not call tag:GetResources.",
    ),
    Reading(
        "Which permission does AWS Backup need to delete or expire a recovery point?",
        "The one that made it (dynamodb:StartAwsBackupJob, elasticfilesystem:Backup), or "
        "dynamodb:DeleteBackup for a DynamoDB backup; without it the point becomes EXPIRED.",
    ),
    Reading(
        "Which permissions does a copy need?",
        "backup:CopyIntoBackupVault on the destination vault and backup:CopyFromBackupVault on the "
        "recovery point, both on the job's role and checked before the destination is looked up. "
        "The condition key backup:CopyTargets has the destination.",
    ),
    Reading(
        "A plan's rule whose vault does not exist?",
        "InvalidParameterValueException when the plan is made; a vault that went later fails "
        "the job.",
    ),
    Reading(
        "A copy job into a vault that does not exist, or in another account?",
        "The call succeeds, the job ends FAILED.",
    ),
    Reading(
        "Restore metadata that AWS does not document?",
        "InvalidParameterValueException.",
    ),
    Reading(
        "Which kmsMasterKeyArn restores a table under the AWS-managed key of DynamoDB?",
        "`Not Applicable` only: the ARN of that key fails the job, as that of any key that is "
        "not an enabled customer key.",
    ),
    Reading(
        "Which key has a table that RestoreTableFromBackup made?",
        "The one that SSESpecificationOverride names, otherwise the key that DynamoDB owns.",
        source="AWS Backup Developer Guide, Restore a DynamoDB table: encryptionType",
    ),
    Reading(
        "An item to restore that the recovery point does not have?",
        "The job ends FAILED and nothing is written.",
    ),
    Reading(
        "Owner and mode of `aws-backup-restore_<timestamp>`?",
        "Those of the file system's root when the backup was made.",
    ),
    Reading(
        "Which tags has a recovery point?",
        "Those of its resource and of the plan; a copy has those of its source.",
        source="AWS Backup Developer Guide, Copy tags onto backups",
    ),
    Reading(
        "The lifecycle of a DynamoDB backup without advanced features?",
        "DeleteAfterDays counts, MoveToColdStorageAfterDays is ignored, and "
        "UpdateRecoveryPointLifecycle is refused with InvalidParameterValueException.",
    ),
    Reading(
        "Events of vault notifications that AWS calls deprecated (BACKUP_JOB_FAILED and others)?",
        "Accepted and never sent. Copy jobs notify through the source vault.",
    ),
    Reading(
        "A Deny in a vault's access policy with a condition on anything but aws:PrincipalArn?",
        "Not applied.",
    ),
    Reading(
        "Does a vault's access policy bind the jobs of a plan, which AWS Backup itself starts?",
        "Yes, with the job's role as the principal: StartBackupJob, StartCopyJob, "
        "CopyFromBackupVault and CopyIntoBackupVault fail the job.",
    ),
    Reading(
        "A restore test without ValidationWindowHours?",
        "What it restored is deleted at once and takes no verdict. PutRestoreValidationResult "
        "takes SUCCESSFUL or FAILED, once, only while the window is open.",
    ),
    Reading(
        "rate() in schedules?",
        "Refused: AWS documents cron expressions only, for plans and for restore tests.",
    ),
    Reading(
        "A backup rule that runs more than once an hour?",
        "InvalidParameterValueException.",
    ),
    Reading(
        "Nights missed while a region was lost?",
        "They start late when the region is back within the start window, and not at all after.",
    ),
    Reading(
        "GetBackupPlan of a deleted plan?",
        "ResourceNotFoundException, except with a VersionId.",
    ),
    Reading(
        "A job that runs past its completion window (seven days by default)?",
        "EXPIRED.",
    ),
    Reading(
        "Under which permissions are recovery points deleted that are due?",
        "Those of AWSServiceRoleForBackup; without that role they become EXPIRED.",
        source="AWS Backup Developer Guide, Deleting backups",
    ),
    Reading(
        "How does a job end that is completed with issues?",
        "COMPLETED, with a StatusMessage.",
        source="AWS Backup Developer Guide, Monitoring events with EventBridge",
    ),
    Reading(
        "May two backup plans have the same name?",
        "Yes; each has an id of its own.",
        source="https://github.com/ansible/ansible/issues/53655",
    ),
    Reading(
        "Does a session of an assumed role carry aws:MultiFactorAuthPresent?",
        "No. Only the role's trust policy can ask for it.",
        source="IAM User Guide, Configuring MFA-protected API access",
    ),
    Reading(
        "What is left when the first creation of a stack is rolled back?",
        "What has DeletionPolicy Retain; not what has RetainExceptOnCreate. Termination "
        "protection stays on.",
        source="CloudFormation User Guide, DeletionPolicy attribute",
    ),
    Reading(
        "How far back may a CloudWatch alarm look?",
        "Seven days, with periods of an hour or more. During its warm-up it stays "
        "INSUFFICIENT_DATA.",
        source="CloudWatch User Guide, Alarm evaluation; Alarm warm-up periods",
    ),
)


def as_markdown() -> str:
    """The tables of the open and of the settled questions, for the README."""
    return (
        "### Open\n\n"
        + _table(("where AWS is unclear", "here", "setting"), settled=False)
        + "\n### Settled\n\n"
        + _table(("question", "answer, here as on AWS", "setting", "source"), settled=True)
    )


def _table(titles: tuple[str, ...], *, settled: bool) -> str:
    rows = [titles, ("---",) * len(titles)]
    for reading in READINGS:
        if bool(reading.source) == settled:
            setting = f"`{reading.setting}`" if reading.setting else ""
            source = (reading.source,) if reading.source else ()
            rows.append((reading.question, reading.answer, setting, *source))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
