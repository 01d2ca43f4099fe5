"""How many processes the Lambda functions of the local AWS take."""

from __future__ import annotations

import threading

import pytest

from tests.sandbox.ministack import functions, internals
from tests.sandbox.ministack.delivery import FUNCTIONS_AT_ONCE, Delivery


def test_few_invocations_run_at_once() -> None:
    delivery, changed = Delivery(), threading.Condition()
    running, most, go_on = 0, 0, threading.Event()

    def invocation() -> None:
        nonlocal running, most
        with changed:
            running += 1
            most = max(most, running)
            changed.notify_all()
        go_on.wait()
        with changed:
            running -= 1

    for _ in range(5 * FUNCTIONS_AT_ONCE):
        delivery.run_function(invocation)
    with changed:
        assert changed.wait_for(lambda: running >= FUNCTIONS_AT_ONCE, timeout=60)
    go_on.set()

    assert delivery.drain(timeout=60)
    assert most == FUNCTIONS_AT_ONCE


def test_the_processes_used_longest_ago_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = internals.lambda_runtime
    workers = [runtime.Worker(str(number), {}, b"") for number in range(functions.MAX_WORKERS + 2)]
    for number, worker in enumerate(workers):
        worker.last_used, worker.in_use = number, number == 0
    monkeypatch.setattr(runtime, "_workers", {worker.func_name: [worker] for worker in workers})

    functions._stop_surplus()

    kept = [worker for pool in runtime._workers.values() for worker in pool]
    assert kept == [workers[0], *workers[3:]]
