"""AWS Backup's own restore testing: when each kind was tested last, and how that ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from cabal_backup import names
from cabal_backup.operations.answers import Known
from cabal_backup.operations.status.checks.outcome import (
    Outcome,
    age,
    deploy,
    duration,
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

STUCK = timedelta(days=1)
"""A test that is still running after this time is reported."""

ADVICE = "docs/restore-testing.md says what it means and what to do."


def restore_tests(state: State) -> Outcome:
    """The last test of each kind, its verdict and its age; tests that are overdue."""
    if not state.environment.restore_testing:
        return off("Restore testing is off in this environment.")
    if not (
        isinstance(state.testing_plan, Known)
        and isinstance(state.testing_selections, Known)
        and isinstance(state.restore_jobs, Known)
    ):
        return unknown(
            state.testing_plan,
            state.testing_selections,
            state.restore_jobs,
            looking_at="the restore tests",
        )
    plan = state.testing_plan.value
    if plan is None:
        return fail(
            f"There is no restore testing plan {names.RESTORE_TESTING_PLAN}, and there should be.",
            deploy(state.environment.name),
        )
    differences = [
        *_plan_differences(state, plan),
        *_selection_differences(state, state.testing_selections.value),
    ]
    if differences:
        return fail(
            f"The restore testing plan is not as {state.environment.name} is configured.",
            f"Back to the configuration: {revert_drift(state.environment.name)}",
            details=differences,
        )
    tests = {kind: _newest_judged(state, state.restore_jobs.value, kind) for kind in KINDS}
    seen = [f"{name}: {_words(tests[kind], state.now)}" for kind, name in KINDS.items()]
    bad = [name for kind, name in KINDS.items() if _is_bad(tests[kind])]
    if bad:
        return fail(
            f"The last restore test of the {' and of the '.join(bad)} failed.", ADVICE, details=seen
        )
    return (
        _stuck(state, seen)
        or _overdue(state, plan, tests, seen)
        or ok(
            f"Restores are tested: {'; '.join(seen)}." if all(tests.values()) else _not_listed(plan)
        )
    )


def _plan_differences(state: State, plan: Mapping[str, Any]) -> Iterator[str]:
    """https://docs.aws.amazon.com/aws-backup/latest/devguide/API_RestoreTestingPlanForGet.html"""
    chosen = plan.get("RecoveryPointSelection", {})
    zone = plan.get("ScheduleExpressionTimezone")
    vault = (
        f"arn:{state.environment.partition}:backup:{state.environment.region}:{state.account}:"
        f"backup-vault:{names.VAULT}"
    )
    for what, seen, wanted in (
        ("schedule", plan.get("ScheduleExpression"), state.environment.restore_testing_schedule),
        ("time zone", "UTC" if zone in (None, "Etc/UTC") else zone, "UTC"),
        (
            "start window in hours",
            plan.get("StartWindowHours"),
            names.RESTORE_TEST_START_WINDOW_HOURS,
        ),
        ("algorithm", chosen.get("Algorithm"), names.RESTORE_TEST_ALGORITHM),
        ("vaults", chosen.get("IncludeVaults"), [vault]),
        ("excluded vaults", chosen.get("ExcludeVaults") or [], []),
        ("types of recovery points", chosen.get("RecoveryPointTypes"), ["SNAPSHOT"]),
        (
            "age of recovery points in days",
            chosen.get("SelectionWindowDays"),
            names.RESTORE_TEST_WINDOW_DAYS,
        ),
    ):
        if seen != wanted:
            yield f"{what}: {seen}, should be {wanted}"


def _selection_differences(state: State, selections: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """https://docs.aws.amazon.com/aws-backup/latest/devguide/API_RestoreTestingSelectionForGet.html"""
    role = f"arn:{state.environment.partition}:iam::{state.account}:role/{names.ROLE}"
    for kind, arn in (("DynamoDB", state.table_arn), ("EFS", state.mailstore_arn)):
        ours = [each for each in selections if each["ProtectedResourceType"] == kind]
        if len(ours) != 1:
            yield f"{len(ours)} selections of the {KINDS[kind]}, should be one"
        for one in ours:
            for what, seen, wanted in (
                ("resources", one.get("ProtectedResourceArns"), [arn]),
                ("role", one.get("IamRoleArn"), role),
                (
                    "validation window in hours",
                    one.get("ValidationWindowHours"),
                    names.RESTORE_TEST_VALIDATION_HOURS,
                ),
                ("conditions", _set(one.get("ProtectedResourceConditions")), {}),
                ("metadata overrides", one.get("RestoreMetadataOverrides") or {}, {}),
            ):
                if seen != wanted:
                    yield (
                        f"{one['RestoreTestingSelectionName']}: {what}: {seen}, should be {wanted}"
                    )
    for one in selections:
        if one["ProtectedResourceType"] not in KINDS:
            yield f"{one['RestoreTestingSelectionName']} tests {one['ProtectedResourceType']} too"


def _set(conditions: Mapping[str, Any] | None) -> dict[str, Any]:
    """Without the empty lists of operators that were not used."""
    return {name: value for name, value in (conditions or {}).items() if value}


def _stuck(state: State, seen: list[str]) -> Outcome | None:
    """What to say when a test does not come to an end."""
    jobs = state.restore_jobs.value if isinstance(state.restore_jobs, Known) else []
    stuck = [
        f"{KINDS.get(job.get('ResourceType', ''), 'resource')}: {job['Status']} since "
        f"{moment(job['CreationDate'])}"
        for job in jobs
        if _is_test(job)
        and job["Status"] in ("PENDING", "RUNNING")
        and state.now - job["CreationDate"] > STUCK
    ]
    if not stuck:
        return None
    return warn(
        f"A restore test has been running for more than {duration(STUCK)}.",
        f"See `cabal-backup jobs -e {state.environment.name}`. {ADVICE}",
        details=[*stuck, *seen],
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
        if job.get("ResourceType") == kind and _is_test(job) and not _is_under_way(job, state.now)
    ]
    return max(tests, key=lambda job: job["CreationDate"], default=None)


def _is_test(job: Mapping[str, Any]) -> bool:
    plan = job.get("CreatedBy", {}).get("RestoreTestingPlanArn", "")
    return f":{names.RESTORE_TESTING_PLAN}-" in plan


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
