"""Restoring the whole mailstore, always to a new file system.

AWS Backup brings the files back, below a directory of its own, and nothing else: where
the file system can be mounted from, by whom and with which settings is set here. Bringing
the files to its root is `mail_host`'s work, on a host that mounts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cabal_backup.errors import AwsError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import (
    Job,
    Report,
    RestoreRequest,
    failure,
    follow_restore,
    start_restore,
)
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.restore.mail import file_system_settings, mailstore_restores
from cabal_backup.operations.restore.mail.clone_settings import clone
from cabal_backup.operations.restore.mail.file_system_settings import FileSystemSettings
from cabal_backup.operations.restore.restore_jobs import RestoreRole, check_role
from cabal_backup.operations.restore.select_point import PointRequest, choose_point, salvage
from cabal_backup.text import duration, moment


@dataclass(frozen=True, kw_only=True)
class MailstoreRequest:
    """Which backup of a mailstore is to be restored, and how."""

    point: PointRequest = field(default_factory=PointRequest)
    subnets: Sequence[str] = ()
    """Where to mount it from, if that file system was deleted."""
    security_groups: Sequence[str] = ()
    """The security groups of those mount targets."""


@dataclass(frozen=True, kw_only=True)
class RestoreMailstorePlan:
    """Exactly what a restore of the mailstore will do."""

    file_system_id: str
    """The file system that is replaced, whose settings the new one gets."""
    point: RecoveryPoint
    now: datetime
    role: RestoreRole
    creation_token: str
    """What the new file system is found by when this is run again."""
    settings: FileSystemSettings
    job: Job | None
    """An earlier run's job that restores this; it is followed, and no new one is started."""
    restored: str | None
    """The new file system, if an earlier run's job has completed."""
    in_use: tuple[str, ...] = ()
    """What earlier restores of this recovery point made and is in use: it is not changed."""
    mount_targets: int = 0
    """How many mount targets that file system has already."""
    salvage: tuple[str, ...] = ()
    """What a restore in the DR region is not."""

    @property
    def lacks_mount_target(self) -> bool:
        """Whether no host could mount the new file system in the end."""
        return not self.settings.mount_targets and not self.mount_targets

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        deleted = not self.settings.file_system_id
        return (
            f"Restore all of {self.point.resource_arn.rpartition('/')[2]} to a new file system:",
            f"  recovery point {self.point.arn}",
            f"  taken {moment(self.point.created)}, {duration(self.now - self.point.created)} ago",
            *(f"  {line}" for line in mailstore_restores.expectation(self.point, self.now)),
            f"  as {self.role}",
            *self.salvage,
            *(
                f"  {made} was restored from it before and is in use: it stays as it is"
                for made in self.in_use
            ),
            *self._job(),
            f"  {self._why_anew} is set up as Cabal has it:"
            if deleted
            else f"  AWS does not bring these back; they are cloned from {self.file_system_id}:",
            *(f"    {line}" for line in self.settings.lines()),
            *(
                (
                    "    mount target: none; --subnet and --security-group add them"
                    if self.salvage
                    else "    mount target: NONE, because it is not known where they were. Name "
                    "--subnet and --security-group; run again with them, it adds them",
                )
                if self.lacks_mount_target
                else ()
            ),
        )

    @property
    def _why_anew(self) -> str:
        if self.salvage:
            return "the new one"
        return f"{self.file_system_id} was deleted, so the new one"

    def _job(self) -> tuple[str, ...]:
        if self.restored is not None:
            return (f"  restored already, to {self.restored}: only what is missing there is set",)
        if self.job is not None:
            return (f"  the job {self.job.id} is doing this already: the command waits for it",)
        return ()


def plan_restore(aws: Aws, now: datetime, request: MailstoreRequest) -> RestoreMailstorePlan:
    """Choose a recovery point and plan its restore; see `choose_point`.

    Raises RefusedError where an earlier restore has left a file system that is not whole,
    and CabalBackupError when something that is needed is not there.
    """
    source = request.point.file_system or str(aws.environment.mailstore_file_system_id)
    resource_arn = aws.arn("elasticfilesystem", f"file-system/{source}")
    point = choose_point(aws, resource_arn, now, request.point)
    role = check_role(aws, request.point.role)
    token = f"cabal-restore-{point.arn.rpartition(':')[2]}"[:64]
    wanted = {"newFileSystem": "true", "CreationToken": token}
    earlier = mailstore_restores.find_earlier(aws, point, wanted, now)
    restored = str(earlier.made["FileSystemId"]) if earlier.made else None
    settings = file_system_settings.read_settings(aws, source)
    return RestoreMailstorePlan(
        file_system_id=source,
        point=point,
        now=now,
        role=role,
        creation_token=earlier.token,
        settings=settings
        or file_system_settings.as_cabal_has_it(
            aws, point.arn, request.subnets, request.security_groups
        ),
        job=earlier.job,
        restored=restored,
        in_use=earlier.in_use,
        mount_targets=earlier.made["NumberOfMountTargets"] if earlier.made else 0,
        salvage=salvage(aws),
    )


def execute(aws: Aws, plan: RestoreMailstorePlan, clock: Clock, report: Report) -> str:
    """Restore, follow the job, configure the new file system and return its id.

    Raises AwsError with AWS's own reason when the job fails.
    """
    file_system_id = plan.restored
    if file_system_id is None:
        file_system_id = _restore(aws, plan, clock, report)
    clone(aws, plan.settings, file_system_id, clock, report)
    report(f"{file_system_id} is set up.")
    return file_system_id


def _restore(aws: Aws, plan: RestoreMailstorePlan, clock: Clock, report: Report) -> str:
    job = plan.job or start_restore(
        aws, RestoreRequest(plan.point, plan.role.arn, _metadata(aws, plan)), clock.now()
    )
    report("What AWS does not bring back is set at the end. If this is interrupted: run it again.")
    job = follow_restore(aws, job, clock, report, longest=mailstore_restores.LONGEST)
    if not job.completed_well:
        raise AwsError(f"{failure(job)} The mailstore was not touched.")
    return job.created_resource_arn.rpartition("/")[2]


def _metadata(aws: Aws, plan: RestoreMailstorePlan) -> dict[str, str]:
    metadata = {
        "PerformanceMode": "generalPurpose",
        **mailstore_restores.starting_metadata(aws, plan.point),
        "newFileSystem": "true",
        # Mail is always encrypted at rest, even if the mailstore was not.
        "Encrypted": "true",
        "CreationToken": plan.creation_token,
    }
    if plan.settings.zone is not None:
        metadata |= {"singleAzFilesystem": "true", "availabilityZoneName": plan.settings.zone}
    return metadata
