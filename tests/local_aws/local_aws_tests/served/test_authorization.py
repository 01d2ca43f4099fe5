"""With authentication on, IAM policies apply to AWS Backup's calls."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_aws.client import Sandbox
from local_aws.totp import code
from local_aws_tests.served.backups import VAULT, back_up, make_file_system, make_role, make_vault
from local_aws_tests.served.templates import ROLE_ARN

TABLE_ARN = "arn:aws:dynamodb:us-west-1:123456789012:table/a-table"

TESTING_PLAN: dict[str, Any] = {
    "RestoreTestingPlanName": "a_plan",
    "ScheduleExpression": "cron(0 6 1 * ? *)",
    "RecoveryPointSelection": {
        "Algorithm": "LATEST_WITHIN_WINDOW",
        "IncludeVaults": ["*"],
        "RecoveryPointTypes": ["SNAPSHOT"],
    },
}

TESTING_SELECTION: dict[str, Any] = {
    "RestoreTestingPlanName": "a_plan",
    "RestoreTestingSelection": {
        "RestoreTestingSelectionName": "a_selection",
        "ProtectedResourceType": "DynamoDB",
        "ProtectedResourceArns": [TABLE_ARN],
        "IamRoleArn": ROLE_ARN,
    },
}


@pytest.fixture(scope="module")
def guarded() -> Iterator[Sandbox]:
    """A local AWS with authentication, a vault and one recovery point."""
    with Sandbox.start(auth=True) as sandbox:
        make_role(sandbox)
        make_vault(sandbox)
        back_up(sandbox, make_file_system(sandbox)["FileSystemArn"])
        yield sandbox


def allow(*actions: str, resource: str = "*", **condition: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **condition}


def client_of(
    sandbox: Sandbox, name: str, *statements: dict[str, Any], service: str = "backup"
) -> Any:
    """A client of a service, by default AWS Backup, for a user with this policy."""
    iam = sandbox.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(
        UserName=name,
        PolicyName="what-it-may",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}),
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return client_with(sandbox, service, key)


def point_arn(sandbox: Sandbox) -> str:
    (point,) = sandbox.client("backup").list_recovery_points_by_backup_vault(BackupVaultName=VAULT)[
        "RecoveryPoints"
    ]
    return str(point["RecoveryPointArn"])


def test_a_reader_can_only_read(guarded: Sandbox) -> None:
    reader = client_of(guarded, "reader", allow("backup:List*", "backup:Describe*"))

    listed = reader.list_backup_vaults()["BackupVaultList"]
    with pytest.raises(ClientError, match="not authorized to perform: backup:CreateBackupVault"):
        reader.create_backup_vault(BackupVaultName="another")

    assert [each["BackupVaultName"] for each in listed] == [VAULT]


def test_resource_shares_are_authorized(guarded: Sandbox) -> None:
    reader = client_of(guarded, "sharer", allow("ram:GetResourceShares"), service="ram")

    assert reader.get_resource_shares(resourceOwner="SELF")["resourceShares"] == []
    with pytest.raises(ClientError, match="not authorized to perform: ram:CreateResourceShare"):
        reader.create_resource_share(name="a-share")


def test_deleting_a_point_is_authorized_on_the_point(guarded: Sandbox) -> None:
    vault_only = client_of(
        guarded,
        "vault-only",
        allow("backup:DeleteRecoveryPoint", resource="arn:aws:backup:*:*:backup-vault:*"),
    )
    point = point_arn(guarded)

    with pytest.raises(ClientError, match="AccessDenied"):
        vault_only.delete_recovery_point(BackupVaultName=VAULT, RecoveryPointArn=point)

    assert point_arn(guarded) == point


def test_starting_a_restore_is_authorized_on_the_point(guarded: Sandbox) -> None:
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


def test_a_policy_for_one_vault_covers_only_that(guarded: Sandbox) -> None:
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


def test_passing_a_role_needs_permission(guarded: Sandbox) -> None:
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


def passing_to(service: str) -> dict[str, Any]:
    return allow("iam:PassRole", Condition={"StringEquals": {"iam:PassedToService": service}})


def test_each_operation_passes_the_role_to_one_service(guarded: Sandbox) -> None:
    may = allow("backup:*", "iam:CreateServiceLinkedRole")
    jobs, tests = (
        client_of(guarded, name, may, passing_to(service))
        for name, service in (
            ("jobs", "backup.amazonaws.com"),
            ("tests", "restore-testing.backup.amazonaws.com"),
        )
    )
    guarded.client("backup").create_restore_testing_plan(RestoreTestingPlan=TESTING_PLAN)
    request = {"BackupVaultName": VAULT, "ResourceArn": TABLE_ARN, "IamRoleArn": ROLE_ARN}
    changed = {
        "RestoreTestingPlanName": "a_plan",
        "RestoreTestingSelectionName": "a_selection",
        "RestoreTestingSelection": {"IamRoleArn": ROLE_ARN},
    }

    for refused, allowed, operation, parameters in (
        (tests, jobs, "start_backup_job", request),
        (jobs, tests, "create_restore_testing_selection", TESTING_SELECTION),
        (jobs, tests, "update_restore_testing_selection", changed),
    ):
        with pytest.raises(ClientError, match="not authorized to perform: iam:PassRole"):
            getattr(refused, operation)(**parameters)
        getattr(allowed, operation)(**parameters)


def test_the_first_restore_test_needs_a_service_linked_role(guarded: Sandbox) -> None:
    denied = client_of(guarded, "without-role", allow("backup:*", "iam:PassRole"))

    with pytest.raises(ClientError, match="to perform: iam:CreateServiceLinkedRole on resource"):
        denied.create_restore_testing_selection(**TESTING_SELECTION)


def user_with_a_device(
    sandbox: Sandbox, name: str, *statements: dict[str, Any]
) -> tuple[Any, dict[str, str]]:
    """The STS client of a new user, and the parameters with a code of the user's device."""
    iam = sandbox.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(
        UserName=name,
        PolicyName="what-it-may",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}),
    )
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]
    shown = code(device["Base32StringSeed"].decode(), time.time())
    iam.enable_mfa_device(
        UserName=name,
        SerialNumber=device["SerialNumber"],
        AuthenticationCode1=shown,
        AuthenticationCode2=shown,
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    given = {"SerialNumber": device["SerialNumber"], "TokenCode": shown}
    return client_with(sandbox, "sts", key), given


def session_of(sandbox: Sandbox, name: str, *, with_code: bool) -> Any:
    """A session of a new user with a device, for AWS Backup with a policy that requires a code."""
    wanted = allow("backup:ListBackupVaults", Condition=WITH_A_CODE)
    sts, given = user_with_a_device(sandbox, name, wanted)
    session = sts.get_session_token(**(given if with_code else {}))["Credentials"]
    return client_with(sandbox, "backup", session)


WITH_A_CODE = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


def client_with(sandbox: Sandbox, service: str, key: dict[str, str]) -> Any:
    session: Any = boto3.session.Session()
    return session.client(
        service,
        region_name="us-west-1",
        endpoint_url=sandbox.endpoint,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key.get("SessionToken"),
    )


def test_a_session_may_need_an_mfa_code(guarded: Sandbox) -> None:
    with pytest.raises(ClientError, match="not authorized"):
        session_of(guarded, "forgetful", with_code=False).list_backup_vaults()
    assert session_of(guarded, "careful", with_code=True).list_backup_vaults()


def make_role_with_mfa(sandbox: Sandbox, name: str, *statements: dict[str, Any]) -> str:
    """Create a role whose trust policy requires a code; returns its ARN."""
    iam = sandbox.client("iam")
    trusted = allow("sts:AssumeRole", Condition=WITH_A_CODE)
    del trusted["Resource"]
    trusted["Principal"] = {"AWS": "arn:aws:iam::123456789012:root"}
    arn: str = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trusted]}),
    )["Role"]["Arn"]
    iam.put_role_policy(
        RoleName=name,
        PolicyName="what-it-may",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}),
    )
    return arn


def test_an_mfa_code_allows_a_role_and_is_not_in_its_session(guarded: Sandbox) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html"""
    listing, assuming = allow("backup:ListBackupVaults"), allow("sts:AssumeRole")
    role = make_role_with_mfa(guarded, "opened", listing, assuming)
    demanding = make_role_with_mfa(guarded, "demanding", {**listing, "Condition": WITH_A_CODE})
    sts, given = user_with_a_device(guarded, "assuming", assuming)

    with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole"):
        sts.assume_role(RoleArn=role, RoleSessionName="session")
    session = sts.assume_role(RoleArn=role, RoleSessionName="session", **given)["Credentials"]
    of_demanding = sts.assume_role(RoleArn=demanding, RoleSessionName="session", **given)[
        "Credentials"
    ]

    assert client_with(guarded, "backup", session).list_backup_vaults()
    with pytest.raises(ClientError, match="not authorized to perform: backup:ListBackupVaults"):
        client_with(guarded, "backup", of_demanding).list_backup_vaults()
    with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole"):
        client_with(guarded, "sts", session).assume_role(RoleArn=role, RoleSessionName="chained")


def test_a_session_token_with_an_mfa_code_allows_a_role(guarded: Sandbox) -> None:
    role = make_role_with_mfa(guarded, "opened-by-token", allow("backup:ListBackupVaults"))
    sts, given = user_with_a_device(guarded, "by-token", allow("sts:AssumeRole"))
    token = sts.get_session_token(**given)["Credentials"]
    assert client_with(guarded, "sts", token).assume_role(RoleArn=role, RoleSessionName="session")


def test_the_decisions_of_iam_can_be_read(guarded: Sandbox) -> None:
    client = client_of(guarded, "watched", allow("backup:ListBackupVaults"))
    guarded.forget_decisions()

    client.list_backup_vaults()
    with pytest.raises(ClientError):
        client.delete_backup_vault(BackupVaultName=VAULT)

    arn = "arn:aws:iam::123456789012:user/watched"
    vault = f"arn:aws:backup:us-west-1:123456789012:backup-vault:{VAULT}"
    assert [tuple(each.values()) for each in guarded.decisions()] == [
        (arn, "backup:ListBackupVaults", "*", True),
        (arn, "backup:DeleteBackupVault", vault, False),
    ]


def test_restoring_a_table_needs_permissions_on_the_new_one(guarded: Sandbox) -> None:
    dynamodb = guarded.client("dynamodb")
    make_table(guarded)
    dynamodb.update_continuous_backups(
        TableName="orders", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    restore = allow("dynamodb:RestoreTableToPointInTime")
    of_one = client_of(guarded, "of-one", restore, service="dynamodb")
    request = {
        "SourceTableName": "orders",
        "TargetTableName": "again",
        "UseLatestRestorableTime": True,
    }
    with pytest.raises(ClientError, match="not authorized"):
        of_one.restore_table_to_point_in_time(**request)

    target = "arn:aws:dynamodb:us-west-1:123456789012:table/again"
    both = client_of(
        guarded, "of-both", restore, allow("dynamodb:*", resource=target), service="dynamodb"
    )
    assert both.restore_table_to_point_in_time(**request)["TableDescription"]


def make_table(sandbox: Sandbox) -> None:
    sandbox.client("dynamodb").create_table(
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    sandbox.advance(seconds=5)  # until it is ACTIVE
