"""Restore testing plans: restore, validation and clean-up."""

from __future__ import annotations

from typing import Any

import pytest

from local_aws_tests.unit.account import (
    FILE_SYSTEM,
    FILE_SYSTEM_ARN,
    PRIMARY,
    RESTORE_ROLE,
    TABLE_ARN,
    VAULT,
    VAULT_ARN,
    Account,
)

LATEST = {
    "Algorithm": "LATEST_WITHIN_WINDOW",
    "IncludeVaults": [VAULT_ARN],
    "RecoveryPointTypes": ["SNAPSHOT"],
    "SelectionWindowDays": 7,
}


@pytest.fixture
def ready(account: Account) -> Account:
    account.opt_in()
    account.make_vaults()
    return account


def make_plan(account: Account, **changes: Any) -> str:
    plan = {
        "RestoreTestingPlanName": "monthly_test",
        "ScheduleExpression": "cron(0 6 * * ? *)",
        "RecoveryPointSelection": LATEST,
    } | changes
    arn: str = account.primary.create_restore_testing_plan(RestoreTestingPlan=plan)[
        "RestoreTestingPlanArn"
    ]
    return arn


def select(account: Account, resource_type: str = "DynamoDB", **changes: Any) -> None:
    selection = {
        "RestoreTestingSelectionName": f"select_{resource_type}",
        "ProtectedResourceType": resource_type,
        "ProtectedResourceArns": ["*"],
        "IamRoleArn": RESTORE_ROLE,
        "ValidationWindowHours": 8,
    } | changes
    account.primary.create_restore_testing_selection(
        RestoreTestingPlanName="monthly_test", RestoreTestingSelection=selection
    )


def the_job(account: Account) -> dict[str, Any]:
    [job] = account.primary.list_restore_jobs()["RestoreJobs"]
    identity = job["RestoreJobId"]
    described: dict[str, Any] = account.primary.describe_restore_job(RestoreJobId=identity)
    return described


def test_the_latest_point_is_restored_and_waits_for_validation(ready: Account) -> None:
    ready.back_up()
    newest = ready.back_up()
    plan_arn = make_plan(ready)
    select(ready)
    ready.advance(hours=20)
    job = the_job(ready)
    assert job["RecoveryPointArn"] == newest
    assert job["CreatedBy"] == {"RestoreTestingPlanArn": plan_arn}
    assert (job["Status"], job["ValidationStatus"]) == ("COMPLETED", "VALIDATING")
    table = job["CreatedResourceArn"].rsplit("/", 1)[1]
    assert table.startswith("awsbackup-restore-test-")
    assert len(ready.world.tables.items(PRIMARY, table)) == 5
    by_plan = ready.primary.list_restore_jobs(ByRestoreTestingPlanArn=plan_arn)
    assert len(by_plan["RestoreJobs"]) == 1
    completed = ready.events("Restore Job State Change")[-1].detail
    assert (completed["status"], completed["restoreTestingPlanArn"]) == ("COMPLETED", plan_arn)


@pytest.mark.parametrize("verdict", ["SUCCESSFUL", "FAILED"])
def test_a_validation_result_is_set_once_and_cleans_up(ready: Account, verdict: str) -> None:
    ready.back_up()
    make_plan(ready)
    select(ready)
    ready.advance(hours=20)
    job = the_job(ready)
    table = job["CreatedResourceArn"].rsplit("/", 1)[1]
    put = ready.primary.put_restore_validation_result
    put(
        RestoreJobId=job["RestoreJobId"],
        ValidationStatus=verdict,
        ValidationStatusMessage="counted",
    )
    assert (the_job(ready)["ValidationStatus"], the_job(ready)["DeletionStatus"]) == (
        verdict,
        "DELETING",
    )
    with pytest.raises(ready.primary.exceptions.InvalidRequestException):
        put(RestoreJobId=job["RestoreJobId"], ValidationStatus="SUCCESSFUL")
    ready.advance(minutes=5)
    assert the_job(ready)["DeletionStatus"] == "SUCCESSFUL"
    assert the_job(ready)["ValidationStatusMessage"] == "counted"
    assert ready.world.tables.describe(PRIMARY, table) is None


def test_without_a_validation_result_the_window_ends(ready: Account) -> None:
    ready.back_up(FILE_SYSTEM_ARN)
    make_plan(ready)
    select(ready, "EFS")
    ready.advance(hours=20)
    created = the_job(ready)["CreatedResourceArn"].rsplit("/", 1)[1]
    assert created in ready.world.file_systems.ids(PRIMARY)
    ready.advance(hours=8)
    job = ready.primary.list_restore_jobs()["RestoreJobs"][-1]
    assert (job["ValidationStatus"], job["DeletionStatus"]) == ("TIMED_OUT", "SUCCESSFUL")
    assert created not in ready.world.file_systems.ids(PRIMARY)


def test_without_a_window_there_is_no_validation(ready: Account) -> None:
    ready.back_up()
    make_plan(ready)
    select(ready, ValidationWindowHours=0)
    ready.advance(hours=20)
    job = the_job(ready)
    assert (job["Status"], job["DeletionStatus"]) == ("COMPLETED", "SUCCESSFUL")
    with pytest.raises(ready.primary.exceptions.InvalidRequestException):
        ready.primary.put_restore_validation_result(
            RestoreJobId=job["RestoreJobId"], ValidationStatus="SUCCESSFUL"
        )


@pytest.mark.parametrize("status", ["TIMED_OUT", "VALIDATING"])
def test_other_validation_results_are_refused(ready: Account, status: str) -> None:
    job = ready.restore(ready.back_up(), {"targetTableName": "restored"})
    put = ready.primary.put_restore_validation_result
    with pytest.raises(ready.primary.exceptions.InvalidParameterValueException):
        put(RestoreJobId=job["RestoreJobId"], ValidationStatus=status)
    with pytest.raises(ready.primary.exceptions.InvalidRequestException):
        put(RestoreJobId=job["RestoreJobId"], ValidationStatus="SUCCESSFUL")
    with pytest.raises(ready.primary.exceptions.ResourceNotFoundException):
        put(RestoreJobId="nothing", ValidationStatus="SUCCESSFUL")


def test_only_points_of_the_window_and_the_vaults_are_restored(ready: Account) -> None:
    ready.back_up()
    ready.advance(days=8)
    make_plan(ready)
    select(ready)
    ready.advance(days=1)
    assert ready.primary.list_restore_jobs()["RestoreJobs"] == []
    ready.primary.update_restore_testing_plan(
        RestoreTestingPlanName="monthly_test",
        RestoreTestingPlan={
            "RecoveryPointSelection": LATEST
            | {"SelectionWindowDays": 30, "ExcludeVaults": [VAULT_ARN]}
        },
    )
    ready.advance(days=1)
    assert ready.primary.list_restore_jobs()["RestoreJobs"] == []
    ready.primary.update_restore_testing_plan(
        RestoreTestingPlanName="monthly_test",
        RestoreTestingPlan={
            "RecoveryPointSelection": LATEST
            | {"SelectionWindowDays": 30, "Algorithm": "RANDOM_WITHIN_WINDOW"}
        },
    )
    ready.advance(days=1)
    assert len(ready.primary.list_restore_jobs()["RestoreJobs"]) == 1


def test_inferred_metadata_can_be_seen_and_overridden(ready: Account) -> None:
    point = ready.back_up(FILE_SYSTEM_ARN)
    inferred = ready.primary.get_restore_testing_inferred_metadata(
        BackupVaultName=VAULT, RecoveryPointArn=point
    )["InferredMetadata"]
    assert inferred["file-system-id"] == FILE_SYSTEM
    assert inferred["newFileSystem"] == "true"
    make_plan(ready)
    select(ready, "EFS", RestoreMetadataOverrides={"performancemode": "maxIO"})
    ready.advance(hours=20)
    metadata = ready.primary.get_restore_job_metadata(RestoreJobId=the_job(ready)["RestoreJobId"])
    assert metadata["Metadata"]["PerformanceMode"] == "maxIO"


def test_plans_and_selections_are_read_listed_changed_and_deleted(ready: Account) -> None:
    arn = make_plan(ready)
    select(ready, ProtectedResourceArns=[TABLE_ARN])
    client = ready.primary
    plan = client.get_restore_testing_plan(RestoreTestingPlanName="monthly_test")
    assert plan["RestoreTestingPlan"]["RestoreTestingPlanArn"] == arn
    assert plan["RestoreTestingPlan"]["StartWindowHours"] == 24
    assert len(client.list_restore_testing_plans()["RestoreTestingPlans"]) == 1
    names = {
        "RestoreTestingPlanName": "monthly_test",
        "RestoreTestingSelectionName": "select_DynamoDB",
    }
    client.update_restore_testing_selection(
        **names, RestoreTestingSelection={"ValidationWindowHours": 24}
    )
    selection = client.get_restore_testing_selection(**names)["RestoreTestingSelection"]
    assert selection["ValidationWindowHours"] == 24
    assert selection["ProtectedResourceArns"] == [TABLE_ARN]
    listed = client.list_restore_testing_selections(RestoreTestingPlanName="monthly_test")
    assert len(listed["RestoreTestingSelections"]) == 1
    with pytest.raises(client.exceptions.InvalidRequestException):
        client.delete_restore_testing_plan(RestoreTestingPlanName="monthly_test")
    client.delete_restore_testing_selection(**names)
    client.delete_restore_testing_plan(RestoreTestingPlanName="monthly_test")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_restore_testing_plan(RestoreTestingPlanName="monthly_test")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"RestoreTestingPlanName": "has-hyphen"}, "InvalidParameterValueException"),
        ({"ScheduleExpression": "rate(30 days)"}, "InvalidParameterValueException"),
        ({"StartWindowHours": 169}, "InvalidParameterValueException"),
        ({"RecoveryPointSelection": {}}, "MissingParameterValueException"),
        (
            {"RecoveryPointSelection": LATEST | {"SelectionWindowDays": 366}},
            "InvalidParameterValueException",
        ),
        (
            {"RecoveryPointSelection": LATEST | {"IncludeVaults": [VAULT]}},
            "InvalidParameterValueException",
        ),
    ],
)
def test_invalid_plans_are_refused(ready: Account, changes: dict[str, Any], error: str) -> None:
    with pytest.raises(getattr(ready.primary.exceptions, error)):
        make_plan(ready, **changes)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"ProtectedResourceArns": ["*", TABLE_ARN]}, "InvalidParameterValueException"),
        ({"ProtectedResourceArns": []}, "MissingParameterValueException"),
        ({"ValidationWindowHours": 169}, "InvalidParameterValueException"),
        ({"IamRoleArn": "role"}, "InvalidParameterValueException"),
        ({"RestoreTestingSelectionName": "has-hyphen"}, "InvalidParameterValueException"),
    ],
)
def test_invalid_selections_are_refused(
    ready: Account, changes: dict[str, Any], error: str
) -> None:
    make_plan(ready)
    with pytest.raises(getattr(ready.primary.exceptions, error)):
        select(ready, **changes)
