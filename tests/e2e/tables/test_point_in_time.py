"""S19: the tables outside the plan, by point-in-time recovery and the same cutover."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from tests import killing
from tests.e2e.tables.conftest import Rescuer
from tests.e2e.tables.tables import delete, items, key_of, put, tables
from tests.sandbox.cabal import delete_table

COUNTER = "cabal-counter"
TABLES = (
    "cabal-addresses",
    "cabal-user-preferences",
    "cabal-user-domain-access",
    "cabal-dmarc-reports",
)
LIVE = (*TABLES, COUNTER)


def osid(rescuer: Rescuer) -> int:
    (item,) = items(rescuer.sandbox, COUNTER)
    return int(item["osid"]["N"])


def set_osid(rescuer: Rescuer, value: int, **more: object) -> None:
    item = {"counter": {"S": "counter"}, "osid": {"N": str(value)}, "enabled": {"BOOL": True}}
    put(rescuer.sandbox, COUNTER, [{**item, **more}])


@pytest.mark.parametrize("table", TABLES)
def test_what_was_lost_is_brought_back(small: Rescuer, table: str) -> None:
    sandbox = small.sandbox
    before = items(sandbox, table)
    sandbox.advance(minutes=10)
    good = sandbox.now() - timedelta(minutes=1)
    described = sandbox.client("dynamodb").describe_table(TableName=table)["Table"]
    keys = [key["AttributeName"] for key in described["KeySchema"]]
    delete(sandbox, table, ({key: item[key] for key in keys} for item in before[::2]))
    sandbox.advance(minutes=10)

    restored = small.run(f"restore table {table} --at {good:%Y-%m-%dT%H:%M:%S} --yes")
    assert restored.code == 0, restored.err
    cut_over = small.run(f"cutover {restored.out.strip()} {table} --yes --delete-restored")

    assert cut_over.code == 0, cut_over.err
    assert items(sandbox, table) == before
    assert restored.out.strip() == f"{table}-restored-{good:%Y%m%d-%H%M%S}"


def test_a_table_that_was_just_restored_is_known_though_tags_are_seen_late(small: Rescuer) -> None:
    small.sandbox.advance(minutes=10)
    small.sandbox.settings(table_tags=30)
    restored = small.run(f"restore table {COUNTER} --latest --yes")
    assert restored.code == 0, restored.err
    said = small.run(f"cutover {restored.out.strip()} {COUNTER} --yes --delete-restored")
    assert said.code == 0, said.err


@pytest.mark.parametrize("mode", ["", "--mirror", "--missing-only"])
def test_the_counter_is_never_lowered(small: Rescuer, mode: str) -> None:
    put(small.sandbox, COUNTER, [{"counter": {"S": "other"}, "osid": {"N": "7"}}])
    small.sandbox.advance(minutes=10)
    delete(small.sandbox, COUNTER, [{"counter": {"S": "other"}}])
    set_osid(small, 70_000, enabled={"BOOL": False})
    put(small.sandbox, COUNTER, [{"counter": {"S": "newer"}, "osid": {"N": "9"}}])

    restored = small.run(f"restore table {COUNTER} --latest --yes").out.strip()
    said = small.run(f"cutover {restored} {COUNTER} --yes {mode}")

    assert said.code == 0, said.out + said.err
    assert "osid is never lowered" in said.err
    kept = mode == "--missing-only"
    after = {item["counter"]["S"]: item for item in items(small.sandbox, COUNTER)}
    assert after["counter"]["osid"] == {"N": "70000"}
    assert after["counter"]["enabled"] == {"BOOL": not kept}
    assert after["other"]["osid"] == {"N": "7"}
    assert after["newer"]["osid"] == {"N": "9"}


def test_a_counter_that_went_backwards_is_raised(small: Rescuer) -> None:
    set_osid(small, 70_000)
    small.sandbox.advance(minutes=10)
    set_osid(small, 5)
    restored = small.run(f"restore table {COUNTER} --latest --yes").out.strip()
    said = small.run(f"cutover {restored} {COUNTER} --yes")
    assert said.code == 0, said.out + said.err
    assert osid(small) == 70_000


def test_a_deleted_table_is_restored_under_its_name(small: Rescuer) -> None:
    """From the backup that DynamoDB makes of a table with recovery when it is deleted."""
    sandbox, table = small.sandbox, "cabal-user-preferences"
    before = items(sandbox, table)
    sandbox.client("dynamodb").update_time_to_live(
        TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    key = key_of(sandbox, table)
    delete_table(sandbox, table)

    said = small.run(f"restore table {table} --latest --yes")

    assert said.code == 0, said.err
    assert said.out.strip() == table
    assert "tags: not known" in said.err
    assert items(sandbox, table) == before
    dynamodb = sandbox.client("dynamodb")
    assert dynamodb.describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"]
    ttl = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert ttl["AttributeName"] == "expires"
    assert key_of(sandbox, table) == key is not None
    again = small.run(f"restore table {table} --at {sandbox.now():%Y-%m-%d} --dry-run")
    assert "can be restored to any second" in again.err


def test_a_second_run_finds_what_the_first_one_made(small: Rescuer) -> None:
    small.sandbox.advance(minutes=20)
    good = small.sandbox.now() - timedelta(minutes=10)
    command = f"restore table {COUNTER} --at {good:%Y-%m-%dT%H:%M:%S} --yes"
    first, second = small.run(command), small.run(command)
    assert (first.code, second.code) == (0, 0), second.err
    assert first.out == second.out
    assert "an earlier run has done this" in second.err


SECONDS_LATER, A_MINUTE_LATER = 1, 60
MOMENT = "{moment:%Y-%m-%dT%H:%M:%S}"
FROM = {"--at": f"table {COUNTER} --at {MOMENT}", "--latest": f"table {COUNTER} --latest"}


def restores(rescuer: Rescuer) -> list[str]:
    """The tables that are or were restored."""
    return [name for name in tables(rescuer.sandbox) if name not in LIVE]


@pytest.mark.parametrize("later", [SECONDS_LATER, A_MINUTE_LATER])
@pytest.mark.parametrize("to", ["", "--to again"])
@pytest.mark.parametrize("when", ["--at", "--latest"])
def test_a_run_after_one_that_was_killed_goes_on_with_its_restore(
    small: Rescuer, when: str, to: str, later: int
) -> None:
    """Killed when DynamoDB had begun, and DescribeTable did not find the table yet, or did."""
    small.sandbox.settings(table_visibility=30, table_restore=900)
    # Not at midnight: the name of a restore of the latest moment has the day.
    small.sandbox.advance(minutes=20 if small.sandbox.now().hour < 23 else 90)
    good = small.sandbox.now() - timedelta(minutes=10)
    command = f"restore {FROM[when].format(moment=good)} {to} --yes"
    killed = killing.run(lambda: small.run(command).code, after_restores_begin, kill_at=1)
    assert killed.killed, killed.said
    (target,) = restores(small)
    small.sandbox.advance(seconds=later)

    said = small.run(command)

    assert (said.code, said.out.strip()) == (0, target), said.err
    assert restores(small) == [target]
    assert items(small.sandbox, target) == items(small.sandbox, COUNTER)
    cut_over = small.run(f"cutover {target} {COUNTER} --yes --delete-restored")
    assert cut_over.code == 0, cut_over.err


def after_restores_begin(pass_moment: killing.Pass) -> None:
    """Once DynamoDB has accepted a restore."""
    count = itertools.count()

    def pass_restore(name: str) -> None:
        if name.startswith("RestoreTable") and next(count):
            pass_moment(name)

    killing.aws_calls(pass_restore)


def test_jobs_shows_a_table_that_is_being_restored_and_watches_it(small: Rescuer) -> None:
    small.sandbox.settings(table_restore=600)
    small.sandbox.advance(minutes=20)
    small.sandbox.client("dynamodb").restore_table_to_point_in_time(
        SourceTableName=COUNTER, TargetTableName="cabal-counter-again", UseLatestRestorableTime=True
    )
    small.sandbox.advance(seconds=3)  # until DescribeTable finds it
    listed = small.run("jobs")
    watched = small.run("jobs watch cabal-counter-again")
    assert "DynamoDB is restoring the table cabal-counter-again" in listed.out
    assert (watched.code, watched.out.strip()) == (0, "cabal-counter-again")
    assert "cabal-counter-again" not in small.run("jobs").out
