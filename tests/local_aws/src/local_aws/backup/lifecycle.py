"""Days in warm storage, days in total, and the limits of a vault lock.

AWS: Lifecycle in the API reference; aws-backup/latest/devguide/vault-lock.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from local_aws.backup.errors import invalid_parameter

MAX_DAYS = 36500
COLD_MINIMUM_DAYS = 90
NEVER = -1


@dataclass(frozen=True)
class Lifecycle:
    """When a recovery point moves to cold storage and when it is deleted; None means never."""

    cold_after_days: int | None = None
    delete_after_days: int | None = None

    def shape(self) -> dict[str, Any]:
        """AWS's `Lifecycle`."""
        return {
            "MoveToColdStorageAfterDays": self.cold_after_days,
            "DeleteAfterDays": self.delete_after_days,
        }

    def cold_at(self, created: datetime) -> datetime | None:
        return _after(created, self.cold_after_days)

    def delete_at(self, created: datetime) -> datetime | None:
        return _after(created, self.delete_after_days)


def read(given: Mapping[str, Any] | None) -> Lifecycle:
    """A lifecycle as requested.

    Raises:
        ServiceError: InvalidParameterValueException for days outside 1..36500, for less
            than 90 days in cold storage, and for `DeleteAfterEvent`, which is no input.
    """
    if not given:
        return Lifecycle()
    if "DeleteAfterEvent" in given:
        raise invalid_parameter("DeleteAfterEvent is not valid as an input")
    cold = _days("MoveToColdStorageAfterDays", given.get("MoveToColdStorageAfterDays"))
    delete = _days("DeleteAfterDays", given.get("DeleteAfterDays"))
    if cold is not None and delete is not None and delete < cold + COLD_MINIMUM_DAYS:
        raise invalid_parameter(
            "Invalid lifecycle. DeleteAfterDays cannot be less than "
            f"{COLD_MINIMUM_DAYS} days apart from MoveToColdStorageAfterDays: "
            f"{delete} < {cold} + {COLD_MINIMUM_DAYS}"
        )
    return Lifecycle(cold, delete)


def is_outside(lifecycle: Lifecycle, minimum: int | None, maximum: int | None) -> bool:
    """Whether a job with this lifecycle fails because of a lock with these limits.

    Without DeleteAfterDays a recovery point is kept forever: longer than any maximum.
    """
    days = lifecycle.delete_after_days
    too_short = minimum is not None and days is not None and days < minimum
    too_long = maximum is not None and (days is None or days > maximum)
    return too_short or too_long


def _days(name: str, value: int | None) -> int | None:
    if value is None or value == NEVER:
        return None
    if not 1 <= value <= MAX_DAYS:
        raise invalid_parameter(f"{name} must be between 1 and {MAX_DAYS} days, not {value}")
    return value


def _after(created: datetime, days: int | None) -> datetime | None:
    return None if days is None else created + timedelta(days=days)
