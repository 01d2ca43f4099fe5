"""IAM is eventually consistent: services see a change of a role some seconds late.

AWS Backup sees a new role, or a role's new policies, late: when it assumes the
role, and when a Lambda function calls it with the role, also without authentication. (Among the
other services only CloudFormation depends on a role of a few seconds ago, and it
tries again.) What services still see is stored in the role's record, so that
checkpoints contain it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from local_aws.ministack import internals
from local_aws.ministack.scope import current

_UNKNOWN = "_UnknownUntil"
"""In a role's record: until when services do not see the role."""

_EARLIER = "_EarlierPolicies"
"""In a role's record: until when services see other policies, and these policies."""

_TYPES = ("AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")

_READS = ("Get", "List", "Simulate", "Generate")

_ROLE_HEADER = "x-amz-security-token"


class Propagation:
    """Records every change of a role, by the API or by CloudFormation."""

    def __init__(self, now: Callable[[], datetime], delay: Callable[[], timedelta]) -> None:
        self._now = now
        self._delay = delay

    def install(self) -> None:
        for name in _TYPES:
            handlers = internals.provisioners._RESOURCE_HANDLERS[name]
            for step in ("create", "update", "delete"):
                handlers[step] = self._noticing(handlers[step])
        for action, handler in internals.iam._IAM_HANDLERS.items():
            if not action.startswith(_READS):
                internals.iam._IAM_HANDLERS[action] = self._noticing(handler)
        credentials = internals.lambda_runtime.execution_credentials

        def with_role(configuration: dict[str, Any]) -> dict[str, str]:
            """Without authentication a function acts as its account; the token has its role."""
            found: dict[str, str] = credentials(configuration)
            if internals.app.AUTH:
                return found
            return {**found, "AWS_SESSION_TOKEN": str(configuration.get("Role", ""))}

        for module in (internals.lambda_runtime, internals.lambda_service):
            module.execution_credentials = with_role

    def knows(self, role: Mapping[str, Any]) -> bool:
        """Whether services see the role."""
        return _UNKNOWN not in role or bool(self._now() >= role[_UNKNOWN])

    def policies(self, role: Mapping[str, Any]) -> list[Any]:
        """The role's parsed policies that services see."""
        if self._is_unsettled(role):
            return list(role[_EARLIER][1])
        account = role["Arn"].split(":")[4]
        return list(internals.iam_evaluator._gather_role_policies(role["RoleName"], account))

    def unsettled_caller(
        self, principal: str, headers: Mapping[str, str]
    ) -> Mapping[str, Any] | None:
        """The caller's role, while services still see other policies of it."""
        arn = principal if ":assumed-role/" in principal else headers.get(_ROLE_HEADER, "")
        parts = arn.split("/")
        name = parts[1] if ":assumed-role/" in arn else parts[-1]
        role: Mapping[str, Any] | None = internals.iam._roles.get(name)
        return role if role is not None and self._is_unsettled(role) else None

    def _is_unsettled(self, role: Mapping[str, Any]) -> bool:
        """Whether services see other policies than the role has."""
        return _EARLIER in role and bool(self._now() < role[_EARLIER][0])

    def _noticing(self, handle: Callable[..., Any]) -> Callable[..., Any]:
        def handle_change(*arguments: Any, **named: Any) -> Any:
            with self._change():
                return handle(*arguments, **named)

        return handle_change

    @contextmanager
    def _change(self) -> Iterator[None]:
        if not self._delay():
            yield
            return
        account = current().account
        gather = internals.iam_evaluator._gather_role_policies
        records = dict(internals.iam._roles.items())
        before = {name: gather(name, account) for name in records}
        seen = {name: self.policies(role) for name, role in records.items()}
        yield
        until = self._now() + self._delay()
        changed: dict[str, dict[str, Any]] = dict(internals.iam._roles.items())
        for name, role in changed.items():
            if records.get(name) is not role:
                role[_UNKNOWN] = until
                role[_EARLIER] = (until, [])
            elif gather(name, account) != before[name]:
                role[_EARLIER] = (until, seen[name])
