"""The rules that hear of calls against the protection (S27)."""

from __future__ import annotations

from typing import Any

import pytest

from cabal_backup.handlers.notify import CALLS
from tests.builders import CORE, an_environment
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import Json, Stack, Synthesized
from tests.synth.test_alerts import RULE, notify
from tests.synth.test_role_changes import CHANGES

TAMPERING = {**CORE, "alerts": True, "alert_on_silence": False}
VAULT_CALLS = [
    "DeleteBackupVaultLockConfiguration",
    "PutBackupVaultLockConfiguration",
    "DeleteRecoveryPoint",
    "UpdateRecoveryPointLifecycle",
    "DisassociateRecoveryPoint",
    "DisassociateRecoveryPointFromParent",
    "PutBackupVaultAccessPolicy",
    "DeleteBackupVaultAccessPolicy",
    "DeleteBackupVault",
]
PLAN_CALLS = [
    "UpdateBackupPlan",
    "DeleteBackupPlan",
    "CreateBackupSelection",
    "DeleteBackupSelection",
]
ROLE_CALLS: list[str] = CHANGES["detail"]["eventName"]


def on_calls(stack: Stack) -> dict[str, Json]:
    """The rules that wait for API calls, by their logical ids."""
    return {
        name: rule["Properties"]
        for name, rule in stack.all(RULE).items()
        if rule["Properties"].get("EventPattern", {}).get("detail-type")
        == ["AWS API Call via CloudTrail"]
    }


def switched_off(spelling: str, preference: str) -> dict[str, Any]:
    return {
        "eventName": ["UpdateRegionSettings"],
        "requestParameters": {preference: {spelling: [False]}},
    }


OPT_IN = [
    switched_off(spelling, preference)
    for preference in ("resourceTypeOptInPreference", "resourceTypeManagementPreference")
    for spelling in ("DynamoDB", "dynamoDB")
]


def refused(names: list[str]) -> dict[str, Any]:
    """Calls of which no more is known than that they were refused."""
    return {
        "eventName": names,
        "errorCode": [{"exists": True}],
        "requestParameters": {
            "backupVaultName": [{"exists": False}],
            "backupPlanId": [{"exists": False}],
        },
    }


@pytest.fixture
def watched(synthesized: Synthesize) -> Synthesized:
    return synthesized(an_environment(**TAMPERING))


def test_the_primary_region_hears_of_its_vault_the_plan_and_the_opt_in(
    watched: Synthesized,
) -> None:
    stack = watched.primary
    (rule,) = on_calls(stack).values()
    plan = {"Fn::GetAtt": [stack.id_of("AWS::Backup::BackupPlan"), "BackupPlanId"]}
    assert rule["EventPattern"] == {
        "source": ["aws.backup"],
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": {
            "eventSource": ["backup.amazonaws.com"],
            "$or": [
                {
                    "eventName": VAULT_CALLS,
                    "requestParameters": {"backupVaultName": ["cabal-backup"]},
                },
                *OPT_IN,
                {"eventName": PLAN_CALLS, "requestParameters": {"backupPlanId": [plan]}},
                refused([*VAULT_CALLS, *PLAN_CALLS]),
            ],
        },
    }


def test_the_dr_region_hears_of_its_vault_and_the_opt_in(watched: Synthesized) -> None:
    (rule,) = on_calls(watched.dr).values()
    assert rule["EventPattern"]["detail"]["$or"] == [
        {"eventName": VAULT_CALLS, "requestParameters": {"backupVaultName": ["cabal-backup-dr"]}},
        *OPT_IN,
        refused(VAULT_CALLS),
    ]


def test_it_leads_to_the_function_that_speaks(watched: Synthesized) -> None:
    for stack in watched.stacks:
        (rule,) = on_calls(stack).values()
        (target,) = rule["Targets"]
        assert target["Arn"] == {"Fn::GetAtt": [notify(stack), "Arn"]}


def test_a_first_deployment_is_not_told_about_itself(watched: Synthesized) -> None:
    """The rule comes after what its deployment makes with calls it would hear."""
    for stack in watched.stacks:
        (name,) = on_calls(stack)
        made = {stack.json["Resources"][need]["Type"] for need in stack.needs(name)}
        assert "AWS::Backup::BackupVault" in made
    (name,) = on_calls(watched.primary)
    made = {watched.primary.json["Resources"][n]["Type"] for n in watched.primary.needs(name)}
    assert made >= {"AWS::Backup::BackupPlan", "AWS::Backup::BackupSelection"}


def test_it_is_on_by_default(whole: Synthesized) -> None:
    for stack in (whole.primary, whole.dr):
        assert len(on_calls(stack)) == 1


def test_it_can_be_switched_off(synthesized: Synthesize) -> None:
    stage = synthesized(an_environment(**{**TAMPERING, "alert_on_tampering": False}))
    for stack in stage.stacks:
        assert not on_calls(stack)


def test_the_function_has_words_for_every_call_that_leads_to_it() -> None:
    assert {*VAULT_CALLS, *PLAN_CALLS, "UpdateRegionSettings", *ROLE_CALLS} == CALLS.keys()
