"""Faults in AWS Backup and in other services."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws.client import Sandbox, SandboxFailed
from local_aws_tests.served.backups import (
    back_up,
    make_file_system,
    make_role,
    make_table,
    make_vault,
)


def impatient(sandbox: Sandbox, service: str, region: str = "us-west-1") -> Any:
    """A client that does not retry."""
    session: Any = boto3.session.Session()
    return session.client(
        service,
        region_name=region,
        endpoint_url=sandbox.endpoint,
        aws_access_key_id="123456789012",
        aws_secret_access_key="sandbox",
        config=Config(retries={"total_max_attempts": 1}),
    )


def writes(count: int) -> dict[str, Any]:
    puts = [{"PutRequest": {"Item": {"id": {"S": str(n)}}}} for n in range(count)]
    return {"a-table": puts}


@pytest.mark.parametrize("service", ["backup", "dynamodb", "efs", "sts", "cloudformation"])
def test_in_a_lost_region_no_service_answers(sandbox: Sandbox, service: str) -> None:
    call = {
        "backup": "list_backup_vaults",
        "dynamodb": "list_tables",
        "efs": "describe_file_systems",
        "sts": "get_caller_identity",
        "cloudformation": "list_stacks",
    }[service]
    sandbox.faults.lose_regions("us-west-1")

    with pytest.raises(ClientError) as lost:
        getattr(impatient(sandbox, service), call)()
    elsewhere = getattr(impatient(sandbox, service, "us-west-2"), call)()
    sandbox.faults.lose_regions()
    afterwards = getattr(impatient(sandbox, service), call)()

    assert lost.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert elsewhere["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert afterwards["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_the_next_job_fails_and_the_one_after_does_not(sandbox: Sandbox) -> None:
    make_role(sandbox)
    make_vault(sandbox)
    arn = make_file_system(sandbox)["FileSystemArn"]
    sandbox.faults.fail_next("backup", message="The dog ate it.")

    first, second = back_up(sandbox, arn), back_up(sandbox, arn)

    assert (first["State"], first["StatusMessage"]) == ("FAILED", "The dog ate it.")
    assert second["State"] == "COMPLETED"


def test_a_third_of_the_writes_is_throttled(sandbox: Sandbox) -> None:
    make_table(sandbox)
    dynamodb = impatient(sandbox, "dynamodb")
    sandbox.faults.services(
        {
            "service": "dynamodb",
            "operation": "PutItem",
            "fraction": 1 / 3,
            "error": "ProvisionedThroughputExceededException",
        }
    )

    refused = []
    for number in range(9):
        try:
            dynamodb.put_item(TableName="a-table", Item={"id": {"S": str(number)}})
        except dynamodb.exceptions.ProvisionedThroughputExceededException:
            refused.append(number)

    assert refused == [2, 5, 8]
    assert dynamodb.scan(TableName="a-table")["Count"] == 6


def test_batches_can_be_partly_unprocessed(sandbox: Sandbox) -> None:
    make_table(sandbox)
    dynamodb = impatient(sandbox, "dynamodb")
    sandbox.faults.services(
        {
            "service": "dynamodb",
            "operation": "BatchWriteItem",
            "fraction": 0.5,
            "unprocessed": True,
        }
    )

    left = dynamodb.batch_write_item(RequestItems=writes(4))["UnprocessedItems"]

    assert [each["PutRequest"]["Item"]["id"]["S"] for each in left["a-table"]] == ["1", "3"]
    assert dynamodb.scan(TableName="a-table")["Count"] == 2


def test_a_rule_can_have_a_limit(sandbox: Sandbox) -> None:
    sandbox.faults.services({"service": "sts", "times": 1, "error": "Throttling"})
    sts = impatient(sandbox, "sts")

    with pytest.raises(ClientError, match="Throttling"):
        sts.get_caller_identity()

    assert sts.get_caller_identity()["Account"] == "123456789012"


def test_cleared_faults_have_no_effect(sandbox: Sandbox) -> None:
    sandbox.faults.deny("ListBackupVaults")
    sandbox.faults.services({"service": "sts"})
    with pytest.raises(ClientError, match="AccessDeniedException"):
        sandbox.client("backup").list_backup_vaults()

    sandbox.faults.clear()

    assert sandbox.client("backup").list_backup_vaults()["BackupVaultList"] == []
    assert sandbox.faults.describe()["services"] == []


@pytest.mark.parametrize(
    "faults",
    [{"nonsense": 1}, {"services": [{"service": "nonsense"}]}, {"throttle": {"fraction": 2}}],
)
def test_an_invalid_fault_is_refused(sandbox: Sandbox, faults: dict[str, Any]) -> None:
    with pytest.raises(SandboxFailed):
        sandbox.faults.apply(**faults)
