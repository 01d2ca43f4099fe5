"""The topic of each region, the function that speaks, and the rules that lead to it (S27)."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cdk import App
from aws_cdk import Stack as CdkStack

from cabal_backup.infrastructure.alerts import Alerts
from tests.builders import CORE, an_environment
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import Json, Stack, Synthesized

TOPIC, RULE, FUNCTION = "AWS::SNS::Topic", "AWS::Events::Rule", "AWS::Lambda::Function"
SUBSCRIPTION = "AWS::SNS::Subscription"
ENDED_BADLY = ["FAILED", "ABORTED", "EXPIRED", "PARTIAL"]
ALERTS = {**CORE, "alerts": True, "alert_on_silence": False, "alert_on_tampering": False}


@pytest.fixture
def told(synthesized: Synthesize) -> Synthesized:
    """Nothing but alerts about jobs, and nobody subscribed."""
    return synthesized(an_environment(**ALERTS))


@pytest.fixture(params=["primary", "dr"])
def stack(request: pytest.FixtureRequest, told: Synthesized) -> Stack:
    """Each of the two stacks."""
    found: Stack = getattr(told, request.param)
    return found


def notify(stack: Stack) -> str:
    """The logical id of the function that speaks."""
    (found,) = (
        name
        for name, function in stack.all(FUNCTION).items()
        if function["Properties"]["Handler"] == "notify.handler"
    )
    return found


def patterns(stack: Stack) -> dict[str, Json]:
    """The patterns of all rules in an account, by the detail-type they wait for."""
    return {
        pattern["detail-type"][0]: pattern
        for rule in stack.all(RULE).values()
        if "EventPattern" in rule["Properties"]  # not on a schedule
        for pattern in [stack.in_account(rule["Properties"]["EventPattern"])]
    }


def test_off_there_is_nothing_of_it(prod: Synthesized) -> None:
    for stack in prod.stacks:
        assert not stack.all(TOPIC)
        assert not stack.all(RULE)
        assert not stack.all("AWS::CloudWatch::Alarm")


def test_off_everything_that_hangs_on_it_is_off(synthesized: Synthesize, prod: Synthesized) -> None:
    """Whom to tell and about what says nothing when nobody is told."""
    stage = synthesized(an_environment(**CORE, alert_on_role_changes=True))
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


def test_the_topic_takes_nothing_in_the_clear(stack: Stack) -> None:
    policy = stack.only("AWS::SNS::TopicPolicy")["Properties"]
    topic = {"Ref": stack.id_of(TOPIC)}
    assert policy["Topics"] == [topic]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Principal"] == "*"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == topic


@pytest.mark.parametrize(
    ("setting", "values", "protocol"),
    [
        ("alert_emails", ["operator@example.com", "second@example.com"], "email"),
        ("alert_urls", ["https://example.com/alerts", "https://example.com/pager"], "https"),
    ],
)
def test_subscriptions_are_made_in_both_regions(
    synthesized: Synthesize, setting: str, values: list[str], protocol: str
) -> None:
    stage = synthesized(an_environment(**{**ALERTS, setting: values}))
    for stack in stage.stacks:
        made = [each["Properties"] for each in stack.all(SUBSCRIPTION).values()]
        topic = {"Ref": stack.id_of(TOPIC)}
        assert made == [
            {"Endpoint": value, "Protocol": protocol, "TopicArn": topic} for value in values
        ]


def test_jobs_that_did_not_succeed_are_told(told: Synthesized) -> None:
    """By the vault of the region: each event is told in one region only."""
    for stack, vault in ((told.primary, "cabal-backup"), (told.dr, "cabal-backup-dr")):
        arn = f"arn:aws:backup:{stack.region}:123456789012:backup-vault:{vault}"
        here = [{"backupVaultName": [vault]}, {"backupVaultArn": [arn]}]
        assert patterns(stack) == {
            "Backup Job State Change": {
                "source": ["aws.backup"],
                "detail-type": ["Backup Job State Change"],
                "detail": {"state": ENDED_BADLY, "$or": here},
            },
            "Copy Job State Change": {
                "source": ["aws.backup"],
                "detail-type": ["Copy Job State Change"],
                "detail": {"state": ENDED_BADLY, "sourceBackupVaultArn": [arn]},
            },
            "Restore Job State Change": {
                "source": ["aws.backup"],
                "detail-type": ["Restore Job State Change"],
                "detail": {"status": ENDED_BADLY, "resourceType": ["DynamoDB", "EFS"]},
            },
            "Recovery Point State Change": {
                "source": ["aws.backup"],
                "detail-type": ["Recovery Point State Change"],
                "detail": {"status": ["PARTIAL", "EXPIRED"], "$or": here},
            },
        }


def test_restore_tests_found_wrong_are_told_where_there_are_any(
    synthesized: Synthesize, told: Synthesized
) -> None:
    stage = synthesized(an_environment(**{**ALERTS, "restore_testing": True}))
    assert patterns(stage.primary)["Restore Test Validated"] == {
        "source": ["cabal-backup"],
        "detail-type": ["Restore Test Validated"],
        "detail": {"verdict": ["FAILED"]},
    }
    assert "Restore Test Validated" not in patterns(stage.dr)
    assert "Restore Test Validated" not in patterns(told.primary)


def test_every_rule_leads_to_the_function_that_speaks_and_nowhere_else(stack: Stack) -> None:
    arn = {"Fn::GetAtt": [notify(stack), "Arn"]}
    for rule in stack.all(RULE).values():
        (target,) = rule["Properties"]["Targets"]
        assert target == {"Id": "Target0", "Arn": arn}
        assert rule["Properties"]["State"] == "ENABLED"


def test_each_rule_may_call_the_function_and_nobody_else_may(stack: Stack) -> None:
    permissions = [each["Properties"] for each in stack.all("AWS::Lambda::Permission").values()]
    assert {each["SourceArn"]["Fn::GetAtt"][0] for each in permissions} == set(stack.all(RULE))
    for each in permissions:
        assert each["Action"] == "lambda:InvokeFunction"
        assert each["Principal"] == "events.amazonaws.com"
        assert each["FunctionName"] == {"Fn::GetAtt": [notify(stack), "Arn"]}


def test_a_rule_is_made_when_the_function_has_all_it_needs(stack: Stack) -> None:
    for name in stack.all(RULE):
        types = {stack.json["Resources"][need]["Type"] for need in stack.needs(name)}
        assert types >= {FUNCTION, TOPIC, "AWS::IAM::ManagedPolicy", "AWS::IAM::Role"}


def test_what_the_function_cannot_handle_lands_on_the_topic(stack: Stack) -> None:
    properties = stack.json["Resources"][notify(stack)]["Properties"]
    assert properties["DeadLetterConfig"] == {"TargetArn": {"Ref": stack.id_of(TOPIC)}}


def test_the_function_is_made_when_its_role_may_publish(stack: Stack) -> None:
    """Lambda refuses it otherwise."""
    needed = {stack.json["Resources"][need]["Type"] for need in stack.needs(notify(stack))}
    assert "AWS::IAM::ManagedPolicy" in needed


def test_the_function_knows_names_and_lifecycles(synthesized: Synthesize) -> None:
    stage = synthesized(
        an_environment(
            "stage",
            **{**ALERTS, "delete_after_days": 200, "dr_cold_after_days": "never"},
        )
    )
    for stack in stage.stacks:
        variables = stack.json["Resources"][notify(stack)]["Properties"]["Environment"]
        assert variables["Variables"] == {
            "TOPIC_ARN": {"Ref": stack.id_of(TOPIC)},
            "ENVIRONMENT": "stage",
            "PRIMARY_REGION": "us-west-1",
            "DR_REGION": "us-west-2",
            "VAULT": "cabal-backup",
            "DR_VAULT": "cabal-backup-dr",
            "LIFECYCLE": "MoveToColdStorageAfterDays=30,DeleteAfterDays=200",
            "COPY_LIFECYCLE": "DeleteAfterDays=365",
        }


def test_the_function_may_publish_and_look_at_jobs_and_write_its_log(stack: Stack) -> None:
    role = stack.json["Resources"][notify(stack)]["Properties"]["Role"]["Fn::GetAtt"][0]
    (policy,) = (
        each["Properties"]
        for each in stack.all("AWS::IAM::ManagedPolicy").values()
        if each["Properties"]["Roles"] == [{"Ref": role}]
    )
    allowed: list[Any] = [
        (statement["Action"], statement["Resource"])
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    assert allowed[1:] == [
        (["backup:ListBackupJobs", "backup:ListCopyJobs"], "*"),
        ("sns:Publish", {"Ref": stack.id_of(TOPIC)}),
    ]
    assert allowed[0][0] == ["logs:CreateLogStream", "logs:PutLogEvents"]


def test_there_are_no_alerts_without_an_environment_that_has_them() -> None:
    scope = CdkStack(App(), "Stack")
    with pytest.raises(ValueError, match="alerts are off in prod"):
        Alerts(scope, "Alerts", environment=an_environment(**CORE), vault_name="cabal-backup")
