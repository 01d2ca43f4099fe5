"""AWS Backup's own restore testing: when each kind was tested last, and how that ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cabal_backup import names
from cabal_backup.operations.answers import Known
from cabal_backup.operations.status.checks.outcome import (
    Outcome,
    age,
    deploy,
    fail,
    moment,
    off,
    ok,
    revert_drift,
    unknown,
    warn,
)
from cabal_backup.operations.status.state import LOOK_BACK, State

KINDS = {"DynamoDB": "table", "EFS": "mailstore"}

VERDICT_DUE = timedelta(days=1, hours=2)
"""How long after its end a test may wait for its verdict: its window is a day."""

ADVICE = "docs/restore-testing.md says what it means and what to do."


def restore_tests(state: State) -> Outcome:
    """The last test of each kind, its verdict and its age; tests that are overdue."""
    testing = state.environment.restore_testing
    if testing is None:
        return off("Restore testing is off in this environment.")
    if not isinstance(state.testing_plan, Known) or not isinstance(state.restore_jobs, Known):
        return unknown(state.testing_plan, state.restore_jobs, looking_at="the restore tests")
    plan = state.testing_plan.value
    if plan is None:
        return fail(
            f"There is no restore testing plan {names.RESTORE_TESTING_PLAN}, and there should be.",
            deploy(state.environment.name),
        )
    if plan.get("ScheduleExpression") != testing.schedule:
        return fail(
            f"Restores are tested by {plan.get('ScheduleExpression')}, and should be by "
            f"{testing.schedule}.",
            revert_drift(state.environment.name),
        )
    tests = {kind: _newest_judged(state, state.restore_jobs.value, kind) for kind in KINDS}
    seen = [f"{name}: {_words(tests[kind], state.now)}" for kind, name in KINDS.items()]
    bad = [name for kind, name in KINDS.items() if _is_bad(tests[kind])]
    if bad:
        return fail(
            f"The last restore test of the {' and of the '.join(bad)} failed.", ADVICE, details=seen
        )
    return _overdue(state, plan, tests, seen) or ok(
        f"Restores are tested: {'; '.join(seen)}." if all(tests.values()) else _not_listed(plan)
    )


def _overdue(
    state: State, plan: Mapping[str, Any], tests: Mapping[str, Any], seen: list[str]
) -> Outcome | None:
    """What to say when a test should have been there by now."""
    ran: datetime | None = plan.get("LastExecutionTime")
    since = ran or plan["CreationTime"]
    patience = _patience(str(plan["ScheduleExpression"]))
    if state.now - since > patience:
        return warn(
            f"Restores were last tested {age(since, state.now)} ago."
            if ran
            else f"Restores were never tested in {age(since, state.now)}.",
            "See why with `aws backup list-restore-jobs --region "
            f"{state.environment.region}`. {ADVICE}",
            details=seen,
        )
    never = [name for kind, name in KINDS.items() if tests[kind] is None]
    if ran and never and VERDICT_DUE < state.now - ran < LOOK_BACK - VERDICT_DUE:
        return warn(
            f"The tests of {moment(ran)} had no result for the {' and the '.join(never)}.",
            "AWS Backup tests a recovery point of the last 7 days: is there one, with "
            f"`cabal-backup points -e {state.environment.name}`? {ADVICE}",
            details=seen,
        )
    return None


def _newest_judged(
    state: State, jobs: list[Mapping[str, Any]], kind: str
) -> Mapping[str, Any] | None:
    """The newest test of this kind that is over, or should be."""
    tests = [
        job
        for job in jobs
        if job.get("ResourceType") == kind
        and f":{names.RESTORE_TESTING_PLAN}-"
        in job.get("CreatedBy", {}).get("RestoreTestingPlanArn", "")
        and not _is_under_way(job, state.now)
    ]
    return max(tests, key=lambda job: job["CreationDate"], default=None)


def _is_under_way(job: Mapping[str, Any], now: datetime) -> bool:
    if job["Status"] in ("PENDING", "RUNNING"):
        return True
    waits = job["Status"] == "COMPLETED" and job.get("ValidationStatus") in (None, "VALIDATING")
    return waits and now - job["CompletionDate"] < VERDICT_DUE


def _is_bad(job: Mapping[str, Any] | None) -> bool:
    return job is not None and job.get("ValidationStatus") != "SUCCESSFUL"


def _words(job: Mapping[str, Any] | None, now: datetime) -> str:
    if job is None:
        return "no test that AWS Backup still lists"
    when = job.get("CompletionDate") or job["CreationDate"]
    if job["Status"] != "COMPLETED":
        result, reason = "could not be restored", job.get("StatusMessage")
    elif job.get("ValidationStatus") == "SUCCESSFUL":
        result, reason = "as it should be", None
    elif job.get("ValidationStatus") == "FAILED":
        result, reason = "not as it should be", job.get("ValidationStatusMessage")
    else:
        result, reason = "nobody gave a verdict", None
    said = f"{result}, {moment(when)}, {age(when, now)} ago"
    return f"{said}: {reason}" if reason else said


def _not_listed(plan: Mapping[str, Any]) -> str:
    """AWS Backup lists restore jobs for 30 days, and a month may have 31."""
    ran = plan.get("LastExecutionTime")
    if ran is None:
        return f"The first restore test is still to come, by {plan['ScheduleExpression']}."
    return f"Restores were last tested by the plan's run of {moment(ran)}."


def _patience(schedule: str) -> timedelta:
    """The longest time between two runs of a cron expression, and some days more."""
    _, _, day, month, weekday, _ = schedule.removeprefix("cron(").removesuffix(")").split()
    if month not in ("*", "?", "1/1", "*/1"):
        return timedelta(days=370)
    if day not in ("*", "?", "1/1", "*/1"):
        return timedelta(days=35)
    if weekday not in ("*", "?"):
        return timedelta(days=10)
    return timedelta(days=3)
