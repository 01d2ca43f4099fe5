"""Does AWS behave as this project expects, where AWS's documents leave it open?

Each question is answered by what one deployed environment shows; nothing is changed. What only a
change can show is in docs/first-deployment.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from cabal_backup import names
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.jobs import DEFAULT_START_WINDOW
from cabal_backup.operations.aws.recovery_points import RecoveryPoint, list_recovery_points
from cabal_backup.operations.aws.responses import RawAnswer
from cabal_backup.operations.aws.results import Unknown, ask, entries

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import BackupJobTypeDef

NO_SUCH_VAULT = "cabal-backup-no-such-vault"
NO_SUCH_JOB = "00000000-0000-0000-0000-000000000000"


class Result(StrEnum):
    """How an expectation and what was seen compare."""

    MATCHED = "matched"
    DIFFERENT = "different"
    NOT_SEEN = "not seen yet"
    UNKNOWN = "unknown"
    """AWS refused to answer, or did not answer."""


@dataclass(frozen=True)
class Observation:
    """What was seen of one question."""

    result: Result
    evidence: str


@dataclass(frozen=True)
class Question:
    """One open question, and the answer that this project expects."""

    id: str
    question: str
    expected: str
    look: Callable[[Evidence], Observation]


@dataclass(frozen=True)
class QuestionResult:
    """A question with its observation."""

    question: Question
    observation: Observation


class Evidence:
    """What the questions look at; what several need is read once."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.regions = aws.environment.regions

    @cached_property
    def jobs(self) -> Sequence[BackupJobTypeDef]:
        """The backup jobs of the primary region."""
        return entries(self.aws.client("backup").list_backup_jobs, "BackupJobs")

    @cached_property
    def points(self) -> Sequence[RecoveryPoint]:
        """Of the primary vault, in the order that AWS lists them."""
        return list_recovery_points(self.aws.client("backup"), names.VAULT)

    @cached_property
    def copies(self) -> Sequence[RecoveryPoint]:
        """Of the DR vault."""
        backup = self.aws.client("backup", self.aws.environment.dr_region)
        return list_recovery_points(backup, names.DR_VAULT)

    def calls(self, name: str, region: str) -> Iterator[RawAnswer]:
        """CloudTrail's records of the calls of this name, the newest first, up to 50."""
        answer = self.aws.client("cloudtrail", region).lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}]
        )
        yield from (json.loads(event["CloudTrailEvent"]) for event in answer["Events"])


def verify(aws: Aws) -> tuple[QuestionResult, ...]:
    """Every question with what the environment shows of it. Never raises for one of them."""
    evidence = Evidence(aws)
    return tuple(QuestionResult(question, _observe(question, evidence)) for question in QUESTIONS)


def _observe(question: Question, evidence: Evidence) -> Observation:
    seen = ask(lambda: question.look(evidence))
    return Observation(Result.UNKNOWN, seen.reason) if isinstance(seen, Unknown) else seen.value


def _compared(matches: bool, evidence: str) -> Observation:
    return Observation(Result.MATCHED if matches else Result.DIFFERENT, evidence)


def _source_account(evidence: Evidence) -> Observation:
    role = evidence.aws.client("iam").get_role(RoleName=names.ROLE)["Role"]
    if "aws:SourceAccount" not in json.dumps(role["AssumeRolePolicyDocument"]):
        return Observation(Result.NOT_SEEN, "The role's trust policy has no such condition.")
    own = [job for job in evidence.jobs if job.get("IamRoleArn") == role["Arn"]]
    done = sum(job["State"] == "COMPLETED" for job in own)
    refused = sorted(
        {
            job.get("StatusMessage", "")
            for job in own
            if job["State"] == "FAILED" and "assume" in job.get("StatusMessage", "").lower()
        }
    )
    if not done and not refused:
        return Observation(Result.NOT_SEEN, "No backup job under the role has ended yet.")
    return _compared(bool(done), f"{done} backup jobs completed. {' '.join(refused)}".strip())


def _refusal(operation: str, expected: str, **parameters: str) -> Callable[..., Observation]:
    def look(evidence: Evidence) -> Observation:
        try:
            getattr(evidence.aws.client("backup"), operation)(**parameters)
        except ClientError as error:
            seen = error.response["Error"]
            return _compared(seen["Code"] == expected, f"{seen['Code']}: {seen.get('Message', '')}")
        return Observation(Result.DIFFERENT, "AWS Backup answered without an error.")

    return look


def _opt_in_record(evidence: Evidence) -> Observation:
    for region in evidence.regions:
        for record in evidence.calls("UpdateRegionSettings", region):
            sent = record.get("requestParameters") or {}
            spelled = [
                sent.get(name, {}).get(names.DYNAMODB)
                for name in ("resourceTypeOptInPreference", "resourceTypeManagementPreference")
            ]
            matches = all(str(value).lower() == "true" for value in spelled)
            return _compared(matches, json.dumps(sent))
    return Observation(Result.NOT_SEEN, "CloudTrail has no UpdateRegionSettings.")


def _opt_in_merges(evidence: Evidence) -> Observation:
    if not any(list(evidence.calls("UpdateRegionSettings", each)) for each in evidence.regions):
        return Observation(Result.NOT_SEEN, "CloudTrail has no UpdateRegionSettings.")
    settings = [
        evidence.aws.client("backup", region).describe_region_settings()
        for region in evidence.regions
    ]
    counts = [len(each["ResourceTypeOptInPreference"]) for each in settings]
    return _compared(
        min(counts) > 1, f"{' and '.join(map(str, counts))} resource types have a setting."
    )


def _selection_of_new_role(evidence: Evidence) -> Observation:
    checks = [
        record
        for record in evidence.calls("CreateBackupSelection", evidence.regions[0])
        if names.ROLE_CHECK in json.dumps(record.get("requestParameters"))
    ]
    if not checks:
        return Observation(Result.NOT_SEEN, f"CloudTrail has no selection {names.ROLE_CHECK}.")
    refused = [record for record in checks if record.get("errorCode")]
    # CloudTrail writes some error codes with a prefix, such as Client.…
    codes = {record["errorCode"].rpartition(".")[2] for record in refused}
    messages = sorted({str(record.get("errorMessage")) for record in refused})
    expected = {"InvalidParameterValueException", "AccessDeniedException", "AccessDenied"}
    return _compared(
        codes <= expected and len(checks) > len(refused),
        f"{len(refused)} of {len(checks)} calls were refused. {' '.join(messages)}".strip(),
    )


def _after_schedule(evidence: Evidence) -> Observation:
    created = [
        job["CreationDate"] for job in evidence.jobs if job.get("CreatedBy", {}).get("BackupPlanId")
    ]
    late = sorted(
        each - each.replace(hour=0, minute=0, second=0, microsecond=0) for each in created
    )
    if not late:
        return Observation(Result.NOT_SEEN, "There has been no night yet.")
    shown = f"{len(late)} jobs were created {late[0]} to {late[-1]} after 00:00 UTC."
    return _compared(late[-1] < DEFAULT_START_WINDOW, shown)


def _copy_dates(evidence: Evidence) -> Observation:
    pairs = _pairs(evidence)
    if not pairs:
        if evidence.copies and evidence.points:
            return Observation(Result.DIFFERENT, "No copy has the date of a recovery point.")
        return Observation(Result.NOT_SEEN, "There is no copy yet.")
    of = len(evidence.copies)
    return _compared(
        len(pairs) == of, f"{len(pairs)} of {of} copies have the date of their source."
    )


def _copy_tags(evidence: Evidence) -> Observation:
    pairs = _pairs(evidence)
    if not pairs:
        return Observation(Result.NOT_SEEN, "There is no copy yet.")
    regions = evidence.regions
    tags = [
        evidence.aws.client("backup", region).list_tags(ResourceArn=point.arn).get("Tags", {})
        for region, point in zip(regions, pairs[0], strict=True)
    ]
    source, copy = (sorted(each) for each in tags)
    return _compared(source == copy, f"Source: {source}. Copy: {copy}.")


def _pairs(evidence: Evidence) -> list[tuple[RecoveryPoint, RecoveryPoint]]:
    """Each copy whose source is still there, after the source."""
    sources = {(point.resource_arn, point.created): point for point in evidence.points}
    found = [(sources.get((copy.resource_arn, copy.created)), copy) for copy in evidence.copies]
    return [(source, copy) for source, copy in found if source is not None]


QUESTIONS = (
    Question(
        "source-account",
        "Does AWS Backup send `aws:SourceAccount` when it assumes the role?",
        "Yes: jobs complete under a role whose trust policy requires it.",
        _source_account,
    ),
    Question(
        "new-role",
        "How does AWS Backup refuse a selection whose role IAM does not show yet?",
        "With InvalidParameterValueException or AccessDenied, for less than 90 s.",
        _selection_of_new_role,
    ),
    Question(
        "opt-in-record",
        "How does CloudTrail spell the opt-in maps of UpdateRegionSettings?",
        "resourceTypeOptInPreference and resourceTypeManagementPreference, with the key DynamoDB.",
        _opt_in_record,
    ),
    Question(
        "opt-in-merges",
        "Does an opt-in map with DynamoDB alone leave the other resource types as they are?",
        "Yes: the region's settings still list other types.",
        _opt_in_merges,
    ),
    Question(
        "missing-vault",
        "What does DescribeBackupVault answer for a vault that does not exist?",
        "AccessDeniedException.",
        _refusal("describe_backup_vault", "AccessDeniedException", BackupVaultName=NO_SUCH_VAULT),
    ),
    Question(
        "missing-vault-points",
        "What does ListRecoveryPointsByBackupVault answer for a vault that does not exist?",
        "ResourceNotFoundException.",
        _refusal(
            "list_recovery_points_by_backup_vault",
            "ResourceNotFoundException",
            BackupVaultName=NO_SUCH_VAULT,
        ),
    ),
    Question(
        "unknown-job",
        "What does DescribeBackupJob answer for a job that does not exist?",
        "ResourceNotFoundException.",
        _refusal("describe_backup_job", "ResourceNotFoundException", BackupJobId=NO_SUCH_JOB),
    ),
    Question(
        "unknown-copy-job",
        "What does DescribeCopyJob answer for a job that does not exist?",
        "ResourceNotFoundException.",
        _refusal("describe_copy_job", "ResourceNotFoundException", CopyJobId=NO_SUCH_JOB),
    ),
    Question(
        "after-schedule",
        "How long after the schedule are the jobs of a night created?",
        "Less than eight hours.",
        _after_schedule,
    ),
    Question(
        "copy-dates", "Does a copy have the creation date of its source?", "Yes.", _copy_dates
    ),
    Question("copy-tags", "Does a copy carry the tags of its source?", "Yes.", _copy_tags),
)
