"""Restore testing plans, their selections, and the validation results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from local_aws.backup import arns, schedule
from local_aws.backup.core import Call, new_id, newest_first, operation
from local_aws.backup.errors import (
    already_exists,
    invalid_parameter,
    invalid_request,
    missing_parameter,
    not_found,
)
from local_aws.backup.jobs import restores, testing
from local_aws.backup.operations.plans import check_schedule
from local_aws.backup.operations.selections import check_assumable
from local_aws.backup.operations.tags import check_tags
from local_aws.backup.paging import page
from local_aws.backup.resources import KINDS
from local_aws.backup.state import TestingPlan, TestingSelection

_NAME = re.compile(r"[A-Za-z0-9_]{1,50}")


@operation("CreateRestoreTestingPlan")
def create_restore_testing_plan(call: Call) -> Mapping[str, Any]:
    given = dict(call.params["RestoreTestingPlan"])
    name = given.pop("RestoreTestingPlanName")
    request_id = call.params.get("CreatorRequestId")
    tags = check_tags(call.params.get("Tags", {}))
    _check_name(name)
    existing = call.region.testing_plans.get(name)
    if existing is not None and (request_id is None or existing.creator_request_id != request_id):
        raise already_exists(
            f"Restore testing plan {name} already exists",
            arn=existing.arn,
            creator_request_id=existing.creator_request_id,
        )
    if existing is None:
        existing = TestingPlan(
            name=name,
            arn=arns.restore_testing_plan(call.scope, name, new_id()),
            document=_check_plan(given),
            created=call.now,
            creator_request_id=request_id,
        )
        call.region.testing_plans[name] = existing
        if tags:
            call.region.tags[existing.arn] = tags
        testing.plan_ahead(call.core, call.scope, existing)
    return {
        "CreationTime": existing.created,
        "RestoreTestingPlanArn": existing.arn,
        "RestoreTestingPlanName": existing.name,
    }


@operation("UpdateRestoreTestingPlan")
def update_restore_testing_plan(call: Call) -> Mapping[str, Any]:
    plan = _plan(call)
    plan.document = _check_plan(plan.document | call.params["RestoreTestingPlan"])
    plan.revision += 1
    plan.updated = call.now
    testing.plan_ahead(call.core, call.scope, plan)
    return {
        "CreationTime": plan.created,
        "RestoreTestingPlanArn": plan.arn,
        "RestoreTestingPlanName": plan.name,
        "UpdateTime": plan.updated,
    }


@operation("GetRestoreTestingPlan")
def get_restore_testing_plan(call: Call) -> Mapping[str, Any]:
    plan = _plan(call)
    shape = _plan_shape(plan) | {
        "CreatorRequestId": plan.creator_request_id,
        "RecoveryPointSelection": plan.document["RecoveryPointSelection"],
    }
    return {"RestoreTestingPlan": shape}


@operation("ListRestoreTestingPlans")
def list_restore_testing_plans(call: Call) -> Mapping[str, Any]:
    chosen, token = page(
        call.region.testing_plans.values(),
        lambda plan: newest_first(plan.created, plan.name),
        call.operation,
        call.params,
    )
    return {"RestoreTestingPlans": [_plan_shape(plan) for plan in chosen], "NextToken": token}


@operation("DeleteRestoreTestingPlan")
def delete_restore_testing_plan(call: Call) -> Mapping[str, Any]:
    plan = call.region.testing_plans.get(call.params["RestoreTestingPlanName"])
    if plan is None:
        return {}  # The model has no ResourceNotFoundException for this operation.
    if plan.selections:
        raise invalid_request(
            "Restore testing selections must be deleted before their restore testing plan"
        )
    del call.region.testing_plans[plan.name]
    call.region.tags.pop(plan.arn, None)
    return {}


@operation("CreateRestoreTestingSelection")
def create_restore_testing_selection(call: Call) -> Mapping[str, Any]:
    plan = _plan(call)
    given = dict(call.params["RestoreTestingSelection"])
    name = given.pop("RestoreTestingSelectionName")
    request_id = call.params.get("CreatorRequestId")
    _check_name(name)
    existing = plan.selections.get(name)
    if existing is not None and (request_id is None or existing.creator_request_id != request_id):
        raise already_exists(
            f"Restore testing selection {name} already exists",
            arn=plan.arn,
            creator_request_id=existing.creator_request_id,
        )
    if existing is None:
        existing = TestingSelection(name, _check_selection(call, given), call.now, request_id)
        plan.selections[name] = existing
    return {
        "CreationTime": existing.created,
        "RestoreTestingPlanArn": plan.arn,
        "RestoreTestingPlanName": plan.name,
        "RestoreTestingSelectionName": existing.name,
    }


@operation("UpdateRestoreTestingSelection")
def update_restore_testing_selection(call: Call) -> Mapping[str, Any]:
    plan = _plan(call)
    selection = _selection(call, plan)
    changed = selection.document | call.params["RestoreTestingSelection"]
    selection.document = _check_selection(call, changed)
    return {
        "CreationTime": selection.created,
        "RestoreTestingPlanArn": plan.arn,
        "RestoreTestingPlanName": plan.name,
        "RestoreTestingSelectionName": selection.name,
        "UpdateTime": call.now,
    }


@operation("GetRestoreTestingSelection")
def get_restore_testing_selection(call: Call) -> Mapping[str, Any]:
    plan = _plan(call)
    selection = _selection(call, plan)
    shape = selection.document | {
        "CreationTime": selection.created,
        "CreatorRequestId": selection.creator_request_id,
        "RestoreTestingPlanName": plan.name,
        "RestoreTestingSelectionName": selection.name,
    }
    return {"RestoreTestingSelection": shape}


@operation("ListRestoreTestingSelections")
def list_restore_testing_selections(call: Call) -> Mapping[str, Any]:
    plan = _plan(call)
    chosen, token = page(
        plan.selections.values(),
        lambda selection: newest_first(selection.created, selection.name),
        call.operation,
        call.params,
    )
    members = [
        {
            "CreationTime": selection.created,
            "IamRoleArn": selection.document["IamRoleArn"],
            "ProtectedResourceType": selection.document["ProtectedResourceType"],
            "RestoreTestingPlanName": plan.name,
            "RestoreTestingSelectionName": selection.name,
            "ValidationWindowHours": selection.document.get("ValidationWindowHours"),
        }
        for selection in chosen
    ]
    return {"RestoreTestingSelections": members, "NextToken": token}


@operation("DeleteRestoreTestingSelection")
def delete_restore_testing_selection(call: Call) -> Mapping[str, Any]:
    plan = _plan(call)
    del plan.selections[_selection(call, plan).name]
    return {}


@operation("GetRestoreTestingInferredMetadata")
def get_restore_testing_inferred_metadata(call: Call) -> Mapping[str, Any]:
    point = call.point()
    return {"InferredMetadata": KINDS[point.resource_type].trial_metadata(point)}


@operation("PutRestoreValidationResult")
def put_restore_validation_result(call: Call) -> Mapping[str, Any]:
    """A validation result is set once, for a restore of a testing plan."""
    job_id = call.params["RestoreJobId"]
    job = call.region.restore_jobs.get(job_id)
    if job is None:
        raise not_found(f"Restore job {job_id} does not exist")
    status = call.params["ValidationStatus"]
    if status not in ("SUCCESSFUL", "FAILED"):
        raise invalid_parameter(f"ValidationStatus is SUCCESSFUL or FAILED, not {status}")
    if job.testing_plan_arn is None:
        raise invalid_request(f"Restore job {job_id} was not started by a restore testing plan")
    if job.validation_status != "VALIDATING":
        raise invalid_request(
            f"Restore job {job_id} takes no validation result: "
            f"status {job.status}, validation {job.validation_status}"
        )
    message = call.params.get("ValidationStatusMessage")
    restores.validate(call.core, call.scope, job, status, message)
    return {}


def _check_plan(document: dict[str, Any]) -> dict[str, Any]:
    expression = document.get("ScheduleExpression", schedule.DEFAULT)
    check_schedule(expression, document.get("ScheduleExpressionTimezone", "UTC"))
    hours = document.get("StartWindowHours", testing.DEFAULT_START_WINDOW_HOURS)
    if not 1 <= hours <= 168:
        raise invalid_parameter(f"StartWindowHours must be between 1 and 168, not {hours}")
    wanted = document["RecoveryPointSelection"]
    for name in ("Algorithm", "IncludeVaults", "RecoveryPointTypes"):
        if not wanted.get(name):
            raise missing_parameter(f"RecoveryPointSelection.{name} is missing")
    for pattern in (*wanted["IncludeVaults"], *wanted.get("ExcludeVaults", ())):
        if pattern != "*" and not pattern.startswith("arn:"):
            raise invalid_parameter(f"IncludeVaults and ExcludeVaults take ARNs, not {pattern}")
    days = wanted.get("SelectionWindowDays", testing.DEFAULT_WINDOW_DAYS)
    if not 1 <= days <= 365:
        raise invalid_parameter(f"SelectionWindowDays must be between 1 and 365, not {days}")
    selection = {"ExcludeVaults": [], **wanted, "SelectionWindowDays": days}
    return {
        **document,
        "ScheduleExpression": expression,
        "StartWindowHours": hours,
        "RecoveryPointSelection": selection,
    }


def _check_selection(call: Call, document: dict[str, Any]) -> dict[str, Any]:
    check_assumable(call, arns.check_role(call.scope, document["IamRoleArn"]))
    if document["ProtectedResourceType"] not in KINDS:
        raise invalid_parameter(
            f"ProtectedResourceType {document['ProtectedResourceType']} is not served here"
        )
    hours = document.get("ValidationWindowHours", 0)
    if not 0 <= hours <= 168:
        raise invalid_parameter(f"ValidationWindowHours must be between 0 and 168, not {hours}")
    listed = document.get("ProtectedResourceArns")
    if listed is not None and "*" in listed and len(listed) > 1:
        raise invalid_parameter('ProtectedResourceArns is ["*"] or a list of ARNs, not both')
    if not listed and not document.get("ProtectedResourceConditions"):
        raise missing_parameter("ProtectedResourceArns or ProtectedResourceConditions is required")
    return document


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise invalid_parameter(f"A name has letters, digits and underscores, unlike {name!r}")


def _plan(call: Call) -> TestingPlan:
    name = call.params["RestoreTestingPlanName"]
    plan = call.region.testing_plans.get(name)
    if plan is None:
        raise not_found(f"Restore testing plan {name} does not exist")
    return plan


def _selection(call: Call, plan: TestingPlan) -> TestingSelection:
    name = call.params["RestoreTestingSelectionName"]
    selection = plan.selections.get(name)
    if selection is None:
        raise not_found(f"Restore testing selection {name} does not exist")
    return selection


def _plan_shape(plan: TestingPlan) -> dict[str, Any]:
    return {
        "CreationTime": plan.created,
        "LastExecutionTime": plan.last_execution,
        "LastUpdateTime": plan.updated,
        "RestoreTestingPlanArn": plan.arn,
        "RestoreTestingPlanName": plan.name,
        "ScheduleExpression": plan.document["ScheduleExpression"],
        "ScheduleExpressionTimezone": plan.document.get("ScheduleExpressionTimezone"),
        "StartWindowHours": plan.document["StartWindowHours"],
    }
