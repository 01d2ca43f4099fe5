"""Region settings, global settings, supported resource types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_aws.backup import reports
from local_aws.backup.core import Call, operation
from local_aws.backup.errors import invalid_parameter, missing_parameter
from local_aws.backup.state import MANAGED_DEFAULTS, OPT_IN_DEFAULTS

OPT_IN = "ResourceTypeOptInPreference"
MANAGEMENT = "ResourceTypeManagementPreference"
_ALWAYS_MANAGED = ("EFS", "DSQL")


@operation("DescribeRegionSettings")
def describe_region_settings(call: Call) -> Mapping[str, Any]:
    return {OPT_IN: dict(call.region.opted_in), MANAGEMENT: dict(call.region.managed)}


@operation("UpdateRegionSettings")
def update_region_settings(call: Call) -> Mapping[str, Any]:
    """A partial map changes only the keys that it contains."""
    opted_in = call.params.get(OPT_IN, {})
    managed = call.params.get(MANAGEMENT, {})
    if not opted_in and not managed:
        raise missing_parameter(f"{OPT_IN} or {MANAGEMENT} is required")
    for given, known, name in (
        (opted_in, OPT_IN_DEFAULTS, OPT_IN),
        (managed, MANAGED_DEFAULTS, MANAGEMENT),
    ):
        if unknown := sorted(set(given) - set(known)):
            raise invalid_parameter(f"{name}: unknown resource type {', '.join(unknown)}")
    for resource_type in _ALWAYS_MANAGED:
        if managed.get(resource_type) is False:
            raise invalid_parameter(f"{resource_type} is always fully managed by AWS Backup")
    call.region.opted_in.update(opted_in)
    call.region.managed.update(managed)
    changed = {name: given for name, given in ((OPT_IN, opted_in), (MANAGEMENT, managed)) if given}
    reports.region_settings_changed(call.core, call.scope, changed)
    return {}


@operation("DescribeGlobalSettings")
def describe_global_settings(_call: Call) -> Mapping[str, Any]:
    return {
        "GlobalSettings": {
            "isCrossAccountBackupEnabled": "false",
            "isDelegatedAdministratorEnabled": "false",
            "isMpaEnabled": "false",
        }
    }


@operation("GetSupportedResourceTypes")
def get_supported_resource_types(_call: Call) -> Mapping[str, Any]:
    return {"ResourceTypes": sorted(OPT_IN_DEFAULTS)}
