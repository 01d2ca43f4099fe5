"""Faults, checkpoints and rollbacks."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.backup import Faults, Scope, TreeStore
from local_aws_tests.unit.account import (
    ACCOUNT,
    DR_VAULT,
    FILE_SYSTEM_ARN,
    OPERATOR,
    PRIMARY,
    START,
    TABLE,
    TABLE_ARN,
    VAULT,
    Account,
)
from local_aws_tests.unit.memory_world import MemoryReports


@pytest.fixture
def ready(account: Account) -> Account:
    account.opt_in()
    account.make_vaults()
    return account


def state_of(account: Account, job_id: str) -> tuple[str, Any]:
    job = account.primary.describe_backup_job(BackupJobId=job_id)
    return job["State"], job.get("StatusMessage")


def test_the_next_job_fails_and_the_one_after_does_not(ready: Account) -> None:
    ready.service.faults.fail_next("backup", "DynamoDB", "broken by a test")
    files, first, second = (
        ready.start_backup(FILE_SYSTEM_ARN),
        ready.start_backup(),
        ready.start_backup(),
    )
    ready.advance(minutes=30)
    assert state_of(ready, first) == ("FAILED", "broken by a test")
    assert state_of(ready, second)[0] == "COMPLETED"
    assert state_of(ready, files)[0] == "COMPLETED"
    assert ready.service.faults.describe()["fail_next"] == []


def test_copies_and_restores_can_fail_too(ready: Account) -> None:
    point = ready.back_up()
    ready.service.faults.fail_next("copy")
    assert ready.copy(point)["State"] == "FAILED"
    assert ready.copy(point)["State"] == "COMPLETED"
    ready.service.faults.fail_next("restore", message="no room", count=2)
    for _ in range(2):
        job = ready.restore(point, {"targetTableName": "restored"})
        assert (job["Status"], job["StatusMessage"]) == ("FAILED", "no room")
    assert ready.restore(point, {"targetTableName": "restored"})["Status"] == "COMPLETED"


@pytest.mark.parametrize("state", ["ABORTED", "EXPIRED", "PARTIAL"])
def test_a_backup_can_end_in_other_states(ready: Account, state: str) -> None:
    """Only a PARTIAL job leaves a recovery point."""
    ready.service.faults.fail_next("backup", message="half of it", state=state)
    job = ready.start_backup()
    ready.advance(minutes=30)
    points = ready.points()
    assert state_of(ready, job) == (state, "half of it")
    assert [point["Status"] for point in points] == (["PARTIAL"] if state == "PARTIAL" else [])


def test_a_copy_can_be_partial(ready: Account) -> None:
    point = ready.back_up()
    ready.service.faults.fail_next("copy", message="half of it", state="PARTIAL")
    job = ready.copy(point)
    assert (job["State"], job["StatusMessage"]) == ("PARTIAL", "half of it")
    assert job["DestinationRecoveryPointArn"]


def test_a_restore_can_be_aborted(ready: Account) -> None:
    point = ready.back_up()
    ready.service.faults.fail_next("restore", message="stopped", state="ABORTED")
    job = ready.restore(point, {"targetTableName": "restored"})
    assert (job["Status"], job["StatusMessage"]) == ("ABORTED", "stopped")


def test_a_job_can_complete_with_issues(ready: Account) -> None:
    """COMPLETED with a status message; its recovery point is complete."""
    for kind in ("backup", "copy", "restore"):
        ready.service.faults.fail_next(kind, message="one file was skipped", state="COMPLETED")
    job = ready.start_backup()
    ready.advance(minutes=30)
    (point,) = ready.points()
    assert state_of(ready, job) == ("COMPLETED", "one file was skipped")
    assert point["Status"] == "COMPLETED"
    copied = ready.copy(point["RecoveryPointArn"])
    assert (copied["State"], copied["StatusMessage"]) == ("COMPLETED", "one file was skipped")
    restored = ready.restore(point["RecoveryPointArn"], {"targetTableName": "restored"})
    assert (restored["Status"], restored["StatusMessage"]) == ("COMPLETED", "one file was skipped")


def test_without_the_service_linked_role_a_deleted_point_becomes_expired(ready: Account) -> None:
    point = ready.back_up()
    ready.service.faults.apply({"service_linked_role": False})
    ready.primary.delete_recovery_point(BackupVaultName=VAULT, RecoveryPointArn=point)
    ready.advance(minutes=1)
    (left,) = ready.points()
    assert left["Status"] == "EXPIRED"
    assert "AWSServiceRoleForBackup" in left["StatusMessage"]
    ready.service.faults.apply({"service_linked_role": True})
    ready.primary.delete_recovery_point(BackupVaultName=VAULT, RecoveryPointArn=point)
    ready.advance(minutes=1)
    assert ready.points() == []


def test_a_kind_of_job_ends_only_in_its_own_states(ready: Account) -> None:
    with pytest.raises(
        ValueError, match="a restore job ends FAILED, ABORTED, COMPLETED, not 'PARTIAL'"
    ):
        ready.service.faults.fail_next("restore", state="PARTIAL")


def test_throttling_of_a_third_of_the_calls_is_reproducible(ready: Account) -> None:
    def outcomes() -> list[bool]:
        ready.service.faults.throttle(1 / 3, seed=7)
        found = []
        for _ in range(60):
            response = ready.service.handle("GET", "/backup-vaults", {}, b"", {}, PRIMARY, OPERATOR)
            assert response.error_code in (None, "ThrottlingException")
            found.append(response.error_code is None)
        return found

    first = outcomes()
    assert 10 <= first.count(False) <= 30
    assert outcomes() == first
    ready.service.faults.throttle(1.0, operations={"ListCopyJobs"})
    ready.primary.list_backup_vaults()
    with pytest.raises(ClientError):
        ready.primary.list_copy_jobs()


def test_a_call_is_denied_to_one_principal_or_to_all(ready: Account) -> None:
    ready.service.faults.deny("ListBackupVaults", OPERATOR)
    with pytest.raises(ClientError) as refused:
        ready.primary.list_backup_vaults()
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    assert OPERATOR in str(refused.value)
    other = ready.client(PRIMARY, f"arn:aws:iam::{ACCOUNT}:user/other")
    other.list_backup_vaults()
    ready.service.faults.deny("ListBackupVaults", message="not today")
    with pytest.raises(ClientError, match="not today"):
        other.list_backup_vaults()


def test_a_lost_region_does_not_answer_or_progress(ready: Account) -> None:
    job_id = ready.start_backup()
    ready.service.faults.lose_region("us-west-1")
    with pytest.raises(ClientError) as refused:
        ready.primary.list_backup_vaults()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    ready.dr.list_backup_vaults()
    ready.advance(hours=1)
    ready.service.faults.restore_region("us-west-1")
    assert state_of(ready, job_id)[0] in ("CREATED", "RUNNING")
    ready.advance(minutes=5)
    assert state_of(ready, job_id)[0] == "COMPLETED"


def test_a_copy_into_a_lost_region_fails(ready: Account) -> None:
    point = ready.back_up()
    ready.service.faults.lose_region("us-west-2")
    job = ready.copy(point)
    assert job["State"] == "FAILED"
    assert "us-west-2" in job["StatusMessage"]


def test_nights_in_a_lost_region_are_missed_except_the_one_still_in_its_window(
    ready: Account,
) -> None:
    ready.make_plan()
    ready.service.faults.lose_region("us-west-1")
    ready.advance(days=2, hours=14)  # three midnights and two hours
    ready.service.faults.restore_region("us-west-1")
    ready.advance(hours=3)
    jobs = ready.primary.list_backup_jobs()["BackupJobs"]
    assert len(jobs) == 2
    assert {job["State"] for job in jobs} == {"COMPLETED"}
    ready.advance(days=1)
    assert len(ready.primary.list_backup_jobs()["BackupJobs"]) == 4


def test_a_held_job_finishes_when_it_is_released(ready: Account) -> None:
    ready.service.faults.hold("backup")
    job_id = ready.start_backup()
    ready.advance(hours=5)
    assert state_of(ready, job_id)[0] == "RUNNING"
    ready.service.faults.release("backup")
    assert state_of(ready, job_id)[0] == "COMPLETED"


def test_faults_can_be_set_as_json(ready: Account) -> None:
    wanted = {
        "fail_next": [
            {
                "kind": "copy",
                "resource_type": "EFS",
                "message": "no",
                "count": 2,
                "state": "PARTIAL",
            },
        ],
        "throttle": {"fraction": 0.5, "seed": 3, "operations": ["ListCopyJobs"]},
        "deny": [{"operation": "StartCopyJob", "principal": None, "message": None}],
        "lost_regions": ["us-west-2"],
        "hold": ["expiry", "restore"],
        "vault_states": {"vault": "FAILED"},
        "service_linked_role": False,
    }
    faults = ready.service.faults
    faults.apply(json.loads(json.dumps(wanted)))
    assert faults.describe() == wanted
    faults.apply({"clear": True})
    assert faults.describe() == Faults().describe()
    faults.apply({"deny": [{"operation": "ListBackupVaults"}]})
    with pytest.raises(ClientError):
        ready.primary.list_backup_vaults()
    for wrong in ({"colour": "red"}, {"hold": ["tape"]}, {"throttle": {"fraction": 2}}):
        with pytest.raises(ValueError, match=r"unknown|can be held|fraction"):
            faults.apply(wrong)


def test_a_rollback_restores_everything(ready: Account) -> None:
    (ready.mail / "letter").write_text("one")
    ready.make_plan()
    ready.advance(days=2)
    checkpoint = ready.service.export_state()
    before = (ready.points(), ready.points(ready.dr, DR_VAULT), ready.clock.now())
    (ready.mail / "letter").write_text("two")
    ready.advance(days=400)
    assert before[0][0] not in ready.points()
    ready.service.import_state(checkpoint)
    assert (ready.points(), ready.points(ready.dr, DR_VAULT), ready.clock.now()) == before
    files = next(point for point in before[0] if point["ResourceType"] == "EFS")
    job = ready.restore(
        files["RecoveryPointArn"],
        {"file-system-id": FILE_SYSTEM_ARN.rsplit("/", 1)[1], "newFileSystem": "false"},
    )
    assert job["Status"] == "COMPLETED"
    [letter] = ready.mail.glob("aws-backup-restore_*/letter")
    assert letter.read_text() == "one"
    ready.advance(days=1)
    assert len(ready.points()) == 6


def test_an_advance_in_progress_stops_at_a_rollback(ready: Account) -> None:
    ready.make_plan()
    checkpoint, before = ready.service.export_state(), ready.clock.now()

    class GoingBack(MemoryReports):
        """Another thread may do this while a report of the first job is delivered."""

        def event(self, *_arguments: object, **_named: object) -> None:
            ready.world.reports = MemoryReports()
            ready.service.import_state(checkpoint)

    ready.world.reports = GoingBack()
    ready.advance(days=400)

    assert ready.clock.now() == before


def test_file_contents_are_stored_once_and_manifests_dropped_with_their_points(
    ready: Account, tmp_path: Path
) -> None:
    (ready.mail / "letter").write_text("x" * 100_000)
    first = ready.back_up(FILE_SYSTEM_ARN)
    ready.copy(first)
    (ready.mail / "same").write_text("x" * 100_000)
    second = ready.back_up(FILE_SYSTEM_ARN)
    third = ready.back_up(FILE_SYSTEM_ARN)
    trees = TreeStore(tmp_path / "store")
    assert len(trees.trees()) == 2
    for arn in (first, second, third):
        ready.primary.delete_recovery_point(BackupVaultName=VAULT, RecoveryPointArn=arn)
    ready.advance(minutes=1)
    assert len(trees.trees()) == 1  # the copy in the other region still has it
    jobs = ready.primary.list_backup_jobs(ByResourceType="EFS")["BackupJobs"]
    assert [job["BackupSizeInBytes"] for job in jobs] == [0, 0, 100_000]


def test_accounts_and_regions_are_separate(ready: Account) -> None:
    other = Scope("000000000000", "us-west-1")
    assert ready.client(other).list_backup_vaults()["BackupVaultList"] == []
    with pytest.raises(ready.primary.exceptions.ResourceNotFoundException):
        ready.dr.list_recovery_points_by_backup_vault(BackupVaultName=VAULT)


def test_jobs_finish_without_an_advance(ready: Account) -> None:
    job_id = ready.start_backup()
    ready.clock.advance(timedelta(minutes=1))
    ready.service.tick()
    assert state_of(ready, job_id)[0] == "RUNNING"
    ready.clock.advance(timedelta(minutes=4))
    assert state_of(ready, job_id)[0] == "COMPLETED"
    [event] = [e for e in ready.events("Backup Job State Change") if e.detail["state"] == "RUNNING"]
    assert event.at == START + timedelta(seconds=5)


def test_many_threads_may_call_while_time_passes(ready: Account) -> None:
    statuses: list[int] = []

    def ask() -> None:
        for _ in range(50):
            body = json.dumps(
                {
                    "BackupVaultName": VAULT,
                    "ResourceArn": TABLE_ARN,
                    "IamRoleArn": f"arn:aws:iam::{ACCOUNT}:role/backup-role",
                }
            ).encode()
            response = ready.service.handle("PUT", "/backup-jobs", {}, body, {}, PRIMARY, OPERATOR)
            statuses.append(response.status)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        ready.advance(minutes=1)
    for thread in threads:
        thread.join()
    assert statuses == [200] * 200
    assert ready.world.tables.describe(PRIMARY, TABLE) is not None
    assert len(ready.service.call("ListBackupJobs", PRIMARY)["BackupJobs"]) == 200
