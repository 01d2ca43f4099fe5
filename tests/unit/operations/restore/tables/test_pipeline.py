"""Readers, workers, and what lies between them; the limit on write units."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from cabal_backup.operations.restore.tables import pipeline
from cabal_backup.operations.restore.tables.items import Item, KeySpool
from cabal_backup.operations.restore.tables.pipeline import Chunk, Source, run
from cabal_backup.operations.restore.tables.transport import (
    Cancelled,
    CancelToken,
    Rate,
    RetryPolicy,
)


def source(numbers: range, size: int = 1) -> Source:
    def chunks(stop: CancelToken) -> Iterator[Chunk]:
        for number in numbers:
            stop.check()
            yield Chunk([{"id": {"N": str(number)}}], (), size)

    return chunks


def test_every_chunk_is_worked_on_once() -> None:
    done: list[str] = []
    run(
        [source(range(500)), source(range(500, 1000))],
        lambda chunk, _: done.append(chunk.items[0]["id"]["N"]),
        workers=4,
        stop=CancelToken(),
    )
    assert sorted(done, key=int) == [str(number) for number in range(1000)]


def test_work_that_is_done_at_once_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    started = threading.Thread.start

    def finish(thread: threading.Thread) -> None:
        started(thread)
        thread.join()

    monkeypatch.setattr(threading.Thread, "start", finish)
    done: list[str] = []
    reported: list[int] = []
    run(
        [source(range(5))],
        lambda chunk, _: done.append(chunk.items[0]["id"]["N"]),
        workers=1,
        stop=CancelToken(),
        tick=lambda: reported.append(len(done)),
    )
    assert reported == [5]


def test_what_waits_is_bounded_and_a_large_chunk_still_passes() -> None:
    waiting, most = 0, 0
    lock = threading.Lock()
    large = pipeline.BUFFER_BYTES // 4

    def counting(stop: CancelToken) -> Iterator[Chunk]:
        nonlocal waiting, most
        for chunk in source(range(60), large)(stop):
            with lock:
                waiting += 1
                most = max(most, waiting)
            yield chunk
        yield Chunk([], (), pipeline.BUFFER_BYTES * 3)

    def slow(_chunk: Chunk, stop: CancelToken) -> None:
        nonlocal waiting
        stop.sleep(0.002)
        with lock:
            waiting -= 1

    run([counting], slow, workers=1, stop=CancelToken())
    assert most <= 7


def test_the_first_failure_ends_everything_and_is_raised() -> None:
    done: list[int] = []

    def work(_chunk: Chunk, _stop: CancelToken) -> None:
        done.append(1)
        if len(done) == 10:
            raise ValueError("the tenth")

    with pytest.raises(ValueError, match="the tenth"):
        run([source(range(10**9))], work, workers=3, stop=CancelToken())


def test_a_source_that_fails_is_raised_too() -> None:
    def failing(_stop: CancelToken) -> Iterator[Chunk]:
        yield Chunk([], (), 1)
        raise ValueError("the source")

    with pytest.raises(ValueError, match="the source"):
        run([failing], lambda *_: None, workers=2, stop=CancelToken())


def test_what_a_tick_raises_ends_all_threads() -> None:
    before = threading.active_count()

    def tick() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([source(range(10**9))], lambda *_: None, workers=4, stop=CancelToken(), tick=tick)
    assert threading.active_count() == before


def test_a_stop_is_raised() -> None:
    stop = CancelToken()
    with pytest.raises(Cancelled):
        run([source(range(10**9))], lambda *_: stop.set(), workers=1, stop=stop)


def test_a_rate_lets_a_second_through_and_then_so_many_a_second() -> None:
    now = 100.0
    rate = Rate(50, now=lambda: now)
    assert rate.reserve(50) == 0
    assert rate.reserve(25) == pytest.approx(0.5)
    assert rate.reserve(100) == pytest.approx(2.5)
    now = 102.5
    assert rate.reserve(25) == pytest.approx(0.5)
    now = 1000.0
    assert rate.reserve(50) == 0
    assert rate.reserve(1) == pytest.approx(0.02)


def test_without_a_limit_nothing_waits() -> None:
    assert Rate(None).reserve(10**9) == 0


def test_waits_grow_to_a_limit_and_end_when_called_off() -> None:
    class Longest:
        def uniform(self, _least: float, most: float) -> float:
            return most

    waited: list[float] = []

    class Watched(CancelToken):
        def sleep(self, seconds: float) -> None:
            waited.append(seconds)

    retries = RetryPolicy(first=0.5, longest=3, rng=Longest())  # type: ignore[arg-type]
    for failed in range(1, 6):
        retries.wait(failed, Watched())
    assert waited == [1, 2, 3, 3, 3]
    stop = CancelToken()
    stop.set()
    with pytest.raises(Cancelled):
        RetryPolicy().wait(10, stop)


def test_a_spool_gives_back_what_it_was_given() -> None:
    spool = KeySpool()
    entries: list[tuple[Item, bytes]] = [
        ({"id": {"S": f"é{number}"}}, bytes([number]) * 32) for number in range(7)
    ]
    spool.add(entries[:3])
    spool.add(entries[3:])
    assert spool.count == 7
    assert list(spool.chunks(3)) == [entries[:3], entries[3:6], entries[6:]]
    assert [entry for chunk in spool.chunks(100) for entry in chunk] == entries
    spool.close()
