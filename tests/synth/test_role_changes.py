"""Changes of the role: heard in the region of IAM's events, told in one of ours (S27)."""

from __future__ import annotations

from pathlib import Path

import pytest
from aws_cdk import App

from cabal_backup.infrastructure.checks import add_checks
from cabal_backup.infrastructure.stage import BackupStage
from tests.builders import CORE, an_environment
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import FLAGS, Json, Stack, Synthesized
from tests.synth.test_alerts import RULE, notify
from tests.synth.test_checks import PACKS, reports_in

CHANGES: Json = {
    "source": ["aws.iam"],
    "detail-type": ["AWS API Call via CloudTrail"],
    "detail": {
        "eventSource": ["iam.amazonaws.com"],
        "eventName": [
            "UpdateAssumeRolePolicy",
            "AttachRolePolicy",
            "DetachRolePolicy",
            "PutRolePolicy",
            "DeleteRolePolicy",
            "PutRolePermissionsBoundary",
            "DeleteRolePermissionsBoundary",
            "UpdateRole",
            "DeleteRole",
        ],
        "$or": [
            {"requestParameters": {"roleName": ["cabal-backup-role"]}},
            {"errorMessage": [{"wildcard": "*role cabal-backup-role *"}]},
        ],
    },
}


def watched(synthesized: Synthesize, region: str, dr_region: str) -> Synthesized:
    settings = {"alerts": True, "alert_on_tampering": False, "alert_on_role_changes": True}
    return synthesized(
        an_environment(**{**CORE, **settings, "region": region, "dr_region": dr_region})
    )


def on_role(stack: Stack) -> list[Json]:
    return [
        rule["Properties"]
        for rule in stack.all(RULE).values()
        if rule["Properties"].get("EventPattern", {}).get("source") == ["aws.iam"]
    ]


def test_it_is_off_by_default(whole: Synthesized) -> None:
    assert whole.role_changes is None
    assert not on_role(whole.primary)
    assert not on_role(whole.dr)


@pytest.mark.parametrize(
    ("region", "dr_region"), [("us-west-1", "us-west-2"), ("eu-west-1", "eu-central-1")]
)
def test_a_third_stack_passes_them_on(synthesized: Synthesize, region: str, dr_region: str) -> None:
    stage = watched(synthesized, region, dr_region)
    third = stage.role_changes
    assert third is not None
    assert third.artifact["displayName"] == "prod/cabal-backup-role-changes"
    assert third.region == "us-east-1"
    (rule,) = on_role(third)
    assert rule["EventPattern"] == CHANGES
    (target,) = rule["Targets"]
    assert third.in_account(target["Arn"]) == (
        f"arn:aws:events:{region}:123456789012:event-bus/default"
    )


def test_its_role_may_put_events_there_and_nothing_else(synthesized: Synthesize) -> None:
    third = watched(synthesized, "us-west-1", "us-west-2").role_changes
    assert third is not None
    assert third.types == {
        "AWS::Events::Rule": 1,
        "AWS::IAM::Role": 1,
        "AWS::IAM::ManagedPolicy": 1,
    }
    role = third.id_of("AWS::IAM::Role")
    (rule,) = on_role(third)
    assert rule["Targets"][0]["RoleArn"] == {"Fn::GetAtt": [role, "Arn"]}
    policy = third.only("AWS::IAM::ManagedPolicy")["Properties"]
    assert policy["Roles"] == [{"Ref": role}]
    assert third.in_account(policy["PolicyDocument"]["Statement"]) == [
        {
            "Effect": "Allow",
            "Action": "events:PutEvents",
            "Resource": "arn:aws:events:us-west-1:123456789012:event-bus/default",
        }
    ]
    assert "AWS::IAM::ManagedPolicy" in {
        third.json["Resources"][need]["Type"] for need in third.needs(third.id_of(RULE))
    }


def test_the_primary_region_tells_what_is_passed_on(synthesized: Synthesize) -> None:
    stage = watched(synthesized, "us-west-1", "us-west-2")
    (rule,) = on_role(stage.primary)
    assert rule["EventPattern"] == CHANGES
    assert rule["Targets"][0]["Arn"] == {"Fn::GetAtt": [notify(stage.primary), "Arn"]}
    assert not on_role(stage.dr)


def test_the_third_stack_comes_last_and_is_protected_too(synthesized: Synthesize) -> None:
    stage = watched(synthesized, "us-west-1", "us-west-2")
    assert stage.role_changes is not None
    assert stage.primary.artifact_id in stage.role_changes.artifact["dependencies"]
    assert stage.role_changes.artifact["properties"]["terminationProtection"] is True


@pytest.mark.parametrize(
    ("region", "dr_region", "teller"),
    [
        ("us-east-1", "us-west-2", "primary"),
        ("us-west-2", "us-east-1", "dr"),
        ("cn-north-1", "cn-northwest-1", "primary"),
        ("us-gov-east-1", "us-gov-west-1", "dr"),
    ],
)
def test_where_one_of_the_two_regions_hears_them_no_third_stack_is_needed(
    synthesized: Synthesize, region: str, dr_region: str, teller: str
) -> None:
    stage = watched(synthesized, region, dr_region)
    assert stage.role_changes is None
    rules = {"primary": on_role(stage.primary), "dr": on_role(stage.dr)}
    (rule,) = rules.pop(teller)
    assert rule["EventPattern"] == CHANGES
    assert list(rules.values()) == [[]]


def test_no_rule_pack_finds_anything(tmp_path: Path) -> None:
    app = App(outdir=str(tmp_path), context=dict(FLAGS))
    settings = {**CORE, "alerts": True, "alert_on_role_changes": True}
    BackupStage(app, environment=an_environment(**settings))
    add_checks(app)

    app.synth()

    assert len(list((tmp_path / "assembly-prod").glob("*.template.json"))) == 3
    reports = reports_in(tmp_path)
    assert reports.keys() >= PACKS
    assert {report["conclusion"] for report in reports.values()} == {"success"}
