"""The drills there are, and planning one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cabal_backup import names
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.drill import addresses, copy_back, mailbox
from cabal_backup.operations.drill.plan import DrillPlan
from cabal_backup.operations.status.drill_reports import Kind


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How a drill was asked for."""

    tolerance_percent: int
    role: str = names.ROLE
    point_arn: str | None = None
    at: datetime | None = None
    user: str | None = None
    mount: Path | None = None

    @property
    def chosen(self) -> bool:
        """Whether somebody said which recovery point; otherwise it is the newest."""
        return self.point_arn is not None or self.at is not None


def look(aws: Aws, now: datetime, kind: Kind, wanted: Wanted) -> DrillPlan:
    """Plan a drill. Raises CabalBackupError when something that is needed is not there."""
    if kind is Kind.ADDRESSES:
        return addresses.look(
            aws,
            now,
            tolerance_percent=wanted.tolerance_percent,
            point_arn=wanted.point_arn,
            at=wanted.at,
            role=wanted.role,
        )
    if kind is Kind.COPY_BACK:
        return copy_back.look(
            aws, now, tolerance_percent=wanted.tolerance_percent, role=wanted.role
        )
    assert wanted.user is not None
    return mailbox.look(
        aws,
        now,
        user=wanted.user,
        mount=wanted.mount,
        point_arn=wanted.point_arn,
        at=wanted.at,
        role=wanted.role,
    )
