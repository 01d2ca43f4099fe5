"""The Cabal that tests and the demo run against is what Cabal's Terraform would leave."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from local_aws.client import Sandbox

from tests.sandbox.cabal import Cabal, fill


@pytest.fixture(scope="module")
def cabal(running_sandbox: Sandbox, pristine: str) -> Cabal:
    """Shared by this module's tests, which only look."""
    running_sandbox.rollback(pristine)
    return fill(running_sandbox, addresses=300, users=3, messages_per_user=20)


def test_tables_are_protected_as_cabal_protects_them(
    running_sandbox: Sandbox, cabal: Cabal
) -> None:
    dynamodb = running_sandbox.client("dynamodb")
    for name in cabal.tables:
        table = dynamodb.describe_table(TableName=name)["Table"]
        recovery = dynamodb.describe_continuous_backups(TableName=name)
        status = recovery["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert table["SSEDescription"]["Status"] == "ENABLED"
        assert table["DeletionProtectionEnabled"] is True
        assert status["PointInTimeRecoveryStatus"] == "ENABLED"


def test_addresses_have_the_attributes_cabal_gives_them(
    running_sandbox: Sandbox, cabal: Cabal
) -> None:
    table = running_sandbox.client("dynamodb").scan(TableName=cabal.addresses_table)

    attributes = {"address", "tld", "user", "username", "subdomain", "comment", "RequestTime"}
    assert table["Count"] == 300
    assert all(set(item) == attributes for item in table["Items"])
    for item in table["Items"]:
        whole = f"{item['username']['S']}@{item['subdomain']['S']}.{item['tld']['S']}"
        assert item["address"]["S"] == whole


def test_the_counter_has_handed_out_every_users_uid(running_sandbox: Sandbox, cabal: Cabal) -> None:
    found = running_sandbox.client("dynamodb").get_item(
        TableName=cabal.counter_table, Key={"counter": {"S": "counter"}}
    )["Item"]

    assert [owner.osid for owner in cabal.users] == [65_536, 65_537, 65_538]
    assert found == {"counter": {"S": "counter"}, "osid": {"N": "65538"}, "enabled": {"BOOL": True}}


def test_the_mailstore_holds_mailboxes_as_dovecot_keeps_them(cabal: Cabal) -> None:
    root = cabal.file_system_root
    inbox = root / "alice" / "Maildir"

    names = {path.name for path in root.iterdir()}
    assert names == {"alice", "bob", "carol", "smtp-queue", "smtp-in-queue"}
    assert {path.name for path in inbox.glob(".*")} == {
        ".Drafts",
        ".Junk",
        ".Trash",
        ".Sent",
        ".Archive",
    }
    for folder in (inbox, *inbox.glob(".*")):
        assert all((folder / part).is_dir() for part in ("cur", "new", "tmp"))
        assert (folder / "dovecot-uidlist").read_text().startswith("3 V")
        assert (folder / "maildirfolder").exists() == (folder != inbox)
    assert ":2," in next((inbox / "cur").iterdir()).name
    assert stat.S_IMODE((root / "alice").stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_mail_belongs_to_its_user_and_queues_to_sendmail(cabal: Cabal) -> None:
    root = cabal.file_system_root

    for owner in cabal.users:
        everything = [root / owner.user, *(root / owner.user).rglob("*")]
        assert {(path.stat().st_uid, path.stat().st_gid) for path in everything} == {
            (owner.osid, owner.osid)
        }
    queue = (root / "smtp-queue").stat()
    assert (queue.st_uid, queue.st_gid) == (0, 12)


def test_the_file_system_is_found_by_its_tag(running_sandbox: Sandbox, cabal: Cabal) -> None:
    efs = running_sandbox.client("efs")
    (found,) = efs.describe_file_systems()["FileSystems"]
    lifecycle = efs.describe_lifecycle_configuration(FileSystemId=found["FileSystemId"])

    assert {"Key": "Name", "Value": "cabal-efs"} in found["Tags"]
    assert found["FileSystemId"] == cabal.file_system_id
    assert found["Encrypted"] is True
    assert found["NumberOfMountTargets"] == 2
    assert lifecycle["LifecyclePolicies"] == [{"TransitionToIA": "AFTER_30_DAYS"}]


def test_an_address_change_reaches_every_mail_tier(running_sandbox: Sandbox, cabal: Cabal) -> None:
    running_sandbox.client("sns").publish(
        TopicArn=cabal.topic_arn, Message='{"event": "address_changed"}'
    )

    sqs = running_sandbox.client("sqs")
    for url in cabal.queue_urls:
        (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
        assert "address_changed" in message["Body"]


def test_the_mail_tiers_run(running_sandbox: Sandbox, cabal: Cabal) -> None:
    services = running_sandbox.client("ecs").describe_services(
        cluster=cabal.cluster, services=list(cabal.services)
    )["services"]

    assert [each["status"] for each in services] == ["ACTIVE"] * 3


def test_the_same_seed_makes_the_same_cabal(sandbox: Sandbox, pristine: str) -> None:
    first = snapshot(sandbox, fill(sandbox, addresses=30, users=1, messages_per_user=10))
    sandbox.rollback(pristine)
    second = snapshot(sandbox, fill(sandbox, addresses=30, users=1, messages_per_user=10))

    assert first == second


def snapshot(sandbox: Sandbox, cabal: Cabal) -> tuple[list[str], list[str]]:
    """What depends on the seed alone (times follow the sandbox's clock)."""
    scan = sandbox.client("dynamodb").scan(TableName=cabal.addresses_table)
    addresses = sorted(item["address"]["S"] for item in scan["Items"])
    folders = sorted(
        str(path.relative_to(cabal.file_system_root))
        for path in Path(cabal.file_system_root).rglob("*")
        if path.is_dir()
    )
    return addresses, folders
