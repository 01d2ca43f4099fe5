"""Which nights must have a recovery point and a copy now, and which have them.

A night is expected from the creation of the plan on, or from that of the vault where the vault is
older than the plan; never from the oldest recovery point that is left, which says nothing about
what was deleted. A night is no longer expected once it has expired by the lifecycle that the plan
had at the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC as _UTC
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, cast

from cabal_backup import names
from cabal_backup.operations.aws.jobs import DEFAULT_START_WINDOW
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.status.state import LOOK_BACK, Plan, State, VaultState
from cabal_backup.text import day

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import (
        BackupJobTypeDef,
        BackupPlanTypeDef,
        BackupRuleTypeDef,
        CopyActionTypeDef,
    )

RUNNING_TIME = timedelta(hours=4)
"""How long a nightly backup may take before its absence counts as missed."""

NIGHT = timedelta(days=1)

SAME_MOMENT = timedelta(minutes=1)
"""A copy keeps the creation date of its source; this much apart is still the same."""

FUTURE = timedelta(minutes=5)
"""A date further in the future than this is wrong."""

_SETTING_UP = timedelta(hours=1)
"""A plan made this shortly before midnight may have got its selection after it."""

_TOGETHER = timedelta(days=7)
"""A vault made at most this long before the plan belongs to the same setting up."""

MANY = 10
"""Of 30 consecutive nights; as many missing ones are a failure, fewer a warning."""


@dataclass(frozen=True, kw_only=True)
class Night:
    """One night of one resource."""

    midnight: datetime
    arn: str
    point: RecoveryPoint | None
    """The plan's recovery point in the primary vault."""
    copied: bool
    """Whether the DR vault has a recovery point of that night."""
    point_due: bool
    """Whether the primary vault must still have one."""
    copy_due: bool
    """Whether the DR vault must still have one."""
    deleted: bool
    """Whether a job that AWS Backup lists made a recovery point that is no longer there."""
    planned: bool
    """Whether the present plan existed."""


class History:
    """The nights of every resource before the newest one that is due."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._points = _by_resource(state, state.primary)
        self._copies = _by_resource(state, state.dr)
        self._plan: Plan | None = state.plan.value_or(None)

    def begin(self, arn: str, *, former: bool = True) -> datetime | None:
        """After which moment nights of a resource are expected; None where nothing says it.

        :param former: whether nights of former mailstores are nights of the mailstore.
        """
        vault = self._state.primary.vault_created
        plan = None if self._plan is None else self._plan.created
        vault_first = plan is None or (vault is not None and plan - vault > _TOGETHER)
        start, made = vault if vault_first else plan, self._resource_made(arn, former=former)
        return start if start is None or made is None else max(start, made)

    def nights(self, arn: str) -> list[Night]:
        """The nights of a resource from old to new, without the newest due one."""
        begin = self.begin(arn)
        if begin is None:
            return []
        first, last = self._first(begin), newest_due_night(self._state)
        points = {night_of(point.created): point for point in self.scheduled(arn)}
        copied = {night_of(copy.created) for copy in self._copies.get(arn, ()) if copy.completed}
        deleted = {night_of(job["CreationDate"]) for job in self.deleted(arn)}
        return [
            Night(
                midnight=midnight,
                arn=arn,
                point=points.get(midnight),
                copied=midnight in copied,
                point_due=self._kept_until(midnight) > self._state.now,
                copy_due=self._copy_kept_until(midnight) > self._state.now,
                deleted=midnight in deleted,
                planned=self._plan is None or midnight > self._plan.created,
            )
            for midnight in (first + NIGHT * number for number in range((last - first) // NIGHT))
        ]

    def is_due(self, arn: str, midnight: datetime) -> bool:
        """Whether a night of this resource, not of a former one, is expected at all."""
        begin = self.begin(arn, former=False)
        return begin is None or midnight > begin + _SETTING_UP

    def scheduled(self, arn: str) -> list[RecoveryPoint]:
        """The completed recovery points that a plan made, from old to new.

        One that was copied back from the DR region counts where its copy was made by the plan.
        """
        copies = [copy.created for copy in self._copies.get(arn, ()) if self._is_planned(copy)]
        return [
            point
            for point in self._points.get(arn, ())
            if point.completed
            and point.created <= self._state.now + FUTURE
            and (
                self._is_planned(point)
                or any(abs(created - point.created) <= SAME_MOMENT for created in copies)
            )
        ]

    def on_demand(self, arn: str) -> list[RecoveryPoint]:
        """The other completed recovery points, from old to new."""
        scheduled = {point.arn for point in self.scheduled(arn)}
        return [
            point
            for point in self._points.get(arn, ())
            if point.completed
            and point.arn not in scheduled
            and point.created <= self._state.now + FUTURE
        ]

    def deleted(self, arn: str) -> list[BackupJobTypeDef]:
        """The completed backup jobs whose recovery point is not there, and must be.

        The lock keeps every recovery point for its minimum, whatever its lifecycle.
        """
        state = self._state
        there = {point.arn for point in self._points.get(arn, ())}
        days = min(state.environment.lock.min_days, state.environment.lifecycle.delete_after_days)
        since = max(state.now - timedelta(days=days), state.now - LOOK_BACK)
        return [
            job
            for job in state.backup_jobs.value_or(())
            if state.counts_for(job["ResourceArn"]) == arn
            and job["BackupVaultName"] == names.VAULT
            and job["State"] == "COMPLETED"
            and job["CreationDate"] > since
            and job.get("RecoveryPointArn") not in there
        ]

    def _is_planned(self, point: RecoveryPoint) -> bool:
        """Whether the plan made it, or an earlier plan before there was this one."""
        if point.plan_id is None:
            return False
        plan = self._plan
        return plan is None or point.plan_id == plan.plan_id or point.created <= plan.created

    def _first(self, begin: datetime) -> datetime:
        midnight = night_of(begin) + NIGHT
        if midnight <= begin + _SETTING_UP:
            midnight += NIGHT
        environment = self._state.environment
        kept = [environment.lifecycle.delete_after_days, environment.dr_lifecycle.delete_after_days]
        for version in self._plan.versions if self._plan else ():
            rule = _rule(version.plan)
            kept += [days for each in (rule, *rule.get("CopyActions", ())) if (days := _days(each))]
        return max(midnight, night_of(self._state.now - timedelta(days=max(kept))))

    def _kept_until(self, midnight: datetime) -> datetime:
        days = _days(_rule(self._version(midnight)))
        return midnight + NIGHT * (days or self._state.environment.lifecycle.delete_after_days)

    def _copy_kept_until(self, midnight: datetime) -> datetime:
        """When the copy expires; `midnight` if the night is older than the DR vault."""
        actions = _rule(self._version(midnight)).get("CopyActions", ())
        ours = [a for a in actions if a["DestinationBackupVaultArn"] == self._state.dr_vault_arn]
        made = self._state.dr.vault_created
        if not ours and made is not None and midnight <= made:
            return midnight
        days = _days(ours[0]) if ours else None
        return midnight + NIGHT * (days or self._state.environment.dr_lifecycle.delete_after_days)

    def _version(self, midnight: datetime) -> BackupPlanTypeDef:
        """The plan as it was at a midnight; nothing where there was none, or it is not known."""
        versions = self._plan.versions if self._plan else ()
        plans = (version.plan for version in reversed(versions) if version.created <= midnight)
        return next(plans, cast("BackupPlanTypeDef", {}))

    def _resource_made(self, arn: str, *, former: bool) -> datetime | None:
        """When a resource was made, or its oldest recovery point, whichever is older."""
        state = self._state
        if arn == state.table_arn:
            table = state.tables[state.environment.addresses_table].table.value_or(None)
            made = table.get("CreationDateTime") if table else None
        else:
            mailstore = state.mailstore.value_or(None)
            made = mailstore.get("CreationTime") if mailstore else None
        if made is None:
            return None
        kept = (*self._points.get(arn, ()), *self._copies.get(arn, ()))
        dates = (point.created for point in kept if former or point.resource_arn == arn)
        return min([made, *dates])


def newest_due_night(state: State) -> datetime:
    """The newest midnight whose backups should be there by now."""
    tonight = night_of(state.now)
    return (
        tonight if state.now >= tonight + _start_window(state) + RUNNING_TIME else tonight - NIGHT
    )


def night_of(when: datetime) -> datetime:
    """The midnight, in UTC, that begins the day of a moment."""
    return datetime.combine(when.astimezone(_UTC).date(), time(), tzinfo=_UTC)


def are_many(nights: Iterable[Night]) -> bool:
    """Whether MANY of any 30 consecutive nights of one resource are among these."""
    return any(
        later - earlier < 30 * NIGHT
        for midnights in _midnights(nights).values()
        for earlier, later in zip(midnights, midnights[MANY - 1 :], strict=False)
    )


def spans(state: State, nights: Iterable[Night]) -> Iterator[str]:
    """Nights for people, consecutive ones of one resource in one line; the oldest first."""
    found: list[tuple[datetime, datetime, str]] = []
    for arn, midnights in _midnights(nights).items():
        first = last = midnights[0]
        for midnight in midnights[1:]:
            if midnight - last > NIGHT:
                found.append((first, last, state.resources[arn]))
                first = midnight
            last = midnight
        found.append((first, last, state.resources[arn]))
    for first, last, name in sorted(found):
        until = f" to {day(last)}" if last > first else ""
        yield f"{day(first)}{until}: {name}"


def _midnights(nights: Iterable[Night]) -> dict[str, list[datetime]]:
    """From old to new, by resource."""
    found: dict[str, list[datetime]] = {}
    for night in nights:
        found.setdefault(night.arn, []).append(night.midnight)
    return found


def _by_resource(state: State, region: VaultState) -> Mapping[str, Sequence[RecoveryPoint]]:
    """From old to new, by the resource they count for; nothing where they could not be listed."""
    found: dict[str, list[RecoveryPoint]] = {}
    for point in sorted(region.points.value_or(()), key=lambda point: point.created):
        found.setdefault(state.counts_for(point.resource_arn), []).append(point)
    return found


def _start_window(state: State) -> timedelta:
    plan = state.plan.value_or(None)
    minutes = _rule(plan.plan).get("StartWindowMinutes") if plan else None
    return timedelta(minutes=minutes) if minutes else DEFAULT_START_WINDOW


def _rule(plan: BackupPlanTypeDef) -> BackupRuleTypeDef:
    """The nightly rule of a plan; an empty one where it has none."""
    rules = (rule for rule in plan.get("Rules", ()) if rule["RuleName"] == names.RULE)
    return next(rules, cast("BackupRuleTypeDef", {}))


def _days(rule: BackupRuleTypeDef | CopyActionTypeDef) -> int | None:
    """DeleteAfterDays of a rule or a copy action; None for never, which AWS may write as -1."""
    days = (rule.get("Lifecycle") or {}).get("DeleteAfterDays")
    return days if days is not None and days > 0 else None
