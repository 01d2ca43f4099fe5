"""What checks return, and the words that several of them use."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from cabal_backup.operations.aws.results import Answer, Unknown
from cabal_backup.operations.status.findings import Outcome, Status
from cabal_backup.operations.status.state import State
from cabal_backup.text import moment, plural
from cabal_backup.urgent import FAILED_STATES

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import BackupJobTypeDef, CopyJobTypeDef
    from types_boto3_cloudtrail.type_defs import EventTypeDef

    AnyJob = BackupJobTypeDef | CopyJobTypeDef

T = TypeVar("T")


def ok(evidence: str, *, details: Iterable[str] = ()) -> Outcome:
    """Nothing to report."""
    return Outcome(Status.OK, evidence, details=tuple(details))


def off(evidence: str) -> Outcome:
    """For what the settings switch off, or what does not exist yet: nothing was looked at."""
    return Outcome(Status.OFF, evidence)


def warn(evidence: str, hint: str, *, details: Iterable[str] = ()) -> Outcome:
    """Something is wrong, but the environment is still protected."""
    return Outcome(Status.WARN, evidence, hint, tuple(details))


def fail(evidence: str, hint: str, *, details: Iterable[str] = ()) -> Outcome:
    """The environment is not protected as promised."""
    return Outcome(Status.FAIL, evidence, hint, tuple(details))


def measured(outcome: Outcome, **measures: float) -> Outcome:
    """The same outcome, with numbers for monitoring."""
    return replace(outcome, measures=measures)


def unknown(*answers: object, looking_at: str, details: Iterable[str] = ()) -> Outcome:
    """What to say when at least one of the answers is missing."""
    missing = [answer for answer in answers if isinstance(answer, Unknown)]
    reasons = sorted({answer.reason for answer in missing})
    return Outcome(
        Status.UNKNOWN,
        f"Could not look at {looking_at}: {' '.join(reasons)}",
        "Run it again; if it stays, the credentials may not be allowed to look, or the region "
        "may be down.",
        tuple(details),
        unreachable=all(answer.unreachable for answer in missing),
    )


class CannotLook(Exception):
    """Ends a check, with the outcome that says why it could not be made."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.evidence)
        self.outcome = outcome


def known(answer: Answer[T], *, looking_at: str, details: Iterable[str] = ()) -> T:
    """What AWS answered. Raises CannotLook where it did not."""
    if isinstance(answer, Unknown):
        raise CannotLook(unknown(answer, looking_at=looking_at, details=details))
    return answer.value


def all_known(answers: Iterable[Answer[object]], *, looking_at: str) -> None:
    """Raises CannotLook unless AWS gave all of these answers."""
    if missing := [answer for answer in answers if isinstance(answer, Unknown)]:
        raise CannotLook(unknown(*missing, looking_at=looking_at))


def no_answer(state: State, checks: Sequence[str]) -> Outcome | None:
    """What explains that these checks could not be made; None if both regions answer."""
    silent = {
        one.region: one.vault.reason
        for one in state.regions
        if isinstance(one.vault, Unknown) and one.vault.unreachable
    }
    if not silent:
        return None
    region, environment = next(iter(silent)), state.environment
    on = environment.options_of(environment.name, "--assume-region-lost")
    rest = f"cabal-backup status {on} --assume-region-lost {region}"
    waited = "is assumed lost" not in silent[region]
    copies = f"cabal-backup copy now {on}"
    return Outcome(
        Status.UNKNOWN,
        f"No answer from {' and '.join(silent)}: {' '.join(dict.fromkeys(silent.values()))} "
        f"{plural(len(checks), 'check')} could not be made.",
        (f"To see the rest without waiting: {rest}. " if waited else "")
        + (
            "If the region is lost: docs/runbooks/lose-a-region.md"
            if region == environment.region
            else f"To copy what is missing when it answers: {copies}"
        ),
        details=(", ".join(checks),),
    )


def not_there(what: str) -> Outcome:
    """For a check of something whose absence is another check's failure."""
    return Outcome(Status.UNKNOWN, f"There is no {what} to look at.", "Fix that first.")


def caller(event: EventTypeDef) -> str:
    """Who made a call that CloudTrail has recorded: an ARN, or else a user name."""
    try:
        arn = json.loads(event["CloudTrailEvent"])["userIdentity"]["arn"]
    except (KeyError, TypeError, ValueError):
        return event.get("Username", "a caller that CloudTrail does not name")
    return str(arn)


def listed(value: T | list[T] | tuple[T, ...] | None) -> list[T]:
    """What IAM writes as a list, or without brackets as one; nothing for None."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def difference(what: str, seen: object, wanted: object) -> Iterator[str]:
    """How something is and how it should be; nothing if they are equal."""
    if seen != wanted:
        yield f"{what}: {seen}, should be {wanted}"


def lifecycle_words(cold_after_days: int | None, delete_after_days: int | None) -> str:
    """A lifecycle for people; AWS Backup writes never as nothing or as -1."""
    cold = cold_after_days is not None and cold_after_days > 0
    delete = delete_after_days is not None and delete_after_days > 0
    return (
        f"{f'cold after {cold_after_days} days' if cold else 'never cold'}, "
        f"{f'deleted after {delete_after_days}' if delete else 'never deleted'}"
    )


def _failed_job(state: State, job: AnyJob) -> str:
    """One line about a job that failed, with AWS's own reason."""
    name = state.name_of(job["ResourceArn"])
    why = job.get("StatusMessage") or "AWS gives no reason"
    return f"{moment(job['CreationDate'])}: {name}: {job['State']}: {why}"


def judge_jobs(
    state: State, jobs: Sequence[AnyJob], kind: str, failure: Outcome | None, *, since: str
) -> Outcome:
    """Whether the backup or copy jobs of the last 30 days completed, without a message.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html

    :param failure: where there are failed jobs that nothing made up for.
    :param since: what made up for the failed jobs.
    """
    failed = [job for job in jobs if job["State"] in FAILED_STATES]
    issues = [job for job in jobs if job["State"] == "COMPLETED" and job.get("StatusMessage")]
    details = [_failed_job(state, job) for job in (*failed, *issues)]
    if failure is not None:
        return replace(failure, details=tuple(details))
    if failed:
        return warn(
            f"{plural(len(failed), f'{kind} job')} failed in the last 30 days; {since}.",
            "Nothing to do unless it happens again.",
            details=details,
        )
    if issues:
        what = "copy" if kind == "copy" else "recovery point"
        return warn(
            f"{plural(len(issues), f'{kind} job')} in the last 30 days completed with a message.",
            f"Read what AWS reports: something may not be in the {what}.",
            details=details,
        )
    if not jobs:
        return off(f"There was no {kind} job in the last 30 days.")
    return ok(f"{plural(len(jobs), f'{kind} job')} in the last 30 days, and none failed.")
