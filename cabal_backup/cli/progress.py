"""Showing on stderr how far something has come: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cabal_backup.operations.aws.jobs import Event, Job, Progress, Report
from cabal_backup.operations.aws.results import Unknown

_LINE_EVERY_SECONDS = 10.0


@contextmanager
def shown() -> Iterator[Report]:
    """What shows the events of an operation while it runs.

    What interrupts it, such as Ctrl-C, is raised in the operation, which may clean up.
    """
    if not sys.stderr.isatty():
        yield _Lines().show
        return
    from cabal_backup.cli.console import Bars

    bars = Bars()
    with bars.progress:
        yield bars.show


def print_line(event: Event) -> None:
    """Show an event as one line."""
    print(describe(event), file=sys.stderr)


def describe(event: Event) -> str:
    """An event in one line."""
    if isinstance(event, str):
        return event
    if isinstance(event, Unknown):
        return f"AWS did not report the state ({event.reason}). Asking again."
    if isinstance(event, Job):
        percent = f" {event.percent} %" if event.percent and not event.finished else ""
        message = f": {event.message}" if event.message else ""
        return f"{event.kind} job {event.id}: {event.state}{percent}{message}"
    of = f" of {event.total:,}" if event.total and event.total >= event.done else ""
    return f"{event.step}: {event.done:,}{of} {event.unit}" if event.done else f"{event.step} …"


def _step(event: Event) -> str:
    """The state or step that an event shows, reported once while it lasts; empty for others."""
    if isinstance(event, Job):
        return event.state
    return event.step if isinstance(event, Progress) else ""


class _Lines:
    """Plain lines: every sentence, and of the rest what is new, now and then."""

    def __init__(self) -> None:
        self._last = ""
        self._step = ""
        self._at = 0.0

    def show(self, event: Event) -> None:
        step = _step(event)
        if step:
            due = time.monotonic() - self._at >= _LINE_EVERY_SECONDS
            if step == self._step and not due:
                return
            self._step, self._at = step, time.monotonic()
        line = describe(event)
        if line != self._last:
            print(line, file=sys.stderr, flush=True)
            self._last = line
