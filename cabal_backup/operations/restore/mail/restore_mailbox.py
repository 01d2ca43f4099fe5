"""Restoring one mailbox: AWS Backup's half of it.

AWS Backup brings a user's home back into a directory of its own at the root of the
mailstore, never over anything. From there `mail_host` merges it into the mailbox. It restores only
to the file system of the backup or to a new one: to a new one in the DR region, which has no
mailstore, and from a backup of a former mailstore.

https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-efs.html
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from cabal_backup.errors import (
    AwsError,
    NotFoundError,
    RefusedError,
    UsageError,
)
from cabal_backup.mail_host import trees
from cabal_backup.mail_host.mail_names import folder_name
from cabal_backup.mail_host.problems import Refused
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
class MailboxRequest:
    """Which mailbox is to be restored, and how."""

    user: str
    folder: str | None = None
    """Only this folder, as a mail client shows it; by default the whole home."""
    point: PointRequest = field(default_factory=PointRequest)
    again: bool = False
    """Whether to restore again what an earlier job restored."""
    creation_token: str | None = None
    """The creation token of the restore; if set, no earlier job is followed."""
    to_new: bool = False
    """Whether it goes to a new file system in any case, instead of next to what is there."""
    subnets: Sequence[str] = ()
    """In the DR region: where to mount the new file system from."""
    security_groups: Sequence[str] = ()
    """The security groups of those mount targets."""


@dataclass(frozen=True, kw_only=True)
class RestoreMailboxPlan:
    """Exactly what a restore of one mailbox will do."""

    user: str
    items: tuple[str, ...]
    """The paths that are restored."""
    file_system_id: str
    """The mailstore; the backup may be a former mailstore's."""
    point: RecoveryPoint
    now: datetime
    role: RestoreRole
    job: Job | None
    """An earlier run's job that restores this; it is followed, and no new one is started."""
    creation_token: str | None = None
    """The creation token of the restore; None for any."""
    to_new: bool = False
    """Whether it goes to a new file system instead of next to what is there."""
    mount_targets: FileSystemSettings | None = None
    """What a new file system that is kept gets."""
    salvage: tuple[str, ...] = ()
    """What a restore in the DR region is not."""

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        source = _source(self.point)
        is_former = source != self.file_system_id
        return (
            f"Restore {' and '.join(self.items)} from a recovery point of {source}, "
            + ("a former mailstore, " if is_former else "")
            + ("to a new file system:" if self.to_new else "next to what is there:"),
            f"  recovery point {self.point.arn}",
            f"  taken {moment(self.point.created)}, {duration(self.now - self.point.created)} ago",
            "  in cold storage: about four hours, then as long as a warm one"
            if self.point.is_cold(self.now)
            else "  warm: AWS gives 500 files/s for small files, and promises nothing",
            f"  as {self.role}",
            "  to a new directory aws-backup-restore_<time> of "
            + ("the new file system" if self.to_new else self.file_system_id)
            + "; the mailbox itself is not touched",
            *(
                f"  with a mount target in {target.subnet}"
                for target in (self.mount_targets.mount_targets if self.mount_targets else ())
            ),
            *(
                (
                    "  AWS's console takes no special characters in a path; if the job fails, run "
                    "this without --folder, and then `mailbox merge --folder`",
                )
                if self.items != (f"/{self.user}",) and any(map(_SPECIAL.search, self.items))
                else ()
            ),
            *self.salvage,
            *self._job(),
        )

    def _job(self) -> tuple[str, ...]:
        if self.job is None:
            return ()
        if self.job.finished:
            at = f", at {moment(self.job.completed)}" if self.job.completed else ""
            return (
                f"  the job {self.job.id} has done this already{at}: nothing is restored again"
                + ("" if self.to_new else ". If that directory was deleted: --again"),
            )
        return (f"  the job {self.job.id} is doing this already: the command waits for it",)


def plan_restore(aws: Aws, now: datetime, request: MailboxRequest) -> RestoreMailboxPlan:
    """Choose a recovery point and plan the restore of /USER from it; see `choose_point`.

    Raises UsageError for what is no user's name, and CabalBackupError when something that
    is needed is not there.
    """
    user = request.user
    check_user(user)
    items = items_of(user, request.folder)
    mailstore = _mailstore(aws)
    resource_arn = aws.arn("elasticfilesystem", f"file-system/{mailstore}")
    point = choose_point(aws, resource_arn, now, request.point)
    if point.original is not None:
        in_dr = " --in dr" if aws.in_dr else ""
        folder = f" --folder={shlex.quote(request.folder)}" if request.folder else ""
        raise RefusedError(
            f"The recovery point from {moment(point.created)} brings a cold one back. It is of a "
            "restored file system, in which everything is below aws-backup-restore_<time>, and "
            "AWS Backup does not say which time: no path of it can be named. Nothing was done. "
            f"`cabal-backup restore mailstore {aws.environment.options}{in_dr}"
            f"{request.point.options(point.arn)}` restores all of it. The cold one: "
            f"`cabal-backup restore mailbox {user} {aws.environment.options} --in dr{folder}"
            f"{replace(request.point, cold=True).options(point.original)}`"
        )
    plan = RestoreMailboxPlan(
        user=user,
        items=items,
        file_system_id=mailstore,
        point=point,
        now=now,
        role=check_role(aws, request.point.role),
        job=None,
        creation_token=request.creation_token,
        to_new=request.to_new,
    )
    if aws.in_dr:
        targets = file_system_settings.only_targets(request.subnets, request.security_groups)
        return _to_new(aws, plan, targets)
    if file_system_settings.describe(aws, mailstore) is None:
        raise NotFoundError(
            f"The file system {mailstore} does not exist, so nothing can be restored into it. "
            f"Nothing was done. `cabal-backup restore mailstore {aws.environment.options}"
            f"{request.point.options(point.arn)}` restores all of it to a new one."
        )
    if _source(point) != mailstore and not request.to_new:
        if request.creation_token is not None or request.again:
            option = "--again" if request.again else "--mount"
            raise UsageError(
                f"{option}: not with a recovery point of {_source(point)}, a former mailstore, "
                "which AWS Backup restores to a new file system. Nothing was done."
            )
        settings = file_system_settings.read_settings(aws, mailstore)
        targets = FileSystemSettings(mount_targets=settings.mount_targets if settings else ())
        return _to_new(aws, plan, targets)
    jobs: list[Job] = []
    if request.creation_token is None:
        jobs = mailstore_restores.find_jobs(aws, point, _asked(mailstore, items), now)
    usable = (job for job in jobs if not job.finished or (job.completed_well and not request.again))
    return replace(plan, job=next(usable, None))


def _to_new(
    aws: Aws, plan: RestoreMailboxPlan, mount_targets: FileSystemSettings
) -> RestoreMailboxPlan:
    """The plan of a restore to a new file system, which is found by its token.

    Raises as `find_earlier`.
    """
    which = hashlib.sha256("\n".join(plan.items).encode()).hexdigest()[:8]
    wanted = {
        "newFileSystem": "true",
        "CreationToken": f"cabal-restore-{plan.point.id}-{which}"[:64],
        "ItemsToRestore": json.dumps(list(plan.items)),
    }
    earlier = mailstore_restores.find_earlier(aws, plan.point, wanted, plan.now)
    return replace(
        plan,
        job=earlier.job,
        creation_token=earlier.token,
        to_new=True,
        mount_targets=mount_targets,
        salvage=salvage(aws),
    )


def execute(aws: Aws, plan: RestoreMailboxPlan, clock: Clock, report: Report) -> Job:
    """Restore, follow the job, create the mount targets of a new file system, and return the job.

    Raises AwsError with AWS's own reason when the job fails, and for a job that restored elsewhere.
    """
    job = plan.job or start_restore(
        aws, RestoreRequest(plan.point, plan.role.arn, _metadata(aws, plan)), clock.now()
    )
    job = follow_restore(aws, job, clock, report, longest=mailstore_restores.LONGEST)
    if not job.completed_well:
        root = f"a new file system in {aws.region}" if plan.to_new else plan.file_system_id
        raise AwsError(
            f"{failure(job)} The mailbox was not touched. Is {' and '.join(plan.items)} in that "
            "backup? Names are case-sensitive. What a restore that fails leaves behind is called "
            f"aws-backup-failed-restore_<time>, at the root of {root}."
        )
    made = job.created_resource_arn.rpartition("/")[2]
    if made and (made == plan.file_system_id) == plan.to_new:
        raise AwsError(
            f"The restore job {job.id} restored to {made}, which was not asked for. The mailbox "
            "was not touched."
        )
    if plan.mount_targets is not None:
        clone(aws, plan.mount_targets, made, clock, report)
    return job


def check_user(user: str) -> None:
    """Raises UsageError for what is no user's name."""
    try:
        trees.check_user(user)
    except Refused as refusal:
        raise UsageError(f"{refusal} Nothing was done.") from refusal


def items_of(user: str, folder: str | None) -> tuple[str, ...]:
    """The paths to restore: the home, or the directories of one folder of its Maildir++.

    INBOX is the Maildir itself; any other folder is a directory whose name begins with a dot, with
    dots between its levels, in IMAP's modified UTF-7 (RFC 3501, 5.1.3).
    https://doc.dovecot.org/2.3/admin_manual/mailbox_formats/maildir/

    Raises UsageError for what is no folder's name, and for wildcard characters, which AWS Backup
    does not support in a path.
    """
    home = f"/{user}"
    if folder is None:
        return (home,)
    if folder.upper() == "INBOX":
        return (f"{home}/Maildir/cur", f"{home}/Maildir/new")
    name = folder.replace("/", ".")
    if not name.isprintable() or "" in name.split("."):
        raise UsageError(
            f"{folder!r} is no name of a folder, such as Archive or Lists/Announce. Nothing was "
            "done."
        )
    if set(name) & set("*?[]{}"):
        raise UsageError(
            f"{folder!r} has wildcard characters, which AWS Backup does not support. Nothing was "
            "done. Run this without --folder, and then `mailbox merge --folder`."
        )
    is_encoded = name.isascii() and folder_name(f".{name}") != name
    return (f"{home}/Maildir/.{name if is_encoded else _encoded(name)}",)


def _encoded(name: str) -> str:
    """Text in IMAP's modified UTF-7."""

    def packed(match: re.Match[str]) -> str:
        if match[0] == "&":
            return "&-"
        code = base64.b64encode(match[0].encode("utf-16-be")).decode("ascii")
        return f"&{code.rstrip('=').replace('/', ',')}-"

    return re.sub(r"&|[^\x20-\x7e]+", packed, name)


_SPECIAL = re.compile(r"[^A-Za-z0-9._/ -]")
"""What AWS's console may not take in a path, such as the & of modified UTF-7."""


def _source(point: RecoveryPoint) -> str:
    return point.resource_arn.rpartition("/")[2]


def _mailstore(aws: Aws) -> str:
    mailstore = aws.environment.mailstore_file_system_id
    assert mailstore is not None, "an environment with backup has a mailstore"
    return mailstore


def _asked(mailstore: str, items: Sequence[str]) -> dict[str, str]:
    """What distinguishes this restore from every other of the same recovery point."""
    return {
        "file-system-id": mailstore,
        "newFileSystem": "false",
        "ItemsToRestore": json.dumps(list(items)),
    }


def _metadata(aws: Aws, plan: RestoreMailboxPlan) -> dict[str, str]:
    # Mail is always encrypted at rest, even if the mailstore is not.
    new = {"newFileSystem": "true", "Encrypted": "true"} if plan.to_new else {}
    return {
        "PerformanceMode": "generalPurpose",
        **mailstore_restores.starting_metadata(aws, plan.point),
        **_asked(_source(plan.point), plan.items),
        **new,
        "CreationToken": plan.creation_token or str(uuid.uuid4()),
    }
