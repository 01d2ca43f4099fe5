"""Other clients than the one that the project uses get the same answers from the local AWS.

The AWS SDK for JavaScript v3 and a botocore before 1.41 make every call that the project's code
makes. What an operation is asked comes from botocore's model: the required members, filled with
what there is in a deployment.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from local_aws.client import ACCOUNT, PRIMARY_REGION

from tests.e2e.sandbox.operations_used import operations_used
from tests.sandbox.deployment import PROJECT, Deployment

TOOLS = PROJECT / "tests" / "tools"
JS_SDK = TOOLS / "js" / "node_modules" / "@aws-sdk"
OLD_PYTHON = PROJECT / ".venv-old-botocore" / "bin" / "python"
REFUSED = {
    ("CreateMountTarget", "MountTargetConflict"),
    ("DeleteBackupVault", "InvalidRequestException"),
    ("DeleteFileSystem", "FileSystemInUse"),
    ("DeletePolicy", "DeleteConflict"),
    ("DeletePolicyVersion", "DeleteConflict"),
    ("DeleteRecoveryPoint", "InvalidRequestException"),
    ("DeleteRole", "DeleteConflict"),
    ("DeleteStack", "ValidationError"),
    ("DeleteTable", "ValidationException"),
    ("PutRestoreValidationResult", "InvalidRequestException"),
}
"""What this deployment does not allow; the clients agree on the error."""

READS = ("BatchGet", "Describe", "Get", "List", "Lookup", "Scan", "Simulate")

NEWER = {"RecursiveLogging"}
"""Members of answers that the old botocore does not know."""

Call = dict[str, Any]
Result = Mapping[str, Any]


@dataclass
class Client:
    """A process that makes calls, and answers one line for each."""

    process: subprocess.Popen[str]

    def __call__(self, call: Call) -> Result:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(call) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the client ended at {call['service']} {call['operation']}"
        result: Result = json.loads(line)
        return result


def start(command: Sequence[str | Path], deployment: Deployment) -> Client:
    return Client(
        subprocess.Popen(
            [str(part) for part in command],
            env=deployment.sandbox.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    )


@pytest.fixture
def ours(protected: Deployment) -> Iterator[Client]:
    with running([sys.executable, TOOLS / "call.py"], protected) as client:
        yield client


@pytest.fixture
def others(protected: Deployment) -> Iterator[dict[str, Client]]:
    """The clients that are compared with ours, by name."""
    assert JS_SDK.is_dir(), "run: make tests/tools/js/node_modules/ready"
    assert OLD_PYTHON.is_file(), "run: make .venv-old-botocore/ready"
    with (
        running(["node", TOOLS / "js" / "call.mjs"], protected) as javascript,
        running([OLD_PYTHON, TOOLS / "call.py"], protected) as old_botocore,
    ):
        yield {"javascript": javascript, "old botocore": old_botocore}


@contextmanager
def running(command: Sequence[str | Path], deployment: Deployment) -> Iterator[Client]:
    client = start(command, deployment)
    yield client
    assert client.process.stdin is not None
    client.process.stdin.close()
    client.process.wait()


def test_they_read_the_same(protected: Deployment, ours: Client, others: dict[str, Client]) -> None:
    calls = [call for call in all_calls(protected) if call["operation"].startswith(READS)]
    assert len(calls) > 60
    results = [
        (name, call, *together(call, ours, other))
        for call in calls
        for name, other in others.items()
    ]
    refused = [each for each in results if "answer" not in each[2]]
    assert not refused, refused
    different = [each for each in results if not agree(*each[2:])]
    assert not different, json.dumps(different, indent=1)


def together(call: Call, ours: Client, other: Client) -> tuple[Result, Result]:
    """Both answers; asked again where they differ, because some contain the present second."""
    for _ in range(5):
        if agree(*(answers := (ours(call), other(call)))):
            break
    return answers


def test_they_change_the_same(
    protected: Deployment, ours: Client, others: dict[str, Client]
) -> None:
    """Each from the same state; what AWS makes up differs, so that only members are compared."""
    calls = [call for call in all_calls(protected) if not call["operation"].startswith(READS)]
    assert len(calls) > 30
    checkpoint = protected.sandbox.checkpoint()
    different, refused = [], set()
    for call in calls:
        expected = ours(call)
        for name, other in others.items():
            protected.sandbox.rollback(checkpoint)
            seen = other(call)
            if not agree(members(expected), members(seen)):
                different.append((name, call, expected, seen))
        protected.sandbox.rollback(checkpoint)
        if "error" in expected:
            refused.add((call["operation"], expected["error"]))
    assert not different, json.dumps(different, indent=1)
    assert not refused ^ REFUSED, sorted(refused ^ REFUSED)


def agree(expected: Any, seen: Any) -> bool:
    """Equal as far as both clients know the members; an empty list and none are the same."""
    if isinstance(expected, dict) and isinstance(seen, dict):
        if ("error" in expected) != ("error" in seen):
            return False
        return all(
            agree(expected.get(name) or None, seen.get(name) or None)
            for name in (expected.keys() | seen.keys()) - NEWER
        )
    if isinstance(expected, list) and isinstance(seen, list):
        return len(expected) == len(seen) and all(map(agree, expected, seen))
    if isinstance(expected, str) and isinstance(seen, str):
        return expected.removesuffix("Exception") == seen.removesuffix("Exception")
    return bool(expected == seen)


def members(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: each if name == "error" else members(each) for name, each in value.items()}
    return type(value).__name__


def all_calls(deployment: Deployment) -> list[Call]:
    """Every operation of the project, with the members that its model requires."""
    session = botocore.session.Session()
    values = {**facts(deployment), **ASKED}
    calls = []
    for service, operation in sorted(operations_used()):
        shape = session.get_service_model(service).operation_model(operation).input_shape
        needed = [*(shape.required_members if shape else ()), *MORE.get((service, operation), ())]
        calls.append(
            {
                "service": service,
                "operation": operation,
                "region": PRIMARY_REGION,
                "parameters": {
                    name: values.get((service, operation, name), values.get((service, name)))
                    for name in needed
                },
            }
        )
    return calls


MORE = {
    ("backup", "StartBackupJob"): ["Lifecycle"],
    ("backup", "StartRestoreJob"): ["IamRoleArn"],
    ("backup", "PutBackupVaultLockConfiguration"): ["MinRetentionDays", "MaxRetentionDays"],
    ("backup", "UpdateRegionSettings"): ["ResourceTypeOptInPreference"],
    ("cloudtrail", "LookupEvents"): ["LookupAttributes"],
    ("dynamodb", "CreateTable"): ["AttributeDefinitions", "KeySchema", "BillingMode"],
    ("dynamodb", "RestoreTableToPointInTime"): ["SourceTableName", "UseLatestRestorableTime"],
    ("dynamodb", "UpdateTable"): ["DeletionProtectionEnabled"],
    ("ecs", "UpdateService"): ["cluster", "forceNewDeployment"],
    ("efs", "DescribeMountTargets"): ["FileSystemId"],
    ("sns", "Publish"): ["TopicArn"],
    ("sns", "Subscribe"): ["Endpoint"],
    ("sqs", "GetQueueAttributes"): ["AttributeNames"],
    ("ssm", "PutParameter"): ["Type"],
}
"""Members that the model does not require, and AWS or the project does."""

KEY = [{"AttributeName": "address", "KeyType": "HASH"}]
ASKED: Mapping[tuple[str, ...], Any] = {
    ("backup", "BackupVaultName"): "cabal-backup",
    ("backup", "SourceBackupVaultName"): "cabal-backup",
    ("backup", "Lifecycle"): {"DeleteAfterDays": 365},
    ("backup", "StartBackupJob", "ResourceArn"): f"arn:aws:dynamodb:{PRIMARY_REGION}:{ACCOUNT}:"
    "table/cabal-addresses",
    ("backup", "MinRetentionDays"): 30,
    ("backup", "MaxRetentionDays"): 365,
    ("backup", "ResourceTypeOptInPreference"): {"DynamoDB": True},
    ("backup", "Tags"): {"a": "b"},
    ("backup", "ValidationStatus"): "SUCCESSFUL",
    ("backup", "RestoreTestingPlanName"): "a_plan",
    ("backup", "RestoreTestingSelectionName"): "a_selection",
    ("backup", "DestinationBackupVaultArn"): f"arn:aws:backup:us-west-2:{ACCOUNT}:"
    "backup-vault:cabal-backup-dr",
    ("cloudformation", "StackName"): "cabal-backup",
    ("cloudformation", "EnableTerminationProtection"): False,
    ("cloudtrail", "TrailName"): "everything",
    ("cloudtrail", "Name"): "everything",
    ("cloudtrail", "ResourceIdList"): [
        f"arn:aws:cloudtrail:{PRIMARY_REGION}:{ACCOUNT}:trail/everything"
    ],
    ("cloudtrail", "LookupAttributes"): [
        {"AttributeKey": "EventName", "AttributeValue": "UpdateRegionSettings"}
    ],
    ("dynamodb", "TableName"): "cabal-addresses",
    ("dynamodb", "SourceTableName"): "cabal-counter",
    ("dynamodb", "TargetTableName"): "restored",
    ("dynamodb", "CreateTable", "TableName"): "another",
    ("dynamodb", "AttributeDefinitions"): [{"AttributeName": "address", "AttributeType": "S"}],
    ("dynamodb", "KeySchema"): KEY,
    ("dynamodb", "BillingMode"): "PAY_PER_REQUEST",
    ("dynamodb", "UseLatestRestorableTime"): True,
    ("dynamodb", "DeletionProtectionEnabled"): True,
    ("dynamodb", "RequestItems"): {"cabal-addresses": {"Keys": [{"address": {"S": "none"}}]}},
    ("dynamodb", "ResourceArn"): f"arn:aws:dynamodb:{PRIMARY_REGION}:{ACCOUNT}:"
    "table/cabal-addresses",
    ("dynamodb", "Tags"): [{"Key": "a", "Value": "b"}],
    ("dynamodb", "TagKeys"): ["a"],
    ("dynamodb", "PointInTimeRecoverySpecification"): {"PointInTimeRecoveryEnabled": True},
    ("dynamodb", "TimeToLiveSpecification"): {"Enabled": True, "AttributeName": "until"},
    ("ecs", "service"): "cabal-imap",
    ("ecs", "cluster"): "cabal-mail",
    ("ecs", "forceNewDeployment"): True,
    ("efs", "ClientToken"): "another",
    ("efs", "Tags"): [{"Key": "a", "Value": "b"}],
    ("efs", "BackupPolicy"): {"Status": "DISABLED"},
    ("efs", "LifecyclePolicies"): [{"TransitionToIA": "AFTER_30_DAYS"}],
    ("events", "Rule"): "a-rule",
    ("events", "Entries"): [{"Source": "a", "DetailType": "b", "Detail": "{}"}],
    ("iam", "RoleName"): "cabal-backup-role",
    ("iam", "VersionId"): "v1",
    ("iam", "PolicyName"): "inline",
    ("iam", "PolicySourceArn"): f"arn:aws:iam::{ACCOUNT}:role/cabal-backup-role",
    ("iam", "ActionNames"): ["dynamodb:DescribeTable"],
    ("ram", "associationType"): "RESOURCE",
    ("s3", "Bucket"): "trail",
    ("s3", "Key"): "report.html",
    ("service-quotas", "ServiceCode"): "backup",
    ("sns", "Message"): "words",
    ("sns", "Protocol"): "email",
    ("sns", "Endpoint"): "someone@example.com",
    ("sqs", "QueueName"): "a-queue",
    ("sqs", "AttributeNames"): ["All"],
    ("ssm", "Name"): "a-parameter",
    ("ssm", "PutParameter", "Name"): "another",
    ("ssm", "Value"): "text",
    ("ssm", "Type"): "String",
}


def facts(deployment: Deployment) -> dict[tuple[str, ...], Any]:
    """What there is, by service and member; made where a deployment has none."""
    sandbox, cabal = deployment.sandbox, deployment.cabal
    backup = sandbox.client("backup")
    plan = backup.list_backup_plans()["BackupPlansList"][0]["BackupPlanId"]
    selections = backup.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"]
    backup.put_backup_vault_access_policy(
        BackupVaultName="cabal-backup",
        Policy=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Deny",
                    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/none"},
                    "Action": "backup:DeleteBackupVault",
                    "Resource": "*",
                },
            }
        ),
    )
    testing = {
        "RestoreTestingPlanName": "a_plan",
        "ScheduleExpression": "cron(0 6 1 * ? *)",
        "RecoveryPointSelection": {
            "Algorithm": "LATEST_WITHIN_WINDOW",
            "IncludeVaults": ["*"],
            "RecoveryPointTypes": ["SNAPSHOT"],
        },
    }
    backup.create_restore_testing_plan(RestoreTestingPlan=testing)
    sandbox.client("ssm").put_parameter(Name="a-parameter", Value="text", Type="String")
    role = sandbox.client("iam").get_role(RoleName="cabal-backup-role")["Role"]["Arn"]
    point = backup.list_recovery_points_by_backup_vault(
        BackupVaultName="cabal-backup", ByResourceType="DynamoDB"
    )["RecoveryPoints"][0]["RecoveryPointArn"]
    metadata = backup.get_recovery_point_restore_metadata(
        BackupVaultName="cabal-backup", RecoveryPointArn=point
    )["RestoreMetadata"]
    hold = backup.create_legal_hold(Title="a-hold", Description="Keep it.")["LegalHoldId"]
    sandbox.advance(minutes=1)
    tested = {
        "RestoreTestingSelectionName": "a_selection",
        "ProtectedResourceType": "DynamoDB",
        "ProtectedResourceArns": ["*"],
        "IamRoleArn": role,
    }
    backup.create_restore_testing_selection(
        RestoreTestingPlanName="a_plan", RestoreTestingSelection=tested
    )
    table_backup = sandbox.client("dynamodb").create_backup(
        TableName="cabal-counter", BackupName="a-backup"
    )["BackupDetails"]["BackupArn"]
    sandbox.client("s3").create_bucket(
        Bucket="trail", CreateBucketConfiguration={"LocationConstraint": PRIMARY_REGION}
    )
    sandbox.client("cloudtrail").create_trail(Name="everything", S3BucketName="trail")
    efs = sandbox.client("efs")
    targets = efs.describe_mount_targets(FileSystemId=cabal.file_system_id)["MountTargets"]
    policy = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": "elasticfilesystem:ClientMount",
        },
    }
    efs.put_file_system_policy(FileSystemId=cabal.file_system_id, Policy=json.dumps(policy))
    allowed = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
    managed = sandbox.client("iam").create_policy(
        PolicyName="a-policy",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allowed}),
    )["Policy"]["Arn"]
    sandbox.client("iam").put_role_policy(
        RoleName="cabal-backup-role",
        PolicyName="inline",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allowed}),
    )
    sandbox.client("iam").attach_role_policy(RoleName="cabal-backup-role", PolicyArn=managed)
    sandbox.client("events").put_rule(Name="a-rule", EventPattern=json.dumps({"source": ["a"]}))
    topic = sandbox.client("sns").create_topic(Name="a-topic")["TopicArn"]
    queue = sandbox.client("sqs").create_queue(QueueName="a-queue")["QueueUrl"]
    queue_arn = f"arn:aws:sqs:{PRIMARY_REGION}:{ACCOUNT}:a-queue"
    subscription = sandbox.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    function = sandbox.client("lambda").list_functions()["Functions"][0]
    found = {
        "backup": {
            "BackupPlanId": plan,
            "SelectionId": selections[0]["SelectionId"],
            "BackupSelection": {
                "SelectionName": "more",
                "IamRoleArn": role,
                "Resources": [cabal.addresses_table_arn],
            },
            "RestoreTestingSelection": {**tested, "RestoreTestingSelectionName": "another"},
            "LegalHoldId": hold,
            "Title": "another",
            "Description": "Keep it.",
            "CancelDescription": "Over.",
            "RecoveryPointArn": point,
            "ResourceArn": point,
            "IamRoleArn": role,
            "Metadata": {**metadata, "targetTableName": "restored"},
            "BackupJobId": backup.list_backup_jobs()["BackupJobs"][0]["BackupJobId"],
            "CopyJobId": backup.list_copy_jobs()["CopyJobs"][0]["CopyJobId"],
            "RestoreJobId": backup.list_restore_jobs()["RestoreJobs"][0]["RestoreJobId"],
        },
        "dynamodb": {"BackupArn": table_backup},
        "efs": {
            "FileSystemId": cabal.file_system_id,
            "ResourceId": cabal.file_system_id,
            "MountTargetId": targets[0]["MountTargetId"],
            "SubnetId": targets[0]["SubnetId"],
            "Policy": json.dumps(policy),
        },
        "iam": {"PolicyArn": managed},
        "kms": {"KeyId": sandbox.client("kms").create_key()["KeyMetadata"]["KeyId"]},
        "lambda": {
            "FunctionName": function["FunctionName"],
            "Resource": function["FunctionArn"],
        },
        "sns": {"TopicArn": topic, "SubscriptionArn": subscription},
        "sqs": {
            "QueueUrl": queue,
            "Entries": [{"Id": "1", "ReceiptHandle": "none", "VisibilityTimeout": 1}],
        },
    }
    return {
        (service, member): value
        for service, members_of in found.items()
        for member, value in members_of.items()
    }
