"""Whether restores succeed: the tests of both vaults by AWS Backup, or exercises by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from cabal_backup import names
from cabal_backup.operations.aws.jobs import RUNNING
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.aws.results import Answer, Known
from cabal_backup.operations.status.checks.history import FUTURE
from cabal_backup.operations.status.checks.outcome import all_known, difference, fail, ok, warn
from cabal_backup.operations.status.findings import Outcome
from cabal_backup.operations.status.read_restore_testing import (
    DeployedPlan,
    ExpectedPlan,
    expected_plans,
)
from cabal_backup.operations.status.schedule import next_run
from cabal_backup.operations.status.state import LOOK_BACK, State
from cabal_backup.text import duration, moment

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import (
        ProtectedResourceConditionsOutputTypeDef,
        RestoreJobsListMemberTypeDef,
        RestoreTestingPlanForGetTypeDef,
        RestoreTestingSelectionForGetTypeDef,
    )

YEAR = timedelta(days=365)
"""How often each kind is restored at least."""

YEARLY_TEST = timedelta(days=370)
"""The same where AWS Backup does it: a yearly test may be late by a leap day and its windows."""

LATE = timedelta(days=2)
"""How long after its scheduled time a test may stay away; its start window is 8 hours."""

VERDICT_DUE = timedelta(days=1, hours=2)
"""How long after its end a test may wait for its verdict: its window is a day."""

STUCK = timedelta(days=1)
"""A test that is still running after this time is reported."""

ADVICE = "docs/restore-testing.md says what it means and what to do."


@dataclass(frozen=True, kw_only=True)
class _Series:
    """The tests of one kind by one plan."""

    expected: ExpectedPlan
    deployed: DeployedPlan
    kind: str
    jobs: Sequence[RestoreJobsListMemberTypeDef]
    """Those that AWS Backup lists, the newest first."""
    last_restored: datetime | None
    """When a recovery point of this kind in this vault was last restored, by whatever job."""
    now: datetime

    @property
    def what(self) -> str:
        return f"{names.RESOURCE_KINDS[self.kind]} in {self.expected.vault.name}"

    @property
    def judged(self) -> RestoreJobsListMemberTypeDef | None:
        """The newest test that is over, or should be."""
        return next((job for job in self.jobs if not _is_under_way(job, self.now)), None)

    @property
    def ran(self) -> datetime | None:
        """When the plan last started its tests."""
        return self.deployed.plan.get("LastExecutionTime")

    @property
    def due(self) -> datetime:
        """When the next test after the last one was, or is, scheduled.

        Of a plan that was changed since, the first one after the change: it may have had another
        schedule before.
        """
        created = self.deployed.plan["CreationTime"]
        changed = self.deployed.plan.get("LastUpdateTime") or created
        last = self.jobs[0]["CreationDate"] if self.jobs else self.ran or created
        a_year = timedelta(days=366)
        try:
            run = next_run(self.expected.schedule, max(last, changed), within=a_year)
        except ValueError:
            run = None
        return min(run or last + a_year, last + a_year)

    @property
    def words(self) -> str:
        job = self.judged
        if job is None:
            return f"{self.what}: {self._without_job()}"
        when = job.get("CompletionDate") or job["CreationDate"]
        result, reason = _result(job)
        said = f"{self.what}: {result}, {moment(when)}, {duration(self.now - when)} ago"
        return f"{said}: {reason}" if reason else said

    def _without_job(self) -> str:
        if self.jobs:
            return "the first test is under way"
        if self.ran is None:
            return f"the first test is due on {moment(self.due)}"
        if self.last_restored is not None:
            return f"last restored {moment(self.last_restored)}"
        # AWS Backup lists restore jobs for 30 days, and a month may have 31.
        return f"last tested by the plan's run of {moment(self.ran)}"


def restore_tests(state: State) -> Outcome:
    """A restore of each kind succeeded recently, from each vault.

    AWS Backup's restore testing does it on schedule. Where that is off, a restore by hand within
    the year is expected, from either vault.
    """
    expected = expected_plans(state)
    if not expected:
        return _by_hand(state)
    missing = [plan.name for plan in expected if state.testing[plan.name] == Known(None)]
    if missing:
        return fail(
            f"There is no restore testing plan {' and no '.join(missing)}, and there should be.",
            state.deploy_command,
        )
    differences = [f"{plan.name}: {one}" for plan in expected for one in _differences(state, plan)]
    if differences:
        return fail(
            f"Restore testing is not as {state.environment.name} is configured.",
            f"Back to the configuration: {state.revert_command}",
            details=differences,
        )
    return _as_configured(state)


def _differences(state: State, expected: ExpectedPlan) -> Iterator[str]:
    answer = state.testing[expected.name]
    if isinstance(answer, Known) and answer.value is not None:
        yield from _plan_differences(state, expected, answer.value.plan)
        yield from _selection_differences(state, expected, answer.value.selections)


def _plan_differences(
    state: State, expected: ExpectedPlan, plan: RestoreTestingPlanForGetTypeDef
) -> Iterator[str]:
    """https://docs.aws.amazon.com/aws-backup/latest/devguide/API_RestoreTestingPlanForGet.html"""
    chosen = plan.get("RecoveryPointSelection", {})
    zone = plan.get("ScheduleExpressionTimezone")
    vault = state.vault_arn(expected.vault)
    for what, seen, wanted in (
        ("schedule", plan.get("ScheduleExpression"), expected.schedule),
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
        yield from difference(what, seen, wanted)


def _selection_differences(
    state: State, expected: ExpectedPlan, selections: Sequence[RestoreTestingSelectionForGetTypeDef]
) -> Iterator[str]:
    """https://docs.aws.amazon.com/aws-backup/latest/devguide/API_RestoreTestingSelectionForGet.html"""
    arns = {names.DYNAMODB: state.table_arn, names.EFS: state.mailstore_arn}
    role = state.arn("iam", f"role/{expected.role}", region="")
    for kind in expected.kinds:
        ours = [each for each in selections if each["ProtectedResourceType"] == kind]
        if len(ours) != 1:
            yield f"{len(ours)} selections of the {names.RESOURCE_KINDS[kind]}, should be one"
        for one in ours:
            seen_role = str(one.get("IamRoleArn"))
            for what, seen, wanted in (
                ("resources", one.get("ProtectedResourceArns"), [arns[kind]]),
                ("role", role if fnmatchcase(seen_role, role) else seen_role, role),
                (
                    "validation window in hours",
                    one.get("ValidationWindowHours"),
                    names.RESTORE_TEST_VALIDATION_HOURS,
                ),
                ("conditions", _set(one.get("ProtectedResourceConditions")), {}),
                ("metadata overrides", one.get("RestoreMetadataOverrides") or {}, {}),
            ):
                name = one["RestoreTestingSelectionName"]
                yield from difference(f"{name}: {what}", seen, wanted)
    for one in selections:
        if one["ProtectedResourceType"] not in expected.kinds:
            yield f"{one['RestoreTestingSelectionName']} tests {one['ProtectedResourceType']} too"


def _set(conditions: ProtectedResourceConditionsOutputTypeDef | None) -> dict[str, object]:
    """Without the empty lists of operators that were not used."""
    return {name: value for name, value in (conditions or {}).items() if value}


def _as_configured(state: State) -> Outcome:
    """How the tests went, and when the next ones are due."""
    series, on = _series(state), state.environment.options
    seen = [each.words for each in series]
    bad = [
        each.what
        for each in series
        if each.judged is not None and each.judged.get("ValidationStatus") != "SUCCESSFUL"
    ]
    if bad:
        return fail(
            f"The last restore test of the {' and of the '.join(bad)} failed.", ADVICE, details=seen
        )
    all_known(
        (*state.testing.values(), state.restore_jobs, state.dr_restore_jobs),
        looking_at="the restore tests",
    )
    stuck = [
        f"{each.what}: {job['Status']} since {moment(job['CreationDate'])}"
        for each in series
        for job in each.jobs
        if job["Status"] in RUNNING and state.now - job["CreationDate"] > STUCK
    ]
    if stuck:
        return warn(
            f"A restore test has been running for more than {duration(STUCK)}.",
            f"See `cabal-backup jobs {on}`. {ADVICE}",
            details=[*stuck, *seen],
        )
    overdue = [
        f"{each.what} since {moment(each.due)}" for each in series if state.now - each.due > LATE
    ]
    if overdue:
        return warn(
            f"Restore tests are overdue: {'; '.join(overdue)}.",
            f"See why: cabal-backup jobs --days 30 {on}. AWS Backup tests a "
            f"recovery point of the last {names.RESTORE_TEST_WINDOW_DAYS} days. {ADVICE}",
            details=seen,
        )
    empty = [
        each.what
        for each in series
        if each.ran
        and not each.jobs
        and VERDICT_DUE < state.now - each.ran < LOOK_BACK - VERDICT_DUE
    ]
    if empty:
        return warn(
            f"The last run of restore testing had no result for the {' and the '.join(empty)}.",
            f"AWS Backup tests a recovery point of the last {names.RESTORE_TEST_WINDOW_DAYS} days: "
            f"is there one, with `cabal-backup points {on}`? {ADVICE}",
            details=seen,
        )
    # A kind that no test restored in a year, in either vault, although plans ran.
    newest = _newest_restores(state)
    first = min(each.deployed.plan["CreationTime"] for each in series)
    late = [
        what
        for kind, what in names.RESOURCE_KINDS.items()
        if state.now - newest.get(kind, first) > YEARLY_TEST
    ]
    if late:
        return _none_within_a_year(state, late, ADVICE, seen)
    return ok(f"Restore tests are on schedule: {'; '.join(seen)}.")


def _series(state: State) -> list[_Series]:
    """What is known of each kind and each plan; the primary vault first."""
    found = []
    for expected in expected_plans(state):
        answer = state.testing[expected.name]
        is_dr = expected.vault.region == state.dr.region
        jobs = state.dr_restore_jobs if is_dr else state.restore_jobs
        if not isinstance(answer, Known) or answer.value is None or not isinstance(jobs, Known):
            continue
        region = state.dr if is_dr else state.primary
        restored = _newest(state, *_restored_points(region.points))
        for kind in expected.kinds:
            ours = [job for job in jobs.value if _is_test(state, job, expected, kind)]
            found.append(
                _Series(
                    expected=expected,
                    deployed=answer.value,
                    kind=kind,
                    jobs=sorted(ours, key=lambda job: job["CreationDate"], reverse=True),
                    last_restored=restored.get(kind),
                    now=state.now,
                )
            )
    return found


def _is_test(
    state: State, job: RestoreJobsListMemberTypeDef, expected: ExpectedPlan, kind: str
) -> bool:
    plan = job.get("CreatedBy", {}).get("RestoreTestingPlanArn", "")
    return (
        f":{expected.name}-" in plan
        and job.get("ResourceType") == kind
        # A test of another resource, selected for a while, proves nothing.
        and _was_protected(state, job)
    )


def _was_protected(state: State, job: RestoreJobsListMemberTypeDef) -> bool:
    """Whether a job restored what the plan protected then: a former mailstore until there was the
    present one.
    """
    arn = job.get("SourceResourceArn")
    if arn is None or arn in state.resources:
        return True
    is_former = state.counts_for(arn) == state.mailstore_arn
    mailstore = state.mailstore.value_or(None)
    return is_former and mailstore is not None and job["CreationDate"] < mailstore["CreationTime"]


def _is_under_way(job: RestoreJobsListMemberTypeDef, now: datetime) -> bool:
    if job["Status"] in RUNNING:
        return True
    waits = job["Status"] == "COMPLETED" and job.get("ValidationStatus") in (None, "VALIDATING")
    return waits and now - job["CompletionDate"] < VERDICT_DUE


def _result(job: RestoreJobsListMemberTypeDef) -> tuple[str, str | None]:
    """How a test ended, and why."""
    if job["Status"] != "COMPLETED":
        return "could not be restored", job.get("StatusMessage")
    if job.get("ValidationStatus") == "SUCCESSFUL":
        return "successful", None
    if job.get("ValidationStatus") == "FAILED":
        return "validation failed", job.get("ValidationStatusMessage")
    return "never validated", None


# --- restores by hand, and by whatever job


def _by_hand(state: State) -> Outcome:
    """The last successful restore of each kind, from either vault, within a year."""
    newest = _newest_restores(state)
    seen = [
        f"{name}: {moment(newest[kind])}, {duration(state.now - newest[kind])} ago"
        if kind in newest
        else f"{name}: never, as far as AWS Backup remembers"
        for kind, name in names.RESOURCE_KINDS.items()
    ]
    late = [
        name
        for kind, name in names.RESOURCE_KINDS.items()
        if kind not in newest or state.now - newest[kind] > YEAR
    ]
    if not late:
        return ok(f"Restore testing is off. Restored within the year: {'; '.join(seen)}.")
    return _none_within_a_year(
        state,
        late,
        "Restore testing is off: set restore_testing and deploy, or exercise it in development: "
        f"`{state.drill_command}` restores the table and one mailbox.",
        seen,
    )


def _none_within_a_year(
    state: State, late: Sequence[str], hint: str, details: Sequence[str]
) -> Outcome:
    all_known(
        (state.restore_jobs, state.dr_restore_jobs, state.primary.points, state.dr.points),
        looking_at="when something was last restored",
    )
    return warn(f"No restore of the {' nor the '.join(late)} within a year.", hint, details=details)


def _newest_restores(state: State) -> dict[str, datetime]:
    """When each kind was last restored successfully, from either vault, by any job.

    AWS Backup lists restore jobs for 30 days only, but remembers of each recovery point when it
    was last restored.
    """
    return _newest(
        state,
        *(point for region in state.regions for point in _restored_points(region.points)),
        *(
            (job.get("ResourceType", ""), job.get("SourceResourceArn", ""), job["CompletionDate"])
            for jobs in (state.restore_jobs, state.dr_restore_jobs)
            for job in jobs.value_or(())
            if job["Status"] == "COMPLETED" and "CompletionDate" in job
        ),
    )


def _restored_points(points: Answer[list[RecoveryPoint]]) -> Iterator[tuple[str, str, datetime]]:
    for point in points.value_or(()):
        if point.last_restored:
            yield point.resource_type, point.resource_arn, point.last_restored


def _newest(state: State, *restores: tuple[str, str, datetime]) -> dict[str, datetime]:
    """When each kind was last restored; only what the plan protects counts.

    :param restores: the kind and the ARN of what was restored, and when.
    """
    counted = [
        (when, kind)
        for kind, arn, when in restores
        if when <= state.now + FUTURE and state.counts_for(arn) in state.resources
    ]
    return {kind: when for when, kind in sorted(counted)}
