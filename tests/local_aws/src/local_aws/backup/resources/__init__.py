"""The two resource types that this service backs up.

Permissions follow the managed policies AWSBackupServiceRolePolicyForBackup and
AWSBackupServiceRolePolicyForRestores: the first covers backup and copy, not restore.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from local_aws.backup import arns
from local_aws.backup.core import Core
from local_aws.backup.resources.dynamodb import DynamoDB
from local_aws.backup.resources.efs import EFS
from local_aws.backup.resources.kind import JobFailure, Permission, ResourceKind
from local_aws.backup.world import Scope

__all__ = ["KINDS", "JobFailure", "ResourceKind", "kind_of", "refusal"]

KINDS: dict[str, ResourceKind] = {kind.resource_type: kind for kind in (DynamoDB(), EFS())}


def kind_of(resource_arn: str) -> ResourceKind | None:
    """The kind of a table's or a file system's ARN; None for any other."""
    arn = arns.parse(resource_arn, "resource ARN")
    head, _, name = arn.resource.partition("/")
    if not name or "/" in name:
        return None
    return KINDS.get(
        {("dynamodb", "table"): "DynamoDB", ("elasticfilesystem", "file-system"): "EFS"}.get(
            (arn.service, head), ""
        )
    )


def refusal(
    core: Core,
    scope: Scope,
    role: str,
    permissions: list[Permission],
    context: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str | None:
    """Why AWS Backup cannot do all of this as `role`; None if it can."""
    for action, resource in permissions:
        reason = core.world.roles.refusal(scope, role, action, resource, context)
        if reason is not None:
            return reason
    return None
