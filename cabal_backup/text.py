"""Text that others wrote, such as AWS's messages, made safe to print."""

from __future__ import annotations

import re

_STEERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # control characters, but not tab and line feed
    "|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # what changes the direction of writing
)
"""What a terminal obeys instead of showing it.

https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
"""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """The text with a replacement character for each that could steer a terminal."""
    return _STEERS.sub(REPLACEMENT, text)


def one_line(text: str) -> str:
    """The text, printable and on one line, so that it cannot look like several messages."""
    return " ".join(printable(text).split())
