"""Backup, copy and restore jobs: listed, described, and followed to their end.

AWS Backup has no waiters. What goes wrong while asking about a job says nothing about
the job: it is *unknown*, never *failed*, and every wait has an end.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup.errors import (
    AwsError,
    CredentialsError,
    FollowingInterrupted,
    NotFoundError,
    UnknownError,
)
from cabal_backup.operations.aws.client import Aws, in_words, reason, worded
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.aws.responses import RawAnswer, error_code
from cabal_backup.operations.aws.results import Unknown, ask_together, entries
from cabal_backup.text import duration
from cabal_backup.urgent import FAILED_STATES

T = TypeVar("T")

KEPT = timedelta(days=30)
"""How long AWS Backup lists jobs."""

DEFAULT_START_WINDOW = timedelta(hours=8)
"""How late AWS Backup may start a job, unless the rule says otherwise.

https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupRule.html
"""

RUNNING = ("CREATED", "PENDING", "RUNNING")
"""The states of a job that may still do what it is for."""

LONGEST = timedelta(hours=24)
"""How long a job is followed unless the caller knows better."""

ANSWER_TIMEOUT = timedelta(minutes=15)
"""How long AWS may give no answer before following ends."""

FIRST_WAIT = 2.0
LONGEST_WAIT = 30.0
"""Seconds between two requests; each wait is 1.5 times as long as the one before."""


def restore_value(metadata: Mapping[str, str], key: str) -> str | None:
    """A value of a restore's metadata; None where it has none.

    AWS writes the keys in more than one way: `targetTableName`, and `TargetTableName` in its
    own example.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-dynamodb.html
    """
    return next((v for k, v in metadata.items() if k.lower() == key.lower()), None)


class JobKind(StrEnum):
    """The kinds of jobs of AWS Backup."""

    BACKUP = "backup"
    COPY = "copy"
    RESTORE = "restore"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job, as AWS Backup describes it; by default as one that has just been started."""

    kind: JobKind
    id: str
    region: str
    state: str = "CREATED"
    message: str = ""
    """AWS's reason, where it gives one."""
    percent: str | None = None
    """A number in a string, as AWS gives it, without its percent sign."""
    created: datetime
    completed: datetime | None = None
    resource_arn: str
    resource_type: str
    recovery_point_arn: str = ""
    vault: str
    """The vault it writes to, or restores from."""
    created_resource_arn: str = ""
    """What a restore made; empty until it has."""

    @property
    def finished(self) -> bool:
        """Whether its state is final."""
        return self.state in _FINISHED

    @property
    def completed_well(self) -> bool:
        """Whether it completed."""
        return self.state == "COMPLETED"


@dataclass(frozen=True)
class Progress:
    """One step of a longer operation, and how much of it is done."""

    step: str
    """What is being done, such as `writing`."""
    done: int = 0
    total: int | None = None
    """In the unit of `done`; None where it is not known, and an estimate for a table."""
    unit: str = "items"


Event = str | Progress | Job | Unknown
"""What an operation reports: a sentence for the operator, the progress of a step, a job as it is
now, or why AWS gave no answer."""

Report = Callable[[Event], None]
"""Takes the events of an operation. What it raises ends the operation, which may clean up."""


@dataclass(frozen=True, kw_only=True)
class Wait(Generic[T]):
    """What `follow_until` waits for."""

    question: Callable[[], T]
    finished: Callable[[T], bool]
    event: Callable[[T], Event | None]
    """What to report of an answer; None for nothing."""
    what: str
    """What is waited for, as in "the restore job 1234"."""
    pick_up: str
    """The command with which to follow it again."""
    longest: timedelta = LONGEST


_FINISHED = {"COMPLETED", *FAILED_STATES}

_CALLS = {
    JobKind.BACKUP: ("list_backup_jobs", "BackupJobs", "describe_backup_job", "BackupJobId"),
    JobKind.COPY: ("list_copy_jobs", "CopyJobs", "describe_copy_job", "CopyJobId"),
    JobKind.RESTORE: ("list_restore_jobs", "RestoreJobs", "describe_restore_job", "RestoreJobId"),
}
_NO_SUCH_JOB = {"ResourceNotFoundException", "InvalidParameterValueException"}


@dataclass(frozen=True)
class Listing:
    """The jobs of both regions, the newest first, and what could not be asked."""

    jobs: tuple[Job, ...]
    unknown: Mapping[str, str]


def list_jobs(aws: Aws, now: datetime, *, since: timedelta) -> Listing:
    """Every job in the primary and the DR region; AWS Backup remembers 30 days."""

    def ask_for(kind: JobKind, region: str) -> list[RawAnswer]:
        operation, result, _, _ = _CALLS[kind]
        listing = getattr(aws.client("backup", region), operation)
        return entries(listing, result, ByCreatedAfter=now - since)

    asked = [(kind, region) for region in aws.environment.regions for kind in JobKind]
    jobs: list[Job] = []
    unknown: dict[str, str] = {}
    answers = ask_together({one: partial(ask_for, *one) for one in asked})
    for (kind, region), answer in answers.items():
        if isinstance(answer, Unknown):
            unknown[f"{kind} jobs in {region}"] = answer.reason
        else:
            jobs += [_job(kind, region, entry) for entry in answer.value]
    jobs.sort(key=lambda job: (job.created, job.id), reverse=True)
    return Listing(tuple(jobs), unknown)


def list_described(
    aws: Aws,
    kind: JobKind,
    now: datetime,
    wanted: Callable[..., bool] = lambda _: True,
    *,
    region: str | None = None,
    **filters: object,
) -> list[Job]:
    """The jobs of one kind and 30 days that are wanted, the newest first, each as it is now.

    Of those that are not finished the listing may be late: they are asked for by themselves.

    :param wanted: takes an entry of AWS Backup's list; all are wanted by default.
    :param region: where they run; by default the region to act in.
    :param filters: of that list.

    Raises botocore's errors.
    """
    operation, result, _, _ = _CALLS[kind]
    listing = getattr(aws.client("backup", region), operation)
    listed = entries(listing, result, ByCreatedAfter=now - KEPT, **filters)
    where = region or aws.region
    jobs = [_job(kind, where, entry) for entry in listed if wanted(entry)]
    jobs = [job if job.finished else describe_job(aws, kind, job.id, region=where) for job in jobs]
    return sorted(jobs, key=lambda job: (job.created, job.id), reverse=True)


def describe_job(aws: Aws, kind: JobKind, job_id: str, *, region: str | None = None) -> Job:
    """One job as it is now; raises botocore's error when AWS does not say."""
    where = region or aws.region
    _, _, operation, parameter = _CALLS[kind]
    answer = getattr(aws.client("backup", where), operation)(**{parameter: job_id})
    return _job(kind, where, answer.get("CopyJob", answer))


def find_job(aws: Aws, job_id: str) -> Job:
    """The job with this id, whatever its kind, in either region.

    Raises NotFoundError when there is none, CabalBackupError when AWS will not say.
    """
    refused: BotoCoreError | ClientError | None = None
    for region in aws.environment.regions:
        for kind in (JobKind.RESTORE, JobKind.COPY, JobKind.BACKUP):
            try:
                return describe_job(aws, kind, job_id, region=region)
            except (BotoCoreError, ClientError) as error:
                if error_code(error) not in _NO_SUCH_JOB:
                    refused = error
    if refused is not None:
        raise in_words(refused, f"looking for the job {job_id}") from refused
    regions = " or ".join(aws.environment.regions)
    raise NotFoundError(
        f"There is no job {job_id} in {regions}. `cabal-backup jobs --days 30 "
        f"{aws.environment.options}` lists those of the last 30 days."
    )


def follow(
    aws: Aws, job: Job, clock: Clock, report: Report, *, longest: timedelta = LONGEST
) -> Job:
    """Look at a job until it is finished, report each look, and return how it ended.

    Raises UnknownError when it runs longer than `longest` or AWS has given no answer for
    ANSWER_TIMEOUT, CredentialsError when the credentials are not valid any more. The job itself
    continues in each case.
    """
    wait = Wait(
        question=lambda: describe_job(aws, job.kind, job.id, region=job.region),
        finished=lambda seen: seen.finished,
        event=lambda seen: seen,
        what=f"{job.kind} job {job.id}",
        pick_up=f"`cabal-backup jobs watch {job.id} {aws.environment.options}`",
        longest=longest,
    )
    return follow_until(wait, clock, report)


class RestoreRequest(NamedTuple):
    """What is restored, as which role, and how."""

    point: RecoveryPoint
    role_arn: str
    metadata: Mapping[str, str]
    token: str | None = None
    """The idempotency token; by default one for the call."""


def start_restore(aws: Aws, request: RestoreRequest, now: datetime) -> Job:
    """Start a restore job in the region to act in.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    point = request.point
    with worded(f"starting the restore of {point.arn}"):
        started = aws.client("backup").start_restore_job(
            RecoveryPointArn=point.arn,
            IamRoleArn=request.role_arn,
            ResourceType=point.resource_type,
            Metadata=request.metadata,
            # A lost answer makes botocore ask again: the token keeps that one job.
            IdempotencyToken=request.token or str(uuid.uuid4()),
        )
    return Job(
        kind=JobKind.RESTORE,
        id=started["RestoreJobId"],
        region=aws.region,
        created=now,
        resource_arn=point.resource_arn,
        resource_type=point.resource_type,
        recovery_point_arn=point.arn,
        vault=aws.vault,
    )


def follow_restore(aws: Aws, job: Job, clock: Clock, report: Report, *, longest: timedelta) -> Job:
    """Report how to watch a restore job, and follow it; see `follow`."""
    report(
        f"Restore job {job.id}. It continues if this command ends; to watch it: "
        f"cabal-backup jobs watch {job.id} {aws.environment.options}"
    )
    return job if job.finished else follow(aws, job, clock, report, longest=longest)


def wait_until_deleted(
    question: Callable[[], object | None], name: str, pick_up: str, clock: Clock, report: Report
) -> None:
    """Ask until the answer is None, for half an hour at most; raises as `follow`."""
    wait = Wait(
        question=question,
        finished=lambda there: there is None,
        event=lambda there: None if there is None else Progress(f"deleting {name}"),
        what=f"deletion of {name}",
        pick_up=pick_up,
        longest=timedelta(minutes=30),
    )
    follow_until(wait, clock, report)


def follow_until(wait: Wait[T], clock: Clock, report: Report) -> T:
    """Ask again and again until the answer is that it is finished; see `follow`.

    Raises FollowingInterrupted on Ctrl-C.
    """
    try:
        return _follow_until(wait, clock, report)
    except KeyboardInterrupt as interrupt:
        raise FollowingInterrupted(
            f"The {wait.what} continues. To follow it again: {wait.pick_up}"
        ) from interrupt


def _follow_until(wait: Wait[T], clock: Clock, report: Report) -> T:
    began = answered = clock.now()
    pause = FIRST_WAIT
    while True:
        try:
            seen = wait.question()
        except (BotoCoreError, ClientError) as error:
            worded = in_words(error, f"asking about {wait.what}")
            if isinstance(worded, CredentialsError):
                raise CredentialsError(
                    f"{worded} The {wait.what} continues. To follow it again: {wait.pick_up}"
                ) from error
            if clock.now() - answered > ANSWER_TIMEOUT:
                raise UnknownError(
                    f"AWS has not reported the state of the {wait.what} for "
                    f"{duration(ANSWER_TIMEOUT)} ({reason(error)}). It continues. To follow it "
                    f"again: {wait.pick_up}"
                ) from error
            report(Unknown(reason(error)))
        else:
            answered = clock.now()
            event = wait.event(seen)
            if event is not None:
                report(event)
            if wait.finished(seen):
                return seen
        if clock.now() - began > wait.longest:
            raise UnknownError(
                f"The {wait.what} is not finished after {duration(wait.longest)}. It continues. "
                f"To follow it again: {wait.pick_up}"
            )
        clock.sleep(pause)
        pause = min(LONGEST_WAIT, pause * 1.5)


def failure(job: Job) -> AwsError:
    """The error for a job that did not complete, with AWS's own reason."""
    said = job.message or "AWS gave no reason."
    return AwsError(f"The {job.kind} job {job.id} ended {job.state}. AWS says: {said}")


def _job(kind: JobKind, region: str, entry: RawAnswer) -> Job:
    percent = entry.get("PercentDone")
    arn = entry.get("DestinationBackupVaultArn") or entry.get("BackupVaultArn") or ""
    return Job(
        kind=kind,
        id=entry[_CALLS[kind][3]],
        region=region,
        # Restore jobs call it Status, the others State.
        state=entry.get("Status") or entry["State"],
        message=entry.get("StatusMessage") or "",
        percent=percent.rstrip("%") if percent else None,
        created=entry["CreationDate"],
        completed=entry.get("CompletionDate"),
        resource_arn=entry.get("ResourceArn") or entry.get("SourceResourceArn") or "",
        resource_type=entry.get("ResourceType") or "",
        recovery_point_arn=entry.get("DestinationRecoveryPointArn")
        or entry.get("RecoveryPointArn")
        or "",
        vault=entry.get("BackupVaultName") or arn.rpartition(":")[2],
        created_resource_arn=entry.get("CreatedResourceArn") or "",
    )
