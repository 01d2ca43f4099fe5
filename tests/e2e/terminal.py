"""Somebody at the keyboard."""

from __future__ import annotations

import io
import sys

import pytest


class _Keyboard(io.StringIO):
    def isatty(self) -> bool:
        return True


def type_answers(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """Let stdin be a terminal at which these lines are typed."""
    monkeypatch.setattr(sys, "stdin", _Keyboard("".join(f"{answer}\n" for answer in answers)))
