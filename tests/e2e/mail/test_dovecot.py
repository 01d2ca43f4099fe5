"""A mailbox is restored under a running Dovecot, and seen over IMAP as it was (S20, S21).

Debian's Dovecot 2.3 is installed where that is possible. Where it is not, the test says
so and is skipped; in CI it fails instead.
"""

from __future__ import annotations

import imaplib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests import mail_host
from tests.e2e.mail import dovecot
from tests.e2e.mail.conftest import Postmaster
from tests.e2e.mail.dovecot import OSID, USER, Dovecot
from tests.e2e.shell import HUNG_SECONDS
from tests.maildirs import Mailstore

WITH_UMLAUT = "Entw&APw-rfe"


@pytest.fixture(scope="session", autouse=True)
def debians_dovecot() -> None:
    """Dovecot is there, or this is said loudly."""
    reason = dovecot.why_not()
    if reason is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"Dovecot has to run in CI: {reason}")
        warnings.warn(f"THE TESTS WITH A REAL DOVECOT DID NOT RUN: {reason}", stacklevel=1)
        pytest.skip(f"THE TESTS WITH A REAL DOVECOT DID NOT RUN: {reason}")


@pytest.fixture
def server(postmaster: Postmaster) -> Iterator[Dovecot]:
    """Dovecot over the mailstore of the local AWS, where its user has no mail yet."""
    home = postmaster.mount / USER
    shutil.rmtree(home)
    home.mkdir(mode=0o700)
    os.chown(home, OSID, OSID)
    postmaster.let_owners_in()
    with dovecot.running(postmaster.mount) as server:
        yield server


@dataclass(frozen=True)
class Seen:
    """One message as IMAP shows it."""

    uid: int
    flags: frozenset[str]
    date: str

    @property
    def lasting(self) -> tuple[frozenset[str], str]:
        """What a restore has to bring back: all but the UID."""
        return self.flags, self.date


class Mailbox:
    """A user's mailbox through one IMAP connection; messages are called by their Message-ID."""

    def __init__(self, server: Dovecot) -> None:
        self.client = server.login()

    def do(self, command: str, *arguments: str) -> list[bytes]:
        method = getattr(self.client, command)
        answer, data = method(*arguments)
        assert answer == "OK", (command, arguments, data)
        return list(data)

    def deliver(self, folder: str, message: str, flags: str = "", day: int = 1) -> None:
        text = f"From: a@example.com\r\nMessage-ID: <{message}>\r\nSubject: {message}\r\n\r\nHi\r\n"
        date = f'"{day:02}-Mar-2026 07:{day:02}:00 +0000"'
        self.client.append(folder, f"({flags})", date, text.encode())

    def folder(self, folder: str) -> dict[str, Seen]:
        """What is in a folder. Fails if a message is there twice."""
        self.do("select", folder)
        fields = "(UID FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
        data = self.client.fetch("1:*", fields)[1] if self.count(folder) else []
        found: Counter[str] = Counter()
        seen = {}
        for part in data:
            if not isinstance(part, tuple):
                continue
            facts, header = part[0].decode(), part[1].decode()
            match = re.search(r"UID (\d+) FLAGS \((.*?)\) INTERNALDATE \"(.*?)\"", facts)
            message = re.search(r"<(.*?)>", header)
            assert match, facts
            assert message, header
            flags = frozenset(match[2].split()) - {r"\Recent"}
            found[message[1]] += 1
            seen[message[1]] = Seen(int(match[1]), flags, match[3])
        assert set(found.values()) <= {1}, found
        return seen

    def count(self, folder: str) -> int:
        return int(re.search(rb"MESSAGES (\d+)", self.do("status", folder, "(MESSAGES)")[0])[1])  # type: ignore[index]

    def uidvalidity(self, folder: str) -> bytes:
        return self.do("status", folder, "(UIDVALIDITY)")[0]

    def uids(self, folder: str, *names: str) -> str:
        there = self.folder(folder)
        return ",".join(str(there[name].uid) for name in names)

    def store(self, folder: str, name: str, change: str, flags: str) -> None:
        self.do("uid", "STORE", self.uids(folder, name), change, flags)

    def expunge(self, folder: str, *names: str) -> None:
        self.do("uid", "STORE", self.uids(folder, *names), "+FLAGS", r"(\Deleted)")
        self.do("expunge")

    def move(self, folder: str, to_folder: str, *names: str) -> None:
        self.do("uid", "MOVE", self.uids(folder, *names), to_folder)

    def subscriptions(self) -> set[str]:
        return {line.rsplit(b" ", 1)[1].decode() for line in self.do("lsub") if line}


def fill(mailbox: Mailbox) -> None:
    for folder in ("Work.2025", "Projects", WITH_UMLAUT):
        mailbox.do("create", folder)
        mailbox.do("subscribe", folder)
    for number in range(1, 21):
        flags = [r"\Seen", "", r"\Seen \Answered Important", r"\Flagged $Forwarded"][number % 4]
        mailbox.deliver("INBOX", f"inbox-{number}", flags, number)
    for number in range(1, 6):
        mailbox.deliver("Work.2025", f"work-{number}", rf"\Seen Invoice{number % 2}", number)
        mailbox.deliver("Projects", f"project-{number}", "Alpha Beta" if number % 2 else "", number)
        mailbox.deliver(WITH_UMLAUT, f"draft-{number}", r"\Draft \Seen", number)
    mailbox.folder("INBOX")
    mailbox.do("uid", "COPY", mailbox.uids("INBOX", "inbox-19"), "Archive")
    mailbox.do("uid", "COPY", mailbox.uids("INBOX", "inbox-20"), "Projects")


def damage(mailbox: Mailbox) -> None:
    mailbox.expunge("INBOX", "inbox-1", "inbox-2", "inbox-3", "inbox-4", "inbox-19", "inbox-20")
    mailbox.move("INBOX", "Archive", "inbox-5", "inbox-6")
    mailbox.move("INBOX", "Trash", "inbox-7")
    mailbox.move("INBOX", "Trash", "inbox-8")
    mailbox.move("Trash", "INBOX", "inbox-8")
    mailbox.store("INBOX", "inbox-9", "FLAGS", r"(\Flagged Today)")
    mailbox.store("INBOX", "inbox-11", "-FLAGS", r"(\Seen Important)")
    mailbox.do("select", "INBOX")
    for folder in ("Work.2025", WITH_UMLAUT):
        mailbox.do("delete", folder)
        mailbox.do("unsubscribe", folder)
    mailbox.do("delete", "Projects")
    mailbox.do("create", "Projects")  # where the letter a now means something else
    mailbox.deliver("Projects", "project-new", "Gamma Beta", 28)
    mailbox.deliver("INBOX", "inbox-new", "Important", 28)


class BusyClient(threading.Thread):
    """A client that reads and flags mail for as long as the merge runs."""

    def __init__(self, server: Dovecot) -> None:
        super().__init__()
        self._mailbox = Mailbox(server)
        self._mailbox.do("select", "INBOX")
        self._enough = threading.Event()
        self.rounds = 0
        self.failed: Exception | None = None
        self.exists = 0

    def run(self) -> None:
        try:
            uid = self._mailbox.uids("INBOX", "inbox-12")
            while not self._enough.is_set():
                for change in ("+FLAGS", "-FLAGS"):
                    self._mailbox.do("uid", "STORE", uid, change, r"(\Flagged)")
                self._mailbox.do("noop")
                self.rounds += 1
            self._mailbox.do("noop")
            self.exists = self._mailbox.count("INBOX")
        except (imaplib.IMAP4.error, AssertionError, OSError) as error:
            self.failed = error

    def stop(self) -> None:
        self._enough.set()
        self.join(HUNG_SECONDS)


def merge(server: Dovecot, *options: str) -> dict[str, dict[str, object]]:
    command = [sys.executable, mail_host.__file__, "mailbox", "merge", USER, "--yes", "--json"]
    command += ["--mount", str(server.home), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == mail_host.Exit.DONE, done.stderr
    report: dict[str, dict[str, object]] = json.loads(done.stdout)
    return report


def test_lost_mail_is_restored_under_a_running_dovecot(
    server: Dovecot, postmaster: Postmaster
) -> None:
    mailbox = Mailbox(server)
    fill(mailbox)
    folders = ("INBOX", "Archive", "Trash", "Work.2025", "Projects", WITH_UMLAUT)
    then = {folder: mailbox.folder(folder) for folder in folders}
    subscribed = mailbox.subscriptions()
    postmaster.sandbox.run_nights(1)
    damage(mailbox)
    before = {
        folder: mailbox.folder(folder) for folder in ("INBOX", "Archive", "Trash", "Projects")
    }
    validities = {folder: mailbox.uidvalidity(folder) for folder in before}

    client = BusyClient(server)
    client.start()
    try:
        restored = postmaster.run(f"restore mailbox {USER} --yes")
        assert restored.code == 0, restored.err
        of_inbox = merge(server, "--folder", "INBOX")
        of_all = merge(server)
    finally:
        client.stop()

    assert client.failed is None
    assert client.rounds > 0
    assert of_inbox["result"]["restored"] == 6
    assert of_all["result"]["restored"] == 5 + 6 + 5
    after = {folder: mailbox.folder(folder) for folder in folders}

    # Everything lost is back, with its flags and dates.
    lost = {"INBOX": {"inbox-1", "inbox-2", "inbox-3", "inbox-4", "inbox-19", "inbox-20"}}
    for folder in ("Work.2025", "Projects", WITH_UMLAUT):
        lost[folder] = set(then[folder])
    for folder, messages in lost.items():
        for name in messages:
            assert after[folder][name].lasting == then[folder][name].lasting, (folder, name)
    assert after["INBOX"]["inbox-3"].flags == {r"\Flagged", "$Forwarded"}
    assert after["Projects"]["project-1"].flags == {"Alpha", "Beta"}

    # Nothing is there twice (Mailbox.folder looks for that), nothing present was changed,
    # and it has its UIDs still.
    for folder in before:
        assert set(after[folder]) == set(before[folder]) | lost.get(folder, set())
        assert {name: after[folder][name] for name in before[folder]} == before[folder]
        assert mailbox.uidvalidity(folder) == validities[folder]
    assert client.exists == len(after["INBOX"])
    assert after["Work.2025"].keys() == then["Work.2025"].keys()
    assert mailbox.subscriptions() == subscribed

    # What was moved is reported: it stays where it was moved to.
    folders_planned = of_inbox["plan"]["folders"]
    assert isinstance(folders_planned, list)
    assert folders_planned[0]["moved"] == {"Archive": 2, "Trash": 1}

    log = server.log.read_text()
    assert not re.search(r"(Error|Panic|Fatal): ", log), log

    check_what_was_moved_comes_back_on_request(server, mailbox)


def check_what_was_moved_comes_back_on_request(server: Dovecot, mailbox: Mailbox) -> None:
    """Run again, it has nothing to do but what is asked for now; and then the restore goes."""
    before = {folder: mailbox.folder(folder) for folder in ("INBOX", "Archive", "Trash")}
    assert "result" not in merge(server)
    report = merge(server, "--moved", "restore", "--cleanup")
    assert report["result"]["restored"] == 3
    for folder, came_back in (
        ("INBOX", {"inbox-5", "inbox-6", "inbox-7"}),
        ("Archive", set()),
        ("Trash", set()),
    ):
        after = mailbox.folder(folder)
        assert set(after) == set(before[folder]) | came_back
        assert {name: after[name] for name in before[folder]} == before[folder]
    assert not [*server.home.glob("aws-backup-restore_*")]


def test_messages_of_one_name_are_several_for_dovecot(server: Dovecot) -> None:
    mailbox = Mailbox(server)
    mailbox.deliver("INBOX", "there")
    before = mailbox.folder("INBOX")
    (there,) = (path for place in ("cur", "new") for path in (server.maildir / place).iterdir())
    base = there.name.partition(":")[0]
    recovered = Mailstore(server.home, USER).recovered
    for place in ("cur", "new", "tmp"):
        (recovered / place).mkdir(parents=True)
    for name, text in (
        (f"cur/{base}:2,S", "first"),
        (f"new/{base}", "second"),
        (f"cur/{base.partition(',')[0]}:2,", "there"),
    ):
        if text == "there":
            (recovered / name).write_bytes(there.read_bytes())
        else:
            (recovered / name).write_text(f"Message-ID: <{text}>\r\n\r\nHi\r\n")
    (recovered / f"cur/{base}:2,a").write_text("Message-ID: <third>\r\n\r\nHi\r\n")
    (recovered / "dovecot-keywords").write_text("0 Work\n")
    (server.maildir / "maildirsize").write_text("1000S\n64 1\n")
    lock = server.maildir / "dovecot-uidlist.lock"
    lock.touch()
    for path in (lock, lock.with_suffix("")):
        os.utime(path, (1_750_000_000, 1_750_000_000))
    for path in (recovered, *recovered.rglob("*"), recovered.parent):
        os.chown(path, OSID, OSID)

    report = merge(server, "--cleanup")

    assert report["result"]["restored"] == 3
    assert report["result"]["notes"]
    after = mailbox.folder("INBOX")
    assert set(after) == {"there", "first", "second", "third"}
    assert after["third"].flags == {"Work"}
    assert after["there"] == before["there"]
    assert not (server.maildir / "maildirsize").exists()
    log = server.log.read_text()
    assert not re.search(r"(Error|Panic|Fatal|Warning): |duplicate", log), log
