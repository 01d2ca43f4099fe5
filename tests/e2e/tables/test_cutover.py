"""The cutover under trouble: throttling, and others who write to the live table."""

from __future__ import annotations

import pytest

from tests.e2e.tables.conftest import Rescuer
from tests.e2e.tables.disaster import (
    MODES,
    RESTORED,
    address,
    by_address,
    lose,
    meanwhile,
    promised,
)
from tests.e2e.tables.tables import ADDRESSES, Item, items, make, make_restored, put


def option(mode: str) -> list[str]:
    return [] if mode == "overwrite" else [f"--{mode}"]


@pytest.mark.parametrize("mode", MODES)
def test_a_third_of_the_calls_throttled(small: Rescuer, mode: str) -> None:
    backup = lose(small.sandbox)
    expected = promised(backup, items(small.sandbox, ADDRESSES), mode)
    throttled = {"service": "dynamodb", "fraction": 1 / 3}
    small.sandbox.faults.services(
        {**throttled, "operation": "BatchWriteItem", "unprocessed": True},
        {**throttled, "operation": "Scan", "error": "InternalServerError", "status": 500},
        {**throttled, "error": "ProvisionedThroughputExceededException"},
    )

    said = small.run(f"cutover {RESTORED} {ADDRESSES} --yes", *option(mode))

    small.sandbox.faults.clear()
    assert said.code == 0, said.out + said.err
    assert by_address(items(small.sandbox, ADDRESSES)) == expected


@pytest.mark.parametrize("digits", [28, 29, 38])
@pytest.mark.parametrize("mode", ["missing-only", "mirror"])
def test_number_keys_that_differ_in_their_last_digit(
    small: Rescuer, mode: str, digits: int
) -> None:
    sandbox = small.sandbox
    rows = [{"id": {"N": str(10 ** (digits - 1) + last)}} for last in range(1, 8)]
    in_backup, in_live = rows[:4], rows[3:]
    make_restored(sandbox, RESTORED, {"id": "N"}, in_backup, source="live")
    make(sandbox, "live", {"id": "N"}, in_live, recovery=True)

    said = small.run(f"cutover {RESTORED} live --yes --{mode}", pitr_tables="live")

    assert said.code == 0, said.out + said.err
    assert items(sandbox, "live") == (in_backup if mode == "mirror" else rows)


@pytest.mark.parametrize("mode", MODES)
def test_what_others_create_meanwhile_stays(small: Rescuer, mode: str) -> None:
    backup = lose(small.sandbox)
    expected = promised(backup, items(small.sandbox, ADDRESSES), mode)
    dynamodb = small.sandbox.client("dynamodb")

    def create(operation: str, number: int) -> None:
        dynamodb.put_item(TableName=ADDRESSES, Item=address(f"meanwhile-{operation}-{number}"))

    with meanwhile(create) as writes:
        said = small.run(f"cutover {RESTORED} {ADDRESSES} --yes", *option(mode))

    assert said.code == 0, said.out + said.err
    after = items(small.sandbox, ADDRESSES)
    theirs = [item for item in after if item["address"]["S"].startswith("meanwhile")]
    assert len(theirs) == len(writes) > 0
    assert by_address([item for item in after if item not in theirs]) == expected


def test_missing_only_never_writes_over_what_appears_meanwhile(small: Rescuer) -> None:
    """A user creates exactly the missing addresses while they are restored."""
    backup = lose(small.sandbox)
    missing = backup[::3]
    dynamodb = small.sandbox.client("dynamodb")
    theirs: dict[str, Item] = {}

    def create(_operation: str, number: int) -> None:
        mine = {**missing[number % len(missing)], "comment": {"S": f"mine {number}"}}
        try:
            dynamodb.put_item(
                TableName=ADDRESSES, Item=mine, ConditionExpression="attribute_not_exists(address)"
            )
            theirs[mine["address"]["S"]] = mine
        except dynamodb.exceptions.ConditionalCheckFailedException:
            pass

    with meanwhile(create):
        small.run(f"cutover {RESTORED} {ADDRESSES} --missing-only --yes")

    after = {item["address"]["S"]: item for item in items(small.sandbox, ADDRESSES)}
    assert theirs
    assert {name: after[name] for name in theirs} == theirs
    assert all(item["address"]["S"] in after for item in backup)


def test_mirror_keeps_what_is_changed_meanwhile(small: Rescuer) -> None:
    """All of the items to be deleted are changed after the plan was made: half of them before the
    first write, the others just before the first deletion.

    An attribute changes: one that is only added goes unnoticed, as `delete_if_still` documents.
    """
    backup = lose(small.sandbox)
    changed = [address(f"later{number}", user="still mine") for number in range(60)]

    def change(operation: str, number: int) -> None:
        if number == 0:
            put(small.sandbox, ADDRESSES, changed[operation == "DeleteItem" :: 2])

    with meanwhile(change):
        said = small.run(f"cutover {RESTORED} {ADDRESSES} --mirror --yes")

    assert said.code == 0, said.out + said.err
    assert "had been changed since, and was kept" in said.out
    after = items(small.sandbox, ADDRESSES)
    assert all(item in after for item in changed)
    assert all(item in after for item in backup)


def test_a_change_after_the_write_is_noticed(small: Rescuer) -> None:
    backup = lose(small.sandbox)
    dynamodb = small.sandbox.client("dynamodb")
    spoiled = {**backup[0], "user": {"S": "mallory"}}
    with meanwhile(lambda *_: dynamodb.put_item(TableName=ADDRESSES, Item=spoiled)):
        said = small.run(f"cutover {RESTORED} {ADDRESSES} --yes --reconfigure none")
    assert said.code == 5
    assert "VERIFICATION FAILED: 1 item other than in the backup" in said.out
    assert backup[0]["address"]["S"] in said.out
