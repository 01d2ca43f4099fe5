"""The recovery points of one vault: do they live as long as they should."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from cabal_backup.environment import Lifecycle
from cabal_backup.operations.answers import Unknown
from cabal_backup.operations.recovery_points import RecoveryPoint
from cabal_backup.operations.status.checks.outcome import (
    Outcome,
    fail,
    lifecycle_words,
    moment,
    ok,
    plural,
    unknown,
    warn,
)
from cabal_backup.operations.status.state import RegionState, State

_SAME_MOMENT = timedelta(minutes=1)
_SOUND = {"COMPLETED", "AVAILABLE", "CREATING", "DELETING"}


def points(state: State, region: RegionState, wanted: Lifecycle) -> Outcome:
    if isinstance(region.points, Unknown):
        return unknown(region.points, looking_at=f"the recovery points in {region.vault_name}")
    short, odd, doubles = [], [], 0
    for point in region.points.value:
        if point.lifecycle != wanted and _is_double(point, region.points.value, wanted):
            doubles += 1
            continue
        described = f"{moment(point.created)}: {_name(state, point)}"
        if point.status not in _SOUND:
            odd.append(f"{described}: {point.status} {point.status_message}".rstrip())
        elif point.lifecycle is None:
            odd.append(f"{described}: never expires")
        elif point.lifecycle.delete_after_days < wanted.delete_after_days:
            short.append(f"{described}: expires after {point.lifecycle.delete_after_days} days")
        elif point.lifecycle != wanted:
            odd.append(f"{described}: {_lifecycle(point.lifecycle)}")
    if short:
        return fail(
            f"{plural(len(short), 'recovery point')} in {region.vault_name} will expire before "
            f"{wanted.delete_after_days} days.",
            "While the lock stands, their lifecycle cannot be changed. If the retention was "
            "raised lately, this passes as they expire.",
            details=[*short, *odd],
        )
    if odd:
        return warn(
            f"{plural(len(odd), 'recovery point')} in {region.vault_name} not as the others.",
            "PARTIAL: do not rely on it. EXPIRED: the role that made it is gone or may not "
            "delete it. Another lifecycle: made by hand, or before the retention changed.",
            details=odd,
        )
    more = f" And {plural(doubles, 'second copy', 'second copies')} of some." if doubles else ""
    return ok(
        f"{plural(len(region.points.value) - doubles, 'recovery point')} in {region.vault_name}, "
        f"each {_lifecycle(wanted)}.{more}"
    )


def _is_double(point: RecoveryPoint, others: Sequence[RecoveryPoint], wanted: Lifecycle) -> bool:
    """Whether there is another one of the same backup that lives as long as it should.

    A copy that was brought back, in a drill or by hand, keeps the moment of its backup.
    """
    if point.status not in _SOUND or point.lifecycle is None:
        return False
    return any(
        other.arn != point.arn
        and other.completed
        and other.resource_arn == point.resource_arn
        and abs(other.created - point.created) <= _SAME_MOMENT
        and other.lifecycle == wanted
        for other in others
    )


def _name(state: State, point: RecoveryPoint) -> str:
    return state.resources.get(point.resource_arn, point.resource_arn)


def _lifecycle(lifecycle: Lifecycle) -> str:
    return lifecycle_words(lifecycle.cold_after_days, lifecycle.delete_after_days)
