"""`cabal-backup restore mailbox` and `restore mailstore`: the mail of one user, and of all."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cabal_backup import names
from cabal_backup.cli import output
from cabal_backup.cli.answer import answer
from cabal_backup.cli.confirm import (
    ConfirmOptions,
    add_confirmation,
    ask,
    can_ask,
    carry_out,
    confirm,
    show_plan,
)
from cabal_backup.cli.options import (
    Invocation,
    MailPointOptions,
    RestoreRegion,
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
from cabal_backup.config.project import check_replaceable, files_with, find_project, replace_setting
from cabal_backup.errors import ExitCode, UsageError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.jobs import Job
from cabal_backup.operations.restore.mail import restore_mailbox, restore_mailstore
from cabal_backup.operations.restore.mail.file_system_settings import how_to_delete
from cabal_backup.operations.restore.mail.restore_mailbox import MailboxRequest, RestoreMailboxPlan
from cabal_backup.operations.restore.mail.restore_mailstore import (
    MailstoreRequest,
    RestoreMailstorePlan,
)
from cabal_backup.text import moment


@dataclass(frozen=True, kw_only=True)
class MailboxOptions(MailPointOptions, ConfirmOptions):
    """The options of `restore mailbox`."""

    user: str
    folder: str | None
    again: bool
    subnet: Sequence[str]
    security_group: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class MailstoreOptions(MailPointOptions, ConfirmOptions):
    """The options of `restore mailstore`."""

    subnet: Sequence[str]
    security_group: Sequence[str]
    set_environment: bool


def add_mailbox(kinds: Subcommands) -> None:
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
    parser.runs(run_mailbox, MailboxOptions, plan=RestoreMailboxPlan, result={"job": Job})


def run_mailbox(options: MailboxOptions, invocation: Invocation) -> int:
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
    made = job.created_resource_arn.rpartition("/")[2] if plan.to_new else plan.file_system_id
    where = f"aws-backup-restore_<time>/{plan.user} at the root of {made}"
    if aws.in_dr:
        mount = invocation.again(options, **pinned(plan.point), subnet=["SUBNET"])
        output.say(
            f"Restored to {where} in {aws.region}. A host there that mounts it can read the "
            f"messages. {_how_to_mount(mount, aws.region, made)}"
        )
    else:
        output.say(f"Restored to {where}. {_how_to_merge(aws, plan, job, options.folder)}")
    return ExitCode.OK


def _check_region(options: MailboxOptions) -> None:
    """Raises UsageError for an option that is for the other region."""
    if options.where is RestoreRegion.DR:
        values: dict[str, object] = {"--again": options.again}
        kept = "not with"
    else:
        values = {"--subnet": options.subnet, "--security-group": options.security_group}
        kept = "only with"
    wrong = [option for option, value in values.items() if value]
    if wrong:
        raise UsageError(f"{', '.join(wrong)}: {kept} --in dr. Nothing was done.")


def _how_to_merge(aws: Aws, plan: RestoreMailboxPlan, job: Job, folder: str | None) -> str:
    merge = f"mailbox merge {plan.user}"
    if folder is not None:
        merge += f" --folder {shlex.quote(folder)}"
    host = (
        f"as root on a host that mounts {plan.file_system_id} (Cabal: at /home of the IMAP hosts)"
    )
    merging = (
        "with the file that `cabal-backup mailbox script` prints:\n"
        f"  python3 mail_host.py {merge} --dry-run\n"
        f"  python3 mail_host.py {merge} --cleanup"
    )
    if plan.to_new:
        made = job.created_resource_arn.rpartition("/")[2]
        return (
            f"Next, {host}, copy it to the mailstore and merge it:\n"
            f"  mount -t efs -o tls {made}:/ /mnt/new\n"
            "  cp -a /mnt/new/aws-backup-restore_* /home/\n"
            f"and, {merging}\n{_how_to_delete(aws.region, made)}"
        )
    between = f"between {moment(job.created, seconds=True)}"
    if job.completed is not None:
        between += f" and {moment(job.completed, seconds=True)}"
    return (
        f"AWS does not say which time: one {between}. There: ls -d "
        f"/home/aws-backup-restore_*/{plan.user}\n"
        f"Next, {host}, {merging}"
    )


def add_mailstore(kinds: Subcommands) -> None:
    """Add the command to those of `restore`."""
    parser = kinds.add_parser(
        "mailstore", help="restore the mail of all users to a new file system"
    )
    parser.describe(
        "Restores the mailstore to a new file system and configures it like the file system that "
        "it replaces. If the command is interrupted, run it again: it continues. "
        "docs/runbooks/restore-mail.md explains it.",
        "restore mailstore -e prod --dry-run",
        "restore mailstore -e prod --subnet subnet-0123456789abcdef0 "
        "--security-group sg-0123456789abcdef0",
        "restore mailstore -e prod --in dr --night 2026-05-20 --cold",
    )
    add_common(parser)
    add_point(parser)
    add_file_system(parser)
    add_mount_targets(
        parser.add_argument_group("if that file system was deleted, and in the DR region")
    )
    after = parser.add_argument_group("afterwards")
    after.add_argument(
        "--set-environment",
        action="store_true",
        help="replace the old id with the new one in cdk.json or cdk.context.json",
    )
    add_confirmation(parser)
    parser.runs(
        run_mailstore,
        MailstoreOptions,
        plan=RestoreMailstorePlan,
        result={"file_system_id": str, "setting_replaced": bool},
    )


def run_mailstore(options: MailstoreOptions, invocation: Invocation) -> int:
    is_salvage = options.where is RestoreRegion.DR
    if is_salvage and options.set_environment:
        raise UsageError("--set-environment: not with --in dr. Nothing was done.")
    aws = connect_to_restore(options)
    clock = invocation.clock
    request = MailstoreRequest(
        point=point_request(options),
        subnets=options.subnet,
        security_groups=options.security_group,
    )
    plan = restore_mailstore.plan_restore(aws, clock.now(), request)
    if options.set_environment:
        for file in files_with(find_project(options.project, options.config), plan.file_system_id):
            check_replaceable(file)
    can_choose = not is_salvage and can_ask()
    if plan.lacks_mount_target and can_choose and not (options.yes or options.dry_run):
        plan = restore_mailstore.plan_restore(aws, clock.now(), _ask_where(request))
    if show_plan(plan, options):
        return ExitCode.OK
    if plan.job is None and plan.restored is None:
        confirm(
            f"This creates a file system in {aws.region} of {options.environment}.",
            yes=options.yes,
        )
    with carry_out(aws) as report:
        made = restore_mailstore.execute(aws, plan, clock, report)
    answer.add(file_system_id=made)
    print(made)
    if is_salvage:
        mount = invocation.again(options, **pinned(plan.point), subnet=["SUBNET"])
        output.say(
            f"Restored to {made} in {aws.region}; everything in it is below "
            "aws-backup-restore_<time>. A host there that mounts it can read the mail. "
            f"{_how_to_mount(mount, aws.region, made)}"
        )
        return ExitCode.OK
    if plan.lacks_mount_target:
        output.say(
            f"NOT COMPLETE: {made} has no mount target, so no host can mount it. Choose a subnet "
            "and a security group of the mail hosts, and run this again:\n  "
            + invocation.again(
                options, **pinned(plan.point), subnet=["SUBNET"], security_group=["GROUP"]
            )
        )
        return ExitCode.INCOMPLETE
    is_set = _offer_environment(options, plan, made)
    answer.add(setting_replaced=is_set)
    _say_how_to_promote(aws, plan, made, is_set=is_set)
    return ExitCode.OK


def _ask_where(request: MailstoreRequest) -> MailstoreRequest:
    """The request with the subnets and security groups that the operator types.

    Raises UsageError for what is no id.
    """
    subnets = ask(
        "The new file system needs a mount target. Type the ids of the subnets of the mail hosts, "
        "with spaces between them; nothing to do this later: "
    ).split()
    groups = (
        ask("Type the ids of the security groups; nothing for the VPC's default: ").split()
        if subnets
        else []
    )
    for prefix, typed in (("subnet-", subnets), ("sg-", groups)):
        for one in typed:
            if not one.startswith(prefix):
                raise UsageError(
                    f"{one} is not an id such as {prefix}0123456789abcdef0. Nothing was changed."
                )
    return replace(request, subnets=subnets, security_groups=groups)


def _say_how_to_promote(aws: Aws, plan: RestoreMailstorePlan, made: str, *, is_set: bool) -> None:
    """What is left to do.

    :param is_set: whether the setting was changed just now.
    """
    name, old = aws.environment.name, plan.file_system_id
    steps = [
        "As root on a host that can mount it, with the file that `cabal-backup mailbox script` "
        "prints:\n"
        f"       mount -t efs -o tls {made}:/ /mnt/new\n"
        "       python3 mail_host.py mailstore promote --mount /mnt/new"
    ]
    if plan.point.original is not None:
        steps.append(
            "Run the same `mailstore promote` again: this recovery point is of a restored file "
            "system, so it contains another aws-backup-restore_<time>."
        )
    setting = "" if is_set else f"Set mailstore_file_system_id of {name} to {made}. "
    steps += [
        f"Replace {old} with {made} in the state of Cabal's Terraform, as the runbook shows; "
        f"otherwise an apply can delete {old}. Then apply it.",
        f"{setting}Deploy: make deploy ENVIRONMENT={name}\n"
        f"     Until then the nights back up {old}, and `cabal-backup status "
        f"{aws.environment.options}` fails.",
        f"Roll the mail tiers to the task definitions that mount {made}, as the runbook shows, or "
        "by Cabal's CI.",
        f"If you set the desired count of {names.SMTP_IN} to 0, set it back:\n"
        f"       aws ecs update-service --region {aws.region} --cluster {names.CLUSTER} --service "
        f"{names.SMTP_IN} --desired-count 1",
    ]
    output.say(
        f"Restored to {made}; everything in it is still below aws-backup-restore_<time>. Next:\n"
        + "\n".join(f"  {number}. {step}" for number, step in enumerate(steps, start=1))
        + "\nThe runbook: docs/runbooks/restore-mail.md#put-it-in-the-place-of-the-old-one"
    )


def _offer_environment(options: MailstoreOptions, plan: RestoreMailstorePlan, made: str) -> bool:
    """Change the setting where a file has it; a variable or `-c` cannot be changed from here.

    Whether a file was changed.
    """
    project = find_project(options.project, options.config)
    files = files_with(project, plan.file_system_id)
    if not files:
        if options.set_environment:
            output.say(
                f"{plan.file_system_id} is in no file of {project.folder}; none was changed."
            )
        return False
    listed = " and ".join(file.name for file in files)
    question = f"Write {made} to {listed}? Type yes to continue: "
    can_choose = can_ask() and not options.yes
    if not (options.set_environment or (can_choose and ask(question) == "yes")):
        return False
    for file in files:
        replace_setting(file, plan.file_system_id, made)
    output.say(f"{listed}: replaced {plan.file_system_id} with {made}.")
    return True


def _how_to_mount(mount: str, region: str, made: str) -> str:
    """How to mount a new file system in the DR region, and how to delete it.

    :param mount: the command that adds a mount target.
    """
    return f"To add a mount target:\n  {mount}\n{_how_to_delete(region, made)}"


def _how_to_delete(region: str, made: str) -> str:
    return (
        f"{made} costs storage; when it is not needed any more, delete its mount targets and then "
        f"the file system:\n{how_to_delete(region, made)}"
    )
