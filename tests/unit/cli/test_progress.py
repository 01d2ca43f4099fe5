"""Showing how far something has come, and what happens when the showing is interrupted."""

from __future__ import annotations

import io
import sys
from collections.abc import Generator
from typing import Any

import pytest

from cabal_backup.cli import progress
from cabal_backup.operations.aws.progress import Note


class Torn(io.StringIO):
    """A terminal at which somebody presses Ctrl-C, or which is closed, at the second line."""

    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self._error = error
        self._lines = 0

    def flush(self) -> None:
        self._lines += 1
        if self._lines == 2:
            raise self._error


def clearing_away(seen: list[str]) -> Generator[Any, None, str]:
    try:
        for number in range(5):
            yield Note(f"note {number}")
            seen.append(f"note {number}")
    except (KeyboardInterrupt, OSError) as error:
        seen.append(type(error).__name__)
        yield Note("clearing away")
        seen.append("cleared away")
        return "interrupted"
    return "done"


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError])
def test_what_interrupts_the_showing_reaches_the_operation(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    monkeypatch.setattr(sys, "stderr", Torn(error))
    seen: list[str] = []

    assert progress.run(clearing_away(seen)) == "interrupted"

    assert seen == ["note 0", error.__name__, "cleared away"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError, ValueError])
def test_what_the_operation_raises_is_raised(error: type[BaseException]) -> None:
    def operation() -> Generator[Any, None, None]:
        yield Note("note")
        raise error

    with pytest.raises(error):
        progress.run(operation())


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError])
def test_an_operation_that_has_nothing_to_clear_away_just_ends(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    monkeypatch.setattr(sys, "stderr", Torn(error))

    def operation() -> Generator[Any, None, None]:
        while True:
            yield Note(f"{id(object())}")
            yield Note("another")

    with pytest.raises(error):
        progress.run(operation())
