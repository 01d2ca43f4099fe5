"""Only the items whose key matches a pattern are compared, written and deleted."""

from __future__ import annotations

from shlex import split

import pytest

from cabal_backup.operations.aws.client import connect
from cabal_backup.operations.aws.clock import SystemClock
from cabal_backup.operations.restore.tables import cutover
from cabal_backup.operations.restore.tables.cutover import CutoverRequest
from cabal_backup.operations.restore.tables.key_patterns import KeyPatterns
from cabal_backup.operations.restore.tables.transport import CancelToken
from tests import killing
from tests.builders import an_environment
from tests.e2e.exercise import catch_up
from tests.e2e.tables.conftest import Rescuer
from tests.e2e.tables.disaster import RESTORED, address, by_address, writes
from tests.e2e.tables.tables import (
    ADDRESSES,
    Item,
    delete,
    items,
    make_restored,
    put,
    tables,
)
from tests.e2e.tables.test_refusals import nothing_changes
from tests.hints import printed_commands, read
from tests.sandbox.cabal import delete_table

ALICES = [
    {"address": {"S": f"alice@{place}.example.com"}, "user": {"S": "alice"}} for place in "abcd"
]
LATER = {"address": {"S": "alice@later.example.com"}, "user": {"S": "alice"}}
ONLY = "--only=alice@*"


def damage(rescuer: Rescuer) -> list[Item]:
    """Two of alice's items are changed, one is deleted and one is new; others are changed too.
    What the live table has now, without alice's items.
    """
    others = [item for item in items(rescuer.sandbox, ADDRESSES) if item not in ALICES]
    spoiled = [{**item, "user": {"S": "mallory"}} for item in (*ALICES[:2], *others[:5])]
    put(rescuer.sandbox, ADDRESSES, [*spoiled, LATER, address("stray")])
    deleted = [ALICES[2], *others[5:10]]
    delete(rescuer.sandbox, ADDRESSES, ({"address": item["address"]} for item in deleted))
    return alices(rescuer, others=True)


def alices(rescuer: Rescuer, *, others: bool = False) -> list[Item]:
    """Alice's items in the live table, or those of others."""
    found = items(rescuer.sandbox, ADDRESSES)
    return by_address(
        [item for item in found if item["address"]["S"].startswith("alice@") != others]
    )


@pytest.fixture
def lost(small: Rescuer) -> tuple[Rescuer, list[Item]]:
    """In front of a restored table and a damaged live one, with the items of others there."""
    put(small.sandbox, ADDRESSES, ALICES)
    backup = items(small.sandbox, ADDRESSES)
    make_restored(small.sandbox, RESTORED, {"address": "S"}, backup)
    return small, damage(small)


def test_restore_shows_the_differences_and_the_cutover_that_it_prints(rescuer: Rescuer) -> None:
    put(rescuer.sandbox, ADDRESSES, ALICES)
    rescuer.sandbox.run_nights(1)
    others = damage(rescuer)

    mistyped = rescuer.run("restore addresses --yes --to restored --only=Alice@*")
    said = rescuer.run("restore addresses --yes --to restored", ONLY)

    assert mistyped.code == 9
    assert "Neither restored nor cabal-addresses has an item" in mistyped.err
    assert "Nothing was written." in mistyped.err
    assert said.code == 0, said.err
    assert "has done this already" in said.err
    assert alices(rescuer, others=True) == others
    shown = said.out.splitlines()
    assert "           2  differing" in shown
    assert shown[shown.index("alice@a.example.com: 1 attribute differing") :][:4] == [
        "alice@a.example.com: 1 attribute differing",
        "  user",
        '    restored: {"S":"alice"}',
        '    cabal-addresses: {"S":"mallory"}',
    ]
    assert "alice@c.example.com: only in restored" in shown
    assert "alice@later.example.com: only in cabal-addresses" in shown
    assert "stray" not in said.out
    (command,) = printed_commands(said.err.partition("Restored. Next:")[2])
    assert command == f"cutover restored {ADDRESSES} {rescuer.operator.options} --only='alice@*'"
    read(command)

    done = rescuer.run("restore addresses --yes --cutover --to restored", ONLY)

    assert done.code == 0, done.err
    assert alices(rescuer) == by_address([*ALICES, LATER])
    assert alices(rescuer, others=True) == others
    whole = rescuer.run(f"compare restored {ADDRESSES}")
    assert whole.code == 5
    one = rescuer.run(f"compare restored {ADDRESSES} --only=alice@[a-d]* --json")
    assert (one.code, one.json["identical"]["count"]) == (0, len(ALICES))
    assert one.json["only"] == ["alice@[a-d]*"]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("", [*ALICES, LATER]), ("--mirror", ALICES)],
    ids=["overwrite", "mirror"],
)
def test_the_way_back_is_for_the_same_items(
    lost: tuple[Rescuer, list[Item]], mode: str, expected: list[Item]
) -> None:
    rescuer, others = lost
    before = alices(rescuer)
    # Writes of the last seconds are not in a restore to the undo point.
    rescuer.sandbox.advance(minutes=10)

    said = rescuer.run(f"cutover {RESTORED} {ADDRESSES} --yes {mode}", ONLY)

    assert said.code == 0, said.err
    assert "only items whose key matches 'alice@*'; all others stay as they are" in said.err
    assert "4 items written to cabal-addresses" in said.out
    assert f"The other {len(others)} items of cabal-addresses are as they were." in said.out
    assert "Verified: the live table holds what it should under the keys that match" in said.out
    assert alices(rescuer) == by_address(expected)
    assert alices(rescuer, others=True) == others

    put(rescuer.sandbox, ADDRESSES, [address("meanwhile")])
    rescuer.sandbox.advance(minutes=10)
    for command in printed_commands(said.out.partition("To go back:\n")[2]):
        went_back = rescuer.operator.type(*split(command), "--yes")
        assert went_back.code == 0, went_back.err
    assert alices(rescuer) == before
    assert address("meanwhile") in alices(rescuer, others=True)


def test_killed_before_and_after_each_write_and_run_again(
    lost: tuple[Rescuer, list[Item]],
) -> None:
    rescuer, others = lost
    command = f"cutover {RESTORED} {ADDRESSES} --yes --mirror {ONLY}"
    catch_up(rescuer.sandbox)
    start = rescuer.sandbox.checkpoint()

    def run(kill_at: int | None) -> killing.Ended:
        rescuer.sandbox.rollback(start)
        catch_up(rescuer.sandbox)
        return killing.run(lambda: rescuer.run(command).code, writes, kill_at=kill_at)

    whole = run(None)
    assert whole.code == 0, whole.said
    assert {*whole.moments} == {"BatchWriteItem", "DeleteItem"}
    for moment in range(1, len(whole.moments) + 1):
        assert run(moment).killed

        again = rescuer.run(command)

        assert again.code == 0, again.err
        assert "an earlier run did not finish" in again.err
        assert alices(rescuer) == by_address(ALICES)
        assert alices(rescuer, others=True) == others


def test_an_unfinished_cutover_of_other_items_keeps_its_way_back(
    lost: tuple[Rescuer, list[Item]],
) -> None:
    rescuer, _ = lost
    whole = f"cutover {RESTORED} {ADDRESSES} --yes"
    assert killing.run(lambda: rescuer.run(whole).code, writes, kill_at=2).killed

    with nothing_changes(rescuer):
        refused = rescuer.run(whole, ONLY)
    finished = rescuer.run(whole)

    assert refused.code == 4
    assert "A cutover of other items from restored did not finish" in refused.err
    assert "--tag-keys cabal-backup:unfinished-cutover" in refused.err
    assert finished.code == 0, finished.err
    assert "an earlier run did not finish" in finished.err
    assert rescuer.run(whole, ONLY).code == 0


def test_changes_of_others_meanwhile_are_reported_and_kept(
    lost: tuple[Rescuer, list[Item]],
) -> None:
    rescuer, others = lost
    aws, clock, stop = connect(an_environment("development")), SystemClock(), CancelToken()
    request = CutoverRequest(restored=RESTORED, live=ADDRESSES, only=KeyPatterns(("alice@*",)))
    plan = cutover.plan_cutover(aws, request, clock, stop, lambda _: None)
    put(rescuer.sandbox, ADDRESSES, [address("meanwhile")])

    result = cutover.execute(aws, plan, clock, stop, lambda _: None)

    assert result.verification.problems == ()
    assert result.verification.remarks == (
        "others changed items of cabal-addresses that do not match 'alice@*'; this cutover wrote "
        "none of them",
    )
    assert alices(rescuer, others=True) == by_address([*others, address("meanwhile")])


def test_items_to_delete_only(lost: tuple[Rescuer, list[Item]]) -> None:
    rescuer, others = lost
    command = f"cutover {RESTORED} {ADDRESSES} --yes"
    with nothing_changes(rescuer):
        nothing = rescuer.run(command, "--only=alice@later*")
    assert nothing.code == 4
    assert "No partition key in restored matches 'alice@later*'" in nothing.err

    mirrored = rescuer.run(f"{command} --mirror", "--only=alice@later*")

    assert mirrored.code == 0, mirrored.err
    assert LATER not in alices(rescuer)
    assert alices(rescuer, others=True) == others


@pytest.mark.parametrize("command", ["compare", "cutover --yes", "cutover --dry-run --mirror"])
def test_a_pattern_that_matches_nothing(lost: tuple[Rescuer, list[Item]], command: str) -> None:
    rescuer, _ = lost
    with nothing_changes(rescuer):
        said = rescuer.run(command, RESTORED, ADDRESSES, "--only=bob", "--only=carol*")
    assert said.code == 9
    assert "has an item whose partition key matches 'bob' or 'carol*'" in said.err


@pytest.mark.parametrize("options", ["", "--cutover", "--to another --cutover", "--dry-run"])
def test_a_live_table_that_does_not_exist(rescuer: Rescuer, options: str) -> None:
    delete_table(rescuer.sandbox, ADDRESSES)
    before = tables(rescuer.sandbox)
    with nothing_changes(rescuer):
        said = rescuer.run(f"restore addresses --yes {options}", ONLY)
    assert said.code == 4
    assert "cabal-addresses does not exist or is being restored under its own name" in said.err
    assert tables(rescuer.sandbox) == before
