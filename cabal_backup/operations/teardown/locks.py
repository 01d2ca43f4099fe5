"""Removing the vaults' locks, and putting them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cabal_backup import names
from cabal_backup.config.environment import Environment, Lock
from cabal_backup.config.settings import MAX_DAYS
from cabal_backup.errors import RefusedError
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.jobs import Report
from cabal_backup.operations.aws.recovery_points import (
    RecoveryPoint,
    list_recovery_points,
    list_vaults,
)
from cabal_backup.text import moment, plural

RELOCK_WITHIN = timedelta(hours=24)
"""How long a lock may be off, as `unlock` reports it."""

YOUNG = timedelta(days=30)

PRIMARY = "primary"
DR = "dr"


@dataclass(frozen=True, kw_only=True)
class VaultLock:
    """One vault and its lock as it is now."""

    vault: str
    region: str
    locked: bool
    min_days: int | None
    max_days: int | None
    immutable_from: datetime | None
    """When the lock becomes immutable (LockDate, compliance mode); None in governance mode.

    Until then it can be removed or changed. AWS does not say whether a change without
    ChangeableForDays clears the date, so only removing the lock is relied on.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/API_PutBackupVaultLockConfiguration.html
    """
    points: tuple[RecoveryPoint, ...]

    def young(self, now: datetime) -> int:
        """How many recovery points are younger than 30 days."""
        return sum(now - point.created < YOUNG for point in self.points)

    def is_immutable(self, now: datetime) -> bool:
        """Whether no one can remove or change the lock any more, AWS included."""
        return self.locked and self.immutable_from is not None and self.immutable_from <= now

    def is_pending(self, now: datetime) -> bool:
        """Whether the lock becomes immutable unless it is removed or changed before."""
        return self.locked and self.immutable_from is not None and now < self.immutable_from

    def is_weakened_by(self, lock: Lock, now: datetime) -> bool:
        """Whether `lock` accepts a retention that this lock refuses, or can be removed longer."""
        return self.locked and (
            lock.min_days < (self.min_days or 1)
            or lock.max_days > (self.max_days or MAX_DAYS)
            or self.is_pending(now)
        )

    def range(self) -> str:
        """The retention that the lock accepts."""
        return f"{self.min_days or 'no minimum'} to {self.max_days or 'no maximum'} days"

    def line(self, now: datetime) -> str:
        """The vault and its lock on one line."""
        lock = f"locked, {self.range()}" if self.locked else "NOT LOCKED"
        if self.immutable_from is not None and self.is_pending(now):
            lock += f", COMPLIANCE MODE PENDING, removable until {moment(self.immutable_from)}"
        elif self.immutable_from is not None and self.locked:
            lock += f", in compliance mode since {moment(self.immutable_from)}"
        return (
            f"{self.vault} in {self.region}: {lock}; {plural(len(self.points), 'recovery point')}, "
            f"{self.young(now):,} of them younger than 30 days"
        )

    def pending_line(self, environment: Environment) -> str:
        """What a pending compliance lock means, and the last moment to stop it."""
        assert self.immutable_from is not None
        return (
            f"the lock of {self.vault} becomes immutable at {moment(self.immutable_from)}; from "
            f"then on no one can remove or change it. To stop it before: cabal-backup relock "
            f"{environment.options}"
        )


@dataclass(frozen=True, kw_only=True)
class UnlockPlan:
    """Exactly which locks will be removed."""

    environment: Environment
    now: datetime
    vaults: tuple[VaultLock, ...]
    reason: str

    @property
    def to_remove(self) -> tuple[VaultLock, ...]:
        """The vaults whose lock is removed."""
        return tuple(vault for vault in self.vaults if vault.locked)

    @property
    def relock_by(self) -> datetime:
        """When the locks should be back at the latest."""
        return self.now + RELOCK_WITHIN

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        seen = _seen(self.environment, self.vaults, self.now)
        if not self.to_remove:
            return ("There is no lock to remove:", *seen)
        return (
            f"Remove the lock of {' and '.join(vault.vault for vault in self.to_remove)}:",
            *seen,
            "  from then on everyone who may call DeleteRecoveryPoint can delete every one of them",
            f"  reason: {self.reason}",
        )


@dataclass(frozen=True, kw_only=True)
class RelockPlan:
    """Exactly which locks will be put on."""

    environment: Environment
    now: datetime
    vaults: tuple[VaultLock, ...]
    lock: Lock

    @property
    def to_put(self) -> tuple[VaultLock, ...]:
        """The vaults whose lock is put on or changed."""
        wanted = (True, self.lock.min_days, self.lock.max_days)
        return tuple(
            vault
            for vault in self.vaults
            if (vault.locked, vault.min_days, vault.max_days) != wanted
            or vault.is_pending(self.now)
        )

    @property
    def weakened(self) -> tuple[VaultLock, ...]:
        """Those whose standing lock protects more than the one that replaces it."""
        return tuple(v for v in self.to_put if v.is_weakened_by(self.lock, self.now))

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        put = ", ".join(vault.vault for vault in self.to_put)
        return (
            f"Lock to {self.lock.min_days} to {self.lock.max_days} days, in governance mode: {put}"
            if put
            else f"Nothing to do: locked to {self.lock.min_days} to {self.lock.max_days} days",
            *_seen(self.environment, self.vaults, self.now),
            *(
                f"  THIS WEAKENS the lock of {vault.vault}, which is {vault.range()}"
                + (" and about to become immutable" if vault.is_pending(self.now) else "")
                for vault in self.weakened
            ),
            *(
                f"  {vault.vault} is unlocked for a moment: its lock is removed, then put on"
                for vault in self.to_put
                if vault.is_pending(self.now)
            ),
        )


def look_at_locks(aws: Aws, which: Sequence[str] = (PRIMARY, DR)) -> tuple[VaultLock, ...]:
    """The vaults that exist, their locks and what they hold.

    Raises CabalBackupError when AWS will not say.
    """
    places = {
        PRIMARY: (names.VAULT, aws.environment.region),
        DR: (names.DR_VAULT, aws.environment.dr_region),
    }
    found = (look_at_lock(aws, *places[one]) for one in which)
    return tuple(vault for vault in found if vault is not None)


def look_at_lock(aws: Aws, vault: str, region: str) -> VaultLock | None:
    """One vault and its lock; None when there is no such vault."""
    backup = aws.client("backup", region)
    with worded(f"looking at {vault} in {region}"):
        # Not DescribeBackupVault: it answers AccessDenied for a vault that does not exist.
        vaults = list_vaults(backup, air_gapped=vault == names.AIR_GAPPED_VAULT)
        seen = next((one for one in vaults if one["BackupVaultName"] == vault), None)
        if seen is None:
            return None
        dr_region = aws.environment.dr_region
        points = list_recovery_points(backup, vault, dr_region=dr_region, tags_may_be_denied=True)
    return VaultLock(
        vault=vault,
        region=region,
        locked=bool(seen.get("Locked")),
        min_days=seen.get("MinRetentionDays"),
        max_days=seen.get("MaxRetentionDays"),
        immutable_from=seen.get("LockDate"),
        points=tuple(points),
    )


def plan_unlock(aws: Aws, now: datetime, *, reason: str, which: Sequence[str]) -> UnlockPlan:
    """What removing the locks would touch.

    Raises RefusedError for a lock that cannot be removed, CabalBackupError when AWS will
    not say.
    """
    vaults = look_at_locks(aws, which)
    for vault in vaults:
        if vault.is_immutable(now):
            raise _immutable(vault)
    return UnlockPlan(environment=aws.environment, now=now, vaults=vaults, reason=reason)


def unlock(aws: Aws, plan: UnlockPlan, report: Report) -> None:
    """Remove the locks one after the other; an interrupted run can be repeated.

    Raises CabalBackupError when AWS refuses.
    """
    for vault in plan.to_remove:
        backup = aws.backup_with_reason(vault.region, plan.reason)
        with worded(f"removing the lock of {vault.vault}"):
            backup.delete_backup_vault_lock_configuration(BackupVaultName=vault.vault)
        report(f"The lock of {vault.vault} in {vault.region} is off.")


def plan_relock(aws: Aws, now: datetime, *, which: Sequence[str]) -> RelockPlan:
    """What putting the locks back would change; a lock that is right is left alone.

    Raises RefusedError for a lock that has to change and is immutable, CabalBackupError when
    AWS refuses or does not answer.
    """
    plan = RelockPlan(
        environment=aws.environment,
        now=now,
        vaults=look_at_locks(aws, which),
        lock=aws.environment.lock,
    )
    for vault in plan.to_put:
        if vault.is_immutable(now):
            raise _immutable(vault)
    return plan


def relock(aws: Aws, plan: RelockPlan, report: Report) -> None:
    """Put the environment's lock on; a pending one is removed before.

    An interrupted run can be repeated. Raises CabalBackupError when AWS refuses.
    """
    for vault in plan.to_put:
        backup = aws.backup_with_reason(vault.region, "relock")
        with worded(f"locking {vault.vault}"):
            if vault.is_pending(plan.now):
                backup.delete_backup_vault_lock_configuration(BackupVaultName=vault.vault)
            # Never with ChangeableForDays: that would be compliance mode.
            backup.put_backup_vault_lock_configuration(
                BackupVaultName=vault.vault,
                MinRetentionDays=plan.lock.min_days,
                MaxRetentionDays=plan.lock.max_days,
            )
        report(f"{vault.vault} in {vault.region} is locked.")


def _immutable(vault: VaultLock) -> RefusedError:
    assert vault.immutable_from is not None
    return RefusedError(
        f"The lock of {vault.vault} in {vault.region} ({vault.range()}) has been in compliance "
        f"mode since {moment(vault.immutable_from)}: no one can remove or change it, AWS "
        "included. Its recovery points are deleted only when they expire. Nothing was changed."
    )


def _seen(environment: Environment, vaults: Sequence[VaultLock], now: datetime) -> tuple[str, ...]:
    return (
        *(f"  {vault.line(now)}" for vault in vaults),
        *(f"  {vault.pending_line(environment)}" for vault in vaults if vault.is_pending(now)),
    )
