"""An operator at the keyboard."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence

import pytest


class Keyboard(io.StringIO):
    """A terminal at which these lines are typed."""

    def __init__(self, answers: Sequence[str], meanwhile: Callable[[], object] = list) -> None:
        """
        :param meanwhile: called while a prompt is open, before each line is typed.
        """
        super().__init__("".join(f"{answer}\n" for answer in answers))
        self._meanwhile = meanwhile

    def isatty(self) -> bool:
        return True

    def readline(self, size: int | None = -1, /) -> str:
        self._meanwhile()
        return super().readline(-1 if size is None else size)


def type_answers(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """Let stdin be a terminal at which these lines are typed."""
    monkeypatch.setattr(sys, "stdin", Keyboard(answers))
