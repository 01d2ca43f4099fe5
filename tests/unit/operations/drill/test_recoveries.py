"""Which recovery directory is a drill's: when in doubt, none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cabal_backup.operations.aws.jobs import Job, JobKind
from cabal_backup.operations.drill.recoveries import made_at, recovery_of_drills
from cabal_backup.operations.restore.mail.mailstore_restores import MailRestore

BEGAN = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
TOKEN = "cabal-drill-20261122-130000"
FAILED = "aws-backup-failed-restore_2026-11-22T13-05-00-000Z"
DIRECTORY = "aws-backup-restore_2026-11-22T13-04-59-832Z"


def a_restore(
    token: str = TOKEN,
    *,
    began: datetime = BEGAN,
    minutes: float | None = 10,
    items: str | None = '["/alice"]',
    **changes: Any,
) -> MailRestore:
    """A restore of alice's mailbox by a drill, from 13:00 to 13:10."""
    job = Job(
        kind=JobKind.RESTORE,
        id="1EB3B5E7",
        region="us-west-1",
        state="COMPLETED" if minutes else "RUNNING",
        message="",
        percent=None,
        created=began,
        completed=began + timedelta(minutes=minutes) if minutes else None,
        resource_arn="",
        resource_type="EFS",
        recovery_point_arn="",
        vault="cabal-backup",
        created_resource_arn="",
    )
    asked = {} if items is None else {"ItemsToRestore": items}
    metadata = {"newFileSystem": "false", "CreationToken": token, **asked, **changes}
    return MailRestore(job=job, metadata=metadata)


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    (tmp_path / DIRECTORY / "alice").mkdir(parents=True)
    (tmp_path / "alice").mkdir()
    return tmp_path


def test_the_one_that_was_made_while_its_job_ran(mount: Path) -> None:
    assert recovery_of_drills([a_restore()], mount) == {TOKEN: (DIRECTORY,)}
    assert recovery_of_drills([a_restore(minutes=None)], mount) == {TOKEN: (DIRECTORY,)}


@pytest.mark.parametrize(
    "restores",
    [
        [],
        [a_restore("another restore")],
        [a_restore(began=BEGAN - timedelta(hours=1))],
        [a_restore(began=BEGAN + timedelta(hours=1))],
        [a_restore(items='["/bob"]')],
        [a_restore(items='["/alice", "/bob"]')],
        [a_restore(newFileSystem="true")],
        # Another user restores the same at the same time: it may be theirs.
        [a_restore(), a_restore("another restore")],
        [a_restore(), a_restore("another restore", items=None)],
        [a_restore(), a_restore("cabal-drill-20261122-130001")],
    ],
)
def test_every_other_is_left(mount: Path, restores: list[MailRestore]) -> None:
    assert recovery_of_drills(restores, mount) == {}


def test_a_restore_of_another_mailbox_is_ignored(mount: Path) -> None:
    others = [a_restore("his", items='["/bob"]'), a_restore("new", newFileSystem="true")]
    assert recovery_of_drills([a_restore(), *others], mount) == {TOKEN: (DIRECTORY,)}


def test_with_more_in_it_than_was_asked_for(mount: Path) -> None:
    (mount / DIRECTORY / "bob").mkdir()
    assert recovery_of_drills([a_restore()], mount) == {}


@pytest.mark.parametrize("holds", [[], ["alice"]])
def test_what_a_restore_that_failed_left(mount: Path, holds: list[str]) -> None:
    (mount / FAILED).mkdir()
    for name in holds:
        (mount / FAILED / name).mkdir()
    assert recovery_of_drills([a_restore()], mount) == {TOKEN: (FAILED, DIRECTORY)}
    (mount / FAILED / "bob").mkdir()
    assert recovery_of_drills([a_restore()], mount) == {TOKEN: (DIRECTORY,)}


def test_a_link_is_no_directory(mount: Path, tmp_path: Path) -> None:
    (mount / DIRECTORY).rename(tmp_path / "away")
    (mount / DIRECTORY).symlink_to(tmp_path / "away")
    assert recovery_of_drills([a_restore()], mount) == {}


@pytest.mark.parametrize(
    ("name", "when"),
    [
        (DIRECTORY, datetime(2026, 11, 22, 13, 4, 59, 832_000, tzinfo=UTC)),
        ("aws-backup-restore_soon", None),
        (FAILED, datetime(2026, 11, 22, 13, 5, tzinfo=UTC)),
        ("aws-backup-lost+found", None),
        ("alice", None),
    ],
)
def test_the_time_in_the_name(name: str, when: datetime | None) -> None:
    assert made_at(name) == when
