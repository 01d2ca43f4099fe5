"""Backup plans on their schedules."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from local_aws.backup import lifecycle, schedule
from local_aws.backup.core import Core, due
from local_aws.backup.jobs import backup
from local_aws.backup.resources import kind_of
from local_aws.backup.state import Plan, PlanVersion, Selection
from local_aws.backup.world import Inventory, Scope


def plan_ahead(core: Core, scope: Scope, plan: Plan, after: datetime | None = None) -> None:
    """Schedule the next run of every rule of the current version."""
    for rule in plan.current.document["Rules"]:
        _next_run(core, scope, plan, rule, after or core.now())


def runs_after(rule: Mapping[str, Any], instant: datetime) -> datetime | None:
    expression = rule.get("ScheduleExpression", schedule.DEFAULT)
    zone = rule.get("ScheduleExpressionTimezone", "UTC")
    return schedule.parse(expression, zone).after(instant)


@due("plan.fire")
def fire(
    core: Core, scope: Scope, plan_id: str, version_id: str, rule_id: str, scheduled: datetime
) -> None:
    """Run one rule; a plan that was changed or deleted since then does not run."""
    plan = core.state.region(scope).plans[plan_id]
    version = plan.current
    if plan.deleted is not None or version.version_id != version_id:
        return
    rule = next(rule for rule in version.document["Rules"] if rule["RuleId"] == rule_id)
    scheduled = _latest_run(rule, scheduled, core.now())
    _next_run(core, scope, plan, rule, scheduled)
    if core.now() > scheduled + start_window(rule):
        return
    plan.last_execution = core.now()
    started: set[str] = set()
    for selection in plan.selections.values():
        for resource_arn in selected(core, scope, selection):
            if resource_arn not in started and _opted_in(core, scope, resource_arn):
                started.add(resource_arn)
                request = _request(core, plan, version, rule, selection, resource_arn, scheduled)
                backup.create(core, scope, request)


def _latest_run(rule: Mapping[str, Any], scheduled: datetime, now: datetime) -> datetime:
    """The last run due by now: later than `scheduled` if the region was lost."""
    while (following := runs_after(rule, scheduled)) is not None and following <= now:
        scheduled = following
    return scheduled


def selected(core: Core, scope: Scope, selection: Selection) -> list[str]:
    """The resources of a selection: listed or tagged, not excluded, all conditions met."""
    document = selection.document
    listed: list[str] = document.get("Resources", [])
    conditions = document.get("Conditions", {})
    every = not any(document.get(key) for key in ("Resources", "ListOfTags"))
    inventory = _inventory(core, scope)
    candidates = dict.fromkeys(arn for arn in listed if not _is_pattern(arn))
    for arn, tags in inventory.items():
        by_name = any(_is_pattern(p) and fnmatch.fnmatchcase(arn, p) for p in listed)
        by_tag = any(
            tags.get(c["ConditionKey"]) == c["ConditionValue"]
            for c in document.get("ListOfTags", ())
        )
        if every or by_name or by_tag:
            candidates[arn] = None
    excluded: list[str] = document.get("NotResources", [])
    return [
        arn
        for arn in candidates
        if not any(fnmatch.fnmatchcase(arn, pattern) for pattern in excluded)
        and meets(conditions, inventory.get(arn, {}))
    ]


def meets(conditions: Mapping[str, Any], tags: Mapping[str, str]) -> bool:
    """Whether tags meet all of AWS's `Conditions`; keys are `aws:ResourceTag/Name`."""
    for operator, tests in conditions.items():
        for test in tests:
            key = test.get("ConditionKey", test.get("Key"))
            wanted = test.get("ConditionValue", test.get("Value"))
            value = tags.get(key.removeprefix("aws:ResourceTag/"))
            same = value is not None and (
                fnmatch.fnmatchcase(value, wanted) if "Like" in operator else value == wanted
            )
            if same is ("Not" in operator):
                return False
    return True


def start_window(rule: Mapping[str, Any]) -> timedelta:
    minutes = rule.get("StartWindowMinutes")
    return backup.DEFAULT_START_WINDOW if minutes is None else timedelta(minutes=minutes)


def _request(
    core: Core,
    plan: Plan,
    version: PlanVersion,
    rule: Mapping[str, Any],
    selection: Selection,
    resource_arn: str,
    scheduled: datetime,
) -> backup.Request:
    minutes = rule.get("CompletionWindowMinutes")
    return backup.Request(
        vault_name=rule["TargetBackupVaultName"],
        resource_arn=resource_arn,
        iam_role_arn=selection.document["IamRoleArn"],
        lifecycle=lifecycle.read(rule.get("Lifecycle")),
        scheduled=scheduled,
        start_delay=max(
            core.settings.scheduled_start_delay - core.settings.scheduled_creation_delay,
            timedelta(0),
        ),
        start_window=start_window(rule),
        completion_window=None if minutes is None else timedelta(minutes=minutes),
        tags=dict(rule.get("RecoveryPointTags", {})),
        created_by=_creator(plan, version, rule),
        copy_actions=[
            {
                "DestinationBackupVaultArn": action["DestinationBackupVaultArn"],
                "Lifecycle": lifecycle.read(action["Lifecycle"])
                if action.get("Lifecycle")
                else None,
            }
            for action in rule.get("CopyActions", ())
        ],
    )


def _creator(plan: Plan, version: PlanVersion, rule: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "BackupPlanId": plan.plan_id,
        "BackupPlanArn": plan.arn,
        "BackupPlanName": version.document["BackupPlanName"],
        "BackupPlanVersion": version.version_id,
        "BackupRuleId": rule["RuleId"],
        "BackupRuleName": rule["RuleName"],
        "BackupRuleCron": rule.get("ScheduleExpression", schedule.DEFAULT),
        "BackupRuleTimezone": rule.get("ScheduleExpressionTimezone", "Etc/UTC"),
    }


def _next_run(
    core: Core, scope: Scope, plan: Plan, rule: Mapping[str, Any], after: datetime
) -> None:
    moment = runs_after(rule, after)
    if moment is not None:
        version_id = plan.current.version_id
        core.state.agenda.add(
            moment + core.settings.scheduled_creation_delay,
            "plan.fire",
            scope,
            plan.plan_id,
            version_id,
            rule["RuleId"],
            moment,
        )


def _opted_in(core: Core, scope: Scope, resource_arn: str) -> bool:
    kind = kind_of(resource_arn)
    opted_in = core.state.region(scope).opted_in
    return kind is None or opted_in.get(kind.resource_type, False)


def _inventory(core: Core, scope: Scope) -> Mapping[str, Mapping[str, str]]:
    """Every table and file system with its tags, if the world supports it."""
    return core.world.resources(scope) if isinstance(core.world, Inventory) else {}


def _is_pattern(arn: str) -> bool:
    return "*" in arn or "?" in arn
