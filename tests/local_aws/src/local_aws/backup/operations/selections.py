"""Backup selections: which resources a plan backs up, and with which role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_aws.backup import arns
from local_aws.backup.core import Call, new_id, newest_first, operation
from local_aws.backup.errors import already_exists, invalid_parameter, not_found
from local_aws.backup.operations.plans import find_plan
from local_aws.backup.paging import page
from local_aws.backup.state import Plan, Selection
from local_aws.backup.world import RoleTrust

MAX_ARNS = 500


@operation("CreateBackupSelection")
def create_backup_selection(call: Call) -> Mapping[str, Any]:
    plan = find_plan(call)
    document = call.params["BackupSelection"]
    request_id = call.params.get("CreatorRequestId")
    for known in plan.selections.values():
        if request_id is not None and known.creator_request_id == request_id:
            return _created(plan, known)
    _check(call, document)
    names = {known.document["SelectionName"] for known in plan.selections.values()}
    if call.core.settings.same_selection_name_refused and document["SelectionName"] in names:
        raise already_exists(
            f"Backup selection with name {document['SelectionName']} already exists",
            arn=plan.arn,
        )
    selection = Selection(new_id(), document, call.now, request_id)
    plan.selections[selection.selection_id] = selection
    return _created(plan, selection)


@operation("GetBackupSelection")
def get_backup_selection(call: Call) -> Mapping[str, Any]:
    plan = find_plan(call)
    selection = _find(call, plan)
    return {
        "BackupSelection": selection.document,
        "SelectionId": selection.selection_id,
        "BackupPlanId": plan.plan_id,
        "CreationDate": selection.created,
        "CreatorRequestId": selection.creator_request_id,
    }


@operation("ListBackupSelections")
def list_backup_selections(call: Call) -> Mapping[str, Any]:
    plan = find_plan(call)
    chosen, token = page(
        plan.selections.values(),
        lambda selection: newest_first(selection.created, selection.selection_id),
        call.operation,
        call.params,
    )
    members = [
        {
            "SelectionId": selection.selection_id,
            "SelectionName": selection.document["SelectionName"],
            "BackupPlanId": plan.plan_id,
            "CreationDate": selection.created,
            "CreatorRequestId": selection.creator_request_id,
            "IamRoleArn": selection.document["IamRoleArn"],
        }
        for selection in chosen
    ]
    return {"BackupSelectionsList": members, "NextToken": token}


@operation("DeleteBackupSelection")
def delete_backup_selection(call: Call) -> Mapping[str, Any]:
    plan = find_plan(call)
    del plan.selections[_find(call, plan).selection_id]
    return {}


def _check(call: Call, document: dict[str, Any]) -> None:
    role = arns.check_role(call.scope, document["IamRoleArn"])
    check_assumable(call, role)
    if call.core.world.roles.refusal(call.scope, role, "tag:GetResources", "*", {}) is not None:
        raise invalid_parameter(f"IAM Role {role} is not authorized to call tag:GetResources")
    for name in ("Resources", "NotResources"):
        listed = document.get(name, [])
        if len(listed) > MAX_ARNS:
            raise invalid_parameter(f"{name} takes at most {MAX_ARNS} ARNs")
        for arn in listed:
            if arn != "*" and not arn.startswith("arn:"):
                raise invalid_parameter(f"{name}: invalid ARN {arn}")


def check_assumable(call: Call, role: str) -> None:
    """Raises an error for a role that AWS Backup cannot assume."""
    roles = call.core.world.roles
    if isinstance(roles, RoleTrust) and roles.assume_refusal(call.scope, role) is not None:
        raise invalid_parameter(f"IAM Role {role} cannot be assumed by AWS Backup")


def _find(call: Call, plan: Plan) -> Selection:
    selection_id = call.params["SelectionId"]
    selection = plan.selections.get(selection_id)
    if selection is None:
        raise not_found(f"Cannot find Backup selection {selection_id}")
    return selection


def _created(plan: Plan, selection: Selection) -> dict[str, Any]:
    return {
        "SelectionId": selection.selection_id,
        "BackupPlanId": plan.plan_id,
        "CreationDate": selection.created,
    }
