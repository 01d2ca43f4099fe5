"""The function that hears of complete nights: when it is there, and what it may do."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cdk import App
from aws_cdk import Stack as CdkStack
from aws_cdk import aws_backup as backup

from cabal_backup.infrastructure.heartbeat import CompleteNights
from tests.builders import CORE, an_environment
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import Json, Stack, Synthesized
from tests.synth.test_sensitivity import changes

PARAMETER = "/cabal-backup/heartbeat"
HERE = "us-west-1:123456789012"
RESOURCES = (
    f"arn:aws:dynamodb:{HERE}:table/cabal-addresses,"
    f"arn:aws:elasticfilesystem:{HERE}:file-system/fs-0123456789abcdef0"
)
DR_VAULT = "arn:aws:backup:us-west-2:123456789012:backup-vault:cabal-backup-dr"


@pytest.fixture
def beating(synthesized: Synthesize) -> Synthesized:
    """An environment with a heartbeat, and nothing else on."""
    return synthesized(an_environment(**CORE, heartbeat_parameter=PARAMETER))


@pytest.fixture
def stack(beating: Synthesized) -> Stack:
    return beating.primary


def function(stack: Stack) -> Json:
    (found,) = (
        resource["Properties"]
        for resource in stack.all("AWS::Lambda::Function").values()
        if resource["Properties"]["Handler"] == "night.handler"
    )
    return found


def statements(stack: Stack) -> Any:
    role = function(stack)["Role"]["Fn::GetAtt"][0]
    (policy,) = (
        each["Properties"]["PolicyDocument"]
        for each in stack.all("AWS::IAM::ManagedPolicy").values()
        if each["Properties"]["Roles"] == [{"Ref": role}]
    )
    _, *rest = stack.in_account(policy["Statement"])
    return rest


def test_it_hears_of_every_copy_from_vault_to_vault(stack: Stack) -> None:
    vault = stack.id_of("AWS::Backup::BackupVault")
    rule = stack.only("AWS::Events::Rule")["Properties"]
    assert stack.in_account(rule["EventPattern"]) == {
        "source": ["aws.backup"],
        "detail-type": ["Copy Job State Change"],
        "detail": {
            "state": ["COMPLETED"],
            "sourceBackupVaultArn": [{"Fn::GetAtt": [vault, "BackupVaultArn"]}],
            "destinationBackupVaultArn": [DR_VAULT],
        },
    }
    types = [
        stack.json["Resources"][name]["Type"]
        for name in stack.needs(stack.id_of("AWS::Events::Rule"))
    ]
    assert "AWS::IAM::ManagedPolicy" in types


def test_it_knows_what_makes_a_night(stack: Stack) -> None:
    properties = function(stack)
    assert stack.in_account(properties["Environment"]["Variables"]) == {
        "VAULT": "cabal-backup",
        "DR_VAULT_ARN": DR_VAULT,
        "RESOURCE_ARNS": RESOURCES,
        "METRIC_NAMESPACE": "CabalBackup",
        "HEARTBEAT_PARAMETER": PARAMETER,
    }
    assert properties["Timeout"] == 300


def test_it_may_read_jobs_and_points_measure_and_get_the_one_parameter(stack: Stack) -> None:
    vault = stack.id_of("AWS::Backup::BackupVault")
    assert statements(stack) == [
        {
            "Effect": "Allow",
            "Action": ["backup:DescribeCopyJob", "backup:ListCopyJobs"],
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Action": "backup:ListRecoveryPointsByBackupVault",
            "Resource": {"Fn::GetAtt": [vault, "BackupVaultArn"]},
        },
        {
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricData",
            "Resource": "*",
            "Condition": {"StringEquals": {"cloudwatch:namespace": "CabalBackup"}},
        },
        {
            "Effect": "Allow",
            "Action": "ssm:GetParameter",
            "Resource": f"arn:aws:ssm:{HERE}:parameter/cabal-backup/heartbeat",
        },
    ]


def test_the_url_is_nowhere_in_the_template(stack: Stack) -> None:
    """Only the parameter's name; the template does not make the parameter either."""
    assert not stack.all("AWS::SSM::Parameter")


def test_a_name_without_a_slash_is_the_parameter_of_that_name(synthesized: Synthesize) -> None:
    stage = synthesized(an_environment(**CORE, heartbeat_parameter="heartbeat"))
    assert statements(stage.primary)[-1]["Resource"] == f"arn:aws:ssm:{HERE}:parameter/heartbeat"


def test_without_a_parameter_the_dashboard_alone_has_it_measure(synthesized: Synthesize) -> None:
    stack = synthesized(an_environment(**{**CORE, "dashboard": True})).primary
    assert "HEARTBEAT_PARAMETER" not in function(stack)["Environment"]["Variables"]
    assert "ssm" not in str(statements(stack))


def test_without_either_it_is_not_there(beating: Synthesized, prod: Synthesized) -> None:
    assert changes(beating.dr, prod.dr) == {}
    changed = changes(beating.primary, prod.primary)
    assert changed
    for path, value in changed.items():
        assert path.startswith("Resources.CompleteNights"), path
        assert value == "gone"


def test_a_plan_with_nothing_in_it_is_refused() -> None:
    stack = CdkStack(App(), "Stack")
    with pytest.raises(ValueError, match="resource_arns is empty"):
        CompleteNights(
            stack,
            "CompleteNights",
            vault=backup.BackupVault(stack, "Vault"),
            dr_vault_arn=DR_VAULT,
            resource_arns=[],
            heartbeat_parameter=None,
        )
