"""AWS Backup's reports in EventBridge, SNS, Lambda and CloudWatch."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest

from local_aws.client import ACCOUNT, Sandbox
from local_aws.pytest_plugin import START
from local_aws_tests.served.backups import (
    VAULT,
    back_up,
    make_file_system,
    make_function_role,
    make_queue,
    make_role,
    make_vault,
    received,
)

TOPIC = "arn:aws:sns:us-west-1:123456789012:news"


def rule(sandbox: Sandbox, target_arn: str, detail_type: str) -> None:
    events = sandbox.client("events")
    pattern = {"source": ["aws.backup"], "detail-type": [detail_type]}
    events.put_rule(Name="jobs", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="jobs", Targets=[{"Id": "target", "Arn": target_arn}])


def topic_with_queue(sandbox: Sandbox, *publishers: str) -> str:
    """Create a topic that these services may publish to; returns the URL of its queue."""
    sns = sandbox.client("sns")
    sns.create_topic(Name="news")
    if publishers:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": list(publishers)},
            "Action": "sns:Publish",
            "Resource": TOPIC,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sns.set_topic_attributes(TopicArn=TOPIC, AttributeName="Policy", AttributeValue=policy)
    url, arn = make_queue(sandbox, "news", "sns.amazonaws.com")
    sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=arn)
    return url


def run_a_backup(sandbox: Sandbox) -> None:
    make_role(sandbox)
    make_vault(sandbox)
    assert back_up(sandbox, make_file_system(sandbox)["FileSystemArn"])["State"] == "COMPLETED"


def test_job_events_reach_a_queue_in_order(sandbox: Sandbox) -> None:
    url, arn = make_queue(sandbox, "jobs", "events.amazonaws.com")
    rule(sandbox, arn, "Backup Job State Change")

    run_a_backup(sandbox)

    events = received(sandbox, url)
    states = [event["detail"]["state"] for event in events]
    assert states == ["CREATED", "RUNNING", "COMPLETED"]
    assert {event["source"] for event in events} == {"aws.backup"}
    assert {event["account"] for event in events} == {"123456789012"}
    assert events[-1]["time"].startswith("2026-01-01T12:")


def test_a_topic_receives_events_only_if_its_policy_allows_eventbridge(sandbox: Sandbox) -> None:
    url = topic_with_queue(sandbox)
    rule(sandbox, TOPIC, "Backup Job State Change")
    run_a_backup(sandbox)

    assert received(sandbox, url) == []


def test_a_topic_that_allows_eventbridge_receives_events(sandbox: Sandbox) -> None:
    url = topic_with_queue(sandbox, "events.amazonaws.com")
    rule(sandbox, TOPIC, "Backup Job State Change")
    run_a_backup(sandbox)

    states = [json.loads(each["Message"])["detail"]["state"] for each in received(sandbox, url)]
    assert states[-1] == "COMPLETED"


def test_a_function_that_an_event_invokes_can_call_aws_backup(sandbox: Sandbox) -> None:
    source = (
        "import boto3\n"
        "def handler(event, context):\n"
        "    job = event['detail']['backupJobId']\n"
        "    boto3.client('backup').tag_resource(\n"
        "        ResourceArn=event['resources'][0], Tags={'seen': job})\n"
    )
    function = make_function(sandbox, source)
    events = sandbox.client("events")
    pattern = {
        "source": ["aws.backup"],
        "detail-type": ["Backup Job State Change"],
        "detail": {"state": ["COMPLETED"]},
    }
    events.put_rule(Name="done", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="done", Targets=[{"Id": "function", "Arn": function}])
    admit(sandbox, "events.amazonaws.com", "arn:aws:events:us-west-1:123456789012:rule/done")

    run_a_backup(sandbox)

    backup = sandbox.client("backup")
    (point,) = backup.list_recovery_points_by_backup_vault(BackupVaultName=VAULT)["RecoveryPoints"]
    (job,) = backup.list_backup_jobs()["BackupJobs"]
    tags = backup.list_tags(ResourceArn=point["RecoveryPointArn"])["Tags"]
    assert tags["seen"] == job["BackupJobId"]


@pytest.mark.parametrize(("account", "ran"), [(ACCOUNT, True), ("000000000000", False)])
def test_lambda_assumes_the_role_for_the_account_of_the_function(
    sandbox: Sandbox, account: str, ran: bool
) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/permissions-managed-policies.html"""
    make_function(sandbox, "def handler(event, context):\n    return 42\n", account)
    answer = sandbox.client("lambda").invoke(FunctionName="listener")
    said = answer["Payload"].read().decode()
    assert (said == "42") is ran
    assert ("cannot be assumed by Lambda" in said) is not ran


def make_function(sandbox: Sandbox, source: str, account: str = ACCOUNT) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", source)
    made = sandbox.client("lambda").create_function(
        FunctionName="listener",
        Runtime="python3.13",
        Architectures=["arm64"],
        Handler="index.handler",
        Role=make_function_role(sandbox, "listener", account),
        Timeout=30,
        Code={"ZipFile": buffer.getvalue()},
    )
    return str(made["FunctionArn"])


def admit(sandbox: Sandbox, service: str, source_arn: str) -> None:
    """Allow a service to invoke the function `listener` for one source."""
    sandbox.client("lambda").add_permission(
        FunctionName="listener",
        StatementId="caller",
        Action="lambda:InvokeFunction",
        Principal=service,
        SourceArn=source_arn,
    )


def test_a_vault_notifies_its_topic(sandbox: Sandbox) -> None:
    url = topic_with_queue(sandbox, "backup.amazonaws.com")
    make_vault(sandbox)
    backup = sandbox.client("backup")
    backup.put_backup_vault_notifications(
        BackupVaultName=VAULT, SNSTopicArn=TOPIC, BackupVaultEvents=["BACKUP_JOB_COMPLETED"]
    )
    make_role(sandbox)

    back_up(sandbox, make_file_system(sandbox)["FileSystemArn"])

    (message,) = received(sandbox, url)
    assert message["Subject"] == "Notification from AWS Backup"
    assert message["MessageAttributes"]["State"]["Value"] == "COMPLETED"


def test_metrics_count_jobs_in_the_time_of_the_local_aws(sandbox: Sandbox) -> None:
    run_a_backup(sandbox)

    points = metric(sandbox, "NumberOfBackupJobsCompleted")

    assert [point["Sum"] for point in points] == [1.0]
    assert START <= points[0]["Timestamp"] < START + timedelta(hours=2)
    assert metric(sandbox, "NumberOfBackupJobsFailed") == []


def metric(sandbox: Sandbox, name: str) -> list[dict[str, Any]]:
    found = sandbox.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Backup",
        MetricName=name,
        Dimensions=[{"Name": "BackupVaultName", "Value": VAULT}],
        StartTime=START,
        EndTime=START + timedelta(days=1),
        Period=3600,
        Statistics=["Sum"],
    )
    points: list[dict[str, Any]] = found["Datapoints"]
    return points


def alarm(sandbox: Sandbox, name: str, metric_name: str, **settings: Any) -> None:
    sandbox.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/Backup",
        MetricName=metric_name,
        Dimensions=[{"Name": "BackupVaultName", "Value": VAULT}],
        Statistic="Sum",
        EvaluationPeriods=1,
        **{"AlarmActions": [TOPIC], **settings},
    )


def state(sandbox: Sandbox, name: str) -> str:
    (found,) = sandbox.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(found["StateValue"])


def test_an_alarm_on_failed_jobs_goes_off_and_ends(sandbox: Sandbox) -> None:
    url = topic_with_queue(sandbox)
    failed: dict[str, Any] = {
        "Period": 3600,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    }
    alarm(sandbox, "failed", "NumberOfBackupJobsFailed", **failed)
    make_role(sandbox)
    make_vault(sandbox)
    sandbox.advance(hours=2)
    quiet = state(sandbox, "failed")
    sandbox.faults.fail_next("backup", message="Something went wrong.")

    back_up(sandbox, make_file_system(sandbox)["FileSystemArn"])
    ringing = state(sandbox, "failed")
    sandbox.advance(hours=3)

    (message,) = received(sandbox, url)
    assert (quiet, ringing, state(sandbox, "failed")) == ("OK", "ALARM", "OK")
    assert json.loads(message["Message"])["NewStateValue"] == "ALARM"


def test_an_alarm_goes_off_if_nothing_succeeded(sandbox: Sandbox) -> None:
    nothing: dict[str, Any] = {
        "Period": 86_400,
        "Threshold": 1.0,
        "ComparisonOperator": "LessThanThreshold",
        "TreatMissingData": "breaching",
    }
    alarm(sandbox, "nothing", "NumberOfBackupJobsCompleted", **nothing)
    run_a_backup(sandbox)
    sandbox.advance(hours=1)
    after_a_backup = state(sandbox, "nothing")
    # The evaluation range is longer than the one period.
    sandbox.advance(hours=25)
    a_day_later = state(sandbox, "nothing")

    sandbox.advance(hours=24)

    assert (after_a_backup, a_day_later, state(sandbox, "nothing")) == ("OK", "OK", "ALARM")


def test_an_alarm_on_a_filled_metric_lacks_no_point(sandbox: Sandbox) -> None:
    stat = {
        "Metric": {
            "Namespace": "AWS/Backup",
            "MetricName": "NumberOfBackupJobsCompleted",
            "Dimensions": [{"Name": "BackupVaultName", "Value": VAULT}],
        },
        "Period": 3600,
        "Stat": "Sum",
    }
    queries: list[dict[str, Any]] = [
        {"Id": "filled", "Expression": "FILL(completed, 0)", "ReturnData": True},
        {"Id": "completed", "MetricStat": stat, "ReturnData": False},
    ]
    sandbox.client("cloudwatch").put_metric_alarm(
        AlarmName="nothing",
        Metrics=queries,
        EvaluationPeriods=3,
        Threshold=1.0,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
    )
    run_a_backup(sandbox)
    sandbox.advance(hours=1)
    after_a_backup = state(sandbox, "nothing")

    sandbox.advance(hours=3)

    assert (after_a_backup, state(sandbox, "nothing")) == ("OK", "ALARM")
    (described,) = sandbox.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert described["Metrics"] == queries
    assert not described.keys() & {"MetricName", "Namespace", "Statistic", "Period"}


def test_a_replaced_topic_policy_denies_alarms(sandbox: Sandbox) -> None:
    url = topic_with_queue(sandbox, "events.amazonaws.com")
    nothing: dict[str, Any] = {
        "Period": 3600,
        "Threshold": 1.0,
        "ComparisonOperator": "LessThanThreshold",
        "TreatMissingData": "breaching",
    }
    alarm(sandbox, "nothing", "NumberOfBackupJobsCompleted", **nothing)

    sandbox.advance(hours=2)

    assert state(sandbox, "nothing") == "ALARM"
    assert received(sandbox, url) == []


def test_a_schedule_runs_in_the_time_of_the_local_aws(sandbox: Sandbox) -> None:
    url, arn = make_queue(sandbox, "jobs", "events.amazonaws.com")
    events = sandbox.client("events")
    events.put_rule(Name="often", ScheduleExpression="rate(3 hours)")
    events.put_targets(Rule="often", Targets=[{"Id": "queue", "Arn": arn}])
    sandbox.advance(hours=2)
    assert received(sandbox, url) == []
    sandbox.advance(hours=5)

    fired = received(sandbox, url)

    assert [event["detail-type"] for event in fired] == ["Scheduled Event"] * 2
    assert [event["time"][:13] for event in fired] == ["2026-01-01T15", "2026-01-01T18"]


def test_events_of_a_function_have_the_time_of_the_local_aws(sandbox: Sandbox) -> None:
    url, arn = make_queue(sandbox, "ours", "events.amazonaws.com")
    events = sandbox.client("events")
    events.put_rule(Name="ours", EventPattern=json.dumps({"source": ["ours"]}))
    events.put_targets(Rule="ours", Targets=[{"Id": "queue", "Arn": arn}])

    events.put_events(Entries=[{"Source": "ours", "DetailType": "News", "Detail": "{}"}])
    sandbox.advance(minutes=1)

    (event,) = received(sandbox, url)
    assert event["time"].startswith("2026-01-01T12:")
