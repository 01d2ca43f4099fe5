"""Listeners: functions, their permissions and errors, other event buses, e-mail addresses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_aws.client import Sandbox
from local_aws_tests.served.backups import (
    VAULT,
    back_up,
    make_file_system,
    make_queue,
    make_role,
    make_vault,
    received,
)
from local_aws_tests.served.test_reports import (
    TOPIC,
    admit,
    alarm,
    make_function,
    rule,
    topic_with_queue,
)

CRASHING = "def handler(event, context):\n    raise ValueError('no words for this')\n"
RETELLING = (
    "import boto3, json\n"
    "def handler(event, context):\n"
    f"    boto3.client('sns').publish(TopicArn='{TOPIC}', Subject='called',\n"
    "        Message=json.dumps(event))\n"
)
ME = "arn:aws:iam::123456789012:role/listener"


def listening(sandbox: Sandbox, source: str) -> None:
    """A function is invoked when a backup job ends."""
    function = make_function(sandbox, source)
    rule(sandbox, function, "Backup Job State Change")
    events = sandbox.client("events")
    pattern = {"source": ["aws.backup"], "detail": {"state": ["COMPLETED"]}}
    events.put_rule(Name="jobs", EventPattern=json.dumps(pattern))


def run_a_backup(sandbox: Sandbox) -> None:
    make_role(sandbox)
    make_vault(sandbox)
    back_up(sandbox, make_file_system(sandbox)["FileSystemArn"])


def a_role_that_may(sandbox: Sandbox, action: str, resource: str, service: str) -> None:
    """The role `listener`."""
    iam = sandbox.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="listener", AssumeRolePolicyDocument=document(trust))
    it_may(sandbox, action, resource)


def it_may(sandbox: Sandbox, action: str, resource: str) -> None:
    """A permission of the role `listener`."""
    sandbox.client("iam").put_role_policy(
        RoleName="listener",
        PolicyName="may",
        PolicyDocument=document({"Effect": "Allow", "Action": action, "Resource": resource}),
    )


def document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        ("arn:aws:events:us-west-1:123456789012:rule/jobs", ["called"]),
        ("arn:aws:events:us-west-1:123456789012:rule/another", []),
    ],
)
def test_a_function_is_called_only_where_its_policy_admits_the_rule(
    sandbox: Sandbox, source: str, messages: list[str]
) -> None:
    url = topic_with_queue(sandbox)
    listening(sandbox, RETELLING)
    admit(sandbox, "events.amazonaws.com", source)

    run_a_backup(sandbox)

    assert [message["Subject"] for message in received(sandbox, url)] == messages


@pytest.mark.parametrize("target", [TOPIC, "arn:aws:sqs:us-west-1:123456789012:letters"])
def test_a_failed_event_reaches_the_dead_letter_target_unchanged(
    sandbox: Sandbox, target: str
) -> None:
    url = topic_with_queue(sandbox)
    listening(sandbox, CRASHING)
    it_may(sandbox, "sns:Publish", TOPIC)
    if target != TOPIC:
        url = sandbox.client("sqs").create_queue(QueueName="letters")["QueueUrl"]
        it_may(sandbox, "sqs:SendMessage", target)
    admit(sandbox, "events.amazonaws.com", "arn:aws:events:us-west-1:123456789012:rule/jobs")
    sandbox.client("lambda").update_function_configuration(
        FunctionName="listener", DeadLetterConfig={"TargetArn": target}
    )

    run_a_backup(sandbox)

    (message,) = received(sandbox, url)
    event = json.loads(message["Message"]) if target == TOPIC else message
    assert event["detail"]["state"] == "COMPLETED"
    if target == TOPIC:
        assert message["MessageAttributes"]["ErrorMessage"]["Value"] == "no words for this"


def test_a_dead_letter_is_lost_when_the_role_may_not_publish_it(sandbox: Sandbox) -> None:
    url = topic_with_queue(sandbox)
    listening(sandbox, CRASHING)
    it_may(sandbox, "sns:Publish", f"{TOPIC}-2")
    admit(sandbox, "events.amazonaws.com", "arn:aws:events:us-west-1:123456789012:rule/jobs")
    sandbox.client("lambda").update_function_configuration(
        FunctionName="listener", DeadLetterConfig={"TargetArn": TOPIC}
    )

    run_a_backup(sandbox)

    assert received(sandbox, url) == []


def test_an_alarm_calls_a_function_that_admits_it(sandbox: Sandbox) -> None:
    url = topic_with_queue(sandbox)
    function = make_function(sandbox, RETELLING)
    name = "arn:aws:cloudwatch:us-west-1:123456789012:alarm:nothing"
    admit(sandbox, "lambda.alarms.cloudwatch.amazonaws.com", name)
    alarm(
        sandbox,
        "nothing",
        "NumberOfBackupJobsCompleted",
        Period=3600,
        Threshold=1.0,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
        AlarmActions=[function],
        OKActions=[function],
    )

    sandbox.advance(hours=2)
    run_a_backup(sandbox)

    messages = [json.loads(message["Message"]) for message in received(sandbox, url)]
    assert [event["alarmData"]["state"]["value"] for event in messages] == ["ALARM", "OK"]
    assert messages[0]["alarmArn"] == name
    metric = messages[0]["alarmData"]["configuration"]["metrics"][0]["metricStat"]["metric"]
    assert metric == {
        "namespace": "AWS/Backup",
        "name": "NumberOfBackupJobsCompleted",
        "dimensions": {"BackupVaultName": VAULT},
    }


def test_an_alarm_calls_no_function_that_does_not_admit_it(sandbox: Sandbox) -> None:
    url = topic_with_queue(sandbox)
    function = make_function(sandbox, RETELLING)
    alarm(
        sandbox,
        "nothing",
        "NumberOfBackupJobsCompleted",
        Period=3600,
        Threshold=1.0,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
        AlarmActions=[function],
    )

    sandbox.advance(hours=2)

    assert received(sandbox, url) == []


@pytest.mark.parametrize(
    ("trusted", "bus", "arrives"),
    [
        ("events.amazonaws.com", "default", True),
        ("lambda.amazonaws.com", "default", False),
        ("events.amazonaws.com", "another", False),
    ],
)
def test_an_event_crosses_regions_with_a_permitted_role(
    sandbox: Sandbox, trusted: str, bus: str, arrives: bool
) -> None:
    there = "arn:aws:events:us-west-2:123456789012:event-bus/"
    a_role_that_may(sandbox, "events:PutEvents", there + bus, trusted)
    rule_of_jobs = {"source": ["aws.backup"], "detail-type": ["Backup Job State Change"]}
    sandbox.client("events").put_rule(Name="jobs", EventPattern=json.dumps(rule_of_jobs))
    sandbox.client("events").put_targets(
        Rule="jobs", Targets=[{"Id": "target", "Arn": there + "default", "RoleArn": ME}]
    )
    url, arn = make_queue(sandbox, "there", "events.amazonaws.com", region="us-west-2")
    events = sandbox.client("events", "us-west-2")
    events.put_rule(Name="passed-on", EventPattern=json.dumps({"source": ["aws.backup"]}))
    events.put_targets(Rule="passed-on", Targets=[{"Id": "queue", "Arn": arn}])

    run_a_backup(sandbox)

    heard = received(sandbox, url, "us-west-2")
    assert [event["detail"]["state"] for event in heard] == (
        ["CREATED", "RUNNING", "COMPLETED"] if arrives else []
    )
    assert {event["region"] for event in heard} <= {"us-west-1"}


def test_an_email_address_waits_for_its_confirmation(sandbox: Sandbox) -> None:
    sns = sandbox.client("sns")
    sns.create_topic(Name="news")
    sns.subscribe(TopicArn=TOPIC, Protocol="email", Endpoint="operator@example.com")
    sns.publish(TopicArn=TOPIC, Message="before")
    (pending,) = sns.list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]
    (asked,) = sandbox.emails()

    sns.confirm_subscription(TopicArn=TOPIC, Token=asked["token"])
    sns.publish(TopicArn=TOPIC, Subject="News", Message="after")

    (confirmed,) = sns.list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]
    assert pending["SubscriptionArn"] == "PendingConfirmation"
    assert confirmed["SubscriptionArn"].startswith(f"{TOPIC}:")
    assert [mail["body"] for mail in sandbox.emails()][1:] == ["after"]
    assert sandbox.emails()[1]["to"] == "operator@example.com"
    assert sandbox.emails()[1]["subject"] == "News"
