"""Restore testing plans on their schedules."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from local_aws.backup import schedule
from local_aws.backup.core import Core, due
from local_aws.backup.errors import ServiceError
from local_aws.backup.jobs import restores
from local_aws.backup.jobs.plans import meets
from local_aws.backup.resources import KINDS
from local_aws.backup.state import RecoveryPoint, TestingPlan, TestingSelection
from local_aws.backup.world import Inventory, Scope

DEFAULT_WINDOW_DAYS = 30
DEFAULT_START_WINDOW_HOURS = 24


def plan_ahead(core: Core, scope: Scope, plan: TestingPlan, after: datetime | None = None) -> None:
    """Schedule the plan's next run."""
    expression = plan.document["ScheduleExpression"]
    zone = plan.document.get("ScheduleExpressionTimezone", "UTC")
    moment = schedule.parse(expression, zone).after(after or core.now())
    if moment is not None:
        core.state.agenda.add(moment, "testing.fire", scope, plan.name, plan.revision, moment)


@due("testing.fire")
def fire(core: Core, scope: Scope, name: str, revision: int, scheduled: datetime) -> None:
    """Start one restore per selected resource that has a point in the window."""
    plan = core.state.region(scope).testing_plans.get(name)
    if plan is None or plan.revision != revision:
        return
    plan_ahead(core, scope, plan, max(scheduled, core.now()))
    hours = plan.document.get("StartWindowHours", DEFAULT_START_WINDOW_HOURS)
    if core.now() > scheduled + timedelta(hours=hours):
        return
    plan.last_execution = core.now()
    for selection in plan.selections.values():
        for resource_arn in _resources(core, scope, selection):
            point = _choose(core, scope, plan, resource_arn)
            if point is not None:
                _start(core, scope, plan, selection, point)


def overridden(metadata: dict[str, str], overrides: Mapping[str, str]) -> dict[str, str]:
    """Inferred metadata with overrides, whose keys are not case-sensitive."""
    names = {name.lower(): name for name in metadata}
    result = dict(metadata)
    for name, value in overrides.items():
        known = names.get(name.lower(), {"kmsmasterkeyarn": "kmsMasterKeyArn"}.get(name.lower()))
        result[known or name] = value
    return result


def _start(
    core: Core,
    scope: Scope,
    plan: TestingPlan,
    selection: TestingSelection,
    point: RecoveryPoint,
) -> None:
    kind = KINDS[point.resource_type]
    overrides = selection.document.get("RestoreMetadataOverrides", {})
    metadata = overridden(kind.trial_metadata(point), overrides)
    try:
        kind.check_metadata(metadata, core.settings)
    except ServiceError:
        metadata = kind.trial_metadata(point)
    request = restores.Request(
        point=point,
        iam_role_arn=selection.document["IamRoleArn"],
        metadata=metadata,
        testing_plan_arn=plan.arn,
        validation_hours=selection.document.get("ValidationWindowHours", 0),
    )
    restores.create(core, scope, request, core.settings.restore_test_start_delay)


def _resources(core: Core, scope: Scope, selection: TestingSelection) -> list[str]:
    """The protected resources of the selection's type that match its ARNs and conditions."""
    document: dict[str, Any] = selection.document
    region = core.state.region(scope)
    protected = dict.fromkeys(
        point.resource_arn
        for point in region.points()
        if point.resource_type == document["ProtectedResourceType"]
    )
    patterns = document.get("ProtectedResourceArns", ["*"])
    conditions = document.get("ProtectedResourceConditions", {})
    tags = core.world.resources(scope) if isinstance(core.world, Inventory) else {}
    return [
        arn
        for arn in protected
        if any(fnmatch.fnmatchcase(arn, pattern) for pattern in patterns)
        and meets(conditions, tags.get(arn, {}))
    ]


def _choose(core: Core, scope: Scope, plan: TestingPlan, resource_arn: str) -> RecoveryPoint | None:
    """A point of the resource by the plan's algorithm; None if the window has none."""
    wanted = plan.document["RecoveryPointSelection"]
    days = wanted.get("SelectionWindowDays", DEFAULT_WINDOW_DAYS)
    oldest = core.now() - timedelta(days=days)
    candidates = sorted(
        (
            point
            for point in core.state.region(scope).points()
            if point.resource_arn == resource_arn
            and point.sound
            and point.created >= oldest
            and _in_vaults(point.vault_arn, wanted)
        ),
        key=lambda point: (point.created, point.arn),
    )
    if not candidates or "SNAPSHOT" not in wanted.get("RecoveryPointTypes", ["SNAPSHOT"]):
        return None
    if wanted["Algorithm"] == "LATEST_WITHIN_WINDOW":
        return candidates[-1]
    return core.rng.choice(candidates)


def _in_vaults(vault_arn: str, wanted: Mapping[str, Any]) -> bool:
    included = any(fnmatch.fnmatchcase(vault_arn, p) for p in wanted.get("IncludeVaults", ()))
    excluded = any(fnmatch.fnmatchcase(vault_arn, p) for p in wanted.get("ExcludeVaults", ()))
    return included and not excluded
