"""Faults of the table, the mailstore, their keys and content, and of what is configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from cabal_backup.operations.aws.results import Known
from cabal_backup.operations.status.state import State
from tests.unit.operations.status.builders import (
    LAST_NIGHT,
    NOW,
    TABLE_ARN,
    TABLE_KEY,
    VAULT_KEY,
    a_described_table,
    a_key,
    a_mailstore,
    a_plan,
    a_rule,
    a_selection,
)
from tests.unit.operations.status.faults import Fault, fields, points, table


def key(arn: str, **changes: Any) -> Fault:
    def changed(state: State) -> State:
        return replace(state, keys={**state.keys, arn: Known(a_key(arn, **changes))})

    return changed


def recovering(days: int, back: timedelta) -> Fault:
    """A table with this window, which reaches as far back."""
    recovery = {
        "PointInTimeRecoveryStatus": "ENABLED",
        "RecoveryPeriodInDays": days,
        "EarliestRestorableDateTime": NOW - back,
    }
    return table(backups=Known({"PointInTimeRecoveryDescription": recovery}))


def of_last_night(size: int) -> Fault:
    """The newest points of the table are of this size, in bytes."""
    return points(
        "primary",
        lambda point: (
            replace(point, size_bytes=size)
            if point.resource_arn == TABLE_ARN and point.created >= LAST_NIGHT
            else point
        ),
    )


def described(**changes: Any) -> Fault:
    return table(table=Known(a_described_table(**changes)))


FAULTS: Mapping[str, Fault] = {
    "the mailstore has no mount target": fields(
        mailstore=Known(a_mailstore(NumberOfMountTargets=0))
    ),
    "another mailstore has the tag": fields(other_mailstores=Known(["fs-0fedcba9876543210"])),
    "the key of a vault is to be deleted": key(VAULT_KEY, KeyState="PendingDeletion"),
    "the key of a vault is a customer's": key(VAULT_KEY, KeyManager="CUSTOMER"),
    "the key of the tables is disabled": key(TABLE_KEY, KeyState="Disabled"),
    "a table is inaccessible": described(TableStatus="INACCESSIBLE_ENCRYPTION_CREDENTIALS"),
    "a table is archived": described(TableStatus="ARCHIVED"),
    "a table is being deleted": described(TableStatus="DELETING"),
    "a table was replaced": described(CreationDateTime=NOW - timedelta(hours=1)),
    "the content disappeared": of_last_night(0),
    "most of the content disappeared": of_last_night(2),
    "the window is short": recovering(20, timedelta(days=20)),
    "the window is a day": recovering(1, timedelta(days=1)),
    "the window began anew": recovering(35, timedelta(days=3)),
    "the plan has windows of its own": fields(plan=Known(a_plan(a_rule(StartWindowMinutes=60)))),
    "the plan has an unknown member": fields(plan=Known(a_plan(a_rule(Novelty="x")))),
    "there are two plans": fields(plan=Known(replace(a_plan(), others=1))),
    "a resource is selected twice": fields(
        plan=Known(a_plan(selections=[a_selection(), a_selection(Resources=[TABLE_ARN])]))
    ),
    "a table has no PITR description": table(backups=Known({})),
}
