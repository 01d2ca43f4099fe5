"""The whole mailstore to a new file system, set up and put in the place of the old: S22."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from local_aws.client import ACCOUNT

from tests.e2e.mail.conftest import Interrupting, Postmaster, newest_mailstore_point
from tests.e2e.status import aws_by_hand
from tests.e2e.tables.tables import Item
from tests.maildirs import messages, names
from tests.sandbox.deployment import PROJECT

USERS = ["alice", "bob", "carol", "dave", "erin"]
QUEUES = ["smtp-in-queue", "smtp-queue"]


def dress_up(postmaster: Postmaster) -> None:
    """What a file system can have besides what Cabal's has, so that all of it is cloned."""
    efs, ec2 = postmaster.sandbox.client("efs"), postmaster.sandbox.client("ec2")
    identity = postmaster.cabal.file_system_id
    targets = efs.describe_mount_targets(FileSystemId=identity)["MountTargets"]
    for number, target in enumerate(targets):
        group = ec2.create_security_group(
            GroupName=f"nfs-{number}", Description="NFS", VpcId=target["VpcId"]
        )["GroupId"]
        efs.modify_mount_target_security_groups(
            MountTargetId=target["MountTargetId"], SecurityGroups=[group]
        )
    point = efs.create_access_point(
        FileSystemId=identity, Tags=[{"Key": "Name", "Value": "everything"}]
    )
    efs.update_file_system(FileSystemId=identity, ThroughputMode="elastic")
    efs.put_backup_policy(FileSystemId=identity, BackupPolicy={"Status": "ENABLED"})
    arn = postmaster.cabal.file_system_arn
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": "elasticfilesystem:ClientMount",
                "Resource": arn,
                "Condition": {
                    "StringEquals": {
                        "elasticfilesystem:AccessPointArn": point["AccessPointArn"],
                    }
                },
            }
        ],
    }
    efs.put_file_system_policy(FileSystemId=identity, Policy=json.dumps(policy))


def settings(postmaster: Postmaster, identity: str) -> dict[str, Any]:
    """What two file systems have to have in common, in words without their ids."""
    efs = postmaster.sandbox.client("efs")
    (described,) = efs.describe_file_systems(FileSystemId=identity)["FileSystems"]
    points = efs.describe_access_points(FileSystemId=identity)["AccessPoints"]
    policy = efs.describe_file_system_policy(FileSystemId=identity)["Policy"]
    policy = policy.replace(identity, "ITSELF")
    for point in points:
        policy = policy.replace(point["AccessPointId"], f"of {point['RootDirectory']['Path']}")
    return {
        "encrypted": described["Encrypted"],
        "throughput": described["ThroughputMode"],
        "tags": {tag["Key"]: tag["Value"] for tag in described["Tags"]},
        "lifecycle": efs.describe_lifecycle_configuration(FileSystemId=identity)[
            "LifecyclePolicies"
        ],
        "backup": efs.describe_backup_policy(FileSystemId=identity)["BackupPolicy"],
        "policy": json.loads(policy),
        "access points": Counter(map(_about, points)),
        "mount targets": Counter(
            (
                target["SubnetId"],
                *efs.describe_mount_target_security_groups(MountTargetId=target["MountTargetId"])[
                    "SecurityGroups"
                ],
            )
            for target in efs.describe_mount_targets(FileSystemId=identity)["MountTargets"]
        ),
    }


def _about(point: Item) -> str:
    return json.dumps([point.get("PosixUser"), point["RootDirectory"], point["Tags"]])


def file_systems(postmaster: Postmaster) -> list[str]:
    found = postmaster.sandbox.client("efs").describe_file_systems()["FileSystems"]
    return sorted(entry["FileSystemId"] for entry in found)


def everybodys(root: Path) -> dict[str, Any]:
    """All messages of all users, and who owns them."""
    return {
        user: (messages(root / user / "Maildir"), (root / user).stat().st_uid) for user in USERS
    }


def test_everything_is_restored_to_a_new_file_system(postmaster: Postmaster) -> None:
    dress_up(postmaster)
    old = postmaster.cabal.file_system_id
    before, wanted = everybodys(postmaster.mount), settings(postmaster, old)
    for user in USERS:
        shutil.rmtree(postmaster.mount / user)

    restored = postmaster.run("restore mailstore --yes")

    assert restored.code == 0, restored.err
    new = restored.out.strip()
    assert file_systems(postmaster) == sorted([old, new])
    assert settings(postmaster, new) == wanted
    assert "at the 100 MB/s that AWS gives for large files" in restored.err
    assert "mount -t efs -o tls" in restored.err

    check_that_it_comes_to_the_root(postmaster, new, before)
    check_that_status_is_red_until_it_is_selected(postmaster, new)


def check_that_it_comes_to_the_root(
    postmaster: Postmaster, new: str, before: dict[str, Any]
) -> None:
    mount = postmaster.sandbox.efs_directory(new)
    (recovery,) = names(mount)
    planned = postmaster.operator.type("mailstore", "promote", "--mount", str(mount), "--dry-run")
    assert (planned.code, names(mount)) == (0, [recovery])
    assert "old mail again" in planned.out

    promoted = postmaster.on_the_host("mailstore promote", mount)

    assert promoted.returncode == 0, promoted.stderr
    assert names(mount) == sorted([*USERS, recovery])
    assert everybodys(mount) == before
    assert [name for name in names(mount / recovery) if name[0] != "."] == QUEUES


def check_that_status_is_red_until_it_is_selected(postmaster: Postmaster, new: str) -> None:
    def findings() -> dict[str, str]:
        said = postmaster.run(
            "status --json --only selection,resources", mailstore_file_system_id=new
        )
        assert said.code in (0, 1), said.err
        return {found["check"]: found["status"] for found in said.json["findings"]}

    # The former mailstore has Cabal's tag until it is deleted.
    assert findings() == {"selection": "fail", "resources": "warn"}
    # What a deployment does: tests/e2e/promises/test_deployment.py shows that.
    aws_by_hand.delete_selections(postmaster.sandbox)
    new_arn = postmaster.cabal.file_system_arn.rpartition("/")[0] + f"/{new}"
    selected = [postmaster.cabal.addresses_table_arn, new_arn]
    aws_by_hand.select(postmaster.sandbox, "cabal-backup", Resources=selected)
    assert findings() == {"selection": "ok", "resources": "warn"}


def test_stopped_at_every_step_and_run_again(postmaster: Postmaster) -> None:
    dress_up(postmaster)
    old = postmaster.cabal.file_system_id
    wanted = settings(postmaster, old)
    operator = postmaster.operator
    patient, operator.clock = operator.clock, Interrupting(operator.sandbox)
    assert postmaster.run("restore mailstore --yes").code == 130
    operator.clock = patient

    for operation in (
        "UpdateFileSystem",
        "TagResource",
        "PutLifecycleConfiguration",
        "PutBackupPolicy",
        "CreateAccessPoint",
        "PutFileSystemPolicy",
        "CreateMountTarget",
    ):
        postmaster.sandbox.faults.services(
            {
                "service": "elasticfilesystem",
                "operation": operation,
                "error": "AccessDeniedException",
                "message": f"not authorized to perform elasticfilesystem:{operation}",
            }
        )
        stopped = postmaster.run("restore mailstore")
        assert stopped.code == 3, (operation, stopped.err)
        assert f"not authorized to perform elasticfilesystem:{operation}" in stopped.err
        assert "run the same command again to continue" in stopped.err
    postmaster.sandbox.faults.clear()
    finished = postmaster.run("restore mailstore")
    changed = postmaster.changes()
    once_more = postmaster.run("restore mailstore")

    assert (finished.code, once_more.code) == (0, 0), finished.err + once_more.err
    new = finished.out.strip()
    assert once_more.out.strip() == new
    assert f"restored already, to {new}" in once_more.err
    assert postmaster.changes() == changed
    assert file_systems(postmaster) == sorted([old, new])
    assert len(postmaster.restore_jobs()) == 1
    assert settings(postmaster, new) == wanted


def test_after_the_file_system_was_deleted(postmaster: Postmaster) -> None:
    efs = postmaster.sandbox.client("efs")
    old = postmaster.cabal.file_system_id
    subnets = [
        target["SubnetId"]
        for target in efs.describe_mount_targets(FileSystemId=old)["MountTargets"]
    ]
    point = newest_mailstore_point(postmaster.sandbox)
    postmaster.sandbox.client("backup").tag_resource(
        ResourceArn=point, Tags={"environment": "development"}
    )
    before = everybodys(postmaster.mount)
    access_points = Counter(
        map(_about, efs.describe_access_points(FileSystemId=old)["AccessPoints"])
    )
    aws_by_hand.delete_file_system(postmaster.operator.deployment)

    planned = postmaster.run("restore mailstore --dry-run")
    made = postmaster.run("restore mailstore --yes")
    status = postmaster.run("status --json --only resources")
    where = [part for subnet in subnets for part in ("--subnet", subnet)]
    again = postmaster.run("restore mailstore", *where)

    assert f"{old} was deleted, so the new one is set up as Cabal has it" in planned.out
    assert "mount target: NONE" in planned.out
    assert (made.code, again.code) == (7, 0), made.err + again.err
    assert f"NOT COMPLETE: {made.out.strip()} has no mount target" in made.err
    assert f"--recovery-point={point} --subnet=SUBNET --security-group=GROUP" in made.err
    assert "Next:" not in made.err
    assert status.code == 1
    new = again.out.strip()
    assert made.out.strip() == new
    (described,) = efs.describe_file_systems(FileSystemId=new)["FileSystems"]
    assert described["Encrypted"]
    assert {"Key": "Name", "Value": "cabal-efs"} in described["Tags"]
    assert {"Key": "environment", "Value": "development"} in described["Tags"]
    targets = efs.describe_mount_targets(FileSystemId=new)["MountTargets"]
    assert sorted(target["SubnetId"] for target in targets) == sorted(subnets)
    points = efs.describe_access_points(FileSystemId=new)["AccessPoints"]
    # No user of their own: sendmail changes the owners of its files.
    assert Counter(map(_about, points)) == access_points
    assert efs.describe_lifecycle_configuration(FileSystemId=new)["LifecyclePolicies"] == [
        {"TransitionToIA": "AFTER_30_DAYS"}
    ]
    mount = postmaster.sandbox.efs_directory(new)
    assert postmaster.on_the_host("mailstore promote", mount).returncode == 0
    assert everybodys(mount) == before


def test_the_subnet_is_asked_for_at_a_terminal(
    postmaster: Postmaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    efs, old = postmaster.sandbox.client("efs"), postmaster.cabal.file_system_id
    subnet = efs.describe_mount_targets(FileSystemId=old)["MountTargets"][0]["SubnetId"]
    aws_by_hand.delete_file_system(postmaster.operator.deployment)

    before = postmaster.changes()
    monkeypatch.setattr("sys.stdin", Terminal("vpc-1\n\n"))
    wrong = postmaster.run("restore mailstore")
    assert (wrong.code, postmaster.changes()) == (64, before)
    assert "vpc-1 is not an id such as subnet-0123456789abcdef0. Nothing was changed." in wrong.err

    monkeypatch.setattr("sys.stdin", Terminal(f"{subnet}\n\nyes\n"))
    made = postmaster.run("restore mailstore")

    assert made.code == 0, made.err
    assert f"mount target: {subnet}" in made.err
    targets = efs.describe_mount_targets(FileSystemId=made.out.strip())["MountTargets"]
    assert [target["SubnetId"] for target in targets] == [subnet]
    # It has one now: nothing is asked for.
    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    again = postmaster.run("restore mailstore")
    assert (again.code, "needs a mount target" in again.err) == (0, False), again.err


class Terminal(io.StringIO):
    """An operator who types these lines."""

    def isatty(self) -> bool:
        return True


def test_the_setting_is_offered(
    postmaster: Postmaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = postmaster.cabal.file_system_id
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(PROJECT / "cdk.json", project)
    private = project / "cdk.context.json"
    kept = {
        "development.backup": True,
        "development.account": ACCOUNT,
        "development.mailstore_file_system_id": old,
    }
    private.write_text(json.dumps(kept, indent=3))
    command = ["restore", "mailstore", "--project", str(project), "-e", "development"]

    plain = postmaster.operator.type(*command, "--yes")
    assert plain.code == 0, plain.err
    new = plain.out.strip()
    assert f"Set mailstore_file_system_id of development to {new}" in plain.err
    assert "--service cabal-smtp-in --desired-count 1" in plain.err
    assert json.loads(private.read_text()) == kept

    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    declined = postmaster.operator.type(*command)
    assert declined.code == 0, declined.err
    assert f"Write {new} to cdk.context.json? Type yes to continue:" in declined.err
    assert f"Set mailstore_file_system_id of development to {new}" in declined.err
    assert json.loads(private.read_text()) == kept

    monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    agreed = postmaster.operator.type(*command)
    assert agreed.code == 0, agreed.err
    assert json.loads(private.read_text())["development.mailstore_file_system_id"] == new
    steps = agreed.err.partition("Next:\n")[2]
    assert "make deploy ENVIRONMENT=development" in steps
    assert "Set mailstore_file_system_id" not in steps

    private.write_text(json.dumps(kept, indent=3))
    asked_for = postmaster.operator.type(*command, "--set-environment")
    assert asked_for.code == 0, asked_for.err
    changed = {**kept, "development.mailstore_file_system_id": new}
    assert private.read_text() == json.dumps(changed, indent=3)
    assert (project / "cdk.json").read_text() == (PROJECT / "cdk.json").read_text()

    # From now on the recovery point is a former mailstore's.
    default = postmaster.operator.type(*command, "--dry-run")
    assert f"Restore all of {old} to a new file system" in default.out
    of_new = postmaster.operator.type(*command, "--dry-run", "--file-system", new)
    assert f"no completed recovery point of {new}" in of_new.err
    named = postmaster.operator.type(*command, "--dry-run", "--file-system", old)
    for planned in (default, named):
        assert f"{new} was restored from it before and is in use: it stays as it is" in planned.out
        assert "restored already" not in planned.out


@pytest.mark.parametrize("setting", ["new", "old"])
def test_the_mailstore_that_was_restored_from_the_same_recovery_point(
    postmaster: Postmaster, setting: str
) -> None:
    """Also when the job is no longer listed, and by a configuration from before the restore."""
    dress_up(postmaster)
    old, point = postmaster.cabal.file_system_id, newest_mailstore_point(postmaster.sandbox)
    live = postmaster.run("restore mailstore --yes").out.strip()
    efs = postmaster.sandbox.client("efs")
    efs.tag_resource(ResourceId=live, Tags=[{"Key": "kept", "Value": "yes"}])
    efs.update_file_system(FileSystemId=live, ThroughputMode="bursting")
    before = settings(postmaster, live)
    postmaster.sandbox.advance(days=31)
    configured = {"mailstore_file_system_id": {"new": live, "old": old}[setting]}
    which = ("--cold", "--recovery-point", point)

    planned = postmaster.run("restore mailstore --dry-run", *which, **configured)
    assert planned.code == 0, planned
    assert f"{live} was restored from it before and is in use: it stays as it is" in planned.out
    assert "delete-file-system" not in planned.text
    restored = postmaster.run("restore mailstore --yes", *which, **configured)
    again = postmaster.run("restore mailstore", *which, **configured)

    assert (restored.code, again.code) == (0, 0), restored.err + again.err
    assert again.out == restored.out
    assert file_systems(postmaster) == sorted([old, live, restored.out.strip()])
    assert settings(postmaster, live) == before


def test_what_is_refused(postmaster: Postmaster) -> None:
    with postmaster.nothing_changes():
        dry = postmaster.run("restore mailstore --dry-run")
        unasked = postmaster.run("restore mailstore")
        elsewhere = postmaster.run("restore mailstore --yes", account="000000000000")
        without_role = postmaster.run("restore mailstore --yes --role missing")
    assert (dry.code, unasked.code, elsewhere.code, without_role.code) == (0, 4, 77, 9)
    for line in (
        "mount target: subnet-",
        "access point: /smtp-queue\n",
        "lifecycle: TransitionToIA AFTER_30_DAYS",
        "tags: Name=cabal-efs, environment=development",
    ):
        assert line in dry.out

    postmaster.sandbox.faults.fail_next("restore", message="Insufficient privileges to restore.")
    failed = postmaster.run("restore mailstore --yes")
    assert failed.code == 3
    assert "ended FAILED. AWS says: Insufficient privileges to restore." in failed.err
    assert file_systems(postmaster) == [postmaster.cabal.file_system_id]


def test_a_file_system_that_is_not_known_to_be_whole(postmaster: Postmaster) -> None:
    point = newest_mailstore_point(postmaster.sandbox)
    left = postmaster.sandbox.client("efs").create_file_system(
        CreationToken=f"cabal-restore-{point.rpartition(':')[2]}"
    )["FileSystemId"]
    with postmaster.nothing_changes():
        said = postmaster.run("restore mailstore --yes")
    assert said.code == 4
    assert f"made {left}, and it is not known to be whole" in said.err
    assert f"aws efs delete-file-system --region us-west-1 --file-system-id={left}" in said.err


@pytest.mark.parametrize("cold", [False, True])
def test_a_cold_point(postmaster: Postmaster, cold: bool) -> None:
    postmaster.sandbox.advance(days=32)
    arguments = ["--dry-run", "--at", "2026-01-03T00:00", *(["--cold"] * cold)]
    said = postmaster.run("restore mailstore", *arguments)
    assert said.code == (0 if cold else 4)
    assert "in cold storage" in (said.out if cold else said.err)
    assert ("about four hours before it begins" in said.out) == cold
