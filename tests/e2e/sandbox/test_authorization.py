"""With authentication on, IAM policies decide over AWS Backup's calls too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.e2e.sandbox.backups import VAULT, back_up, make_file_system, make_role, make_vault
from tests.e2e.sandbox.templates import ROLE_ARN
from tests.sandbox.client import Sandbox


@pytest.fixture(scope="module")
def guarded() -> Iterator[Sandbox]:
    """A sandbox with authentication on, a vault in it and one recovery point."""
    with Sandbox.start(auth=True) as sandbox:
        make_role(sandbox)
        make_vault(sandbox)
        back_up(sandbox, make_file_system(sandbox)["FileSystemArn"])
        yield sandbox


def allow(*actions: str, resource: str = "*", **condition: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **condition}


def client_of(sandbox: Sandbox, name: str, *statements: dict[str, Any]) -> Any:
    """AWS Backup as called by a user with this policy."""
    iam = sandbox.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(
        UserName=name,
        PolicyName="what-it-may",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}),
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return boto3.session.Session().client(
        "backup",
        region_name="us-west-1",
        endpoint_url=sandbox.endpoint,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


def point_arn(sandbox: Sandbox) -> str:
    (point,) = sandbox.client("backup").list_recovery_points_by_backup_vault(BackupVaultName=VAULT)[
        "RecoveryPoints"
    ]
    return str(point["RecoveryPointArn"])


def test_a_reader_reads_and_does_nothing_else(guarded: Sandbox) -> None:
    reader = client_of(guarded, "reader", allow("backup:List*", "backup:Describe*"))

    listed = reader.list_backup_vaults()["BackupVaultList"]
    with pytest.raises(ClientError, match="not authorized to perform: backup:CreateBackupVault"):
        reader.create_backup_vault(BackupVaultName="another")

    assert [each["BackupVaultName"] for each in listed] == [VAULT]


def test_deleting_a_point_is_authorised_on_the_point(guarded: Sandbox) -> None:
    vault_only = client_of(
        guarded,
        "vault-only",
        allow("backup:DeleteRecoveryPoint", resource="arn:aws:backup:*:*:backup-vault:*"),
    )
    point = point_arn(guarded)

    with pytest.raises(ClientError, match="AccessDenied"):
        vault_only.delete_recovery_point(BackupVaultName=VAULT, RecoveryPointArn=point)

    assert point_arn(guarded) == point


def test_starting_a_restore_is_authorised_on_the_point(guarded: Sandbox) -> None:
    (file_system,) = guarded.client("efs").describe_file_systems()["FileSystems"]
    request = {
        "RecoveryPointArn": point_arn(guarded),
        "IamRoleArn": ROLE_ARN,
        "Metadata": {"file-system-id": file_system["FileSystemId"], "newFileSystem": "false"},
    }
    start, hand_over = "backup:StartRestoreJob", allow("iam:PassRole")
    vaults = client_of(
        guarded, "vaults", hand_over, allow(start, resource="arn:aws:backup:*:*:backup-vault:*")
    )
    points = client_of(
        guarded, "points", hand_over, allow(start, resource="arn:aws:backup:*:*:recovery-point:*")
    )

    with pytest.raises(ClientError, match="not authorized to perform: backup:StartRestoreJob"):
        vaults.start_restore_job(**request)

    assert points.start_restore_job(**request)["RestoreJobId"]


def test_a_policy_for_one_vault_reaches_only_that(guarded: Sandbox) -> None:
    one = client_of(
        guarded,
        "one-vault",
        allow(
            "backup:DescribeBackupVault",
            resource=f"arn:aws:backup:us-west-1:123456789012:backup-vault:{VAULT}",
        ),
    )

    assert one.describe_backup_vault(BackupVaultName=VAULT)["BackupVaultName"] == VAULT
    with pytest.raises(ClientError, match="not authorized"):
        one.describe_backup_vault(BackupVaultName="another")


def test_the_trail_names_the_user(guarded: Sandbox) -> None:
    client_of(guarded, "nosy", allow("backup:*")).describe_region_settings()

    (record,) = guarded.trail("DescribeRegionSettings")

    assert record["userIdentity"]["type"] == "IAMUser"
    assert record["userIdentity"]["userName"] == "nosy"


def test_a_policy_can_forbid_compliance_mode(guarded: Sandbox) -> None:
    governance_only = client_of(
        guarded,
        "governance-only",
        allow("backup:PutBackupVaultLockConfiguration"),
        {
            "Effect": "Deny",
            "Action": "backup:PutBackupVaultLockConfiguration",
            "Resource": "*",
            "Condition": {"Null": {"backup:ChangeableForDays": "false"}},
        },
    )

    governance_only.put_backup_vault_lock_configuration(BackupVaultName=VAULT, MinRetentionDays=1)
    with pytest.raises(ClientError, match="AccessDenied"):
        governance_only.put_backup_vault_lock_configuration(
            BackupVaultName=VAULT, MinRetentionDays=1, ChangeableForDays=3
        )


def test_handing_over_a_role_needs_permission(guarded: Sandbox) -> None:
    file_system = guarded.client("efs").describe_file_systems()["FileSystems"][0]
    request = {
        "BackupVaultName": VAULT,
        "ResourceArn": file_system["FileSystemArn"],
        "IamRoleArn": ROLE_ARN,
    }
    without = client_of(guarded, "without", allow("backup:StartBackupJob"))
    having = client_of(
        guarded,
        "having",
        allow("backup:StartBackupJob"),
        allow("iam:PassRole", resource=ROLE_ARN),
    )

    with pytest.raises(ClientError, match="not authorized to perform: iam:PassRole"):
        without.start_backup_job(**request)

    assert having.start_backup_job(**request)["BackupJobId"]
