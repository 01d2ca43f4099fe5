"""How CloudTrail spells an AWS Backup call: its parameters and its resources."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

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
"""Members whose own keys are data, not names of members, and stay as they are."""


def lower_camel(value: Any) -> Any:
    """The value with member names beginning in lower case, as CloudTrail writes them."""
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
    """The resources a call touched, for LookupEvents by ResourceName and ResourceType."""
    kinds = _BACKUP_RESOURCES if event_source == "backup.amazonaws.com" else _OTHER_RESOURCES
    found: dict[tuple[str, str], None] = {}
    for part in members:
        for name, value in (part or {}).items():
            if name in kinds and isinstance(value, str):
                found[kinds[name], value] = None
    return [{"ResourceType": kind, "ResourceName": name} for kind, name in found]
