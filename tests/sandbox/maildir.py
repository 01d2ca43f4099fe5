"""Mailboxes as Dovecot 2.3 keeps them on Cabal's file system (Maildir++)."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

FOLDERS = ("Drafts", "Junk", "Trash", "Sent", "Archive")
"""The special folders of every mailbox; INBOX is the Maildir itself."""

_DAYS_BACK = 200
_FLAGS = ("", "S", "RS", "FS", "S", "S", "FRS")
_SUBJECTS = ("Minutes", "Invoice", "Dinner on Friday?", "Re: the garden", "Your order", "Photos")
_WORDS = (
    "mail",
    "arrives",
    "in",
    "the",
    "morning",
    "and",
    "the",
    "kettle",
    "sings",
    "while",
    "rain",
)


@dataclass(frozen=True)
class Owner:
    """Whose files they are: a user and the OS uid from the counter table."""

    user: str
    osid: int
    address: str


@dataclass(frozen=True)
class Message:
    """One delivered message: its file's base name (unique in the mailbox) and its content."""

    base: str
    flags: str
    content: bytes
    arrived: datetime


def write_mailbox(
    home: Path, owner: Owner, *, messages: int, now: datetime, rng: random.Random
) -> int:
    """Make `home` with a Maildir of about `messages` messages; how many there are.

    Files belong to the owner when this process may give them away.
    """
    maildir = home / "Maildir"
    home.mkdir(mode=0o700)
    maildir.mkdir(mode=0o700)
    written = _write_folder(maildir, owner, max(messages // 2, 1), now, rng)
    share = max(messages // (2 * len(FOLDERS)), 1)
    for folder in FOLDERS:
        directory = maildir / f".{folder}"
        directory.mkdir(mode=0o700)
        (directory / "maildirfolder").touch(mode=0o600)
        written += _write_folder(directory, owner, share, now, rng)
    _archive_one_as_hard_link(maildir)
    _write(maildir / "subscriptions", "V\t2\n\n" + "".join(f"{name}\n" for name in FOLDERS))
    _write(maildir / "dovecot-keywords", "0 $Forwarded\n1 NonJunk\n")
    give_to(home, owner.osid, owner.osid)
    return written


def write_queue(directory: Path, *, messages: int, now: datetime) -> None:
    """One of sendmail's live queues, root:12 and 0700; not mail to be restored."""
    directory.mkdir(mode=0o700)
    for number in range(messages):
        identity = f"{now:%y%m%d}{number:06d}"
        _write(directory / f"qf{identity}", f"V8\nT{int(now.timestamp())}\nK0\nN0\n")
        _write(directory / f"df{identity}", "waiting for delivery\n")
    give_to(directory, 0, 12)


def give_to(root: Path, uid: int, gid: int) -> None:
    """Make everything below `root` belong to uid:gid; nothing happens without the right to."""
    if os.geteuid() != 0:
        return
    os.chown(root, uid, gid)
    for directory, names, files in os.walk(root):
        for name in (*names, *files):
            os.chown(Path(directory) / name, uid, gid, follow_symlinks=False)


def _write_folder(
    directory: Path, owner: Owner, count: int, now: datetime, rng: random.Random
) -> int:
    for name in ("cur", "new", "tmp"):
        (directory / name).mkdir(mode=0o700)
    messages = [_message(owner, now, rng) for _ in range(count)]
    for number, message in enumerate(messages):
        is_new = number % 10 == 9
        name = message.base if is_new else f"{message.base}:2,{message.flags}"
        path = directory / ("new" if is_new else "cur") / name
        path.write_bytes(message.content)
        path.chmod(0o600)
        arrived = message.arrived.timestamp()
        os.utime(path, (arrived, arrived))
    _write(directory / "dovecot-uidlist", _uidlist(messages, rng))
    return len(messages)


def _message(owner: Owner, now: datetime, rng: random.Random) -> Message:
    arrived = now - timedelta(seconds=rng.randrange(_DAYS_BACK * 86_400))
    text = " ".join(rng.choices(_WORDS, k=rng.randrange(20, 200)))
    unique = rng.randrange(16**12)
    content = (
        f"Return-Path: <sender@example.net>\r\n"
        f"Date: {format_datetime(arrived)}\r\n"
        f"From: Sender <sender@example.net>\r\n"
        f"To: {owner.user} <{owner.address}>\r\n"
        f"Subject: {rng.choice(_SUBJECTS)}\r\n"
        f"Message-ID: <{unique:012x}@example.net>\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    ).encode()
    size = len(content)
    base = (
        f"{int(arrived.timestamp())}.M{rng.randrange(10**6):06d}P{rng.randrange(1, 32768)}"
        f".imap.example.com,S={size},W={size}"
    )
    return Message(base, rng.choice(_FLAGS), content, arrived)


def _uidlist(messages: Sequence[Message], rng: random.Random) -> str:
    """Dovecot's list of uids, version 3: uid validity, next uid, mailbox guid."""
    validity = 1_700_000_000 + rng.randrange(10**7)
    lines = [f"3 V{validity} N{len(messages) + 1} G{rng.randrange(16**32):032x}"]
    lines += [f"{uid} :{message.base}" for uid, message in enumerate(messages, start=1)]
    return "\n".join(lines) + "\n"


def _archive_one_as_hard_link(maildir: Path) -> None:
    """What `maildir_copy_with_hardlinks = yes` leaves when a message is copied."""
    original = min((maildir / "cur").iterdir())
    os.link(original, maildir / ".Archive" / "cur" / original.name)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
