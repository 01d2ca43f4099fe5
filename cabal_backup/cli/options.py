"""The options that every command has, and the values of options.

The help of all commands needs this module, so it imports boto3 only where it connects.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cabal_backup import names
from cabal_backup.cli import output
from cabal_backup.errors import BackupOffError, UsageError
from cabal_backup.text import timestamp

if TYPE_CHECKING:
    from cabal_backup.config.environment import Environment
    from cabal_backup.operations.aws.client import Aws
    from cabal_backup.operations.aws.clock import Clock
    from cabal_backup.operations.aws.recovery_points import RecoveryPoint
    from cabal_backup.operations.restore.select_point import PointRequest

E = TypeVar("E", bound=StrEnum)

changing = threading.Event()
"""Set as soon as this command may have changed something. Until then, Ctrl-C ends it with
"Nothing was changed"."""

ENVIRONMENT = "CABAL_ENVIRONMENT"
REPORTS = "CABAL_DRILLS"


@dataclass(frozen=True)
class Invocation:
    """What a command gets beside its options."""

    clock: Clock
    parser: argparse.ArgumentParser
    """What its options were read with."""

    def again(self, options: object, **changes: object) -> str:
        """The same command as it is typed again: with the environment, wherever that came from, and
        all its options but --debug and those of `add_confirmation`.

        :param changes: other values of some options.
        """
        values = {**vars(options), **changes}
        words = [
            word
            for action in self.parser._actions
            if action.dest not in _NOT_AGAIN
            for word in _typed(action, values.get(action.dest))
        ]
        return f"{self.parser.prog} {shlex.join(words)}"


_NOT_AGAIN = ("help", "debug", "yes", "dry_run", "json")


def _typed(action: argparse.Action, value: object) -> list[str]:
    """An option with its value, in the words that a shell makes of it; nothing for its default."""
    if isinstance(action, argparse.BooleanOptionalAction):
        return [] if value == action.default else [action.option_strings[0 if value else -1]]
    if action.nargs == 0:
        return [action.option_strings[-1]] if value == action.const else []
    is_default = value == action.default and action.dest != "environment"
    if value is None or is_default:
        return []
    values = value if isinstance(value, (list, tuple)) else [value]
    texts = [timestamp(one) if isinstance(one, datetime) else str(one) for one in values]
    if not action.option_strings:
        return texts
    option = action.option_strings[0]
    if option.startswith("--"):
        return [f"{option}={text}" for text in texts]
    return [word for text in texts for word in (option, text)]


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """The options of every command that connects to AWS."""

    environment: str | None
    context: Sequence[str]
    project: Path | None
    config: Path | None
    debug: bool
    profile: str | None = None
    assume_region_lost: str | None = None


class RestoreRegion(StrEnum):
    """The region that a restore is in."""

    PRIMARY = "primary"
    DR = "dr"


@dataclass(frozen=True, kw_only=True)
class WhereOptions(CommonOptions):
    """In which region something is restored; see `add_where`."""

    where: RestoreRegion


@dataclass(frozen=True, kw_only=True)
class PointOptions(WhereOptions):
    """Which recovery point is restored; see `add_point`."""

    recovery_point: str | None
    at: datetime | None
    night: date | None
    cold: bool
    role: str


@dataclass(frozen=True, kw_only=True)
class MailPointOptions(PointOptions):
    """Which recovery point of mail is restored; see `add_file_system`."""

    file_system: str | None


@dataclass(frozen=True, kw_only=True)
class ReportOptions(CommonOptions):
    """Where the reports of drills are; see `add_report_folder`."""

    report_dir: Path | None


def add_environment(parser: argparse.ArgumentParser) -> None:
    """The options that choose the environment and its settings."""
    group = parser.add_argument_group("environment")
    group.add_argument(
        "-e",
        "--environment",
        metavar="NAME",
        default=os.environ.get(ENVIRONMENT),
        help=f"the environment, one of cdk.json (default: {ENVIRONMENT})",
    )
    group.add_argument(
        "-c",
        "--context",
        metavar="NAME.SETTING=VALUE",
        action="append",
        default=[],
        help="set a setting, as with cdk; can be repeated",
    )
    group.add_argument(
        "--project",
        type=Path,
        metavar="FOLDER",
        help="the folder of cdk.json (default: this folder or the nearest folder above it)",
    )
    group.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a TOML file of settings instead of a project (default without a cdk.json: "
        "~/.config/cabal-backup/config.toml)",
    )
    group.add_argument("--debug", action="store_true", help="print the traceback of an error")


def add_common(parser: argparse.ArgumentParser) -> None:
    """The options of every command that connects to AWS."""
    add_environment(parser)
    group = parser.add_argument_group("AWS")
    group.add_argument(
        "--profile",
        metavar="NAME",
        help="the AWS profile (default: AWS_PROFILE, then the setting `profile`, then as with the "
        "AWS CLI)",
    )
    group.add_argument(
        "--assume-region-lost", metavar="REGION", help="send no requests to this region"
    )


def number(what: str, lowest: int, highest: int | None = None) -> Callable[[str], int]:
    """The type of an option whose value is a whole number.

    :param what: the number in words, for the message of an error.
    """

    def read(text: str) -> int:
        is_number = text.isascii() and text.isdecimal()
        if not is_number or int(text) < lowest or (highest is not None and int(text) > highest):
            limits = f"from {lowest}" + ("" if highest is None else f" to {highest}")
            raise argparse.ArgumentTypeError(f"it is {what} {limits}, not {text!r}")
        return int(text)

    return read


def positive(what: str, highest: float = sys.float_info.max) -> Callable[[str], float]:
    """The type of an option whose value is a positive number, not necessarily a whole one."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0
        if not 0 < value <= highest:
            most = "" if highest == sys.float_info.max else f" and at most {highest:g}"
            raise argparse.ArgumentTypeError(f"it is {what} above 0{most}, not {text!r}")
        return value

    return read


def one_of(kind: type[E]) -> Callable[[str], E]:
    """The type of an option whose value is one of a few words."""

    def read(text: str) -> E:
        try:
            return kind(text)
        except ValueError:
            words = ", ".join(kind)
            raise argparse.ArgumentTypeError(f"it is one of {words}, not {text!r}") from None

    return read


def _usual_profile(environment: Environment) -> str | None:
    """That of a command without --profile."""
    chosen = any(os.environ.get(name) for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID"))
    return None if chosen else environment.profile


def with_options(
    environment: Environment, options: CommonOptions, profile: str | None
) -> Environment:
    """The environment; what is advised for it has the options of this command.

    :param profile: that of this command.
    """
    given = {
        "--project": options.project,
        "--config": options.config,
        "--profile": None if profile == _usual_profile(environment) else profile,
        "--assume-region-lost": options.assume_region_lost,
    }
    others = [f"-c {shlex.quote(each)}" for each in options.context]
    others += [f"{each}={shlex.quote(str(value))}" for each, value in given.items() if value]
    return replace(environment, other_options=tuple(others))


def connect_without_backup(options: CommonOptions, *, one_of_all: str | None = None) -> Aws:
    """The same as `connect_to`, also where the backup is off and nothing is deployed.

    :param one_of_all: this environment of several, whose setting `profile` comes first.
    """
    from cabal_backup.config.project import find_project, read_environment
    from cabal_backup.operations.aws.client import connect

    project = find_project(options.project, options.config)
    environment = read_environment(project, one_of_all or options.environment, options.context)
    if one_of_all is None:
        profile = options.profile or _usual_profile(environment)
    else:
        profile = environment.profile or options.profile
    environment = with_options(environment, options, profile)
    lost = options.assume_region_lost
    if lost is not None:
        if lost not in environment.regions:
            raise UsageError(
                f"{lost} is not a region of {environment.name}: its regions are "
                f"{' and '.join(environment.regions)}."
            )
        output.say(
            f"cabal-backup: {lost} is assumed lost: no request is sent to it, except to IAM, "
            "which is global; its state is reported as unknown."
        )
    return connect(environment, profile=profile, lost=[] if lost is None else [lost])


def connect_to(options: CommonOptions, *, one_of_all: str | None = None) -> Aws:
    """AWS, for the environment and with the credentials that the options name.

    :param one_of_all: as for `connect_without_backup`.

    Raises BackupOffError for an environment whose backup is off and which is not deployed.
    """
    from cabal_backup.config.project import find_project, not_protected
    from cabal_backup.operations.teardown.inventory import may_be_deployed

    aws = connect_without_backup(options, one_of_all=one_of_all)
    environment = aws.environment
    if not environment.backup:
        if not may_be_deployed(aws):
            project = find_project(options.project, options.config)
            raise BackupOffError(not_protected(project, environment.name))
        output.say(
            f"cabal-backup: {environment.name} has backup: false, but it is still deployed: its "
            "backups continue and are billed, and no deployment changes it. Turn the setting on "
            "again, or tear it down (docs/runbooks/teardown.md)."
        )
    return aws


def connect_to_change(options: CommonOptions, *, recorded: bool = False) -> Aws:
    """AWS, for a command that changes something: what is deployed there is this environment.

    :param recorded: as in `check_environment`, which says what it raises.
    """
    from cabal_backup.operations.aws.deployed import check_environment

    aws = connect_to(options)
    for reason in check_environment(aws, recorded=recorded):
        output.say(f"cabal-backup: environment not compared: {reason}")
    return aws


def connect_to_restore(options: WhereOptions) -> Aws:
    """As `connect_to_change`, to act in the region that the options name."""
    aws = connect_to_change(options)
    return aws.at(aws.environment.dr_region) if options.where is RestoreRegion.DR else aws


def check_not_a_drills(*given: str | None) -> None:
    """Raises UsageError for a name that only a drill gives: a drill may delete what has it."""
    from cabal_backup.operations.drill.request import is_drill_name

    for name in given:
        if name is not None and is_drill_name(name):
            raise UsageError(
                f"{name} is a name for what a drill makes and deletes again. Nothing was done. "
                "Choose another."
            )


def _time(text: str, examples: str) -> datetime:
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # in UTC, it is before the year 1 or after 9999
        raise argparse.ArgumentTypeError(
            f"it is a time such as {examples} (UTC), not {text!r}"
        ) from None


def moment(text: str) -> datetime:
    """`2026-11-20`, `2026-11-20T08:30` or with seconds and an offset; UTC without one.

    A day alone is its first moment. Raises ArgumentTypeError for anything else.
    """
    return _time(text, "2026-11-20 or 2026-11-20T08:30")


def instant(text: str) -> datetime:
    """As `moment`, but not a day alone, which could be taken for the night with its name."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return _time(text, "2026-11-20T08:30")
    raise argparse.ArgumentTypeError(
        f"{text} is a day: for the night with that name use --night {day}; for a point in time "
        f"add the time, such as {day}T08:30 (UTC)"
    )


def night(text: str) -> date:
    """A night of the calendar. Raises ArgumentTypeError for anything but a date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"it is a date such as 2026-11-20, not {text!r}; --at takes a point in time"
        ) from None


def add_point(parser: argparse.ArgumentParser) -> None:
    """Which recovery point, in which region, whether a cold one is accepted, and the role."""
    add_which_point(parser)
    add_where(parser)
    add_role(parser)


def add_where(parser: argparse.ArgumentParser) -> None:
    """The options --in and --cold."""
    parser.add_argument(
        "--in",
        dest="where",
        type=one_of(RestoreRegion),
        choices=tuple(RestoreRegion),
        default=RestoreRegion.PRIMARY,
        metavar="REGION",
        help="primary (default), or dr: restore a recovery point of the DR vault in the DR region, "
        "to salvage what is in it",
    )
    parser.add_argument(
        "--cold", action="store_true", help="accept a recovery point in cold storage"
    )


def add_mount_targets(parser: argparse._ActionsContainer) -> None:
    """The options --subnet and --security-group."""
    parser.add_argument(
        "--subnet",
        action="append",
        default=[],
        metavar="ID",
        help="create a mount target in this subnet; can be repeated",
    )
    parser.add_argument(
        "--security-group",
        action="append",
        default=[],
        metavar="ID",
        help="a security group of the mount targets; can be repeated",
    )


def point_request(options: PointOptions) -> PointRequest:
    """The recovery point that the options of `add_point` ask for."""
    from cabal_backup.operations.restore.select_point import PointRequest

    return PointRequest(
        arn=options.recovery_point,
        at=options.at,
        night=options.night,
        file_system=options.file_system if isinstance(options, MailPointOptions) else None,
        cold=options.cold,
        role=options.role,
    )


def pinned(point: RecoveryPoint) -> dict[str, object]:
    """The values of the options of `add_point` that choose this recovery point again."""
    return {"recovery_point": point.arn, "at": None, "night": None}


def add_file_system(parser: argparse.ArgumentParser) -> None:
    """The option --file-system."""
    parser.add_argument(
        "--file-system",
        metavar="ID",
        help="only recovery points of this file system (default: those of the mailstore and of "
        "former mailstores)",
    )


def add_which_point(parser: argparse.ArgumentParser) -> None:
    """The options that choose a recovery point."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--recovery-point", metavar="ARN", help="this recovery point")
    add_time(which)


def add_time(which: argparse._MutuallyExclusiveGroup) -> None:
    """The options --night and --at."""
    which.add_argument(
        "--night",
        type=night,
        metavar="DATE",
        help="the newest one of this night, such as 2026-11-20: the night with that name in "
        "`cabal-backup points`",
    )
    which.add_argument(
        "--at",
        type=instant,
        metavar="TIME",
        help="the newest one before this point in time, such as 2026-11-20T08:30 (UTC)",
    )


def add_role(parser: argparse.ArgumentParser) -> None:
    """The option --role."""
    parser.add_argument(
        "--role",
        default=names.ROLE,
        metavar="NAME",
        help=f"the role for the restore (default: {names.ROLE})",
    )


def add_report_folder(parser: argparse.ArgumentParser) -> None:
    """The option --report-dir."""
    parser.add_argument(
        "--report-dir",
        type=Path,
        metavar="FOLDER",
        default=os.environ.get(REPORTS),
        help=f"the folder of the drill reports (default: {REPORTS}, then drills in the project)",
    )


def report_folder(options: ReportOptions) -> Path:
    """Where `drill` writes its reports and `status` reads them.

    The folder that was named, or the project's own. Raises SettingsError without a project.
    """
    from cabal_backup.config.project import find_project

    if options.report_dir:
        return Path(options.report_dir)
    return find_project(options.project, options.config).folder / "drills"
