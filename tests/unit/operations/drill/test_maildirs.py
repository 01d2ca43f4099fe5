"""Restored mail beside today's, message by message."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cabal_backup.operations.drill import maildirs
from cabal_backup.operations.drill.maildirs import Difference
from tests.maildirs import deliver, make_folder

LATER = datetime.now(UTC) + timedelta(days=1)
"""A backup after every file of these tests."""
EARLIER = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def restored(tmp_path: Path) -> Path:
    (tmp_path / "restored").mkdir()
    make_folder(tmp_path / "restored")
    return maildir(tmp_path / "restored")


@pytest.fixture
def live(tmp_path: Path) -> Path:
    return maildir(tmp_path / "live")


def maildir(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    for place in ("cur", "new", "tmp"):
        (path / place).mkdir(exist_ok=True)
    return path


def difference(restored: Path, live: Path, taken: datetime = LATER) -> Difference:
    return maildirs.compare(maildirs.messages(restored), maildirs.messages(live), taken)


def failed(found: Difference) -> set[str]:
    return {check.name for check in maildirs.about(found) if not check.passed}


def test_the_same_mail_in_other_places_and_with_other_flags(restored: Path, live: Path) -> None:
    deliver(restored, range(10), flags="S")
    deliver(restored, range(10, 15), flags=None)
    deliver(restored, range(15, 20), folder="Archive")
    deliver(live, range(15), flags="RS")  # read since
    deliver(live, range(15, 20), folder="Elsewhere")  # moved since

    found = difference(restored, live)

    assert found == Difference(restored=20, live=20, identical=20, differing=0, missing=0, older=20)
    assert failed(found) == set()


def test_deleted_since_is_no_loss(restored: Path, live: Path) -> None:
    deliver(restored, range(10))
    deliver(live, range(5))
    assert failed(difference(restored, live)) == set()


def test_delivered_since_is_not_missed(restored: Path, live: Path) -> None:
    deliver(restored, range(5))
    deliver(live, range(10))
    assert failed(difference(restored, live, EARLIER)) == set()


def test_one_that_was_there_before_the_backup_is_missed(restored: Path, live: Path) -> None:
    deliver(restored, range(9))
    deliver(live, range(10))
    found = difference(restored, live)
    assert (found.missing, failed(found)) == (1, {"complete"})


def test_one_byte_is_enough(restored: Path, live: Path) -> None:
    (message, *_) = deliver(restored, range(10))
    deliver(live, range(10))
    content = message.read_bytes()
    message.write_bytes(content[:-1] + b"x")
    found = difference(restored, live)
    assert (found.identical, found.differing, failed(found)) == (9, 1, {"content"})


def test_nothing_restored_or_nothing_in_common_shows_nothing(restored: Path, live: Path) -> None:
    deliver(live, range(10))
    assert failed(difference(restored, live, EARLIER)) == {"not empty", "content"}
    deliver(restored, range(20, 25))
    assert failed(difference(restored, live, EARLIER)) == {"content"}


def test_only_messages_count_and_no_link_is_followed(
    restored: Path, live: Path, tmp_path: Path
) -> None:
    deliver(restored, range(3))
    deliver(live, range(3))
    (restored / "dovecot.index").write_text("x")
    (restored / "tmp" / "half").write_text("x")
    (restored / "cur" / ".hidden").write_text("x")
    (restored / "cur" / "a.directory").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "1.secret").write_text("x")
    (restored / "cur" / "1.link").symlink_to(tmp_path / "secret" / "1.secret")
    (restored / ".Linked").mkdir()
    (restored / ".Linked" / "cur").symlink_to(tmp_path / "secret")
    (restored / ".Away").symlink_to(tmp_path / "secret")
    os.mkfifo(restored / "cur" / "1.pipe")
    assert difference(restored, live).restored == 3


def test_the_owner_and_the_merge(restored: Path, live: Path) -> None:
    deliver(restored, range(3))
    ours = maildirs.messages(restored)
    assert maildirs.about_owner(ours, os.geteuid()).passed
    assert not maildirs.about_owner(ours, os.geteuid() + 1).passed

    deliver(live, range(2))
    assert not maildirs.about_merge(
        maildirs.digests(ours), maildirs.messages(live), os.geteuid()
    ).passed
    deliver(live, [2])
    assert maildirs.about_merge(
        maildirs.digests(ours), maildirs.messages(live), os.geteuid()
    ).passed
    assert not maildirs.about_merge(
        maildirs.digests(ours), maildirs.messages(live), os.geteuid() + 1
    ).passed
    deliver(live, [3])
    assert not maildirs.about_merge(
        maildirs.digests(ours), maildirs.messages(live), os.geteuid()
    ).passed


def test_a_merge_that_changes_a_message_fails(restored: Path, live: Path) -> None:
    deliver(restored, range(3))
    deliver(live, range(3))
    before = maildirs.digests(maildirs.messages(restored))
    changed = next(iter(maildirs.messages(live).values())).path
    changed.write_bytes(changed.read_bytes() + b"x")

    found = maildirs.about_merge(before, maildirs.messages(live), os.geteuid())

    assert not found.passed
    assert "1 with another content" in found.evidence
