"""An operator at the keyboard."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import pytest


class Keyboard:
    """A terminal at which these lines are typed."""

    def __init__(self, answers: Sequence[str], meanwhile: Callable[[], object] = list) -> None:
        """
        :param meanwhile: called while a prompt is open, before each line is typed.
        """
        self._answers = iter(answers)
        self._meanwhile = meanwhile

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        self._meanwhile()
        return f"{answer}\n" if (answer := next(self._answers, None)) is not None else ""


def type_answers(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """Let stdin be a terminal at which these lines are typed."""
    monkeypatch.setattr(sys, "stdin", Keyboard(answers))
