"""Legal holds: they keep recovery points from deletion and expiry.

https://docs.aws.amazon.com/aws-backup/latest/devguide/legalhold.html
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.aws.results import entries

if TYPE_CHECKING:
    from types_boto3_backup import BackupClient

MOST = 50
"""Active holds in an account; AWS does not say that it is for each region.

https://docs.aws.amazon.com/aws-backup/latest/devguide/aws-backup-limits.html
"""


@dataclass(frozen=True, kw_only=True)
class LegalHold:
    """A legal hold that is not cancelled."""

    id: str
    title: str
    description: str
    region: str
    status: str
    """CREATING, ACTIVE or CANCELING: while it is not ACTIVE, recovery points can be deleted."""
    created: datetime
    points: frozenset[str]
    """The ARNs of the recovery points that it holds."""
    others: int = 0
    """How many more it holds, in vaults that are not the environment's."""

    @property
    def stands(self) -> bool:
        """Whether it prevents deletion, now or in a moment."""
        return self.status != "CANCELING"

    def leaves_out(self, point: RecoveryPoint) -> bool:
        """Whether the point was not complete in its vault yet when the hold was placed."""
        return point.arn not in self.points and self.created < point.in_vault_since

    def of(self, points: Set[str]) -> LegalHold | None:
        """The hold with these of its recovery points only; None where it holds none of them."""
        held = self.points & points
        return replace(self, points=held, others=len(self.points) - len(held)) if held else None


def list_legal_holds(backup: BackupClient) -> Sequence[LegalHold]:
    """The holds of the client's region, the newest first, without cancelled ones.

    Raises botocore's errors.
    """
    held = backup.list_recovery_points_by_legal_hold
    return [
        LegalHold(
            id=hold["LegalHoldId"],
            title=hold["Title"],
            description=hold.get("Description", ""),
            region=backup.meta.region_name,
            status=hold["Status"],
            created=hold["CreationDate"],
            points=frozenset(
                each["RecoveryPointArn"]
                for each in entries(held, "RecoveryPoints", LegalHoldId=hold["LegalHoldId"])
            ),
        )
        for hold in entries(backup.list_legal_holds, "LegalHolds")
        if hold["Status"] != "CANCELED"
    ]
