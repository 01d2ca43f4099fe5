"""Calls that prowler, Cloud Custodian, older SDKs and others need."""

from __future__ import annotations

import urllib.parse
import urllib.request
from http.client import HTTPMessage
from typing import Any

import botocore.parsers
import botocore.session
import pytest

from local_aws.client import ACCOUNT, Sandbox
from local_aws_tests.served.backups import make_file_system, make_table
from local_aws_tests.served.templates import Stack

_KEY = f"Credential={ACCOUNT}/20260101/us-west-1/monitoring/aws4_request"
_SIGNED = f"AWS4-HMAC-SHA256 {_KEY}, SignedHeaders=host, Signature=0"


def by_form(sandbox: Sandbox, operation: str, **members: str) -> dict[str, Any]:
    """Call CloudWatch over the query protocol, which botocore before 1.41 speaks."""
    form = {"Action": operation, "Version": "2010-08-01", **members}
    request = urllib.request.Request(
        sandbox.endpoint,
        data=urllib.parse.urlencode(form).encode(),
        headers={
            "Authorization": _SIGNED,
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        },
    )
    with urllib.request.urlopen(request) as answer:
        response = {"status_code": 200, "headers": {}, "body": answer.read()}
    model = botocore.session.get_session().get_service_model("cloudwatch")
    shape: Any = model.operation_model(operation).output_shape
    parsed: dict[str, Any] = botocore.parsers.QueryParser().parse(response, shape)
    del parsed["ResponseMetadata"]
    return parsed


@pytest.fixture
def alarms(sandbox: Sandbox) -> Any:
    cloudwatch = sandbox.client("cloudwatch")
    for number in range(3):
        cloudwatch.put_metric_alarm(
            AlarmName=f"alarm-{number}",
            AlarmDescription='quiet & "still" <here>',
            Namespace="AWS/Backup",
            MetricName="NumberOfBackupJobsFailed",
            Dimensions=[{"Name": "BackupVaultName", "Value": "vault"}],
            Statistic="Sum",
            Period=300,
            EvaluationPeriods=1,
            Threshold=0.0,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
            AlarmActions=[f"arn:aws:sns:us-west-1:{ACCOUNT}:topic"],
        )
    return cloudwatch


def test_alarms_have_all_members_in_the_query_protocol(sandbox: Sandbox, alarms: Any) -> None:
    in_json = alarms.describe_alarms(AlarmNames=["alarm-1"])["MetricAlarms"]

    in_xml = by_form(sandbox, "DescribeAlarms", **{"AlarmNames.member.1": "alarm-1"})

    assert in_xml["MetricAlarms"] == in_json
    assert len(in_json[0]) > 15


@pytest.mark.usefixtures("alarms")
def test_alarms_come_in_pages_in_the_query_protocol(sandbox: Sandbox) -> None:
    first = by_form(sandbox, "DescribeAlarms", MaxRecords="2")
    second = by_form(sandbox, "DescribeAlarms", MaxRecords="2", NextToken=first["NextToken"])

    names = [each["AlarmName"] for page in (first, second) for each in page["MetricAlarms"]]
    assert names == ["alarm-0", "alarm-1", "alarm-2"]
    assert "NextToken" not in second


def test_recovery_points_have_the_tags_of_their_resource_and_name_their_key(
    sandbox: Sandbox,
) -> None:
    table, file_system = make_table(sandbox), make_file_system(sandbox)["FileSystemArn"]
    backup, iam = sandbox.client("backup"), sandbox.client("iam")
    backup.create_backup_vault(BackupVaultName="vault", BackupVaultTags={"for": "tests"})
    backup.update_region_settings(
        ResourceTypeOptInPreference={"DynamoDB": True},
        ResourceTypeManagementPreference={"DynamoDB": True},
    )
    iam.create_role(RoleName="role", AssumeRolePolicyDocument=_TRUST)
    iam.attach_role_policy(
        RoleName="role",
        PolicyArn="arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup",
    )
    for arn in (table, file_system):
        backup.start_backup_job(
            BackupVaultName="vault",
            ResourceArn=arn,
            IamRoleArn=f"arn:aws:iam::{ACCOUNT}:role/role",
            RecoveryPointTags={"night": "1"},
        )
    sandbox.advance(hours=1)

    key = backup.describe_backup_vault(BackupVaultName="vault")["EncryptionKeyArn"]
    points = []
    for arn, name in ((table, "a-table"), (file_system, "some-files")):
        (point,) = backup.list_recovery_points_by_resource(ResourceArn=arn)["RecoveryPoints"]
        assert point["EncryptionKeyArn"] == key
        tags = backup.list_tags(ResourceArn=point["RecoveryPointArn"])["Tags"]
        assert (tags["night"], tags["Name"]) == ("1", name)
        points.append(point["RecoveryPointArn"])

    listed = sandbox.client("resourcegroupstaggingapi").get_resources(
        ResourceTypeFilters=["backup"]
    )["ResourceTagMappingList"]
    found = {each["ResourceARN"]: {t["Key"]: t["Value"] for t in each["Tags"]} for each in listed}
    assert found[f"arn:aws:backup:us-west-1:{ACCOUNT}:backup-vault:vault"] == {"for": "tests"}
    assert set(points) < set(found)


_TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":'
    '{"Service":"backup.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
)


def test_jobs_of_all_message_categories_are_listed(sandbox: Sandbox) -> None:
    backup = sandbox.client("backup")
    backup.create_backup_vault(BackupVaultName="vault")
    backup.start_backup_job(
        BackupVaultName="vault",
        ResourceArn=f"arn:aws:dynamodb:us-west-1:{ACCOUNT}:table/none",
        IamRoleArn=f"arn:aws:iam::{ACCOUNT}:role/none",
    )
    sandbox.advance(minutes=1)

    def listed(category: str) -> int:
        return len(backup.list_backup_jobs(ByMessageCategory=category)["BackupJobs"])

    assert {category: listed(category) for category in ("AGGREGATE_ALL", "*", "SUCCESS")} == {
        "AGGREGATE_ALL": 1,
        "*": 1,
        "SUCCESS": 0,
    }


def test_an_answer_has_one_request_id(sandbox: Sandbox) -> None:
    request = urllib.request.Request(
        f"{sandbox.endpoint}/backup-vaults/",
        headers={"Authorization": _SIGNED.replace("monitoring", "backup")},
    )
    with urllib.request.urlopen(request) as answer:
        headers: HTTPMessage = answer.headers
    identities = headers.get_all("x-amzn-requestid")

    (event,) = sandbox.trail("ListBackupVaults")
    assert identities == [event["requestID"]]


def test_a_topic_keeps_its_key_in_cloudformation(sandbox: Sandbox) -> None:
    def template(**properties: str) -> dict[str, Any]:
        properties = {"TopicName": "topic", **properties}
        return {"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": properties}}}

    stack = Stack(sandbox.client("cloudformation"))
    change = stack.create
    arn = f"arn:aws:sns:us-west-1:{ACCOUNT}:topic"
    for properties in (
        {"KmsMasterKeyId": "alias/aws/sns"},
        {"KmsMasterKeyId": "alias/aws/sns", "DisplayName": "Topic"},
        {"DisplayName": "Topic"},
    ):
        assert change(template(**properties)).endswith("_COMPLETE")
        change = stack.update
        attributes = sandbox.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
        assert attributes.get("KmsMasterKeyId") == properties.get("KmsMasterKeyId")
