"""The drill of one mailbox, on the mail host and without it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from local_aws.client import ACCOUNT

from tests.e2e.drill.conftest import USER, Driller, left
from tests.e2e.drill.test_interrupts import Interrupting
from tests.e2e.exercise import catch_up
from tests.e2e.status import aws_by_hand as hand
from tests.maildirs import messages


@pytest.fixture
def night_to_come(driller: Driller, first_present: str) -> Driller:
    """After a night that is later than every file is old: files have the machine's time."""
    driller.sandbox.rollback(first_present)
    catch_up(driller.sandbox)
    driller.sandbox.run_nights(1)
    return driller


def some_messages(driller: Driller) -> list[Path]:
    """Those of INBOX that are in no other folder."""
    everything = sorted((driller.mount / USER / "Maildir" / "cur").iterdir())
    return [path for path in everything if path.stat().st_nlink == 1]


def test_on_the_mail_host_every_message_is_read_and_merged(night_to_come: Driller) -> None:
    driller = night_to_come
    count = sum(messages(driller.mount / USER / "Maildir").values())
    with driller.live_data_stays():
        said = driller.drill_on_the_host()

    assert said.code == 0, said.err + said.out
    assert left(driller.sandbox) == []
    report = driller.report
    assert (report["verdict"], report["reasons"], report["not_verified"]) == ("passed", [], [])
    evidence = {check["check"]: check["evidence"] for check in report["checks"]}
    assert evidence["not empty"] == f"{count} messages were restored"
    assert evidence["content"].startswith(f"{count} are in the mailbox today and identical, 0 ")
    assert evidence["complete"] == (
        f"of the {count} messages of today that are untouched since before the backup, "
        "0 were not restored"
    )
    assert evidence["merge"].startswith(f"{count} messages merged into a scratch mailbox, 0 not")
    assert [step["step"] for step in report["steps"]] == ["restore", "compare", "merge"]
    # The sandbox takes nine minutes for a file system.
    assert report["recovery_seconds"] >= 540


def test_without_the_mount_it_says_what_it_cannot_know(driller: Driller) -> None:
    with driller.live_data_stays():
        said = driller.drill_mailbox()

    assert said.code == 0, said.err + said.out
    assert left(driller.sandbox) == []
    report = driller.report
    assert report["verdict"] == "passed"
    assert [check["check"] for check in report["checks"]] == ["restored"]
    assert "without the mount the drill cannot read them" in report["not_verified"][0]
    assert "without the mount the drill cannot read them" in said.out


def test_the_report_does_not_say_whose_mailbox_it_is(driller: Driller) -> None:
    driller.drill_on_the_host()
    driller.drill_mailbox(user="mallory")

    file_system = driller.operator.deployment.cabal.file_system_id
    for file in driller.folder.iterdir():
        text = file.read_text()
        for secret in (USER, "mallory", ACCOUNT, file_system, str(driller.mount)):
            assert secret not in text, file.name
    assert "Item /<user> does not exist" in driller.reports[0]["reasons"][0]


def test_the_plan_alone(driller: Driller) -> None:
    here = driller.drill_on_the_host("--dry-run")
    elsewhere = driller.drill_mailbox("--dry-run")

    assert (here.code, elsewhere.code) == (0, 0)
    assert "can be merged into a scratch mailbox there" in here.out
    assert "to a new file system:" in elsewhere.out
    assert not driller.folder.exists()


@pytest.mark.parametrize(
    ("user", "mount"), [("../bob", True), ("smtp-queue", True), ("mallory", True), ("a/b", False)]
)
def test_64_for_what_is_no_mailbox(driller: Driller, user: str, mount: bool) -> None:
    said = (driller.drill_on_the_host if mount else driller.drill_mailbox)(user=user)
    assert said.code == 64
    assert driller.reports == []


def restore_fails(driller: Driller) -> None:
    driller.sandbox.faults.fail_next("restore", message="There was an internal error at AWS.")


def not_in_the_backup(driller: Driller) -> None:
    """As if the home were younger than the backup: it is not found under its name."""
    home = driller.mount / USER
    home.rename(driller.mount / "away")
    driller.sandbox.run_nights(1)
    (driller.mount / "away").rename(home)


def backup_lacks_messages(driller: Driller) -> None:
    one = some_messages(driller)[0]
    content, status = one.read_bytes(), one.stat()
    one.unlink()
    driller.sandbox.run_nights(1)
    one.write_bytes(content)
    shutil.chown(one, status.st_uid, status.st_gid)


def backup_is_spoiled(driller: Driller) -> None:
    one = some_messages(driller)[0]
    content = one.read_bytes()
    one.write_bytes(b"x" * len(content))
    driller.sandbox.run_nights(1)
    one.write_bytes(content)


def owner_is_another(driller: Driller) -> None:
    one = some_messages(driller)[0]
    uid = one.stat().st_uid
    shutil.chown(one, 1)
    driller.sandbox.run_nights(1)
    shutil.chown(one, uid)


def mailstore_is_deleted(driller: Driller) -> None:
    hand.delete_file_system(driller.operator.deployment)


Fault = Callable[[Driller], object]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (restore_fails, "AWS says: There was an internal error at AWS."),
        (not_in_the_backup, "AWS says: Item /<user> does not exist in the recovery point"),
        (backup_lacks_messages, "complete: of the "),
        (backup_is_spoiled, "content: "),
        (owner_is_another, "owner: 1 messages of another owner than the mailbox's"),
    ],
)
def test_failed_on_the_host(night_to_come: Driller, fault: Fault, reason: str) -> None:
    driller = night_to_come
    fault(driller)
    with driller.live_data_stays():
        said = driller.drill_on_the_host()
    assert said.code == 6, said.out + said.err
    assert driller.report["reasons"][0].find(reason) >= 0, driller.report["reasons"]
    assert left(driller.sandbox) == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (restore_fails, "AWS says: There was an internal error at AWS."),
        (not_in_the_backup, "AWS says: Item /<user> does not exist in the recovery point"),
        (mailstore_is_deleted, "does not exist, so nothing can be restored into it"),
    ],
)
def test_failed_elsewhere(driller: Driller, fault: Fault, reason: str) -> None:
    fault(driller)
    said = driller.drill_mailbox()
    assert said.code == 6, said.out + said.err
    assert reason in driller.report["reasons"][0]
    assert left(driller.sandbox) == []


def test_mounted_is_another_file_system(driller: Driller, tmp_path: Path) -> None:
    (tmp_path / "other" / USER / "Maildir").mkdir(parents=True)
    said = driller.drill_mailbox("--mount", str(tmp_path / "other"))
    assert said.code == 6
    assert "no recovery directory appeared in <mount>" in driller.report["reasons"][0]
    # The directory is in the mailstore, which this machine does not see; the next drill does.
    (directory,) = left(driller.sandbox)
    assert directory.startswith("aws-backup-restore_")

    assert driller.drill_on_the_host().code == 0
    assert left(driller.sandbox) == []


def test_a_restore_of_another_user_meanwhile_is_kept(driller: Driller) -> None:
    """Two restores of one mailbox at a time: it is not known which directory is whose."""
    driller.operator.clock = Interrupting(driller.sandbox).interrupt_at(1, 2)
    assert driller.drill_on_the_host().code == 130
    operator = driller.operator
    operator.clock = Interrupting(driller.sandbox).interrupt_at()
    project = driller.command("mailbox")[2:6]
    options = operator.deployment.context_arguments()
    assert operator.type("restore", "mailbox", USER, *project, *options, "--yes").code == 0
    assert len(left(driller.sandbox)) == 2

    said = driller.drill_on_the_host()

    assert said.code == 0, said.err
    assert len(left(driller.sandbox)) == 2


def test_a_real_restore_does_not_take_a_drills_for_its_own(driller: Driller) -> None:
    """What a drill restored is removed: a user who needs the mail needs a restore of their own."""
    assert driller.drill_on_the_host().code == 0
    operator = driller.operator
    project = driller.command("mailbox")[2:6]
    options = operator.deployment.context_arguments()
    said = operator.type("restore", "mailbox", USER, *project, *options, "--yes")
    assert said.code == 0
    assert "already" not in said.err
    assert len(left(driller.sandbox)) == 1


def test_a_file_system_that_cannot_be_deleted_is_reported(driller: Driller) -> None:
    driller.sandbox.faults.services(
        {
            "service": "elasticfilesystem",
            "operation": "DeleteFileSystem",
            "error": "AccessDeniedException",
            "message": "User is not authorized to perform: elasticfilesystem:DeleteFileSystem",
            "status": 403,
        }
    )
    said = driller.drill_mailbox()
    driller.sandbox.faults.clear()
    assert said.code == 6
    assert "elasticfilesystem:DeleteFileSystem" in driller.report["left_over"][0]
    assert len(left(driller.sandbox)) == 2  # the file system, and the directory in it

    again = driller.drill("addresses")
    assert again.code == 0
    assert "An earlier drill left the file system cabal-drill-" in again.err
    assert left(driller.sandbox) == []


@pytest.mark.parametrize("mounted", [True, False])
def test_ctrl_c(driller: Driller, mounted: bool) -> None:
    driller.operator.clock = Interrupting(driller.sandbox).interrupt_at(2)
    with driller.live_data_stays():
        said = driller.drill_on_the_host() if mounted else driller.drill_mailbox()
    assert said.code == 130
    assert driller.report["verdict"] == "interrupted"
    assert left(driller.sandbox) == []


@pytest.mark.parametrize("mounted", [True, False])
def test_given_up_the_next_one_clears_away(driller: Driller, mounted: bool) -> None:
    driller.operator.clock = Interrupting(driller.sandbox).interrupt_at(2, 3)
    assert (driller.drill_on_the_host() if mounted else driller.drill_mailbox()).code == 130
    driller.operator.clock = Interrupting(driller.sandbox).interrupt_at()
    driller.sandbox.advance(hours=1)
    assert left(driller.sandbox) != []

    with driller.live_data_stays():
        again = driller.drill_on_the_host()

    assert again.code == 0
    assert "An earlier drill left the " in again.err
    assert left(driller.sandbox) == []
