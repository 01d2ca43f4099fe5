"""EventBridge events, CloudWatch metrics and SNS notifications."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from local_aws.backup import Scope
from local_aws_tests import HUNG_SECONDS
from local_aws_tests.unit.account import (
    ACCOUNT,
    DR,
    DR_VAULT,
    DR_VAULT_ARN,
    OPERATOR,
    PRIMARY,
    RESTORE_ROLE,
    START,
    TABLE_ARN,
    VAULT,
    VAULT_ARN,
    Account,
)
from local_aws_tests.unit.memory_world import MemoryReports

TOPIC = f"arn:aws:sns:us-west-1:{ACCOUNT}:alerts"


@pytest.fixture
def ready(account: Account) -> Account:
    account.opt_in()
    account.make_vaults()
    return account


def subscribe(account: Account, *events: str) -> None:
    account.primary.put_backup_vault_notifications(
        BackupVaultName=VAULT, SNSTopicArn=TOPIC, BackupVaultEvents=list(events)
    )


def test_the_events_of_a_backup_have_their_own_times(ready: Account) -> None:
    point = ready.back_up()
    events = ready.events("Backup Job State Change")
    assert [event.detail["state"] for event in events] == ["CREATED", "RUNNING", "COMPLETED"]
    assert [event.at - START for event in events] == [
        timedelta(0),
        timedelta(seconds=5),
        timedelta(minutes=4, seconds=5),
    ]
    done = events[-1]
    assert done.scope == PRIMARY
    assert done.resources == (point,)
    assert done.detail["resourceArn"] == TABLE_ARN
    assert done.detail["backupVaultName"] == VAULT
    assert done.detail["creationDate"] == "2026-03-01T12:00:00.000Z"
    assert done.detail["completionDate"] == "2026-03-01T12:04:05.000Z"
    statuses = [event.detail["status"] for event in ready.events("Recovery Point State Change")]
    assert statuses == ["CREATING", "COMPLETED"]


def test_the_events_of_a_night_name_the_plan(ready: Account) -> None:
    plan_id = ready.make_plan()
    ready.advance(days=1)
    for detail_type in ("Backup Job State Change", "Copy Job State Change"):
        events = ready.events(detail_type)
        assert {event.detail["createdBy"]["backupPlanId"] for event in events} == {plan_id}
    plan = ready.events("Backup Plan State Change")
    assert [event.detail["state"] for event in plan] == ["CREATED"]


def test_copy_events_have_a_state_and_both_vaults(ready: Account) -> None:
    job = ready.copy(ready.back_up(), IamRoleArn=RESTORE_ROLE)
    events = ready.events("Copy Job State Change")
    assert [event.detail["state"] for event in events] == ["CREATED", "RUNNING", "FAILED"]
    failed = events[-1].detail
    assert failed["copyJobId"] == job["CopyJobId"]
    assert failed["sourceBackupVaultArn"] == VAULT_ARN
    assert failed["destinationBackupVaultArn"] == DR_VAULT_ARN
    assert failed["statusMessage"] == job["StatusMessage"]
    assert {event.scope for event in events} == {PRIMARY}


def test_restore_events_have_a_status(ready: Account) -> None:
    ready.restore(ready.back_up(), {"targetTableName": "restored"})
    events = ready.events("Restore Job State Change")
    assert [event.detail["status"] for event in events] == ["PENDING", "RUNNING", "COMPLETED"]
    assert events[-1].detail["createdResourceArn"].endswith(":table/restored")
    assert "restoreTestingPlanArn" not in events[-1].detail


def test_a_changed_region_setting_is_an_event(account: Account) -> None:
    account.primary.update_region_settings(ResourceTypeManagementPreference={"DynamoDB": True})
    [event] = account.events("Region Setting State Change")
    assert event.detail["ResourceTypeManagementPreference"] == {"DynamoDB": True}
    assert event.detail["state"] == "MODIFIED"


def totals(account: Account, *dimensions: str) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for metric in account.world.reports.metrics:
        if set(metric.dimensions) == set(dimensions):
            labels = (metric.dimensions[name] for name in dimensions)
            found[(metric.name, *labels)] += int(metric.value)
    return found


def test_metrics_count_events_and_are_never_zero(ready: Account) -> None:
    point = ready.back_up()
    ready.start_backup(IamRoleArn=RESTORE_ROLE)
    ready.copy(point)
    ready.advance(minutes=5)
    by_vault = totals(ready, "BackupVaultName")
    assert by_vault["NumberOfBackupJobsCompleted", VAULT] == 1
    assert by_vault["NumberOfBackupJobsFailed", VAULT] == 1
    assert by_vault["NumberOfCopyJobsCompleted", DR_VAULT] == 1
    assert ("NumberOfCopyJobsCompleted", VAULT) not in by_vault
    by_type = totals(ready, "BackupVaultName", "ResourceType")
    assert by_type["NumberOfBackupJobsCompleted", VAULT, "DynamoDB"] == 1
    assert by_type["NumberOfRecoveryPointsCompleted", DR_VAULT, "DynamoDB"] == 1
    metrics = ready.world.reports.metrics
    assert all(metric.value > 0 for metric in metrics)
    assert all(metric.at.minute % 5 == 0 and metric.at.second == 0 for metric in metrics)
    copies = {metric.scope for metric in metrics if "CopyJobs" in metric.name}
    assert copies == {PRIMARY}
    arrived = [m for m in metrics if m.scope == DR]
    assert {metric.name for metric in arrived} == {"NumberOfRecoveryPointsCompleted"}


def test_two_jobs_in_five_minutes_are_one_data_point(ready: Account) -> None:
    ready.start_backup(IamRoleArn=RESTORE_ROLE)
    ready.start_backup(IamRoleArn=RESTORE_ROLE)
    ready.advance(minutes=5)
    failed = [
        metric.value
        for metric in ready.world.reports.metrics
        if metric.name == "NumberOfBackupJobsFailed" and len(metric.dimensions) == 1
    ]
    assert failed == [2.0]


def test_a_failed_backup_is_notified_as_completed_with_state_failed(ready: Account) -> None:
    subscribe(ready, "BACKUP_JOB_COMPLETED", "BACKUP_JOB_FAILED")
    job_id = ready.start_backup(IamRoleArn=RESTORE_ROLE)
    ready.advance(minutes=1)
    [notice] = ready.world.reports.notifications
    assert (notice.topic_arn, notice.subject) == (TOPIC, "Notification from AWS Backup")
    assert notice.attributes == {
        "EventType": "BACKUP_JOB",
        "State": "FAILED",
        "AccountId": ACCOUNT,
        "Id": job_id,
        "StartTime": "2026-03-01T12:00:00.000Z",
    }
    assert notice.message == (
        f"An AWS Backup job failed. Resource ARN : {TABLE_ARN}. BackupJob ID : {job_id}"
    )


def test_a_successful_backup_names_its_recovery_point(ready: Account) -> None:
    subscribe(ready, "BACKUP_JOB_STARTED", "BACKUP_JOB_COMPLETED")
    point = ready.back_up()
    started, completed = ready.world.reports.notifications
    assert started.message.startswith("An AWS Backup job was started.")
    assert completed.message.startswith(
        f"An AWS Backup job was completed successfully. Recovery point ARN: {point}. "
    )


def test_only_what_was_subscribed_is_sent(ready: Account) -> None:
    subscribe(ready, "COPY_JOB_FAILED")
    point = ready.back_up()
    ready.copy(point)
    assert ready.world.reports.notifications == []
    ready.copy(point, IamRoleArn=RESTORE_ROLE)
    [notice] = ready.world.reports.notifications
    assert (notice.attributes["EventType"], notice.attributes["State"]) == ("COPY_JOB", "FAILED")


class Curious(MemoryReports):
    """A listener that calls AWS Backup from another thread while it receives a report."""

    def __init__(self, account: Account) -> None:
        super().__init__()
        self._account = account
        self.answers: list[int] = []

    def event(self, scope: Scope, **report: Any) -> None:
        super().event(scope, **report)
        if report["detail_type"] == "Backup Job State Change":
            asking = threading.Thread(target=self._ask)
            asking.start()
            asking.join(timeout=HUNG_SECONDS)

    def _ask(self) -> None:
        service = self._account.service
        response = service.handle("GET", "/backup-vaults", {}, b"", {}, PRIMARY, OPERATOR)
        self.answers.append(response.status)


def test_a_listener_can_call_at_once_from_another_thread(ready: Account) -> None:
    listener = ready.world.reports = Curious(ready)
    ready.back_up()
    assert listener.answers == [200, 200, 200]
