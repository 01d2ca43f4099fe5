"""The whole runbook for the addresses table: S16 to S18, after each way of losing it."""

from __future__ import annotations

import json
from shlex import split
from typing import Any

import pytest
from local_aws.client import ACCOUNT

from tests.e2e.exercise import newest_point
from tests.e2e.tables.conftest import Rescuer
from tests.e2e.tables.tables import (
    ADDRESSES,
    delete,
    items,
    key_of,
    put,
    switch_recovery,
    tables,
)
from tests.hints import printed_commands
from tests.sandbox.cabal import delete_table, let_tables_settle

TABLE_ARN = f"arn:aws:dynamodb:us-west-1:{ACCOUNT}:table/{ADDRESSES}"
WHOLE_RUNBOOK = "restore addresses --cutover --yes --delete-restored"


def announced(rescuer: Rescuer) -> int:
    """How many mail tiers got the message that addresses changed."""
    sqs = rescuer.sandbox.client("sqs")
    received = 0
    for url in rescuer.operator.deployment.cabal.queue_urls:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get(
            "Messages", []
        ):
            assert json.loads(json.loads(message["Body"])["Message"]) == {
                "event": "address_changed"
            }
            received += 1
    return received


def protection(rescuer: Rescuer, table: str) -> dict[str, Any]:
    """What DynamoDB leaves out when it restores."""
    dynamodb = rescuer.sandbox.client("dynamodb")
    described = dynamodb.describe_table(TableName=table)["Table"]
    recovery = dynamodb.describe_continuous_backups(TableName=table)
    ttl = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    tags = dynamodb.list_tags_of_resource(ResourceArn=described["TableArn"])["Tags"]
    return {
        "protected": described["DeletionProtectionEnabled"],
        "recovery": recovery["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"][
            "PointInTimeRecoveryStatus"
        ],
        "ttl": ttl.get("AttributeName"),
        "key": key_of(rescuer.sandbox, table),
        "tags": {tag["Key"]: tag["Value"] for tag in tags},
    }


def test_after_items_were_deleted(rescuer: Rescuer) -> None:
    before = items(rescuer.sandbox, ADDRESSES)
    delete(rescuer.sandbox, ADDRESSES, ({"address": item["address"]} for item in before[:350]))

    said = rescuer.run(WHOLE_RUNBOOK)

    assert said.code == 0, said.err
    assert "350 items the live table lacks: written" in said.err
    assert "Verified" in said.out
    assert items(rescuer.sandbox, ADDRESSES) == before
    assert announced(rescuer) == 3
    let_tables_settle(rescuer.sandbox)
    assert not [name for name in tables(rescuer.sandbox) if "restored" in name]


def test_a_restored_table_that_is_still_being_updated_is_deleted_afterwards(
    rescuer: Rescuer,
) -> None:
    before = tables(rescuer.sandbox)
    busy = {"error": "ResourceInUseException", "message": "Table is being updated", "times": 2}
    rescuer.sandbox.faults.services({"service": "dynamodb", "operation": "DeleteTable", **busy})

    said = rescuer.run(WHOLE_RUNBOOK)

    assert said.code == 0, said.err
    let_tables_settle(rescuer.sandbox)
    assert tables(rescuer.sandbox) == before


def test_after_items_were_corrupted(rescuer: Rescuer) -> None:
    before = items(rescuer.sandbox, ADDRESSES)
    put(rescuer.sandbox, ADDRESSES, ({**item, "user": {"S": "mallory"}} for item in before[::10]))
    new = {"address": {"S": "new@mail.example.com"}, "user": {"S": "alice"}}
    put(rescuer.sandbox, ADDRESSES, [new])

    said = rescuer.run(WHOLE_RUNBOOK)

    assert said.code == 0, said.err
    assert "50 items different in the live table: written over" in said.err
    after = items(rescuer.sandbox, ADDRESSES)
    assert [item for item in after if item != new] == before
    assert new in after


def test_after_the_table_was_deleted(rescuer: Rescuer) -> None:
    sandbox = rescuer.sandbox
    before = items(sandbox, ADDRESSES)
    whole = protection(rescuer, ADDRESSES)
    sandbox.client("dynamodb").update_time_to_live(
        TableName=ADDRESSES, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    delete_table(sandbox, ADDRESSES)

    said = rescuer.run(WHOLE_RUNBOOK)

    assert said.code == 0, said.err
    assert said.out.strip() == ADDRESSES
    assert items(sandbox, ADDRESSES) == before
    assert protection(rescuer, ADDRESSES) == {
        "protected": True,
        "recovery": "ENABLED",
        "ttl": "expires",
        "key": whole["key"],
        "tags": whole["tags"],
    }
    assert whole["tags"]["environment"] == "development"
    assert announced(rescuer) == 3

    # As after a run that was killed before it set the tags.
    sandbox.client("dynamodb").untag_resource(ResourceArn=TABLE_ARN, TagKeys=[*whole["tags"]])
    sandbox.advance(seconds=5)
    assert rescuer.run(WHOLE_RUNBOOK).code == 0
    assert protection(rescuer, ADDRESSES)["tags"] == whole["tags"]


def test_what_cannot_be_known_of_a_deleted_table_is_said(rescuer: Rescuer) -> None:
    whole = protection(rescuer, ADDRESSES)
    switch_recovery(rescuer.sandbox, ADDRESSES, on=False)
    delete_table(rescuer.sandbox, ADDRESSES)

    said = rescuer.run("restore addresses --yes")

    assert said.code == 0, said.err
    unknown = "DynamoDB keeps no backup of the table from that time"
    assert f"TTL: not known, so off ({unknown})" in said.err
    assert f"Terraform sets: the table's own key is not known ({unknown})" in said.err
    after = protection(rescuer, ADDRESSES)
    assert (after["ttl"], after["key"]) == (None, whole["key"])


def test_all_keys_and_the_attributes_of_one_item(rescuer: Rescuer) -> None:
    before = items(rescuer.sandbox, ADDRESSES)
    table = rescuer.sandbox.client("dynamodb")
    changed = [{**item, "comment": {"S": "changed"}} for item in before[:7]]
    for item in changed:
        table.put_item(TableName=ADDRESSES, Item=item)
    delete(rescuer.sandbox, ADDRESSES, [{"address": before[8]["address"]}])
    assert rescuer.run("restore addresses --yes --to restored").code == 0
    first, absent = (before[n]["address"]["S"] for n in (0, 8))

    people = rescuer.run(f"compare restored {ADDRESSES}")
    differing = rescuer.run(f"compare restored {ADDRESSES} --json").json["differing"]

    assert "… and 2 more (--json lists all)" in people.out
    keys = [key["address"]["S"] for key in differing["keys"]]
    assert sorted(keys) == sorted(item["address"]["S"] for item in changed)
    assert (differing["count"], differing["samples"]) == (7, differing["keys"][:5])

    one = rescuer.run(f"compare restored {ADDRESSES} --show {first}")
    assert one.code == 5
    was = json.dumps(before[0]["comment"], separators=(",", ":"))
    assert one.out.splitlines() == [
        f"{first}: 1 attribute differing",
        "  comment",
        f"    restored: {was}",
        f'    {ADDRESSES}: {{"S":"changed"}}',
    ]
    shown = rescuer.run(f"compare restored {ADDRESSES} --json --show {first}").json
    assert shown["different"] == {
        "comment": {"restored": before[0]["comment"], "live": {"S": "changed"}}
    }
    only = rescuer.run(f"compare restored {ADDRESSES} --show {absent}")
    assert (only.code, only.out.splitlines()[0]) == (5, f"{absent}: only in restored")
    same = rescuer.run(f"compare restored {ADDRESSES} --show {before[9]['address']['S']}")
    assert (same.code, "identical in restored" in same.out) == (0, True)
    nothing = rescuer.run(f"compare restored {ADDRESSES} --show absent@example.com")
    assert (nothing.code, "has an item absent@example.com" in nothing.err) == (9, True)


def test_when_nothing_was_wrong(rescuer: Rescuer) -> None:
    before = items(rescuer.sandbox, ADDRESSES)

    said = rescuer.run(WHOLE_RUNBOOK)

    assert said.code == 0, said.err
    assert "0 items the live table lacks" in said.err
    assert "0 items different in the live table" in said.err
    assert items(rescuer.sandbox, ADDRESSES) == before


def test_step_by_step(rescuer: Rescuer) -> None:
    before = items(rescuer.sandbox, ADDRESSES)
    delete(rescuer.sandbox, ADDRESSES, [{"address": before[0]["address"]}])

    restored = rescuer.run("restore addresses --yes --to restored").out.strip()
    different = rescuer.run(f"compare {restored} {ADDRESSES} --json")
    cut_over = rescuer.run(f"cutover {restored} {ADDRESSES} --yes --reconfigure roll")
    equal = rescuer.run(f"compare {restored} {ADDRESSES}")

    assert (restored, different.code, cut_over.code, equal.code) == ("restored", 5, 0, 0)
    absent = [{"address": before[0]["address"]}]
    assert different.json["only_in_restored"] == {"count": 1, "samples": absent, "keys": absent}
    assert different.json["identical"]["count"] == len(before) - 1
    assert not different.json["equal"]
    rolled = rescuer.sandbox.client("ecs").describe_services(
        cluster="cabal-mail", services=["cabal-imap", "cabal-smtp-in", "cabal-smtp-out"]
    )
    assert len(rolled["services"]) == 3
    assert len(rescuer.sandbox.trail("UpdateService")) == 3
    assert "restored is kept" in cut_over.err


def test_the_way_back_that_is_printed_works(rescuer: Rescuer) -> None:
    broken = items(rescuer.sandbox, ADDRESSES)[100:]
    delete(
        rescuer.sandbox,
        ADDRESSES,
        ({"address": item["address"]} for item in items(rescuer.sandbox, ADDRESSES)[:100]),
    )
    rescuer.sandbox.advance(minutes=10)
    said = rescuer.run(WHOLE_RUNBOOK)
    assert said.code == 0, said.err
    rescuer.sandbox.advance(minutes=10)

    for command in printed_commands(said.out.partition("To go back:\n")[2]):
        went_back = rescuer.operator.type(*split(command), "--yes")
        assert went_back.code == 0, went_back.err

    assert items(rescuer.sandbox, ADDRESSES) == broken


@pytest.mark.parametrize(
    ("asked", "night"),
    [
        ("2026-01-20T00:00", "2026-01-19"),
        ("2026-01-20T01:00", "2026-01-20"),
        ("2026-02-20T00:00", "2026-02-06"),
    ],
)
def test_the_newest_point_from_before_a_moment(rescuer: Rescuer, asked: str, night: str) -> None:
    said = rescuer.run(f"restore addresses --at {asked} --dry-run")
    assert said.code == 0, said.err
    assert f"taken {night} 00:20 UTC" in said.out


def test_a_named_point(rescuer: Rescuer) -> None:
    point = newest_point(rescuer.sandbox, "DynamoDB")
    said = rescuer.run(f"restore addresses --recovery-point {point} --dry-run")
    assert point in said.out
    assert said.code == 0


def test_a_second_run_follows_the_first_ones_job(rescuer: Rescuer) -> None:
    sandbox = rescuer.sandbox
    jobs = sandbox.client("backup")
    first = jobs.start_restore_job(
        RecoveryPointArn=newest_point(sandbox, "DynamoDB"),
        IamRoleArn=f"arn:aws:iam::{ACCOUNT}:role/cabal-backup-role",
        Metadata={"targetTableName": "restored", "encryptionType": "Default"},
    )["RestoreJobId"]

    said = rescuer.run("restore addresses --yes --to restored")
    again = rescuer.run("restore addresses --yes --to restored")

    assert (said.code, again.code) == (0, 0), said.err + again.err
    assert f"the job {first} is doing this already" in said.err
    assert f"the job {first} has done this already" in again.err
    listed = jobs.list_restore_jobs()["RestoreJobs"]
    assert sum(job["RestoreJobId"] == first for job in listed) == 1
    assert len([job for job in listed if job["CreationDate"] >= listed[0]["CreationDate"]]) == 1


def test_a_killed_restore_under_the_live_name_is_brought_to_its_end(rescuer: Rescuer) -> None:
    """The job ran to its end after the command that started it was killed."""
    sandbox = rescuer.sandbox
    before = items(sandbox, ADDRESSES)
    delete_table(sandbox, ADDRESSES)
    point = newest_point(sandbox, "DynamoDB")
    job = sandbox.client("backup").start_restore_job(
        RecoveryPointArn=point,
        IamRoleArn=f"arn:aws:iam::{ACCOUNT}:role/cabal-backup-role",
        Metadata={"targetTableName": ADDRESSES, "encryptionType": "Default"},
    )["RestoreJobId"]
    sandbox.advance(hours=1)
    assert protection(rescuer, ADDRESSES)["recovery"] == "DISABLED"
    sandbox.run_nights(1)
    command = f"restore addresses {rescuer.operator.options} --recovery-point={point} --cold"
    assert command in rescuer.run(f"jobs watch {job}").err

    said = rescuer.run(f"restore addresses --recovery-point={point} --yes")

    assert said.code == 0, said.err
    assert "has done this already" in said.err
    assert items(sandbox, ADDRESSES) == before
    assert protection(rescuer, ADDRESSES)["recovery"] == "ENABLED"
    assert protection(rescuer, ADDRESSES)["protected"] is True
