"""What AWS answered, or why it did not: the two are never mixed up.

A question that was denied, throttled out or never reached AWS is not a "no". It stays
unknown, whatever was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup.operations.aws.client import is_unreachable, reason

T = TypeVar("T")
P = TypeVar("P", bound=Mapping[str, object])


@dataclass(frozen=True)
class Known(Generic[T]):
    """AWS answered. A value of None means that what was asked for does not exist."""

    value: T


@dataclass(frozen=True)
class Unknown:
    """AWS did not answer, or refused to."""

    reason: str
    unreachable: bool = field(default=False, compare=False)
    """Whether there was no answer at all, or only one that the service is unavailable."""


Answer = Known[T] | Unknown


def ask(question: Callable[[], T]) -> Answer[T]:
    """Put a question to AWS."""
    try:
        return Known(question())
    except (BotoCoreError, ClientError) as error:
        return Unknown(reason(error), is_unreachable(error))


Questions = dict[str, Callable[[], object]]
"""Questions for `ask_together`, each of its own type."""

Answers = Mapping[str, Answer[Any]]
"""Their answers; who asked knows of which type each is."""


def ask_together(questions: Mapping[str, Callable[[], object]]) -> dict[str, Answer[Any]]:
    """Put several questions at once; the slowest decides how long it takes."""
    with ThreadPoolExecutor(max_workers=max(1, len(questions))) as pool:
        pending: dict[str, Future[Answer[Any]]] = {
            name: pool.submit(ask, question) for name, question in questions.items()
        }
        return {name: future.result() for name, future in pending.items()}


def unless_missing(question: Callable[[], T], *codes: str) -> T | None:
    """None where AWS says, with one of these error codes, that there is no such thing."""
    try:
        return question()
    except ClientError as error:
        if error.response["Error"].get("Code") in codes:
            return None
        raise


def pages(call: Callable[..., P], **parameters: object) -> Iterator[P]:
    """The pages of a listing, to its last one.

    AWS Backup hands out at most 1,000 entries a page; a year has 730 a vault.

    :param call: the operation of a client.
    """
    token: object = None
    while True:
        more = {"NextToken": token} if token else {}
        page = call(**parameters, **more)
        yield page
        token = page.get("NextToken")
        if not token:
            return
