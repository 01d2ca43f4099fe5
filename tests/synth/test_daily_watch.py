"""The watch of each region: when it runs, what it may do, its alarm, and what is packaged."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from aws_cdk import App
from aws_cdk import Stack as CdkStack

from cabal_backup.config.constraints import Conflict
from cabal_backup.config.environment import SETTINGS, load
from cabal_backup.infrastructure.daily_watch import Watch
from cabal_backup.infrastructure.managed_policies import too_long
from tests.builders import CORE, an_environment
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import Json, Stack, Synthesized, plain
from tests.synth.test_sensitivity import changes

RULE, FUNCTION = "AWS::Events::Rule", "AWS::Lambda::Function"
ALARM, POLICY, PARAMETER = (
    "AWS::CloudWatch::Alarm",
    "AWS::IAM::ManagedPolicy",
    "AWS::SSM::Parameter",
)
NAME, RECORD = "cabal-backup-watch", "/cabal-backup/watch"
HEARTBEAT = "/cabal-backup/heartbeat"
ALERTS = {**CORE, "alerts": True, "access_policies": True}
ARN = "arn:aws:{}:{}:123456789012:{}"


@dataclass(frozen=True)
class Watched:
    """The watch of one of the two stacks."""

    stage: Synthesized
    stack: Stack

    @property
    def function(self) -> tuple[str, Json]:
        (found,) = (
            (name, each["Properties"])
            for name, each in self.stack.all(FUNCTION).items()
            if each["Properties"]["Handler"] == "cabal_backup.functions.watch.handler"
        )
        return found

    @property
    def rule(self) -> tuple[str, Json]:
        (found,) = (
            (name, each["Properties"])
            for name, each in self.stack.all(RULE).items()
            if each["Properties"]["Name"] == NAME
        )
        return found

    @property
    def policies(self) -> list[list[Json]]:
        """The statements of each policy of its role, as they are in the account."""
        role = {"Ref": self.function[1]["Role"]["Fn::GetAtt"][0]}
        return [
            self.stack.in_account(each["Properties"]["PolicyDocument"]["Statement"])
            for each in self.stack.all(POLICY).values()
            if role in each["Properties"].get("Roles", [])
        ]

    @property
    def asset(self) -> Path:
        """The folder that is the function's code."""
        key = self.function[1]["Code"]["S3Key"].removesuffix(".zip")
        return self.stage.directory.parent / f"asset.{key}"


def watches(stage: Synthesized) -> Iterator[Watched]:
    yield from (Watched(stage, stack) for stack in (stage.primary, stage.dr))


LATE = {"heartbeat_parameter": HEARTBEAT, "watch_schedule": "cron(30 23 * * ? *)"}


@pytest.fixture
def stage(synthesized: Synthesize) -> Synthesized:
    return synthesized(an_environment(**ALERTS))


@pytest.fixture(params=["primary", "dr"])
def watched(request: pytest.FixtureRequest, stage: Synthesized) -> Watched:
    """The watch of each of the two stacks."""
    return Watched(stage, getattr(stage, request.param))


def test_without_alerts_there_is_nothing_of_it(prod: Synthesized) -> None:
    for stack in prod.stacks:
        assert not stack.all(RULE)
        assert not stack.all(ALARM)
        assert not stack.all(PARAMETER)
        assert "cabal_backup.functions.watch" not in json.dumps(stack.json)
    with pytest.raises(ValueError, match="alerts are off in prod"):
        Watch(
            CdkStack(App(), "Stack"),
            "Watch",
            environment=an_environment(**CORE),
            topic=None,
            reporter=None,  # type: ignore[arg-type]
        )


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ("cron(0 12 * * ? *)", "cron(0 14 * * ? *)")),
        (LATE, ("cron(30 23 * * ? *)", "cron(30 1 * * ? *)")),
    ],
)
def test_it_runs_every_day_in_both_regions(
    synthesized: Synthesize, wanted: dict[str, str], expected: tuple[str, str]
) -> None:
    stage = synthesized(an_environment(**ALERTS, **wanted))
    found = [watched.rule[1] for watched in watches(stage)]
    assert tuple(each["ScheduleExpression"] for each in found) == expected
    for each in found:
        assert "State" not in each, "it is enabled by default"


def test_the_schedule_may_call_the_function_and_nothing_else_may(watched: Watched) -> None:
    function, _ = watched.function
    rule, properties = watched.rule
    arn = {"Fn::GetAtt": [function, "Arn"]}
    assert properties["Targets"] == [{"Id": "target", "Arn": arn}]
    permissions = [
        each["Properties"]
        for each in watched.stack.all("AWS::Lambda::Permission").values()
        if each["Properties"]["FunctionName"] == arn
    ]
    assert permissions == [
        {
            "Action": "lambda:InvokeFunction",
            "FunctionName": arn,
            "Principal": "events.amazonaws.com",
            "SourceArn": {"Fn::GetAtt": [rule, "Arn"]},
        }
    ]


def test_the_function_has_its_name_and_knows_the_environment(watched: Watched) -> None:
    _, function = watched.function
    assert function["FunctionName"] == NAME
    assert function["Timeout"] == 900
    variables = function["Environment"]["Variables"]
    assert variables.keys() == {"ENVIRONMENT", "TOPIC_ARN"}
    assert load(variables["ENVIRONMENT"]) == an_environment(**ALERTS)
    assert variables["TOPIC_ARN"] == {"Ref": watched.stack.id_of("AWS::SNS::Topic")}
    # The quota of Lambda for all variables of a function, in bytes
    assert len(json.dumps(variables)) < 4096


def test_only_synthesis_refuses_settings_that_lambda_would_refuse() -> None:
    tables = [f"cabal-{number:03d}-{'x' * 40}" for number in range(70)]

    def conflicts(many: list[str]) -> list[Conflict]:
        environment = vars(an_environment(**ALERTS, pitr_tables=many))
        return list(too_long({name: environment[name] for name in SETTINGS}))

    (conflict,) = conflicts(tables)
    assert conflict.setting == "pitr_tables"
    assert re.search(r"in 3,800 bytes, and these have 4,\d{3}", conflict.rule)
    assert conflicts(tables[:40]) == []


def test_its_record_is_a_parameter_of_its_region(watched: Watched) -> None:
    (record,) = (
        each["Properties"]
        for each in watched.stack.all(PARAMETER).values()
        if each["Properties"]["Name"] == RECORD
    )
    assert (record["Type"], record["Value"]) == ("String", "{}")


def test_it_may_look_at_what_the_auditor_may_but_not_at_the_deployment(watched: Watched) -> None:
    """`doctor` reads that, which the watch does not run."""
    access = watched.stage.access
    assert access is not None
    (auditor,) = (
        access.in_account(each["Properties"]["PolicyDocument"]["Statement"])
        for each in access.all(POLICY).values()
        if each["Properties"]["ManagedPolicyName"] == "cabal-backup-auditor"
    )
    (looking,) = (each for each in watched.policies if each == auditor[: len(each)])
    of_doctor = re.findall(r'"([a-z]+):[A-Z]', json.dumps(auditor[len(looking) :]))
    assert {*of_doctor} == {"cloudformation", "elasticfilesystem", "iam", "servicequotas", "ssm"}
    assert len(watched.policies) == 2


@pytest.mark.parametrize("wanted", [{}, LATE, {"report_bucket": "reports"}])
def test_what_else_it_may(synthesized: Synthesize, wanted: dict[str, str]) -> None:
    stage = synthesized(an_environment(**ALERTS, **wanted))
    for watched in watches(stage):
        stack = watched.stack
        (own,) = (
            each
            for each in watched.policies
            if any("sns:Publish" in statement["Action"] for statement in each)
        )
        log_group = watched.function[1]["LoggingConfig"]["LogGroup"]["Ref"]
        (record,) = (
            name
            for name, each in stack.all(PARAMETER).items()
            if each["Properties"]["Name"] == RECORD
        )
        allowed = [(each["Effect"], each["Action"], each["Resource"]) for each in own]
        read_heartbeat = (
            "Allow",
            "ssm:GetParameter",
            ARN.format("ssm", "us-west-1", f"parameter{HEARTBEAT}"),
        )
        write_report = (
            "Allow",
            "s3:PutObject",
            "arn:aws:s3:::reports/cabal-backup/prod/report.html",
        )
        assert allowed == [
            (
                "Allow",
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                {"Fn::GetAtt": [log_group, "Arn"]},
            ),
            (
                "Allow",
                ["ssm:GetParameter", "ssm:PutParameter"],
                {
                    "Fn::Join": [
                        "",
                        [
                            f"arn:aws:ssm:{stack.region}:123456789012:parameter",
                            {"Ref": record},
                        ],
                    ]
                },
            ),
            ("Allow", "sns:Publish", {"Ref": stack.id_of("AWS::SNS::Topic")}),
            *([read_heartbeat] if HEARTBEAT in wanted.values() and stack is stage.primary else []),
            *([write_report] if "report_bucket" in wanted else []),
        ]


@pytest.mark.parametrize("wanted", [LATE, {"report_bucket": "reports"}])
def test_schedule_heartbeat_and_report_change_nothing_but_the_watch(
    synthesized: Synthesize, stage: Synthesized, wanted: dict[str, str]
) -> None:
    other = synthesized(an_environment(**ALERTS, **wanted))
    for before, after in ((stage.primary, other.primary), (stage.dr, other.dr)):
        for path in changes(before, after):
            assert path.startswith("Resources.AlertsWatch"), path


def test_one_alarm_is_on_it_in_the_primary_region(stage: Synthesized) -> None:
    assert not stage.dr.all(ALARM)
    alarm = dict(stage.primary.only(ALARM)["Properties"])
    del alarm["Tags"]
    (notify,) = (
        name
        for name, each in stage.primary.all(FUNCTION).items()
        if each["Properties"].get("FunctionName") == "cabal-backup-notify"
    )
    assert alarm.pop("AlarmDescription").startswith("The watch has not completed for 25 hours")
    assert alarm == {
        "AlarmName": NAME,
        "Metrics": [
            {"Id": "failed", "Expression": "FILL(errors, 1)", "ReturnData": True},
            {
                "Id": "errors",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/Lambda",
                        "MetricName": "Errors",
                        "Dimensions": [{"Name": "FunctionName", "Value": NAME}],
                    },
                    "Period": 3600,
                    "Stat": "Minimum",
                },
                "ReturnData": False,
            },
        ],
        "EvaluationPeriods": 25,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "breaching",
        "WarmUpConfiguration": {
            "OnlyStartEvaluatingAfterWarmUpPeriodEnds": True,
            "WarmUpPeriodDurationInMinutes": 2880,
        },
        "AlarmActions": [{"Fn::GetAtt": [notify, "Arn"]}],
    }
    permissions = [
        plain(each["Properties"]["SourceArn"], {"AWS::AccountId": "123456789012"})
        for each in stage.primary.all("AWS::Lambda::Permission").values()
        if each["Properties"]["Principal"] == "lambda.alarms.cloudwatch.amazonaws.com"
    ]
    (source,) = permissions
    assert source.endswith(f":us-west-1:123456789012:alarm:{NAME}")


# --- What is packaged

CLEAN = """
import sys
sys.path[:0] = {path!r}
import cabal_backup.functions.watch as watch
assert callable(watch.handler)
others = [
    name
    for name, module in sys.modules.items()
    if name.partition(".")[0] == "cabal_backup" and not module.__file__.startswith({asset!r})
]
assert not others, others
for name in ("aws_cdk", "constructs"):
    assert name not in sys.modules, name
"""


def test_both_regions_get_the_same_code(stage: Synthesized) -> None:
    assert len({watched.asset for watched in watches(stage)}) == 1


@pytest.fixture
def packaged(stage: Synthesized) -> Path:
    """The folder that is the code of both functions."""
    return Watched(stage, stage.primary).asset


def test_what_is_packaged_imports_on_its_own(packaged: Path) -> None:
    """As in Lambda: nothing of the project but the asset, and boto3."""
    asset = str(packaged)
    path = [asset, str(Path(boto3.__file__).parents[1])]
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CLEAN.format(path=path, asset=asset)],
        cwd=packaged.parent,
        env={name: value for name, value in os.environ.items() if name == "PATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_every_packaged_module_imports(packaged: Path) -> None:
    """A module that is imported only when it is needed would otherwise fail in Lambda."""
    modules = [
        ".".join(path.relative_to(packaged).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(packaged.rglob("*.py"))
    ]
    path = [str(packaged), str(Path(boto3.__file__).parents[1])]
    code = f"import sys, importlib\nsys.path[:0] = {path!r}\n" + "\n".join(
        f"importlib.import_module({name!r})" for name in modules
    )
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert not [name for name in modules if {"infrastructure", "cli"} & {*name.split(".")}]
