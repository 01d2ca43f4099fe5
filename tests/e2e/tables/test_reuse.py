"""What an earlier restore made is used only while it is that restore, unchanged."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from local_aws.client import ACCOUNT

from cabal_backup.errors import AwsError
from cabal_backup.operations.aws.client import connect
from cabal_backup.operations.aws.jobs import Event
from cabal_backup.operations.restore.tables import restore_table
from cabal_backup.operations.restore.tables.restore_table import TableRequest
from tests.builders import an_environment
from tests.e2e.exercise import newest_point
from tests.e2e.operator import SandboxClock
from tests.e2e.tables.conftest import Rescuer
from tests.e2e.tables.tables import (
    ADDRESSES,
    delete,
    items,
    make_restored,
    put,
    tables,
)
from tests.sandbox.cabal import delete_table, let_tables_settle

COUNTER = "cabal-counter"


def seconds(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}"


def test_addresses_that_others_changed_are_restored_again(rescuer: Rescuer) -> None:
    sandbox = rescuer.sandbox
    live = items(sandbox, ADDRESSES)
    first = rescuer.run("restore addresses --yes").out.strip()
    delete(sandbox, first, ({"address": item["address"]} for item in live[10:]))

    said = rescuer.run("restore addresses --cutover --mirror --yes")

    assert said.code == 0, said.err
    assert items(sandbox, ADDRESSES) == live
    assert f"{first} is from this recovery point too, but it is not known to be as it" in said.err
    assert said.out.startswith(f"{first}-2\n")
    assert len(items(sandbox, first)) == 10


@pytest.mark.parametrize("mode", ["", "--mirror", "--missing-only"])
def test_a_changed_table_is_cut_over_only_with_an_option(small: Rescuer, mode: str) -> None:
    sandbox = small.sandbox
    live = items(sandbox, ADDRESSES)
    make_restored(sandbox, "restored", {"address": "S"}, live)
    delete(sandbox, "restored", ({"address": item["address"]} for item in live[10:]))

    refused = small.run(f"cutover restored {ADDRESSES} --yes {mode}")
    assert refused.code == 4
    assert "restored was changed since it was restored" in refused.err
    assert items(sandbox, ADDRESSES) == live
    said = small.run(f"cutover restored {ADDRESSES} --yes --not-a-restore {mode}")

    assert said.code == 0, said.err
    assert "CAUTION: restored was changed since it was restored" in said.err
    assert items(sandbox, ADDRESSES) == (live[:10] if mode == "--mirror" else live)


def test_unchanged_addresses_are_not_restored_again(rescuer: Rescuer) -> None:
    first = rescuer.run("restore addresses --yes")
    again = rescuer.run("restore addresses --yes")
    assert (again.code, again.out) == (0, first.out), again.err
    assert "has done this already" in again.err


def test_a_restore_without_a_recorded_digest_is_made_again(rescuer: Rescuer) -> None:
    """The run that began it was killed, and others may have changed the table since."""
    planned = rescuer.run("restore addresses --dry-run").out
    target = planned.partition("a new table ")[2].partition(":")[0]
    rescuer.sandbox.client("backup").start_restore_job(
        RecoveryPointArn=newest_point(rescuer.sandbox, "DynamoDB"),
        IamRoleArn=f"arn:aws:iam::{ACCOUNT}:role/cabal-backup-role",
        Metadata={"targetTableName": target},
    )
    rescuer.sandbox.advance(hours=1)

    said = rescuer.run("restore addresses --yes")
    again = rescuer.run("restore addresses --yes")

    assert (said.code, said.out.strip()) == (0, f"{target}-2"), said.err
    assert f"{target} is from this recovery point too" in said.err
    assert again.out == said.out
    assert "has done this already" in again.err


def test_a_changed_table_under_the_name_asked_for_is_refused(rescuer: Rescuer) -> None:
    command = "restore addresses --yes --to cabal-addresses-again"
    rescuer.run(command)
    stray = {"address": {"S": "stray@mail.example.com"}}
    put(rescuer.sandbox, "cabal-addresses-again", [stray])
    said = rescuer.run(command)
    assert said.code == 64
    assert "not known to be as it was restored from this recovery point" in said.err


def test_a_recreated_table_under_the_name_of_a_restored_one(rescuer: Rescuer) -> None:
    """The job is the same, the table is not."""
    sandbox = rescuer.sandbox
    first = rescuer.run("restore addresses --yes").out.strip()
    sandbox.client("dynamodb").delete_table(TableName=first)
    sandbox.advance(minutes=5)
    sandbox.client("dynamodb").create_table(
        TableName=first,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "address", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "address", "AttributeType": "S"}],
    )
    let_tables_settle(sandbox)
    put(sandbox, first, [{"address": {"S": "stray@mail.example.com"}}])

    said = rescuer.run(f"cutover {first} {ADDRESSES} --yes")

    assert said.code == 4
    assert f"{first} is not a table that was restored from {ADDRESSES}" in said.err


def test_another_recovery_point_is_on_its_way_to_the_same_table(rescuer: Rescuer) -> None:
    sandbox = rescuer.sandbox
    point = newest_point(sandbox, "DynamoDB")
    job = sandbox.client("backup").start_restore_job(
        RecoveryPointArn=point,
        IamRoleArn=f"arn:aws:iam::{ACCOUNT}:role/cabal-backup-role",
        Metadata={"targetTableName": "cabal-addresses-again"},
    )["RestoreJobId"]
    said = rescuer.run("restore addresses --yes --to cabal-addresses-again --at 2026-02-01T00:00")
    assert said.code == 64
    assert f"job {job} is making cabal-addresses-again from another recovery point" in said.err
    assert f"--recovery-point {point}" in said.err


@pytest.fixture
def slow(small: Rescuer) -> Rescuer:
    """Restores to a moment take an hour; there are 30 minutes to choose from."""
    small.sandbox.advance(minutes=40)
    small.sandbox.settings(table_restore=3600)
    return small


def start(rescuer: Rescuer, moment: datetime, target: str) -> None:
    """Another operator's restore of the counter."""
    rescuer.sandbox.client("dynamodb").restore_table_to_point_in_time(
        SourceTableName=COUNTER, TargetTableName=target, RestoreDateTime=moment
    )
    rescuer.sandbox.advance(seconds=3)  # until DescribeTable finds it


@pytest.mark.parametrize("when", ["--at {other}", "--latest"])
def test_a_running_restore_of_another_moment_is_refused(slow: Rescuer, when: str) -> None:
    running = (slow.sandbox.now() - timedelta(minutes=20)).replace(microsecond=0)
    start(slow, running, "cabal-counter-again")
    other = seconds(running + timedelta(minutes=5))

    said = slow.run(
        f"restore table {COUNTER} {when.format(other=other)} --yes --to cabal-counter-again"
    )

    assert said.code == 64
    assert f"is being restored from {COUNTER} as of" in said.err
    follow = f"--at {seconds(running)}Z --to=cabal-counter-again"
    assert follow in said.err
    followed = slow.run(f"restore table {COUNTER} {follow} --yes")
    assert followed.code == 0, followed.err
    assert "an earlier run is doing this" in followed.err


def test_a_running_restore_of_another_table_is_refused(slow: Rescuer) -> None:
    moment = (slow.sandbox.now() - timedelta(minutes=20)).replace(microsecond=0)
    start(slow, moment, "again")
    said = slow.run(f"restore table cabal-dmarc-reports --at {seconds(moment)} --yes --to again")
    assert said.code == 64
    assert f"is being restored from {COUNTER}" in said.err


def test_two_operators_at_once(slow: Rescuer) -> None:
    """The other one's restore begins between the plan and the start, whose answer is lost."""
    aws = connect(an_environment("development"))
    now = slow.sandbox.now()
    moment = (now - timedelta(minutes=20)).replace(microsecond=0)
    request = TableRequest(table=COUNTER, at=moment, to="again")
    plan = restore_table.plan_restore(aws, now, request)
    start(slow, moment + timedelta(minutes=5), "again")
    slow.sandbox.faults.services(
        {
            "service": "dynamodb",
            "operation": "RestoreTableToPointInTime",
            "error": "InternalServerError",
            "status": 500,
            "times": 1,
        }
    )
    reported: list[Event] = []
    with pytest.raises(AwsError, match="again is not what was asked for: it was restored from"):
        restore_table.execute(aws, plan, SandboxClock(slow.sandbox), reported.append)


def test_a_moment_that_others_changed_is_restored_again(small: Rescuer) -> None:
    small.sandbox.advance(minutes=20)
    command = (
        f"restore table {COUNTER} --at {seconds(small.sandbox.now() - timedelta(minutes=10))} --yes"
    )
    first = small.run(command).out.strip()
    put(small.sandbox, first, [{"counter": {"S": "stray"}}])

    again = small.run(command)

    assert (again.code, again.out.strip()) == (0, f"{first}-2"), again.err
    assert f"{first} is from this restore too" in again.err
    assert items(small.sandbox, f"{first}-2") == items(small.sandbox, COUNTER)


@pytest.mark.parametrize(
    "command",
    ["restore addresses --to cabal-counter", f"restore table {COUNTER} --latest --to {ADDRESSES}"],
)
def test_nothing_is_restored_under_another_live_name(rescuer: Rescuer, command: str) -> None:
    target = command.rpartition(" ")[2]
    delete_table(rescuer.sandbox, target)
    said = rescuer.run(f"{command} --yes")
    assert said.code == 64
    assert f"{target} is the name of a live table" in said.err
    assert target not in tables(rescuer.sandbox)
