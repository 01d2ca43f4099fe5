"""The way back from a cutover: whose moment it is, how long it stays, and what it costs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from shlex import split
from typing import TypeVar

import pytest
from local_aws.client import Sandbox

from cabal_backup.operations.aws.client import Aws, connect
from cabal_backup.operations.aws.jobs import Event
from cabal_backup.operations.restore.tables import cutover
from cabal_backup.operations.restore.tables.cutover import CutoverPlan, CutoverRequest
from cabal_backup.operations.restore.tables.table_copy import Mode
from cabal_backup.operations.restore.tables.transport import CancelToken
from cabal_backup.operations.restore.tables.undo import UNFINISHED
from tests.builders import an_environment
from tests.e2e.operator import Said, SandboxClock
from tests.e2e.tables.conftest import Rescuer
from tests.e2e.tables.disaster import RESTORED, address, by_address, lose, meanwhile
from tests.e2e.tables.tables import ADDRESSES, items, make_restored, put, switch_recovery
from tests.e2e.tables.test_refusals import nothing_changes
from tests.e2e.terminal import type_answers
from tests.hints import printed_commands

CUTOVER = f"cutover {RESTORED} {ADDRESSES}"
COUNTER = "cabal-counter"
R = TypeVar("R")


class WrongClock(SandboxClock):
    """A machine whose clock is wrong."""

    def __init__(self, sandbox: Sandbox, wrong_by: timedelta) -> None:
        super().__init__(sandbox)
        self._wrong_by = wrong_by

    def now(self) -> datetime:
        return super().now() + self._wrong_by


def undo_point(said: Said) -> datetime:
    (moment,) = re.findall(r"Undo point: (\S+)Z\.", said.err)
    return datetime.fromisoformat(moment).replace(tzinfo=UTC)


def is_unfinished(sandbox: Sandbox) -> bool:
    dynamodb = sandbox.client("dynamodb")
    arn = dynamodb.describe_table(TableName=RESTORED)["Table"]["TableArn"]
    tags = dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"]
    return UNFINISHED in {tag["Key"] for tag in tags}


def plan_cutover(
    rescuer: Rescuer, restored: str, live: str, *, mode: Mode, lower_counter: bool = False
) -> tuple[Aws, CutoverPlan]:
    aws = connect(an_environment("development"))
    request = CutoverRequest(restored=restored, live=live, mode=mode, lower_counter=lower_counter)
    return aws, cutover.plan_cutover(
        aws, request, rescuer.operator.clock, CancelToken(), unreported
    )


def unreported(_: Event) -> None:
    """For a test that the progress does not matter to."""


def interrupt_after_the_first_write(rescuer: Rescuer) -> None:
    """Begin a cutover that never comes to its end."""
    aws, plan = plan_cutover(rescuer, RESTORED, ADDRESSES, mode=Mode.OVERWRITE)
    writing = False

    def interrupt(event: Event) -> None:
        nonlocal writing
        if writing:
            raise KeyboardInterrupt
        writing = isinstance(event, str) and "Undo point" in event

    with pytest.raises(KeyboardInterrupt):
        cutover.execute(aws, plan, rescuer.operator.clock, CancelToken(), interrupt)


def go_back(rescuer: Rescuer, said: Said) -> list[Said]:
    """Run the commands that were printed, five minutes and more after the undo point."""
    rescuer.sandbox.advance(minutes=10)
    commands = printed_commands(said.out.partition("To go back:\n")[2])
    assert len(commands) == 2
    return [rescuer.operator.type(*split(command), "--yes") for command in commands]


def test_a_run_that_read_back_a_difference_leaves_no_undo_point_behind(small: Rescuer) -> None:
    """Two weeks later a second run has a way back of its own, which keeps what came since."""
    sandbox = small.sandbox
    backup = lose(sandbox)
    spoiled = {**backup[0], "user": {"S": "mallory"}}
    dynamodb = sandbox.client("dynamodb")
    with meanwhile(lambda *_: dynamodb.put_item(TableName=ADDRESSES, Item=spoiled)):
        first = small.run(f"{CUTOVER} --yes --reconfigure none")
    assert first.code == 5, first.err
    assert not is_unfinished(sandbox)
    sandbox.advance(days=14)
    new = [address(f"new{number}") for number in range(50)]
    put(sandbox, ADDRESSES, new)
    before = by_address(items(sandbox, ADDRESSES))

    second = small.run(f"{CUTOVER} --yes --reconfigure none")

    assert second.code == 0, second.err
    assert "an earlier run did not finish" not in second.err
    assert undo_point(second) - undo_point(first) >= timedelta(days=14)
    for said in go_back(small, second):
        assert said.code == 0, said.err
    assert by_address(items(sandbox, ADDRESSES)) == before


def test_an_old_undo_point_of_an_interrupted_run(
    small: Rescuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = small.sandbox
    lose(sandbox)
    interrupt_after_the_first_write(small)
    assert is_unfinished(sandbox)
    sandbox.advance(days=14)
    put(sandbox, ADDRESSES, (address(f"new{number}") for number in range(50)))

    with nothing_changes(small):
        refused = small.run(f"{CUTOVER} --yes")
    assert refused.code == 4
    assert "the moment before its first write, 14 days ago" in refused.err
    assert "deletes up to 110 items that only the live table has" in refused.err
    assert "unfinished earlier run is 14 days old" in refused.err
    assert is_unfinished(sandbox)

    type_answers(monkeypatch, "development", "")
    accepted = small.run(CUTOVER)
    assert accepted.code == 0, accepted.err
    assert "the way back stays 14 days old. Type development to continue: " in accepted.err
    assert sandbox.now() - undo_point(accepted) > timedelta(days=14)
    assert f"undoes every change that others make to {ADDRESSES} after" in accepted.out
    assert not is_unfinished(sandbox)


def test_an_old_undo_point_can_be_dropped_as_the_refusal_says(small: Rescuer) -> None:
    sandbox = small.sandbox
    lose(sandbox)
    interrupt_after_the_first_write(small)
    sandbox.advance(hours=2)
    refused = small.run(f"{CUTOVER} --yes")
    assert refused.code == 4
    (arn, key) = re.findall(
        r"aws dynamodb untag-resource --region us-west-1 --resource-arn=(\S+) --tag-keys (\S+)$",
        refused.err.strip(),
    )[0]
    sandbox.client("dynamodb").untag_resource(ResourceArn=arn, TagKeys=[key])
    sandbox.advance(seconds=3)  # until DynamoDB shows it

    again = small.run(f"{CUTOVER} --yes")

    assert again.code == 0, again.err
    assert sandbox.now() - undo_point(again) < timedelta(hours=1)


def test_an_interrupted_run_may_be_run_again_soon(small: Rescuer) -> None:
    lose(small.sandbox)
    interrupt_after_the_first_write(small)
    small.sandbox.advance(minutes=50)
    said = small.run(f"{CUTOVER} --yes")
    assert said.code == 0, said.err
    assert "the way back stays" in said.err
    assert timedelta(minutes=50) <= small.sandbox.now() - undo_point(said)


def test_an_interrupted_run_is_run_again_at_once_though_tags_are_seen_late(small: Rescuer) -> None:
    """Two changes of tags at a time are refused, too."""
    lose(small.sandbox)
    small.sandbox.settings(table_tags=30)
    began = small.sandbox.now()
    interrupt_after_the_first_write(small)
    written = small.sandbox.now()
    said = small.run(f"{CUTOVER} --yes --mirror --delete-restored")
    assert said.code == 0, said.err
    assert "the way back stays" in said.err
    assert began - timedelta(seconds=1) <= undo_point(said) <= written
    assert "could not be recorded" not in said.err


@pytest.mark.parametrize(
    ("minutes", "words"), [(4, "24. seconds ahead of"), (-4, "2.. seconds behind")]
)
def test_a_wrong_clock(small: Rescuer, minutes: int, words: str) -> None:
    lose(small.sandbox)
    small.operator.clock = WrongClock(small.sandbox, timedelta(minutes=minutes))
    with nothing_changes(small):
        said = small.run(f"{CUTOVER} --yes")
    assert said.code == 4
    assert re.search(f"This machine's clock is {words} AWS's", said.err), said.err
    assert "To go back" not in said.out


def test_the_undo_point_is_awss_moment(small: Rescuer) -> None:
    """A clock that is 20 seconds fast would have a change of these seconds as not undone."""
    lose(small.sandbox)
    small.operator.clock = WrongClock(small.sandbox, timedelta(seconds=20))
    before = small.sandbox.now()
    said = small.run(f"{CUTOVER} --yes")
    assert said.code == 0, said.err
    assert before.replace(microsecond=0) <= undo_point(said) <= small.sandbox.now()
    assert small.sandbox.now() - before < timedelta(seconds=20)


def test_recovery_switched_off_while_the_question_is_open(small: Rescuer) -> None:
    lose(small.sandbox)
    before = items(small.sandbox, ADDRESSES)

    terminal = small.terminal(*CUTOVER.split())
    terminal.wait_for("Type development to continue: ")
    switch_recovery(small.sandbox, ADDRESSES, on=False)
    terminal.type("development")

    assert terminal.end() == 4, terminal.shown
    assert "was switched off after the plan was made" in terminal.shown
    assert "Undo point" not in terminal.shown
    assert "To go back" not in terminal.shown
    assert items(small.sandbox, ADDRESSES) == before
    assert not is_unfinished(small.sandbox)


def a_counter(name: str, osid: int, *, enabled: bool = True) -> dict[str, dict[str, object]]:
    return {"counter": {"S": name}, "osid": {"N": str(osid)}, "enabled": {"BOOL": enabled}}


@pytest.fixture
def raised(small: Rescuer) -> tuple[Rescuer, Said]:
    """A cutover that raised the counter to a wrong, higher value, and brought another one."""
    sandbox = small.sandbox
    raised = [a_counter("counter", 70_000), a_counter("b", 9)]
    make_restored(sandbox, RESTORED, {"counter": "S"}, raised, source=COUNTER)
    put(sandbox, COUNTER, [a_counter("counter", 65_541, enabled=False)])
    said = small.run(f"cutover {RESTORED} {COUNTER} --yes")
    assert said.code == 0, said.err
    assert a_counter("counter", 70_000) in items(sandbox, COUNTER)
    return small, said


def test_undoing_a_cutover_of_the_counter_restores_the_lower_value(
    raised: tuple[Rescuer, Said],
) -> None:
    small, said = raised
    assert "a uid that was handed out since would be handed out again" in said.out
    _, went_back = go_back(small, said)
    assert went_back.code == 0, went_back.out + went_back.err
    assert "osid of counter is LOWERED from 70000 to 65541" in went_back.err
    assert items(small.sandbox, COUNTER) == [a_counter("counter", 65_541, enabled=False)]


def test_a_counter_that_counted_on_is_not_lowered(raised: tuple[Rescuer, Said]) -> None:
    small, said = raised
    small.sandbox.advance(minutes=10)
    restore, _ = printed_commands(said.out.partition("To go back:\n")[2])
    before = small.operator.type(*split(restore), "--yes").out.strip()
    aws, plan = plan_cutover(small, before, COUNTER, mode=Mode.MIRROR, lower_counter=True)
    assert "LOWERED from 70000 to 65541" in "\n".join(plan.lines())
    put(small.sandbox, COUNTER, [a_counter("counter", 70_001)])

    result = cutover.execute(aws, plan, small.operator.clock, CancelToken(), unreported)

    kept = "1 of 1 counter not lowered, because of a change after the plan was made"
    assert kept in result.verification.problems
    assert a_counter("counter", 70_001) in items(small.sandbox, COUNTER)


def test_counters_that_are_equal_stay_as_they_are(small: Rescuer) -> None:
    same = [a_counter("counter", 65_541)]
    make_restored(small.sandbox, RESTORED, {"counter": "S"}, same, source=COUNTER)
    put(small.sandbox, COUNTER, same)
    said = small.run(f"cutover {RESTORED} {COUNTER} --lower-counter --yes")
    assert said.code == 0, said.err
    assert "LOWERED" not in said.err
    assert items(small.sandbox, COUNTER) == same


@pytest.mark.parametrize(
    "command",
    [
        f"cutover {RESTORED} {ADDRESSES} --lower-counter",
        f"cutover {RESTORED} {COUNTER} --lower-counter --missing-only",
    ],
)
def test_lowering_is_for_the_counter_only(small: Rescuer, command: str) -> None:
    lower = [a_counter("counter", 1)]
    make_restored(small.sandbox, RESTORED, {"counter": "S"}, lower, source=COUNTER)
    with nothing_changes(small):
        said = small.run(f"{command} --yes")
    assert said.code == 64
    assert "--lower-counter is for cabal-counter only" in said.err
