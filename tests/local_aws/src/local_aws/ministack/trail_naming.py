"""How CloudTrail writes an AWS Backup call: its parameters and its resources."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote

_BACKUP_RESOURCES = {
    "BackupVaultName": "AWS::Backup::BackupVault",
    "SourceBackupVaultName": "AWS::Backup::BackupVault",
    "DestinationBackupVaultArn": "AWS::Backup::BackupVault",
    "BackupVaultArn": "AWS::Backup::BackupVault",
    "BackupPlanId": "AWS::Backup::BackupPlan",
    "RecoveryPointArn": "AWS::Backup::RecoveryPoint",
    "RestoreTestingPlanName": "AWS::Backup::RestoreTestingPlan",
    "ResourceArn": "AWS::Backup::ProtectedResource",
    "BackupJobId": "AWS::Backup::BackupJob",
    "CopyJobId": "AWS::Backup::CopyJob",
    "RestoreJobId": "AWS::Backup::RestoreJob",
}
"""Members of requests and answers that name a resource, with its type."""

_OTHER_RESOURCES = {
    "TableName": "AWS::DynamoDB::Table",
    "TargetTableName": "AWS::DynamoDB::Table",
    "SourceTableName": "AWS::DynamoDB::Table",
    "FileSystemId": "AWS::EFS::FileSystem",
    "RoleName": "AWS::IAM::Role",
    "StackName": "AWS::CloudFormation::Stack",
    "TopicArn": "AWS::SNS::Topic",
    "FunctionName": "AWS::Lambda::Function",
}


_MAPS = frozenset(
    {"ResourceTypeOptInPreference", "ResourceTypeManagementPreference", "Metadata", "Tags"}
)
"""Members whose keys are data, not names of members, and do not change."""


def lower_camel(value: Any) -> Any:
    """The value with member names in lower camel case, as CloudTrail writes them."""
    if isinstance(value, Mapping):
        return {
            (name[:1].lower() + name[1:]): dict(member)
            if name in _MAPS and isinstance(member, Mapping)
            else lower_camel(member)
            for name, member in value.items()
        }
    if isinstance(value, list | tuple):
        return [lower_camel(member) for member in value]
    if isinstance(value, datetime):
        return value.strftime("%b %d, %Y, %I:%M:%S %p")
    return value


def resources_of(event_source: str, *members: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """The resources of a call, for LookupEvents by ResourceName and ResourceType."""
    kinds = _BACKUP_RESOURCES if event_source == "backup.amazonaws.com" else _OTHER_RESOURCES
    found: dict[tuple[str, str], None] = {}
    for part in members:
        for name, value in (part or {}).items():
            if name in kinds and isinstance(value, str):
                found[kinds[name], value] = None
    return [{"ResourceType": kind, "ResourceName": name} for kind, name in found]


LAMBDA_NAMES = {
    "AddPermission": "AddPermission20150331v2",
    "CreateEventSourceMapping": "CreateEventSourceMapping20150331",
    "CreateFunction": "CreateFunction20150331",
    "DeleteEventSourceMapping": "DeleteEventSourceMapping20150331",
    "DeleteFunction": "DeleteFunction20150331",
    "DeleteFunctionConcurrency": "DeleteFunctionConcurrency20171031",
    "PutFunctionConcurrency": "PutFunctionConcurrency20171031",
    "RemovePermission": "RemovePermission20150331v2",
    "UpdateEventSourceMapping": "UpdateEventSourceMapping20150331",
    "UpdateFunctionCode": "UpdateFunctionCode20150331v2",
    "UpdateFunctionConfiguration": "UpdateFunctionConfiguration20150331v2",
}
"""How CloudTrail writes calls of Lambda: with the version of the API.

https://docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html
"""


def path_parameters(service: str, path: str) -> Mapping[str, str]:
    """The parts of a REST path that CloudTrail shows as parameters."""
    parts = unquote(path).strip("/").split("/")
    for folder, name in (("functions", "functionName"), ("event-source-mappings", "uUID")):
        if service == "lambda" and folder in parts[:-1]:
            return {name: parts[parts.index(folder) + 1]}
    return {}
