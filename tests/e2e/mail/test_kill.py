"""A merge is killed at random moments: no message is lost, none exists twice (S21)."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import killing, mail_host
from tests.killing import Ended
from tests.long import shortened
from tests.maildirs import Mailstore, base, content, deliver, names

KILLS = shortened(200)
OSID = 65_536 if os.geteuid() == 0 else os.geteuid()
KEYWORDS = "0 Later\n1 $Forwarded\n2 Work\n"


@pytest.fixture
def store() -> Iterator[Mailstore]:
    # In memory where that is possible: on a busy disk the kills take minutes.
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as mount:
        yield Mailstore.make(Path(mount))


def texts(maildir: Path) -> Counter[tuple[str, bytes]]:
    """How often each message is in each folder, by its text: all of them differ."""
    return Counter(
        ("INBOX" if directory == maildir else directory.name[1:], path.read_bytes())
        for directory in (maildir, *maildir.glob(".*"))
        for place in ("cur", "new")
        for path in (directory / place).glob("*")
    )


def texts_of(folder: str, numbers: range) -> Counter[tuple[str, bytes]]:
    return Counter((folder, content(number)) for number in numbers)


def fill(store: Mailstore) -> Counter[tuple[str, bytes]]:
    """A restore with something of everything; what the mailbox has to have in the end."""
    subprocess.run(["rm", "-rf", store.home, store.recovery], check=True)
    Mailstore.make(store.mount)
    deliver(store.recovered, range(300), flags="FSab")
    deliver(store.recovered, range(300, 340), flags=None)
    deliver(store.recovered, range(340, 470), folder="Lost.Too", flags="Sc")
    deliver(store.recovered, range(470, 500), folder="Here", flags="S")
    for directory in (store.recovered, store.recovered / ".Lost.Too"):
        (directory / "dovecot-keywords").write_text(KEYWORDS)
    (store.recovered / "subscriptions").write_text("V\t2\n\nLost\tToo\n")
    for number in range(300, 340):  # another message, by the same name
        (store.recovered / "cur" / f"{base(number)}:2,F").write_bytes(content(10_000 + number))
    deliver(store.live, range(0, 300, 3), flags="RS")
    for number in range(340, 370):
        (store.recovered / "cur" / f"{base(number)}:2,S").write_bytes(content(10_000 + number))
        there = store.live / "cur" / f"{base(number)}:2,"
        there.write_bytes(content(20_000 + number))
        there.chmod(0o600)
    deliver(store.live, [500], folder="Here")
    (store.live / "dovecot-keywords").write_text("0 Work\n")
    (store.live / "subscriptions").write_text("V\t2\n\nHere\n")
    (store.recovery / store.user / ".dovecot.sieve").write_text("keep;")
    (store.live / "maildirsize").write_text("1000S\n64 1\n")
    store.own(OSID)
    wanted = texts_of("INBOX", range(340)) + texts_of("INBOX", range(10_300, 10_370))
    wanted += texts_of("INBOX", range(20_340, 20_370))
    return wanted + texts_of("Lost.Too", range(340, 470)) + texts_of("Here", range(470, 501))


def merge(store: Mailstore, threads: int, *, kill_at: int | None = None) -> Ended:
    """The program in a process of its own, without the interpreter's start."""
    arguments = ["mailbox", "merge", store.user, "--mount", str(store.mount), "--yes"]
    arguments += ["--threads", str(threads)]
    return killing.run(lambda: mail_host.main(arguments), killing.file_changes, kill_at=kill_at)


def check_nothing_lost(store: Mailstore, wanted: Counter[tuple[str, bytes]]) -> None:
    live = texts(store.live)
    assert max(live.values()) == 1
    assert set(live) | set(texts(store.recovered)) == set(wanted)


def check_complete(store: Mailstore, wanted: Counter[tuple[str, bytes]]) -> None:
    assert texts(store.live) == wanted
    # What the mailbox had already is left.
    assert texts(store.recovered) == texts_of("INBOX", range(0, 300, 3))
    inbox = [*names(store.live / "cur"), *names(store.live / "new")]
    assert len({name.partition(":")[0] for name in inbox}) == len(inbox)
    assert (store.home / ".dovecot.sieve").read_text() == "keep;"
    assert not (store.live / "maildirsize").exists()
    inbox_keywords = (store.live / "dovecot-keywords").read_text()
    assert inbox_keywords == "0 Work\n1 Later\n2 $Forwarded\n"
    assert f"{base(1)}:2,FSbc" in names(store.live / "cur")
    assert (store.live / "subscriptions").read_text() == "V\t2\n\nHere\nLost\tToo\n"
    assert f"{base(340)}:2,Sc" in names(store.live / ".Lost.Too" / "cur")
    for path in owned(store.home):
        assert (path.stat().st_uid, path.stat().st_mode & 0o077) == (OSID, 0)
    assert not list(store.live.rglob("*.lock"))
    assert names(store.recovery) == [store.user]


def owned(home: Path) -> Iterator[Path]:
    yield from (path for path in home.rglob("*") if "dovecot" not in path.name)


def test_killed_at_random_moments_it_converges(store: Mailstore) -> None:
    rng = random.Random(20260906)
    wanted = fill(store)
    whole = merge(store, 1)
    assert whole.code == 0, whole.said
    check_complete(store, wanted)

    kills, moments, wanted = 0, [], fill(store)
    while kills < KILLS:
        kill_at = rng.randrange(1, len(whole.moments) + 1)
        ended = merge(store, rng.choice([1, 8]), kill_at=kill_at)
        if ended.killed:
            kills += 1
            moments.append(len(texts(store.live)))
            check_nothing_lost(store, wanted)
        else:
            # Less was left to do than at first.
            assert ended.code == 0, ended.said
            check_complete(store, wanted)
            wanted = fill(store)
    assert len(set(moments)) > KILLS / 10, "the kills have to come in the middle of the moving"

    command = [sys.executable, mail_host.__file__, "mailbox", "merge", store.user, "--yes"]
    subprocess.run([*command, "--mount", store.mount], check=True, capture_output=True)
    check_complete(store, wanted)
    subprocess.run([*command, "--mount", store.mount, "--cleanup"], check=True, capture_output=True)
    assert names(store.mount) == [store.user]
    assert texts(store.live) == wanted
