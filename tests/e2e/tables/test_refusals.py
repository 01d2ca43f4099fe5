"""What is refused: a clear message, a documented exit code, and nothing changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.exercise import newest_point
from tests.e2e.tables.conftest import Rescuer
from tests.e2e.tables.tables import (
    ADDRESSES,
    items,
    make,
    make_restored,
    put,
    switch_recovery,
    tables,
)
from tests.sandbox.cabal import delete_table

FOR_RESTORES = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores"
STRAY = {"address": {"S": "stray@mail.example.com"}}


def seen(rescuer: Rescuer) -> Any:
    """Everything a restore or a cutover could have changed."""
    sandbox = rescuer.sandbox
    jobs = sandbox.client("backup").list_restore_jobs()["RestoreJobs"]
    return (
        {table: items(sandbox, table) for table in tables(sandbox)},
        [(job["RestoreJobId"], job["Status"]) for job in jobs],
    )


@contextmanager
def nothing_changes(rescuer: Rescuer) -> Iterator[None]:
    before = seen(rescuer)
    yield
    assert seen(rescuer) == before


def test_another_accounts_credentials(rescuer: Rescuer) -> None:
    with nothing_changes(rescuer):
        said = rescuer.run("restore addresses --yes --cutover", account="000000000000")
    assert said.code == 77
    assert "belong to account 123456789012, but development is in account 000000000000" in said.err


def test_without_a_terminal_to_ask_on(rescuer: Rescuer) -> None:
    with nothing_changes(rescuer):
        said = rescuer.run("restore addresses --cutover")
    assert said.code == 4
    assert "stdin is not a terminal, and --yes was not given." in said.err


def test_a_dry_run_prints_the_plan_and_does_nothing(rescuer: Rescuer) -> None:
    with nothing_changes(rescuer):
        said = rescuer.run("restore addresses --dry-run --yes")
    assert said.code == 0
    assert "to a new table cabal-addresses-restored-20260206-002000" in said.out


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("--mirror", "--mirror"),
        ("--missing-only --no-undo", "--missing-only, --no-undo"),
        ("--rate 5 --reconfigure none", "--rate, --reconfigure"),
        ("--delete-restored", "--delete-restored"),
    ],
)
def test_options_of_a_cutover_without_one(small: Rescuer, options: str, named: str) -> None:
    with nothing_changes(small):
        said = small.run(f"restore addresses --yes {options}")
    assert said.code == 64
    assert f"{named}: for the cutover only, and --cutover was not given" in said.err


def test_a_dry_run_prints_the_plan_of_the_cutover_too(rescuer: Rescuer) -> None:
    command = "restore addresses --cutover --mirror --rate 50 --delete-restored --dry-run"
    with nothing_changes(rescuer):
        said = rescuer.run(command)
    assert said.code == 0, said.err
    restored = "cabal-addresses-restored-20260206-002000"
    assert f"Copy from {restored} to the live table {ADDRESSES}, mirror:" in said.out
    assert "items different in the live table: written over with the backup's" in said.out
    assert "items only the live table has: deleted" in said.out
    assert "the way back: point-in-time recovery" in said.out
    assert "at most 50 write units a second" in said.out
    assert f"then {restored} is deleted" in said.out

    assert rescuer.run("restore addresses --yes").code == 0
    put(rescuer.sandbox, ADDRESSES, [STRAY])
    with nothing_changes(rescuer):
        restored_already = rescuer.run(command)
    assert restored_already.code == 0, restored_already.err
    assert "1 item only the live table has: deleted" in restored_already.out


def test_a_dry_run_of_a_restore_under_the_live_name_has_no_cutover(rescuer: Rescuer) -> None:
    delete_table(rescuer.sandbox, ADDRESSES)
    with nothing_changes(rescuer):
        said = rescuer.run("restore addresses --cutover --mirror --reconfigure roll --dry-run")
    assert said.code == 0, said.err
    assert "There is no cutover" in said.out
    assert "without effect: --mirror\n" in said.out


def test_no_way_back_is_found_before_anything_is_restored(rescuer: Rescuer) -> None:
    switch_recovery(rescuer.sandbox, ADDRESSES, on=False)
    with nothing_changes(rescuer):
        said = rescuer.run("restore addresses --cutover --yes")
    assert said.code == 4
    assert "has no point-in-time recovery, so a cutover could not be undone" in said.err


def test_a_point_that_is_not_there(rescuer: Rescuer) -> None:
    arn = newest_point(rescuer.sandbox, "DynamoDB")[:-4] + "0000"
    with nothing_changes(rescuer):
        said = rescuer.run(f"restore addresses --yes --recovery-point {arn}")
    assert said.code == 8
    assert f"There is no recovery point {arn} in cabal-backup." in said.err


def test_a_point_of_the_mailstore(rescuer: Rescuer) -> None:
    arn = newest_point(rescuer.sandbox, "EFS")
    with nothing_changes(rescuer):
        said = rescuer.run(f"restore addresses --yes --recovery-point {arn}")
    assert said.code == 64
    assert "not of cabal-addresses" in said.err


def test_a_moment_before_the_first_point(rescuer: Rescuer) -> None:
    with nothing_changes(rescuer):
        said = rescuer.run("restore addresses --yes --at 2025-12-31T00:00")
    assert said.code == 8
    assert "the oldest is from 2026-01-02 00:20 UTC" in said.err


def test_a_cold_point_without_its_option_is_refused(rescuer: Rescuer) -> None:
    with nothing_changes(rescuer):
        said = rescuer.run("restore addresses --yes --at 2026-01-03T00:00")
        planned = rescuer.run("restore addresses --dry-run --cold --at 2026-01-03T00:00")
    assert said.code == 4
    assert "from 2026-01-02 00:20 UTC is in cold storage" in said.err
    assert "four hours longer" in said.err
    assert planned.code == 0
    assert "in cold storage: about four hours" in planned.out


def test_a_role_that_may_not_restore(rescuer: Rescuer) -> None:
    rescuer.sandbox.client("iam").detach_role_policy(
        RoleName="cabal-backup-role", PolicyArn=FOR_RESTORES
    )
    with nothing_changes(rescuer):
        said = rescuer.run("restore addresses --yes --cutover")
    assert said.code == 3
    assert "AWSBackupServiceRolePolicyForRestores is not attached" in said.err


def test_a_role_that_is_not_there(rescuer: Rescuer) -> None:
    with nothing_changes(rescuer):
        said = rescuer.run("restore addresses --yes --role missing")
    assert said.code == 9
    assert "There is no role missing" in said.err


def test_a_restore_job_that_fails_says_why(rescuer: Rescuer) -> None:
    before = items(rescuer.sandbox, ADDRESSES)
    rescuer.sandbox.faults.fail_next("restore", message="Insufficient privileges to restore.")
    said = rescuer.run("restore addresses --yes --cutover")
    assert said.code == 3
    assert "ended FAILED. AWS says: Insufficient privileges to restore." in said.err
    assert items(rescuer.sandbox, ADDRESSES) == before


def test_a_target_that_exists(small: Rescuer) -> None:
    make(small.sandbox, "taken", {"address": "S"}, [STRAY])
    small.sandbox.advance(minutes=10)
    with nothing_changes(small):
        said = small.run("restore table cabal-counter --latest --yes --to taken")
    assert said.code == 64
    assert "There is a table taken already." in said.err


@pytest.mark.parametrize(
    ("keys", "row"),
    [
        ({"user": "S"}, {"user": {"S": "alice"}}),
        ({"address": "N"}, {"address": {"N": "1"}}),
        ({"address": "S", "user": "S"}, {**STRAY, "user": {"S": "alice"}}),
    ],
    ids=["another name", "another type", "a sort key more"],
)
def test_a_table_with_another_key(small: Rescuer, keys: dict[str, str], row: Any) -> None:
    make(small.sandbox, "other", keys, [row])
    with nothing_changes(small):
        for command in ("cutover", "compare"):
            said = small.run(f"{command} other {ADDRESSES}", *(["--yes"] * (command == "cutover")))
            assert said.code == 64
            assert "do not have the same key" in said.err


def test_no_way_back(small: Rescuer) -> None:
    make_restored(small.sandbox, "restored", {"address": "S"}, [STRAY])
    switch_recovery(small.sandbox, ADDRESSES, on=False)
    with nothing_changes(small):
        said = small.run(f"cutover restored {ADDRESSES} --yes")
    assert said.code == 4
    assert "has no point-in-time recovery, so a cutover could not be undone" in said.err
    went = small.run(f"cutover restored {ADDRESSES} --yes --no-undo")
    assert went.code == 0, went.err
    assert "NO WAY BACK" in went.err
    assert STRAY in items(small.sandbox, ADDRESSES)


def test_an_empty_backup(small: Rescuer) -> None:
    make_restored(small.sandbox, "restored", {"address": "S"})
    with nothing_changes(small):
        said = small.run(f"cutover restored {ADDRESSES} --mirror --yes")
    assert said.code == 4
    assert "is empty" in said.err


@pytest.mark.parametrize(
    ("restored", "live", "code", "words"),
    [
        (ADDRESSES, ADDRESSES, 64, "cannot be restored from itself"),
        (ADDRESSES, "restored", 64, "is a live table of development, not a restored one"),
        ("nowhere", ADDRESSES, 9, "There is no table nowhere"),
        ("restored", "nowhere", 9, "There is no table nowhere"),
    ],
)
def test_the_wrong_tables(small: Rescuer, restored: str, live: str, code: int, words: str) -> None:
    make(small.sandbox, "restored", {"address": "S"}, [STRAY])
    with nothing_changes(small):
        said = small.run(f"cutover {restored} {live} --yes")
    assert said.code == code
    assert words in said.err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("cabal-counter --at 2025-12-01T00:00", "can be restored to any second from"),
        ("cabal-counter --at 2030-12-01T00:00", "can be restored from about five minutes after it"),
        ("another-table --latest", "is no table of development"),
    ],
)
def test_no_such_moment(small: Rescuer, command: str, words: str) -> None:
    small.sandbox.advance(minutes=10)
    with nothing_changes(small):
        said = small.run(f"restore table {command} --yes")
    assert said.code == 64
    assert words in said.err


def test_a_table_that_cannot_be_restored(small: Rescuer) -> None:
    switch_recovery(small.sandbox, "cabal-counter", on=False)
    delete_table(small.sandbox, "cabal-counter")
    with nothing_changes(small):
        said = small.run("restore table cabal-counter --latest --yes")
    assert said.code == 9
    assert "DynamoDB keeps no backup of cabal-counter" in said.err


def test_no_recovery_to_restore_from(small: Rescuer) -> None:
    switch_recovery(small.sandbox, "cabal-counter", on=False)
    with nothing_changes(small):
        said = small.run("restore table cabal-counter --latest --yes")
    assert said.code == 3
    assert "Point-in-time recovery is off for cabal-counter" in said.err


def test_refused_writes_end_the_cutover_with_awss_words(small: Rescuer) -> None:
    make_restored(small.sandbox, "restored", {"address": "S"}, [STRAY])
    small.sandbox.faults.services(
        {
            "service": "dynamodb",
            "operation": "BatchWriteItem",
            "error": "AccessDeniedException",
            "message": "not authorized to perform dynamodb:BatchWriteItem",
        }
    )
    with nothing_changes(small):
        said = small.run(f"cutover restored {ADDRESSES} --yes")
    assert said.code == 3
    assert "AWS refused while writing to cabal-addresses" in said.err
    assert "not authorized to perform dynamodb:BatchWriteItem" in said.err
