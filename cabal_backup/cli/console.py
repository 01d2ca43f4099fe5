"""rich's console, for tables and colours, and its progress bars.

Imported only where it is used: rich takes a while to load.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich import progress
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from cabal_backup.cli import output
from cabal_backup.cli.progress import describe
from cabal_backup.operations.aws.jobs import Event, Job, Progress
from cabal_backup.text import printable, wrap


class SafeConsole(Console):
    """A console that shows its own escape sequences only, not those in what it is given."""

    def __init__(self, *, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        super().__init__(file=output.styled(stream), highlight=False)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """As rich does, with the text made printable."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)


class Bars:
    """A bar for each step, with its rate and the time that is left."""

    def __init__(self) -> None:
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
        """Show an event."""
        if isinstance(event, Progress):
            self._advance(event.step, event.step, event.done, event.total, event.unit)
            return
        if isinstance(event, Job) and (not event.finished or self._shown == event.id):
            # One bar for a job, whatever its state.
            percent = 100 if event.state == "COMPLETED" else int(float(event.percent or 0))
            self._advance(event.id, f"{event.kind} {event.state.lower()}", percent, 100, "%")
        if not isinstance(event, Job) or event.finished:
            console = self.progress.console
            console.print(wrap(describe(event), console.width), markup=False, soft_wrap=True)

    def _advance(self, what: str, words: str, done: int, total: int | None, unit: str) -> None:
        """Show the progress of something on its bar, or on a new one.

        :param what: identifies the bar.
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
