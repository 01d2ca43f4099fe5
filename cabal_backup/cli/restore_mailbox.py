"""`cabal-backup restore mailbox`: one user's mail, from a recovery point."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from cabal_backup.cli.answer import answer
from cabal_backup.cli.confirm import ConfirmOptions, add_confirmation, carry_out, confirm, show_plan
from cabal_backup.cli.options import (
    Invocation,
    MailPointOptions,
    Where,
    add_common,
    add_file_system,
    add_mount_targets,
    add_point,
    check_not_a_drills,
    connect_to_restore,
    pinned,
    point_request,
)
from cabal_backup.cli.parser import Subcommands
from cabal_backup.errors import ExitCode, UsageError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.jobs import Job
from cabal_backup.operations.restore.mail import restore_mailbox
from cabal_backup.operations.restore.mail.file_system_settings import how_to_delete
from cabal_backup.operations.restore.mail.restore_mailbox import MailboxRequest, RestoreMailboxPlan


@dataclass(frozen=True, kw_only=True)
class MailboxOptions(MailPointOptions, ConfirmOptions):
    """The options of `restore mailbox`."""

    user: str
    folder: str | None
    again: bool
    subnet: Sequence[str]
    security_group: Sequence[str]


def add_parser(kinds: Subcommands) -> None:
    """Add the command to those of `restore`."""
    parser = kinds.add_parser("mailbox", help="restore the mail of one user")
    parser.describe(
        "Restores the home directory of one user to a new directory of the mailstore. Then "
        "`mailbox merge` moves the missing messages into the mailbox. "
        "docs/runbooks/restore-mail.md explains it.",
        "restore mailbox alice -e prod --night 2026-11-20",
        "restore mailbox alice -e prod --folder Archive",
        "restore mailbox alice -e prod --in dr --night 2026-05-20 --cold",
    )
    add_common(parser)
    parser.add_argument("user", metavar="USER", help="the user: the name of the home directory")
    parser.add_argument(
        "--folder",
        metavar="F",
        help="only this folder, such as Archive or Lists/Announce: nothing else is requested from "
        "AWS",
    )
    add_point(parser)
    add_file_system(parser)
    parser.add_argument(
        "--again", action="store_true", help="restore again what was restored before"
    )
    add_mount_targets(parser.add_argument_group("in the DR region"))
    add_confirmation(parser)
    parser.runs(run, MailboxOptions, plan=RestoreMailboxPlan, result={"job": Job})


def run(options: MailboxOptions, invocation: Invocation) -> int:
    check_not_a_drills(options.user)
    _check_region(options)
    aws = connect_to_restore(options)
    clock = invocation.clock
    request = MailboxRequest(
        user=options.user,
        folder=options.folder,
        point=point_request(options),
        again=options.again,
        subnets=options.subnet,
        security_groups=options.security_group,
    )
    plan = restore_mailbox.plan_restore(aws, clock.now(), request)
    if show_plan(plan, options):
        return ExitCode.OK
    if plan.job is None:
        confirm(
            f"This creates a file system in {aws.region}."
            if plan.to_new
            else f"This creates a directory in {plan.file_system_id} of {options.environment}.",
            yes=options.yes,
        )
    with carry_out(aws) as report:
        job = restore_mailbox.execute(aws, plan, clock, report)
    answer.add(job=job)
    print(job.id)
    if plan.to_new:
        mount = invocation.again(options, **pinned(plan.point), subnet=["SUBNET"])
        _say_what_was_salvaged(aws, plan, job, mount)
    else:
        _say_what_next(plan, job, options.folder)
    return ExitCode.OK


def _check_region(options: MailboxOptions) -> None:
    """Raises UsageError for an option that is for the other region."""
    wrong = ["--again"] if options.again and options.where is Where.DR else []
    if options.where is not Where.DR:
        wrong = ["--subnet"] * bool(options.subnet) + ["--security-group"] * bool(
            options.security_group
        )
    if wrong:
        kept = "not with" if options.where is Where.DR else "only with"
        raise UsageError(f"{', '.join(wrong)}: {kept} --in dr. Nothing was done.")


def _say_what_was_salvaged(aws: Aws, plan: RestoreMailboxPlan, job: Job, mount: str) -> None:
    """What to do with the new file system.

    :param mount: the command that adds a mount target.
    """
    made = job.created_resource_arn.rpartition("/")[2]
    print(
        f"Restored to aws-backup-restore_<time>/{plan.user} at the root of {made} in {aws.region}. "
        f"A host there that mounts it can read the messages. To add a mount target:\n  {mount}\n"
        "It costs storage; when it is not needed any more, delete its mount targets and then the "
        f"file system:\n{how_to_delete(aws.region, made)}",
        file=sys.stderr,
    )


def _say_what_next(plan: RestoreMailboxPlan, job: Job, folder: str | None) -> None:
    merge = f"mailbox merge {plan.user}"
    if folder is not None:
        merge += f" --folder {shlex.quote(folder)}"
    between = f"between {job.created:%Y-%m-%d %H:%M:%S}"
    if job.completed is not None:
        between += f" and {job.completed:%Y-%m-%d %H:%M:%S}"
    print(
        f"Restored to aws-backup-restore_<time>/{plan.user} at the root of {plan.file_system_id}. "
        f"AWS does not say which time: one {between} UTC. There: ls -d "
        f"/home/aws-backup-restore_*/{plan.user}\n"
        f"Next, as root on a host that mounts {plan.file_system_id} (Cabal: at /home of the IMAP "
        "hosts), with the file that `cabal-backup mailbox script` prints:\n"
        f"  python3 mail_host.py {merge} --dry-run\n"
        f"  python3 mail_host.py {merge} --cleanup",
        file=sys.stderr,
    )
