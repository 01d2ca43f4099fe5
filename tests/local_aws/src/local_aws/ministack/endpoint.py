"""This AWS Backup, and the AWS RAM that shares its vaults, as services of MiniStack."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any

from local_aws.backup import BackupService, Response
from local_aws.backup.errors import access_denied
from local_aws.backup.protocol import failure
from local_aws.ministack import authorization, internals
from local_aws.ministack.roles import MiniStackRoles
from local_aws.ministack.scope import current
from local_aws.ministack.trail import Call, Trail, caller_arn

raw_path: ContextVar[str] = ContextVar("raw_path")
"""The path as received, percent-encoded, because ARNs in it contain slashes."""


class BackupEndpoint:
    """Replaces MiniStack's own AWS Backup; MiniStack has authorized the call."""

    def __init__(self, service: BackupService, trail: Trail, roles: MiniStackRoles) -> None:
        self._service = service
        self._trail = trail
        self._roles = roles

    def install(self) -> None:
        internals.app.SERVICE_HANDLERS["backup"] = partial(self.handle_request, "backup")
        # MiniStack has no RAM.
        internals.app.SERVICE_HANDLERS["ram"] = partial(self.handle_request, "ram")
        internals.router.SERVICE_PATTERNS["ram"] = {"credential_scope": "ram"}
        internals.iam_actions.SERVICE_TO_IAM_NAMESPACE["ram"] = "ram"
        internals.iam_actions._BOTOCORE_SERVICE_MAP["ram"] = ["ram"]
        resource_arn = internals.iam_actions.extract_resource_arn
        tag_context = internals.iam_actions.request_tag_context

        def with_backup_resources(
            service: str, method: str, path: str, headers: Any, body: bytes, *rest: Any
        ) -> Any:
            if service == "backup":
                return authorization.resource_arn(raw_path.get(path), body) or "*"
            return resource_arn(service, method, path, headers, body, *rest)

        def with_backup_conditions(service: str, action: str, body: bytes, query: Any) -> Any:
            keys = tag_context(service, action, body, query)
            return {**keys, **authorization.conditions(service, body)}

        internals.iam_actions.extract_resource_arn = with_backup_resources
        internals.iam_actions.request_tag_context = with_backup_conditions

    async def handle_request(
        self,
        api: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query: Mapping[str, list[str]],
    ) -> tuple[int, dict[str, str], bytes]:
        """Answer one request on a thread: the service may be busy and must not block the loop."""
        return await asyncio.to_thread(
            self._handle, api, method, raw_path.get(path), headers, body, query
        )

    def _handle(
        self,
        api: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query: Mapping[str, list[str]],
    ) -> tuple[int, dict[str, str], bytes]:
        access_key = internals.router.extract_access_key_id(headers, query)
        principal = caller_arn(access_key)
        refusal = None
        if action := internals.iam_actions.extract_iam_action(
            api, method, path, headers, body, query
        ):
            resource = authorization.resource_arn(path, body) or "*"
            reason = self._roles.caller_refusal(current(), principal, headers, action, resource)
            refusal = (
                access_denied(f"User: {reason}")
                if reason
                else authorization.refusal(access_key, principal, action, body)
            )
        if refusal:
            refused = failure(refusal, str(uuid.uuid4()))
            return refused.status, refused.headers, refused.body
        response = self._service.handle(
            method=method,
            path=path,
            query=query,
            body=body,
            headers=headers,
            scope=current(),
            principal=principal,
            api=api,
        )
        if response.operation is not None:
            self._record(api, response, principal, access_key, headers)
        return response.status, response.headers, response.body

    def _record(
        self,
        api: str,
        response: Response,
        principal: str,
        access_key: str,
        headers: Mapping[str, str],
    ) -> None:
        answer = _parsed(response.body)
        self._trail.record(
            Call(
                scope=current(),
                event_source=f"{api}.amazonaws.com",
                event_name=str(response.operation),
                caller_arn=principal,
                parameters=response.parameters,
                response=answer,
                error_code=response.error_code,
                error_message=answer.get("Message") if response.error_code else None,
                user_agent=headers.get("user-agent", ""),
                access_key=access_key,
                request_id=response.headers.get("x-amzn-RequestId", ""),
            )
        )


def _parsed(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    parsed: dict[str, Any] = json.loads(body)
    return parsed
