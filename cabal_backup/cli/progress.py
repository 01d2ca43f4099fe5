"""Showing on stderr how far something has come: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cabal_backup.operations.aws.jobs import Event, Job, Progress, Report
from cabal_backup.operations.aws.results import Unknown
from cabal_backup.text import wrap

_LINE_EVERY_SECONDS = 10.0


@contextmanager
def shown() -> Iterator[Report]:
    """What shows the events of an operation while it runs.

    What interrupts it, such as Ctrl-C, is raised in the operation, which may clean up.
    """
    if not sys.stderr.isatty():
        yield _Lines().show
        return
    bars = _Bars()
    with bars.progress:
        yield bars.show


def print_line(event: Event) -> None:
    """Show an event as one line."""
    print(_describe(event), file=sys.stderr)


def _describe(event: Event) -> str:
    if isinstance(event, str):
        return event
    if isinstance(event, Unknown):
        return f"AWS did not say how it is doing ({event.reason}). Asking again."
    if isinstance(event, Job):
        percent = f" {event.percent} %" if event.percent and not event.finished else ""
        message = f": {event.message}" if event.message else ""
        return f"{event.kind} job {event.id}: {event.state}{percent}{message}"
    of = f" of {event.total:,}" if event.total and event.total >= event.done else ""
    return f"{event.step}: {event.done:,}{of} {event.unit}" if event.done else f"{event.step} …"


def _step(event: Event) -> str:
    """What goes on for a while and is not reported each time; empty for anything else."""
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
        line = _describe(event)
        if line != self._last:
            print(line, file=sys.stderr, flush=True)
            self._last = line


class _Bars:
    """A bar for each step, with its rate and the time that is left."""

    def __init__(self) -> None:
        from rich import progress

        from cabal_backup.cli.console import SafeConsole

        self.progress = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[count]}"),
            progress.TextColumn("{task.fields[rate]}"),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            console=SafeConsole(stderr=True),
        )
        self._shown = ""
        self._task = progress.TaskID(0)

    def show(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._advance(event.step, event.step, event.done, event.total, event.unit)
            return
        if isinstance(event, Job) and (not event.finished or self._shown == event.id):
            # One bar for a job, whatever its state.
            percent = 100 if event.state == "COMPLETED" else int(float(event.percent or 0))
            self._advance(event.id, f"{event.kind} {event.state.lower()}", percent, 100, "%")
        if not isinstance(event, Job) or event.finished:
            console = self.progress.console
            console.print(wrap(_describe(event), console.width), markup=False, soft_wrap=True)

    def _advance(self, what: str, words: str, done: int, total: int | None, unit: str) -> None:
        """Show how far something has come: on its bar, or on a new one.

        :param what: by this its bar is known.
        """
        # Of what is only waited for, such as a table, nothing can be counted.
        count = f"{done:,} {unit}" if done or total is not None else ""
        if what != self._shown:
            if self._shown:
                self.progress.stop_task(self._task)
            self._shown = what
            self._task = self.progress.add_task(words, total=total, count=count, rate="")
        if total is not None and done > total:
            total = None
        task = self.progress.tasks[self._task]
        speed = f"{task.speed:,.0f}/s" if task.speed and unit != "%" else ""
        self.progress.update(
            self._task, description=words, completed=done, total=total, count=count, rate=speed
        )
