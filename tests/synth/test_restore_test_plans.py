"""Restore testing: what is restored when, and what the function that judges it may do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import CORE, an_environment
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import Json, Stack, Synthesized
from tests.synth.test_sensitivity import ABSENT, changes

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


def test_nothing_is_selected_before_aws_backup_can_use_the_role(stack: Stack) -> None:
    check = stack.id_of("Custom::BackupRoleCheck")
    for selection in stack.all(SELECTION):
        assert check in stack.needs(selection)


def test_the_function_gets_the_restores_of_this_plan_and_runs_every_three_hours(
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
        "RESTORE_TESTING_PLAN_ARNS": {"Fn::GetAtt": [stack.id_of(PLAN), "RestoreTestingPlanArn"]},
        "LIVE_REGION": "us-west-1",
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
        {
            "Effect": "Allow",
            "Action": "dynamodb:BatchGetItem",
            "Resource": live,
        },
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


def test_the_copies_are_tested_in_the_dr_region(tested: Synthesized) -> None:
    """The table monthly, the mailstore quarterly, out of the DR vault and beside no live one."""
    stack = tested.dr
    vault = stack.id_of("AWS::Backup::BackupVault")
    plans = {
        each["Properties"]["RestoreTestingPlanName"]: each["Properties"]
        for each in stack.all(PLAN).values()
    }
    assert {name: each["ScheduleExpression"] for name, each in plans.items()} == {
        "cabal_backup_dr_table": "cron(0 6 15 * ? *)",
        "cabal_backup_dr_mailstore": "cron(0 6 15 1/3 ? *)",
    }
    for each in plans.values():
        selection = each["RecoveryPointSelection"]
        assert selection["IncludeVaults"] == [{"Fn::GetAtt": [vault, "BackupVaultArn"]}]
    live = "us-west-1:123456789012"
    assert {
        each["RestoreTestingSelectionName"]: each["ProtectedResourceArns"]
        for each in stack.in_account(
            [resource["Properties"] for resource in stack.all(SELECTION).values()]
        )
    } == {
        "cabal_backup_dr_table_dynamodb": [f"arn:aws:dynamodb:{live}:table/cabal-addresses"],
        "cabal_backup_dr_mailstore_efs": [
            f"arn:aws:elasticfilesystem:{live}:file-system/fs-0123456789abcdef0"
        ],
    }
    _, properties = function(stack)
    assert properties["Environment"]["Variables"]["LIVE_REGION"] == "us-west-1"


def test_the_role_of_the_dr_tests_restores_and_nothing_else(tested: Synthesized) -> None:
    (role,) = (
        each["Properties"]
        for each in tested.dr.all("AWS::IAM::Role").values()
        if "backup.amazonaws.com" in str(each["Properties"]["AssumeRolePolicyDocument"])
    )
    (policy,) = tested.dr.in_account(role["ManagedPolicyArns"])
    assert policy == ("arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores")
    used = {
        each["Properties"]["IamRoleArn"]["Fn::GetAtt"][0]
        for each in tested.dr.all(SELECTION).values()
    }
    assert {tested.dr.json["Resources"][name]["Properties"]["Description"] for name in used} == {
        "Assumed by AWS Backup to test restores of Cabal's copies."
    }


def test_the_role_check_passes_the_role_to_restore_testing(tested: Synthesized) -> None:
    dr = tested.dr
    statements = [
        statement
        for each in dr.all("AWS::IAM::ManagedPolicy").values()
        for statement in dr.in_account(each["Properties"]["PolicyDocument"]["Statement"])
    ]
    granted = {
        each["Action"]: each for each in statements if str(each["Action"]).startswith("iam:")
    }
    assert granted["iam:PassRole"]["Condition"] == {
        "StringEquals": {
            "iam:PassedToService": ["restore-testing.backup.amazonaws.com", "backup.amazonaws.com"]
        }
    }
    linked = granted["iam:CreateServiceLinkedRole"]
    assert linked["Resource"] == (
        "arn:aws:iam::123456789012:role/aws-service-role/restore-testing.backup.amazonaws.com/"
        "AWSServiceRoleForBackupRestoreTesting"
    )
    assert linked["Condition"] == {
        "StringEquals": {"iam:AWSServiceName": "restore-testing.backup.amazonaws.com"}
    }


def test_without_it_the_stack_is_what_it_was(tested: Synthesized, prod: Synthesized) -> None:
    for before, after in zip(tested.stacks, prod.stacks, strict=True):
        changed = changes(before, after)
        assert changed
        for path, value in changed.items():
            assert path.startswith("Resources.RestoreTest"), path
            assert value == ABSENT


TOLERANCE = (
    "Resources.RestoreTestingHandlerFunction.Properties.Environment.Variables.TOLERANCE_PERCENT"
)
SUNDAYS = "cron(0 3 ? * SUN *)"


@pytest.mark.parametrize(
    ("setting", "value", "primary", "dr"),
    [
        (
            "restore_testing_schedule",
            SUNDAYS,
            {"Resources.RestoreTestingPlan.Properties.ScheduleExpression": SUNDAYS},
            {},
        ),
        (
            "dr_restore_testing_table_schedule",
            SUNDAYS,
            {},
            {"Resources.RestoreTestingTablePlan.Properties.ScheduleExpression": SUNDAYS},
        ),
        (
            "dr_restore_testing_mailstore_schedule",
            SUNDAYS,
            {},
            {"Resources.RestoreTestingFileSystemPlan.Properties.ScheduleExpression": SUNDAYS},
        ),
        ("restore_testing_tolerance_percent", 25, {TOLERANCE: "25"}, {TOLERANCE: "25"}),
    ],
)
def test_each_setting_changes_its_place(
    synthesized: Synthesize,
    tested: Synthesized,
    setting: str,
    value: Any,
    primary: dict[str, str],
    dr: dict[str, str],
) -> None:
    stage = synthesized(an_environment(**{**ON, setting: value}))
    assert changes(tested.primary, stage.primary) == primary
    assert changes(tested.dr, stage.dr) == dr
