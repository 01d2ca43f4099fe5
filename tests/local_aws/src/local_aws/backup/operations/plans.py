"""Backup plans and their versions."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from local_aws.backup import arns, lifecycle, reports, schedule
from local_aws.backup.core import Call, new_id, newest_first, operation
from local_aws.backup.errors import (
    ServiceError,
    already_exists,
    invalid_parameter,
    invalid_request,
    missing_parameter,
    not_found,
)
from local_aws.backup.jobs import plans as runs
from local_aws.backup.model import model_of
from local_aws.backup.operations.tags import check_tags
from local_aws.backup.paging import page
from local_aws.backup.protocol import RequestReader
from local_aws.backup.state import Plan, PlanVersion

MIN_WINDOW_MINUTES = 60
MAX_WINDOW_MINUTES = 52_560_000
MAX_RULES = 10
SELECTIONS_LEFT = "Related backup plan selections must be deleted prior to backup plan deletion"


@operation("CreateBackupPlan")
def create_backup_plan(call: Call) -> Mapping[str, Any]:
    document = _check_document(call, call.params["BackupPlan"])
    tags = check_tags(call.params.get("BackupPlanTags", {}))
    request_id = call.params.get("CreatorRequestId")
    for plan in _living(call):
        if request_id is not None and plan.creator_request_id == request_id:
            return _created(plan)
        if _without_ids(plan.current.document) == document:
            raise already_exists(
                "Backup plan with the same plan document already exists",
                arn=plan.arn,
                creator_request_id=plan.creator_request_id,
            )
    plan_id = new_id()
    plan = Plan(
        plan_id=plan_id,
        arn=arns.plan(call.scope, plan_id),
        creator_request_id=request_id,
        versions=[_version(call, document)],
    )
    call.region.plans[plan_id] = plan
    if tags:
        call.region.tags[plan.arn] = tags
    runs.plan_ahead(call.core, call.scope, plan)
    _report(call, plan, "CREATED")
    return _created(plan)


@operation("UpdateBackupPlan")
def update_backup_plan(call: Call) -> Mapping[str, Any]:
    plan = find_plan(call)
    document = _check_document(call, call.params["BackupPlan"])
    plan.versions.append(_version(call, document, plan.current))
    runs.plan_ahead(call.core, call.scope, plan)
    _report(call, plan, "MODIFIED")
    return _created(plan) | {"CreationDate": plan.current.created}


@operation("GetBackupPlan")
def get_backup_plan(call: Call) -> Mapping[str, Any]:
    wanted = call.params.get("VersionId")
    plan = find_plan(call, also_deleted=wanted is not None)
    version = plan.current
    if wanted is not None:
        found = next((v for v in plan.versions if v.version_id == wanted), None)
        if found is None:
            raise not_found(f"Backup plan {plan.plan_id} has no version {wanted}")
        version = found
    return {
        "BackupPlan": version.document,
        "BackupPlanId": plan.plan_id,
        "BackupPlanArn": plan.arn,
        "VersionId": version.version_id,
        "CreatorRequestId": plan.creator_request_id,
        "CreationDate": version.created,
        "DeletionDate": plan.deleted,
        "LastExecutionDate": plan.last_execution,
        "AdvancedBackupSettings": version.document.get("AdvancedBackupSettings"),
        "ScheduledRunsPreview": _preview(call, version),
    }


@operation("DeleteBackupPlan")
def delete_backup_plan(call: Call) -> Mapping[str, Any]:
    plan = find_plan(call)
    if plan.selections:
        raise invalid_request(SELECTIONS_LEFT)
    plan.deleted = call.now
    call.region.tags.pop(plan.arn, None)
    _report(call, plan, "DELETED")
    return {
        "BackupPlanId": plan.plan_id,
        "BackupPlanArn": plan.arn,
        "DeletionDate": plan.deleted,
        "VersionId": plan.current.version_id,
    }


@operation("ListBackupPlans")
def list_backup_plans(call: Call) -> Mapping[str, Any]:
    with_deleted = call.params.get("IncludeDeleted", False)
    plans = call.region.plans.values() if with_deleted else _living(call)
    chosen, token = page(
        plans, lambda plan: newest_first(plan.created, plan.plan_id), call.operation, call.params
    )
    return {
        "BackupPlansList": [_list_member(plan, plan.current) for plan in chosen],
        "NextToken": token,
    }


@operation("ListBackupPlanVersions")
def list_backup_plan_versions(call: Call) -> Mapping[str, Any]:
    plan = find_plan(call, also_deleted=True)
    chosen, token = page(
        plan.versions,
        lambda version: newest_first(version.created, version.version_id),
        call.operation,
        call.params,
    )
    members = [_list_member(plan, version) for version in chosen]
    return {"BackupPlanVersionsList": members, "NextToken": token}


@operation("ExportBackupPlanTemplate")
def export_backup_plan_template(call: Call) -> Mapping[str, Any]:
    document = _without_ids(find_plan(call).current.document)
    return {"BackupPlanTemplateJson": json.dumps(document)}


@operation("GetBackupPlanFromJSON")
def get_backup_plan_from_json(call: Call) -> Mapping[str, Any]:
    try:
        template = json.loads(call.params["BackupPlanTemplateJson"])
    except ValueError as error:
        raise invalid_parameter(f"BackupPlanTemplateJson is not JSON: {error}") from error
    model = model_of("backup")
    checked = RequestReader(model).check(model.route("CreateBackupPlan"), {"BackupPlan": template})
    return {"BackupPlan": _check_document(call, checked["BackupPlan"])}


def find_plan(call: Call, also_deleted: bool = False) -> Plan:
    """The plan that the request names; ResourceNotFoundException without it."""
    plan_id = call.params["BackupPlanId"]
    plan = call.region.plans.get(plan_id)
    if plan is None or (plan.deleted is not None and not also_deleted):
        raise not_found(f"Failed reading Backup plan with provided version: {plan_id}")
    return plan


def check_window(name: str, minutes: int | None) -> None:
    if minutes is not None and not MIN_WINDOW_MINUTES <= minutes <= MAX_WINDOW_MINUTES:
        raise invalid_parameter(
            f"{name} must be between {MIN_WINDOW_MINUTES} and {MAX_WINDOW_MINUTES}, not {minutes}"
        )


def check_windows(start: int | None, complete: int | None, start_name: str, name: str) -> None:
    """Windows in minutes, both counted from the schedule."""
    check_window(start_name, start)
    check_window(name, complete)
    if start is not None and complete is not None and complete <= start:
        raise invalid_parameter(f"{name} {complete} must be more than {start_name} {start}")


def check_schedule(expression: str, zone: str) -> schedule.Schedule:
    try:
        return schedule.parse(expression, zone)
    except schedule.BadExpression as error:
        raise invalid_parameter(f"Invalid cron expression: {error}") from error


def _check_document(call: Call, document: dict[str, Any]) -> dict[str, Any]:
    """The plan as AWS would store it, without rule ids."""
    name = document["BackupPlanName"]
    if not 1 <= len(name) <= 50 or not all(c.isalnum() or c in "-_." for c in name):
        raise invalid_parameter(f"Invalid backup plan name: {name}")
    rules = document["Rules"]
    if not rules:
        raise missing_parameter("A backup plan needs at least one rule")
    if len(rules) > MAX_RULES:
        raise ServiceError("LimitExceededException", f"A backup plan has at most {MAX_RULES} rules")
    names = [rule["RuleName"] for rule in rules]
    if len(set(names)) < len(names):
        raise invalid_parameter("Rule names of a backup plan must be unique")
    for setting in document.get("AdvancedBackupSettings", ()):
        if setting.get("ResourceType") != "EC2":
            raise invalid_parameter("Advanced backup settings exist for EC2 only")
    return document | {"Rules": [_check_rule(call, rule) for rule in rules]}


def _check_rule(call: Call, rule: dict[str, Any]) -> dict[str, Any]:
    if (air_gapped := rule.get("TargetLogicallyAirGappedBackupVaultArn")) is not None:
        # Stored in the plan; the sandbox serves no primary backups in that vault.
        arns.vault_name(air_gapped)
    vault_name = rule["TargetBackupVaultName"]
    if vault_name not in call.region.vaults:
        raise invalid_parameter(f"Backup vault {vault_name} does not exist")
    if call.vault(vault_name).air_gapped:
        raise invalid_parameter(f"{vault_name} is logically air-gapped: no TargetBackupVaultName")
    start, complete = rule.get("StartWindowMinutes"), rule.get("CompletionWindowMinutes")
    check_windows(start, complete, "StartWindowMinutes", "CompletionWindowMinutes")
    expression = rule.get("ScheduleExpression", schedule.DEFAULT)
    zone = rule.get("ScheduleExpressionTimezone", "UTC")
    if len(check_schedule(expression, zone).minutes) > 1:
        raise invalid_parameter(f"{expression}: backups at most once an hour")
    lifecycle.read(rule.get("Lifecycle"))
    check_tags(rule.get("RecoveryPointTags", {}))
    for action in rule.get("CopyActions", ()):
        arns.vault_name(action["DestinationBackupVaultArn"])
        lifecycle.read(action.get("Lifecycle"))
    defaults = {
        "ScheduleExpression": expression,
        "ScheduleExpressionTimezone": rule.get("ScheduleExpressionTimezone", "Etc/UTC"),
        "StartWindowMinutes": 480,
        "CompletionWindowMinutes": max(10080, (start or 0) + MIN_WINDOW_MINUTES),
    }
    return defaults | rule


def _version(
    call: Call, document: dict[str, Any], previous: PlanVersion | None = None
) -> PlanVersion:
    """A version with rule ids; a rule keeps its id as long as it keeps its name."""
    known = (
        {rule["RuleName"]: rule["RuleId"] for rule in previous.document["Rules"]}
        if previous
        else {}
    )
    rules = [
        rule | {"RuleId": known.get(rule["RuleName"]) or new_id()} for rule in document["Rules"]
    ]
    version_id = base64.b64encode(new_id().encode()).decode()
    return PlanVersion(version_id, call.now, document | {"Rules": rules})


def _without_ids(document: dict[str, Any]) -> dict[str, Any]:
    rules = [
        {name: value for name, value in rule.items() if name != "RuleId"}
        for rule in document["Rules"]
    ]
    return document | {"Rules": rules}


def _living(call: Call) -> list[Plan]:
    return [plan for plan in call.region.plans.values() if plan.deleted is None]


def _created(plan: Plan) -> dict[str, Any]:
    return {
        "BackupPlanId": plan.plan_id,
        "BackupPlanArn": plan.arn,
        "CreationDate": plan.created,
        "VersionId": plan.current.version_id,
        "AdvancedBackupSettings": plan.current.document.get("AdvancedBackupSettings"),
    }


def _list_member(plan: Plan, version: PlanVersion) -> dict[str, Any]:
    return {
        "BackupPlanArn": plan.arn,
        "BackupPlanId": plan.plan_id,
        "CreationDate": version.created,
        "DeletionDate": plan.deleted,
        "VersionId": version.version_id,
        "BackupPlanName": version.document["BackupPlanName"],
        "CreatorRequestId": plan.creator_request_id,
        "LastExecutionDate": plan.last_execution,
        "AdvancedBackupSettings": version.document.get("AdvancedBackupSettings"),
    }


def _preview(call: Call, version: PlanVersion) -> list[dict[str, Any]] | None:
    """The next runs of all rules together, as many as asked for."""
    wanted = call.params.get("MaxScheduledRunsPreview", 0)
    if not wanted:
        return None
    coming: list[tuple[datetime, str]] = []
    for rule in version.document["Rules"]:
        moment: datetime | None = call.now - timedelta(milliseconds=1)
        for _ in range(wanted):
            moment = runs.runs_after(rule, moment) if moment else None
            if moment is not None:
                coming.append((moment, rule["RuleId"]))
    return [
        {"ExecutionTime": moment, "RuleId": rule_id, "RuleExecutionType": "SNAPSHOTS"}
        for moment, rule_id in sorted(coming)[:wanted]
    ]


def _report(call: Call, plan: Plan, state: str) -> None:
    version_id = plan.current.version_id
    reports.plan_changed(call.core, call.scope, plan.arn, plan.plan_id, version_id, state)
