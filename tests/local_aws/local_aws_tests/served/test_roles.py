"""AWS Backup has the permissions of the role's policies."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_aws.client import Sandbox
from local_aws_tests.served.backups import (
    VAULT,
    back_up,
    make_file_system,
    make_role,
    make_vault,
)

TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "backup.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


def trusting(**changes: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{**TRUST, **changes}]}


def policy(effect: str, action: str) -> str:
    statement = {"Effect": effect, "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_copy_is_authorized_by_its_target_and_on_its_recovery_point(sandbox: Sandbox) -> None:
    """Service Authorization Reference: backup:CopyFromBackupVault, backup:CopyTargets."""
    role = make_role(sandbox, "ForBackup")
    make_vault(sandbox)
    back_up(sandbox, make_file_system(sandbox)["FileSystemArn"])
    backup = sandbox.client("backup")
    vaults = {
        name: backup.create_backup_vault(BackupVaultName=name)["BackupVaultArn"]
        for name in ("ours", "foreign")
    }
    only_ours = {
        "Effect": "Deny",
        "Action": "backup:CopyFromBackupVault",
        "Resource": "arn:aws:backup:us-west-1:123456789012:recovery-point:*",
        "Condition": {"ForAnyValue:ArnNotLike": {"backup:CopyTargets": vaults["ours"]}},
    }
    sandbox.client("iam").put_role_policy(
        RoleName=role.rpartition("/")[2],
        PolicyName="only-ours",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [only_ours]}),
    )

    ended = {name: copy_to(sandbox, arn, role) for name, arn in vaults.items()}
    elsewhere = "arn:aws:backup:us-west-1:210987654321:backup-vault:ours"

    assert ended["ours"]["State"] == "COMPLETED"
    for job in (ended["foreign"], copy_to(sandbox, elsewhere, role)):
        assert (job["State"], job["MessageCategory"]) == ("FAILED", "AccessDenied")
        assert "backup:CopyFromBackupVault" in job["StatusMessage"]
        assert "explicit deny" in job["StatusMessage"]


def copy_to(sandbox: Sandbox, vault_arn: str, role: str) -> Any:
    """Copy the one recovery point; returns the finished job."""
    backup = sandbox.client("backup")
    (point,) = backup.list_recovery_points_by_backup_vault(BackupVaultName=VAULT)["RecoveryPoints"]
    job = backup.start_copy_job(
        RecoveryPointArn=point["RecoveryPointArn"],
        SourceBackupVaultName=VAULT,
        DestinationBackupVaultArn=vault_arn,
        IamRoleArn=role,
    )["CopyJobId"]
    sandbox.advance(hours=1)
    return backup.describe_copy_job(CopyJobId=job)["CopyJob"]


def outcome(sandbox: Sandbox) -> str:
    """Back up a file system with the current role; returns the finished job."""
    make_vault(sandbox)
    return str(back_up(sandbox, make_file_system(sandbox)["FileSystemArn"])["State"])


def test_policies_of_a_role_are_listed_one_a_page(sandbox: Sandbox) -> None:
    """IAM may return fewer results than asked for: API_ListRolePolicies, MaxItems."""
    role = make_role(sandbox, "ForBackup", "ForRestores").rpartition("/")[2]
    iam = sandbox.client("iam")

    first = iam.list_attached_role_policies(RoleName=role)
    pages = iam.get_paginator("list_attached_role_policies").paginate(RoleName=role)

    assert (first["IsTruncated"], len(first["AttachedPolicies"])) == (True, 1)
    assert {each["PolicyName"] for page in pages for each in page["AttachedPolicies"]} == {
        "AWSBackupServiceRolePolicyForBackup",
        "AWSBackupServiceRolePolicyForRestores",
    }


def test_the_backup_policy_is_enough_for_a_backup(sandbox: Sandbox) -> None:
    make_role(sandbox, "ForBackup")

    assert outcome(sandbox) == "COMPLETED"


def test_the_restore_policy_is_not_enough_for_a_backup(sandbox: Sandbox) -> None:
    make_role(sandbox, "ForRestores")

    assert outcome(sandbox) == "FAILED"


def test_a_role_that_does_not_exist_fails_the_job(sandbox: Sandbox) -> None:
    make_vault(sandbox)

    job = back_up(sandbox, make_file_system(sandbox)["FileSystemArn"])

    assert job["State"] == "FAILED"
    assert "cannot be found" in job["StatusMessage"]


def test_a_condition_on_the_own_account_is_met(sandbox: Sandbox) -> None:
    condition = {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    make_role(sandbox, trust=trusting(Condition=condition))

    assert outcome(sandbox) == "COMPLETED"


@pytest.mark.parametrize(
    "trust",
    [
        trusting(Principal={"Service": "lambda.amazonaws.com"}),
        trusting(Condition={"StringEquals": {"aws:SourceAccount": "000000000000"}}),
        trusting(Effect="Deny"),
    ],
    ids=["another service", "another account", "denied"],
)
def test_a_role_that_aws_backup_may_not_assume_fails_the_job(
    sandbox: Sandbox, trust: dict[str, Any]
) -> None:
    make_role(sandbox, trust=trust)
    make_vault(sandbox)

    job = back_up(sandbox, make_file_system(sandbox)["FileSystemArn"])

    assert job["State"] == "FAILED"
    assert "cannot assume" in job["StatusMessage"]


def test_an_explicit_deny_wins(sandbox: Sandbox) -> None:
    make_role(sandbox)
    sandbox.client("iam").put_role_policy(
        RoleName="a-backup-role",
        PolicyName="no",
        PolicyDocument=policy("Deny", "elasticfilesystem:Backup"),
    )

    assert outcome(sandbox) == "FAILED"


def test_a_permissions_boundary_limits_the_role(sandbox: Sandbox) -> None:
    boundary = sandbox.client("iam").create_policy(
        PolicyName="only-reading", PolicyDocument=policy("Allow", "s3:Get*")
    )["Policy"]["Arn"]
    make_role(sandbox, PermissionsBoundary=boundary)

    assert outcome(sandbox) == "FAILED"


def test_inline_policies_count(sandbox: Sandbox) -> None:
    make_role(sandbox, "ForRestores")
    sandbox.client("iam").put_role_policy(
        RoleName="a-backup-role",
        PolicyName="all",
        PolicyDocument=policy("Allow", "*"),
    )

    assert outcome(sandbox) == "COMPLETED"


@pytest.mark.parametrize("name", ["ForBackup", "ForRestores"])
def test_the_managed_policies_can_be_read(sandbox: Sandbox, name: str) -> None:
    iam = sandbox.client("iam")
    arn = f"arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicy{name}"

    found = iam.get_policy(PolicyArn=arn)["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=found["DefaultVersionId"])

    statements = version["PolicyVersion"]["Document"]["Statement"]
    actions = {action for statement in statements for action in statement["Action"]}
    assert ("elasticfilesystem:Backup" in actions) == (name == "ForBackup")
    assert ("dynamodb:RestoreTableFromAwsBackup" in actions) == (name == "ForRestores")


def test_the_permissions_of_a_role_can_be_simulated(sandbox: Sandbox) -> None:
    role = make_role(sandbox, "ForBackup")

    results = sandbox.client("iam").simulate_principal_policy(
        PolicySourceArn=role,
        ActionNames=["elasticfilesystem:Backup", "elasticfilesystem:Restore"],
        ResourceArns=["arn:aws:elasticfilesystem:us-west-1:123456789012:file-system/fs-1"],
    )["EvaluationResults"]

    decisions = {each["EvalActionName"]: each["EvalDecision"] for each in results}
    assert decisions == {
        "elasticfilesystem:Backup": "allowed",
        "elasticfilesystem:Restore": "implicitDeny",
    }


def test_a_new_role_is_seen_after_a_delay(sandbox: Sandbox) -> None:
    backup = sandbox.client("backup")
    make_vault(sandbox)
    rule = {"RuleName": "nightly", "TargetBackupVaultName": VAULT}
    plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": "plan", "Rules": [rule]})
    sandbox.settings(iam_propagation=3600)
    selection = {
        "SelectionName": "all",
        "IamRoleArn": make_role(sandbox, "ForBackup"),
        "Resources": ["*"],
    }

    with pytest.raises(ClientError, match="cannot be assumed by AWS Backup"):
        backup.create_backup_selection(BackupPlanId=plan["BackupPlanId"], BackupSelection=selection)
    sandbox.advance(hours=1)
    backup.create_backup_selection(BackupPlanId=plan["BackupPlanId"], BackupSelection=selection)


def test_a_policy_is_seen_after_a_delay(sandbox: Sandbox) -> None:
    """A new policy has no effect before the delay, and a deleted one has until then."""
    iam = sandbox.client("iam")
    make_role(sandbox, "ForRestores")
    make_vault(sandbox)
    file_system = make_file_system(sandbox)["FileSystemArn"]
    sandbox.settings(iam_propagation=3600)
    policies = {"RoleName": "a-backup-role", "PolicyName": "all"}

    iam.put_role_policy(**policies, PolicyDocument=policy("Allow", "*"))
    assert back_up(sandbox, file_system)["State"] == "FAILED"
    sandbox.advance(hours=1)
    iam.delete_role_policy(**policies)
    assert back_up(sandbox, file_system)["State"] == "COMPLETED"
    sandbox.advance(hours=1)
    assert back_up(sandbox, file_system)["State"] == "FAILED"


def test_before_the_delay_the_earlier_policies_apply(sandbox: Sandbox) -> None:
    """For the given resource: a policy need not allow the action on all."""
    make_vault(sandbox)
    role = make_role(sandbox, "ForRestores")
    iam, name = sandbox.client("iam"), role.rpartition("/")[2]
    vault = f"arn:aws:backup:us-west-1:123456789012:backup-vault:{VAULT}"
    read = {"Effect": "Allow", "Action": "backup:DescribeBackupVault", "Resource": vault}
    document = json.dumps({"Version": "2012-10-17", "Statement": [read]})
    iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=document)
    sandbox.settings(iam_propagation=3600)
    iam.delete_role_policy(RoleName=name, PolicyName="read")
    function = boto3.session.Session().client(
        "backup",
        region_name="us-west-1",
        endpoint_url=sandbox.endpoint,
        aws_access_key_id="123456789012",
        aws_secret_access_key="sandbox",
        aws_session_token=role,  # The credentials of a Lambda function here.
    )

    assert function.describe_backup_vault(BackupVaultName=VAULT)["BackupVaultName"] == VAULT
    with pytest.raises(ClientError, match="not authorized to perform: backup:ListTags"):
        function.list_tags(ResourceArn=vault)
