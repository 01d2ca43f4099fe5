"""IAM's decisions and who asked for them, with authentication on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from local_aws.ministack import internals, permissions

_KEPT = 100_000

_asked: ContextVar[permissions.Request | None] = ContextVar("asked", default=None)
"""The call that is being authorized."""


@dataclass(frozen=True)
class Decision:
    """One decision of IAM."""

    principal: str
    action: str
    resource: str
    allowed: bool


class Decisions:
    """Checks every permission that a call needs, and records each decision."""

    def __init__(self) -> None:
        self._kept: deque[Decision] = deque(maxlen=_KEPT)

    def install(self) -> None:
        internals.iam_actions.extract_iam_action = _with_more_actions(
            internals.iam_actions.extract_iam_action
        )
        internals.iam_actions.extract_resource_arn = _with_more_resources(
            internals.iam_actions.extract_resource_arn
        )
        # aws:ResourceTag of file systems and access points, which MiniStack does not look up.
        tagging = internals.tagging
        tagging._RESOURCE_TAG_COLLECTORS["elasticfilesystem"] = tagging._collect_efs
        evaluator = internals.iam_evaluator
        evaluator.enforce = self._remembering(evaluator.enforce)
        evaluator.parse_policy_document = _parsing_once(evaluator.parse_policy_document)

    def listed(self) -> list[dict[str, Any]]:
        """The decisions, oldest first."""
        return [asdict(each) for each in self._kept]

    def clear(self) -> None:
        self._kept.clear()

    def _remembering(self, enforce: Any) -> Any:
        def one(
            access_key: str, action: str, service: str, region: str, resource: str, context: Any
        ) -> Any:
            _over_tls()
            denied = enforce(
                access_key,
                action,
                service,
                region,
                resource_arn=resource,
                service_context=context,
            )
            self._kept.append(Decision(_principal(access_key), action, resource, not denied))
            return denied

        def all_of_them(
            access_key: str,
            action: str,
            service: str,
            region: str,
            resource_arn: str = "*",
            service_context: dict[str, Any] | None = None,
        ) -> Any:
            denied = one(access_key, action, service, region, resource_arn, service_context)
            for more, where in _further(action):
                denied = denied or one(access_key, more, more.split(":")[0], region, where, None)
            return denied

        return all_of_them


def _parsing_once(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A policy is parsed for each decision about it, and changes seldom."""
    of_text = lru_cache(maxsize=1000)(parse)
    return lambda document: (of_text if isinstance(document, str) else parse)(document)


def _with_more_actions(known: Any) -> Any:
    def extract(service: str, method: str, path: str, *rest: Any) -> Any:
        return permissions.action(service, method, path) or known(service, method, path, *rest)

    return extract


def _with_more_resources(known: Any) -> Any:
    def extract(
        service: str, method: str, path: str, headers: Any, body: bytes, query: Any, *rest: Any
    ) -> Any:
        request = permissions.Request(service, method, path, body, query)
        _asked.set(request)
        found = permissions.resource(request)
        return found or known(service, method, path, headers, body, query, *rest)

    return extract


def _further(action: str) -> Iterator[permissions.Permission]:
    """Once for a call, however often IAM is asked about it."""
    request = _asked.get()
    if request is not None:
        _asked.set(None)
        yield from permissions.further(action, request)


def _over_tls() -> None:
    """Plain HTTP here stands for TLS on AWS (aws:SecureTransport)."""
    origin = internals.iam_evaluator._request_origin
    address, _ = origin.get()
    origin.set((address, True))


def _principal(access_key: str) -> str:
    identity = internals.iam_evaluator.resolve_caller_identity(access_key)
    return str(identity["userArn"]) if identity else ""
