"""The opt-in's custom resource in both regions, and what its handler may do (S08)."""

from __future__ import annotations

import pytest

from tests.synth.synthesis import Stack, Synthesized

OPT_IN = "Custom::AdvancedDynamoDBBackup"


@pytest.fixture(params=["primary", "dr"])
def stack(request: pytest.FixtureRequest, prod: Synthesized) -> Stack:
    """Each of the two stacks."""
    found: Stack = getattr(prod, request.param)
    return found


def function_id(stack: Stack) -> str:
    (found,) = (
        name
        for name, each in stack.all("AWS::Lambda::Function").items()
        if each["Properties"]["Handler"] == "cabal_backup.functions.opt_in.handler"
    )
    return found


def test_each_stack_opts_in_through_its_own_function(stack: Stack) -> None:
    properties = stack.only(OPT_IN)["Properties"]
    assert properties["ServiceToken"] == {"Fn::GetAtt": [function_id(stack), "Arn"]}
    assert properties.keys() == {"ServiceToken", "ServiceTimeout"}


def test_a_lost_answer_is_noticed_soon_after_the_handler_must_have_ended(stack: Stack) -> None:
    """CloudFormation would wait an hour."""
    timeout = int(stack.only(OPT_IN)["Properties"]["ServiceTimeout"])
    assert timeout == 960
    assert timeout > stack.json["Resources"][function_id(stack)]["Properties"]["Timeout"] == 900


def test_its_function_has_all_it_needs_before_it_is_called(stack: Stack) -> None:
    """And until after the deletion: CloudFormation deletes in the opposite order."""
    needed = stack.needs(stack.id_of(OPT_IN))
    assert sorted(stack.json["Resources"][name]["Type"] for name in needed) == [
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Role",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
    ]


def test_the_handler_may_read_and_change_the_settings_and_write_its_log(stack: Stack) -> None:
    function = stack.json["Resources"][function_id(stack)]["Properties"]
    log_group = function["LoggingConfig"]["LogGroup"]["Ref"]
    (policy,) = (
        each["Properties"]
        for each in stack.all("AWS::IAM::ManagedPolicy").values()
        if each["Properties"]["Roles"] == [{"Ref": function["Role"]["Fn::GetAtt"][0]}]
    )
    assert policy["PolicyDocument"] == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": {"Fn::GetAtt": [log_group, "Arn"]},
            },
            {
                "Effect": "Allow",
                "Action": ["backup:DescribeRegionSettings", "backup:UpdateRegionSettings"],
                "Resource": "*",
            },
        ],
    }


def test_what_was_read_back_is_an_output(stack: Stack) -> None:
    opt_in = stack.id_of(OPT_IN)
    outputs = {name: output["Value"] for name, output in stack.json["Outputs"].items()}
    assert outputs["DynamoDBServiceOptIn"] == {"Fn::GetAtt": [opt_in, "ServiceAfter"]}
    assert outputs["DynamoDBFullManagement"] == {"Fn::GetAtt": [opt_in, "ManagementAfter"]}
