"""Only what was restored from the live table goes into it, and only that is deleted."""

from __future__ import annotations

import pytest
from local_aws.client import ACCOUNT

from tests.e2e.exercise import newest_point
from tests.e2e.tables.conftest import Rescuer
from tests.e2e.tables.disaster import RESTORED
from tests.e2e.tables.tables import ADDRESSES, delete, items, make, make_restored, tables
from tests.e2e.tables.test_refusals import STRAY, nothing_changes
from tests.sandbox.cabal import let_tables_settle

KEY = {"address": "S"}


@pytest.mark.parametrize("mode", ["", "--mirror", "--delete-restored"])
def test_a_table_that_was_never_restored(small: Rescuer, mode: str) -> None:
    make(small.sandbox, "theirs", KEY, [STRAY])
    with nothing_changes(small):
        said = small.run(f"cutover theirs {ADDRESSES} --yes {mode}")
    assert said.code == 4
    assert "theirs" in said.err


def test_it_is_accepted_with_an_option_and_never_deleted(small: Rescuer) -> None:
    make(small.sandbox, "theirs", KEY, [STRAY])
    command = f"cutover theirs {ADDRESSES} --not-a-restore --yes"
    with nothing_changes(small):
        refused = small.run(f"{command} --delete-restored")
    taken = small.run(command)

    assert refused.code == 4
    assert "theirs was not restored by this tool, so it is not deleted" in refused.err
    assert taken.code == 0, taken.err
    assert f"CAUTION: theirs is not a table that was restored from {ADDRESSES}" in taken.err
    assert STRAY in items(small.sandbox, ADDRESSES)
    assert "theirs is kept: this tool did not restore it" in taken.err
    assert "theirs" in tables(small.sandbox)


def test_at_a_terminal_its_name_has_to_be_typed(small: Rescuer) -> None:
    make(small.sandbox, "theirs", KEY, [STRAY])
    terminal = small.terminal("cutover", "theirs", ADDRESSES, "--not-a-restore")
    terminal.wait_for("Type development to continue: ")
    terminal.type("yes")
    assert terminal.end() == 4
    assert STRAY not in items(small.sandbox, ADDRESSES)


def test_cabals_own_table_under_another_configuration(small: Rescuer) -> None:
    make(small.sandbox, "cabal-new-addresses", KEY, [STRAY], recovery=True)
    with nothing_changes(small):
        said = small.run(
            f"cutover {ADDRESSES} cabal-new-addresses --yes --delete-restored --not-a-restore",
            addresses_table="cabal-new-addresses",
        )
    assert said.code == 64
    assert f"{ADDRESSES} is a live table" in said.err


def test_a_restore_of_another_table(small: Rescuer) -> None:
    make(small.sandbox, "cabal-user-addresses", KEY, [STRAY], recovery=True)
    small.sandbox.advance(minutes=10)
    small.sandbox.client("dynamodb").restore_table_to_point_in_time(
        SourceTableName="cabal-user-addresses",
        TargetTableName=RESTORED,
        UseLatestRestorableTime=True,
    )
    small.sandbox.advance(minutes=1)
    with nothing_changes(small):
        said = small.run(f"cutover {RESTORED} {ADDRESSES} --yes")
    assert said.code == 4
    assert "was restored from arn:aws:dynamodb:us-west-1:123456789012:table/cabal-user" in said.err


def test_a_restore_job_of_another_user_is_followed_and_not_deleted(rescuer: Rescuer) -> None:
    sandbox = rescuer.sandbox
    before = items(sandbox, ADDRESSES)
    sandbox.client("backup").start_restore_job(
        RecoveryPointArn=newest_point(sandbox, "DynamoDB"),
        IamRoleArn=f"arn:aws:iam::{ACCOUNT}:role/cabal-backup-role",
        Metadata={"targetTableName": "by-hand"},
    )
    sandbox.advance(hours=1)
    delete(sandbox, ADDRESSES, [{"address": before[0]["address"]}])

    with nothing_changes(rescuer):
        refused = rescuer.run(f"cutover by-hand {ADDRESSES} --yes --delete-restored")
    taken = rescuer.run(f"cutover by-hand {ADDRESSES} --yes")

    assert refused.code == 4
    assert taken.code == 0, taken.err
    assert items(sandbox, ADDRESSES) == before
    assert "by-hand" in tables(sandbox)


def test_what_was_restored_is_known_for_longer_than_aws_lists_jobs(rescuer: Rescuer) -> None:
    before = items(rescuer.sandbox, ADDRESSES)
    restored = rescuer.run("restore addresses --yes").out.strip()
    delete(rescuer.sandbox, ADDRESSES, [{"address": before[0]["address"]}])
    rescuer.sandbox.advance(days=31)
    said = rescuer.run(f"cutover {restored} {ADDRESSES} --yes --delete-restored")
    assert said.code == 0, said.err
    assert items(rescuer.sandbox, ADDRESSES) == before
    let_tables_settle(rescuer.sandbox)
    assert restored not in tables(rescuer.sandbox)


def test_a_mark_of_an_earlier_table_means_nothing(small: Rescuer) -> None:
    make_restored(small.sandbox, "earlier", KEY, [STRAY])
    dynamodb = small.sandbox.client("dynamodb")
    arn = dynamodb.describe_table(TableName="earlier")["Table"]["TableArn"]
    marks = dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"]
    small.sandbox.advance(minutes=1)
    make(small.sandbox, "later", KEY, [STRAY])
    dynamodb.tag_resource(ResourceArn=arn.replace("earlier", "later"), Tags=marks)
    small.sandbox.advance(seconds=3)  # until DynamoDB shows them
    with nothing_changes(small):
        said = small.run(f"cutover later {ADDRESSES} --yes")
    assert said.code == 4
