"""Questions that AWS's documentation leaves open, or left open, and what this service does.

For an open question the service implements the reading that is harder for the client, so that a
tool that works here does not depend on a lenient AWS. A question with a source is settled.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """One question. `setting` is the field of `Settings` that chooses another answer."""

    question: str
    answer: str
    setting: str | None = None
    source: str | None = None
    """What settled it: a page of AWS, or a record of AWS's real answers."""


READINGS = (
    Reading(
        "May two selections of one plan have the same name?",
        "No: AlreadyExistsException. CloudFormation creates the replacement of a selection before "
        "it deletes the old one.",
        "same_selection_name_refused",
    ),
    Reading(
        "How long after a change of a role does AWS Backup see its earlier version?",
        "By default not at all. With the setting, until then a new role cannot be assumed and new "
        "policies have no effect, also for Lambda functions.",
        "iam_propagation",
    ),
    Reading(
        "How long after a call does EventBridge get its event from CloudTrail?",
        "By default at once. With the setting so much later, and it is matched against the rules "
        "that are enabled then; AWS promises no time.",
        "trail_event_delay",
    ),
    Reading(
        "Which exception refuses DeleteRecoveryPoint and UpdateRecoveryPointLifecycle in a "
        "locked vault?",
        "InvalidRequestException; AccessDeniedException and InvalidParameterValueException can "
        "be chosen, because all three have been reported.",
        "locked_delete_error",
    ),
    Reading(
        "What is the error of reading a vault that does not exist?",
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
        "PutBackupVaultLockConfiguration without ChangeableForDays before the lock date?",
        "The lock date stays. Only DeleteBackupVaultLockConfiguration ends compliance mode.",
    ),
    Reading(
        "Deleting a vault right after its last recovery point was deleted?",
        "Refused once more with ERROR_9101, then accepted.",
        "emptied_vault_refuses_once",
    ),
    Reading(
        "Does a region need the DynamoDB opt-in to copy or restore an existing advanced recovery "
        "point in it?",
        "No: a point from a time with the opt-in can still be copied and restored. With the "
        "setting, the region where the job runs needs it.",
        "advanced_features_needed_everywhere",
        source="AWS Backup Developer Guide, Advanced DynamoDB backup",
    ),
    Reading(
        "How many items may ItemsToRestore have?",
        "Five; more are refused with InvalidParameterValueException.",
        "restore_item_limit",
    ),
    Reading(
        "How long does DescribeTable not find a new table?",
        "Two seconds, whether it was created or restored. AWS says that this can happen, not for "
        "how long.",
        "table_visibility",
    ),
    Reading(
        "How long is a table CREATING after CreateTable?",
        "Four seconds, in which its items can be neither read nor written. A table of a restore "
        "job of AWS Backup is ACTIVE when the job is COMPLETED.",
        "table_creation",
    ),
    Reading(
        "How long is a table UPDATING after UpdateTable, and which calls are refused then?",
        "Two seconds, whatever was changed. UpdateTable, DeleteTable, UpdateTimeToLive, "
        "TagResource and UntagResource are refused with ResourceInUseException, "
        "UpdateContinuousBackups with ContinuousBackupsUnavailableException; the same for a table "
        "that is CREATING. AWS documents it for the first two.",
        "table_update",
    ),
    Reading(
        "How long is a deleted table DELETING?",
        "Two seconds, in which its name cannot be used. Its items can be read and written, as AWS "
        "says that they might.",
        "table_deletion",
    ),
    Reading(
        "How long are the tags of a table from before TagResource or UntagResource listed?",
        "Two seconds, in which another change of tags is refused with LimitExceededException. AWS "
        "says a few seconds; more than ten were observed.",
        "table_tags",
    ),
    Reading(
        "Are writes within the second that RestoreTableToPointInTime names restored?",
        "Yes. They can be excluded: for a moment before a fault that is the kinder reading, for a "
        "moment after a write the harder one.",
        "restored_second",
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
        "After 15 minutes; 10 to 38 were observed. A plan that is changed in between does not run "
        "that night.",
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
        "Which recovery points does a legal hold cover?",
        "Those that exist when it is created, without CREATING, EXPIRED and DELETING ones. Points "
        "that should have expired during the hold do so when it is cancelled.",
    ),
    Reading(
        "Does a legal hold with VaultNames and ResourceIdentifiers cover what matches both?",
        "What matches either, with the dates of DateRange.",
    ),
    Reading(
        "Are the 50 legal holds of an account those of a region?",
        "No, of all regions together. Other quotas on the same page say per Region.",
    ),
    Reading(
        "Does a recovery point under a legal hold move to cold storage on its date?",
        "No, but when the hold is cancelled. API_LegalHold says that this is delayed, the "
        "Developer Guide only that deletion is. DescribeRecoveryPoint has the storage class.",
        "held_points_cool",
    ),
    Reading(
        "Does a legal hold keep recovery points while it is CREATING or CANCELING?",
        "No: they can be deleted, expire and move to cold storage.",
        "legal_hold_duration",
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
        "In which order are lists returned?",
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
        "Who needs iam:CreateServiceLinkedRole for AWSServiceRoleForBackupRestoreTesting?",
        "With authentication, the caller of CreateRestoreTestingSelection, as long as the role "
        "does not exist; AWS Backup does not create it here. CloudFormation needs nothing.",
    ),
    Reading(
        "How long is the evaluation range of a CloudWatch alarm with missing points?",
        "5/3 of EvaluationPeriods, rounded up, as in AWS's example; another page says that it is "
        "EvaluationPeriods. All points in it count before a missing one.",
    ),
    Reading(
        "Which permission does AWS Backup need to delete or expire a recovery point?",
        "The one that created it (dynamodb:StartAwsBackupJob, elasticfilesystem:Backup), or "
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
        "InvalidParameterValueException when the plan is created; a vault that is deleted later "
        "fails the job.",
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
        "Which kmsMasterKeyArn restores a table with the AWS-managed key of DynamoDB?",
        "Only `Not Applicable`. The ARN of that key fails the job, like that of any key that is "
        "not an enabled customer key.",
    ),
    Reading(
        "Which key does a table from RestoreTableFromBackup have?",
        "The one that SSESpecificationOverride names, otherwise the key that DynamoDB owns.",
        source="AWS Backup Developer Guide, Restore a DynamoDB table: encryptionType",
    ),
    Reading(
        "A restore to a new file system with the creation token of one that exists?",
        "The job ends FAILED, as CreateFileSystem does with FileSystemAlreadyExists.",
        source="Amazon EFS User Guide, API CreateFileSystem",
    ),
    Reading(
        "May file-system-id of a restore be another file system than the one that was backed up?",
        "No: the job ends FAILED, also with newFileSystem. AWS describes it as the file system "
        "that is backed up.",
    ),
    Reading(
        "An item to restore with wildcard characters?",
        "InvalidParameterValueException, also if the recovery point has a file of that name.",
        source="AWS Backup Developer Guide, Restore an Amazon EFS file system",
    ),
    Reading(
        "An item to restore that the recovery point does not have?",
        "The job ends FAILED and nothing is written.",
    ),
    Reading(
        "Owner and mode of `aws-backup-restore_<timestamp>`?",
        "Those of the file system's root at the time of the backup.",
    ),
    Reading(
        "Which tags does a recovery point have?",
        "Those of its resource and of the plan; a copy has those of its source.",
        source="AWS Backup Developer Guide, Copy tags onto backups",
    ),
    Reading(
        "The lifecycle of a DynamoDB backup without advanced features?",
        "DeleteAfterDays applies, MoveToColdStorageAfterDays is ignored, and "
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
        "Does a vault's access policy apply to the jobs of a plan, which AWS Backup starts?",
        "Yes, with the job's role as the principal: StartBackupJob, StartCopyJob, "
        "CopyFromBackupVault and CopyIntoBackupVault fail the job.",
    ),
    Reading(
        "A restore test without ValidationWindowHours?",
        "The restored resource is deleted at once, without a validation result. "
        "PutRestoreValidationResult accepts SUCCESSFUL or FAILED, once, during the window.",
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
        "Is a logically air-gapped vault AVAILABLE when its stack is complete?",
        "No: it stays CREATING for three minutes, in which jobs into it fail. It can be shared.",
        "air_gapped_creation",
    ),
    Reading(
        "How long does a logically air-gapped vault exist after DeleteBackupVault?",
        "Three minutes, in which it is described as before and its name cannot be used. An empty "
        "one can be deleted, although it is locked in compliance mode.",
        "air_gapped_deletion",
    ),
    Reading(
        "May a backup or a rule name a logically air-gapped vault as BackupVaultName?",
        "No: InvalidParameterValueException. Primary backups in such a vault are not served.",
    ),
    Reading(
        "Which vaults does ListBackupVaults return without ByVaultType?",
        "No logically air-gapped ones. Those that other accounts share only with ByShared.",
    ),
    Reading(
        "What does a vault with a key that AWS owns have as EncryptionKeyArn?",
        "Nothing, nor do its recovery points.",
    ),
    Reading(
        "What does the owner of a resource share see of an invitation that expired?",
        "Nothing: the account stays ASSOCIATING. Only disassociating and associating it again "
        "invites it again. A rejected invitation is FAILED.",
        "invitation_validity",
    ),
    Reading(
        "How long is a deleted resource share listed?",
        "Forever, as DELETED.",
    ),
    Reading(
        "Does a restore from a shared vault end when the share does?",
        "Yes: the job fails, also if it is running.",
    ),
    Reading(
        "Which vaults may a copy from a logically air-gapped vault enter?",
        "Those of its own account: another logically air-gapped one, or a backup vault with a "
        "customer managed key, and only in a job on demand. Others fail the job.",
        source="AWS Backup Developer Guide, Logically air-gapped vault",
    ),
    Reading(
        "May a rule's copy action name a logically air-gapped vault of another region?",
        "Yes, for EFS and for DynamoDB with advanced features.",
        source="AWS Backup Developer Guide, Logically air-gapped vault; Feature availability by "
        "resource",
    ),
    Reading(
        "Nights missed while a region was lost?",
        "They start late if the region is back within the start window, otherwise not.",
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
        "With which permissions are expired recovery points deleted?",
        "Those of AWSServiceRoleForBackup; without that role they become EXPIRED.",
        source="AWS Backup Developer Guide, Deleting backups",
    ),
    Reading(
        "What is the state of a job that is completed with issues?",
        "COMPLETED, with a StatusMessage.",
        source="AWS Backup Developer Guide, Monitoring events with EventBridge",
    ),
    Reading(
        "May two backup plans have the same name?",
        "Yes; each has an id of its own.",
        source="https://github.com/ansible/ansible/issues/53655",
    ),
    Reading(
        "Does a session of an assumed role have aws:MultiFactorAuthPresent?",
        "No. Only the role's trust policy can require it.",
        source="IAM User Guide, Configuring MFA-protected API access",
    ),
    Reading(
        "Which resources remain when the first creation of a stack is rolled back?",
        "Those with DeletionPolicy Retain, not those with RetainExceptOnCreate. Termination "
        "protection stays on.",
        source="CloudFormation User Guide, DeletionPolicy attribute",
    ),
    Reading(
        "How long may the evaluation range of a CloudWatch alarm be?",
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
