"""What restores of mail say beforehand, and how they find what is there already."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from cabal_backup.config.environment import Lifecycle
from cabal_backup.errors import AwsError, UsageError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import SystemClock
from cabal_backup.operations.aws.jobs import Job, JobKind
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.restore.mail.clone_settings import missing_access_points
from cabal_backup.operations.restore.mail.file_system_settings import AccessPoint
from cabal_backup.operations.restore.mail.mailstore_restores import estimate, expectation, size
from cabal_backup.operations.restore.mail.restore_mailbox import (
    RestoreMailboxPlan,
    execute,
    items_of,
)
from cabal_backup.operations.restore.restore_jobs import RestoreRole
from tests.builders import ACCOUNT, MAILSTORE, an_environment

NOW = datetime(2026, 2, 1, 8, tzinfo=UTC)
TB = 10**12


def a_point(size_bytes: int, *, cold: bool = False) -> RecoveryPoint:
    taken = NOW - timedelta(days=40 if cold else 1)
    return RecoveryPoint(
        arn=f"arn:aws:backup:us-west-1:{ACCOUNT}:recovery-point:0b4e6d52-0000-4000-8000-000000000001",
        resource_arn=f"arn:aws:elasticfilesystem:us-west-1:{ACCOUNT}:file-system/{MAILSTORE}",
        resource_type="EFS",
        status="COMPLETED",
        status_message="",
        created=taken,
        cold_at=taken + timedelta(days=30),
        delete_at=taken + timedelta(days=365),
        lifecycle=Lifecycle(cold_after_days=30, delete_after_days=365),
        size_bytes=size_bytes,
        role_arn="",
        last_restored=None,
    )


def an_access_point(path: str, uid: int = 0, identity: str = "") -> AccessPoint:
    return AccessPoint(
        root_directory={"Path": path},
        posix_user={"Uid": uid, "Gid": 12},
        tags={},
        id=identity,
    )


def test_how_long_a_terabyte_takes() -> None:
    # 10^12 / 100 MB/s = 2.8 h; 10^12 / 50 kB / 500 files/s = 11.1 h.
    first, second, third = expectation(a_point(TB), NOW)
    assert first == "1.0 TB, warm"
    assert second.startswith("3 hours at the 100 MB/s")
    assert "11 hours at its 500 files/s with messages of 50 kB" in second
    assert "https://docs.aws.amazon.com/efs/latest/ug/awsbackup.html" in third


def test_a_cold_one_takes_four_hours_more() -> None:
    first, second, _ = expectation(a_point(TB, cold=True), NOW)
    assert "in cold storage: about four hours before it begins" in first
    assert second.startswith("7 hours at the 100 MB/s")
    assert "15 hours at its 500 files/s" in second


def test_a_restore_beyond_the_limit_of_aws_is_reported() -> None:
    assert not any("SEVEN DAYS" in line for line in expectation(a_point(15 * TB), NOW))
    assert "AWS ENDS A RESTORE AFTER SEVEN DAYS" in expectation(a_point(16 * TB), NOW)[-1]


def test_without_a_size_no_time_is_made_up() -> None:
    (line,) = expectation(a_point(0), NOW)
    assert "no time can be given" in line
    assert "hours" not in line


@pytest.mark.parametrize(
    ("number", "words"),
    [(999, "999 bytes"), (1000, "1.0 kB"), (1_500_000, "1.5 MB"), (2 * TB, "2.0 TB")],
)
def test_sizes_in_words(number: int, words: str) -> None:
    assert size(number) == words


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (timedelta(minutes=59), "under an hour"),
        (timedelta(hours=5), "5 hours"),
        (timedelta(days=3), "3 days"),
    ],
)
def test_durations_in_words(time: timedelta, words: str) -> None:
    assert estimate(time) == words


def test_an_access_point_that_is_there_is_not_missing() -> None:
    old = an_access_point("/smtp-queue", identity="fsap-old")
    new = replace(old, id="fsap-new", tags={"Name": "queue"})
    assert missing_access_points((old,), (new,)) == []
    assert missing_access_points((old,), (replace(new, posix_user=None),)) == [old]
    assert missing_access_points((old,), (an_access_point("/smtp-in-queue"),)) == [old]


def test_two_equal_requests_need_one_each() -> None:
    one, two = (an_access_point("/", identity=name) for name in ("fsap-1", "fsap-2"))
    there = an_access_point("/", identity="fsap-3")
    assert missing_access_points((one, two), (there,)) == [two]
    assert missing_access_points((one, two), (there, replace(there, id="fsap-4"))) == []


@pytest.mark.parametrize(
    ("folder", "items"),
    [
        (None, ["/alice"]),
        ("Inbox", ["/alice/Maildir/cur", "/alice/Maildir/new"]),
        ("Archive", ["/alice/Maildir/.Archive"]),
        ("Lists/Announce", ["/alice/Maildir/.Lists.Announce"]),
        ("Entwürfe & mehr", ["/alice/Maildir/.Entw&APw-rfe &- mehr"]),
        ("Entw&APw-rfe", ["/alice/Maildir/.Entw&APw-rfe"]),
        ("日本語", ["/alice/Maildir/.&ZeVnLIqe-"]),
    ],
)
def test_the_paths_of_a_folder(folder: str | None, items: list[str]) -> None:
    assert list(items_of("alice", folder)) == items


@pytest.mark.parametrize("folder", ["", "/", "../bob", "Archive/", "a//b", "a\nb"])
def test_what_is_no_folder(folder: str) -> None:
    with pytest.raises(UsageError, match=r"is no name of a folder, such as Archive"):
        items_of("alice", folder)


@pytest.mark.parametrize("folder", ["Lists/*", "a?", "[x]", "{x}"])
def test_a_wildcard_is_refused(folder: str) -> None:
    with pytest.raises(UsageError, match="Run this without --folder, and then `mailbox merge"):
        items_of("alice", folder)


def a_plan(folder: str | None = None, *, restored_to: str = MAILSTORE) -> RestoreMailboxPlan:
    """The plan of a restore to the mailstore that a completed job has made already."""
    point = a_point(TB)
    job = Job(
        kind=JobKind.RESTORE,
        id="1",
        region="us-west-1",
        state="COMPLETED",
        created=NOW,
        resource_arn=point.resource_arn,
        resource_type="EFS",
        vault="cabal-backup",
        created_resource_arn=point.resource_arn.replace(MAILSTORE, restored_to),
    )
    return RestoreMailboxPlan(
        user="alice",
        items=items_of("alice", folder),
        file_system_id=MAILSTORE,
        point=point,
        now=NOW,
        role=RestoreRole(f"arn:aws:iam::{ACCOUNT}:role/cabal-backup-role"),
        job=job,
    )


@pytest.mark.parametrize(
    ("folder", "warns"), [("Entwürfe", True), ("Lists/My-list_2.0 x", False), (None, False)]
)
def test_special_characters_are_shown_in_the_plan(folder: str | None, warns: bool) -> None:
    assert ("no special characters" in "\n".join(a_plan(folder).lines())) == warns


def test_a_job_that_restored_to_another_file_system() -> None:
    aws = Aws(an_environment(), boto3.Session(region_name="us-west-1"), ACCOUNT)
    assert execute(aws, a_plan(), SystemClock(), print).completed_well
    with pytest.raises(AwsError, match="restored to fs-0fedcba9876543210, which was not asked for"):
        execute(aws, a_plan(restored_to="fs-0fedcba9876543210"), SystemClock(), print)
