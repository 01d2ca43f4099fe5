"""MFA with STS: where `aws:MultiFactorAuthPresent` is true.

A session of GetSessionToken with a code has it, and calls AssumeRole with it. A code in
AssumeRole itself counts only for the role's trust policy: "Temporary
credentials returned by AssumeRole do not include MFA information in the context". A device's
seed is what CreateVirtualMFADevice answers.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from local_aws.ministack import internals
from local_aws.totp import STEP_SECONDS, code

KEY = "aws:multifactorauthpresent"

_LEEWAY_STEPS = 1
"""A code is also valid in the step before and after its own, for clocks that differ."""

_CARRIES = "GetSessionToken"
_SESSIONS = ("AssumeRole", _CARRIES)
_MARK = "MultiFactorAuthPresent"

_given: ContextVar[str] = ContextVar("mfa_given", default="")
"""The action of this request, if it has a valid code."""


def install() -> None:
    sts, evaluator = internals.sts, internals.iam_evaluator
    handle, register = internals.app.SERVICE_HANDLERS["sts"], sts.register_session
    keys = evaluator._principal_keys

    async def with_codes(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        asked = {**parse_qs(body.decode()), **query}
        token = _given.set("")
        try:
            action = _one(asked, "Action")
            if action in _SESSIONS and _one(asked, "SerialNumber"):
                if not _is_right(headers, asked):
                    return _refused()
                _given.set(action)
            return await handle(method, path, headers, body, query)
        finally:
            _given.reset(token)

    def remembering(access_key: str, session: dict[str, Any]) -> None:
        register(access_key, {**session, _MARK: _given.get() == _CARRIES})

    def with_key(credential: Any) -> dict[str, Any]:
        found: dict[str, Any] = keys(credential)
        session = sts._sessions.get(credential.access_key_id) or {}
        return {**found, KEY: "true"} if _given.get() or session.get(_MARK) else found

    def with_a_seed(asked: Any) -> Any:
        answer = create(asked)
        if answer[0] != 200:
            return answer
        serial, device = next(reversed(internals.iam._mfa_devices.items()))
        # MiniStack's own seed is not Base32.
        device["Base32StringSeed"] = base64.b32encode(secrets.token_bytes(20)).decode()
        device_xml = internals.iam._virtual_mfa_xml(serial, include_user=False)
        result = (
            "<CreateVirtualMFADeviceResult><VirtualMFADevice>"
            f"{device_xml}</VirtualMFADevice></CreateVirtualMFADeviceResult>"
        )
        return internals.iam._xml(200, "CreateVirtualMFADeviceResponse", result, ns="iam")

    create = internals.iam._IAM_HANDLERS["CreateVirtualMFADevice"]
    internals.iam._IAM_HANDLERS["CreateVirtualMFADevice"] = with_a_seed
    internals.app.SERVICE_HANDLERS["sts"] = with_codes
    sts.register_session = remembering
    evaluator._principal_keys = sts._principal_keys = with_key


def _is_right(headers: Any, asked: Mapping[str, Any]) -> bool:
    """Whether the code is that of a device of the caller."""
    device = internals.iam._mfa_devices.get(_one(asked, "SerialNumber"))
    access_key = internals.router.extract_access_key_id(headers, {})
    caller = internals.iam_evaluator.resolve_caller_identity(access_key)
    if device is None or caller is None or not device["User"]:
        return False
    if not str(caller["userArn"]).endswith(f":user/{device['User']}"):
        return False
    now = time.time()
    good = {
        code(device["Base32StringSeed"], now + steps * STEP_SECONDS)
        for steps in range(-_LEEWAY_STEPS, _LEEWAY_STEPS + 1)
    }
    return _one(asked, "TokenCode") in good


def _one(asked: Mapping[str, Any], name: str) -> str:
    return str((asked.get(name) or [""])[0])


def _refused() -> tuple[int, dict[str, str], bytes]:
    message = escape("MultiFactorAuthentication failed with invalid MFA one time pass code.")
    answer = (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>'
        f"<Type>Sender</Type><Code>AccessDenied</Code><Message>{message}</Message></Error>"
        "<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
    )
    return 403, {"Content-Type": "text/xml"}, answer.encode()
