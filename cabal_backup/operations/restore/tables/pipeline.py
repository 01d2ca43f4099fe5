"""Readers and workers side by side, with a bounded amount of items in between.

The memory in use depends on the sizes given here, never on the table's.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cabal_backup.operations.restore.tables.items import Item
from cabal_backup.operations.restore.tables.transport import Cancelled, CancelToken

BUFFER_BYTES = 4 * 1024 * 1024
"""What may wait between readers and workers, as JSON."""

TICK_SECONDS = 0.2
"""How often progress is reported."""


@dataclass(frozen=True)
class Chunk:
    """Some items that are worked on together."""

    items: Sequence[Item]
    """Empty where the work needs only their JSON."""
    encoded: Sequence[bytes]
    """The items as JSON; empty where the work does not need it."""
    size: int
    """Bytes, as JSON."""


Source = Callable[[CancelToken], Iterator[Chunk]]
Work = Callable[[Chunk, CancelToken], None]


class Counter:
    """A number that several threads add to."""

    def __init__(self) -> None:
        self._value = 0
        self._lock = threading.Lock()

    def add(self, number: int = 1) -> None:
        """Add a number."""
        with self._lock:
            self._value += number

    @property
    def value(self) -> int:
        """The sum."""
        return self._value


def run(
    sources: Sequence[Source],
    work: Work,
    *,
    workers: int,
    stop: CancelToken,
    tick: Callable[[], None] = lambda: None,
) -> None:
    """Do `work` on every chunk of every source, and call `tick` meanwhile and when all is done.

    The first failure cancels the work and is raised here, and so is what `tick` raises. Chunks that
    are in progress then are completed or cancelled, and no other is begun.
    """
    line = _Line(stop, readers=len(sources))
    threads = [
        *(threading.Thread(target=line.read, args=(source,), daemon=True) for source in sources),
        *(threading.Thread(target=line.work, args=(work,), daemon=True) for _ in range(workers)),
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(TICK_SECONDS)
                tick()
    except BaseException:
        stop.set()
        line.wake()
        raise
    finally:
        for thread in threads:
            thread.join()
    if line.failure is not None:
        raise line.failure
    stop.check()
    tick()


class _Line:
    """The chunks that wait for a worker."""

    def __init__(self, stop: CancelToken, *, readers: int) -> None:
        self.failure: Exception | None = None
        self._stop = stop
        self._readers = readers
        self._waiting: deque[Chunk] = deque()
        self._bytes = 0
        self._changed = threading.Condition()

    def read(self, source: Source) -> None:
        try:
            for chunk in source(self._stop):
                self._put(chunk)
        except Exception as error:
            self._fail(error)
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    def work(self, work: Work) -> None:
        try:
            while (chunk := self._take()) is not None:
                work(chunk, self._stop)
        except Exception as error:
            self._fail(error)

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _put(self, chunk: Chunk) -> None:
        with self._changed:
            # One chunk always fits, so that a large one does not wait for ever.
            while self._waiting and self._bytes + chunk.size > BUFFER_BYTES:
                self._stop.check()
                self._changed.wait(TICK_SECONDS)
            self._stop.check()
            self._waiting.append(chunk)
            self._bytes += chunk.size
            self._changed.notify()

    def _take(self) -> Chunk | None:
        """The next chunk; None when there will be none."""
        with self._changed:
            while not self._waiting:
                if self._readers == 0 or self._stop.is_set():
                    return None
                self._changed.wait(TICK_SECONDS)
            if self._stop.is_set():
                return None
            chunk = self._waiting.popleft()
            self._bytes -= chunk.size
            self._changed.notify_all()
            return chunk

    def _fail(self, error: Exception) -> None:
        with self._changed:
            if self.failure is None and not isinstance(error, Cancelled):
                self.failure = error
            self._stop.set()
            self._changed.notify_all()
