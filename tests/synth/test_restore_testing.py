"""Restore testing: what is restored when, and what the function that judges it may do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import CORE, an_environment
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import Json, Stack, Synthesized
from tests.synth.test_sensitivity import changes

PLAN, SELECTION = "AWS::Backup::RestoreTestingPlan", "AWS::Backup::RestoreTestingSelection"
ON = {**CORE, "restore_testing": True}


@pytest.fixture
def tested(synthesized: Synthesize) -> Synthesized:
    """An environment that is protected and tested, and nothing else."""
    return synthesized(an_environment(**ON))


@pytest.fixture
def stack(tested: Synthesized) -> Stack:
    return tested.primary


def function(stack: Stack) -> tuple[str, Json]:
    """The logical id and the properties of the function that judges."""
    ((name, found),) = (
        (name, resource["Properties"])
        for name, resource in stack.all("AWS::Lambda::Function").items()
        if resource["Properties"]["Handler"] == "cabal_backup.functions.validate_restore.handler"
    )
    return name, found


def rules(stack: Stack) -> dict[str, Json]:
    return {
        "schedule" if "ScheduleExpression" in rule["Properties"] else "event": rule["Properties"]
        for rule in stack.all("AWS::Events::Rule").values()
    }


def test_the_newest_recovery_point_of_a_week_is_restored_monthly(stack: Stack) -> None:
    vault = stack.id_of("AWS::Backup::BackupVault")
    properties = dict(stack.only(PLAN)["Properties"])
    tags = {tag["Key"]: tag["Value"] for tag in properties.pop("Tags")}
    assert tags == {"environment": "prod", "managed_by": "cabal_backup"}
    assert properties == {
        "RestoreTestingPlanName": "cabal_backup_restore_testing",
        "ScheduleExpression": "cron(0 6 1 * ? *)",
        "StartWindowHours": 8,
        "RecoveryPointSelection": {
            "Algorithm": "LATEST_WITHIN_WINDOW",
            "IncludeVaults": [{"Fn::GetAtt": [vault, "BackupVaultArn"]}],
            "RecoveryPointTypes": ["SNAPSHOT"],
            "SelectionWindowDays": 7,
        },
    }


def test_the_table_and_the_mailstore_are_tested_and_nothing_else(stack: Stack) -> None:
    selections = [resource["Properties"] for resource in stack.all(SELECTION).values()]
    role = stack.json["Outputs"]["RoleArn"]["Value"]
    here = "us-west-1:123456789012"
    assert stack.in_account(selections) == [
        {
            "RestoreTestingPlanName": {"Ref": stack.id_of(PLAN)},
            "RestoreTestingSelectionName": f"cabal_backup_restore_testing_{name}",
            "ProtectedResourceType": kind,
            "ProtectedResourceArns": [arn],
            "IamRoleArn": role,
            "ValidationWindowHours": 24,
        }
        for name, kind, arn in (
            ("dynamodb", "DynamoDB", f"arn:aws:dynamodb:{here}:table/cabal-addresses"),
            (
                "efs",
                "EFS",
                f"arn:aws:elasticfilesystem:{here}:file-system/fs-0123456789abcdef0",
            ),
        )
    ]


def test_the_function_hears_of_this_plans_restores_and_looks_every_three_hours(
    stack: Stack,
) -> None:
    name, _ = function(stack)
    found = rules(stack)
    assert found["event"]["EventPattern"] == {
        "source": ["aws.backup"],
        "detail-type": ["Restore Job State Change"],
        "detail": {
            "status": ["COMPLETED"],
            "restoreTestingPlanArn": [{"Fn::GetAtt": [stack.id_of(PLAN), "RestoreTestingPlanArn"]}],
        },
    }
    assert found["schedule"]["ScheduleExpression"] == "rate(3 hours)"
    for rule in found.values():
        assert [target["Arn"] for target in rule["Targets"]] == [{"Fn::GetAtt": [name, "Arn"]}]
    assert len(stack.all("AWS::Lambda::Permission")) == 2


def test_the_function_has_its_permissions_before_it_is_called(stack: Stack) -> None:
    for rule in stack.all("AWS::Events::Rule"):
        types = [stack.json["Resources"][name]["Type"] for name in stack.needs(rule)]
        assert "AWS::IAM::ManagedPolicy" in types


def test_the_function_knows_what_to_compare_with(stack: Stack) -> None:
    _, properties = function(stack)
    assert properties["Environment"]["Variables"] == {
        "RESTORE_TESTING_PLAN_ARN": {"Fn::GetAtt": [stack.id_of(PLAN), "RestoreTestingPlanArn"]},
        "TABLE": "cabal-addresses",
        "FILE_SYSTEM_ID": "fs-0123456789abcdef0",
        "TOLERANCE_PERCENT": "10",
    }
    assert properties["Timeout"] == 900


def test_the_function_may_read_both_sides_and_give_its_verdict(stack: Stack) -> None:
    _, properties = function(stack)
    role = properties["Role"]["Fn::GetAtt"][0]
    (policy,) = (
        each["Properties"]["PolicyDocument"]
        for each in stack.all("AWS::IAM::ManagedPolicy").values()
        if each["Properties"]["Roles"] == [{"Ref": role}]
    )
    here = "us-west-1:123456789012"
    live = f"arn:aws:dynamodb:{here}:table/cabal-addresses"
    statements = stack.in_account(policy["Statement"])
    assert "logs:PutLogEvents" in statements.pop(0)["Action"]
    assert statements == [
        {
            "Effect": "Allow",
            "Action": [
                "backup:DescribeRestoreJob",
                "backup:ListRestoreJobs",
                "backup:PutRestoreValidationResult",
            ],
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Action": ["dynamodb:DescribeTable", "dynamodb:Scan"],
            "Resource": [f"arn:aws:dynamodb:{here}:table/awsbackup-restore-test-*", live],
        },
        {"Effect": "Allow", "Action": "dynamodb:BatchGetItem", "Resource": live},
        {
            "Effect": "Allow",
            "Action": "elasticfilesystem:DescribeFileSystems",
            "Resource": f"arn:aws:elasticfilesystem:{here}:file-system/*",
        },
        {
            "Effect": "Allow",
            "Action": "events:PutEvents",
            "Resource": f"arn:aws:events:{here}:event-bus/default",
            "Condition": {"StringEquals": {"events:source": "cabal-backup"}},
        },
    ]


def test_without_it_the_stack_is_what_it_was(tested: Synthesized, prod: Synthesized) -> None:
    """Only this goes, and nothing in the DR region depends on it."""
    assert changes(tested.dr, prod.dr) == {}
    changed = changes(tested.primary, prod.primary)
    assert changed
    for path, value in changed.items():
        assert path.startswith("Resources.RestoreTesting"), path
        assert value == "gone"


@pytest.mark.parametrize(
    ("setting", "value", "path", "shown"),
    [
        (
            "restore_testing_schedule",
            "cron(0 3 ? * SUN *)",
            "Resources.RestoreTestingPlan.Properties.ScheduleExpression",
            "cron(0 3 ? * SUN *)",
        ),
        (
            "restore_testing_tolerance_percent",
            25,
            "Resources.RestoreTestingHandlerFunction.Properties.Environment.Variables."
            "TOLERANCE_PERCENT",
            "25",
        ),
    ],
)
def test_each_setting_changes_its_one_place(
    synthesized: Synthesize, tested: Synthesized, setting: str, value: Any, path: str, shown: str
) -> None:
    stage = synthesized(an_environment(**{**ON, setting: value}))
    assert changes(tested.primary, stage.primary) == {path: shown}
    assert changes(tested.dr, stage.dr) == {}
