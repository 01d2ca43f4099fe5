"""Faults in the services other than AWS Backup."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from local_aws.ministack import internals
from local_aws.ministack.scope import current

Answer = tuple[int, dict[str, str], Any]


@dataclass
class Rule:
    """Some calls of one operation fail.

    `fraction` of the calls fail, evenly distributed and reproducible; at most `times`
    of them if that is set. With `unprocessed` a BatchWriteItem succeeds but returns
    that fraction of its writes in UnprocessedItems.

    For `cloudformation`, an operation of the form `STACK/LOGICAL-ID` is the creation of that
    resource in that stack.
    """

    service: str
    operation: str | None = None
    region: str | None = None
    fraction: float = 1.0
    times: int | None = None
    error: str = "ThrottlingException"
    message: str = "Rate exceeded"
    status: int = 400
    unprocessed: bool = False
    owed: float = field(default=0.0, repr=False)

    def strikes(self) -> bool:
        """Whether this call fails."""
        if self.times == 0:
            return False
        self.owed += self.fraction
        if self.owed < 1.0 - 1e-9:
            return False
        self.owed -= 1.0
        if self.times is not None:
            self.times -= 1
        return True


class ServiceFaults:
    """Rules for services other than AWS Backup, which has its own faults."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def install(self) -> None:
        """Wrap every service of MiniStack."""
        handlers = internals.app.SERVICE_HANDLERS
        for name, handler in list(handlers.items()):
            if name != "backup":
                handlers[name] = self._guarded(name, handler)
        stacks = internals.stacks
        stacks._provision_resource = self._failing_resources(stacks._provision_resource)

    def apply(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """Replace the rules. Raises TypeError or ValueError for one that is not valid."""
        made = [Rule(**rule) for rule in rules]
        for rule in made:
            if rule.service not in internals.app.SERVICE_HANDLERS:
                raise ValueError(f"there is no service {rule.service!r}")
            if not 0 <= rule.fraction <= 1:
                raise ValueError(f"a fraction lies between 0 and 1, not {rule.fraction}")
        with self._lock:
            self._rules = made

    def describe(self) -> list[dict[str, Any]]:
        return [
            {name: value for name, value in asdict(rule).items() if name != "owed"}
            for rule in self._rules
        ]

    def clear(self) -> None:
        self.apply([])

    def _failing_resources(self, provision: Callable[..., Any]) -> Callable[..., Any]:
        def create(kind: str, logical_id: str, properties: Any, stack: str) -> Any:
            if rule := self._struck("cloudformation", f"{stack}/{logical_id}"):
                raise RuntimeError(rule.message)
            return provision(kind, logical_id, properties, stack)

        return create

    def _guarded(self, service: str, handler: Any) -> Any:
        async def guarded(method: str, path: str, headers: Any, body: bytes, query: Any) -> Answer:
            if not self._rules:
                answer: Answer = await handler(method, path, headers, body, query)
                return answer
            operation = _operation(service, method, path, headers, body, query)
            rule = self._struck(service, operation)
            if rule is None:
                passed: Answer = await handler(method, path, headers, body, query)
                return passed
            if rule.unprocessed:
                return await _partly(rule, handler, method, path, headers, body, query)
            return _refusal(rule, headers)

        return guarded

    def _struck(self, service: str, operation: str) -> Rule | None:
        region = current().region
        with self._lock:
            for rule in self._rules:
                if (
                    rule.service == service
                    and rule.operation in (None, operation)
                    and rule.region in (None, region)
                    and (rule.unprocessed or rule.strikes())
                ):
                    return rule
        return None


def _operation(service: str, method: str, path: str, headers: Any, body: bytes, query: Any) -> str:
    parameters = internals.app._routing_params(method, path, headers, body, query)
    action = internals.iam_actions.extract_iam_action(
        service, method, path, headers, body, parameters
    )
    return str(action or "").rpartition(":")[2]


async def _partly(
    rule: Rule, handler: Any, method: str, path: str, headers: Any, body: bytes, query: Any
) -> Answer:
    """Let BatchWriteItem do some of its writes and return the others."""
    request = json.loads(body)
    done: dict[str, list[Any]] = {}
    left: dict[str, list[Any]] = {}
    for table, writes in request["RequestItems"].items():
        for write in writes:
            (left if rule.strikes() else done).setdefault(table, []).append(write)
    if not done:
        throttled = Rule(
            service=rule.service,
            error="ProvisionedThroughputExceededException",
            message="The level of configured provisioned throughput was exceeded.",
        )
        return _refusal(throttled, headers)
    part = json.dumps({**request, "RequestItems": done}).encode()
    status, answered, answer = await handler(method, path, headers, part, query)
    if status == 200 and left:
        # A checksum was that of the complete answer.
        answered = {k: v for k, v in answered.items() if k.lower() != "x-amz-crc32"}
        answer = json.dumps({**json.loads(answer), "UnprocessedItems": left}).encode()
    return status, answered, answer


def _refusal(rule: Rule, headers: Any) -> Answer:
    if rule.service == "s3":
        # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#RESTErrorResponses
        code, message = escape(rule.error), escape(rule.message)
        text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return rule.status, {"Content-Type": "application/xml"}, text.encode()
    content_type, body = error_body(rule.error, rule.message, headers.get("content-type", ""))
    return (
        rule.status,
        {"Content-Type": content_type, "x-amzn-errortype": rule.error},
        body,
    )


def error_body(code: str, message: str, request_type: str) -> tuple[str, bytes]:
    """An error's content type and body, in the protocol of the request's content type."""
    if not request_type.startswith("application/x-www-form-urlencoded"):
        answer = json.dumps({"__type": code, "message": message})
        return "application/x-amz-json-1.0", answer.encode()
    text = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(code)}</Code>"
        f"<Message>{escape(message)}</Message></Error>"
        "<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
    )
    return "text/xml", text.encode()
