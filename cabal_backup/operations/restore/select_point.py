"""Which recovery point to restore from, or to copy back."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from botocore.exceptions import ClientError

from cabal_backup import names
from cabal_backup.errors import (
    AwsError,
    NoRecoveryPointError,
    RefusedError,
    UsageError,
)
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.recovery_points import (
    RecoveryPoint,
    list_recovery_points,
    protected_as,
)
from cabal_backup.operations.aws.responses import error_code
from cabal_backup.text import moment

ADDRESSES = "addresses"
MAILSTORE = "mailstore"

_FOR_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class PointChoice:
    """Which of the recovery points of a resource is wanted: the newest by default."""

    at: datetime | None = None
    """The newest from before that moment."""
    night: date | None = None
    """The newest of that night: of that day in UTC, as the calendar names it."""
    file_system: str | None = None
    """Of mail: only those of this file system."""

    def includes(self, point: RecoveryPoint) -> bool:
        """Whether a recovery point is from that time."""
        created = point.created
        is_of_night = self.night in (None, created.astimezone(UTC).date())
        return is_of_night and (self.at is None or created <= self.at)

    @property
    def time(self) -> str:
        """The time that is asked for, as the end of a sentence; empty for any."""
        if self.night is not None:
            return f" of the night {self.night} (00:00 to 24:00 UTC)"
        return "" if self.at is None else f" from before {moment(self.at)}"


@dataclass(frozen=True, kw_only=True)
class CopyBackRequest(PointChoice):
    """What is to be copied back; of mail, whose file system must be named if there are several."""

    what: str
    """ADDRESSES, MAILSTORE, or the ARN of a recovery point; its last part is enough."""
    cold: bool = False
    """Whether it is one in cold storage, which is restored, backed up and then copied: the newest
    cold one by default."""


@dataclass(frozen=True, kw_only=True)
class PointRequest(PointChoice):
    """Which recovery point is to be restored, and as which role.

    Of mail it is one of the mailstore or of a former mailstore.
    """

    arn: str | None = None
    """This one; the last part of its ARN is enough."""
    cold: bool = False
    """Whether one in cold storage is accepted."""
    role: str = names.ROLE

    def options(self, arn: str) -> str:
        """What was asked for as options of a command, each after a space, with this recovery point
        in the place of a time.
        """
        given = (
            ("--cold", self.cold),
            (f"--role={self.role}", self.role != names.ROLE),
            (f"--file-system={self.file_system}", self.file_system is not None),
        )
        words = [f"--recovery-point={arn}", *(option for option, is_given in given if is_given)]
        return "".join(f" {shlex.quote(word)}" for word in words)


def list_points(aws: Aws) -> list[RecoveryPoint]:
    """Every recovery point in the vault of the region to act in, the newest first.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    with worded(f"listing the recovery points in {aws.vault}"):
        return list_recovery_points(
            aws.client("backup"), aws.vault, dr_region=aws.environment.dr_region
        )


def choose_point(
    aws: Aws, resource_arn: str, now: datetime, request: PointRequest
) -> RecoveryPoint:
    """The completed recovery point of a resource, in the vault of the region to act in, that is
    to be restored.

    Those of former mailstores count for the mailstore; see `protected_as`.

    Raises NoRecoveryPointError when there is no such point, UsageError for one of another
    resource, RefusedError for a cold one that was not asked for, CabalBackupError when AWS
    will not say.
    """
    points = list_points(aws)
    mine = [
        point
        for point in points
        if protected_as(point.resource_arn, resource_arn) == resource_arn
        and request.file_system in (None, _resource(point.resource_arn))
    ]
    point = (
        _restorable(aws, points, mine, resource_arn, request)
        if request.arn
        # Not a rehearsal's copy, which is about to expire.
        else _newest(mine, request, lambda point: point.original is None)
    )
    if point is None:
        what = f"{request.file_system or _resource(resource_arn)} in {aws.vault}"
        raise _nothing(aws, mine, what, request, _elsewhere(aws))
    point = with_storage_class(aws, point, now)
    if point.is_cold(now) and not request.cold:
        raise RefusedError(_cold_to_restore(point, mine, now))
    return point


def salvage(aws: Aws) -> tuple[str, ...]:
    """What a restore in the DR region is not, for its plan; empty in the primary region."""
    if not aws.in_dr:
        return ()
    return (
        f"  in {aws.region}: this salvages data. Running Cabal there is the migration of a region, "
        "which no command here does (docs/runbooks/lose-a-region.md#in-the-dr-region)",
    )


def choose_copy(
    aws: Aws, points: Sequence[RecoveryPoint], now: datetime, wanted: CopyBackRequest
) -> RecoveryPoint:
    """The completed recovery point that is asked for.

    :param points: those of the DR vault, the newest first.

    Raises NoRecoveryPointError when there is none, UsageError when it is not clear which, AwsError
    for one that is not complete, RefusedError for a cold one that was not asked for, and where a
    cold one is asked for and all are warm.
    """
    if wanted.what == ADDRESSES:
        arn = aws.arn("dynamodb", f"table/{aws.environment.addresses_table}")
        of_table = [point for point in points if point.resource_arn == arn]
        candidates = _as_cold_as_wanted(of_table, wanted, now)
        point = _newest_copy(aws, candidates, wanted, now)
    elif wanted.what == MAILSTORE:
        mail = [point for point in points if point.resource_type == names.EFS and point.completed]
        if wanted.file_system is not None:
            mail = _of_file_system(mail, wanted.file_system)
        candidates = _of_one_file_system(_as_cold_as_wanted(mail, wanted, now))
        point = _newest_copy(aws, candidates, wanted, now)
    else:
        point = _copyable(aws, points, wanted.what)
        candidates = [other for other in points if other.resource_arn == point.resource_arn]
    point = with_storage_class(aws.at(aws.environment.dr_region), point, now)
    if point.is_cold(now) and not wanted.cold:
        raise RefusedError(_cold_to_copy(aws, point, candidates, now))
    return point


def with_storage_class(aws: Aws, point: RecoveryPoint, now: datetime) -> RecoveryPoint:
    """A recovery point in the vault of the region to act in; one that should be cold by now with
    the storage class that AWS Backup describes.

    A list has only the date, beyond which a legal hold may keep it warm: AWS documents both. Where
    IAM denies the description, the date decides.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/API_LegalHold.html
    https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeRecoveryPoint.html

    Raises CabalBackupError when AWS does not answer.
    """
    if not point.is_cold(now):
        return point
    with worded(f"looking at the recovery point {point.id}"):
        try:
            described = aws.client("backup").describe_recovery_point(
                BackupVaultName=aws.vault, RecoveryPointArn=point.arn
            )
        except ClientError as error:
            if "AccessDenied" not in error_code(error):
                raise
            return point
    return replace(point, storage_class=described["StorageClass"])


def find_named(points: Sequence[RecoveryPoint], name: str) -> RecoveryPoint | None:
    """The point with this ARN, or with this last part of it."""
    return next((point for point in points if name in (point.arn, point.id)), None)


def _newest(
    points: Sequence[RecoveryPoint], choice: PointChoice, prefer: Callable[[RecoveryPoint], bool]
) -> RecoveryPoint | None:
    """The newest completed one that is asked for.

    A copy keeps the date of its backup, so several may be as new: of those, the preferred one, then
    the one that lives longest, and then the one that stays warm longest.
    """
    return max(
        (point for point in points if point.completed and choice.includes(point)),
        key=lambda point: (point.created, prefer(point), *_life(point)),
        default=None,
    )


def _warm(points: Sequence[RecoveryPoint], now: datetime) -> list[RecoveryPoint]:
    return [point for point in points if point.completed and not point.is_cold(now)]


def _resource(arn: str) -> str:
    return arn.rpartition("/")[2]


def _restorable(
    aws: Aws,
    points: Sequence[RecoveryPoint],
    mine: Sequence[RecoveryPoint],
    resource_arn: str,
    request: PointRequest,
) -> RecoveryPoint:
    arn = str(request.arn)
    point = find_named(points, arn)
    if point is None:
        raise NoRecoveryPointError(
            f"There is no recovery point {arn} in {aws.vault}. `cabal-backup points --list "
            f"{aws.environment.options}` lists those there are{_elsewhere(aws)}. Nothing was done."
        )
    if point not in mine:
        raise UsageError(
            f"{arn} is a recovery point of {_resource(point.resource_arn)}, not of "
            f"{request.file_system or _resource(resource_arn)}. Nothing was done."
        )
    if not point.completed:
        reason = f": {point.status_message}" if point.status_message else ""
        raise AwsError(
            f"The recovery point {arn} is {point.status}{reason}, so it cannot be restored. "
            "Nothing was done."
        )
    return point


def _life(point: RecoveryPoint) -> tuple[datetime, datetime]:
    """When a point is deleted, and until when it is warm."""
    end = point.delete_at or _FOR_EVER
    return end, point.cold_at or end


def _elsewhere(aws: Aws) -> str:
    """How one of the DR vault is restored, as the end of a sentence about the primary vault."""
    if aws.in_dr:
        return ""
    return f"; one in {names.DR_VAULT} is copied back first, or restored there with --in dr"


def _nothing(
    aws: Aws,
    points: Sequence[RecoveryPoint],
    what: str,
    choice: PointChoice,
    elsewhere: str = "",
) -> NoRecoveryPointError:
    """The error where no completed point is from the time that is asked for.

    :param what: the resource and the vault.
    :param elsewhere: what to do about one in the other vault; see `_elsewhere`.
    """
    none = f"There is no completed recovery point of {what}"
    completed = [point for point in points if point.completed]
    if not completed or not choice.time:
        return NoRecoveryPointError(f"{none}{elsewhere}. Nothing was done.")
    return NoRecoveryPointError(
        f"{none}{choice.time}; the oldest is from {moment(completed[-1].created)}. "
        f"`cabal-backup points {aws.environment.options}` shows all nights. Nothing was done."
    )


def _cold_to_restore(
    point: RecoveryPoint, candidates: Sequence[RecoveryPoint], now: datetime
) -> str:
    warm = _warm(candidates, now)
    instead = f" The oldest warm one is from {moment(warm[-1].created)}." if warm else ""
    return (
        f"The recovery point from {moment(point.created)} is in cold storage. Restoring it "
        f"takes about four hours longer, and what is read is billed.{instead} Nothing was done. "
        "To restore this one, add --cold."
    )


def _as_cold_as_wanted(
    points: Sequence[RecoveryPoint], wanted: CopyBackRequest, now: datetime
) -> list[RecoveryPoint]:
    """Those that are meant: with `cold` those in cold storage, and without those that bring a cold
    one back. If a time is given, any of that time: a warm one is then reported as such.

    Raises RefusedError if `cold` is given and all are warm.
    """
    if not wanted.cold:
        return list(points)
    originals = [point for point in points if point.original is None]
    if wanted.time:
        return originals
    cold = [point for point in originals if point.completed and point.is_cold(now)]
    if not cold and (warm := len(_warm(points, now))):
        whose = wanted.file_system or f"the {wanted.what}"
        raise RefusedError(
            f"No recovery point of {whose} is in cold storage. There "
            + ("is 1 warm one" if warm == 1 else f"are {warm} warm ones")
            + ". Nothing was done. Run the command again without --cold."
        )
    return cold


def _by_file_system(points: Sequence[RecoveryPoint]) -> dict[str, list[RecoveryPoint]]:
    by_id: dict[str, list[RecoveryPoint]] = {}
    for point in points:
        by_id.setdefault(_resource(point.resource_arn), []).append(point)
    return by_id


def _of_file_system(points: Sequence[RecoveryPoint], file_system: str) -> list[RecoveryPoint]:
    by_id = _by_file_system(points)
    if file_system not in by_id:
        raise NoRecoveryPointError(
            f"There is no recovery point of {file_system} in {names.DR_VAULT}. It has points "
            f"of: {', '.join(by_id) or 'no file system'}. Nothing was done."
        )
    return by_id[file_system]


def _of_one_file_system(points: list[RecoveryPoint]) -> list[RecoveryPoint]:
    """These points, if they are of one file system.

    The one that is configured now need not be the one whose mail is wanted: after the loss
    it is a new one, and its newest point may hold nothing.
    """
    by_id = _by_file_system(points)
    if len(by_id) > 1:
        several = "; ".join(
            f"{name}: {len(group)}, from {moment(group[-1].created)} to {moment(group[0].created)}"
            for name, group in by_id.items()
        )
        raise UsageError(
            f"{names.DR_VAULT} has recovery points of several file systems ({several}). Choose one "
            "with --file-system. Nothing was done."
        )
    return points


def _newest_copy(
    aws: Aws, candidates: Sequence[RecoveryPoint], wanted: CopyBackRequest, now: datetime
) -> RecoveryPoint:
    # What brings a cold one back has its date, and is warm.
    newest = _newest(candidates, wanted, lambda point: not point.is_cold(now))
    if newest is None:
        raise _nothing(aws, candidates, f"the {wanted.what} in {names.DR_VAULT}", wanted)
    return newest


def _copyable(aws: Aws, points: Sequence[RecoveryPoint], name: str) -> RecoveryPoint:
    point = find_named(points, name)
    if point is None:
        raise NoRecoveryPointError(
            f"There is no recovery point {name} in {names.DR_VAULT}; `cabal-backup points "
            f"--list {aws.environment.options}` lists those there are. Or use {ADDRESSES} or "
            f"{MAILSTORE}. Nothing was done."
        )
    if not point.completed:
        raise AwsError(
            f"The recovery point {point.arn} is {point.status}, so it cannot be copied. "
            "Nothing was done."
        )
    return point


def _cold_to_copy(
    aws: Aws, point: RecoveryPoint, candidates: Sequence[RecoveryPoint], now: datetime
) -> str:
    warm = _warm(candidates, now)
    instead = (
        f"The newest that can be copied is from {moment(warm[0].created)} ({warm[0].arn}), "
        f"the oldest from {moment(warm[-1].created)} ({warm[-1].arn})."
        if warm
        else f"None of {_resource(point.resource_arn)} is warm any more."
    )
    region = aws.environment.dr_region
    return (
        f"The recovery point from {moment(point.created)} is in cold storage, and AWS Backup "
        f"cannot copy a cold one. {instead}\n"
        f"With --cold it is restored in {region}, backed up there again, and that is copied, in "
        "some hours. Or restore it there, with the option --in dr of the restore commands: that "
        "salvages data; running Cabal there is the migration of a region, not a restore "
        "(docs/runbooks/lose-a-region.md#in-the-dr-region). Nothing was done."
    )
