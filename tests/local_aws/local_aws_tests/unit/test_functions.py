"""The processes of Lambda functions: their number, and what they share."""

from __future__ import annotations

import os
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local_aws.ministack import functions, internals, workers
from local_aws.ministack.delivery import FUNCTIONS_AT_ONCE, Delivery
from local_aws_tests import HUNG_SECONDS


@pytest.fixture
def switching_often() -> Iterator[None]:
    """Threads take turns all the time, as on a busy machine."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


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
        assert changed.wait_for(lambda: running >= FUNCTIONS_AT_ONCE, timeout=HUNG_SECONDS)
    go_on.set()

    assert delivery.drain(timeout=HUNG_SECONDS)
    assert most == FUNCTIONS_AT_ONCE


@pytest.mark.usefixtures("switching_often")
def test_draining_waits_for_what_reports_and_functions_start_in_turn() -> None:
    for _ in range(30):
        delivery = Delivery()
        hops: list[None] = []

        def hop(delivery: Delivery = delivery, hops: list[None] = hops) -> None:
            hops.append(None)
            if len(hops) < 10:
                (delivery.put if len(hops) % 2 else delivery.run_function)(hop)

        delivery.put(hop)

        assert delivery.drain(timeout=HUNG_SECONDS)
        assert len(hops) == 10


def test_the_least_recently_used_processes_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = internals.lambda_runtime
    workers = [runtime.Worker(str(number), {}, b"") for number in range(functions.MAX_WORKERS + 2)]
    for number, worker in enumerate(workers):
        worker.last_used, worker.in_use = number, number == 0
    monkeypatch.setattr(runtime, "_workers", {worker.func_name: [worker] for worker in workers})

    functions._stop_surplus()

    kept = [worker for pool in runtime._workers.values() for worker in pool]
    assert kept == [workers[0], *workers[3:]]


def test_a_process_is_watched_where_many_files_are_open(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys\nsys.exit(int(sys.stdin.readline()))\n")
    with ExitStack() as stack:
        for _ in range(1024):
            stack.enter_context(Path(os.devnull).open())
        process = workers._Fork([str(script)], str(tmp_path), dict(os.environ))

        assert process.poll() is None
        process.stdin.write("7\n")
        assert process.wait(timeout=HUNG_SECONDS) == 7


def _extract(folder: Path, file: str, content: str) -> Path:
    """The folder in which the code of one more process is."""
    number = len(list(folder.glob("*.zip")))
    archive, code = folder / f"{number}.zip", folder / str(number)
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr(file, content)
    code.mkdir()
    with workers._Code(str(archive), folder=folder / "shared") as opened:
        opened.extractall(code)
    assert (code / file).read_text() == content
    return code.resolve()


def test_processes_with_the_same_python_code_share_its_folder(tmp_path: Path) -> None:
    first, second, other = (_extract(tmp_path, "it.py", content) for content in ("1", "1", "2"))

    assert first == second != other


def test_other_code_is_extracted_for_each_process(tmp_path: Path) -> None:
    first, second = (_extract(tmp_path, "index.js", "1") for _ in range(2))

    assert first != second
