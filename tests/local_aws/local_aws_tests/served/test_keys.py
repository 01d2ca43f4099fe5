"""KMS keys: those that AWS manages, and tables whose key is disabled or deleted."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from local_aws.client import Sandbox
from local_aws_tests.served.backups import make_file_system, make_table

TABLE = "a-table"


def described(sandbox: Sandbox) -> dict[str, object]:
    table: dict[str, object] = sandbox.client("dynamodb").describe_table(TableName=TABLE)["Table"]
    return table


def make_vault(sandbox: Sandbox, region: str) -> str:
    """Create a vault; returns the ARN of its key."""
    backup = sandbox.client("backup", region)
    backup.create_backup_vault(BackupVaultName="vault")
    return str(backup.describe_backup_vault(BackupVaultName="vault")["EncryptionKeyArn"])


@pytest.mark.parametrize("region", ["us-west-1", "us-west-2"])
def test_a_vault_without_a_key_has_the_one_that_aws_manages(sandbox: Sandbox, region: str) -> None:
    arn = make_vault(sandbox, region)

    kms = sandbox.client("kms", region)
    key = kms.describe_key(KeyId=arn)["KeyMetadata"]
    assert (key["Arn"], key["KeyManager"], key["KeyState"]) == (arn, "AWS", "Enabled")
    assert kms.describe_key(KeyId="alias/aws/backup")["KeyMetadata"]["Arn"] == arn


@pytest.mark.parametrize("operation", ["disable_key", "schedule_key_deletion"])
def test_a_key_that_aws_manages_cannot_be_disabled_or_deleted(
    sandbox: Sandbox, operation: str
) -> None:
    arn = make_vault(sandbox, "us-west-1")

    with pytest.raises(ClientError, match="AccessDeniedException"):
        getattr(sandbox.client("kms"), operation)(KeyId=arn)


def test_tables_and_file_systems_show_the_arn_of_their_key(sandbox: Sandbox) -> None:
    make_table(sandbox, TABLE, encrypted=True)
    made = make_file_system(sandbox, encrypted=True)

    kms = sandbox.client("kms")
    for service, arn in (
        ("dynamodb", described(sandbox)["SSEDescription"]["KMSMasterKeyArn"]),  # type: ignore[index]
        ("elasticfilesystem", made["KmsKeyId"]),
    ):
        assert kms.describe_key(KeyId=f"alias/aws/{service}")["KeyMetadata"]["Arn"] == arn


def test_a_table_follows_the_state_of_its_key(sandbox: Sandbox) -> None:
    make_table(sandbox, TABLE)
    kms = sandbox.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    sandbox.client("dynamodb").update_table(
        TableName=TABLE, SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
    )
    sandbox.advance(seconds=3)
    assert described(sandbox)["TableStatus"] == "ACTIVE"

    kms.disable_key(KeyId=key)
    assert described(sandbox)["TableStatus"] == "INACCESSIBLE_ENCRYPTION_CREDENTIALS"
    kms.enable_key(KeyId=key)
    assert described(sandbox)["TableStatus"] == "ACTIVE"
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    described(sandbox)
    sandbox.advance(days=7, minutes=1)

    assert described(sandbox)["TableStatus"] == "ARCHIVED"
    with pytest.raises(ClientError, match="NotFoundException"):
        kms.describe_key(KeyId=key)


def test_file_systems_are_listed_in_pages(sandbox: Sandbox) -> None:
    efs = sandbox.client("efs")
    made = {
        efs.create_file_system(CreationToken=f"number {number}")["FileSystemId"]
        for number in range(5)
    }

    pages = list(efs.get_paginator("describe_file_systems").paginate(MaxItems=2))

    assert [len(page["FileSystems"]) for page in pages] == [2, 2, 1]
    assert {each["FileSystemId"] for page in pages for each in page["FileSystems"]} == made
