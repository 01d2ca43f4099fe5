"""Restoring the addresses table from a recovery point, always to a new table."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup import names
from cabal_backup.errors import AwsError, CabalBackupError, UsageError
from cabal_backup.operations.answers import Unknown, pages
from cabal_backup.operations.aws import Aws, in_words
from cabal_backup.operations.choose_point import choose_point
from cabal_backup.operations.clock import Clock
from cabal_backup.operations.jobs import KEPT, Job, JobKind, describe_job, failure, follow
from cabal_backup.operations.progress import Event, Note
from cabal_backup.operations.recovery_points import RecoveryPoint
from cabal_backup.operations.restore_role import check_role
from cabal_backup.operations.restoring import wait_until_active
from cabal_backup.operations.tables import settings as table_settings
from cabal_backup.operations.tables.describe import TableDescription, describe_table
from cabal_backup.operations.tables.settings import TableSettings


@dataclass(frozen=True, kw_only=True)
class RestoreAddressesPlan:
    """Exactly what a restore of the addresses table will do."""

    live: str
    target: str
    point: RecoveryPoint
    now: datetime
    role_arn: str
    role_doubt: str
    """Why it is not known whether the role may restore; empty when it may."""
    job: Job | None
    """An earlier run's job that restores this, which is followed instead of a new one."""
    settings: TableSettings | None
    """What to bring back, where the table is restored under the live name."""

    @property
    def straight(self) -> bool:
        """Whether the live table is gone and is restored under its own name."""
        return self.target == self.live

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        return (
            f"Restore {self.live} from a recovery point to "
            + (
                f"{self.target}, which is gone:" if self.straight else f"a new table {self.target}:"
            ),
            f"  recovery point {self.point.arn}",
            f"  taken {self.point.created:%Y-%m-%d %H:%M UTC}, "
            f"{age(self.now - self.point.created)} ago",
            "  in cold storage: about four hours, then mostly under an hour"
            if self.point.is_cold(self.now)
            else "  warm: minutes, mostly under an hour",
            f"  as {self.role_arn}" + (f" ({self.role_doubt})" if self.role_doubt else ""),
            *self._job(),
            *self._settings(),
        )

    def _job(self) -> tuple[str, ...]:
        if self.job is None:
            return ()
        if self.job.finished:
            return (f"  the job {self.job.id} has done this already: nothing is restored again",)
        return (f"  the job {self.job.id} is doing this already: it is followed",)

    def _settings(self) -> tuple[str, ...]:
        if self.settings is None:
            return (f"  DynamoDB does not bring back {table_settings.NOT_RESTORED}",)
        return (
            "  DynamoDB does not bring these back; afterwards they are set:",
            *(f"    {line}" for line in self.settings.lines()),
        )


def look(
    aws: Aws,
    now: datetime,
    *,
    point_arn: str | None = None,
    at: datetime | None = None,
    cold: bool = False,
    to: str | None = None,
    role: str = names.ROLE,
) -> RestoreAddressesPlan:
    """Choose a recovery point and plan its restore; see `choose_point`.

    :param to: the new table; by default the live name when that table is gone, otherwise
        one that says which recovery point is in it, so that a second run finds the first's.
    """
    live = aws.environment.addresses_table
    resource_arn = aws.arn("dynamodb", f"table/{live}")
    point = choose_point(aws, resource_arn, now, arn=point_arn, at=at, cold=cold)
    jobs = list_restores(aws, resource_arn, now)
    target = to or _target(aws, live, point, jobs)
    job = _same_restore(aws, jobs, point, target)
    if job is None and describe_table(aws, target) is not None:
        raise UsageError(
            f"There is a table {target} already, and not from this recovery point as far as "
            "AWS Backup remembers. Nothing was done. Choose another name with --to."
        )
    role_arn, doubt = check_role(aws, role)
    return RestoreAddressesPlan(
        live=live,
        target=target,
        point=point,
        now=now,
        role_arn=role_arn,
        role_doubt=doubt,
        job=job,
        settings=table_settings.look(aws, live, recovery_point_arn=point.arn)
        if target == live
        else None,
    )


def execute(
    aws: Aws, plan: RestoreAddressesPlan, clock: Clock
) -> Generator[Event | Job | Unknown, None, TableDescription]:
    """Restore, follow the job, bring settings back; the table is what the generator returns.

    Raises AwsError with AWS's own reason when the job fails.
    """
    job = plan.job or _start(aws, plan, clock.now())
    yield Note(
        f"Restore job {job.id}. It goes on by itself; to watch it from elsewhere: "
        f"cabal-backup jobs watch {job.id} -e {aws.environment.name}"
    )
    if not job.finished:
        job = yield from follow(aws, job, clock, longest=timedelta(hours=48))
    if not job.completed_well:
        raise _failed(job, plan)
    table = yield from wait_until_active(aws, plan.target, clock)
    if plan.settings is not None:
        yield from table_settings.bring_back(aws, plan.target, plan.settings, clock)
    return table


def age(duration: timedelta) -> str:
    """`3 days`, `5 hours` or `20 minutes`."""
    for count, unit in (
        (duration.days, "day"),
        (int(duration.total_seconds() // 3600), "hour"),
    ):
        if count:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{int(duration.total_seconds() // 60)} minutes"


def _target(aws: Aws, live: str, point: RecoveryPoint, jobs: list[tuple[Job, str]]) -> str:
    if describe_table(aws, live) is None or _is_being_replaced(aws, live, jobs):
        return live
    return f"{live}-restored-{point.created:%Y%m%d-%H%M%S}"


def _is_being_replaced(aws: Aws, live: str, jobs: list[tuple[Job, str]]) -> bool:
    """Whether an earlier run restores under the live name, and has not come to its end."""
    to_live = [job for job, target in jobs if target == live]
    if any(not job.finished for job in to_live):
        return True
    return any(job.completed_well for job in to_live) and not table_settings.is_complete(aws, live)


def list_restores(aws: Aws, resource_arn: str, now: datetime) -> list[tuple[Job, str]]:
    """The restore jobs of a table that did not fail, the newest first, each with what it makes.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    backup = aws.client("backup")
    try:
        listed = pages(backup, "list_restore_jobs", "RestoreJobs", ByCreatedAfter=now - KEPT)
        mine = [
            describe_job(aws, JobKind.RESTORE, entry["RestoreJobId"])
            for entry in listed
            if _restores(entry, resource_arn) and entry["Status"] != "FAILED"
        ]
        found = [(job, _target_of(aws, job)) for job in mine]
    except (BotoCoreError, ClientError) as error:
        raise in_words(error, "looking for restores that are under way") from error
    return sorted(found, key=lambda entry: entry[0].created, reverse=True)


def _restores(entry: dict[str, object], resource_arn: str) -> bool:
    source = entry.get("SourceResourceArn")
    return entry.get("ResourceType") == "DynamoDB" and source in (None, resource_arn)


def _target_of(aws: Aws, job: Job) -> str:
    if job.created_resource_arn:
        return job.created_resource_arn.rpartition("/")[2]
    metadata = aws.client("backup").get_restore_job_metadata(RestoreJobId=job.id)["Metadata"]
    return str(metadata.get("targetTableName", ""))


def _same_restore(
    aws: Aws, jobs: list[tuple[Job, str]], point: RecoveryPoint, target: str
) -> Job | None:
    """A job that makes this table from this point, as long as the table is its work."""
    for job, made in jobs:
        if made != target or job.recovery_point_arn != point.arn:
            continue
        if not job.finished:
            return job
        table = describe_table(aws, target)
        if job.completed_well and table is not None and table.created >= job.created:
            return job
    return None


def _start(aws: Aws, plan: RestoreAddressesPlan, now: datetime) -> Job:
    backup = aws.client("backup")
    doing = f"starting the restore to {plan.target}"
    try:
        started = backup.start_restore_job(
            RecoveryPointArn=plan.point.arn,
            IamRoleArn=plan.role_arn,
            ResourceType="DynamoDB",
            Metadata={"targetTableName": plan.target, "encryptionType": "Default"},
            # A lost answer makes botocore ask again: the token keeps that one job.
            IdempotencyToken=str(uuid.uuid4()),
        )
    except (BotoCoreError, ClientError) as error:
        raise in_words(error, doing) from error
    return Job(
        kind=JobKind.RESTORE,
        id=started["RestoreJobId"],
        region=aws.environment.region,
        state="PENDING",
        message="",
        percent=None,
        created=now,
        completed=None,
        resource_arn=plan.point.resource_arn,
        resource_type="DynamoDB",
        recovery_point_arn=plan.point.arn,
        vault=names.VAULT,
        created_resource_arn="",
    )


def _failed(job: Job, plan: RestoreAddressesPlan) -> CabalBackupError:
    error = failure(job)
    if plan.straight:
        return AwsError(f"{error} {plan.live} is still gone.")
    return AwsError(f"{error} The live table was not touched.")
