"""The exercise: a backup that was never restored is a hope."""

from __future__ import annotations

from datetime import datetime, timedelta

from cabal_backup.operations.answers import Known
from cabal_backup.operations.status.checks.history import FUTURE
from cabal_backup.operations.status.checks.outcome import Outcome, age, moment, ok, unknown, warn
from cabal_backup.operations.status.state import State

YEARLY = timedelta(days=365)

KINDS = {"DynamoDB": "table", "EFS": "mailstore"}


def restore_exercise(state: State) -> Outcome:
    """The last successful restore of each kind.

    AWS Backup lists restore jobs for 30 days only, but remembers of each recovery point
    when it was last restored. Only what the plan protects counts.
    """
    sources = (state.restore_jobs, state.primary.points, state.dr.points)
    newest = _newest(state)
    seen = [
        f"{name}: {moment(newest[kind])}, {age(newest[kind], state.now)} ago"
        if kind in newest
        else f"{name}: never, as far as AWS Backup remembers"
        for kind, name in KINDS.items()
    ]
    overdue = [
        name
        for kind, name in KINDS.items()
        if kind not in newest or state.now - newest[kind] > YEARLY
    ]
    if not overdue:
        return ok(f"Restored within the year: {'; '.join(seen)}.")
    if not all(isinstance(source, Known) for source in sources):
        return unknown(*sources, looking_at="when something was last restored")
    return warn(
        f"No restore of the {' nor the '.join(overdue)} within a year.",
        "Exercise it in development: `cabal-backup drill` restores the table, and one mailbox.",
        details=seen,
    )


def _newest(state: State) -> dict[str, datetime]:
    newest: dict[str, datetime] = {}

    def note(kind: str, when: datetime | None) -> None:
        if when is None or when > state.now + FUTURE:
            return
        if kind not in newest or when > newest[kind]:
            newest[kind] = when

    if isinstance(state.restore_jobs, Known):
        for job in state.restore_jobs.value:
            if job["Status"] == "COMPLETED" and job.get("SourceResourceArn") in state.resources:
                note(job.get("ResourceType", ""), job.get("CompletionDate"))
    for region in state.regions:
        if isinstance(region.points, Known):
            for point in region.points.value:
                if point.resource_arn in state.resources:
                    note(point.resource_type, point.last_restored)
    return newest
