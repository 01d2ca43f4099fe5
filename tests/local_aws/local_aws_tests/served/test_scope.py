"""Accounts and regions are separate, in AWS Backup and in other services."""

from __future__ import annotations

import json
from typing import Any

import boto3

from local_aws.client import Sandbox
from local_aws_tests.served.backups import make_file_system, make_role, make_vault
from local_aws_tests.served.templates import Stack, resource, template

RESOURCE_HANDLER = """
import json, urllib.request, boto3

def handler(event, context):
    names = boto3.client("backup").list_backup_vaults()["BackupVaultList"]
    answer = {
        "Status": "SUCCESS",
        "PhysicalResourceId": "the-same",
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": {
            "Vaults": ",".join(each["BackupVaultName"] for each in names),
            "Region": boto3.session.Session().region_name,
            "Account": boto3.client("sts").get_caller_identity()["Account"],
        },
    }
    body = json.dumps(answer).encode()
    urllib.request.urlopen(
        urllib.request.Request(event["ResponseURL"], data=body, method="PUT")
    )
"""


def vaults(sandbox: Sandbox, region: str, account: str = "123456789012") -> list[str]:
    found = sandbox.client("backup", region, account).list_backup_vaults()["BackupVaultList"]
    return [each["BackupVaultName"] for each in found]


def test_vaults_belong_to_one_region_of_one_account(sandbox: Sandbox) -> None:
    make_vault(sandbox, "here")
    make_vault(sandbox, "there", "us-west-2")

    assert vaults(sandbox, "us-west-1") == ["here"]
    assert vaults(sandbox, "us-west-2") == ["there"]
    assert vaults(sandbox, "us-west-1", "000000000000") == []


def test_the_environment_connects_any_tool(sandbox: Sandbox) -> None:
    variables = sandbox.aws_variables(region="us-west-2")
    session = boto3.session.Session(
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_REGION"],
    )

    identity = session.client("sts", endpoint_url=variables["AWS_ENDPOINT_URL"])
    caller = identity.get_caller_identity()

    assert caller["Account"] == "123456789012"
    assert caller["Arn"] == "arn:aws:iam::123456789012:root"


def test_a_copy_crosses_regions(sandbox: Sandbox) -> None:
    role = make_role(sandbox)
    make_vault(sandbox)
    there = make_vault(sandbox, "there", "us-west-2")
    backup = sandbox.client("backup")
    job = backup.start_backup_job(
        BackupVaultName="a-vault",
        ResourceArn=make_file_system(sandbox)["FileSystemArn"],
        IamRoleArn=role,
    )
    sandbox.advance(hours=1)
    backup.start_copy_job(
        RecoveryPointArn=backup.describe_backup_job(BackupJobId=job["BackupJobId"])[
            "RecoveryPointArn"
        ],
        SourceBackupVaultName="a-vault",
        DestinationBackupVaultArn=there,
        IamRoleArn=role,
    )
    sandbox.advance(hours=1)

    (copy,) = sandbox.client("backup", "us-west-2").list_recovery_points_by_backup_vault(
        BackupVaultName="there"
    )["RecoveryPoints"]
    assert copy["RecoveryPointArn"].startswith("arn:aws:backup:us-west-2:123456789012:")


def custom_resource_stack(sandbox: Sandbox, region: str) -> dict[str, str]:
    """Deploy a custom resource that reads its environment; returns what it read."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    function: dict[str, Any] = {
        "Handler": "index.handler",
        "Runtime": "python3.14",
        "Architectures": ["arm64"],
        "Timeout": 60,
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Code": {"ZipFile": RESOURCE_HANDLER},
    }
    looked = {name: {"Fn::GetAtt": ["Looking", name]} for name in ("Vaults", "Region", "Account")}
    stack = Stack(sandbox.client("cloudformation", region))
    status = stack.create(
        template(
            looked,
            Role=resource("AWS::IAM::Role", {"AssumeRolePolicyDocument": trust}),
            Function=resource("AWS::Lambda::Function", function),
            Looking=resource(
                "Custom::Looking", {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}}
            ),
        )
    )
    assert status == "CREATE_COMPLETE", stack.reasons()
    return stack.outputs()


def test_custom_resources_see_their_own_account_and_region(sandbox: Sandbox) -> None:
    make_vault(sandbox, "here")
    make_vault(sandbox, "there", "us-west-2")

    assert custom_resource_stack(sandbox, "us-west-1") == {
        "Vaults": "here",
        "Region": "us-west-1",
        "Account": "123456789012",
    }
    assert custom_resource_stack(sandbox, "us-west-2") == {
        "Vaults": "there",
        "Region": "us-west-2",
        "Account": "123456789012",
    }


def test_everything_else_a_stack_of_ours_uses_exists(sandbox: Sandbox) -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "backup:List*", "Resource": "*"}],
    }
    role_trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    topic_policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": ["events.amazonaws.com", "cloudwatch.amazonaws.com"]},
                "Action": "sns:Publish",
                "Resource": {"Ref": "Topic"},
            }
        ],
    }
    alarm = {
        "Namespace": "AWS/Backup",
        "MetricName": "NumberOfCopyJobsFailed",
        "Dimensions": [{"Name": "BackupVaultName", "Value": "a-vault"}],
        "Statistic": "Sum",
        "Period": 3600,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": [{"Ref": "Topic"}],
    }
    pattern = {"source": ["aws.backup"], "detail-type": ["Copy Job State Change"]}
    stack = Stack(sandbox.client("cloudformation"))

    status = stack.create(
        template(
            Logs=resource("AWS::Logs::LogGroup", {"RetentionInDays": 30}),
            Role=resource("AWS::IAM::Role", {"AssumeRolePolicyDocument": role_trust}),
            Policy=resource(
                "AWS::IAM::Policy",
                {
                    "PolicyName": "looking",
                    "PolicyDocument": document,
                    "Roles": [{"Ref": "Role"}],
                },
            ),
            Managed=resource("AWS::IAM::ManagedPolicy", {"PolicyDocument": document}),
            Topic=resource("AWS::SNS::Topic", {}),
            TopicPolicy=resource(
                "AWS::SNS::TopicPolicy",
                {"Topics": [{"Ref": "Topic"}], "PolicyDocument": topic_policy},
            ),
            Subscription=resource(
                "AWS::SNS::Subscription",
                {
                    "TopicArn": {"Ref": "Topic"},
                    "Protocol": "email",
                    "Endpoint": "postmaster@example.com",
                },
            ),
            Rule=resource(
                "AWS::Events::Rule",
                {
                    "EventPattern": pattern,
                    "Targets": [{"Id": "topic", "Arn": {"Ref": "Topic"}}],
                },
            ),
            Alarm=resource("AWS::CloudWatch::Alarm", alarm),
            CDKMetadata=resource("AWS::CDK::Metadata", {"Analytics": "v2:deflate64:none"}),
        )
    )

    assert status == "CREATE_COMPLETE", stack.reasons()
    (found,) = sandbox.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert found["TreatMissingData"] == "notBreaching"
    (rule,) = sandbox.client("events").list_rules()["Rules"]
    assert json.loads(rule["EventPattern"]) == pattern
    assert stack.delete() == "DELETE_COMPLETE"
