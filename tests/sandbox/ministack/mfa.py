"""MFA with STS: who gave a valid code has `aws:MultiFactorAuthPresent`.

IAM User Guide, "Secure API access with MFA" and "AWS global condition context keys"; the
codes are those of RFC 6238, with the seed that CreateVirtualMFADevice answers.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from tests.sandbox.ministack import internals

KEY = "aws:multifactorauthpresent"

_STEP_SECONDS = 30
_LEEWAY_STEPS = 1
"""A code is good in the step before and after its own, for clocks that differ."""

_SESSIONS = ("AssumeRole", "GetSessionToken")
_MARK = "MultiFactorAuthPresent"

_given: ContextVar[bool] = ContextVar("mfa_given", default=False)
"""Whether this request came with a valid code."""


def code(seed: str, moment: float) -> str:
    """The six digits that a device with this Base32 seed shows at a moment."""
    key = base64.b32decode(seed + "=" * (-len(seed) % 8))
    counted = struct.pack(">Q", int(moment // _STEP_SECONDS))
    digest = hmac.new(key, counted, hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    (number,) = struct.unpack(">I", digest[offset : offset + 4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06d}"


def install() -> None:
    sts, evaluator = internals.sts, internals.iam_evaluator
    handle, register = internals.app.SERVICE_HANDLERS["sts"], sts.register_session
    keys = evaluator._principal_keys

    async def with_codes(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        asked = {**parse_qs(body.decode()), **query}
        token = _given.set(False)
        try:
            if _one(asked, "Action") in _SESSIONS and _one(asked, "SerialNumber"):
                if not _is_right(headers, asked):
                    return _refused()
                _given.set(True)
            return await handle(method, path, headers, body, query)
        finally:
            _given.reset(token)

    def remembering(access_key: str, session: dict[str, Any]) -> None:
        register(access_key, {**session, _MARK: _given.get()})

    def with_key(credential: Any) -> dict[str, Any]:
        found: dict[str, Any] = keys(credential)
        session = sts._sessions.get(credential.access_key_id) or {}
        return {**found, KEY: "true"} if _given.get() or session.get(_MARK) else found

    internals.app.SERVICE_HANDLERS["sts"] = with_codes
    sts.register_session = remembering
    evaluator._principal_keys = sts._principal_keys = with_key


def _is_right(headers: Any, asked: Mapping[str, Any]) -> bool:
    """Whether the code is the one of a device of the caller's."""
    device = internals.iam._mfa_devices.get(_one(asked, "SerialNumber"))
    access_key = internals.router.extract_access_key_id(headers, {})
    caller = internals.iam_evaluator.resolve_caller_identity(access_key)
    if device is None or caller is None or not device["User"]:
        return False
    if not str(caller["userArn"]).endswith(f":user/{device['User']}"):
        return False
    now = time.time()
    good = {
        code(device["Base32StringSeed"], now + steps * _STEP_SECONDS)
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
