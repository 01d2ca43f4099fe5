"""Legal holds: their recovery points are not deleted, do not expire and do not move to cold storage
until the hold is cancelled.

AWS: aws-backup/latest/devguide/legalholds.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from local_aws.backup import arns
from local_aws.backup.core import Call, new_id, newest_first, operation
from local_aws.backup.errors import invalid_parameter, invalid_state, limit_exceeded, not_found
from local_aws.backup.jobs import points
from local_aws.backup.operations.tags import check_tags
from local_aws.backup.paging import page
from local_aws.backup.state import LegalHold, RecoveryPoint

MAX_HOLDS = 50
"""Of an account, in all its regions.

https://docs.aws.amazon.com/aws-backup/latest/devguide/aws-backup-limits.html
"""


@operation("CreateLegalHold")
def create_legal_hold(call: Call) -> Mapping[str, Any]:
    if (known := call.remembered()) is not None:
        return _shape(call, call.region.legal_holds[known], with_selection=True)
    selection = call.params.get("RecoveryPointSelection", {})
    regions = call.core.state.regions.items()
    active = [
        hold
        for scope, region in regions
        if scope.account == call.scope.account
        for hold in region.legal_holds.values()
        if hold.status(call.now) != "CANCELED"
    ]
    if len(active) >= MAX_HOLDS:
        raise limit_exceeded(f"There are {MAX_HOLDS} active legal holds already")
    hold_id = new_id()
    hold = LegalHold(
        hold_id=hold_id,
        arn=arns.legal_hold(call.scope, hold_id),
        title=call.params["Title"],
        description=call.params["Description"],
        created=call.now,
        active_from=call.now + call.core.settings.legal_hold_duration,
        selection=selection,
        points=frozenset(p.arn for p in call.region.points() if _is_selected(p, selection)),
    )
    call.region.legal_holds[hold_id] = hold
    if tags := check_tags(call.params.get("Tags", {})):
        call.region.tags[hold.arn] = tags
    call.remember(hold_id)
    return _shape(call, hold, with_selection=True)


@operation("CancelLegalHold")
def cancel_legal_hold(call: Call) -> Mapping[str, Any]:
    """Recovery points that should have expired during the hold expire now."""
    hold = _find(call)
    if (status := hold.status(call.now)) != "ACTIVE":
        raise invalid_state(f"Legal hold {hold.hold_id} is {status}")
    days = call.params.get("RetainRecordInDays")
    if days is not None and days < 0:
        raise invalid_parameter("RetainRecordInDays must not be negative")
    hold.cancelled, hold.cancel_description = call.now, call.params["CancelDescription"]
    hold.ends = call.now + call.core.settings.legal_hold_duration
    hold.record_until = None if days is None else hold.ends + timedelta(days=days)
    for point in call.region.points():
        if point.arn in hold.points:
            points.plan_lifecycle(call.core, call.scope, point)
    return {}


@operation("GetLegalHold")
def get_legal_hold(call: Call) -> Mapping[str, Any]:
    hold = _find(call)
    return _shape(call, hold, with_selection=True) | {
        "CancelDescription": hold.cancel_description,
        "CancellationDate": hold.cancelled,
        "RetainRecordUntil": hold.record_until,
    }


@operation("ListLegalHolds")
def list_legal_holds(call: Call) -> Mapping[str, Any]:
    chosen, token = page(
        (hold for hold in call.region.legal_holds.values() if hold.is_listed(call.now)),
        lambda hold: newest_first(hold.created, hold.hold_id),
        call.operation,
        call.params,
    )
    return {"LegalHolds": [_shape(call, hold) for hold in chosen], "NextToken": token}


@operation("ListRecoveryPointsByLegalHold")
def list_recovery_points_by_legal_hold(call: Call) -> Mapping[str, Any]:
    hold = _find(call)
    chosen, token = page(
        (point for point in call.region.points() if point.arn in hold.points),
        lambda point: newest_first(point.created, point.arn),
        call.operation,
        call.params,
    )
    members = [
        {
            "RecoveryPointArn": point.arn,
            "ResourceArn": point.resource_arn,
            "ResourceType": point.resource_type,
            "BackupVaultName": point.vault_name,
        }
        for point in chosen
    ]
    return {"RecoveryPoints": members, "NextToken": token}


def _is_selected(point: RecoveryPoint, selection: Mapping[str, Any]) -> bool:
    vaults, resources = selection.get("VaultNames"), selection.get("ResourceIdentifiers")
    dates = selection.get("DateRange")
    return (
        point.status not in ("CREATING", "EXPIRED", "DELETING")
        and (
            not (vaults or resources)
            or point.vault_name in (vaults or ())
            or point.resource_arn in (resources or ())
        )
        and (dates is None or dates["FromDate"] <= point.created <= dates["ToDate"])
    )


def _find(call: Call) -> LegalHold:
    hold = call.region.legal_holds.get(call.params["LegalHoldId"])
    if hold is None or not hold.is_listed(call.now):
        raise not_found(f"Legal hold {call.params['LegalHoldId']} does not exist")
    return hold


def _shape(call: Call, hold: LegalHold, *, with_selection: bool = False) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "Title": hold.title,
        "Status": hold.status(call.now),
        "Description": hold.description,
        "LegalHoldId": hold.hold_id,
        "LegalHoldArn": hold.arn,
        "CreationDate": hold.created,
    }
    if with_selection:
        return shape | {"RecoveryPointSelection": hold.selection}
    return shape | {"CancellationDate": hold.cancelled}
