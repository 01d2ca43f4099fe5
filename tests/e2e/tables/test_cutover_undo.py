"""Undoing a cutover: what it changed is set back, and what others changed since stays."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from shlex import split

import pytest

from cabal_backup.operations.aws.client import connect
from cabal_backup.operations.restore.tables import cutover, cutover_undo, origin, restore_table
from cabal_backup.operations.restore.tables.cutover_undo import UndoPlan, UndoRequest, UndoResult
from cabal_backup.operations.restore.tables.table_copy import Mode, Transfer
from cabal_backup.operations.restore.tables.transport import CancelToken, Rate, Transport
from tests import killing
from tests.builders import an_environment
from tests.e2e.operator import Said
from tests.e2e.tables.conftest import Rescuer
from tests.e2e.tables.disaster import MODES, RESTORED, address, by_address, lose, writes
from tests.e2e.tables.tables import ADDRESSES, Item, delete, items, make_restored, put, tables
from tests.e2e.tables.test_cutover import option
from tests.e2e.tables.test_refusals import nothing_changes
from tests.e2e.tables.test_undo import COUNTER, a_counter, plan_cutover, unreported
from tests.e2e.terminal import type_answers
from tests.killing import Ended
from tests.long import shortened
from tests.sandbox.cabal import let_tables_settle

KILLS = shortened(24)
UNDO = f"cutover undo {RESTORED} {ADDRESSES}"


def keys(changed: Iterable[Item]) -> list[Item]:
    return [{"address": item["address"]} for item in changed]


def live(rescuer: Rescuer) -> list[Item]:
    return by_address(items(rescuer.sandbox, ADDRESSES))


def before_tables(rescuer: Rescuer) -> list[str]:
    return [name for name in tables(rescuer.sandbox) if "before" in name]


def cut_over(rescuer: Rescuer, *arguments: str) -> Said:
    """A cutover whose undo point can be restored by now."""
    said = rescuer.run(f"cutover {RESTORED} {ADDRESSES} --yes --reconfigure none", *arguments)
    assert said.code == 0, said.out + said.err
    assert f"cabal-backup {UNDO} -e development" in said.out
    rescuer.sandbox.advance(minutes=10)
    return said


def printed_undo(done: Said) -> str:
    """The command that undoes a cutover, as it was printed."""
    (command,) = (line for line in done.out.splitlines() if UNDO in line)
    return command


def assert_undone(rescuer: Rescuer, command: str, before: list[Item]) -> None:
    """Type the printed command: the live table is as it was."""
    said = rescuer.operator.type(*split(command)[1:], "--yes")
    assert said.code == 0, said.out + said.err
    assert live(rescuer) == before


def others_change(rescuer: Rescuer, before: list[Item]) -> list[Item]:
    """Others change, delete and add items after a cutover; what an undo has to leave then.

    Among them are items that the cutover wrote, and with --mirror one that it deleted.
    """
    spoiled = [item for item in before if item["user"]["S"] == "mallory"]
    later = [item for item in before if item["address"]["S"].startswith("later")]
    changed = [{**item, "user": {"S": "carol"}} for item in (spoiled[0], later[0])]
    new = [address("new0"), address("new1")]
    put(rescuer.sandbox, ADDRESSES, [*changed, *new])
    delete(rescuer.sandbox, ADDRESSES, keys([spoiled[1]]))
    expected = {item["address"]["S"]: item for item in [*before, *changed, *new]}
    del expected[spoiled[1]["address"]["S"]]
    return [expected[key] for key in sorted(expected)]


@pytest.mark.parametrize("mode", MODES)
def test_only_what_the_cutover_changed_is_set_back(small: Rescuer, mode: str) -> None:
    lose(small.sandbox)
    before = live(small)
    cut_over(small, *option(mode))
    expected = others_change(small, before)
    after = live(small)
    refused = small.run(UNDO)
    assert refused.code == 4
    assert "stdin is not a terminal" in refused.err
    outline = small.run(UNDO, "--dry-run")
    assert "  first restore cabal-addresses to a new table" in outline.out, outline.err
    assert before_tables(small) == []

    said = small.run(UNDO, "--yes", "--delete-restored")

    assert said.code == 0, said.out + said.err
    assert live(small) == expected != after
    assert "5 items changed by others, left as they are:" in said.out
    assert all(f"  {name}@mail.example.com" in said.out for name in ("later0", "new0", "new1"))
    let_tables_settle(small.sandbox)
    assert before_tables(small) == []
    again = small.run(UNDO, "--yes")
    assert again.code == 9
    assert f"No cutover from {RESTORED} to {ADDRESSES} is recorded" in again.err


def test_the_plan_with_every_item(small: Rescuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the restore, the dry run lists what would be changed; without a word nothing is."""
    backup = lose(small.sandbox)
    before = live(small)
    cut_over(small, "--mirror")
    put(small.sandbox, ADDRESSES, [address("new")])
    type_answers(monkeypatch, "yes", "no")
    refused = small.run(UNDO)
    assert refused.code == 4
    assert "Type development to continue" in refused.err
    assert len(before_tables(small)) == 1

    with nothing_changes(small):
        said = small.run(UNDO, "--dry-run")

    shown = {line.strip() for line in said.out.splitlines()}
    equal = {item["address"]["S"] for item in before if item in backup}
    differing = {item["address"]["S"] for item in [*before, *backup]} - equal
    assert shown >= differing | {"new@mail.example.com"}
    assert not equal & shown
    assert "100 the cutover wrote over: set back" in said.out
    assert "60 the cutover deleted: written again" in said.out
    assert "100 the cutover added: deleted" in said.out
    assert "1 changed by others since: left as they are" in said.out


def plan_undo(rescuer: Rescuer, request: UndoRequest) -> UndoPlan:
    aws, clock = connect(an_environment("development")), rescuer.operator.clock
    done = cutover_undo.find_cutover(aws, request, clock)
    before = restore_table.execute(aws, done.before, clock, unreported)
    reading = Transfer(
        transport=Transport(aws), rate=Rate(None), stop=CancelToken(), report=unreported
    )
    return cutover_undo.plan_undo(reading, done, before, samples=5)


def undo(rescuer: Rescuer, plan: UndoPlan) -> UndoResult:
    aws = connect(an_environment("development"))
    return cutover_undo.execute(aws, plan, rescuer.operator.clock, CancelToken(), unreported)


OF_ADDRESSES = UndoRequest(restored=RESTORED, live=ADDRESSES)


def test_killed_at_random_changes(small: Rescuer) -> None:
    lose(small.sandbox)
    before = live(small)
    cut_over(small, "--mirror")
    expected = others_change(small, before)
    plan_undo(small, OF_ADDRESSES)
    start = small.sandbox.checkpoint()

    def killed(at: int | None) -> Ended:
        small.sandbox.rollback(start)
        return killing.run(
            lambda: undo(small, plan_undo(small, OF_ADDRESSES)).left.count,
            writes,
            kill_at=at,
        )

    whole = killed(None)
    assert whole.code == 0, whole.said
    assert live(small) == expected
    first, last = 1, len(whole.moments)
    rng = random.Random("kill the undo")
    for moment in (first, last, *(rng.randrange(first + 1, last) for _ in range(KILLS - 2))):
        assert killed(moment).killed
        assert (live(small) == expected) is (moment == last)
        said = small.run(UNDO, "--yes")
        assert said.code == 0, said.out + said.err
        assert live(small) == expected


def test_items_that_others_change_while_the_question_is_open(small: Rescuer) -> None:
    """One that the cutover wrote, one that it deleted, and one that it added."""
    backup = lose(small.sandbox)
    before = live(small)
    cut_over(small, "--mirror")
    plan = plan_undo(small, OF_ADDRESSES)
    spoiled = next(item for item in before if item["user"]["S"] == "mallory")
    changed = [{**item, "user": {"S": "carol"}} for item in (spoiled, backup[0])]
    put(small.sandbox, ADDRESSES, [*changed, address("later0", user="carol")])

    result = undo(small, plan)

    assert (result.kept, result.left.count) == (3, 0)
    others = {item["address"]["S"]: item for item in [*changed, address("later0", user="carol")]}
    expected = {item["address"]["S"]: item for item in before} | others
    assert live(small) == by_address([*expected.values()])
    assert small.run(UNDO, "--yes").code == 9


def test_a_cutover_that_was_killed_before_it_deleted_anything(small: Rescuer) -> None:
    """What is absent then was deleted by others, and stays so."""
    lose(small.sandbox)
    before = live(small)
    aws, plan = plan_cutover(small, RESTORED, ADDRESSES, mode=Mode.MIRROR)

    def interrupt(event: object) -> None:
        if "writing" in str(event):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cutover.execute(aws, plan, small.operator.clock, CancelToken(), interrupt)
    delete(small.sandbox, ADDRESSES, keys([address("later0")]))
    small.sandbox.advance(minutes=10)

    said = small.run(UNDO, "--yes")

    assert said.code == 0, said.out + said.err
    assert live(small) == [item for item in before if item != address("later0")]


def test_a_restore_that_ended_before_its_items_were_recorded(
    small: Rescuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its table may have been changed since, so another one is restored beside it."""
    lose(small.sandbox)
    before = live(small)
    cut_over(small, "--mirror")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(origin, "record", interrupt)
        with pytest.raises(KeyboardInterrupt):
            plan_undo(small, OF_ADDRESSES)
    (unrecorded,) = before_tables(small)

    said = small.run(UNDO, "--yes")

    assert said.code == 0, said.out + said.err
    assert f"{unrecorded} is from this restore too" in said.err
    assert before_tables(small) == [unrecorded, f"{unrecorded}-2"]
    assert live(small) == before


@pytest.mark.parametrize("reading", ["included", "excluded"])
def test_a_cutover_of_one_address(small: Rescuer, reading: str) -> None:
    """However DynamoDB reads the second of the undo point."""
    lose(small.sandbox)
    small.sandbox.settings(restored_second=reading, table_tags=0)
    before = live(small)
    cut_over(small, "--mirror", "--only=later*")
    for wrong in ([], ["--only=late*"], ["--mirror", "--only=later*"]):
        with nothing_changes(small):
            said = small.run(UNDO, "--yes", *wrong)
        assert said.code == 64, said.err
    said = small.run(UNDO, "--yes", "--only=later*")
    assert said.code == 0, said.out + said.err
    assert live(small) == before


def test_there_is_nothing_to_set_back(small: Rescuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others have set it back by hand: nothing is asked, and the record is removed."""
    backup = lose(small.sandbox)
    before = live(small)
    one = f"--only={backup[1]['address']['S']}"
    type_answers(monkeypatch, "no")
    asked = small.run(f"cutover {RESTORED} {ADDRESSES} {one}")
    assert (asked.code, "This writes 1 item to cabal-addresses" in asked.err) == (4, True)
    assert "1 item written to cabal-addresses, 0 left as they were." in cut_over(small, one).out
    put(small.sandbox, ADDRESSES, before)
    type_answers(monkeypatch, "yes")

    said = small.run(UNDO, one)

    assert said.code == 0, said.out + said.err
    (table,) = before_tables(small)
    assert f"There is nothing to set back in cabal-addresses, compared with {table}" in said.err
    assert said.err.count(" to continue: ") == 1, "before the restore only"
    assert live(small) == before
    assert small.run(UNDO, one).code == 9


def test_the_restored_table_was_deleted(small: Rescuer) -> None:
    """Restored again under its name, it shows the same; the operator says what the tags did."""
    backup = lose(small.sandbox)
    before = live(small)
    done = cut_over(small, "--mirror", "--delete-restored", "--rate", "500")
    command = printed_undo(done)
    assert command.count(" --rate=500 --reconfigure=none") == 1
    assert " --mirror --rate=500 --reconfigure=none\n" in done.out
    with nothing_changes(small):
        said = small.run(UNDO, "--yes")
    assert said.code == 9
    assert f"There is no table {RESTORED}." in said.err
    make_restored(small.sandbox, RESTORED, {"address": "S"}, backup)

    assert_undone(small, command, before)


def test_a_restored_table_that_was_changed_is_no_evidence(small: Rescuer) -> None:
    lose(small.sandbox)
    cut_over(small)
    put(small.sandbox, RESTORED, [address("planted")])
    with nothing_changes(small):
        said = small.run(UNDO, "--yes")
    assert said.code == 4
    assert f"{RESTORED} was changed since it was restored" in said.err


def test_the_undo_point_is_named_with_what_the_cutover_had(small: Rescuer) -> None:
    lose(small.sandbox)
    cut_over(small, "--mirror", "--only=later*")
    put(small.sandbox, RESTORED, [address("planted")])
    said = small.run(UNDO, "--yes", "--only=later*")
    assert said.code == 4
    assert " --mirror --only='later*'." in said.err


def test_the_undo_of_a_cutover_to_a_region_that_is_named(small: Rescuer) -> None:
    lose(small.sandbox)
    before = live(small)
    region = small.sandbox.client("dynamodb").meta.region_name
    done = cut_over(small, f"--from-region={region}", f"--to-region={region}")
    command = printed_undo(done)
    assert f" --from-region {region}" in command
    assert_undone(small, command, before)


def test_the_comparison_that_lists_all_that_others_changed(small: Rescuer) -> None:
    lose(small.sandbox)
    cut_over(small)
    put(small.sandbox, ADDRESSES, [address(f"new{number}") for number in range(30)])
    said = small.run(UNDO, "--yes")
    assert said.code == 0, said.out + said.err
    command = said.out.split("more; all: cabal-backup ")[1].splitlines()[0]
    compared = small.operator.type(*split(command))
    assert compared.code == 5, compared.err
    assert "new29@mail.example.com" in compared.out


@pytest.mark.parametrize("lower", [False, True])
def test_the_counter_is_lowered_only_if_that_is_asked_for(small: Rescuer, lower: bool) -> None:
    sandbox = small.sandbox
    make_restored(
        sandbox,
        RESTORED,
        {"counter": "S"},
        [a_counter("counter", 70_000), a_counter("b", 9)],
        source=COUNTER,
    )
    put(sandbox, COUNTER, [a_counter("counter", 65_541, enabled=False)])
    before = items(sandbox, COUNTER)
    assert small.run(f"cutover {RESTORED} {COUNTER} --yes").code == 0
    after = items(sandbox, COUNTER)
    sandbox.advance(minutes=10)

    said = small.run(
        f"cutover undo {RESTORED} {COUNTER} --yes", *(["--lower-counter"] if lower else [])
    )

    assert said.code == 0, said.out + said.err
    assert items(sandbox, COUNTER) == (before if lower else after)
    assert ("2 counters kept: --lower-counter was not given" in said.out) is not lower
    assert ("nothing of the cutover is left in the live table." in said.out) is lower
    again = small.run(f"cutover undo {RESTORED} {COUNTER} --yes --lower-counter")
    assert again.code == (9 if lower else 0), again.err
    assert items(sandbox, COUNTER) == before


def test_the_record_stays_where_the_undo_point_is_given(small: Rescuer) -> None:
    """It may be of another cutover."""
    lose(small.sandbox)
    before = live(small)
    cut_over(small)
    outline = small.run(UNDO, "--dry-run").out
    moment = outline.splitlines()[0].rpartition(" as of ")[2].rstrip(":")
    later = datetime.fromisoformat(moment) + timedelta(minutes=1)

    said = small.run(UNDO, "--yes", "--at", f"{later:%Y-%m-%dT%H:%M:%S}")

    assert said.code == 0, said.out + said.err
    assert live(small) != before
    said = small.run(UNDO, "--yes")
    assert said.code == 0, said.out + said.err
    assert live(small) == before
