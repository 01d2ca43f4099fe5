"""Taking the vaults' locks off, and putting them back."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup import names
from cabal_backup.environment import Lock
from cabal_backup.errors import RefusedError
from cabal_backup.operations.answers import pages
from cabal_backup.operations.aws import Aws, in_words
from cabal_backup.operations.progress import Event, Note
from cabal_backup.operations.recovery_points import RecoveryPoint, list_recovery_points

RELOCK_WITHIN = timedelta(hours=24)
"""How long a lock may be off before it has to be asked why it still is."""

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
    """From when the lock is in compliance mode, which nobody can undo; None in governance."""
    points: tuple[RecoveryPoint, ...]

    def young(self, now: datetime) -> int:
        """How many recovery points are younger than 30 days."""
        return sum(now - point.created < YOUNG for point in self.points)

    def line(self, now: datetime) -> str:
        lock = (
            f"locked, {self.min_days or 'no minimum'} to {self.max_days or 'no maximum'} days"
            if self.locked
            else "NOT LOCKED"
        )
        return (
            f"{self.vault} in {self.region}: {lock}; {len(self.points):,} recovery points, "
            f"{self.young(now):,} of them younger than 30 days"
        )


@dataclass(frozen=True, kw_only=True)
class UnlockPlan:
    """Exactly which locks will be removed."""

    environment: str
    now: datetime
    vaults: tuple[VaultLock, ...]
    reason: str

    @property
    def to_remove(self) -> tuple[VaultLock, ...]:
        return tuple(vault for vault in self.vaults if vault.locked)

    @property
    def relock_by(self) -> datetime:
        return self.now + RELOCK_WITHIN

    def lines(self) -> tuple[str, ...]:
        seen = tuple(f"  {vault.line(self.now)}" for vault in self.vaults)
        if not self.to_remove:
            return ("There is no lock to remove:", *seen)
        return (
            f"Remove the lock of {' and '.join(vault.vault for vault in self.to_remove)}:",
            *seen,
            "  from then on whoever may call DeleteRecoveryPoint can delete every one of them",
            f"  reason: {self.reason}",
        )


@dataclass(frozen=True, kw_only=True)
class RelockPlan:
    """Exactly which locks will be put on."""

    environment: str
    now: datetime
    vaults: tuple[VaultLock, ...]
    lock: Lock

    @property
    def to_put(self) -> tuple[VaultLock, ...]:
        wanted = (True, self.lock.min_days, self.lock.max_days)
        return tuple(
            vault
            for vault in self.vaults
            if (vault.locked, vault.min_days, vault.max_days) != wanted
        )

    def lines(self) -> tuple[str, ...]:
        put = ", ".join(vault.vault for vault in self.to_put)
        return (
            f"Lock to {self.lock.min_days} to {self.lock.max_days} days, in governance mode: {put}"
            if put
            else f"Nothing to do: locked to {self.lock.min_days} to {self.lock.max_days} days",
            *(f"  {vault.line(self.now)}" for vault in self.vaults),
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
    try:
        # Not DescribeBackupVault: it answers AccessDenied for a vault that does not exist.
        vaults = pages(backup, "list_backup_vaults", "BackupVaultList")
        seen = next((one for one in vaults if one["BackupVaultName"] == vault), None)
        if seen is None:
            return None
        points = list_recovery_points(backup, vault)
    except (BotoCoreError, ClientError) as error:
        raise in_words(error, f"looking at {vault} in {region}") from error
    return VaultLock(
        vault=vault,
        region=region,
        locked=bool(seen.get("Locked")),
        min_days=seen.get("MinRetentionDays"),
        max_days=seen.get("MaxRetentionDays"),
        immutable_from=seen.get("LockDate"),
        points=tuple(points),
    )


def plan_unlock(
    aws: Aws, now: datetime, *, reason: str, which: Sequence[str] = (PRIMARY, DR)
) -> UnlockPlan:
    """What removing the locks would touch.

    Raises RefusedError for a lock that nobody can remove, CabalBackupError when AWS will
    not say.
    """
    vaults = look_at_locks(aws, which)
    for vault in vaults:
        if vault.locked and vault.immutable_from is not None and vault.immutable_from <= now:
            raise RefusedError(
                f"The lock of {vault.vault} in {vault.region} has been in compliance mode since "
                f"{vault.immutable_from:%Y-%m-%d %H:%M UTC}: nobody can remove it, AWS included. "
                "Its recovery points go only as they expire. Nothing was changed."
            )
    return UnlockPlan(environment=aws.environment.name, now=now, vaults=vaults, reason=reason)


def unlock(aws: Aws, plan: UnlockPlan) -> Generator[Event, None, None]:
    """Remove the locks one after the other; a run that was cut short is finished by another.

    Raises CabalBackupError when AWS refuses.
    """
    for vault in plan.to_remove:
        backup = aws.client_with_reason("backup", vault.region, plan.reason)
        try:
            backup.delete_backup_vault_lock_configuration(BackupVaultName=vault.vault)
        except (BotoCoreError, ClientError) as error:
            raise in_words(error, f"removing the lock of {vault.vault}") from error
        yield Note(f"The lock of {vault.vault} in {vault.region} is off.")


def plan_relock(aws: Aws, now: datetime, *, which: Sequence[str] = (PRIMARY, DR)) -> RelockPlan:
    """What putting the locks back would touch; what is as it should be is left alone."""
    return RelockPlan(
        environment=aws.environment.name,
        now=now,
        vaults=look_at_locks(aws, which),
        lock=aws.environment.lock,
    )


def relock(aws: Aws, plan: RelockPlan) -> Generator[Event, None, None]:
    """Put the environment's lock on; raises CabalBackupError when AWS refuses."""
    for vault in plan.to_put:
        try:
            # Never with ChangeableForDays: that would be compliance mode.
            aws.client("backup", vault.region).put_backup_vault_lock_configuration(
                BackupVaultName=vault.vault,
                MinRetentionDays=plan.lock.min_days,
                MaxRetentionDays=plan.lock.max_days,
            )
        except (BotoCoreError, ClientError) as error:
            raise in_words(error, f"locking {vault.vault}") from error
        yield Note(f"{vault.vault} in {vault.region} is locked.")
