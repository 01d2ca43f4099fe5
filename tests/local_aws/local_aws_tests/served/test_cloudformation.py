"""The AWS::Backup resource types in CloudFormation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.client import Sandbox
from local_aws_tests.served.templates import (
    ROLE_ARN,
    TRUST_BACKUP,
    Stack,
    plan,
    resource,
    role,
    selection,
    template,
    vault,
)

TABLE = "arn:aws:dynamodb:us-west-1:123456789012:table/a-table"
OTHER_TABLE = "arn:aws:dynamodb:us-west-1:123456789012:table/another-table"
LOCK = {"MinRetentionDays": 30, "MaxRetentionDays": 365}


@pytest.fixture
def stack(sandbox: Sandbox) -> Stack:
    return Stack(sandbox.client("cloudformation"))


@pytest.fixture
def backup(sandbox: Sandbox) -> Any:
    return sandbox.client("backup")


def test_a_vault_with_all_its_properties(stack: Stack, backup: Any) -> None:
    topic = {"TopicName": "vault-news"}
    notifications = {
        "SNSTopicArn": {"Ref": "Topic"},
        "BackupVaultEvents": ["BACKUP_JOB_COMPLETED"],
    }
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "backup:DeleteRecoveryPoint",
                "Resource": "*",
            }
        ],
    }
    made = vault(
        LockConfiguration=LOCK,
        AccessPolicy=policy,
        BackupVaultTags={"environment": "development"},
        Notifications=notifications,
    )
    outputs = {"Ref": {"Ref": "Vault"}, "Arn": {"Fn::GetAtt": ["Vault", "BackupVaultArn"]}}

    status = stack.create(template(outputs, Vault=made, Topic=resource("AWS::SNS::Topic", topic)))

    arn = "arn:aws:backup:us-west-1:123456789012:backup-vault:a-vault"
    described = backup.describe_backup_vault(BackupVaultName="a-vault")
    assert status == "CREATE_COMPLETE"
    assert stack.outputs() == {"Ref": "a-vault", "Arn": arn}
    assert (described["Locked"], described["MinRetentionDays"]) == (True, 30)
    assert described["MaxRetentionDays"] == 365
    assert "Deny" in backup.get_backup_vault_access_policy(BackupVaultName="a-vault")["Policy"]
    notifications = backup.get_backup_vault_notifications(BackupVaultName="a-vault")
    assert notifications["BackupVaultEvents"] == ["BACKUP_JOB_COMPLETED"]
    assert backup.list_tags(ResourceArn=arn)["Tags"] == {"environment": "development"}


def test_updating_a_vault_in_place(stack: Stack, backup: Any) -> None:
    stack.create(template(Vault=vault(BackupVaultTags={"old": "1", "kept": "1"})))

    status = stack.update(
        template(Vault=vault(LockConfiguration=LOCK, BackupVaultTags={"new": "2", "kept": "1"}))
    )

    described = backup.describe_backup_vault(BackupVaultName="a-vault")
    assert status == "UPDATE_COMPLETE"
    assert described["Locked"] is True
    tags = backup.list_tags(ResourceArn=described["BackupVaultArn"])["Tags"]
    assert tags == {"new": "2", "kept": "1"}


def test_removing_the_lock_from_the_template_removes_it(
    sandbox: Sandbox, stack: Stack, backup: Any
) -> None:
    stack.create(template(Vault=vault(LockConfiguration=LOCK)))

    stack.update(template(Vault=vault()))

    assert backup.describe_backup_vault(BackupVaultName="a-vault")["Locked"] is False
    (removal,) = sandbox.trail("DeleteBackupVaultLockConfiguration")
    assert removal["sourceIPAddress"] == "cloudformation.amazonaws.com"


def test_renaming_a_vault_replaces_it(stack: Stack, backup: Any) -> None:
    stack.create(template(Vault=vault("before")))
    (change,) = stack.changes(template(Vault=vault("after")))

    status = stack.update(template(Vault=vault("after")))

    names = [each["BackupVaultName"] for each in backup.list_backup_vaults()["BackupVaultList"]]
    assert change["Replacement"] == "True"
    assert status == "UPDATE_COMPLETE"
    assert names == ["after"]


def test_an_unchanged_template_is_no_update(stack: Stack) -> None:
    body = template(Vault=vault(LockConfiguration=LOCK), Plan=plan())
    stack.create(body)

    assert stack.changes(body) == []
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stack.update(body)


def test_a_plan_is_updated_in_place(stack: Stack, backup: Any) -> None:
    outputs = {
        "Ref": {"Ref": "Plan"},
        "Id": {"Fn::GetAtt": ["Plan", "BackupPlanId"]},
        "Arn": {"Fn::GetAtt": ["Plan", "BackupPlanArn"]},
        "Version": {"Fn::GetAtt": ["Plan", "VersionId"]},
    }
    stack.create(template(outputs, Vault=vault(), Plan=plan(days=35)))
    before = stack.outputs()

    stack.update(template(outputs, Vault=vault(), Plan=plan(days=40)))

    after = stack.outputs()
    rule = backup.get_backup_plan(BackupPlanId=after["Id"])["BackupPlan"]["Rules"][0]
    assert after["Ref"] == after["Id"] == before["Id"]
    assert after["Arn"].endswith(f":backup-plan:{after['Id']}")
    assert after["Version"] != before["Version"]
    assert rule["Lifecycle"]["DeleteAfterDays"] == 40
    assert rule["TargetBackupVaultName"] == "a-vault"


def test_any_change_of_a_selection_replaces_it(stack: Stack, backup: Any) -> None:
    outputs = {
        "Ref": {"Ref": "Selection"},
        "Plan": {"Fn::GetAtt": ["Selection", "BackupPlanId"]},
        "Id": {"Fn::GetAtt": ["Selection", "SelectionId"]},
    }
    parts = {"Vault": vault(), "Plan": plan(), "Role": role()}
    stack.create(template(outputs, **parts, Selection=selection(TABLE)))
    before = stack.outputs()

    changed = selection(TABLE, OTHER_TABLE)
    # The new one is created before the old one is deleted, and the name exists until then.
    refused = stack.update(template(outputs, **parts, Selection=changed))
    renamed = selection(TABLE, OTHER_TABLE, name="another-selection")
    status = stack.update(template(outputs, **parts, Selection=renamed))

    assert refused == "UPDATE_ROLLBACK_COMPLETE"
    after = stack.outputs()
    listed = backup.list_backup_selections(BackupPlanId=after["Plan"])["BackupSelectionsList"]
    assert status == "UPDATE_COMPLETE"
    assert after["Id"] != before["Id"]
    assert [each["SelectionId"] for each in listed] == [after["Id"]]
    assert (after["Plan"] in after["Ref"], after["Id"] in after["Ref"]) == (True, True)
    found = backup.get_backup_selection(BackupPlanId=after["Plan"], SelectionId=after["Id"])
    assert found["BackupSelection"]["Resources"] == [TABLE, OTHER_TABLE]
    assert found["BackupSelection"]["IamRoleArn"] == ROLE_ARN


def test_restore_testing_plan_and_selection(stack: Stack, backup: Any) -> None:
    def body(hour: int, window: int) -> dict[str, Any]:
        testing = {
            "RestoreTestingPlanName": "a_testing_plan",
            "ScheduleExpression": f"cron(0 {hour} * * ? *)",
            "RecoveryPointSelection": {
                "Algorithm": "LATEST_WITHIN_WINDOW",
                "RecoveryPointTypes": ["SNAPSHOT"],
                "IncludeVaults": [{"Fn::GetAtt": ["Vault", "BackupVaultArn"]}],
                "SelectionWindowDays": 7,
            },
        }
        chosen = {
            "RestoreTestingPlanName": {"Ref": "Testing"},
            "RestoreTestingSelectionName": "a_testing_selection",
            "ProtectedResourceType": "DynamoDB",
            "IamRoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
            "ProtectedResourceArns": ["*"],
            "ValidationWindowHours": window,
        }
        return template(
            {"Arn": {"Fn::GetAtt": ["Testing", "RestoreTestingPlanArn"]}},
            Vault=vault(),
            Role=role(),
            Testing=resource("AWS::Backup::RestoreTestingPlan", testing),
            Chosen=resource("AWS::Backup::RestoreTestingSelection", chosen),
        )

    created = stack.create(body(hour=5, window=1))
    updated = stack.update(body(hour=6, window=2))

    found = backup.get_restore_testing_plan(RestoreTestingPlanName="a_testing_plan")
    chosen = backup.get_restore_testing_selection(
        RestoreTestingPlanName="a_testing_plan", RestoreTestingSelectionName="a_testing_selection"
    )
    assert (created, updated) == ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    assert found["RestoreTestingPlan"]["ScheduleExpression"] == "cron(0 6 * * ? *)"
    assert found["RestoreTestingPlan"]["RestoreTestingPlanArn"] == stack.outputs()["Arn"]
    assert chosen["RestoreTestingSelection"]["ValidationWindowHours"] == 2
    assert stack.delete() == "DELETE_COMPLETE"
    assert backup.list_restore_testing_plans()["RestoreTestingPlans"] == []


def test_deleting_a_stack_deletes_its_resources(stack: Stack, backup: Any) -> None:
    stack.create(template(Vault=vault(), Plan=plan(), Role=role(), Selection=selection(TABLE)))

    assert stack.delete() == "DELETE_COMPLETE"
    assert backup.list_backup_vaults()["BackupVaultList"] == []
    assert backup.list_backup_plans()["BackupPlansList"] == []


def test_a_retained_vault_outlives_its_stack(stack: Stack, backup: Any) -> None:
    stack.create(template(Vault={**vault(), "DeletionPolicy": "Retain"}))

    assert stack.delete() == "DELETE_COMPLETE"
    assert backup.describe_backup_vault(BackupVaultName="a-vault")["BackupVaultName"] == "a-vault"


def test_a_stack_that_fails_is_rolled_back(stack: Stack, backup: Any) -> None:
    backup.create_backup_vault(BackupVaultName="taken")

    status = stack.create(template(Vault=vault(), Taken={**vault("taken"), "DependsOn": "Vault"}))

    names = [each["BackupVaultName"] for each in backup.list_backup_vaults()["BackupVaultList"]]
    assert status == "ROLLBACK_COMPLETE"
    assert names == ["taken"]
    assert "HandlerErrorCode: AlreadyExists" in stack.reasons()


def test_a_vault_that_cannot_be_completed_is_deleted(stack: Stack, backup: Any) -> None:
    backwards = {"MinRetentionDays": 365, "MaxRetentionDays": 30}

    status = stack.create(template(Vault=vault(LockConfiguration=backwards)))

    assert status == "ROLLBACK_COMPLETE"
    assert backup.list_backup_vaults()["BackupVaultList"] == []


def test_an_update_that_fails_is_rolled_back(stack: Stack, backup: Any) -> None:
    backup.create_backup_vault(BackupVaultName="taken")
    stack.create(template(Vault=vault(LockConfiguration=LOCK)))

    status = stack.update(
        template(
            Vault=vault(LockConfiguration={"MinRetentionDays": 7}),
            Taken={**vault("taken"), "DependsOn": "Vault"},
        )
    )

    described = backup.describe_backup_vault(BackupVaultName="a-vault")
    assert status == "UPDATE_ROLLBACK_COMPLETE"
    assert described["MinRetentionDays"] == 30


def test_existing_resources_can_be_imported(stack: Stack, backup: Any) -> None:
    backup.create_backup_vault(BackupVaultName="a-vault")
    document = {
        "BackupPlanName": "a-plan",
        "Rules": [{"RuleName": "nightly", "TargetBackupVaultName": "a-vault"}],
    }
    plan_id = backup.create_backup_plan(BackupPlan=document)["BackupPlanId"]

    status = stack.import_resources(
        template(
            Vault={**vault(), "DeletionPolicy": "Retain"},
            Plan={**plan(), "DeletionPolicy": "Retain"},
        ),
        {
            "ResourceType": "AWS::Backup::BackupVault",
            "LogicalResourceId": "Vault",
            "ResourceIdentifier": {"BackupVaultName": "a-vault"},
        },
        {
            "ResourceType": "AWS::Backup::BackupPlan",
            "LogicalResourceId": "Plan",
            "ResourceIdentifier": {"BackupPlanId": plan_id},
        },
    )

    assert status == "IMPORT_COMPLETE"
    assert stack.physical_id("Vault") == "a-vault"
    assert stack.physical_id("Plan") == plan_id


def test_a_vault_with_recovery_points_stops_the_deletion(
    sandbox: Sandbox, stack: Stack, backup: Any
) -> None:
    stack.create(template(Vault=vault(), Role=role()))
    file_system = sandbox.client("efs").create_file_system(CreationToken="some-files")
    backup.start_backup_job(
        BackupVaultName="a-vault",
        ResourceArn=file_system["FileSystemArn"],
        IamRoleArn=ROLE_ARN,
    )
    sandbox.advance(hours=1)

    status = stack.delete()

    assert status == "DELETE_FAILED"
    assert backup.describe_backup_vault(BackupVaultName="a-vault")["NumberOfRecoveryPoints"] == 1


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::IAM::Role", {"RoleName": "taken", "AssumeRolePolicyDocument": TRUST_BACKUP}),
        ("AWS::SNS::Topic", {"TopicName": "taken"}),
        ("AWS::Logs::LogGroup", {"LogGroupName": "taken"}),
        ("AWS::Events::Rule", {"Name": "taken", "EventPattern": {"source": ["aws.backup"]}}),
    ],
)
def test_an_existing_name_stops_a_stack(
    sandbox: Sandbox, stack: Stack, kind: str, properties: dict[str, Any]
) -> None:
    Stack(sandbox.client("cloudformation"), "first").create(
        template(Thing=resource(kind, properties))
    )

    status = stack.create(template(Thing=resource(kind, properties)))

    assert status == "ROLLBACK_COMPLETE"
    assert "HandlerErrorCode: AlreadyExists" in stack.reasons()


def test_a_role_keeps_its_permissions_boundary(sandbox: Sandbox, stack: Stack) -> None:
    boundary = "arn:aws:iam::123456789012:policy/a-boundary"
    properties = {
        "RoleName": "limited",
        "AssumeRolePolicyDocument": TRUST_BACKUP,
        "PermissionsBoundary": boundary,
    }
    iam = sandbox.client("iam")

    stack.create(template(Role=resource("AWS::IAM::Role", properties)))
    limited = iam.get_role(RoleName="limited")["Role"]
    del properties["PermissionsBoundary"]
    stack.update(template(Role=resource("AWS::IAM::Role", properties)))

    assert limited["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    assert "PermissionsBoundary" not in iam.get_role(RoleName="limited")["Role"]


def test_a_stack_is_described_when_its_change_has_ended(sandbox: Sandbox) -> None:
    """Clients ask every few seconds, and a change takes less."""
    cloudformation = sandbox.client("cloudformation")
    vaults = {f"Vault{number}": vault(f"vault-{number}") for number in range(50)}
    cloudformation.create_stack(StackName="many", TemplateBody=json.dumps(template(**vaults)))
    (described,) = cloudformation.describe_stacks(StackName="many")["Stacks"]
    assert described["StackStatus"] == "CREATE_COMPLETE"
