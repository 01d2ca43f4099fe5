"""The nights: is there a recovery point of each resource, and what went wrong."""

from __future__ import annotations

from datetime import datetime, timedelta

from cabal_backup import names
from cabal_backup.operations.aws.jobs import RUNNING
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.aws.results import Known
from cabal_backup.operations.status.checks.history import (
    MANY,
    NIGHT,
    History,
    are_many,
    newest_due_night,
    spans,
)
from cabal_backup.operations.status.checks.outcome import (
    fail,
    judge_jobs,
    known,
    measured,
    not_there,
    off,
    ok,
    unknown,
    warn,
)
from cabal_backup.operations.status.findings import Outcome, Status
from cabal_backup.operations.status.state import State
from cabal_backup.text import day, duration, moment, plural
from cabal_backup.urgent import FAILED_STATES

MOST_SKEW = timedelta(minutes=3)
"""How far from AWS's the clock may be; the answer of a call that was tried again is old."""


def last_night(state: State) -> Outcome:
    """Was everything backed up last night?"""
    known(state.primary.points, looking_at=f"the recovery points in {names.VAULT}")
    history = History(state)
    scheduled = {arn: history.scheduled(arn) for arn in state.resources}
    ages = [
        (state.now - max(point.created for point in points)).total_seconds()
        for arn in state.resources
        if (points := [*scheduled[arn], *history.on_demand(arn)])
    ]
    # Tonight's must be of the present resource: a former mailstore's is not the mail of today.
    own = {arn: [p for p in ps if p.resource_arn == arn] for arn, ps in scheduled.items()}
    outcome = _last_night(state, history, {arn: ps[-1] for arn, ps in own.items() if ps})
    return measured(outcome, oldest_newest_point_seconds=max(ages)) if ages else outcome


def _last_night(state: State, history: History, newest: dict[str, RecoveryPoint]) -> Outcome:
    since = newest_due_night(state)
    good, early, covered, late = [], [], [], {}
    for arn, name in state.resources.items():
        point = newest.get(arn)
        by_hand = [
            made
            for made in history.on_demand(arn)
            if made.created >= since and made.resource_arn == arn
        ]
        if point is not None and point.created >= since:
            good.append(f"{name}: {_when(point, state)}")
        elif point is None and not history.is_due(arn, since):
            early.append(f"{name}: due from the night of {_first_night(state, history, arn)}")
        elif by_hand:
            covered.append(f"{name}: made on demand, {_when(by_hand[-1], state)}")
        elif point is None:
            late[arn] = f"{name}: there is no completed recovery point at all"
        else:
            late[arn] = f"{name}: the newest is of {_when(point, state)}"
    on = state.environment.options
    why = (
        f"Why: cabal-backup jobs --days 2 {on}. To back up now, and then copy: "
        f"cabal-backup backup now {on}; cabal-backup copy now {on}"
    )
    if late and all(_underway(state, arn, since) for arn in late):
        return warn(
            f"The backup of the night of {day(since)} is still running.",
            f"Follow it: cabal-backup jobs {on}",
            details=[*late.values(), *covered],
        )
    if late:
        return fail(
            f"The night of {day(since)} is missing in {names.VAULT}.",
            why,
            details=[*late.values(), *covered],
        )
    if covered:
        return warn(
            f"The plan made no recovery point in the night of {day(since)}; there is one that "
            "was made on demand.",
            why,
            details=covered,
        )
    if early:
        return warn(
            f"{plural(len(early), 'resource has', 'resources have')} not had a first night yet.",
            "Check again at noon (UTC) after that night.",
            details=[*early, *good],
        )
    return ok(f"A recovery point of each resource: {'; '.join(good)}.", details=good)


def nights(state: State) -> Outcome:
    """Are all nights before the last one complete?"""
    known(state.primary.points, looking_at=f"the recovery points in {names.VAULT}")
    history = History(state)
    if state.primary.vault == Known(None) and state.plan == Known(None):
        return not_there(f"vault {names.VAULT}")
    if any(history.begin(arn) is None for arn in state.resources):
        return unknown(
            state.plan, state.primary.vault, looking_at="when the plan and the vault were made"
        )
    due = [night for arn in state.resources for night in history.nights(arn) if night.point_due]
    missing = [night for night in due if night.point is None]
    deleted = [night for night in missing if night.copied or night.deleted]
    by_hand = [job for arn in state.resources for job in history.deleted(arn)]
    if deleted or by_hand:
        count = max(len(deleted), len(by_hand))
        return fail(
            f"{plural(count, 'recovery point')} deleted from {names.VAULT} before their time: a "
            f"copy in {names.DR_VAULT} or a completed job shows that they were there.",
            "Find out in CloudTrail who did it (DeleteRecoveryPoint). A warm copy can be brought "
            f"back: cabal-backup copy-back addresses {state.environment.options}; for the mail: "
            f"cabal-backup copy-back mailstore {state.environment.options}",
            details=[
                *spans(state, missing),
                *(
                    f"the job of {moment(job['CreationDate'])}: {job['ResourceArn']}"
                    for job in by_hand
                ),
            ],
        )
    if are_many(night for night in missing if night.planned):
        return fail(
            f"{plural(len(missing), 'recovery point')} of earlier nights missing, {MANY} or more "
            "of one resource within 30 nights.",
            "They were deleted in both vaults, or never made. CloudTrail remembers deletions for "
            "90 days (DeleteRecoveryPoint); backup-jobs shows failures of 30 days.",
            details=spans(state, missing),
        )
    if missing:
        before = sum(not night.planned for night in missing)
        return warn(
            f"{plural(len(missing), 'recovery point')} of earlier nights missing"
            + (f", {before:,} of them from before the present plan was made" if before else "")
            + ".",
            "They cannot be backed up any more; backup-jobs shows the reason for 30 days.",
            details=spans(state, missing),
        )
    count = len({night.midnight for night in due})
    if not count:
        return off("There is no earlier night to look at yet.")
    return ok(f"None of the {plural(count, 'earlier night')} is missing.")


def backup_jobs(state: State) -> Outcome:
    """Did the backup jobs complete?"""
    jobs = [
        job
        for job in known(state.backup_jobs, looking_at="the backup jobs")
        if job["BackupVaultName"] == names.VAULT
        and state.counts_for(job["ResourceArn"]) in state.resources
    ]
    failed = [job for job in jobs if job["State"] in FAILED_STATES]
    completed = {
        job["ResourceArn"]: job["CreationDate"]
        for job in sorted(jobs, key=lambda job: job["CreationDate"])
        if job["State"] == "COMPLETED"
    }
    standing = [
        job
        for job in failed
        # What failed for a former mailstore has succeeded for the present one.
        if not any(
            job["CreationDate"] <= completed[arn]
            for arn in (job["ResourceArn"], state.counts_for(job["ResourceArn"]))
            if arn in completed
        )
    ]
    return judge_jobs(
        state,
        jobs,
        "backup",
        fail(
            f"{plural(len(standing), 'backup job')} failed, and none has succeeded since.",
            "Fix the error that AWS reports; the next night tries again.",
        )
        if standing
        else None,
        since="later ones succeeded",
    )


def clock(state: State) -> Outcome:
    """Is this machine's clock right?"""
    skew = known(state.clock_skew, looking_at="AWS's time")
    if abs(skew) > MOST_SKEW:
        side = "ahead of" if skew > timedelta() else "behind"
        return Outcome(
            Status.UNKNOWN,
            f"This machine's clock is {duration(abs(skew))} {side} AWS's: what is due, and what is "
            "late, cannot be judged.",
            "Set the clock, for instance by switching time synchronisation on, and run it again.",
        )
    return ok(f"This machine's clock agrees with AWS's to within {duration(MOST_SKEW)}.")


def _first_night(state: State, history: History, arn: str) -> str:
    midnight = newest_due_night(state)
    while not history.is_due(arn, midnight):
        midnight += NIGHT
    return day(midnight)


def _underway(state: State, arn: str, since: datetime) -> bool:
    return any(
        job["ResourceArn"] == arn and job["State"] in RUNNING and job["CreationDate"] >= since
        for job in state.backup_jobs.value_or(())
    )


def _when(point: RecoveryPoint, state: State) -> str:
    return f"{moment(point.created)}, {duration(state.now - point.created)} ago"
