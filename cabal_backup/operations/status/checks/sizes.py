"""The sizes: a recovery point of an emptied table or mailstore is complete, and empty."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.aws.results import Unknown
from cabal_backup.operations.status.checks.outcome import fail, off, ok, unknown, warn
from cabal_backup.operations.status.findings import Outcome
from cabal_backup.operations.status.state import LOOK_BACK, State
from cabal_backup.text import moment

MUCH_SMALLER = 0.5
"""A recovery point of less than this share of the median before it is reported."""


def sizes(state: State) -> Outcome:
    """The newest recovery point of each resource, beside those of the 30 days before it."""
    empty, small, seen = [], [], []
    for region in state.regions:
        for arn, name in state.resources.items():
            if not (points := state.points_of(region, arn)):
                continue
            newest = max(points, key=lambda point: point.created)
            usual = _usual(newest, points)
            line = f"{name} in {region.vault_name}: {newest.size_bytes:,} bytes"
            if usual is not None:
                line += f", usually {usual:,}"
            line += f", {moment(newest.created)}"
            seen.append(line)
            if newest.size_bytes == 0:
                empty.append(line)
            elif usual is not None and newest.size_bytes < usual * MUCH_SMALLER:
                small.append(line)
    advice = (
        "If this was not intended, restore the last larger one: cabal-backup points -e "
        f"{state.environment.name}"
    )
    if empty:
        return fail("The newest recovery point holds nothing.", advice, details=[*empty, *small])
    if any(isinstance(region.points, Unknown) for region in state.regions):
        return unknown(
            *(region.points for region in state.regions),
            looking_at="the sizes of the recovery points",
        )
    if small:
        return warn(
            "The newest recovery point is less than half as large as usual: did content disappear?",
            advice,
            details=small,
        )
    if not seen:
        return off("There is no recovery point to compare yet.")
    return ok("The newest recovery points are as large as usual.", details=seen)


def _usual(newest: RecoveryPoint, points: Sequence[RecoveryPoint]) -> int | None:
    """The median size, in bytes, of the 30 days before the newest; None where there are none."""
    before = [
        point.size_bytes
        for point in points
        if newest.created - LOOK_BACK <= point.created < newest.created
    ]
    return round(median(before)) if before else None
