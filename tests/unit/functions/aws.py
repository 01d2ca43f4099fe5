"""An AWS account of which a test says how each operation answers, behind real botocore clients.

The answers are given at botocore's `before-call` event. By then botocore has checked and
serialised the request; what is answered is checked here against the same model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.validate import validate_parameters

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass
class Refusal(Exception):
    """What an operation answers instead."""

    code: str
    message: str = "Rate exceeded"
    status: int = 400


THROTTLED = Refusal("ThrottlingException")


def denied(action: str) -> Refusal:
    """IAM's refusal of one action."""
    return Refusal(
        "AccessDeniedException",
        "User: arn:aws:sts::123456789012:assumed-role/Handler/Function is not authorized to "
        f"perform: {action}",
    )


@dataclass(frozen=True)
class Call:
    operation: str
    params: Mapping[str, Any]


@dataclass
class Account:
    """The operations there are, by name, and what was called."""

    answers: dict[str, Answer] = field(default_factory=dict)
    refusals: dict[str, list[Refusal | None]] = field(default_factory=dict)
    """By operation: how the next calls are refused, None for one that is not."""
    calls: list[Call] = field(default_factory=list)

    def refuse(self, operation: str, refusal: Refusal, times: int = 1_000) -> None:
        self.refusals[operation] = [refusal] * times

    def called(self, operation: str) -> list[Mapping[str, Any]]:
        """The parameters of every call of this operation."""
        return [call.params for call in self.calls if call.operation == operation]

    def answer(self, model: Any, context: Any, **_: Any) -> tuple[AWSResponse, Mapping[str, Any]]:
        """A botocore `before-call` handler."""
        operation, params = model.name, context["given"]
        self.calls.append(Call(operation, params))
        try:
            refusals = self.refusals.get(operation)
            refusal = refusals.pop(0) if refusals else None
            if refusal:
                raise refusal
            answered = self.answers[operation](params)
        except Refusal as refused:
            error = {"Code": refused.code, "Message": refused.message}
            return _response(refused.status), {"Error": error, "ResponseMetadata": {}}
        if model.output_shape is not None:
            validate_parameters(answered, model.output_shape)
        return _response(200), {**answered, "ResponseMetadata": {"HTTPStatusCode": 200}}


def _response(status: int) -> AWSResponse:
    headers: Any = {}
    return AWSResponse("https://example.com/", status, headers, None)


class Wire:
    """Leads every client of boto3's default session to the account of the running test."""

    account: Account

    def remember(self, params: Mapping[str, Any], context: Any, **_: Any) -> None:
        context["given"] = params

    def answer(self, **given: Any) -> Any:
        return self.account.answer(**given)


@contextmanager
def wired() -> Iterator[Wire]:
    """One botocore session for many tests: reading service models takes the most time."""
    wire = Wire()
    session: Any = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "secret")
    session.register("before-parameter-build", wire.remember)
    session.register("before-call", wire.answer)
    before = boto3.DEFAULT_SESSION
    boto3.DEFAULT_SESSION = boto3.Session(botocore_session=session)
    yield wire
    boto3.DEFAULT_SESSION = before
