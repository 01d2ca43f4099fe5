"""The AWS-managed policies of AWS Backup's roles, which MiniStack does not have.

Taken from the AWS Managed Policy Reference (pages AWSBackupServiceRolePolicyForBackup
and AWSBackupServiceRolePolicyForRestores), reduced to the statements about DynamoDB,
EFS, vaults, tags and keys: the rest is for services that the local AWS does not have.
"""

from __future__ import annotations

import json
from typing import Any

from local_aws.ministack import internals

FOR_BACKUP = "service-role/AWSBackupServiceRolePolicyForBackup"
FOR_RESTORES = "service-role/AWSBackupServiceRolePolicyForRestores"

_TABLES = "arn:aws:dynamodb:*:*:table/*"
_TABLE_BACKUPS = "arn:aws:dynamodb:*:*:table/*/backup/*"
_FILE_SYSTEMS = "arn:aws:elasticfilesystem:*:*:file-system/*"
_VAULTS = "arn:aws:backup:*:*:backup-vault:*"
_RECOVERY_POINTS = "arn:aws:backup:*:*:recovery-point:*"
_GRANTS_FOR_AWS = {"Bool": {"kms:GrantIsForAWSResource": "true"}}


def _allow(
    sid: str, actions: list[str], resource: str, condition: dict[str, Any] | None = None
) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def _through(*services: str) -> dict[str, Any]:
    return {"StringLike": {"kms:ViaService": [f"{name}.*.amazonaws.com" for name in services]}}


_STATEMENTS = {
    FOR_BACKUP: [
        _allow("DynamoDBPermissions", ["dynamodb:DescribeTable", "dynamodb:CreateBackup"], _TABLES),
        _allow(
            "DynamoDBBackupResourcePermissions",
            ["dynamodb:DescribeBackup", "dynamodb:DeleteBackup"],
            _TABLE_BACKUPS,
        ),
        _allow(
            "DynamodbBackupPermissions",
            ["dynamodb:StartAwsBackupJob", "dynamodb:ListTagsOfResource"],
            _TABLES,
        ),
        _allow(
            "EFSPermissions",
            ["elasticfilesystem:Backup", "elasticfilesystem:DescribeTags"],
            _FILE_SYSTEMS,
        ),
        _allow(
            "BackupVaultPermissions",
            ["backup:DescribeBackupVault", "backup:CopyIntoBackupVault"],
            _VAULTS,
        ),
        _allow("BackupVaultCopyPermissions", ["backup:CopyFromBackupVault"], "*"),
        _allow("RecoveryPointTaggingPermissions", ["backup:TagResource"], _RECOVERY_POINTS),
        _allow("GetResourcesPermissions", ["tag:GetResources"], "*"),
        _allow(
            "KMSDynamoDBPermissions",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            "*",
            _through("dynamodb"),
        ),
        _allow("KMSPermissions", ["kms:DescribeKey"], "*"),
        _allow("KMSCreateGrantPermissions", ["kms:CreateGrant"], "*", _GRANTS_FOR_AWS),
    ],
    FOR_RESTORES: [
        _allow(
            "DynamoDBPermissions",
            [
                "dynamodb:Scan",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
                "dynamodb:PutItem",
                "dynamodb:GetItem",
                "dynamodb:DeleteItem",
                "dynamodb:BatchWriteItem",
                "dynamodb:DescribeTable",
            ],
            _TABLES,
        ),
        _allow(
            "DynamoDBBackupResourcePermissions",
            ["dynamodb:RestoreTableFromBackup"],
            _TABLE_BACKUPS,
        ),
        _allow("DynamoDBRestorePermissions", ["dynamodb:RestoreTableFromAwsBackup"], _TABLES),
        _allow(
            "EFSPermissions",
            [
                "elasticfilesystem:Restore",
                "elasticfilesystem:CreateFilesystem",
                "elasticfilesystem:DescribeFilesystems",
                "elasticfilesystem:DeleteFilesystem",
                "elasticfilesystem:TagResource",
            ],
            _FILE_SYSTEMS,
        ),
        _allow("KMSDescribePermissions", ["kms:DescribeKey"], "*"),
        _allow(
            "KMSPermissions",
            [
                "kms:Decrypt",
                "kms:Encrypt",
                "kms:GenerateDataKey",
                "kms:ReEncryptTo",
                "kms:ReEncryptFrom",
                "kms:GenerateDataKeyWithoutPlaintext",
            ],
            "*",
            _through("dynamodb", "elasticfilesystem"),
        ),
        _allow("KMSCreateGrantPermissions", ["kms:CreateGrant"], "*", _GRANTS_FOR_AWS),
    ],
}

_DESCRIPTIONS = {
    FOR_BACKUP: "Lets AWS Backup create backups on your behalf across AWS services",
    FOR_RESTORES: "Lets AWS Backup perform restores on your behalf across AWS services",
}


def install() -> None:
    """Make both policies attachable and readable (GetPolicy, GetPolicyVersion)."""
    for name, statements in _STATEMENTS.items():
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        record = internals.iam._make_aws_managed_record(
            name, document, description=_DESCRIPTIONS[name]
        )
        internals.iam._aws_managed_policies[record["Arn"]] = record
