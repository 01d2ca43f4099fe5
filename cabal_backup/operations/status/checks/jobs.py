"""Backup and copy jobs, which say `State` and StatusMessage alike."""

from __future__ import annotations

from collections.abc import Mapping
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
