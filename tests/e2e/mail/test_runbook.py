"""docs/runbooks/restore-mail.md, command by command, as it stands there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from local_aws.client import ACCOUNT

from tests.e2e.exercise import catch_up
from tests.e2e.mail.conftest import Postmaster
from tests.e2e.operator import Operator
from tests.e2e.shell import HUNG_SECONDS
from tests.maildirs import Mailstore, messages, names
from tests.sandbox.cabal import register_task_definitions
from tests.sandbox.deployment import PROJECT, Deployment, aws_cli

RUNBOOK = PROJECT / "docs" / "runbooks" / "restore-mail.md"
SECTIONS = {
    "Restore, with the tool",
    "Merge, with the tool",
    "Restore, by hand",
    "Merge, by hand",
    "Restore everything, with the tool",
    "Bring it to the root, with the tool",
    "Restore everything, by hand",
    "Bring it to the root, by hand",
    "Put it in the place of the old one",
    "Start incoming mail again",
}
USERS = ["alice", "bob", "carol", "dave", "erin"]

Reader = Callable[[str], str]
"""Types the commands of one section; what was said."""


def commands(section: str) -> str:
    text = RUNBOOK.read_text(encoding="utf-8").split(f"\n### {section}\n")[1]
    text = re.split(r"^##+ ", text, flags=re.MULTILINE)[0]
    return "".join(re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL))


@pytest.fixture
def postmaster(
    recent: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Postmaster:
    """On the machine's time, which commands in processes of their own look at."""
    catch_up(recent.sandbox)
    return Postmaster(Operator(recent, monkeypatch, capsys), tmp_path)


@pytest.fixture
def reader(postmaster: Postmaster, tmp_path: Path) -> Reader:
    """A user at a host that mounts the mailstore, in the project's folder."""
    sandbox = postmaster.sandbox
    sandbox.settings(efs_restore=0, restore_start_delay=0)
    shutil.copy(PROJECT / "cdk.json", tmp_path)
    identity = postmaster.cabal.file_system_id
    new = tmp_path / "new"
    kept = {
        "development.backup": True,
        "development.account": ACCOUNT,
        "development.mailstore_file_system_id": identity,
    }
    (tmp_path / "cdk.context.json").write_text(json.dumps(kept))
    postmaster.let_owners_in()
    places = [Path(sys.executable).parent, Path(aws_cli()).parent]
    environment = {
        **sandbox.environ(),
        "PATH": os.pathsep.join([*map(str, places), os.environ["PATH"]]),
    }

    def read(section: str) -> str:
        script = commands(section)
        assert script
        script = script.replace("/home", str(postmaster.mount))
        script = script.replace("/mnt/new", str(new))
        if "mailbox merge" in script:
            script = re.sub(r"merge alice", f"merge alice --mount {postmaster.mount}", script)
        script = re.sub(r"^mkdir -p .*|^mount -t efs .*", "true", script, flags=re.MULTILINE)
        script = script.replace("fs-0123456789abcdef0", identity)
        script = script.replace("fs-0fedcba9876543210", new.resolve().name)
        if os.geteuid() != 0:  # everything belongs to the user who runs this
            script = re.sub(r"^setpriv (.*\\\n.*) sh <", "sh <", script, flags=re.MULTILINE)
        ended = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", script],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HUNG_SECONDS,
        )
        assert ended.returncode == 0, f"{section}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout + ended.stderr

    return read


def lose(maildir: Path) -> None:
    for path in sorted((maildir / "cur").iterdir())[::2]:
        path.unlink()
    shutil.rmtree(maildir / ".Archive")


def all_messages(root: Path) -> dict[str, object]:
    return {user: messages(root / user / "Maildir") for user in USERS}


def check_that_the_tasks_mount_it(postmaster: Postmaster, reader: Reader, new: str) -> None:
    sandbox, cabal = postmaster.sandbox, postmaster.cabal
    ecs = sandbox.client("ecs")

    def mounted() -> set[str]:
        """The file systems of the task definitions that the services use."""
        services = ecs.describe_services(cluster=cabal.cluster, services=list(cabal.services))
        used = [
            ecs.describe_task_definition(taskDefinition=service["taskDefinition"])
            for service in services["services"]
        ]
        return {
            volume["efsVolumeConfiguration"]["fileSystemId"]
            for definition in used
            for volume in definition["taskDefinition"]["volumes"]
        }

    ecs.update_service(cluster=cabal.cluster, service="cabal-smtp-in", desiredCount=0)
    with pytest.raises(AssertionError, match=f"cabal-imap mounts {cabal.file_system_id}"):
        reader("Put it in the place of the old one")
    assert len(sandbox.trail("UpdateService")) == 1
    register_task_definitions(sandbox, new, cabal.region, cabal.account)
    assert mounted() == {cabal.file_system_id}

    reader("Put it in the place of the old one")
    reader("Start incoming mail again")
    assert mounted() == {new}
    services = ecs.describe_services(cluster=cabal.cluster, services=list(cabal.services))
    assert [service["desiredCount"] for service in services["services"]] == [1, 1, 1]


def new_file_system(postmaster: Postmaster, printed: str) -> Path:
    found = re.findall(r"fs-[0-9a-f]{17}", printed)
    (new,) = set(found) - {postmaster.cabal.file_system_id}
    return postmaster.sandbox.efs_directory(new)


def test_every_section_with_commands_is_run_here() -> None:
    sections = re.findall(r"^### (.+)$", RUNBOOK.read_text("utf-8"), flags=re.MULTILINE)
    assert {section for section in sections if commands(section)} == SECTIONS
    blocks = RUNBOOK.read_text("utf-8").count("```sh\n")
    assert blocks == sum(bool(commands(section)) for section in sections)


@pytest.mark.parametrize("way", ["with the tool", "by hand"])
def test_one_mailbox(postmaster: Postmaster, reader: Reader, way: str) -> None:
    before = all_messages(postmaster.mount)
    lose(postmaster.mount / "alice" / "Maildir")

    reader(f"Restore, {way}")
    assert all_messages(postmaster.mount) != before
    reader(f"Merge, {way}")

    assert all_messages(postmaster.mount) == before
    left = [name for name in names(postmaster.mount) if name.startswith("aws-backup-restore_")]
    assert len(left) == (0 if way == "with the tool" else 1)


def by_hand(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """The runbook's merge by hand, for a mailstore at `tmp_path`, by the one who runs this."""
    script = commands("Merge, by hand").replace("/home", str(tmp_path))
    script = re.sub(r"^setpriv (.*\\\n.*) sh <", "sh <", script, flags=re.MULTILINE)
    return subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


def test_by_hand_a_message_is_what_has_its_whole_name_and_its_content(tmp_path: Path) -> None:
    store = Mailstore.make(tmp_path)
    for name, text in {"100.M1P1.h:2,S": "A", "[1]x": "B", "*": "C", "7:2,S": "D"}.items():
        (store.recovered / "cur" / name).write_text(text)
    for name, text in {"100.M1P1.host2:2,S": "a", "1x": "b", "y": "c", "7:2,RS": "d"}.items():
        (store.live / "cur" / name).write_text(text)
    for name in ("same:2,S", "twice:2,S"):
        (store.recovered / "cur" / name).write_text("S")
        (store.live / "new" / name.partition(":")[0]).write_text("S")
    (store.recovered / "cur" / "twice:2,RS").write_text("T")
    done = by_hand(tmp_path)
    assert done.returncode == 0, done.stderr
    moved = {"100.M1P1.h:2,S", "[1]x", "*"}
    assert moved <= set(names(store.live / "cur"))
    assert names(store.recovered / "cur") == ["7:2,S", "same:2,S", "twice:2,RS", "twice:2,S"]
    assert done.stderr.count("left, the mailbox has another message of this name") == 2


def test_by_hand_two_recovery_directories_are_not_confused(tmp_path: Path) -> None:
    store = Mailstore.make(tmp_path)
    (store.recovered / "cur" / "1:2,S").write_text("A")
    other = tmp_path / "aws-backup-restore_2020-01-01T00-00-00-000Z"
    other.mkdir()
    done = by_hand(tmp_path)
    assert done.returncode != 0
    assert f"Choose one: {other} {store.recovery}" in done.stderr
    assert names(store.live / "cur") == []
    other.rmdir()
    store.recovery.rename(tmp_path / "away")
    assert by_hand(tmp_path).returncode != 0
    (tmp_path / "away").rename(store.recovery)
    assert by_hand(tmp_path).returncode == 0
    assert names(store.live / "cur") == ["1:2,S"]


@pytest.mark.parametrize("way", ["with the tool", "by hand"])
def test_the_whole_mailstore(
    postmaster: Postmaster, reader: Reader, tmp_path: Path, way: str
) -> None:
    before = all_messages(postmaster.mount)

    printed = reader(f"Restore everything, {way}")
    root = new_file_system(postmaster, printed)
    (tmp_path / "new").symlink_to(root)
    reader(f"Bring it to the root, {way}")
    if way == "by hand":
        check_that_the_tasks_mount_it(postmaster, reader, root.name)

    assert all_messages(root) == before
    (recovery,) = (name for name in names(root) if name.startswith("aws-backup-restore_"))
    assert names(root) == sorted([*USERS, recovery])
    efs = postmaster.sandbox.client("efs")
    made, old = (
        (
            len(efs.describe_mount_targets(FileSystemId=one)["MountTargets"]),
            [
                (point["RootDirectory"], point.get("PosixUser"), point["Tags"])
                for point in efs.describe_access_points(FileSystemId=one)["AccessPoints"]
            ],
        )
        for one in (root.name, postmaster.cabal.file_system_id)
    )
    assert made == old
