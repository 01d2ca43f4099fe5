"""A merge is killed at 200 random moments: no message is lost, none exists twice (S21)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cabal_backup.operations.mail import mail_host
from tests.maildirs import Mailstore, base, deliver, inbox, messages, names

KILLS = 200
OSID = 65_536 if os.geteuid() == 0 else os.geteuid()
KEYWORDS = "0 Later\n1 $Forwarded\n2 Work\n"


@pytest.fixture
def store() -> Iterator[Mailstore]:
    # In memory where that is possible: on a busy disk the 200 kills take minutes.
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as mount:
        yield Mailstore.make(Path(mount))


def fill(store: Mailstore) -> Counter[tuple[str, str]]:
    """A restore with something of everything; what the mailbox has to have in the end."""
    subprocess.run(["rm", "-rf", store.home, store.recovery], check=True)
    Mailstore.make(store.mount)
    deliver(store.recovered, range(300), flags="FSab")
    deliver(store.recovered, range(300, 340), flags=None)
    deliver(store.recovered, range(340, 470), folder="Gone.Too", flags="Sc")
    deliver(store.recovered, range(470, 500), folder="Here", flags="S")
    for directory in (store.recovered, store.recovered / ".Gone.Too"):
        (directory / "dovecot-keywords").write_text(KEYWORDS)
    (store.recovered / "subscriptions").write_text("V\t2\n\nGone\tToo\n")
    deliver(store.live, range(0, 300, 3), flags="RS")
    deliver(store.live, [500], folder="Here")
    (store.live / "dovecot-keywords").write_text("0 Work\n")
    (store.live / "subscriptions").write_text("V\t2\n\nHere\n")
    store.own(OSID)
    wanted = inbox(range(340))
    wanted.update(("Gone.Too", base(number)) for number in range(340, 470))
    wanted.update(("Here", base(number)) for number in range(470, 501))
    return wanted


def begin(store: Mailstore, threads: int) -> int:
    """The program in a process of its own, without the interpreter's start; its pid."""
    child = os.fork()
    if child == 0:
        silence = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(silence, descriptor)
        sys.stdout = sys.stderr = os.fdopen(silence, "w")
        code = 99
        try:
            arguments = ["mailbox", "merge", store.user, "--mount", str(store.mount), "--yes"]
            code = mail_host.main([*arguments, "--threads", str(threads)])
        finally:
            os._exit(code)
    return child


def check_nothing_lost(store: Mailstore, wanted: Counter[tuple[str, str]]) -> None:
    live = messages(store.live)
    assert max(live.values()) == 1
    assert set(live) | set(messages(store.recovered)) == set(wanted)


def check_complete(store: Mailstore, wanted: Counter[tuple[str, str]]) -> None:
    assert messages(store.live) == wanted
    assert messages(store.recovered) == inbox(range(0, 300, 3))  # the mailbox had them already
    inbox_keywords = (store.live / "dovecot-keywords").read_text()
    assert inbox_keywords == "0 Work\n1 Later\n2 $Forwarded\n"
    assert f"{base(1)}:2,FSbc" in names(store.live / "cur")
    assert (store.live / "subscriptions").read_text() == "V\t2\n\nHere\nGone\tToo\n"
    assert f"{base(340)}:2,Sc" in names(store.live / ".Gone.Too" / "cur")
    for path in owned(store.home):
        assert (path.stat().st_uid, path.stat().st_mode & 0o077) == (OSID, 0)
    assert not list(store.live.rglob("*.lock"))
    assert names(store.recovery) == [store.user]


def owned(home: Path) -> Iterator[Path]:
    yield from (path for path in home.rglob("*") if "dovecot" not in path.name)


def test_killed_at_200_random_moments_it_converges(store: Mailstore) -> None:
    dice = random.Random(20260906)
    wanted = fill(store)
    started = time.monotonic()
    assert os.waitpid(begin(store, 1), 0)[1] == 0
    latest = time.monotonic() - started
    check_complete(store, wanted)

    kills, moments, wanted = 0, [], fill(store)
    nothing_moved = len(messages(store.live))
    while kills < KILLS:
        child = begin(store, dice.choice([1, 8]))
        time.sleep(dice.uniform(0, latest))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            kills += 1
            moments.append(len(messages(store.live)))
            check_nothing_lost(store, wanted)
            if moments[-1] == nothing_moved:
                latest *= 1.1  # the machine has become slower
        else:
            assert os.waitstatus_to_exitcode(status) == 0
            check_complete(store, wanted)
            wanted = fill(store)
            latest *= 0.9
    assert len(set(moments)) > KILLS / 10, "the kills have to come in the middle of the moving"

    command = [sys.executable, mail_host.__file__, "mailbox", "merge", store.user, "--yes"]
    subprocess.run([*command, "--mount", store.mount], check=True, capture_output=True)
    check_complete(store, wanted)
    subprocess.run([*command, "--mount", store.mount, "--cleanup"], check=True, capture_output=True)
    assert names(store.mount) == [store.user]
    assert messages(store.live) == wanted
