"""The topic of each region, the function that speaks, and the rules that lead to it (S27)."""

from __future__ import annotations

import json

import pytest
from aws_cdk import App
from aws_cdk import Stack as CdkStack

from cabal_backup.infrastructure.alert_channel import Alerts
from tests.builders import CORE, an_environment
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import Json, Stack, Synthesized

TOPIC, RULE, FUNCTION = "AWS::SNS::Topic", "AWS::Events::Rule", "AWS::Lambda::Function"
SUBSCRIPTION, QUEUE = "AWS::SNS::Subscription", "AWS::SQS::Queue"
VAULT = "AWS::Backup::BackupVault"
ALERTS = {**CORE, "alerts": True}
EMAILS = ["operator@example.com", "second@example.com"]
URLS = ["https://example.com/alerts", "https://example.com/pager"]
SUBSCRIBED = {**ALERTS, "alert_emails": EMAILS, "alert_urls": URLS}


@pytest.fixture
def alerting(synthesized: Synthesize) -> Synthesized:
    """Nothing but alerts, and no subscription."""
    return synthesized(an_environment(**ALERTS))


@pytest.fixture(params=["primary", "dr"])
def stack(request: pytest.FixtureRequest, alerting: Synthesized) -> Stack:
    """Each of the two stacks."""
    found: Stack = getattr(alerting, request.param)
    return found


def notify(stack: Stack) -> Json:
    """The properties of the function that reports."""
    (found,) = (
        function["Properties"]
        for function in stack.all(FUNCTION).values()
        if function["Properties"]["Handler"] == "cabal_backup.functions.notify.handler"
    )
    return found


def rules(stack: Stack) -> dict[str, Json]:
    """The properties of the rules that match events, by name, as they are in an account."""
    return {
        properties["Name"]: properties
        for rule in stack.all(RULE).values()
        for properties in [stack.in_account(rule["Properties"])]
        if "EventPattern" in properties
    }


def test_off_there_is_nothing_of_it(prod: Synthesized) -> None:
    for stack in prod.stacks:
        assert not stack.all(TOPIC)
        assert not stack.all(RULE)
        assert not stack.all("AWS::CloudWatch::Alarm")


def test_off_everything_that_hangs_on_it_is_off(synthesized: Synthesize, prod: Synthesized) -> None:
    """Without alerts, their other settings have no effect."""
    stage = synthesized(an_environment(**CORE, alert_on_tampering=False))
    assert [s.json for s in stage.stacks] == [s.json for s in prod.stacks]


def test_on_is_the_default(whole: Synthesized) -> None:
    for stack in (whole.primary, whole.dr):
        assert stack.only(TOPIC)["Properties"]["TopicName"] == "cabal-backup-alerts"
        assert not stack.all(SUBSCRIPTION)


def test_each_region_has_an_encrypted_topic(stack: Stack) -> None:
    properties = stack.only(TOPIC)["Properties"]
    assert properties["TopicName"] == "cabal-backup-alerts"
    assert properties["KmsMasterKeyId"] == "alias/aws/sns"
    assert properties["DisplayName"] == "Cabal backup prod"


def test_the_topic_requires_tls(stack: Stack) -> None:
    policy = stack.only("AWS::SNS::TopicPolicy")["Properties"]
    topic = {"Ref": stack.id_of(TOPIC)}
    assert policy["Topics"] == [topic]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Principal"] == "*"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == topic


def test_subscriptions_are_made_in_both_regions(synthesized: Synthesize) -> None:
    stage = synthesized(an_environment("stage", **SUBSCRIBED))
    for stack in stage.stacks:
        made = [each["Properties"] for each in stack.all(SUBSCRIPTION).values()]
        topic = {"Ref": stack.id_of(TOPIC)}
        assert made == [
            *({"Endpoint": each, "Protocol": "email", "TopicArn": topic} for each in EMAILS),
            *({"Endpoint": each, "Protocol": "https", "TopicArn": topic} for each in URLS),
        ]


def test_there_are_five_rules_with_fixed_names(stack: Stack) -> None:
    assert rules(stack).keys() == {
        "cabal-backup-jobs",
        "cabal-backup-changes",
        "cabal-backup-calls",
        "cabal-backup-monitoring",
        "cabal-backup-monitoring-elsewhere",
    }
    for properties in rules(stack).values():
        # The quota of EventBridge for one pattern
        assert len(json.dumps(properties["EventPattern"])) < 2048
        assert "State" not in properties, "it is enabled by default"


def test_without_tampering_only_jobs_are_reported(synthesized: Synthesize) -> None:
    stage = synthesized(an_environment(**{**ALERTS, "alert_on_tampering": False}))
    for stack in stage.stacks:
        assert rules(stack).keys() == {"cabal-backup-jobs"}


def test_every_rule_leads_to_the_queue_or_to_the_other_region(stack: Stack) -> None:
    other = {"us-west-1": "us-west-2", "us-west-2": "us-west-1"}[stack.region]
    (queue,) = (
        name
        for name, each in stack.all(QUEUE).items()
        if each["Properties"]["QueueName"] == "cabal-backup-alerts"
    )
    for name, properties in rules(stack).items():
        (target,) = properties["Targets"]
        if name == "cabal-backup-monitoring-elsewhere":
            assert target["Arn"] == f"arn:aws:events:{other}:123456789012:event-bus/default"
            assert properties["EventPattern"]["region"] == [stack.region]
            role = stack.json["Resources"][target["RoleArn"]["Fn::GetAtt"][0]]["Properties"]
            (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
            assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        else:
            assert target == {"Id": "target", "Arn": {"Fn::GetAtt": [queue, "Arn"]}}


def test_both_queues_are_encrypted_and_require_tls(stack: Stack) -> None:
    queues = {each["Properties"]["QueueName"]: each for each in stack.all(QUEUE).values()}
    assert queues.keys() == {"cabal-backup-alerts", "cabal-backup-alerts-dead-letters"}
    for each in queues.values():
        assert each["Properties"]["SqsManagedSseEnabled"] is True
        assert each["Properties"]["MessageRetentionPeriod"] == 14 * 86_400
    redrive = queues["cabal-backup-alerts"]["Properties"]["RedrivePolicy"]
    assert redrive["maxReceiveCount"] == 6
    policies = [
        each["Properties"]["PolicyDocument"]["Statement"]
        for each in stack.all("AWS::SQS::QueuePolicy").values()
    ]
    for statements in policies:
        deny = statements[0]
        assert (deny["Effect"], deny["Condition"]) == (
            "Deny",
            {"Bool": {"aws:SecureTransport": "false"}},
        )
    (allowed,) = (each for statements in policies for each in statements[1:])
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Action"] == "sqs:SendMessage"
    assert stack.in_account(allowed["Condition"]) == {
        "ArnLike": {
            "aws:SourceArn": f"arn:aws:events:{stack.region}:123456789012:rule/cabal-backup-*"
        }
    }


def test_the_function_reads_the_queue_in_batches_of_a_minute(stack: Stack) -> None:
    source = stack.only("AWS::Lambda::EventSourceMapping")["Properties"]
    assert source["MaximumBatchingWindowInSeconds"] == 60
    assert source["BatchSize"] == 1000
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["ScalingConfig"] == {"MaximumConcurrency": 2}
    types = {
        stack.json["Resources"][need]["Type"]
        for need in stack.needs(stack.id_of("AWS::Lambda::EventSourceMapping"))
    }
    assert types >= {FUNCTION, TOPIC, QUEUE, "AWS::IAM::ManagedPolicy", "AWS::IAM::Role"}


def test_rules_are_created_after_what_a_deployment_changes(alerting: Synthesized) -> None:
    """So that the first deployment reports nothing about itself."""
    for stack, first in ((alerting.primary, "AWS::Backup::BackupPlan"), (alerting.dr, VAULT)):
        for name, rule in stack.all(RULE).items():
            if "EventPattern" not in rule["Properties"]:
                continue
            types = {stack.json["Resources"][need]["Type"] for need in stack.needs(name)}
            assert types >= {first, VAULT, "AWS::Lambda::EventSourceMapping"}


def test_the_function_has_the_names(synthesized: Synthesize) -> None:
    stage = synthesized(an_environment("stage", **SUBSCRIBED))
    for stack in stage.stacks:
        variables = dict(notify(stack)["Environment"]["Variables"])
        assert "QUEUE_URL" in variables
        del variables["QUEUE_URL"]
        assert ("PLAN_ID" in variables) is (stack is stage.primary)
        variables.pop("PLAN_ID", None)
        assert variables == {
            "TOPIC_ARN": {"Ref": stack.id_of(TOPIC)},
            "ENVIRONMENT": "stage",
            "DR_REGION": "us-west-2",
            "TABLES": "cabal-addresses,cabal-counter,cabal-user-preferences,"
            "cabal-user-domain-access,cabal-dmarc-reports",
        }


def test_what_the_function_may_do(stack: Stack) -> None:
    role = notify(stack)["Role"]["Fn::GetAtt"][0]
    (policy,) = (
        each["Properties"]
        for each in stack.all("AWS::IAM::ManagedPolicy").values()
        if each["Properties"]["Roles"] == [{"Ref": role}]
    )
    allowed = [(each["Action"], each["Resource"]) for each in policy["PolicyDocument"]["Statement"]]
    assert [actions for actions, _ in allowed] == [
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        "sns:Publish",
        [
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
        ],
        ["ssm:GetParameter", "ssm:PutParameter"],
        "backup:GetBackupPlan",
        "sqs:SendMessage",
    ]
    assert "*" not in [resource for _, resource in allowed]


def test_an_alarm_that_the_function_cannot_report_comes_again_from_its_queue(stack: Stack) -> None:
    source = stack.only("AWS::Lambda::EventSourceMapping")["Properties"]["EventSourceArn"]
    assert notify(stack)["DeadLetterConfig"] == {"TargetArn": source}


def test_there_are_no_alerts_without_an_environment_that_has_them() -> None:
    scope = CdkStack(App(), "Stack")
    with pytest.raises(ValueError, match="alerts are off in prod"):
        Alerts(scope, "Alerts", environment=an_environment(**CORE))
