"""The resources and condition keys of AWS Backup's calls, which MiniStack does not know.

Service Authorization Reference, "Actions, resources, and condition keys for AWS Backup".
Used only with authentication on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from local_aws.backup.errors import ServiceError, access_denied
from local_aws.ministack import internals
from local_aws.ministack.scope import current

_CONDITION_KEYS = ("ChangeableForDays", "MaxRetentionDays", "MinRetentionDays")
"""Condition keys backup:… of PutBackupVaultLockConfiguration; absent when not sent."""

_RESTORE_TESTING = "restore-testing.backup.amazonaws.com"


def resource_arn(path: str, body: bytes) -> str | None:
    """The ARN on which a call is authorized, if the request names one.

    Calls on a recovery point are authorized on the recovery point, also the start of a copy or a
    restore; calls on a vault or a plan on that. `path` is percent-encoded.
    """
    scope = current()
    prefix = f"arn:{scope.partition}:backup:{scope.region}:{scope.account}"
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if len(parts) >= 4 and parts[0] == "backup-vaults" and parts[2] == "recovery-points":
        return parts[3]
    if len(parts) >= 2 and parts[0] == "backup-vaults":
        return f"{prefix}:backup-vault:{parts[1]}"
    if len(parts) >= 3 and parts[:2] == ["backup", "plans"]:
        return f"{prefix}:backup-plan:{parts[2]}"
    if parts[0] == "legal-holds" and (body or len(parts) >= 2):
        # A new one has no id yet: CreateLegalHold requires the resource type legalHold.
        return f"{prefix}:legal-hold:{parts[1] if len(parts) >= 2 else '*'}"
    if len(parts) >= 3 and parts[:2] == ["restore-testing", "plans"]:
        # On AWS it ends with another id, which no policy can contain.
        return f"{prefix}:restore-testing-plan:{parts[2]}-00000000-0000-4000-8000-000000000000"
    if len(parts) >= 2 and parts[0] in ("tags", "untag"):
        return parts[1]
    asked = _members(body)
    if "RecoveryPointArn" in asked:
        return str(asked["RecoveryPointArn"])
    if "BackupVaultName" in asked:
        return f"{prefix}:backup-vault:{asked['BackupVaultName']}"
    return None


def conditions(service: str, body: bytes) -> dict[str, str]:
    """The condition keys in a request, in lower case as MiniStack requires.

    Those of AWS Backup, and those of CloudWatch and EventBridge that MiniStack lacks.
    """
    if service == "backup":
        asked = _members(body)
        return {f"backup:{key}".lower(): str(asked[key]) for key in _CONDITION_KEYS if key in asked}
    if service == "monitoring":
        namespace = _members_of_cloudwatch(body).get("Namespace")
        return {"cloudwatch:namespace": str(namespace)} if namespace else {}
    if service == "events":
        sources = {entry.get("Source") for entry in _members(body).get("Entries", [])}
        # MiniStack compares only one value; several sources satisfy no condition here.
        return {"events:source": str(sources.pop())} if len(sources) == 1 else {}
    return {}


def refusal(access_key: str, principal: str, action: str, body: bytes) -> ServiceError | None:
    """Why IAM refuses what a call needs besides its own permission; None if it does not.

    `action` is the call's own, as `backup:StartBackupJob`. The reference maps each operation to
    the service that the role is passed to ("API operations defined by AWS Backup").
    """
    if not internals.app.AUTH:
        return None
    scope = current()
    testing = action.endswith("RestoreTestingSelection")
    to = {"iam:passedtoservice": _RESTORE_TESTING if testing else "backup.amazonaws.com"}
    needed = [("iam:PassRole", role, to) for role in _roles(_members(body))]
    name = "AWSServiceRoleForBackupRestoreTesting"
    if action == "backup:CreateRestoreTestingSelection" and name not in internals.iam._roles:
        linked = f"role/aws-service-role/{_RESTORE_TESTING}/{name}"
        arn = f"arn:{scope.partition}:iam::{scope.account}:{linked}"
        service = {"iam:awsservicename": _RESTORE_TESTING}
        needed.append(("iam:CreateServiceLinkedRole", arn, service))
    for permission, resource, context in needed:
        if internals.iam_evaluator.enforce(
            access_key,
            permission,
            "iam",
            scope.region,
            resource_arn=resource,
            service_context=context,
        ):
            return access_denied(
                f"User: {principal} is not authorized to perform: {permission} on resource: "
                f"{resource} because no identity-based policy allows the {permission} action"
            )
    return None


def _roles(value: Any) -> Iterator[str]:
    """Every IamRoleArn in a request, at any depth."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            if name == "IamRoleArn" and isinstance(member, str):
                yield member
            else:
                yield from _roles(member)


def _members_of_cloudwatch(body: bytes) -> Mapping[str, Any]:
    """SDKs send JSON to CloudWatch, older ones send forms."""
    return _members(body) or dict(parse_qsl(body.decode("utf-8", "replace")))


def _members(body: bytes) -> Mapping[str, Any]:
    try:
        parsed = json.loads(body or b"{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, Mapping) else {}
