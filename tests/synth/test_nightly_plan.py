"""The nightly plan: what is taken, when, where it is copied, how long it lives (S01-S03)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_backup as backup
from aws_cdk import aws_iam as iam

from cabal_backup.config.environment import Lifecycle
from cabal_backup.infrastructure.nightly_plan import NightlyPlan
from tests.builders import CORE, an_environment
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import Json, Synthesized
from tests.synth.test_backup_role import backup_role

PLAN, SELECTION = "AWS::Backup::BackupPlan", "AWS::Backup::BackupSelection"
PITR_TABLES = (
    "cabal-counter",
    "cabal-user-preferences",
    "cabal-user-domain-access",
    "cabal-dmarc-reports",
)


def the_rule(stage: Synthesized) -> Json:
    (rule,) = stage.primary.only(PLAN)["Properties"]["BackupPlan"]["BackupPlanRule"]
    return rule


def the_selection(stage: Synthesized) -> Json:
    return stage.primary.only(SELECTION)["Properties"]["BackupSelection"]


def test_there_is_one_plan_with_one_rule_with_fixed_names(prod: Synthesized) -> None:
    plan = prod.primary.only(PLAN)["Properties"]["BackupPlan"]
    assert plan["BackupPlanName"] == "cabal-backup-plan"
    assert the_rule(prod)["RuleName"] == "cabal-backup-plan-rule"
    assert set(plan) == {"BackupPlanName", "BackupPlanRule"}


def test_the_dr_stack_plans_nothing(prod: Synthesized) -> None:
    assert not prod.dr.all(PLAN)
    assert not prod.dr.all(SELECTION)


def test_every_night_at_midnight_utc(prod: Synthesized) -> None:
    rule = the_rule(prod)
    assert rule["ScheduleExpression"] == "cron(0 0 * * ? *)"
    assert "ScheduleExpressionTimezone" not in rule, "without a time zone it is UTC"


def test_its_windows_are_explicit(prod: Synthesized) -> None:
    """Minutes: started within 8 hours, completed within 7 days."""
    assert the_rule(prod)["StartWindowMinutes"] == 480
    assert the_rule(prod)["CompletionWindowMinutes"] == 10_080


def test_into_the_vault_of_the_primary_region(prod: Synthesized) -> None:
    vault = prod.primary.id_of("AWS::Backup::BackupVault")
    assert the_rule(prod)["TargetBackupVault"] == {"Fn::GetAtt": [vault, "BackupVaultName"]}


def test_kept_a_year_of_which_30_days_warm(prod: Synthesized) -> None:
    rule = the_rule(prod)
    assert rule["Lifecycle"] == {"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 365}
    assert "EnableContinuousBackup" not in rule, "continuous backups end after 35 days"


def test_copied_once_with_a_lifecycle_of_its_own(partitioned: tuple[str, Synthesized]) -> None:
    partition, stage = partitioned
    (copy,) = stage.primary.in_account(the_rule(stage)["CopyActions"])
    assert copy == {
        "DestinationBackupVaultArn": f"arn:{partition}:backup:{stage.dr.region}:123456789012:"
        "backup-vault:cabal-backup-dr",
        "Lifecycle": {"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 365},
    }


def test_the_copy_goes_to_the_vault_of_the_dr_stack(prod: Synthesized) -> None:
    (copy,) = prod.primary.in_account(the_rule(prod)["CopyActions"])
    region, _, vault = copy["DestinationBackupVaultArn"].split(":", 3)[3].split(":", 2)
    assert region == prod.dr.region == "us-west-2"
    vault_there = prod.dr.only("AWS::Backup::BackupVault")["Properties"]["BackupVaultName"]
    assert vault == f"backup-vault:{vault_there}"


def test_original_and_copy_each_have_their_own_days(synthesized: Synthesize) -> None:
    stage = synthesized(
        an_environment(
            **CORE,
            cold_after_days=10,
            delete_after_days=101,
            dr_cold_after_days=20,
            dr_delete_after_days=202,
        )
    )
    rule = the_rule(stage)
    assert rule["Lifecycle"] == {"MoveToColdStorageAfterDays": 10, "DeleteAfterDays": 101}
    assert rule["CopyActions"][0]["Lifecycle"] == {
        "MoveToColdStorageAfterDays": 20,
        "DeleteAfterDays": 202,
    }


def test_without_cold_storage_the_expiry_is_still_explicit(synthesized: Synthesize) -> None:
    stage = synthesized(an_environment(**CORE, cold_after_days="never", dr_cold_after_days="never"))
    rule = the_rule(stage)
    assert rule["Lifecycle"] == {"DeleteAfterDays": 365}
    assert rule["CopyActions"][0]["Lifecycle"] == {"DeleteAfterDays": 365}


def test_exactly_the_table_and_the_mailstore_are_selected(
    partitioned: tuple[str, Synthesized],
) -> None:
    partition, stage = partitioned
    region = stage.primary.region
    selection = stage.primary.in_account(the_selection(stage))
    assert re.fullmatch(r"cabal-backup-[0-9a-f]{8}", selection["SelectionName"])
    assert selection["Resources"] == [
        f"arn:{partition}:dynamodb:{region}:123456789012:table/cabal-addresses",
        f"arn:{partition}:elasticfilesystem:{region}:123456789012:file-system/fs-0123456789abcdef0",
    ]


def test_nothing_widens_the_selection(prod: Synthesized) -> None:
    """Tags and ARNs in one selection are a union, not an intersection."""
    assert set(the_selection(prod)) == {"IamRoleArn", "Resources", "SelectionName"}


def test_no_pitr_table_is_selected(prod: Synthesized) -> None:
    """S06: they recover by point-in-time recovery."""
    template = json.dumps(prod.primary.json)
    for table in PITR_TABLES:
        assert table not in template


def test_s3_is_nowhere_in_the_plan(prod: Synthesized) -> None:
    """S07: the message cache is not backed up; the mailstore is the truth."""
    assert "s3" not in json.dumps(the_selection(prod)).lower()
    assert "s3" not in json.dumps(prod.primary.only(PLAN)).lower()


def test_the_selection_belongs_to_the_plan_and_works_under_the_role(prod: Synthesized) -> None:
    role_id, _ = backup_role(prod.primary)
    selection = prod.primary.only(SELECTION)["Properties"]
    plan = prod.primary.id_of(PLAN)
    assert selection["BackupPlanId"] == {"Fn::GetAtt": [plan, "BackupPlanId"]}
    assert selection["BackupSelection"]["IamRoleArn"] == {"Fn::GetAtt": [role_id, "Arn"]}


def test_nothing_is_selected_before_the_opt_in_is_complete(prod: Synthesized) -> None:
    """S09: a table's recovery point made before the opt-in can never be copied."""
    opt_in = prod.primary.id_of("Custom::AdvancedDynamoDBBackup")
    assert opt_in in prod.primary.needs(prod.primary.id_of(SELECTION))


def test_nothing_is_selected_before_aws_backup_can_use_the_role(prod: Synthesized) -> None:
    """IAM shows a new role late, and CloudFormation does not repeat what was refused for it."""
    check = prod.primary.id_of("Custom::BackupRoleCheck")
    assert check in prod.primary.needs(prod.primary.id_of(SELECTION))


# --- The construct by itself


YEAR = Lifecycle(cold_after_days=30, delete_after_days=365)


def nightly(*, copied: Lifecycle = YEAR, **changes: Any) -> NightlyPlan:
    """A nightly plan in a stack of its own."""
    stack = Stack(App(), "Stack")
    arguments: dict[str, Any] = {
        "vault": backup.BackupVault.from_backup_vault_name(stack, "From", "here"),
        "lifecycle": YEAR,
        "copies": {"arn:aws:backup:us-west-2:123456789012:backup-vault:there": copied},
        "role": iam.Role.from_role_name(stack, "Role", "role"),
        "resource_arns": ["arn:aws:dynamodb:us-west-1:123456789012:table/cabal-addresses"],
    }
    return NightlyPlan(stack, "Nightly", **{**arguments, **changes})


def test_a_plan_with_nothing_to_select_is_refused() -> None:
    with pytest.raises(ValueError, match="AWS Backup would select every resource"):
        nightly(resource_arns=[])


@pytest.mark.parametrize("which", ["lifecycle", "copied"])
def test_fewer_than_90_days_in_cold_storage_are_refused(which: str) -> None:
    nightly(**{which: Lifecycle(cold_after_days=30, delete_after_days=120)})
    with pytest.raises(ValueError, match=r"\(120\), got 119"):
        nightly(**{which: Lifecycle(cold_after_days=30, delete_after_days=119)})
