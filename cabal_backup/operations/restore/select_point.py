"""Which recovery point to restore from."""

from __future__ import annotations

from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup import names
from cabal_backup.errors import AwsError, CabalBackupError, RefusedError, UsageError
from cabal_backup.operations.aws.client import Aws, in_words
from cabal_backup.operations.aws.recovery_points import RecoveryPoint, list_recovery_points

_FOR_EVER = datetime.max.replace(tzinfo=UTC)


def choose_point(
    aws: Aws,
    resource_arn: str,
    now: datetime,
    *,
    arn: str | None = None,
    at: datetime | None = None,
    cold: bool = False,
) -> RecoveryPoint:
    """The recovery point of a resource in the primary vault that is to be restored.

    The newest completed one, unless `arn` names one (its last part will do) or `at` asks
    for the newest from before that moment.

    :param cold: whether one in cold storage will do.

    Raises UsageError when there is no such point, RefusedError for a cold one that was
    not asked for, CabalBackupError when AWS will not say.
    """
    try:
        points = list_recovery_points(aws.client("backup"), names.VAULT)
    except (BotoCoreError, ClientError) as error:
        raise in_words(error, f"listing the recovery points in {names.VAULT}") from error
    point = _named(points, resource_arn, arn) if arn else _newest(points, resource_arn, at)
    if point.is_cold(now) and not cold:
        raise RefusedError(_about_cold(point, points, resource_arn, now))
    return point


def _named(points: list[RecoveryPoint], resource_arn: str, arn: str) -> RecoveryPoint:
    point = next((p for p in points if arn in (p.arn, _id(p))), None)
    if point is None:
        raise UsageError(
            f"There is no recovery point {arn} in {names.VAULT}. `cabal-backup points --list` "
            f"lists those there are; one in {names.DR_VAULT} has to be copied back first. "
            "Nothing was done."
        )
    if point.resource_arn != resource_arn:
        raise UsageError(
            f"{arn} is a recovery point of {_resource(point.resource_arn)}, not of "
            f"{_resource(resource_arn)}. Nothing was done."
        )
    if not point.completed:
        reason = f": {point.status_message}" if point.status_message else ""
        raise AwsError(
            f"The recovery point {arn} is {point.status}{reason}, so it cannot be restored. "
            "Nothing was done."
        )
    return point


def _newest(points: list[RecoveryPoint], resource_arn: str, at: datetime | None) -> RecoveryPoint:
    """The newest of a list that begins with the newest.

    A copy keeps the date of its backup, so several may be as new: of those, the one that lives
    longest, and then stays warm longest, not a rehearsal's copy that is about to expire.
    """
    mine = [p for p in points if p.resource_arn == resource_arn and p.completed]
    newest = next((p for p in mine if at is None or p.created <= at), None)
    if newest is None:
        raise _nothing(mine, resource_arn, at)
    return max((p for p in mine if p.created == newest.created), key=_life)


def _life(point: RecoveryPoint) -> tuple[datetime, datetime]:
    """Until when a point is there, and until when it is warm."""
    end = point.delete_at or _FOR_EVER
    return end, point.cold_at or end


def _nothing(mine: list[RecoveryPoint], resource_arn: str, at: datetime | None) -> CabalBackupError:
    resource = _resource(resource_arn)
    if not mine or at is None:
        return UsageError(
            f"There is no completed recovery point of {resource} in {names.VAULT}. Its copies in "
            f"{names.DR_VAULT}, if any, can be copied back. Nothing was done."
        )
    return UsageError(
        f"There is no recovery point of {resource} in {names.VAULT} from before "
        f"{_moment(at)}; the oldest is from {_moment(mine[-1].created)}. Nothing was done."
    )


def _about_cold(
    point: RecoveryPoint, points: list[RecoveryPoint], resource_arn: str, now: datetime
) -> str:
    warm = [
        p for p in points if p.resource_arn == resource_arn and p.completed and not p.is_cold(now)
    ]
    instead = f" The oldest warm one is from {_moment(warm[-1].created)}." if warm else ""
    return (
        f"The recovery point from {_moment(point.created)} is in cold storage. Restoring it "
        f"takes about four hours longer, and what is read is billed.{instead} Nothing was done. "
        "If it has to be this one, say so with --cold."
    )


def _id(point: RecoveryPoint) -> str:
    return point.arn.rpartition(":")[2].rpartition("/")[2]


def _resource(arn: str) -> str:
    return arn.rpartition("/")[2]


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
