"""Deleting the recovery points of both vaults: those that were confirmed, and no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup import names
from cabal_backup.errors import AwsError, CredentialsError, RefusedError, UnknownError
from cabal_backup.operations.aws.client import (
    AssumedLost,
    Aws,
    in_words,
    is_unreachable,
    reason,
    worded,
)
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import Progress, Report
from cabal_backup.operations.aws.recovery_points import RecoveryPoint, list_recovery_points
from cabal_backup.operations.aws.responses import error_code
from cabal_backup.operations.teardown.inventory import (
    INCLUDE_OTHERS,
    Inventory,
    count_nights,
    create_again,
    is_ours,
    legal_hold_stands,
    role_is_missing,
    take_inventory,
    vault_line,
)
from cabal_backup.operations.teardown.locks import VaultLock
from cabal_backup.text import plural

if TYPE_CHECKING:
    from types_boto3_backup import BackupClient

AT_ONCE = 8
"""Calls under way at the same time; AWS Backup throttles a few more."""

BATCH = 100
"""Points handed out between two reports."""

STALL_TIMEOUT = timedelta(hours=2)
"""How long nothing may have changed before waiting ends."""

_WAITS = (2.0, 5.0, 10.0, 20.0, 30.0)
"""Seconds between two looks while nothing changes; the last one is repeated."""

_LOOKS = 3
"""Looks in which nothing changed, before a point counts as stuck."""

_LATER = {
    "ThrottlingException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "ServiceUnavailableException",
    "InternalFailure",
    "InvalidResourceStateException",
}
"""Refusals that another try may not meet."""


@dataclass(frozen=True)
class DeletePointsPlan:
    """Exactly which recovery points will be deleted."""

    seen: Inventory
    include_others: bool = False
    """Whether those of other resources are deleted too."""

    @property
    def vaults(self) -> tuple[VaultLock, ...]:
        """The vaults, each with the recovery points that will be deleted from it."""
        if self.include_others:
            return self.seen.vaults
        return tuple(
            replace(vault, points=tuple(p for p in vault.points if not self.seen.is_other(p)))
            for vault in self.seen.vaults
        )

    @property
    def points(self) -> int:
        """How many recovery points are deleted."""
        return sum(len(vault.points) for vault in self.vaults)

    @property
    def missing_roles(self) -> Mapping[str, int]:
        """How many of them each role made that was deleted, by its ARN."""
        return self.seen.missing_roles(include_others=self.include_others)

    @property
    def kept(self) -> int:
        """How many recovery points of other resources are kept."""
        return self.seen.points - self.points

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        stays = tuple(f"  {line}" for line in self.seen.stays() if "recovery point" in line)
        if not self.points:
            return ("Nothing to delete: there are no recovery points.", *self._others(), *stays)
        return (
            f"Delete every recovery point of {self.seen.environment} in account "
            f"{self.seen.account}, {self.points:,} in all:",
            *(f"  {vault_line(vault, self.seen.now)}" for vault in self.vaults),
            f"  these are the backups of {plural(count_nights(self.vaults), 'night')}; afterwards "
            "they cannot be restored",
            *self._others(),
            *(
                f"  CAUTION: the role {arn}, which made {count:,} of them, was deleted: AWS Backup "
                "may mark them EXPIRED and not delete them"
                for arn, count in self.missing_roles.items()
            ),
            *stays,
            *(
                ("  the nightly plan still runs: destroy before the next night, or it adds more",)
                if self.seen.plan_id
                else ()
            ),
        )

    def _others(self) -> tuple[str, ...]:
        lines = self.seen.other_lines()
        if not lines:
            return ()
        about = (
            "  AMONG THEM, which this environment did not make:"
            if self.include_others
            else f"  kept, because they are not this environment's ({INCLUDE_OTHERS}):"
        )
        return (about, *(f"  {line}" for line in lines))


def plan_deletion(seen: Inventory, *, include_others: bool = False) -> DeletePointsPlan:
    """Raises RefusedError while a lock or a legal hold stands, or without the environment's role.

    Another role that was deleted is no reason: no deployment creates it, AWS Backup then tries its
    service-linked role, and what becomes EXPIRED can be deleted with the role created again.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-iam.html
    """
    if seen.locked:
        raise RefusedError(
            f"Locked: {seen.which_locked}. Nothing was deleted. First: cabal-backup unlock "
            f"{seen.environment.options} --reason …"
        )
    plan = DeletePointsPlan(seen, include_others)
    if any(map(is_ours, plan.missing_roles)):
        raise RefusedError(f"{role_is_missing(seen)} Nothing was deleted.")
    if seen.legal_holds:
        raise RefusedError(f"{legal_hold_stands(seen)} Nothing was deleted.")
    return plan


def delete_points(aws: Aws, plan: DeletePointsPlan, clock: Clock, report: Report) -> int:
    """Delete until none of the plan's points is listed; how many were deleted is returned.

    A point that appears after the plan was made is not deleted, because no one confirmed it.
    What is already deleted is no error, so an interrupted run can be repeated.
    Raises AwsError when AWS refuses permanently or new points have appeared, UnknownError when
    nothing changes for STALL_TIMEOUT.
    """
    deleted = 0
    for vault in plan.vaults:
        if vault.points:
            deleted += _empty(aws, vault, clock, report)
    known = {point.arn for vault in plan.seen.vaults for point in vault.points}
    left = take_inventory(aws, clock.now())
    new = sum(point.arn not in known for vault in left.vaults for point in vault.points)
    if new:
        raise AwsError(
            f"{plural(new, 'recovery point')} not deleted: new since the plan was shown. A night "
            "or an on-demand job may have made what is new. Run it again."
        )
    return deleted


def _empty(aws: Aws, vault: VaultLock, clock: Clock, report: Report) -> int:
    """Delete the points that `vault` names; others in the vault are not touched."""
    backup = aws.client("backup", vault.region)
    step = f"deleting from {vault.vault}"
    confirmed = {point.arn for point in vault.points}
    total = len(confirmed)
    asked: set[str] = set()
    moved, waits, left_before = clock.now(), 0, -1
    while True:
        with worded(f"listing the recovery points in {vault.vault}"):
            listed = list_recovery_points(backup, vault.vault)
        points = [point for point in listed if point.arn in confirmed]
        if not points:
            if listed:
                report(f"{vault.vault} in {vault.region} keeps {plural(len(listed), 'other')}.")
            else:
                report(f"{vault.vault} in {vault.region} is empty.")
            return len(asked)
        if waits >= _LOOKS:
            _notice_expired(points, asked, vault)
        said = ""
        # AWS Backup already deletes those DELETING, and cannot delete those CREATING yet.
        deletable = [point for point in points if point.status not in ("DELETING", "CREATING")]
        for start in range(0, len(deletable), BATCH):
            answer = _delete(backup, vault, deletable[start : start + BATCH])
            asked |= answer.accepted
            said = answer.refusal or said
            report(Progress(step, min(len(asked), total), total, "recovery points"))
        if len(points) != left_before:
            left_before, moved, waits = len(points), clock.now(), 0
        elif clock.now() - moved > STALL_TIMEOUT:
            raise UnknownError(
                f"Still in {vault.vault}: {plural(len(points), 'recovery point')} "
                f"({_states(points)}). {said} Run it again later."
            )
        report(Progress(f"waiting until they disappear from {vault.vault}"))
        clock.sleep(_WAITS[min(waits, len(_WAITS) - 1)])
        waits += 1


def _notice_expired(points: Sequence[RecoveryPoint], asked: set[str], vault: VaultLock) -> None:
    """AWS Backup answers 200 and leaves the point EXPIRED when it cannot use a role.

    It needs the service-linked role and the role that made the point.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/deleting-backups.html
    """
    stuck = [point for point in points if point.status == "EXPIRED" and point.arn in asked]
    if stuck:
        roles = sorted({point.role_arn for point in stuck})
        said = sorted({point.status_message for point in stuck} - {""})
        why = f" AWS says: {said[0]}" if said else ""
        raise AwsError(
            f"{plural(len(stuck), 'recovery point')} in {vault.vault} became EXPIRED and stayed. "
            f"AWS Backup cannot use the role that made each ({', '.join(roles)}), which was "
            "deleted or lacks the permission, or its service-linked role "
            f"{names.SERVICE_LINKED_ROLE}.{why} Have an administrator restore the role "
            f"({'; '.join(map(create_again, roles))}), and where the other one is missing: aws iam "
            "create-service-linked-role --aws-service-name backup.amazonaws.com. Then run this "
            "again."
        )


class _Asked(NamedTuple):
    """The ARNs whose deletion AWS Backup accepted, and one refusal that may pass, if any."""

    accepted: set[str]
    refusal: str


def _delete(backup: BackupClient, vault: VaultLock, batch: Sequence[RecoveryPoint]) -> _Asked:
    """Ask for each point's deletion."""

    def one(point: RecoveryPoint) -> BotoCoreError | ClientError | None:
        try:
            backup.delete_recovery_point(BackupVaultName=vault.vault, RecoveryPointArn=point.arn)
        except (BotoCoreError, ClientError) as error:
            return error
        return None

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        answers = list(zip(batch, pool.map(one, batch), strict=True))
    accepted: set[str] = set()
    said = ""
    for point, error in answers:
        if error is None or error_code(error) == "ResourceNotFoundException":
            accepted.add(point.arn)
            continue
        if not _may_pass(error):
            worded = in_words(error, f"deleting {point.arn}")
            if isinstance(worded, CredentialsError):
                raise worded from error
            raise AwsError(
                f"{worded} Whatever was deleted before stays deleted. If the vault was locked "
                "again or put under a legal hold meanwhile, unlock it or have the hold cancelled; "
                "then run this again."
            ) from error
        said = f"AWS says: {reason(error)}"
    return _Asked(accepted, said)


def _may_pass(error: BotoCoreError | ClientError) -> bool:
    if isinstance(error, ClientError):
        return error_code(error) in _LATER or is_unreachable(error)
    # There was no answer: that says nothing about the point.
    return not isinstance(error, AssumedLost)


def _states(points: Sequence[RecoveryPoint]) -> str:
    counts = Counter(point.status for point in points)
    return ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
