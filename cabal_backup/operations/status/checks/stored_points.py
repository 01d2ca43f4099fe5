"""The recovery points: do they live as long as they should, and are they as large as usual."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING

from cabal_backup.config.environment import Lifecycle
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.aws.results import Known, Unknown
from cabal_backup.operations.status.checks.history import FUTURE, SAME_MOMENT
from cabal_backup.operations.status.checks.outcome import (
    all_known,
    caller,
    fail,
    known,
    lifecycle_words,
    not_there,
    off,
    ok,
    warn,
)
from cabal_backup.operations.status.findings import Outcome
from cabal_backup.operations.status.state import LOOK_BACK, MOST_EVENTS, RegionState, State
from cabal_backup.text import moment, plural

if TYPE_CHECKING:
    from types_boto3_cloudtrail.type_defs import EventTypeDef

_EXPIRY = timedelta(days=2)
"""How long after its time AWS Backup may take to delete a recovery point: some hours, by chance.

https://docs.aws.amazon.com/aws-backup/latest/devguide/deleting-backups.html
"""

MUCH_SMALLER = 0.5
"""A recovery point of less than this share of the median before it is reported."""


def points(state: State, region: RegionState) -> Outcome:
    """Are the recovery points complete, and kept as long as they should be?"""
    environment = state.environment
    wanted = environment.lifecycle if region is state.primary else environment.dr_lifecycle
    listed = known(region.points, looking_at=f"the recovery points in {region.vault_name}")
    early, short, odd, own, doubles = [], [], [], [], 0
    for point in listed:
        if point.lifecycle != wanted and (
            _is_double(point, listed, wanted) or _brings_back(point, wanted)
        ):
            doubles += 1
            continue
        described = f"{moment(point.created)}: {state.name_of(point.resource_arn)}"
        is_as_wanted = point.lifecycle == wanted or _is_no_night(state, region, point)
        if point.status == "DELETING" and not _is_past(point, state.now):
            early.append(f"{described}: DELETING")
        elif not point.sound:
            odd.append(f"{described}: {point.status} {point.status_message}".rstrip())
        elif point.lifecycle is None:
            odd.append(f"{described}: never expires")
        elif not is_as_wanted and point.lifecycle.delete_after_days < wanted.delete_after_days:
            short.append(f"{described}: expires after {point.lifecycle.delete_after_days} days")
        elif not is_as_wanted:
            odd.append(f"{described}: {_lifecycle(point.lifecycle)}")
        elif (
            point.completed
            and _is_past(point, state.now - _EXPIRY)
            and point.arn not in region.held
        ):
            odd.append(f"{described}: should have been deleted by now")
        elif point.created > state.now + FUTURE:
            odd.append(f"{described}: dated in the future")
        elif point.role_arn != state.role_arn:
            odd.append(f"{described}: made under {point.role_arn or 'no role'}")
        elif point.lifecycle != wanted:
            own.append(f"{described}: {_lifecycle(point.lifecycle)}")
    if early:
        return fail(
            f"{plural(len(early), 'recovery point')} in {region.vault_name} being deleted before "
            "their time.",
            "It cannot be stopped. Find out in CloudTrail who does it (DeleteRecoveryPoint), and "
            "put the lock back.",
            details=[*early, *short, *odd],
        )
    if short:
        return fail(
            f"{plural(len(short), 'recovery point')} in {region.vault_name} will expire before "
            f"{wanted.delete_after_days} days.",
            "While the lock stands, their lifecycle cannot be changed. If the retention was "
            "raised lately, this ends as they expire.",
            details=[*short, *odd],
        )
    deletions = known(
        region.deletions,
        looking_at=f"what was deleted from {region.vault_name} by a call",
        details=odd,
    )
    if odd:
        return warn(
            f"{plural(len(odd), 'recovery point')} in {region.vault_name} "
            f"{'differs' if len(odd) == 1 else 'differ'} from the others.",
            "PARTIAL: do not rely on it. EXPIRED: the role that made it was deleted or may not "
            "delete it, or the service-linked role is missing (aws iam "
            "create-service-linked-role --aws-service-name backup.amazonaws.com). Another "
            "lifecycle: made by hand, or before the retention changed. Another role: AWS Backup "
            "needs it to delete the recovery point, so keep it until then.",
            details=odd,
        )
    if deletions:
        return warn(
            f"{_deletions(deletions)} deleted from {region.vault_name} by a call.",
            "A lock refuses that, so it was off. If you do not know why: nights and dr-copies say "
            "what is missing.",
        )
    if region.vault == Known(None):
        return not_there(f"vault {region.vault_name}")
    if not listed:
        return off(f"There is no recovery point in {region.vault_name} yet.")
    more = f" And {plural(doubles, 'second copy', 'second copies')} of some." if doubles else ""
    more += f" And {len(own)} made on demand with another lifecycle." if own else ""
    usual = len(listed) - doubles - len(own)
    return ok(
        f"{plural(usual, 'recovery point')} in {region.vault_name}, each "
        f"{_lifecycle(wanted)}.{more}",
        details=own,
    )


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
        "If this was not intended, restore the last larger one: cabal-backup points "
        f"{state.environment.options}"
    )
    if empty:
        return fail("The newest recovery point is empty.", advice, details=[*empty, *small])
    all_known(
        (region.points for region in state.regions), looking_at="the sizes of the recovery points"
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


def legal_holds(state: State) -> Outcome:
    """Which recovery points a legal hold keeps from deletion, expiry and cold storage."""
    lines, is_empty = [], True
    for region in state.regions:
        holds = known(region.holds, looking_at=f"the legal holds in {region.region}")
        listed = known(region.points, looking_at=f"the recovery points in {region.vault_name}")
        ours = {point.arn for point in listed}
        is_empty = is_empty and not ours
        lines += [
            f'"{hold.title}" in {region.region}, {hold.status}: '
            f"{plural(len(held.points), 'recovery point')}, reason: {hold.description}"
            for hold in holds
            if (held := hold.of(ours))
        ]
    if is_empty:
        return off("There is no recovery point yet.")
    if not lines:
        return ok("No legal hold keeps a recovery point.")
    return ok(f"{plural(len(lines), 'legal hold')} on recovery points.", details=lines)


def _usual(newest: RecoveryPoint, points: Sequence[RecoveryPoint]) -> int | None:
    """The median size, in bytes, of the 30 days before the newest; None where there are none."""
    before = [
        point.size_bytes
        for point in points
        if newest.created - LOOK_BACK <= point.created < newest.created
    ]
    return round(median(before)) if before else None


def _is_double(point: RecoveryPoint, others: Sequence[RecoveryPoint], wanted: Lifecycle) -> bool:
    """Whether there is another one of the same backup that lives as long as it should.

    A copy that was brought back, in a drill or by hand, keeps the moment of its backup.
    """
    if not point.sound or point.lifecycle is None:
        return False
    return any(
        other.arn != point.arn
        and other.completed
        and other.resource_arn == point.resource_arn
        and abs(other.created - point.created) <= SAME_MOMENT
        and other.lifecycle == wanted
        for other in others
    )


def _is_no_night(state: State, region: RegionState, point: RecoveryPoint) -> bool:
    """Whether it was made on demand, or is a copy of such a recovery point.

    The checks of the nights do not count it, so its lifecycle shortens no night. A copy that was
    made by hand counts for the night of its source, so the source has to be there to be known.
    """
    same = []
    for each in state.regions:
        if isinstance(each.points, Unknown):
            return False
        same += [
            (each, other)
            for other in each.points.value
            if other.resource_arn == point.resource_arn
            and abs(other.created - point.created) <= SAME_MOMENT
        ]
    return all(other.plan_id is None for _, other in same) and (
        region is state.primary or any(each is state.primary for each, _ in same)
    )


def _brings_back(point: RecoveryPoint, wanted: Lifecycle) -> bool:
    """Whether it brings a cold one back, and lives as long as that should."""
    return (
        point.original is not None
        and point.sound
        and point.lifecycle is not None
        and point.lifecycle.delete_after_days >= wanted.delete_after_days
    )


def _is_past(point: RecoveryPoint, now: datetime) -> bool:
    return point.delete_at is not None and point.delete_at <= now


def _deletions(events: Sequence[EventTypeDef]) -> str:
    """How many there were, and when, newest first; CloudTrail remembers 90 days."""
    least = "At least " if len(events) >= MOST_EVENTS else ""
    count = plural(min(len(events), MOST_EVENTS), "recovery point")
    who = " and ".join(sorted({caller(event) for event in events}))
    return (
        f"From {moment(events[-1]['EventTime'])} to {moment(events[0]['EventTime'])} {who}: "
        f"{least}{count}"
    )


def _lifecycle(lifecycle: Lifecycle) -> str:
    return lifecycle_words(lifecycle.cold_after_days, lifecycle.delete_after_days)
