"""The drill of one mailbox.

On the mail host it is the whole runbook: restore next to what is there, read every
message, and merge, into a scratch mailbox instead of the user's. Without the mount AWS
cannot show what was restored: then it goes to a new file system, which can be deleted
from anywhere, and what is verified is that AWS Backup could restore it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cabal_backup import names
from cabal_backup.errors import AwsError, CabalBackupError, UsageError
from cabal_backup.mail_host.choose import plan_merge
from cabal_backup.mail_host.mail_names import RECOVERY
from cabal_backup.mail_host.merge import merge
from cabal_backup.mail_host.problems import Refused, Stopped
from cabal_backup.mail_host.survey import survey_trees
from cabal_backup.mail_host.trees import Where
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.jobs import Job, Progress, Report
from cabal_backup.operations.drill import maildirs
from cabal_backup.operations.drill.record import Check, Run
from cabal_backup.operations.drill.recoveries import recovery_of_drills
from cabal_backup.operations.drill.request import DrillRequest, drill_id, restore_token
from cabal_backup.operations.restore.mail import file_system_settings, restore_mailbox
from cabal_backup.operations.restore.mail.mailstore_restores import list_mail_restores
from cabal_backup.operations.restore.mail.restore_mailbox import MailboxRequest, RestoreMailboxPlan
from cabal_backup.operations.status.drill_reports import DrillKind

_LOOKS = 30
_BETWEEN_LOOKS = 2.0
"""A mount may show a directory some seconds after it was made elsewhere."""

NOT_VERIFIED = (
    "Whether the messages are whole: without the mount the drill cannot read them. That AWS Backup "
    "could restore them was verified. With --mount, on the mail host, every message is read."
)


@dataclass(frozen=True, kw_only=True)
class MailboxDrillPlan:
    """Exactly what the drill of a mailbox will do."""

    restore: RestoreMailboxPlan
    token: str
    """The creation token, and the name of the scratch directory."""
    mount: Path | None
    """Where the mailstore is mounted on this machine; None when it is not."""
    kind: DrillKind = DrillKind.MAILBOX

    @property
    def makes(self) -> tuple[str, ...]:
        """The file system or the scratch directory, by its token."""
        return (self.token,)

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        if self.mount is None:
            return (
                *self.restore.lines(),
                "  passed when AWS Backup has restored it to a file system that is available and "
                "encrypted; what is in it cannot be read without the mount",
                "  at the end the new file system is deleted",
            )
        return (
            *self.restore.lines(),
            f"  moved to {self.mount}/{self.token}, which only root can enter",
            "  passed when what the mailbox has from before the backup was restored, every "
            "message identical, and all of it can be merged into a scratch mailbox there",
            f"  at the end {self.mount}/{self.token} is deleted",
        )

    def rehearse(self, run: Run) -> None:
        """Restore and verify, as far as this machine lets one look."""
        record = run.record
        record.use(self.restore.point)
        if self.mount is None:
            with run.step("restore"):
                job = restore_mailbox.execute(run.aws, self.restore, run.clock, run.report)
            record.checks.append(_about_file_system(run.aws, self.token, job))
            record.not_verified.append(NOT_VERIFIED)
        else:
            _on_the_host(run, self, self.mount)
        record.verified = run.clock.now()


def check_wanted(user: str, mount: Path | None) -> None:
    """Raises UsageError for what is no user's name, and a mount that has no such mailbox."""
    restore_mailbox.check_user(user)
    if mount is None:
        return
    if not (mount / user / "Maildir").is_dir():
        raise UsageError(
            f"There is no {mount}/{user}/Maildir. Is the mailstore mounted there? Nothing was done."
        )
    if not os.access(mount, os.W_OK):
        raise UsageError(f"Run this as root: {mount} cannot be written to. Nothing was done.")


def plan_drill(aws: Aws, now: datetime, request: DrillRequest) -> MailboxDrillPlan:
    """Choose a recovery point and plan the drill; see `choose_point`.

    Raises CabalBackupError when something that is needed is not there.
    """
    assert request.user is not None
    token = restore_token(drill_id(now))
    restore = MailboxRequest(
        user=request.user, point=request.point, creation_token=token, to_new=request.mount is None
    )
    return MailboxDrillPlan(
        restore=restore_mailbox.plan_restore(aws, now, restore), token=token, mount=request.mount
    )


def _about_file_system(aws: Aws, token: str, job: Job) -> Check:
    made = file_system_settings.find_by_token(aws, token)
    arn = "" if made is None else str(made["FileSystemArn"])
    state = "not there" if made is None else str(made["LifeCycleState"])
    encrypted = made is not None and bool(made.get("Encrypted"))
    return Check(
        "restored",
        arn == job.created_resource_arn != "" and state == "available" and encrypted,
        f"the new file system is {state}, {'encrypted' if encrypted else 'NOT encrypted'}, and "
        f"{'the one' if arn == job.created_resource_arn else 'NOT the one'} that AWS Backup "
        "says it made",
    )


def _on_the_host(run: Run, plan: MailboxDrillPlan, mount: Path) -> None:
    try:
        with run.step("restore"):
            before = recovery_directories(mount)
            restore_mailbox.execute(run.aws, plan.restore, run.clock, run.report)
            recovery = _find_new(run, plan, mount, before)
        _verify(run, plan, mount, recovery)
    except (Refused, Stopped) as error:
        raise CabalBackupError(f"The merge stopped: {error}") from error
    except OSError as error:
        raise CabalBackupError(f"On the mail host: {error}.") from error


def _verify(run: Run, plan: MailboxDrillPlan, mount: Path, recovery: str) -> None:
    """Read what was restored and merge it, all of it inside the scratch directory."""
    record, user, scratch = run.record, plan.restore.user, mount / plan.token
    with run.step("compare"):
        scratch.mkdir(mode=0o700)
        (scratch / names.DRILL_MARKER).write_text(plan.token, encoding="ascii")
        (mount / recovery).rename(scratch / recovery)
        home = (mount / user).stat()
        restored = maildirs.messages(scratch / recovery / user / "Maildir")
        run.report(Progress("comparing", 0, len(restored), "messages"))
        live = maildirs.messages(mount / user / "Maildir")
        taken = plan.restore.point.created
        record.checks += maildirs.about(maildirs.compare(restored, live, taken))
        record.checks.append(maildirs.about_owner(restored, home.st_uid))
    with run.step("merge"):
        expected = maildirs.digests(restored)
        (scratch / user).mkdir(mode=0o700)
        os.chown(scratch / user, home.st_uid, home.st_gid)
        _merge(Where(str(scratch), recovery, user), run.report)
        merged = maildirs.messages(scratch / user / "Maildir")
        record.checks.append(maildirs.about_merge(expected, merged, home.st_uid))


def recovery_directories(mount: Path) -> set[str]:
    """The recovery directories that are there."""
    return {entry.name for entry in mount.iterdir() if RECOVERY.match(entry.name)}


def holds_only(directory: Path, user: str) -> bool:
    """Whether a recovery directory is that of one user's restore, and nothing else."""
    return [entry.name for entry in directory.iterdir()] == [user]


def _find_new(run: Run, plan: MailboxDrillPlan, mount: Path, before: set[str]) -> str:
    """The recovery directory that only this drill's restore job can have made.

    AWS does not say what it is called. It was not there before, its name has a time within the
    job, and no other restore job may have made it as well.
    """
    user, restores = plan.restore.user, list_mail_restores(run.aws, run.clock.now())
    new: list[str] = []
    for _ in range(_LOOKS):
        came = recovery_directories(mount) - before
        new = [name for name in sorted(came) if holds_only(mount / name, user)]
        ours = recovery_of_drills(restores, mount).get(plan.token, ())
        found = [name for name in new if name in ours]
        if len(found) == 1:
            return found[0]
        if new:
            break
        run.clock.sleep(_BETWEEN_LOOKS)
    if new:
        raise AwsError(
            f"Recovery directories with that user appeared ({', '.join(new)}), and more than one "
            "restore job may have made them: which one is the drill's is not known. None was used."
        )
    raise AwsError(
        f"AWS Backup says that it has restored, but no recovery directory appeared in "
        f"{mount}. Is it the file system that was restored into?"
    )


def _merge(where: Where, report: Report) -> None:
    """The runbook's merge, from the scratch recovery directory into the scratch mailbox."""
    finished = merge(
        plan_merge(survey_trees(where)),
        lambda so_far: report(Progress("merging", so_far.restored, so_far.of, "messages")),
    )
    if finished.stopped is not None:
        raise Stopped(finished.stopped)
