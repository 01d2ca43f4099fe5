"""The alarms that rise when nothing succeeds (S27)."""

from __future__ import annotations

from tests.builders import CORE, an_environment
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import Json, Stack, Synthesized
from tests.synth.test_alerts import notify

ALARM = "AWS::CloudWatch::Alarm"
SILENCE = {**CORE, "alerts": True, "alert_on_tampering": False}


def alarms(stack: Stack) -> dict[str, Json]:
    return {
        alarm["Properties"]["AlarmName"]: alarm["Properties"] for alarm in stack.all(ALARM).values()
    }


def test_each_resource_is_watched_for_backups_and_for_copies(synthesized: Synthesize) -> None:
    """26 hours: 26 periods of an hour, in each of which nothing succeeded or was reported."""
    stack = synthesized(an_environment(**SILENCE)).primary
    seen = {
        name: (
            alarm["MetricName"],
            {each["Name"]: each["Value"] for each in alarm["Dimensions"]},
        )
        for name, alarm in alarms(stack).items()
    }
    backups, copies = "NumberOfBackupJobsCompleted", "NumberOfCopyJobsCompleted"
    here, there = "cabal-backup", "cabal-backup-dr"
    assert seen == {
        "cabal-backup-no-backup-dynamodb": (
            backups,
            {"BackupVaultName": here, "ResourceType": "DynamoDB"},
        ),
        "cabal-backup-no-backup-efs": (backups, {"BackupVaultName": here, "ResourceType": "EFS"}),
        "cabal-backup-no-copy-dynamodb": (
            copies,
            {"BackupVaultName": there, "ResourceType": "DynamoDB"},
        ),
        "cabal-backup-no-copy-efs": (copies, {"BackupVaultName": there, "ResourceType": "EFS"}),
    }
    for alarm in alarms(stack).values():
        assert alarm["Namespace"] == "AWS/Backup"
        assert alarm["Statistic"] == "Sum"
        assert alarm["Period"] == 3600
        assert alarm["EvaluationPeriods"] == 26
        assert alarm.get("DatapointsToAlarm", 26) == 26
        assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
        assert alarm["TreatMissingData"] == "breaching"


def test_an_alarm_says_in_words_what_did_not_happen(synthesized: Synthesize) -> None:
    stack = synthesized(an_environment(**SILENCE)).primary
    assert {alarm["AlarmDescription"] for alarm in alarms(stack).values()} == {
        "For 26 hours no backup of the addresses table has succeeded.",
        "For 26 hours no backup of the mailstore has succeeded.",
        "For 26 hours no copy to the DR region of the addresses table has succeeded.",
        "For 26 hours no copy to the DR region of the mailstore has succeeded.",
    }


def test_it_is_told_when_an_alarm_rises_and_when_it_is_over(synthesized: Synthesize) -> None:
    stack = synthesized(an_environment(**SILENCE)).primary
    arn = {"Fn::GetAtt": [notify(stack), "Arn"]}
    for alarm in alarms(stack).values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [arn]
        assert alarm.get("ActionsEnabled", True) is True


def test_the_accounts_alarms_may_call_the_function_before_any_is_there(
    synthesized: Synthesize,
) -> None:
    """An alarm can rise as soon as it is made."""
    stack = synthesized(an_environment(**SILENCE)).primary
    ((name, permission),) = (
        (name, stack.in_account(each["Properties"]))
        for name, each in stack.all("AWS::Lambda::Permission").items()
        if each["Properties"]["Principal"] == "lambda.alarms.cloudwatch.amazonaws.com"
    )
    assert permission == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": {"Fn::GetAtt": [notify(stack), "Arn"]},
        "Principal": "lambda.alarms.cloudwatch.amazonaws.com",
        "SourceAccount": "123456789012",
        "SourceArn": "arn:aws:cloudwatch:us-west-1:123456789012:alarm:*",
    }
    for alarm in stack.all(ALARM):
        assert name in stack.needs(alarm)


def test_it_is_on_by_default_in_the_primary_region_only(whole: Synthesized) -> None:
    assert len(whole.primary.all(ALARM)) >= 4
    assert not any(name.startswith("cabal-backup-no-") for name in alarms(whole.dr))


def test_it_can_be_switched_off(synthesized: Synthesize) -> None:
    stage = synthesized(an_environment(**{**SILENCE, "alert_on_silence": False}))
    assert not stage.primary.all(ALARM)
