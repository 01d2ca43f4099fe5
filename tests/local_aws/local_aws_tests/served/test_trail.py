"""CloudTrail: the calls of AWS Backup by AWS's names, found with LookupEvents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.client import Sandbox
from local_aws_tests.served.backups import VAULT, make_queue, make_role, make_vault, received


def found(sandbox: Sandbox, key: str, value: str) -> list[str]:
    """The names of the events with this attribute, newest first."""
    pages = (
        sandbox.client("cloudtrail")
        .get_paginator("lookup_events")
        .paginate(LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}])
    )
    return [event["EventName"] for page in pages for event in page["Events"]]


def lock_and_unlock(sandbox: Sandbox) -> None:
    backup = sandbox.client("backup")
    make_vault(sandbox)
    backup.put_backup_vault_lock_configuration(BackupVaultName=VAULT, MinRetentionDays=30)
    backup.delete_backup_vault_lock_configuration(BackupVaultName=VAULT)
    backup.describe_backup_vault(BackupVaultName=VAULT)


def test_the_removal_of_a_lock_is_recorded(sandbox: Sandbox) -> None:
    lock_and_unlock(sandbox)

    (record,) = sandbox.trail("DeleteBackupVaultLockConfiguration")

    assert record["eventSource"] == "backup.amazonaws.com"
    assert record["requestParameters"] == {"backupVaultName": VAULT}
    assert record["userIdentity"]["arn"] == "arn:aws:iam::123456789012:root"
    assert record["awsRegion"] == "us-west-1"
    assert record["readOnly"] is False
    assert record["eventTime"].startswith("2026-01-01T12:")
    assert record["userAgent"].startswith("Boto3/")


@pytest.mark.parametrize(
    ("key", "value", "names"),
    [
        (
            "EventSource",
            "backup.amazonaws.com",
            [
                "DescribeBackupVault",
                "DeleteBackupVaultLockConfiguration",
                "PutBackupVaultLockConfiguration",
                "CreateBackupVault",
            ],
        ),
        (
            "ResourceName",
            VAULT,
            [
                "DescribeBackupVault",
                "DeleteBackupVaultLockConfiguration",
                "PutBackupVaultLockConfiguration",
                "CreateBackupVault",
            ],
        ),
        ("EventName", "CreateBackupVault", ["CreateBackupVault"]),
        ("ReadOnly", "true", ["DescribeBackupVault"]),
        ("EventName", "GET.backup", []),
    ],
)
def test_events_can_be_found_by_attributes(
    sandbox: Sandbox, key: str, value: str, names: list[str]
) -> None:
    lock_and_unlock(sandbox)

    assert found(sandbox, key, value) == names


def test_a_refused_call_is_recorded_with_its_error(sandbox: Sandbox) -> None:
    backup = sandbox.client("backup")
    with pytest.raises(ClientError):
        backup.delete_backup_vault(BackupVaultName="no-such-vault")

    (record,) = sandbox.trail("DeleteBackupVault")

    assert record["errorCode"] == "ResourceNotFoundException"
    assert record["responseElements"] is None


def test_each_region_has_its_own_trail(sandbox: Sandbox) -> None:
    make_vault(sandbox)

    assert len(sandbox.trail("CreateBackupVault")) == 1
    assert sandbox.trail("CreateBackupVault", region="us-west-2") == []


def test_pages_contain_everything_once(sandbox: Sandbox) -> None:
    backup = sandbox.client("backup")
    for _ in range(120):
        backup.list_backup_vaults()

    assert len(sandbox.trail("ListBackupVaults")) == 120


def test_events_are_kept_for_ninety_days(sandbox: Sandbox) -> None:
    make_vault(sandbox)

    sandbox.advance(days=89)
    assert len(sandbox.trail("CreateBackupVault")) == 1
    sandbox.advance(days=2)
    assert sandbox.trail("CreateBackupVault") == []


def test_calls_of_other_services_have_their_names_too(sandbox: Sandbox) -> None:
    sandbox.client("iam").list_roles()
    sandbox.client("efs").create_file_system(CreationToken="one")

    assert len(sandbox.trail("ListRoles", region="us-east-1")) == 1
    assert len(sandbox.trail("CreateFileSystem")) == 1


def test_a_late_event_is_matched_against_the_rules_of_its_arrival(sandbox: Sandbox) -> None:
    queue_url = listen_to_api_calls(sandbox)
    sandbox.client("cloudtrail").create_trail(Name="a-trail", S3BucketName="a-bucket")
    sandbox.client("cloudtrail").start_logging(Name="a-trail")
    sandbox.advance(seconds=1)
    received(sandbox, queue_url)
    sandbox.settings(trail_event_delay=300)
    events = sandbox.client("events")
    make_vault(sandbox, "missed")
    (rule,) = events.list_rules()["Rules"]
    events.disable_rule(Name=rule["Name"])
    sandbox.advance(seconds=299)
    make_vault(sandbox, "heard")
    sandbox.advance(seconds=2)
    events.enable_rule(Name=rule["Name"])
    assert received(sandbox, queue_url) == []

    sandbox.advance(seconds=300)

    (event,) = received(sandbox, queue_url)
    assert event["detail"]["requestParameters"]["backupVaultName"] == "heard"


def test_eventbridge_receives_calls_only_if_a_trail_logs_them(sandbox: Sandbox) -> None:
    queue_url = listen_to_api_calls(sandbox)
    cloudtrail = sandbox.client("cloudtrail")
    make_vault(sandbox, "before")
    cloudtrail.create_trail(Name="a-trail", S3BucketName="a-bucket")
    make_vault(sandbox, "not-yet")
    cloudtrail.start_logging(Name="a-trail")
    make_vault(sandbox, "heard")
    sandbox.client("backup").list_backup_vaults()
    sandbox.checkpoint()

    (event,) = received(sandbox, queue_url)

    assert event["detail-type"] == "AWS API Call via CloudTrail"
    assert event["source"] == "aws.backup"
    assert event["detail"]["requestParameters"]["backupVaultName"] == "heard"


@pytest.mark.parametrize("everywhere", [True, False])
def test_calls_of_iam_are_events_in_one_region_with_a_trail_for_it(
    sandbox: Sandbox, everywhere: bool
) -> None:
    url, arn = make_queue(sandbox, "calls", "events.amazonaws.com", region="us-east-1")
    heard_nowhere_else = listen_to_api_calls(sandbox, "aws.iam")
    events = sandbox.client("events", "us-east-1")
    events.put_rule(Name="calls", EventPattern=json.dumps({"source": ["aws.iam"]}))
    events.put_targets(Rule="calls", Targets=[{"Id": "queue", "Arn": arn}])
    cloudtrail = sandbox.client("cloudtrail")
    cloudtrail.create_trail(Name="a-trail", S3BucketName="a-bucket", IsMultiRegionTrail=everywhere)
    cloudtrail.start_logging(Name="a-trail")

    make_role(sandbox)
    sandbox.checkpoint()

    names = [event["detail"]["eventName"] for event in received(sandbox, url, "us-east-1")]
    assert ("CreateRole" in names) is everywhere
    assert received(sandbox, heard_nowhere_else) == []


def listen_to_api_calls(sandbox: Sandbox, source: str = "aws.backup") -> str:
    url, arn = make_queue(sandbox, "calls", "events.amazonaws.com")
    events = sandbox.client("events")
    pattern: dict[str, Any] = {
        "source": [source],
        "detail-type": ["AWS API Call via CloudTrail"],
    }
    events.put_rule(Name="calls", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="calls", Targets=[{"Id": "queue", "Arn": arn}])
    return url
