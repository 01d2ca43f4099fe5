"""Showing the progress of an operation, and what happens when that is interrupted."""

from __future__ import annotations

import io
import sys

import pytest

from cabal_backup.cli import progress
from cabal_backup.cli.console import Bars
from cabal_backup.operations.aws.jobs import Progress, Report


class Torn(io.StringIO):
    """A terminal at which Ctrl-C is pressed, or which is closed, at the second line."""

    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self._error = error
        self._lines = 0

    def flush(self) -> None:
        self._lines += 1
        if self._lines == 2:
            raise self._error


def clean_up(seen: list[str], report: Report) -> str:
    try:
        for number in range(5):
            report(f"note {number}")
            seen.append(f"note {number}")
    except (KeyboardInterrupt, OSError) as error:
        seen.append(type(error).__name__)
        report("cleaning up")
        seen.append("cleaned up")
        return "interrupted"
    return "done"


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError])
def test_what_interrupts_the_display_is_raised_in_the_operation(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    monkeypatch.setattr(sys, "stderr", Torn(error))
    seen: list[str] = []

    with progress.shown() as report:
        assert clean_up(seen, report) == "interrupted"

    assert seen == ["note 0", error.__name__, "cleaned up"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError])
def test_an_operation_that_cleans_nothing_up_ends_with_the_error(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    monkeypatch.setattr(sys, "stderr", Torn(error))

    def operation() -> None:
        with progress.shown() as report:
            report("one")
            report("two")

    with pytest.raises(error):
        operation()


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def test_what_is_only_waited_for_has_no_count_and_one_bar_runs_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")

    bars = Bars()
    bars.show(Progress("restoring a table"))
    bars.show(Progress("writing", 0, 60))

    waiting, writing = bars.progress.tasks
    assert (waiting.fields["count"], writing.fields["count"]) == ("", "0 items")
    assert (waiting.stop_time is None, writing.stop_time is None) == (False, True)
