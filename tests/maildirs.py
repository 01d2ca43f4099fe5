"""Maildir++ trees, as Dovecot leaves them and AWS Backup brings them back."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

RECOVERY = "aws-backup-restore_2026-09-06T00-03-13-832Z"

FIRST_DELIVERY = 1_750_000_000
"""When message 0 was delivered; each later one came a minute after the one before."""

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600


def base(number: int) -> str:
    """The base name of a message: its number is all that tells it from the others."""
    arrived = FIRST_DELIVERY + 60 * number
    return f"{arrived}.M{number % 1_000_000:06d}P{number}.imap-1.example.com,S=64,W=66"


def content(number: int) -> bytes:
    """What a message says; 64 bytes."""
    return f"From: a@example.com\nSubject: {number:<36}\n\n".encode()


def make_folder(maildir: Path, folder: str = "INBOX") -> Path:
    """An empty folder, named as a mail client shows it; its directory."""
    directory = maildir if folder == "INBOX" else maildir / f".{folder}"
    if not directory.exists():
        directory.mkdir(mode=DIRECTORY_MODE)
        for place in ("cur", "new", "tmp"):
            (directory / place).mkdir(mode=DIRECTORY_MODE)
        if folder != "INBOX":
            (directory / "maildirfolder").touch(mode=FILE_MODE)
    return directory


def deliver(
    maildir: Path,
    numbers: range | list[int],
    *,
    folder: str = "INBOX",
    flags: str | None = "S",
    size: int = 0,
) -> list[Path]:
    """Messages in `cur` with these flags, or in `new` with None; their files.

    Each has `size` bytes, or its mere `content` if that is longer.
    """
    directory = make_folder(maildir, folder) / ("new" if flags is None else "cur")
    suffix = "" if flags is None else f":2,{flags}"
    written = []
    for number in numbers:
        path = directory / f"{base(number)}{suffix}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        os.write(descriptor, content(number).ljust(size, b"x"))
        arrived = FIRST_DELIVERY + 60 * number
        os.utime(descriptor, (arrived, arrived))
        os.close(descriptor)
        written.append(path)
    return written


@dataclass(frozen=True)
class Mailstore:
    """A file system with one user's home, and that home as a restore brought it back."""

    mount: Path
    user: str

    @classmethod
    def make(cls, mount: Path, user: str = "alice") -> Mailstore:
        """Both homes with an empty Maildir."""
        store = cls(mount, user)
        for maildir in (store.live, store.recovered):
            maildir.parent.mkdir(parents=True, mode=DIRECTORY_MODE)
            make_folder(maildir)
        return store

    @property
    def home(self) -> Path:
        """The user's home today."""
        return self.mount / self.user

    @property
    def live(self) -> Path:
        """The user's Maildir today."""
        return self.home / "Maildir"

    @property
    def recovery(self) -> Path:
        """The recovery directory."""
        return self.mount / RECOVERY

    @property
    def recovered(self) -> Path:
        """The user's Maildir in the recovery directory."""
        return self.recovery / self.user / "Maildir"

    def own(self, uid: int) -> None:
        """Give both homes to a user, where this process may."""
        if os.geteuid() == 0:
            for top in (self.home, self.recovery / self.user):
                for path in (top, *top.rglob("*")):
                    os.chown(path, uid, uid, follow_symlinks=False)


def messages(maildir: Path) -> Counter[tuple[str, str]]:
    """How often each message is in each folder: (folder, base name)."""
    found: Counter[tuple[str, str]] = Counter()
    for directory in (maildir, *maildir.glob(".*")):
        folder = "INBOX" if directory == maildir else directory.name[1:]
        for place in ("cur", "new"):
            if (directory / place).is_dir():
                for name in names(directory / place):
                    found[folder, name.partition(":")[0]] += 1
    return found


def names(directory: Path) -> list[str]:
    """What is in a directory, sorted."""
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def inbox(numbers: range | list[int]) -> Counter[tuple[str, str]]:
    """What `messages` says of a Maildir with these messages in INBOX, once each."""
    return Counter(("INBOX", base(number)) for number in numbers)
