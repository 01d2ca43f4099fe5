"""What would be lost with the region, and what is stored where and for how much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cabal_backup import names
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.aws.results import Answer, Known, Unknown
from cabal_backup.operations.report import prices
from cabal_backup.operations.report.costs import Amount
from cabal_backup.operations.status.drill_reports import DrillKind, PastDrill
from cabal_backup.operations.status.state import State

_DRILLED = {names.DYNAMODB: DrillKind.ADDRESSES, names.EFS: DrillKind.MAILBOX}
"""The drill that measures how long a resource takes to come back."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What the loss of the primary region would mean for one resource, now."""

    resource: str
    newest_copy: datetime | None
    """When the newest complete copy in the DR vault was backed up; None without one."""
    lost: timedelta | None
    """The age of that copy: what was written since is lost."""
    reach: datetime | None
    """How far back warm copies reach, which can be copied to a primary region again."""
    copy_back: PastDrill | None
    """The newest drill that measured the copy-back."""
    recovery: PastDrill | None
    """The newest drill that measured the restore of this kind of resource."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """The complete recovery points of one resource in one tier of one vault."""

    vault: str
    region: str
    resource: str
    tier: str
    count: int
    oldest: datetime
    newest: datetime
    size_bytes: int
    """The sum of the sizes that AWS Backup reports."""
    dollars: Amount
    """A month. The limits differ where AWS Backup stores changes only: `least` is for the newest
    recovery point alone, `most` for all as if each were stored whole.
    """


def if_region_failed(state: State) -> Answer[Sequence[Loss]]:
    """A row for each resource; unknown where the copies could not be listed."""
    if isinstance(state.dr.points, Unknown):
        return state.dr.points
    drilled = {
        past.kind: past
        for past in sorted(state.drills.value_or(()), key=lambda past: past.ended)
        if past.shows(state.environment.name) and past.recovery_seconds is not None
    }
    kinds = {state.table_arn: names.DYNAMODB, state.mailstore_arn: names.EFS}
    found = []
    for arn, name in state.resources.items():
        copies = state.points_of(state.dr, arn)
        newest = max((copy.created for copy in copies), default=None)
        warm = [copy.created for copy in copies if not copy.is_cold(state.now)]
        found.append(
            Loss(
                resource=name,
                newest_copy=newest,
                lost=None if newest is None else state.now - newest,
                reach=min(warm, default=None),
                copy_back=drilled.get(DrillKind.COPY_BACK),
                recovery=drilled.get(_DRILLED[kinds[arn]]),
            )
        )
    return Known(found)


def stored(state: State) -> Iterator[Stored]:
    """Every tier that holds something, without vaults that could not be looked into."""
    for region in (state.primary, *state.copy_vaults):
        for arn, name in state.resources.items():
            for tier in (prices.WARM, prices.COLD):
                points = [
                    point
                    for point in state.points_of(region, arn)
                    if point.is_cold(state.now) == (tier == prices.COLD)
                ]
                if points:
                    yield Stored(
                        vault=region.vault_name,
                        region=region.region,
                        resource=name,
                        tier=tier,
                        count=len(points),
                        oldest=min(point.created for point in points),
                        newest=max(point.created for point in points),
                        size_bytes=sum(point.size_bytes for point in points),
                        dollars=_dollars(points, tier),
                    )


def _dollars(points: Sequence[RecoveryPoint], tier: str) -> Amount:
    kind = points[0].resource_type
    price = prices.STORAGE[kind, tier] / prices.GB
    most = price * sum(point.size_bytes for point in points)
    newest = max(points, key=lambda point: point.created)
    return Amount(price * newest.size_bytes if kind in prices.INCREMENTAL else most, most)
