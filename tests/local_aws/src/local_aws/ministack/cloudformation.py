"""The AWS::Backup resource types in MiniStack's CloudFormation engine.

The engine orders, replaces, rolls back, retains and imports. This module defines
for each type how it is created, what replaces it, and what identifies it (CloudFormation
resource schemas). Every call a handler makes is an AWS Backup API call that CloudTrail
shows, made by CloudFormation.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any
from urllib.parse import parse_qs

from local_aws.backup import BackupService
from local_aws.backup.errors import ServiceError
from local_aws.ministack import internals
from local_aws.ministack.resource_types import ResourceType, resource_types
from local_aws.ministack.scope import current
from local_aws.ministack.trail import Call, Trail

PRINCIPAL = "cloudformation.amazonaws.com"

_HANDLER_ERRORS = {
    "AlreadyExistsException": "AlreadyExists",
    "ResourceNotFoundException": "NotFound",
    "UnknownResourceException": "NotFound",
    "AccessDeniedException": "AccessDenied",
    "ThrottlingException": "Throttling",
    "LimitExceededException": "ServiceLimitExceeded",
    "ServiceUnavailableException": "ServiceInternalError",
}
"""CloudFormation's handler error codes by AWS Backup's; InvalidRequest for all others."""


_HOLD_SECONDS = 10.0
"""How long DescribeStacks waits for the end of a change of the stack it is asked about."""


class BackupCalls:
    """Calls AWS Backup for the current stack, and records the calls in CloudTrail."""

    def __init__(self, service: BackupService, trail: Trail) -> None:
        self._service = service
        self._trail = trail

    def __call__(self, operation: str, **parameters: Any) -> dict[str, Any]:
        scope = current()
        answer: dict[str, Any] = {}
        failure: ServiceError | None = None
        try:
            answer = self._service.call(operation, scope, **parameters)
        except ServiceError as error:
            failure = error
            raise
        finally:
            api, _, name = operation.rpartition(".")
            self._trail.record(
                Call(
                    scope=scope,
                    event_source=f"{api or 'backup'}.amazonaws.com",
                    event_name=name,
                    caller_arn=f"arn:aws:iam::{scope.account}:root",
                    parameters=parameters,
                    response=answer,
                    error_code=failure.code if failure else None,
                    error_message=failure.message if failure else None,
                    user_agent=PRINCIPAL,
                    source_address=PRINCIPAL,
                )
            )
        return answer


def install(service: BackupService, trail: Trail) -> None:
    """Register the types in place of MiniStack's own types for AWS Backup."""
    calls = BackupCalls(service, trail)
    types = resource_types(calls)
    for resource_type in types:
        _register(resource_type)
    _run_beside_the_loop({resource_type.name for resource_type in types})
    _answer_at_the_end()


def _register(resource_type: ResourceType) -> None:
    provisioners = internals.provisioners

    def create(_logical_id: str, properties: dict[str, Any], _stack: str) -> Any:
        return _reporting(resource_type.create, properties)

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], _stack: str) -> Any:
        return _reporting(resource_type.update, physical_id, old, new)

    def delete(physical_id: str, _properties: dict[str, Any]) -> None:
        try:
            _reporting(resource_type.delete, physical_id)
        except _NotFound:
            return

    def adopt(identifier: dict[str, str]) -> Any:
        return _reporting(resource_type.adopt, identifier)

    def problem(*identifiers: str) -> str | None:
        """CloudFormation's answer to an import of a resource that does not exist."""
        try:
            resource_type.adopt(dict(zip(resource_type.identifiers, identifiers, strict=True)))
        except ServiceError:
            value = "|".join(identifiers)
            return (
                f"Resource of type '{resource_type.name}' with identifier '{value}' was not found."
            )
        return None

    provisioners._RESOURCE_HANDLERS[resource_type.name] = {
        "create": create,
        "update": update,
        "delete": delete,
        "import": adopt,
    }
    provisioners._REPLACING_PROPERTIES[resource_type.name] = resource_type.create_only
    if resource_type.tags is not None:
        provisioners._STACK_TAG_PROPERTY[resource_type.name] = resource_type.tags
    internals.changesets._IMPORT_LOOKUPS[resource_type.name] = (
        resource_type.identifiers,
        problem,
    )


class _NotFound(Exception):
    """The resource does not exist: nothing to do for a delete, otherwise a failure."""


def _reporting(work: Any, *arguments: Any) -> Any:
    """Do the work; an error becomes what CloudFormation shows in its events."""
    try:
        return work(*arguments)
    except ServiceError as error:
        text = _handler_message(error)
        if _HANDLER_ERRORS.get(error.code) == "NotFound":
            raise _NotFound(text) from error
        raise RuntimeError(text) from error


def _handler_message(error: ServiceError) -> str:
    request, token = uuid.uuid4(), uuid.uuid4()
    code = _HANDLER_ERRORS.get(error.code, "InvalidRequest")
    return (
        f'Resource handler returned message: "{error.message} (Service: Backup, '
        f'Status Code: {error.status}, Request ID: {request})" '
        f"(RequestToken: {token}, HandlerErrorCode: {code})"
    )


def _run_beside_the_loop(names: set[str]) -> None:
    """AWS Backup may be busy for seconds, so the event loop never waits for it."""
    stacks = internals.stacks
    decide = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda name: name in names or decide(name)


def _answer_at_the_end() -> None:
    """Hold DescribeStacks while its stack changes: a change takes less time than a client waits
    between two questions (5 seconds in the CDK CLI).
    """
    handlers = internals.app.SERVICE_HANDLERS
    handle = handlers["cloudformation"]

    async def held(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        answer = await handle(method, path, headers, body, query)
        form = parse_qs(body.decode())
        if form.get("Action") != ["DescribeStacks"] or "StackName" not in form:
            return answer
        end = asyncio.get_running_loop().time() + _HOLD_SECONDS
        while _changes(answer[2]) and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.05)
            answer = await handle(method, path, headers, body, query)
        return answer

    handlers["cloudformation"] = held


def _changes(answer: str | bytes) -> bool:
    """Whether something is done to the stack; in REVIEW_IN_PROGRESS, a change set is awaited."""
    text = answer.decode() if isinstance(answer, bytes) else answer
    return "_IN_PROGRESS</StackStatus>" in text and ">REVIEW_IN_PROGRESS<" not in text
