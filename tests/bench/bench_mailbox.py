"""How fast a mailbox is merged, against rsync and against cp and chown, in one run.

    python -m tests.bench.bench_mailbox                # 200 000 messages, and 2 ms a call
    python -m tests.bench.bench_mailbox --million      # and the memory for a million
    python -m tests.bench.bench_mailbox --against FILE # and an earlier mail_host.py

The mailbox has a tenth of the messages still; the others are to come back. Every program
gets a tree of its own, of the same 4 KiB messages. Needs root (chown), rsync, and for the
run with latency a C compiler. Memory is measured with empty messages: they are not read.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests import mail_host
from tests.maildirs import FILE_MODE, Mailstore, base, deliver, make_folder

OSID = 65_536
LATENCY_US = 2_000
SLOW_MESSAGES = 2_000
"""With 2 ms a call, rsync takes half a minute for these."""

LINE = "{:<36} {:>9} {:>8} {:>12} {:>8} {:>12}\n"

Contender = Callable[[Mailstore], list[list[str]]]


def merge(store: Mailstore, program: str = mail_host.__file__) -> list[list[str]]:
    """This project's."""
    command = [sys.executable, program, "mailbox", "merge", store.user, "--yes"]
    return [[*command, "--mount", str(store.mount)]]


def rsync(store: Mailstore) -> list[list[str]]:
    """What the runbook would say without us."""
    return [["rsync", "-a", "--ignore-existing", f"{store.recovered}/", f"{store.live}/"]]


def cp_and_chown(store: Mailstore) -> list[list[str]]:
    """The commands without rsync."""
    return [
        ["cp", "-an", f"{store.recovered}/.", f"{store.live}/"],
        ["chown", "-R", f"{OSID}:{OSID}", str(store.live)],
    ]


CONTENDERS: dict[str, Contender] = {
    "rsync -a --ignore-existing": rsync,
    "cp -an; chown -R": cp_and_chown,
    "mailbox merge": merge,
}


def build(mount: Path, count: int) -> Mailstore:
    """`count` messages to restore in two folders, a tenth of them in the mailbox still."""
    mount.mkdir()
    store = Mailstore.make(mount)
    inbox = count * 6 // 10
    for maildir, step in ((store.recovered, 1), (store.live, 10)):
        deliver(maildir, range(0, inbox, step), size=4096)
        deliver(maildir, range(inbox, count, step), folder="Archive", size=4096)
    store.own(OSID)
    return store


def restored(store: Mailstore) -> int:
    """How many messages the mailbox has."""
    return sum(len(files) for _, _, files in os.walk(store.live) if files) - 1  # maildirfolder


class Seconds(NamedTuple):
    """What some commands took."""

    elapsed: float
    cpu: float
    """User and system time."""


def cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def timed(commands: list[list[str]], environment: Mapping[str, str]) -> Seconds:
    """Seconds that the commands take."""
    os.sync()
    started, used = time.perf_counter(), cpu_of_children()
    for command in commands:
        subprocess.run(
            command, check=True, env={**os.environ, **environment}, stdout=subprocess.DEVNULL
        )
    return Seconds(time.perf_counter() - started, cpu_of_children() - used)


def race(
    top: Path,
    count: int,
    what: str,
    environment: Mapping[str, str],
    contenders: Mapping[str, Contender],
    rounds: int,
) -> None:
    """One table: every contender restores `count` messages; the medians of some rounds."""
    sys.stdout.write(LINE.format(what, "seconds", "msg/s", "merge is", "CPU", "merge needs"))
    seconds: dict[str, list[Seconds]] = {}
    for name, contender in list(contenders.items()) * rounds:
        store = build(top / "mount", count)
        seconds.setdefault(name, []).append(timed(contender(store), environment))
        assert restored(store) == count, (name, restored(store))
        shutil.rmtree(store.mount)
    medians = {
        name: Seconds(*map(median, zip(*all_, strict=True))) for name, all_ in seconds.items()
    }
    ours = medians["mailbox merge"]
    for name, took in medians.items():
        other = name != "mailbox merge"
        faster = f"{took.elapsed / ours.elapsed:.2f} x" if other else ""
        cheaper = f"{ours.cpu / took.cpu:.2f} of it" if other else ""
        numbers = f"{took.elapsed:.2f}", f"{count / took.elapsed:.0f}", faster
        sys.stdout.write(LINE.format("  " + name, *numbers, f"{took.cpu:.2f}", cheaper))
    sys.stdout.flush()


def slow_calls(top: Path) -> Mapping[str, str]:
    """The environment in which each call on a file below `top` takes 2 ms longer."""
    library = top / "latency.so"
    source = Path(__file__).with_name("latency.c")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return {
        "LD_PRELOAD": str(library),
        "LATENCY_UNDER": str(top),
        "LATENCY_US": str(LATENCY_US),
    }


def memory(top: Path, count: int) -> None:
    """Peak memory of a merge of `count` messages in one folder, half of them there already."""
    (top / "million").mkdir()
    store = Mailstore.make(top / "million")
    for maildir, step, flags in ((store.recovered, 1, "S"), (store.live, 2, "RS")):
        directory = os.open(make_folder(maildir) / "cur", os.O_RDONLY)
        for number in range(0, count, step):
            name = f"{base(number)}:2,{flags}"
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT, FILE_MODE, dir_fd=directory)
            os.fchown(descriptor, OSID, OSID)
            os.close(descriptor)
        os.close(directory)
    for path in (store.home, store.live, store.live / "cur", store.live / "new"):
        os.chown(path, OSID, OSID)
    (command,) = merge(store)
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - started
    assert status == 0, status
    assert restored(store) + 1 == count
    sys.stdout.write(
        f"{count} messages, {count // 2} of them restored: {took:.1f} s, "
        f"peak memory {usage.ru_maxrss / 1024:.0f} MiB\n"
    )
    subprocess.run(["rm", "-rf", store.mount], check=True)


def main() -> None:
    """Run the races and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--million", action="store_true", help="measure memory, too")
    parser.add_argument("--against", metavar="FILE", help="an earlier mail_host.py, to compare")
    parser.add_argument("--rounds", type=int, default=1, help="of which the medians count")
    options = parser.parse_args()
    contenders = dict(CONTENDERS)
    if options.against is not None:
        contenders["earlier mailbox merge"] = lambda store: merge(store, options.against)
    with tempfile.TemporaryDirectory(prefix="bench-mailbox-") as directory:
        top = Path(directory)
        contest = contenders, options.rounds
        race(top, options.messages, f"{options.messages} messages", {}, *contest)
        slowly = slow_calls(top)
        race(top, SLOW_MESSAGES, f"{SLOW_MESSAGES} messages, 2 ms a call", slowly, *contest)
        if options.million:
            memory(top, 1_000_000)


if __name__ == "__main__":
    main()
