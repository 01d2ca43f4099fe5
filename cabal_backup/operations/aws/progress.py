"""How far something has come."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One step of a longer work, and how much of it is done."""

    step: str
    """What is being done, such as `writing`."""
    done: int
    total: int | None
    """Of `done`'s kind; None where it is not known, and an estimate for a table."""
    unit: str = "items"


@dataclass(frozen=True)
class Note:
    """Something a person should know while it goes on."""

    text: str


Event = Progress | Note


class Counter:
    """A number that several threads add to."""

    def __init__(self) -> None:
        self._value = 0
        self._lock = threading.Lock()

    def add(self, number: int = 1) -> None:
        with self._lock:
            self._value += number

    @property
    def value(self) -> int:
        return self._value
