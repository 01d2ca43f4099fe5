"""Following a job: unknown is not failed, and every wait has an end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from cabal_backup.errors import CredentialsError, UnknownError
from cabal_backup.operations.aws.jobs import LONGEST_WAIT, Wait, follow_until
from cabal_backup.operations.aws.results import Unknown


class FakeClock:
    """Waiting costs nothing, and is counted."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "so it is"}}, "DescribeRestoreJob")


def answering(*answers: Any) -> Callable[[], str]:
    """Gives these answers in turn, the last one for ever."""
    waiting: Iterator[Any] = iter(answers)
    last: Any = None

    def question() -> str:
        nonlocal last
        last = next(waiting, last)
        if isinstance(last, Exception):
            raise last
        return str(last)

    return question


def follow(question: Callable[[], str], clock: FakeClock, hours: float = 24) -> list[Any]:
    """Everything that was reported, with what following returned at the end."""
    reported: list[Any] = []
    wait = Wait(
        question=question,
        finished=lambda seen: seen == "COMPLETED",
        event=lambda seen: seen,
        what="restore job 1",
        pick_up="`watch 1`",
        longest=timedelta(hours=hours),
    )
    return [follow_until(wait, clock, reported.append), *reported]


def test_it_is_looked_at_until_it_is_finished() -> None:
    clock = FakeClock()
    seen = follow(answering("PENDING", "RUNNING", "COMPLETED"), clock)
    assert seen == ["COMPLETED", "PENDING", "RUNNING", "COMPLETED"]
    assert clock.slept == [2, 3]


@pytest.mark.parametrize(
    "error",
    [
        refused("ThrottlingException"),
        refused("AccessDeniedException"),
        EndpointConnectionError(endpoint_url="https://backup.example.com"),
    ],
)
def test_no_answer_is_unknown_and_asked_again(error: Exception) -> None:
    seen = follow(answering("RUNNING", error, error, "COMPLETED"), FakeClock())
    assert [type(each) for each in seen] == [str, str, Unknown, Unknown, str]
    assert seen[0] == seen[-1] == "COMPLETED"


def test_no_answer_for_a_quarter_of_an_hour_ends_it_as_unknown() -> None:
    clock = FakeClock()
    with pytest.raises(UnknownError, match=r"It continues\. To follow it again: `watch 1`"):
        follow(answering("RUNNING", refused("ThrottlingException")), clock)
    assert timedelta(minutes=15) < clock.now() - FakeClock().now() < timedelta(minutes=17)


def test_credentials_that_expired_end_it_at_once_and_say_that_the_job_goes_on() -> None:
    clock = FakeClock()
    with pytest.raises(
        CredentialsError, match=r"The restore job 1 continues\. To follow it again: `watch 1`"
    ):
        follow(answering("RUNNING", refused("ExpiredTokenException")), clock)
    assert clock.slept == [2]


def test_every_wait_has_an_end() -> None:
    clock = FakeClock()
    with pytest.raises(UnknownError, match=r"not finished after 3 hours\. It continues"):
        follow(answering("RUNNING"), clock, hours=3)
    assert max(clock.slept) == LONGEST_WAIT
    assert clock.now() - FakeClock().now() < timedelta(hours=3, minutes=1)
