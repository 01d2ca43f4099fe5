"""Restores of tables and of file systems."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from local_aws_tests.unit.account import (
    BACKUP_ROLE,
    FILE_SYSTEM,
    FILE_SYSTEM_ARN,
    PRIMARY,
    RESTORE_ROLE,
    TABLE,
    TABLE_ARN,
    VAULT,
    YEAR,
    Account,
)

IN_PLACE = {"file-system-id": FILE_SYSTEM, "newFileSystem": "false"}
NEW = {
    "file-system-id": FILE_SYSTEM,
    "newFileSystem": "true",
    "Encrypted": "true",
    "PerformanceMode": "generalPurpose",
    "CreationToken": "restored-mail",
}
DIRECTORY = re.compile(r"aws-backup-restore_\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z")


@pytest.fixture
def ready(account: Account) -> Account:
    account.opt_in()
    account.make_vaults()
    return account


def fill(root: Path) -> None:
    """Two mailboxes with links, unusual modes and unusual times."""
    for user in ("alice", "bob"):
        mail = root / user / "Maildir" / "cur"
        mail.mkdir(parents=True)
        (root / user).chmod(0o700)
        (mail / "1.eml").write_text(f"Dear {user}")
        os.utime(mail / "1.eml", ns=(1_600_000_000_123_456_789, 1_600_000_000_987_654_321))
        (mail / "1.eml").chmod(0o640)
    (root / "alice" / "Maildir" / ".Sent").mkdir()
    os.link(root / "alice/Maildir/cur/1.eml", root / "alice/Maildir/.Sent/1.eml")
    os.link(root / "alice/Maildir/cur/1.eml", root / "bob/same.eml")
    (root / "alice" / "latest").symlink_to("Maildir/cur/1.eml")
    (root / "bob" / "dangling").symlink_to("/nowhere")
    os.utime(root / "bob/Maildir", ns=(1_500_000_000_000_000_001, 1_500_000_000_000_000_001))


def shape(root: Path) -> dict[str, tuple[Any, ...]]:
    """Everything below a directory that a complete copy keeps."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content: Any = None
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
        owner = (status.st_uid, status.st_gid)
        found[str(path.relative_to(root))] = (status.st_mode, owner, status.st_mtime_ns, content)
    return found


def restored_directory(root: Path) -> Path:
    [directory] = [path for path in root.iterdir() if DIRECTORY.fullmatch(path.name)]
    return directory


def test_a_table_is_restored_with_a_new_name(ready: Account) -> None:
    point = ready.back_up()
    job = ready.restore(point, {"targetTableName": "addresses-restored"})
    assert (job["Status"], job["PercentDone"]) == ("COMPLETED", "100.00%")
    assert job["CreatedResourceArn"] == f"{TABLE_ARN}-restored"
    assert ready.world.tables.items(PRIMARY, f"{TABLE}-restored") == (
        ready.world.tables.items(PRIMARY, TABLE)
    )
    described = ready.primary.describe_protected_resource(ResourceArn=TABLE_ARN)
    assert described["LatestRestoreExecutionTimeMinutes"] == 6
    metadata = ready.primary.get_restore_job_metadata(RestoreJobId=job["RestoreJobId"])
    assert metadata["Metadata"] == {"targetTableName": "addresses-restored"}


def test_an_available_recovery_point_can_be_restored_and_copied(ready: Account) -> None:
    point = ready.back_up()
    vaults = ready.service._core.state.region(PRIMARY).vaults
    vaults[VAULT].points[point].status = "AVAILABLE"
    assert ready.restore(point, {"targetTableName": "restored"})["Status"] == "COMPLETED"


def test_a_restore_is_pending_then_running(ready: Account) -> None:
    point = ready.back_up()
    job_id = ready.primary.start_restore_job(
        RecoveryPointArn=point,
        Metadata={"targetTableName": "restored"},
        IamRoleArn=RESTORE_ROLE,
    )["RestoreJobId"]

    def status() -> str:
        return str(ready.primary.describe_restore_job(RestoreJobId=job_id)["Status"])

    assert status() == "PENDING"
    ready.advance(minutes=1)
    assert status() == "RUNNING"
    assert ready.world.tables.describe(PRIMARY, "restored") is None
    ready.advance(minutes=6)
    assert status() == "COMPLETED"


def test_a_restore_from_cold_storage_takes_four_hours_longer(ready: Account) -> None:
    point = ready.back_up()
    ready.advance(days=31)
    job = ready.restore(point, {"targetTableName": "restored"})
    assert (job["Status"], job["ExpectedCompletionTimeMinutes"]) == ("RUNNING", 246)
    ready.advance(hours=4)
    job = ready.primary.describe_restore_job(RestoreJobId=job["RestoreJobId"])
    assert job["Status"] == "COMPLETED"


def test_an_existing_creation_token_fails_the_restore(ready: Account) -> None:
    point = ready.back_up(FILE_SYSTEM_ARN)
    assert ready.restore(point, NEW)["Status"] == "COMPLETED"
    job = ready.restore(point, NEW)
    assert job["Status"] == "FAILED"
    assert "FileSystemAlreadyExists" in job["StatusMessage"]


def test_an_existing_name_fails_the_restore(ready: Account) -> None:
    job = ready.restore(ready.back_up(), {"targetTableName": TABLE})
    assert job["Status"] == "FAILED"
    assert TABLE in job["StatusMessage"]


def test_copying_the_tags_of_the_source_fails_the_restore_of_a_table(ready: Account) -> None:
    job = ready.restore(
        ready.back_up(), {"targetTableName": "restored"}, CopySourceTagsToRestoredResource=True
    )
    assert job["Status"] == "FAILED"
    assert ready.world.tables.describe(PRIMARY, "restored") is None


@pytest.mark.parametrize("before_opt_in", [True, False])
def test_the_role_that_only_backs_up_cannot_restore(account: Account, before_opt_in: bool) -> None:
    if not before_opt_in:
        account.opt_in()
    account.make_vaults()
    point = account.back_up()
    refused = account.restore(point, {"targetTableName": "restored"}, IamRoleArn=BACKUP_ROLE)
    assert refused["Status"] == "FAILED"
    assert "dynamodb:RestoreTableFrom" in refused["StatusMessage"]
    assert account.restore(point, {"targetTableName": "restored"})["Status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({}, "MissingParameterValueException"),
        ({"targetTableName": "x", "colour": "red"}, "InvalidParameterValueException"),
        ({"targetTableName": "x", "encryptionType": "AES"}, "InvalidParameterValueException"),
        ({"targetTableName": "x", "encryptionType": "KMS"}, "MissingParameterValueException"),
    ],
)
def test_table_metadata_is_checked(ready: Account, metadata: dict[str, str], error: str) -> None:
    point = ready.back_up()
    with pytest.raises(getattr(ready.primary.exceptions, error)):
        ready.restore(point, metadata)


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({"newFileSystem": "false"}, "MissingParameterValueException"),
        (IN_PLACE | {"newFileSystem": "perhaps"}, "InvalidParameterValueException"),
        (IN_PLACE | {"newFileSystem": "true"}, "MissingParameterValueException"),
        (IN_PLACE | {"ItemsToRestore": "/alice"}, "InvalidParameterValueException"),
        (IN_PLACE | {"ItemsToRestore": "[]"}, "InvalidParameterValueException"),
        (
            IN_PLACE | {"ItemsToRestore": json.dumps(list("abcdef"))},
            "InvalidParameterValueException",
        ),
        (IN_PLACE | {"ItemsToRestore": '["/ali*"]'}, "InvalidParameterValueException"),
        (NEW | {"PerformanceMode": "fast"}, "InvalidParameterValueException"),
        (NEW | {"Encrypted": "false", "KmsKeyId": "key"}, "InvalidParameterValueException"),
    ],
)
def test_file_system_metadata_is_checked(
    ready: Account, metadata: dict[str, str], error: str
) -> None:
    point = ready.back_up(FILE_SYSTEM_ARN)
    with pytest.raises(getattr(ready.primary.exceptions, error)):
        ready.restore(point, metadata)


def test_a_point_without_a_vault_is_not_found(ready: Account) -> None:
    with pytest.raises(ready.primary.exceptions.ResourceNotFoundException):
        ready.restore("arn:aws:backup:us-west-1:123456789012:recovery-point:no", {})


def test_restore_metadata_is_a_starting_map(ready: Account) -> None:
    files = ready.back_up(FILE_SYSTEM_ARN)
    found = ready.primary.get_recovery_point_restore_metadata(
        BackupVaultName=VAULT, RecoveryPointArn=files
    )
    assert found["ResourceType"] == "EFS"
    assert found["RestoreMetadata"]["file-system-id"] == FILE_SYSTEM
    job = ready.restore(files, found["RestoreMetadata"])
    assert job["Status"] == "COMPLETED"


def test_a_full_restore_in_place_overwrites_nothing(ready: Account) -> None:
    fill(ready.mail)
    point = ready.back_up(FILE_SYSTEM_ARN)
    before = shape(ready.mail)
    (ready.mail / "alice/Maildir/cur/1.eml").write_text("changed since")
    changed = shape(ready.mail)
    job = ready.restore(point, IN_PLACE)
    assert (job["Status"], job["CreatedResourceArn"]) == ("COMPLETED", FILE_SYSTEM_ARN)
    directory = restored_directory(ready.mail)
    assert shape(directory) == before
    linked = [
        (directory / name).lstat().st_ino
        for name in ("alice/Maildir/cur/1.eml", "alice/Maildir/.Sent/1.eml", "bob/same.eml")
    ]
    assert len(set(linked)) == 1
    now = {
        path: entry
        for path, entry in shape(ready.mail).items()
        if not path.startswith(directory.name)
    }
    assert now == changed


def test_a_new_file_system_also_gets_the_dated_directory(ready: Account) -> None:
    fill(ready.mail)
    job = ready.restore(ready.back_up(FILE_SYSTEM_ARN), NEW)
    file_system_id = job["CreatedResourceArn"].rsplit("/", 1)[1]
    assert file_system_id != FILE_SYSTEM
    root = ready.world.file_systems.root(PRIMARY, file_system_id)
    assert [path.name for path in root.iterdir()] == [restored_directory(root).name]
    assert shape(restored_directory(root)) == shape(ready.mail)


def test_only_the_selected_items_are_restored_completely(ready: Account) -> None:
    fill(ready.mail)
    before = shape(ready.mail)
    point = ready.back_up(FILE_SYSTEM_ARN)
    items = json.dumps(["/bob", "alice/latest"])
    job = ready.restore(point, IN_PLACE | {"ItemsToRestore": items})
    assert job["Status"] == "COMPLETED"
    expected = {
        path: entry
        for path, entry in before.items()
        if path in ("alice", "alice/latest") or path.split("/")[0] == "bob"
    }
    assert shape(restored_directory(ready.mail)) == expected


@pytest.mark.parametrize("metadata", [IN_PLACE, NEW])
def test_another_file_system_fails_the_restore(ready: Account, metadata: dict[str, str]) -> None:
    other = ready.world.file_systems.create(
        PRIMARY,
        creation_token="x",
        performance_mode="generalPurpose",
        encrypted=True,
        kms_key_id=None,
    )
    point = ready.back_up(FILE_SYSTEM_ARN)
    job = ready.restore(point, metadata | {"file-system-id": other})
    assert (job["Status"], other in job["StatusMessage"]) == ("FAILED", True)
    assert sorted(ready.world.file_systems.ids(PRIMARY)) == sorted([FILE_SYSTEM, other])


@pytest.mark.parametrize("item", ["/carol", "/ALICE", "/alice/Maildir/cur/1"])
def test_a_missing_item_fails_the_restore_and_writes_nothing(ready: Account, item: str) -> None:
    fill(ready.mail)
    before = shape(ready.mail)
    point = ready.back_up(FILE_SYSTEM_ARN)
    wanted = json.dumps([item])
    for metadata in (IN_PLACE, NEW):
        job = ready.restore(point, metadata | {"ItemsToRestore": wanted})
        assert job["Status"] == "FAILED"
        assert item in job["StatusMessage"]
    assert shape(ready.mail) == before
    assert ready.world.file_systems.ids(PRIMARY) == [FILE_SYSTEM]


def test_earlier_restores_are_part_of_later_backups(ready: Account) -> None:
    fill(ready.mail)
    ready.restore(ready.back_up(FILE_SYSTEM_ARN), IN_PLACE)
    whole = shape(ready.mail)
    job = ready.restore(ready.back_up(FILE_SYSTEM_ARN), NEW)
    root = ready.world.file_systems.root(PRIMARY, job["CreatedResourceArn"].rsplit("/", 1)[1])
    assert shape(restored_directory(root)) == whole


def test_two_restores_at_once_get_two_directories(ready: Account) -> None:
    fill(ready.mail)
    point = ready.back_up(FILE_SYSTEM_ARN)
    for _ in range(2):
        ready.primary.start_restore_job(
            RecoveryPointArn=point, Metadata=IN_PLACE, IamRoleArn=RESTORE_ROLE
        )
    ready.advance(minutes=15)
    names = [path.name for path in ready.mail.iterdir() if DIRECTORY.fullmatch(path.name)]
    assert len(names) == 2


def test_sockets_and_pipes_are_left_out(ready: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    (ready.mail / "letter").write_text("text")
    os.mkfifo(ready.mail / "pipe")
    monkeypatch.chdir(ready.mail)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    ready.restore(ready.back_up(FILE_SYSTEM_ARN), IN_PLACE)
    assert [path.name for path in restored_directory(ready.mail).iterdir()] == ["letter"]


def test_undecodable_names_and_extended_attributes_are_kept(ready: Account) -> None:
    name = os.fsdecode(b"letter-\xff")
    (ready.mail / name).write_text("text")
    try:
        os.setxattr(ready.mail / name, "user.note", b"seen")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    ready.restore(ready.back_up(FILE_SYSTEM_ARN), IN_PLACE)
    restored = restored_directory(ready.mail) / name
    assert restored.read_text() == "text"
    assert os.getxattr(restored, "user.note") == b"seen"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_owners_are_kept(ready: Account) -> None:
    fill(ready.mail)
    os.chown(ready.mail / "alice", 65536, 65537)
    os.chown(ready.mail / "alice/latest", 65538, 65539, follow_symlinks=False)
    before = shape(ready.mail)
    ready.restore(ready.back_up(FILE_SYSTEM_ARN), IN_PLACE)
    assert shape(restored_directory(ready.mail)) == before


def test_the_token_of_a_finished_restore_is_refused(ready: Account) -> None:
    point = ready.back_up()
    request = {
        "RecoveryPointArn": point,
        "Metadata": {"targetTableName": "restored"},
        "IamRoleArn": RESTORE_ROLE,
        "IdempotencyToken": "drill",
    }
    first = ready.primary.start_restore_job(**request)["RestoreJobId"]
    assert ready.primary.start_restore_job(**request)["RestoreJobId"] == first
    ready.advance(minutes=15)
    with pytest.raises(ready.primary.exceptions.InvalidParameterValueException) as refused:
        ready.primary.start_restore_job(**request)
    assert "already finished" in str(refused.value)


def test_restore_lists_have_all_filters(ready: Account) -> None:
    table, files = ready.back_up(), ready.back_up(FILE_SYSTEM_ARN, Lifecycle=YEAR)
    ready.restore(table, {"targetTableName": "restored"})
    ready.restore(files, IN_PLACE, IamRoleArn=BACKUP_ROLE)

    def types(**filters: Any) -> list[str]:
        jobs = ready.primary.list_restore_jobs(**filters)["RestoreJobs"]
        return [job["ResourceType"] for job in jobs]

    assert types() == ["EFS", "DynamoDB"]
    assert types(ByStatus="COMPLETED") == ["DynamoDB"]
    assert types(ByStatus="FAILED") == ["EFS"]
    assert types(ByResourceType="EFS") == ["EFS"]
    assert types(ByRestoreTestingPlanArn="arn:aws:backup:none") == []
    of_table = ready.primary.list_restore_jobs_by_protected_resource(
        ResourceArn=TABLE_ARN, ByStatus="COMPLETED"
    )
    assert len(of_table["RestoreJobs"]) == 1
    ready.advance(days=31)
    assert types() == []
