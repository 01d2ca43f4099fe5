"""How often the tests repeat what has no end: a fifth of all, or all in `make test-long`."""

from __future__ import annotations

import os

LONG = os.environ.get("CABAL_TEST_LONG") == "1"


def shortened(whole: int) -> int:
    """All of them in `make test-long`, otherwise a fifth, and one at least."""
    return whole if LONG else max(1, whole // 5)
