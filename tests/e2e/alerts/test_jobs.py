"""Jobs that do not succeed and points that are not whole: one readable message each (S27)."""

from __future__ import annotations

import pytest

from tests.e2e.alerts.conftest import Watched, assert_readable
from tests.e2e.exercise import newest_point
from tests.e2e.status.aws_by_hand import (
    DR,
    DR_VAULT_ARN,
    FOR_BACKUP,
    ROLE_ARN,
    points,
    strip,
    unlock,
)

TABLE = "arn:aws:dynamodb:us-west-1:123456789012:table/cabal-addresses"
WHY = "Something in the service went wrong."


def test_successful_nights_send_no_message(watched: Watched) -> None:
    watched.sandbox.run_nights(3)

    assert watched.inbox.read() == []


@pytest.mark.parametrize("state", ["FAILED", "ABORTED", "EXPIRED", "PARTIAL"])
def test_a_backup_job_that_did_not_succeed(watched: Watched, state: str) -> None:
    """Also a PARTIAL one, which leaves a PARTIAL recovery point with an event of its own."""
    watched.sandbox.faults.fail_next("backup", resource_type="DynamoDB", message=WHY, state=state)
    watched.take_the_second_night()

    message = watched.inbox.only()

    assert message.region == "us-west-1"
    assert message.subject == f"[cabal-backup development] Backup {state}: cabal-addresses"
    lines = message.body.splitlines()
    assert lines[0] == f"Backup {state}: cabal-addresses"
    assert f"Resource:       {TABLE}" in lines
    assert f"Reason:         {WHY}" in lines
    assert "When:           2026-01-03 00:24 UTC" in lines
    assert "Region:         us-west-1" in lines
    assert "    cabal-backup backup now -e development" in lines


def command(body: str, beginning: str) -> str:
    """The one command in a message that begins like this."""
    (found,) = (line.strip() for line in body.splitlines() if line.startswith(f"    {beginning}"))
    return found


@pytest.mark.parametrize("state", ["FAILED", "PARTIAL"])
def test_a_copy_job_that_did_not_succeed(watched: Watched, state: str) -> None:
    """Its PARTIAL point lies in the other region, and is not reported there again."""
    watched.sandbox.faults.fail_next("copy", resource_type="EFS", message=WHY, state=state)
    watched.take_the_second_night()

    message = watched.inbox.only()

    mailstore = watched.deployment.cabal.file_system_id
    assert message.region == "us-west-1"
    assert message.subject == f"[cabal-backup development] Copy {state}: {mailstore}"
    lines = message.body.splitlines()
    assert f"Resource:       {watched.deployment.cabal.file_system_arn}" in lines
    assert f"Reason:         {WHY}" in lines
    assert f"To:             {DR_VAULT_ARN}" in lines


def test_a_failed_copy_back_is_reported_in_the_region_it_runs_in(watched: Watched) -> None:
    watched.sandbox.faults.fail_next("copy", message=WHY)
    watched.client("backup", "us-west-2").start_copy_job(
        RecoveryPointArn=newest_point(
            watched.sandbox, "EFS", vault="cabal-backup-dr", region="us-west-2"
        ),
        SourceBackupVaultName="cabal-backup-dr",
        DestinationBackupVaultArn="arn:aws:backup:us-west-1:123456789012:backup-vault:cabal-backup",
        IamRoleArn=ROLE_ARN,
        Lifecycle={"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 365},
    )
    watched.sandbox.advance(hours=1)

    message = watched.inbox.only()

    assert message.region == "us-west-2"
    assert "Copy back FAILED" in message.subject
    assert "    cabal-backup copy-back addresses -e development" in message.body.splitlines()


@pytest.mark.parametrize("state", ["FAILED", "ABORTED"])
def test_a_restore_job_that_did_not_succeed(watched: Watched, state: str) -> None:
    watched.sandbox.faults.fail_next("restore", message=WHY, state=state)
    watched.client("backup").start_restore_job(
        RecoveryPointArn=newest_point(watched.sandbox, "DynamoDB"),
        IamRoleArn=ROLE_ARN,
        ResourceType="DynamoDB",
        Metadata={"targetTableName": "cabal-addresses-restored"},
    )
    watched.sandbox.advance(hours=1)

    message = watched.inbox.only()

    assert message.subject == f"[cabal-backup development] Restore {state}: cabal-addresses"
    assert f"Reason:         {WHY}" in message.body
    assert "    cabal-backup jobs -e development" in message.body.splitlines()


def test_a_recovery_point_that_could_not_be_deleted(watched: Watched) -> None:
    """EXPIRED, because the role that made it may do nothing any more."""
    unlock(watched.sandbox, DR)
    strip(watched.sandbox, FOR_BACKUP)
    point, *_ = points(watched.sandbox, DR)
    watched.inbox.read()
    watched.client("backup", "us-west-2").delete_recovery_point(
        BackupVaultName="cabal-backup-dr", RecoveryPointArn=point["RecoveryPointArn"]
    )

    called, message = sorted(watched.inbox.read(), key=lambda each: each.subject)

    assert "deletion of a recovery point" in called.subject
    assert_readable(message)
    assert message.region == "us-west-2"
    assert "Recovery point EXPIRED: " in message.subject
    assert f"Recovery point: {point['RecoveryPointArn']}" in message.body
    assert "could not delete the recovery point with its role" in message.body
    assert "cabal-backup status -e development --only role" in message.body


def test_a_job_completed_with_issues(watched: Watched) -> None:
    """COMPLETED with a status message, as AWS Backup reports it."""
    watched.sandbox.faults.fail_next("backup", message=WHY, state="COMPLETED")
    watched.take_the_second_night()

    message = watched.inbox.only()

    assert " COMPLETED with issues: " in message.subject
    assert f"Reason:         {WHY}" in message.body.splitlines()


def test_a_failed_night_is_one_message(watched: Watched) -> None:
    """A backup of one resource and the copy of the other."""
    watched.sandbox.faults.fail_next("backup", resource_type="DynamoDB", message=WHY)
    watched.sandbox.faults.fail_next("copy", resource_type="EFS", message=WHY)
    watched.take_the_second_night()

    message = watched.inbox.only()

    mailstore = watched.deployment.cabal.file_system_id
    assert message.subject == (
        "[cabal-backup development] Backup FAILED: cabal-addresses, and 1 more"
    )
    lines = message.body.splitlines()
    assert lines[:4] == [
        "Backup FAILED: cabal-addresses, and 1 more",
        "",
        "  Backup FAILED: cabal-addresses",
        f"  Copy FAILED: {mailstore}",
    ]
    assert lines.count(f"Reason:         {WHY}") == 2
    assert command(message.body, "cabal-backup backup now")
    assert command(message.body, "cabal-backup copy now")


def test_jobs_of_others_are_none_of_our_business(watched: Watched) -> None:
    backup = watched.client("backup")
    backup.create_backup_vault(BackupVaultName="another-vault")
    watched.sandbox.faults.fail_next("backup", message=WHY)
    backup.start_backup_job(BackupVaultName="another-vault", ResourceArn=TABLE, IamRoleArn=ROLE_ARN)
    watched.sandbox.advance(hours=1)

    assert watched.inbox.read() == []


def test_a_restore_test_found_wrong(watched: Watched) -> None:
    """The event that the validation of restore tests puts; a successful one is not reported."""
    detail = (
        '{"resourceArn": "%s", "resourceType": "DynamoDB", "restoreJobId": "job-1", '
        '"verdict": "%s", "message": "%s"}'
    )
    watched.client("events").put_events(
        Entries=[
            {
                "Source": "cabal-backup",
                "DetailType": "Restore Test Validated",
                "Detail": detail % (TABLE, verdict, message),
            }
            for verdict, message in (
                ("SUCCESSFUL", "600 items, as in the live table."),
                ("FAILED", "12 items, and the live table has 600."),
            )
        ]
    )

    message = watched.inbox.only()

    assert message.subject == "[cabal-backup development] Restore test FAILED: cabal-addresses"
    assert "Reason:         12 items, and the live table has 600." in message.body
    assert (
        "    aws backup describe-restore-job --region us-west-1 --restore-job-id=job-1"
    ) in message.body.splitlines()
