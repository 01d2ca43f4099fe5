"""A table that was deleted more than once: the operator chooses what is restored."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.e2e.exercise import newest_point
from tests.e2e.tables.conftest import Rescuer
from tests.e2e.tables.tables import ADDRESSES, Item, delete, items, make, tables
from tests.e2e.tables.test_refusals import nothing_changes
from tests.sandbox.cabal import delete_table

TABLE = "cabal-user-preferences"


@pytest.fixture
def before(small: Rescuer) -> list[Item]:
    """What the table had before it was deleted, made anew by Terraform, and deleted again."""
    sandbox = small.sandbox
    found = items(sandbox, TABLE)
    delete_table(sandbox, TABLE)
    sandbox.advance(minutes=30)
    make(sandbox, TABLE, {"user": "S"}, recovery=True)
    sandbox.advance(minutes=30)
    delete_table(sandbox, TABLE)
    return found


def backups(rescuer: Rescuer) -> list[str]:
    """DynamoDB's backups of the table, the newest first."""
    listed = rescuer.sandbox.client("dynamodb").list_backups(TableName=TABLE, BackupType="SYSTEM")
    found = sorted(listed["BackupSummaries"], key=lambda each: each["BackupCreationDateTime"])
    return [backup["BackupArn"] for backup in reversed(found)]


@pytest.mark.parametrize("how", ["--yes", "--dry-run", ""])
def test_several_backups_are_listed_and_none_is_taken(
    small: Rescuer, before: list[Item], how: str
) -> None:
    empty, full = backups(small)
    with nothing_changes(small):
        said = small.run(f"restore table {TABLE} --latest {how}")
    assert said.code == 4
    assert f"DynamoDB keeps 2 backups of {TABLE}" in said.err
    listed = [line for line in said.err.splitlines() if "when the table was deleted" in line]
    assert [line.rpartition(" ")[2] for line in listed] == [empty, full]
    assert "about 0 items, 0 bytes" in listed[0]
    assert f"about {len(before)} items" in listed[1]
    assert "--backup ARN" in said.err


def test_the_one_that_is_named_is_restored(small: Rescuer, before: list[Item]) -> None:
    _, full = backups(small)
    said = small.run(f"restore table {TABLE} --backup {full} --yes")
    assert (said.code, said.out.strip()) == (0, TABLE), said.err
    assert items(small.sandbox, TABLE) == before


def test_the_one_that_is_chosen_at_a_terminal_is_restored(
    small: Rescuer, before: list[Item]
) -> None:
    terminal = small.terminal("restore", "table", TABLE, "--latest")
    terminal.wait_for("Which one? Type its number: ")
    terminal.type("2")
    terminal.wait_for("Type yes to continue: ")
    terminal.type("yes")
    assert terminal.end() == 0, terminal.shown
    assert items(small.sandbox, TABLE) == before


@pytest.mark.parametrize("typed", ["", "0", "3", "two"])
def test_no_choice_changes_nothing(small: Rescuer, before: list[Item], typed: str) -> None:
    terminal = small.terminal("restore", "table", TABLE, "--latest")
    terminal.wait_for("Which one? Type its number: ")
    terminal.type(typed)
    assert terminal.end() == 4
    assert TABLE not in tables(small.sandbox)
    assert before


def test_an_interrupted_restore_is_brought_to_its_end_whatever_else_there_is(
    small: Rescuer, before: list[Item]
) -> None:
    empty, full = backups(small)
    small.sandbox.client("dynamodb").restore_table_from_backup(
        TargetTableName=TABLE, BackupArn=full
    )
    small.sandbox.advance(seconds=3)  # until DescribeTable finds it
    other = small.run(f"restore table {TABLE} --backup {empty} --yes")
    said = small.run(f"restore table {TABLE} --latest --yes")
    assert other.code == 64
    assert f"from the backup {full}" in other.err
    assert said.code == 0, said.err
    assert items(small.sandbox, TABLE) == before
    described = small.sandbox.client("dynamodb").describe_table(TableName=TABLE)["Table"]
    assert described["DeletionProtectionEnabled"]


def test_a_table_that_was_recreated_empty_gets_its_items_back(small: Rescuer) -> None:
    """It is there, so it is restored beside it, and cut over."""
    sandbox = small.sandbox
    before = items(sandbox, TABLE)
    delete_table(sandbox, TABLE)
    make(sandbox, TABLE, {"user": "S"}, recovery=True)
    (full,) = backups(small)

    restored = small.run(f"restore table {TABLE} --backup {full} --yes")
    again = small.run(f"restore table {TABLE} --backup {full} --yes")
    cut_over = small.run(f"cutover {restored.out.strip()} {TABLE} --yes --delete-restored")

    assert restored.code == 0, restored.err
    assert again.out == restored.out
    assert "an earlier run has done this" in again.err
    assert cut_over.code == 0, cut_over.err
    assert items(sandbox, TABLE) == before


def test_a_backup_that_is_not_there(small: Rescuer, before: list[Item]) -> None:
    missing = backups(small)[0][:-4] + "0000"
    with nothing_changes(small):
        said = small.run(f"restore table {TABLE} --backup {missing} --yes")
    assert said.code == 9
    assert f"DynamoDB keeps no backup {missing} of {TABLE}" in said.err
    assert all(arn in said.err for arn in backups(small))
    assert before


def test_an_empty_recovery_point_is_not_taken_where_an_older_one_has_something(
    rescuer: Rescuer,
) -> None:
    sandbox = rescuer.sandbox
    before = items(sandbox, ADDRESSES)
    full = newest_point(sandbox, "DynamoDB")
    delete(sandbox, ADDRESSES, ({"address": item["address"]} for item in before))
    sandbox.run_nights(1)
    delete_table(sandbox, ADDRESSES)
    with nothing_changes(rescuer):
        said = rescuer.run("restore addresses --yes")
    assert said.code == 4
    assert f"--recovery-point {full}" in said.err
    named = rescuer.run(f"restore addresses --yes --recovery-point {full}")
    assert named.code == 0, named.err
    assert items(sandbox, ADDRESSES) == before


@pytest.mark.parametrize("what", ["addresses", f"table {ADDRESSES} --latest"])
def test_a_table_that_is_being_deleted_is_restored_when_its_name_is_free(
    rescuer: Rescuer, what: str
) -> None:
    sandbox = rescuer.sandbox
    sandbox.settings(table_deletion=60)
    delete_table(sandbox, ADDRESSES)

    with nothing_changes(rescuer):
        early = rescuer.run(f"restore {what} --yes")
    assert early.code == 3
    assert f"The table {ADDRESSES} is being deleted. Nothing was done." in early.err

    sandbox.advance(minutes=2)
    later = rescuer.run(f"restore {what} --yes")
    assert (later.code, later.out.strip()) == (0, ADDRESSES), later.err


@pytest.mark.parametrize("to", ["", "--to again"])
@pytest.mark.parametrize("what", ["addresses", f"table {ADDRESSES} --at {{moment}}"])
def test_a_restored_table_that_is_being_deleted_is_restored_when_its_name_is_free(
    rescuer: Rescuer, what: str, to: str
) -> None:
    sandbox = rescuer.sandbox
    sandbox.advance(minutes=10)
    moment = f"{sandbox.now() - timedelta(minutes=8):%Y-%m-%dT%H:%M:%S}"
    command = f"restore {what.format(moment=moment)} {to} --yes"
    first = rescuer.run(command)
    assert first.code == 0, first.err
    sandbox.settings(table_deletion=60)
    sandbox.client("dynamodb").delete_table(TableName=first.out.strip())

    with nothing_changes(rescuer):
        early = rescuer.run(command)
    assert early.code == 3
    assert f"The table {first.out.strip()} is being deleted. Nothing was done." in early.err

    sandbox.advance(minutes=2)
    later = rescuer.run(command)
    assert (later.code, later.out) == (0, first.out), later.err


def test_no_moment_but_the_last_of_a_table_that_is_being_deleted(rescuer: Rescuer) -> None:
    rescuer.sandbox.settings(table_deletion=60)
    delete_table(rescuer.sandbox, ADDRESSES)

    said = rescuer.run(f"restore table {ADDRESSES} --at 2026-01-02T00:00:00Z --yes")

    assert said.code == 64
    assert "Restore that with --latest." in said.err
