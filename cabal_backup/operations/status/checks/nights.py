"""The nights: is there a recovery point of each resource, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC as _UTC
from datetime import datetime, time, timedelta

from cabal_backup import names
from cabal_backup.operations.answers import Known, Unknown
from cabal_backup.operations.recovery_points import RecoveryPoint
from cabal_backup.operations.status.checks.jobs import FAILED, UNDERWAY, failed_job
from cabal_backup.operations.status.checks.outcome import (
    Outcome,
    age,
    fail,
    measured,
    moment,
    ok,
    plural,
    unknown,
    warn,
)
from cabal_backup.operations.status.state import LOOK_BACK, State

DEFAULT_START_WINDOW = timedelta(hours=8)
"""How late AWS Backup may start a job, unless the rule says otherwise.

https://docs.aws.amazon.com/aws-backup/latest/devguide/creating-a-backup-plan.html
"""

RUNNING_TIME = timedelta(hours=4)
"""How long a nightly backup may take before its absence counts as missed."""

NIGHT = timedelta(days=1)


def last_night(state: State) -> Outcome:
    if isinstance(state.primary.points, Unknown):
        return unknown(state.primary.points, looking_at=f"the recovery points in {names.VAULT}")
    newest = _newest(state.primary.points.value)
    ages = [(state.now - point.created).total_seconds() for point in newest.values()]
    outcome = _last_night(state, newest)
    return measured(outcome, oldest_newest_point_seconds=max(ages)) if ages else outcome


def _last_night(state: State, newest: Mapping[str, RecoveryPoint]) -> Outcome:
    since = newest_due_night(state)
    good, late = [], []
    for arn, name in state.resources.items():
        point = newest.get(arn)
        if point is None:
            late.append(f"{name}: there is no completed recovery point at all")
        elif point.created < since:
            late.append(f"{name}: the newest is of {_when(point, state)}")
        else:
            good.append(f"{name}: {_when(point, state)}")
    if not late:
        return ok(f"A recovery point of each resource: {'; '.join(good)}.", details=good)
    if all(_underway(state, arn, since) for arn in state.resources if _late(newest, arn, since)):
        return warn(
            f"The backup of the night of {since:%Y-%m-%d} is still running.",
            "Look again later: aws backup list-backup-jobs --by-state RUNNING --region "
            f"{state.environment.region}",
            details=late,
        )
    return fail(
        f"The night of {since:%Y-%m-%d} is missing in {names.VAULT}.",
        "Why: aws backup list-backup-jobs --by-backup-vault-name "
        f"{names.VAULT} --region {state.environment.region} --max-results 10",
        details=late,
    )


def nights(state: State) -> Outcome:
    """Nights before the last one; they cannot be made up for, only known about."""
    if isinstance(state.primary.points, Unknown):
        return unknown(state.primary.points, looking_at=f"the recovery points in {names.VAULT}")
    completed = [point for point in state.primary.points.value if point.completed]
    if not completed:
        return ok("There is no earlier night to look at.")
    last = newest_due_night(state)
    kept = timedelta(days=state.environment.lifecycle.delete_after_days - 1)
    first = max(min(point.created for point in completed), last - min(LOOK_BACK, kept))
    taken = {(point.resource_arn, night_of(point.created)) for point in completed}
    expected = list(_nights_between(night_of(first), last))
    missing = [
        f"{night:%Y-%m-%d}: {name}"
        for night in expected
        for arn, name in state.resources.items()
        if (arn, night) not in taken
    ]
    if not expected:
        return ok("There is no earlier night to look at.")
    if missing:
        return warn(
            f"{plural(len(missing), 'recovery point')} of earlier nights missing.",
            "They cannot be made up for; backup-jobs says why, for 30 days.",
            details=missing,
        )
    return ok(f"None of the {plural(len(expected), 'earlier night')} is missing.")


def backup_jobs(state: State) -> Outcome:
    if isinstance(state.backup_jobs, Unknown):
        return unknown(state.backup_jobs, looking_at="the backup jobs")
    jobs = [job for job in state.backup_jobs.value if job["BackupVaultName"] == names.VAULT]
    failed = [job for job in jobs if job["State"] in FAILED]
    completed = {
        job["ResourceArn"]: job["CreationDate"]
        for job in sorted(jobs, key=lambda job: job["CreationDate"])
        if job["State"] == "COMPLETED"
    }
    details = [failed_job(state, job) for job in failed]
    standing = [
        job
        for job in failed
        if job["ResourceArn"] not in completed
        or job["CreationDate"] > completed[job["ResourceArn"]]
    ]
    if standing:
        return fail(
            f"{plural(len(standing), 'backup job')} failed, and none has succeeded since.",
            "Mend what AWS names as the reason; the next night tries again.",
            details=details,
        )
    if failed:
        return warn(
            f"{plural(len(failed), 'backup job')} failed in the last 30 days; later ones "
            "succeeded.",
            "Nothing to do unless it happens again.",
            details=details,
        )
    return ok(f"{plural(len(jobs), 'backup job')} in the last 30 days, and none failed.")


def newest_due_night(state: State) -> datetime:
    """The newest midnight whose backups should be there by now."""
    tonight = night_of(state.now)
    return (
        tonight if state.now >= tonight + _start_window(state) + RUNNING_TIME else tonight - NIGHT
    )


def night_of(when: datetime) -> datetime:
    """The midnight, in UTC, that begins the day of a moment."""
    return datetime.combine(when.astimezone(_UTC).date(), time(), tzinfo=_UTC)


def _start_window(state: State) -> timedelta:
    if isinstance(state.plan, Known) and state.plan.value is not None:
        for rule in state.plan.value.plan.get("Rules", []):
            if rule["RuleName"] == names.RULE and rule.get("StartWindowMinutes"):
                return timedelta(minutes=rule["StartWindowMinutes"])
    return DEFAULT_START_WINDOW


def _newest(points: list[RecoveryPoint]) -> dict[str, RecoveryPoint]:
    """The newest completed one of each resource."""
    newest: dict[str, RecoveryPoint] = {}
    for point in points:
        if point.completed and (
            point.resource_arn not in newest or point.created > newest[point.resource_arn].created
        ):
            newest[point.resource_arn] = point
    return newest


def _late(newest: Mapping[str, RecoveryPoint], arn: str, since: datetime) -> bool:
    return arn not in newest or newest[arn].created < since


def _underway(state: State, arn: str, since: datetime) -> bool:
    return isinstance(state.backup_jobs, Known) and any(
        job["ResourceArn"] == arn and job["State"] in UNDERWAY and job["CreationDate"] >= since
        for job in state.backup_jobs.value
    )


def _nights_between(first: datetime, last: datetime) -> Iterator[datetime]:
    night = first
    while night < last:
        yield night
        night += NIGHT


def _when(point: RecoveryPoint, state: State) -> str:
    return f"{moment(point.created)}, {age(point.created, state.now)} ago"
