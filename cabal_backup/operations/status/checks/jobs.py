"""Backup and copy jobs, which say `State` and StatusMessage alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cabal_backup.operations.status.checks.outcome import moment
from cabal_backup.operations.status.state import State

FAILED = {"FAILED", "ABORTED", "EXPIRED", "PARTIAL"}
UNDERWAY = {"CREATED", "PENDING", "RUNNING"}


def failed_job(state: State, job: Mapping[str, Any]) -> str:
    """One line about a job that failed, with AWS's own reason."""
    name = state.resources.get(job["ResourceArn"], job["ResourceArn"])
    why = job.get("StatusMessage") or "AWS gives no reason"
    return f"{moment(job['CreationDate'])}: {name}: {job['State']}: {why}"


def completed_with_issues(state: State, jobs: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """One line about each job that completed and has a message nevertheless.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html
    """
    for job in jobs:
        if job["State"] == "COMPLETED" and job.get("StatusMessage"):
            yield failed_job(state, job)
