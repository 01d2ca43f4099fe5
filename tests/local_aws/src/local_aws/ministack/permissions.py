"""The permissions of calls that MiniStack does not know, with authentication on.

From the Service Authorization Reference, and if a call needs actions with other names,
from the pages below. `local_aws.ministack.authorization` has those of AWS Backup.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from local_aws.ministack import internals
from local_aws.ministack.scope import current

Permission = tuple[str, str]
"""An action and its resource."""

RESTORED_ITEMS = (
    "BatchWriteItem",
    "DeleteItem",
    "GetItem",
    "PutItem",
    "Query",
    "Scan",
    "UpdateItem",
)
"""The permissions on the new table for a restore.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/backuprestore_IAM.html
"""


class Request:
    """The parts of a call on which permissions depend."""

    def __init__(self, service: str, method: str, path: str, body: bytes, query: Any) -> None:
        self.service = service
        self.method = method
        self.parts = [unquote(part) for part in path.strip("/").split("/")]
        self.members = _members(body)
        self._query = query

    def parameter(self, name: str) -> str:
        """From the body, or from the query."""
        value = self.members.get(name) or self._query.get(name) or ""
        return str(value[0] if isinstance(value, list) else value)


_LAMBDA_ACTIONS = {
    ("concurrency", "GET"): "GetFunctionConcurrency",
    ("concurrency", "DELETE"): "DeleteFunctionConcurrency",
    ("event-source-mappings", "PUT"): "UpdateEventSourceMapping",
    ("event-source-mappings", "DELETE"): "DeleteEventSourceMapping",
}


def action(service: str, method: str, path: str) -> str | None:
    """The action of a call; None where MiniStack's own answer applies."""
    if service != "lambda":
        return None
    parts = path.strip("/").split("/")
    found = next(
        (_LAMBDA_ACTIONS[part, method] for part in parts if (part, method) in _LAMBDA_ACTIONS), None
    )
    return f"lambda:{found}" if found else None


def resource(request: Request) -> str | None:
    """The ARN on which the call is authorized; None where MiniStack's own answer applies."""
    find = {
        "dynamodb": _of_dynamodb,
        "elasticfilesystem": _of_efs,
        "ecs": _of_ecs,
        "cloudtrail": _of_cloudtrail,
        "iam": _of_iam,
        "events": _of_events,
        "lambda": _of_lambda,
    }.get(request.service)
    return find(request) if find else None


def further(action: str, request: Request) -> Iterator[Permission]:
    """Further permissions that the caller needs."""
    match action:
        case "dynamodb:RestoreTableFromBackup":
            target = _arn("dynamodb", f"table/{request.parameter('TargetTableName')}")
            yield action, target
            yield from ((f"dynamodb:{name}", target) for name in RESTORED_ITEMS)
        case "dynamodb:RestoreTableToPointInTime":
            target = _arn("dynamodb", f"table/{request.parameter('TargetTableName')}")
            yield from ((f"dynamodb:{name}", target) for name in RESTORED_ITEMS)
        case "elasticfilesystem:CreateAccessPoint" if request.members.get("Tags"):
            # https://docs.aws.amazon.com/efs/latest/ug/API_CreateAccessPoint.html
            yield "elasticfilesystem:TagResource", _arn("elasticfilesystem", "access-point/*")
        case "elasticfilesystem:CreateMountTarget":
            # https://docs.aws.amazon.com/efs/latest/ug/API_CreateMountTarget.html
            yield "ec2:DescribeSubnets", "*"
            yield "ec2:DescribeNetworkInterfaces", "*"
            yield "ec2:CreateNetworkInterface", _arn("ec2", "network-interface/*")
            subnet = request.parameter("SubnetId")
            yield "ec2:CreateNetworkInterface", _arn("ec2", f"subnet/{subnet}")
            for group in request.members.get("SecurityGroups", ()):
                yield "ec2:CreateNetworkInterface", _arn("ec2", f"security-group/{group}")
        case "elasticfilesystem:ModifyMountTargetSecurityGroups":
            # https://docs.aws.amazon.com/efs/latest/ug/API_ModifyMountTargetSecurityGroups.html
            yield "ec2:ModifyNetworkInterfaceAttribute", _interface(request)
        case "elasticfilesystem:DescribeMountTargetSecurityGroups":
            # https://docs.aws.amazon.com/efs/latest/ug/API_DescribeMountTargetSecurityGroups.html
            yield "ec2:DescribeNetworkInterfaceAttribute", _interface(request)


def _of_dynamodb(request: Request) -> str | None:
    for name in ("ResourceArn", "BackupArn"):
        if arn := request.parameter(name):
            return arn
    if source := request.parameter("SourceTableName"):
        return _arn("dynamodb", f"table/{source}")
    return None


def _of_efs(request: Request) -> str | None:
    """Paths are /2015-02-01/KIND/ID/…, or the file system is named in body or query."""
    kind, identity = [*request.parts[1:3], "", ""][:2]
    if kind == "mount-targets":
        target = _mount_target(identity) if identity else {}
        identity = str(target.get("FileSystemId", "")) or request.parameter("FileSystemId")
    elif not identity:
        identity = request.parameter("FileSystemId")
    if not identity:
        return None
    if identity.startswith("arn:"):
        return identity
    what = "access-point" if identity.startswith("fsap-") else "file-system"
    return _arn("elasticfilesystem", f"{what}/{identity}")


def _of_ecs(request: Request) -> str | None:
    service, cluster = request.parameter("service"), request.parameter("cluster")
    if not service or service.startswith("arn:"):
        return service or None
    return _arn("ecs", f"service/{cluster.rpartition('/')[2] or 'default'}/{service}")


def _of_cloudtrail(request: Request) -> str | None:
    name = request.parameter("Name") or request.parameter("TrailName")
    if not name or name.startswith("arn:"):
        return name or None
    return _arn("cloudtrail", f"trail/{name}")


def _of_iam(request: Request) -> str | None:
    """SimulatePrincipalPolicy is authorized on the principal whose policies it simulates."""
    return request.parameter("PolicySourceArn") or None


def _of_events(request: Request) -> str | None:
    rule = request.parameter("Rule")
    return _arn("events", f"rule/{rule}") if rule else None


def _of_lambda(request: Request) -> str | None:
    """Paths are /2015-03-31/functions/NAME/…; a name may be an ARN."""
    name = request.parts[2] if request.parts[1:2] == ["functions"] and request.parts[2:] else ""
    if not name:
        return None
    return name if name.startswith("arn:") else _arn("lambda", f"function:{name}")


def _interface(request: Request) -> str:
    target = _mount_target(request.parts[2]) if len(request.parts) > 2 else {}
    return _arn("ec2", f"network-interface/{target.get('NetworkInterfaceId', '')}")


def _mount_target(identity: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = internals.efs._mount_targets.get(identity) or {}
    return found


def _arn(service: str, name: str) -> str:
    scope = current()
    return f"arn:{scope.partition}:{service}:{scope.region}:{scope.account}:{name}"


def _members(body: bytes) -> Mapping[str, Any]:
    try:
        parsed = json.loads(body or b"{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, Mapping) else {}
