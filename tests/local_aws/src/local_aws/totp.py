"""The codes of an MFA device: RFC 6238, as for virtual MFA devices of IAM."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct

STEP_SECONDS = 30
"""How long one code is valid."""


def code(seed: str, moment: float) -> str:
    """The six digits of a device with this Base32 seed, at a time in epoch seconds."""
    key = base64.b32decode(seed + "=" * (-len(seed) % 8))
    counted = struct.pack(">Q", int(moment // STEP_SECONDS))
    digest = hmac.new(key, counted, hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    (number,) = struct.unpack(">I", digest[offset : offset + 4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06d}"
