"""Delivers events and messages in order, on another thread than the caller's.

AWS Backup reports while it holds its own lock, and a Lambda function that receives the report may
call AWS Backup. So nothing is delivered on the reporting thread.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

FUNCTIONS_AT_ONCE = 4
"""Invocations that run at the same time; further ones wait. Each is a process."""

_log = logging.getLogger("sandbox.delivery")


class Delivery:
    """One thread that runs its tasks, first in first out."""

    def __init__(self) -> None:
        self._tasks: queue.Queue[Callable[[], None]] = queue.Queue()
        self._outstanding = 0
        self._changed = threading.Condition()
        self._slots = threading.Semaphore(FUNCTIONS_AT_ONCE)
        threading.Thread(target=self._run, daemon=True, name="sandbox-delivery").start()

    def put(self, task: Callable[[], None]) -> None:
        self._begin()
        self._tasks.put(task)

    def run_function(self, task: Callable[[], None]) -> None:
        """Run a Lambda invocation outside the queue, so that a slow one delays no other report."""
        self._begin()
        threading.Thread(
            target=self._run_function, args=(task,), daemon=True, name="sandbox-function"
        ).start()

    def drain(self, timeout: float) -> bool:
        """Wait until everything is delivered; returns False after `timeout` seconds.

        What a report or a function starts is counted before its cause is counted as done.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._outstanding == 0, timeout)

    def _begin(self) -> None:
        with self._changed:
            self._outstanding += 1

    def _end(self) -> None:
        with self._changed:
            self._outstanding -= 1
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            task = self._tasks.get()
            try:
                task()
            except Exception:
                _log.exception("A report could not be delivered")
            finally:
                self._end()

    def _run_function(self, task: Callable[[], None]) -> None:
        try:
            with self._slots:
                task()
        except Exception:
            _log.exception("A Lambda function could not be run")
        finally:
            self._end()
