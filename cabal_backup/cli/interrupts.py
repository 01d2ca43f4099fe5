"""Being ended by a signal, in order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_ENDINGS = {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}


@contextmanager
def all_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and a closed terminal do what Ctrl-C does: raise KeyboardInterrupt.

    A signal that this process was started deaf to, as `nohup` does it, stays unheard.
    """

    def interrupt(_: int, __: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = {ending: signal.getsignal(ending) for ending in _ENDINGS}
    heard = {ending: was for ending, was in before.items() if was not in (signal.SIG_IGN, None)}
    for ending in heard:
        signal.signal(ending, interrupt)
    try:
        yield
    finally:
        for ending, was in heard.items():
            signal.signal(ending, was)
