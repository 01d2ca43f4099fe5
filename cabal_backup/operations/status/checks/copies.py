"""The copies in the DR region: are they all there, and how far back can they return."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cabal_backup import names
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.aws.results import Known, Unknown
from cabal_backup.operations.status.checks.history import (
    MANY,
    SAME_MOMENT,
    History,
    Night,
    are_many,
    spans,
)
from cabal_backup.operations.status.checks.outcome import (
    UNDERWAY,
    Outcome,
    completed_with_issues,
    fail,
    failed_job,
    measured,
    off,
    ok,
    unknown,
    warn,
)
from cabal_backup.operations.status.state import LOOK_BACK, State
from cabal_backup.text import duration, moment, plural
from cabal_backup.urgent import FAILED_STATES

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import CopyJobTypeDef

COPYING_TIME = timedelta(hours=12)
"""How long a new recovery point may wait for its copy before the copy counts as missing."""

STALLED = timedelta(days=3)
"""A copy job that has been under way for longer than this is no longer waited for."""


@dataclass(frozen=True)
class _Copy:
    """A recovery point in the primary vault, and its copy, if there is one."""

    source: RecoveryPoint
    copy: RecoveryPoint | None
    job: CopyJobTypeDef | None
    """The copy job that made it, or the newest that tried."""


def dr_copies(state: State) -> Outcome:
    """Does the DR vault have a copy of each recovery point?"""
    pairs = _pairs(state)
    if pairs is None:
        return unknown(
            state.primary.points, state.dr.points, looking_at="the copies in the DR region"
        )
    return measured(
        _dr_copies(state, pairs), points_without_copy=sum(pair.copy is None for pair in pairs)
    )


def _dr_copies(state: State, pairs: list[_Copy]) -> Outcome:
    copied = [pair for pair in pairs if pair.copy is not None]
    waiting = [pair for pair in pairs if pair.copy is None and _may_still_come(pair, state.now)]
    gaps = [pair for pair in pairs if pair.copy is None and pair not in waiting]
    old = _old_gaps(state)
    if gaps:
        return fail(
            f"{plural(len(gaps), 'recovery point')} of the last 30 days without a copy in "
            f"{names.DR_VAULT}.",
            "copy-jobs says why. To copy what is missing: "
            f"cabal-backup copy now -e {state.environment.name}",
            details=[
                *(f"{_named(state, pair.source)}: {pair.source.arn}" for pair in gaps),
                *spans(state, old),
            ],
        )
    if are_many(night for night in old if _could_be_copied(night)):
        return fail(
            f"{plural(len(old), 'night')} from more than 30 days ago without a copy in "
            f"{names.DR_VAULT}, {MANY} or more of one resource within 30 nights.",
            "They were deleted there, or never made. CloudTrail remembers deletions for 90 days "
            "(DeleteRecoveryPoint). A recovery point in cold storage cannot be copied again.",
            details=spans(state, old),
        )
    if old:
        return warn(
            f"{plural(len(old), 'night')} from more than 30 days ago without a copy in "
            f"{names.DR_VAULT}.",
            "A recovery point that is in cold storage, or was made without the opt-in, cannot be "
            "copied any more.",
            details=spans(state, old),
        )
    if not pairs:
        return off("The plan has not made a recovery point in the last 30 days: nothing to copy.")
    lags = [lag for pair in copied if (lag := _lag(pair)) is not None]
    return ok(
        f"{plural(len(copied), 'recovery point')} of the last 30 days copied"
        + (f", {plural(len(waiting), 'copy', 'copies')} under way" if waiting else "")
        + (f"; the slowest took {duration(max(lags))}" if lags else "")
        + "."
    )


def without_copy(state: State) -> list[RecoveryPoint]:
    """The recovery points of the last 30 days that have no copy, also those made on demand.

    The points of both vaults must be known.
    """
    pairs = _pairs(state, on_demand=True) or ()
    return [pair.source for pair in pairs if pair.copy is None]


def copy_jobs(state: State) -> Outcome:
    """Did the copy jobs complete?"""
    if isinstance(state.copy_jobs, Unknown):
        return unknown(state.copy_jobs, looking_at="the copy jobs")
    jobs = [
        job
        for job in state.copy_jobs.value
        if job["DestinationBackupVaultArn"] == state.dr_vault_arn
        and state.counts_for(job["ResourceArn"]) in state.resources
    ]
    done = {job["SourceRecoveryPointArn"] for job in jobs if job["State"] == "COMPLETED"}
    on_demand = {p.arn for arn in state.resources for p in History(state).on_demand(arn)}
    failed = [job for job in jobs if job["State"] in FAILED_STATES]
    done |= _copied_earlier(state, {job["SourceRecoveryPointArn"] for job in failed})
    standing = [job for job in failed if job["SourceRecoveryPointArn"] not in done | on_demand]
    issues = list(completed_with_issues(state, jobs))
    details = [*(failed_job(state, job) for job in failed), *issues]
    if standing:
        return fail(
            f"{plural(len(standing), 'copy job')} failed, and no later one made up for it.",
            "Fix what AWS names as the reason, then copy again as dr-copies says.",
            details=details,
        )
    if failed:
        return warn(
            f"{plural(len(failed), 'copy job')} failed in the last 30 days; what the plan made "
            "has its copy.",
            "Nothing to do unless it happens again.",
            details=details,
        )
    if issues:
        return warn(
            f"{plural(len(issues), 'copy job')} in the last 30 days completed with a message.",
            "Read what AWS reports: something may not be in the copy.",
            details=details,
        )
    if not jobs:
        return off("There was no copy job in the last 30 days.")
    return ok(f"{plural(len(jobs), 'copy job')} in the last 30 days, and none failed.")


def copy_back(state: State) -> Outcome:
    """A copy in cold storage cannot be copied back to the primary region."""
    if isinstance(state.dr.points, Unknown):
        return unknown(state.dr.points, looking_at=f"the recovery points in {names.DR_VAULT}")
    reach: dict[str, datetime] = {}
    for point in state.dr.points.value:
        if point.completed and not point.is_cold(state.now):
            arn = state.counts_for(point.resource_arn)
            reach[arn] = min(reach.get(arn, point.created), point.created)
    without = [name for arn, name in state.resources.items() if arn not in reach]
    if without:
        return warn(
            f"There is no warm copy of {' and '.join(without)}: should the primary region be "
            "lost, nothing of it can be copied back.",
            "last-night and dr-copies say what is missing. A cold copy can be restored in the DR "
            "region only.",
        )
    cold = sum(point.is_cold(state.now) for point in state.dr.points.value)
    return ok(
        "Copying back reaches to "
        + " and ".join(f"{moment(reach[arn])} for {name}" for arn, name in state.resources.items())
        + (
            f"; {plural(cold, 'older, cold copy', 'older, cold copies')} can be restored in the "
            "DR region only."
            if cold
            else "."
        )
    )


def foreign_copies(state: State) -> Outcome:
    """Copies that leave the vaults of the environment: no lock of ours protects them there."""
    if isinstance(state.copy_jobs, Unknown) or isinstance(state.dr_copy_jobs, Unknown):
        return unknown(state.copy_jobs, state.dr_copy_jobs, looking_at="the copy jobs")
    ours = state.vault_arns
    jobs = [
        job
        for job in (*state.copy_jobs.value, *state.dr_copy_jobs.value)
        if job["SourceBackupVaultArn"] in ours
    ]
    foreign = [job for job in jobs if job["DestinationBackupVaultArn"] not in ours]
    details = [
        f"{moment(job['CreationDate'])}: "
        f"{state.name_of(job['ResourceArn'])} to "
        f"{job['DestinationBackupVaultArn']} with {job['IamRoleArn']}: {job['State']}"
        for job in foreign
    ]
    find_out = "Find out in CloudTrail who started it (StartCopyJob)."
    if any(job["State"] not in set(FAILED_STATES) - {"PARTIAL"} for job in foreign):
        return fail(
            f"{plural(len(foreign), 'copy job')} of the last 30 days to vaults of others.",
            f"{find_out} A copy in another account can be deleted only there.",
            details=details,
        )
    if foreign:
        return warn(
            f"{plural(len(foreign), 'copy job')} of the last 30 days to vaults of others failed.",
            find_out,
            details=details,
        )
    if not jobs:
        return off("There was no copy job in the last 30 days.")
    return ok(f"None of {plural(len(jobs), 'copy job')} of the last 30 days went elsewhere.")


def _pairs(state: State, *, on_demand: bool = False) -> list[_Copy] | None:
    """Every recovery point that the plan made in the last 30 days, with its copy.

    :param on_demand: also those that were made on demand.

    Each copy belongs to one recovery point: that of its job, or of the same moment. What was
    copied back keeps the date of its backup, and has the copy that it came from.
    """
    if isinstance(state.primary.points, Unknown) or isinstance(state.dr.points, Unknown):
        return None
    history, jobs = History(state), _jobs_by_source(state)
    sources = [
        point
        for arn in state.resources
        for point in reversed(
            [*history.scheduled(arn), *(history.on_demand(arn) if on_demand else ())]
        )
        if point.created >= state.now - LOOK_BACK
    ]
    free = {copy.arn: copy for copy in state.dr.points.value if copy.completed}
    copies: dict[str, RecoveryPoint] = {}
    for source in sources:
        named = jobs.get(source.arn, {}).get("DestinationRecoveryPointArn", "")
        if named in free and free[named].resource_arn == source.resource_arn:
            copies[source.arn] = free.pop(named)
    for source in sources:
        if source.arn not in copies and (same := _of_same_moment(source, free.values())):
            copies[source.arn] = free.pop(same.arn)
    of_backup = {(s.resource_arn, s.created): copies[s.arn] for s in sources if s.arn in copies}
    for source in sources:
        if original := of_backup.get((source.resource_arn, source.created)):
            copies.setdefault(source.arn, original)
    return [_Copy(point, copies.get(point.arn), jobs.get(point.arn)) for point in sources]


def _of_same_moment(source: RecoveryPoint, copies: Iterable[RecoveryPoint]) -> RecoveryPoint | None:
    """The copy of a point whose copy job AWS Backup no longer lists."""
    near = [
        copy
        for copy in copies
        if copy.resource_arn == source.resource_arn
        and abs(copy.created - source.created) <= SAME_MOMENT
    ]
    return min(near, key=lambda copy: abs(copy.created - source.created), default=None)


def _old_gaps(state: State) -> list[Night]:
    """The nights before the last 30 days that must have a copy and have none.

    Those without a recovery point in the primary vault, where there must be one, are reported by
    `nights`.
    """
    history = History(state)
    return [
        night
        for arn in state.resources
        for night in history.nights(arn)
        if night.copy_due
        and not night.copied
        and night.midnight < state.now - LOOK_BACK
        and (night.point is not None or not night.point_due)
        and (night.point is None or night.point.created < state.now - LOOK_BACK)
    ]


def _could_be_copied(night: Night) -> bool:
    """Not where AWS Backup does not manage the recovery point itself: made without the opt-in."""
    return night.point is None or night.point.arn.split(":")[2] == "backup"


def _copied_earlier(state: State, sources: set[str]) -> set[str]:
    """Which of these recovery points have a copy, whatever became of a job for another one."""
    if isinstance(state.primary.points, Unknown) or isinstance(state.dr.points, Unknown):
        return set()
    copies = [copy for copy in state.dr.points.value if copy.completed]
    return {
        point.arn
        for point in state.primary.points.value
        if point.arn in sources and _of_same_moment(point, copies)
    }


def _jobs_by_source(state: State) -> dict[str, CopyJobTypeDef]:
    """For each recovery point the job that copied it, or else the newest that tried."""
    if not isinstance(state.copy_jobs, Known):
        return {}
    jobs: dict[str, CopyJobTypeDef] = {}
    for job in sorted(
        state.copy_jobs.value, key=lambda job: (job["State"] == "COMPLETED", job["CreationDate"])
    ):
        if job["DestinationBackupVaultArn"] == state.dr_vault_arn:
            jobs[job["SourceRecoveryPointArn"]] = job
    return jobs


def _may_still_come(pair: _Copy, now: datetime) -> bool:
    if pair.job is None:
        return now - pair.source.created < COPYING_TIME
    return pair.job["State"] in UNDERWAY and now - pair.job["CreationDate"] < STALLED


def _lag(pair: _Copy) -> timedelta | None:
    """From the backup to the end of its copying."""
    if pair.job is None or pair.job["State"] != "COMPLETED" or "CompletionDate" not in pair.job:
        return None
    lag: timedelta = pair.job["CompletionDate"] - pair.source.created
    return lag


def _named(state: State, point: RecoveryPoint) -> str:
    return f"{moment(point.created)}: {state.name_of(point.resource_arn)}"
