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
from cabal_backup.operations.aws.responses import error_code

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
D = TypeVar("D")
K = TypeVar("K")
P = TypeVar("P", bound=Mapping[str, object])


@dataclass(frozen=True)
class Known(Generic[T_co]):
    """AWS answered. A value of None means that what was asked for does not exist."""

    value: T_co

    def value_or(self, _: object) -> T_co:
        """What AWS answered."""
        return self.value


@dataclass(frozen=True)
class Unknown:
    """AWS did not answer, or refused to."""

    reason: str
    unreachable: bool = field(default=False, compare=False)
    """Whether there was no answer at all, or only one that the service is unavailable."""

    def value_or(self, default: D) -> D:
        """What stands in for the answer."""
        return default


Answer = Known[T] | Unknown


def ask(question: Callable[[], T]) -> Answer[T]:
    """Put a question to AWS."""
    try:
        return Known(question())
    except (BotoCoreError, ClientError) as error:
        return Unknown(reason(error), is_unreachable(error))


class Asking(ThreadPoolExecutor):
    """Puts questions side by side: the slowest decides how long all take."""

    def __init__(self) -> None:
        super().__init__(max_workers=64)

    def ask(self, question: Callable[[], T]) -> Future[Answer[T]]:
        """Put a question to AWS; the answer is waited for where it is needed."""
        return self.submit(ask, question)


def ask_together(questions: Mapping[K, Callable[[], T]]) -> dict[K, Answer[T]]:
    """Put several questions at once; their answers by the same keys."""
    with Asking() as asking:
        pending = {key: asking.ask(question) for key, question in questions.items()}
        return {key: future.result() for key, future in pending.items()}


def unless_missing(question: Callable[[], T], *codes: str) -> T | None:
    """None where AWS says, with one of these error codes, that there is no such thing."""
    try:
        return question()
    except ClientError as error:
        if error_code(error) in codes:
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


def entries(call: Callable[..., Mapping[str, Any]], name: str, **parameters: object) -> list[Any]:
    """The entries of all pages of a listing; their type is the caller's to state.

    :param name: of the member of a page that has them.
    """
    return [entry for page in pages(call, **parameters) for entry in page.get(name, [])]
