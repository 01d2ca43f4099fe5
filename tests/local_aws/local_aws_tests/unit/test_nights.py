"""Plans, selections and their nightly jobs."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_aws_tests.unit.account import (
    BACKUP_ROLE,
    DR_VAULT,
    DR_VAULT_ARN,
    FILE_SYSTEM_ARN,
    PRIMARY,
    TABLE,
    TABLE_ARN,
    VAULT,
    YEAR,
    Account,
)


@pytest.fixture
def ready(account: Account) -> Account:
    account.opt_in()
    account.make_vaults(lock=True)
    return account


def types(points: list[dict[str, Any]]) -> list[str]:
    return sorted(point["ResourceType"] for point in points)


def test_a_night_makes_both_points_and_both_copies(ready: Account) -> None:
    plan_id = ready.make_plan()
    ready.advance(hours=12, minutes=14)
    assert ready.primary.list_backup_jobs()["BackupJobs"] == []
    ready.advance(minutes=1)
    jobs = ready.primary.list_backup_jobs()["BackupJobs"]
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    assert {job["CreationDate"] for job in jobs} == {midnight + timedelta(minutes=15)}
    assert {job["StartBy"] for job in jobs} == {midnight + timedelta(hours=8)}
    assert {job["CreatedBy"]["BackupPlanId"] for job in jobs} == {plan_id}
    ready.advance(hours=2)
    primary, copies = ready.points(), ready.points(ready.dr, DR_VAULT)
    assert types(primary) == types(copies) == ["DynamoDB", "EFS"]
    assert {point["CreationDate"] for point in primary} == {midnight + timedelta(minutes=20)}
    assert {point["CreationDate"] for point in copies} == {midnight + timedelta(minutes=20)}
    assert {tuple(point["Lifecycle"].items()) for point in copies} == {tuple(YEAR.items())}
    assert {point["CreatedBy"]["BackupRuleName"] for point in copies} == {"nightly"}
    by_plan = ready.primary.list_recovery_points_by_backup_vault(
        BackupVaultName=VAULT, ByBackupPlanId=plan_id
    )
    assert len(by_plan["RecoveryPoints"]) == 2


def test_without_the_opt_in_the_first_night_copies_file_systems_only(account: Account) -> None:
    account.make_vaults()
    account.make_plan()
    account.advance(days=1)
    assert types(account.points()) == ["DynamoDB", "EFS"]
    assert types(account.points(account.dr, DR_VAULT)) == ["EFS"]
    failed = account.primary.list_copy_jobs(ByState="FAILED")["CopyJobs"]
    assert [job["ResourceType"] for job in failed] == ["DynamoDB"]
    account.opt_in()
    account.advance(days=1)
    assert types(account.points(account.dr, DR_VAULT)) == ["DynamoDB", "EFS", "EFS"]


def test_a_plan_outside_the_lock_fails_every_night(ready: Account) -> None:
    ready.make_plan(Lifecycle={"DeleteAfterDays": 7}, CopyActions=[])
    ready.advance(days=2)
    jobs = ready.primary.list_backup_jobs()["BackupJobs"]
    assert [job["State"] for job in jobs] == ["FAILED"] * 4


def test_a_type_without_opt_in_is_not_backed_up(ready: Account) -> None:
    ready.make_plan()
    ready.primary.update_region_settings(ResourceTypeOptInPreference={"EFS": False})
    ready.advance(days=1)
    assert types(ready.points()) == ["DynamoDB"]


def test_a_deleted_vault_fails_the_job(ready: Account) -> None:
    ready.make_plan()
    ready.primary.delete_backup_vault(BackupVaultName=VAULT)
    ready.advance(days=1)
    messages = [job["StatusMessage"] for job in ready.primary.list_backup_jobs()["BackupJobs"]]
    assert len(messages) == 2
    assert all(message.endswith(f":backup-vault:{VAULT} does not exist.") for message in messages)


def test_an_updated_plan_runs_only_its_new_version(ready: Account) -> None:
    plan_id = ready.make_plan()
    before = ready.primary.get_backup_plan(BackupPlanId=plan_id)
    rule = {
        "RuleName": "nightly",
        "TargetBackupVaultName": VAULT,
        "ScheduleExpression": "cron(0 6 * * ? *)",
        "Lifecycle": YEAR,
    }
    ready.advance(seconds=1)
    ready.primary.update_backup_plan(
        BackupPlanId=plan_id, BackupPlan={"BackupPlanName": "nightly-plan", "Rules": [rule]}
    )
    after = ready.primary.get_backup_plan(BackupPlanId=plan_id, MaxScheduledRunsPreview=2)
    assert after["VersionId"] != before["VersionId"]
    rules = [plan["BackupPlan"]["Rules"][0]["RuleId"] for plan in (before, after)]
    assert rules[0] == rules[1]
    assert [run["ExecutionTime"].hour for run in after["ScheduledRunsPreview"]] == [6, 6]
    versions = ready.primary.list_backup_plan_versions(BackupPlanId=plan_id)
    assert len(versions["BackupPlanVersionsList"]) == 2
    old = ready.primary.get_backup_plan(BackupPlanId=plan_id, VersionId=before["VersionId"])
    assert old["BackupPlan"] == before["BackupPlan"]
    ready.advance(days=1)
    created = {job["CreationDate"].hour for job in ready.primary.list_backup_jobs()["BackupJobs"]}
    assert created == {6}


def test_a_plan_is_deleted_after_its_selections(ready: Account) -> None:
    plan_id = ready.make_plan()
    with pytest.raises(ready.primary.exceptions.InvalidRequestException) as refused:
        ready.primary.delete_backup_plan(BackupPlanId=plan_id)
    assert "selections must be deleted" in str(refused.value)
    [selection] = ready.primary.list_backup_selections(BackupPlanId=plan_id)["BackupSelectionsList"]
    names = {"BackupPlanId": plan_id, "SelectionId": selection["SelectionId"]}
    found = ready.primary.get_backup_selection(**names)["BackupSelection"]
    assert found["Resources"] == [TABLE_ARN, FILE_SYSTEM_ARN]
    ready.primary.delete_backup_selection(**names)
    with pytest.raises(ready.primary.exceptions.ResourceNotFoundException):
        ready.primary.get_backup_selection(**names)
    ready.primary.delete_backup_plan(BackupPlanId=plan_id)
    with pytest.raises(ready.primary.exceptions.ResourceNotFoundException):
        ready.primary.get_backup_plan(BackupPlanId=plan_id)
    assert ready.primary.list_backup_plans()["BackupPlansList"] == []
    deleted = ready.primary.list_backup_plans(IncludeDeleted=True)["BackupPlansList"]
    assert "DeletionDate" in deleted[0]
    ready.advance(days=2)
    assert ready.points() == []


def test_the_same_plan_document_is_refused_twice(ready: Account) -> None:
    ready.make_plan()
    with pytest.raises(ready.primary.exceptions.AlreadyExistsException) as refused:
        ready.make_plan()
    assert "same plan document already exists" in str(refused.value)


@pytest.mark.parametrize(
    "rule",
    [
        {"TargetBackupVaultName": "nowhere"},
        {"ScheduleExpression": "rate(1 day)"},
        {"ScheduleExpression": "cron(0/30 * * * ? *)"},
        {"ScheduleExpressionTimezone": "Middle/Earth"},
        {"StartWindowMinutes": 30},
        {"StartWindowMinutes": 120, "CompletionWindowMinutes": 120},
        {"Lifecycle": {"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 100}},
        {"CopyActions": [{"DestinationBackupVaultArn": DR_VAULT}]},
        {
            "CopyActions": [
                {
                    "DestinationBackupVaultArn": DR_VAULT_ARN,
                    "Lifecycle": {"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 100},
                }
            ]
        },
    ],
)
def test_invalid_rules_are_refused(ready: Account, rule: dict[str, Any]) -> None:
    with pytest.raises(ready.primary.exceptions.InvalidParameterValueException):
        ready.make_plan(**rule)


def test_a_plan_can_be_exported_as_json(ready: Account) -> None:
    plan_id = ready.make_plan()
    template = ready.primary.export_backup_plan_template(BackupPlanId=plan_id)
    text = template["BackupPlanTemplateJson"]
    plan = ready.primary.get_backup_plan_from_json(BackupPlanTemplateJson=text)["BackupPlan"]
    assert plan["BackupPlanName"] == "nightly-plan"
    assert plan["Rules"][0]["Lifecycle"] == YEAR
    with pytest.raises(ready.primary.exceptions.InvalidParameterValueException):
        ready.primary.get_backup_plan_from_json(BackupPlanTemplateJson="{")


def select(account: Account, plan_id: str, **selection: Any) -> None:
    account.primary.create_backup_selection(
        BackupPlanId=plan_id,
        BackupSelection={"SelectionName": "more", "IamRoleArn": BACKUP_ROLE, **selection},
    )


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"Resources": ["arn:aws:dynamodb:*:*:table/*"]}, ["DynamoDB"]),
        ({"Resources": ["*"], "NotResources": ["arn:aws:elasticfilesystem:*"]}, ["DynamoDB"]),
        (
            {
                "ListOfTags": [
                    {
                        "ConditionType": "STRINGEQUALS",
                        "ConditionKey": "backup",
                        "ConditionValue": "yes",
                    }
                ]
            },
            ["EFS"],
        ),
        (
            {
                "Resources": ["*"],
                "Conditions": {
                    "StringLike": [
                        {"ConditionKey": "aws:ResourceTag/backup", "ConditionValue": "y*"}
                    ]
                },
            },
            ["EFS"],
        ),
        ({}, ["DynamoDB", "EFS"]),
    ],
)
def test_selections_by_pattern_and_tag(
    ready: Account, selection: dict[str, Any], expected: list[str]
) -> None:
    ready.world.tags[PRIMARY] = {TABLE_ARN: {}, FILE_SYSTEM_ARN: {"backup": "yes"}}
    rule = {"RuleName": "r", "TargetBackupVaultName": VAULT, "Lifecycle": YEAR}
    plan_id = ready.primary.create_backup_plan(
        BackupPlan={"BackupPlanName": "by-tag", "Rules": [rule]}
    )["BackupPlanId"]
    select(ready, plan_id, **selection)
    ready.advance(days=1)
    assert types(ready.points()) == expected


def test_a_plan_has_one_selection_of_a_name(ready: Account) -> None:
    """AWS does not document it; CloudFormation creates the replacement of a selection first."""
    plan_id = ready.make_plan()
    select(ready, plan_id, Resources=[TABLE_ARN])
    with pytest.raises(ready.primary.exceptions.AlreadyExistsException):
        select(ready, plan_id, Resources=["*"])


def test_two_selections_of_one_resource_make_one_job(ready: Account) -> None:
    select(ready, ready.make_plan(), Resources=[TABLE_ARN])
    ready.advance(days=1)
    assert types(ready.points()) == ["DynamoDB", "EFS"]


@pytest.mark.parametrize(
    ("selection", "error"),
    [
        ({"IamRoleArn": "role"}, "InvalidParameterValueException"),
        ({"Resources": ["table"]}, "InvalidParameterValueException"),
        ({"SelectionName": "has space"}, "InvalidParameterValueException"),
    ],
)
def test_invalid_selections_are_refused(
    ready: Account, selection: dict[str, Any], error: str
) -> None:
    plan_id = ready.make_plan()
    with pytest.raises(getattr(ready.primary.exceptions, error)):
        select(ready, plan_id, **selection)


def test_a_selection_needs_a_role_that_aws_backup_may_assume(ready: Account) -> None:
    plan_id = ready.make_plan()
    ready.world.roles.not_assumable.add(BACKUP_ROLE)
    with pytest.raises(ready.primary.exceptions.InvalidParameterValueException) as refused:
        select(ready, plan_id, Resources=[TABLE_ARN])
    assert "cannot be assumed by AWS Backup" in str(refused.value)


def test_a_year_of_nights(ready: Account) -> None:
    ready.world.tables.put(
        PRIMARY, TABLE, [{"address": {"S": f"user{n}@example.com"}} for n in range(3000)]
    )
    for user in range(10):
        mail = ready.mail / f"user{user}" / "Maildir" / "cur"
        mail.mkdir(parents=True)
        for letter in range(30):
            (mail / f"{letter}.eml").write_text(f"letter {letter} to user {user}")
    ready.make_plan()
    ready.advance(days=364)
    nights = 364
    for client, vault in ((ready.primary, VAULT), (ready.dr, DR_VAULT)):
        points = ready.points(client, vault)
        assert Counter(point["ResourceType"] for point in points) == {
            "DynamoDB": nights,
            "EFS": nights,
        }
        now = ready.clock.now()
        cold = [p for p in points if p["CalculatedLifecycle"]["MoveToColdStorageAt"] <= now]
        assert len(cold) == 2 * (nights - 30)
        oldest = client.describe_recovery_point(
            BackupVaultName=vault, RecoveryPointArn=points[-1]["RecoveryPointArn"]
        )
        assert oldest["StorageClass"] == "COLD"
    ready.advance(days=20)
    for client, vault in ((ready.primary, VAULT), (ready.dr, DR_VAULT)):
        points = ready.points(client, vault)
        assert len(points) == 2 * 365
        age = ready.clock.now() - points[-1]["CreationDate"]
        assert timedelta(days=364) < age < timedelta(days=365)
