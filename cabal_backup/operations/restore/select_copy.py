"""Which recovery point of the DR vault is to be copied back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cabal_backup import names
from cabal_backup.errors import AwsError, RefusedError, UsageError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.recovery_points import RecoveryPoint

ADDRESSES = "addresses"
MAILSTORE = "mailstore"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What somebody asked to have back."""

    what: str
    """ADDRESSES, MAILSTORE, or the ARN of a recovery point; its last part will do."""
    at: datetime | None = None
    """The newest from before then; None for the newest of all."""
    file_system: str | None = None
    """For MAILSTORE: which file system, where the vault has points of several."""


def choose_copy(
    aws: Aws, points: Sequence[RecoveryPoint], now: datetime, wanted: Wanted
) -> RecoveryPoint:
    """The completed, warm recovery point that is asked for.

    :param points: those of the DR vault, the newest first.

    Raises UsageError when there is none or it is not clear which, AwsError for one that is
    not complete, RefusedError for a cold one.
    """
    if wanted.what == ADDRESSES:
        arn = aws.arn("dynamodb", f"table/{aws.environment.addresses_table}")
        candidates = [point for point in points if point.resource_arn == arn]
        point = _newest(candidates, wanted)
    elif wanted.what == MAILSTORE:
        candidates = _of_file_system(points, wanted.file_system)
        point = _newest(candidates, wanted)
    else:
        point = _named(points, wanted)
        candidates = [other for other in points if other.resource_arn == point.resource_arn]
    if point.is_cold(now):
        raise RefusedError(_about_cold(aws, point, candidates, now))
    return point


def _of_file_system(
    points: Sequence[RecoveryPoint], file_system: str | None
) -> list[RecoveryPoint]:
    """The points of one file system.

    The one that is configured now need not be the one whose mail is wanted: after the loss
    it is a new one, and its newest point may hold nothing.
    """
    of_any = [point for point in points if point.resource_type == "EFS" and point.completed]
    by_id: dict[str, list[RecoveryPoint]] = {}
    for point in of_any:
        by_id.setdefault(_resource(point), []).append(point)
    if file_system is not None:
        if file_system not in by_id:
            raise UsageError(
                f"There is no recovery point of {file_system} in {names.DR_VAULT}. It has points "
                f"of: {', '.join(by_id) or 'no file system'}. Nothing was done."
            )
        return by_id[file_system]
    if len(by_id) > 1:
        several = "; ".join(
            f"{name}: {len(group)}, from {_moment(group[-1])} to {_moment(group[0])}"
            for name, group in by_id.items()
        )
        raise UsageError(
            f"{names.DR_VAULT} has recovery points of several file systems ({several}). Say which "
            "with --file-system. Nothing was done."
        )
    return of_any


def _newest(candidates: Sequence[RecoveryPoint], wanted: Wanted) -> RecoveryPoint:
    completed = [point for point in candidates if point.completed]
    for point in completed:
        if wanted.at is None or point.created <= wanted.at:
            return point
    if completed and wanted.at is not None:
        raise UsageError(
            f"There is no recovery point of the {wanted.what} in {names.DR_VAULT} from before "
            f"{wanted.at:%Y-%m-%d %H:%M UTC}; the oldest is from {_moment(completed[-1])}. "
            "Nothing was done."
        )
    raise UsageError(
        f"There is no completed recovery point of the {wanted.what} in {names.DR_VAULT}. "
        "Nothing was done."
    )


def _named(points: Sequence[RecoveryPoint], wanted: Wanted) -> RecoveryPoint:
    for point in points:
        if wanted.what in (point.arn, point.arn.rpartition(":")[2]):
            break
    else:
        raise UsageError(
            f"There is no recovery point {wanted.what} in {names.DR_VAULT}; `cabal-backup points "
            f"--list` lists those there are. Or say {ADDRESSES} or {MAILSTORE}. Nothing was done."
        )
    if not point.completed:
        raise AwsError(
            f"The recovery point {point.arn} is {point.status}, so it cannot be copied. "
            "Nothing was done."
        )
    return point


def _about_cold(
    aws: Aws, point: RecoveryPoint, candidates: Sequence[RecoveryPoint], now: datetime
) -> str:
    warm = [other for other in candidates if other.completed and not other.is_cold(now)]
    instead = (
        f"The newest that can be copied is from {_moment(warm[0])} ({warm[0].arn}), the oldest "
        f"from {_moment(warm[-1])} ({warm[-1].arn})."
        if warm
        else f"None of {_resource(point)} is warm any more."
    )
    region = aws.environment.dr_region
    return (
        f"The recovery point from {_moment(point)} is in cold storage, and AWS Backup cannot copy "
        f"a cold one. {instead}\n"
        f"It can be restored in {region} only, and what it becomes is there then: Cabal would "
        "have to be built there, network, mail hosts, DNS and all. That is the migration of a "
        "region, not a restore, and no command here does it "
        "(docs/runbooks/lose-a-region.md#when-everything-is-cold). Nothing was done."
    )


def _resource(point: RecoveryPoint) -> str:
    return point.resource_arn.rpartition("/")[2]


def _moment(point: RecoveryPoint) -> str:
    return f"{point.created:%Y-%m-%d %H:%M UTC}"
