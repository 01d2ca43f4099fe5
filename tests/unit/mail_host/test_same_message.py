"""Which messages are the same: the name proposes, the content decides."""

from __future__ import annotations

import errno
import os
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import mail_host
from tests.any_speed import ANY_SPEED
from tests.long import shortened
from tests.mail_host import Finished, MergePlan
from tests.maildirs import Mailstore, deliver, make_folder, names
from tests.unit.mail_host.program import run_merge

UID = 65_536 if os.geteuid() == 0 else None
as_root = pytest.mark.skipif(UID is None, reason="only root can be another user")

NAME, TEXT_A, TEXT_B = "100.M1P1.h", b"text A", b"text B"


@pytest.fixture
def store(tmp_path: Path) -> Mailstore:
    return Mailstore.make(tmp_path)


def plan_for(store: Mailstore, **choices: Any) -> MergePlan:
    where = mail_host.find_recovery(str(store.mount), store.user)
    return mail_host.plan_merge(
        mail_host.survey_trees(where), mail_host.MergeRequest(uid=UID, **choices)
    )


def merged(store: Mailstore, **choices: Any) -> Finished:
    finished = mail_host.merge(plan_for(store, **choices), threads=1)
    assert finished.problems == ()
    return finished


def write(maildir: Path, files: Mapping[str, bytes]) -> None:
    for name, text in files.items():
        (maildir / name).write_bytes(text)


def contents(maildir: Path, folder: str = "") -> Counter[bytes]:
    """How often each text is in a folder."""
    directories = (maildir / folder / place for place in ("cur", "new"))
    return Counter(path.read_bytes() for directory in directories for path in directory.iterdir())


def bases(maildir: Path) -> list[str]:
    """The base names in INBOX, as Dovecot tells messages apart by them."""
    return [name.partition(":")[0] for place in ("cur", "new") for name in names(maildir / place)]


# One name, two messages ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"cur/{NAME}:2,S", f"cur/{NAME}:2,RS"),
        (f"new/{NAME}", f"cur/{NAME}:2,RS"),
        ("cur/:2,S", "cur/:2,RS"),
        (f"cur/{NAME},S=6:2,S", f"cur/{NAME}:2,"),
    ],
)
def test_two_messages_of_one_name_are_both_restored(
    store: Mailstore, first: str, second: str
) -> None:
    write(store.recovered, {first: TEXT_A, second: TEXT_B})
    done = run_merge(store, "--yes", "--cleanup")
    assert done.returncode == mail_host.Exit.DONE, done.stderr
    assert "1 of INBOX have the name of another message" in done.stdout
    assert contents(store.live) == Counter([TEXT_A, TEXT_B])
    assert len(set(bases(store.live))) == 2
    assert not store.recovery.exists()


@pytest.mark.parametrize("live", [TEXT_B, b"", b"text", b"text A and more"])
def test_another_content_in_the_mailbox_is_another_message(store: Mailstore, live: bytes) -> None:
    write(store.recovered, {f"cur/{NAME}:2,FS": TEXT_A})
    write(store.live, {f"cur/{NAME}:2,": live})
    merged(store)
    assert contents(store.live) == Counter([TEXT_A, live])
    assert (store.live / "cur" / f"{NAME}:2,").read_bytes() == live
    restored = next(name for name in names(store.live / "cur") if name != f"{NAME}:2,")
    assert restored.endswith(":2,FS")


def test_a_message_with_a_new_name_is_recognized(store: Mailstore) -> None:
    for _ in range(2):
        write(store.recovered, {f"cur/{NAME}:2,S": TEXT_A, f"cur/{NAME}:2,RS": TEXT_B})
        merged(store)
        assert contents(store.live) == Counter([TEXT_A, TEXT_B])


def test_a_message_with_a_new_name_that_is_linked_already_is_finished(store: Mailstore) -> None:
    write(store.recovered, {f"cur/{NAME}:2,S": TEXT_A})
    write(store.live, {f"cur/{NAME}:2,S": TEXT_B})
    store.own(65_536)
    plan = plan_for(store)
    os.link(store.recovered / "cur" / f"{NAME}:2,S", store.mount / "kept")
    mail_host.merge(plan, threads=1)
    os.link(store.mount / "kept", store.recovered / "cur" / f"{NAME}:2,S")
    assert merged(store).finished == 1
    assert contents(store.live) == Counter([TEXT_A, TEXT_B])
    assert names(store.recovered / "cur") == []


def test_a_message_of_that_name_in_another_folder_was_not_moved_there(store: Mailstore) -> None:
    write(store.recovered, {f"cur/{NAME}:2,S": TEXT_A})
    make_folder(store.live, "Trash")
    write(store.live, {f".Trash/cur/{NAME}:2,S": TEXT_B})
    merged(store)
    assert contents(store.live) == Counter([TEXT_A])


def test_a_keyword_letter_is_translated_with_a_new_name(store: Mailstore) -> None:
    write(store.recovered, {f"cur/{NAME}:2,Sa": TEXT_A})
    (store.recovered / "dovecot-keywords").write_text("0 Work\n")
    write(store.live, {f"cur/{NAME}:2,S": TEXT_B})
    (store.live / "dovecot-keywords").write_text("0 Other\n")
    merged(store)
    assert names(store.live / "cur")[0].endswith(":2,Sb")


def test_more_messages_of_one_name_than_are_compared_are_left(store: Mailstore) -> None:
    flags = [f"{first}{second}" for first in "abcdefgh" for second in "ABCDE"]
    write(store.recovered, {f"cur/{NAME}:2,{flag}": flag.encode() for flag in flags})
    done = run_merge(store, "--yes")
    assert done.returncode == mail_host.Exit.LEFT
    assert "more than 32 have this name" in done.stdout
    together = contents(store.live) + contents(store.recovered)
    assert together == Counter(flag.encode() for flag in flags)


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    """The most bytes of a message that are compared: fewer, because reading them takes time."""
    assert mail_host.MAX_COMPARED == 256 << 20
    monkeypatch.setattr(mail_host, "MAX_COMPARED", 2 << 20)
    return mail_host.MAX_COMPARED


@pytest.mark.parametrize(("beyond", "unknown"), [(0, 0), (2 << 20, 1)])
def test_a_message_too_large_to_be_compared_is_left(
    store: Mailstore, small_limit: int, beyond: int, unknown: int
) -> None:
    for maildir in (store.recovered, store.live):
        with (maildir / "cur" / f"{NAME}:2,S").open("wb") as file:
            file.truncate(small_limit + beyond)
    plan = plan_for(store)
    assert (plan.missing, plan.unknown) == (0, unknown)


def test_a_damaged_copy_is_not_a_copy(store: Mailstore) -> None:
    write(store.recovered, {f"cur/{NAME}:2,S": b"x" * 300})
    write(store.live, {f"cur/{NAME}:2,S": b""})
    done = run_merge(store, "--yes", "--cleanup", "--different", "report")
    assert done.returncode == mail_host.Exit.NOT_CONFIRMED
    assert "1 of INBOX differ from the message of the same name" in done.stdout
    assert f"1 messages of INBOX, which differ from the message of the same name (cur/{NAME}" in (
        done.stderr
    )
    assert contents(store.recovered) == Counter([b"x" * 300])
    done = run_merge(store, "--yes", "--cleanup")
    assert done.returncode == mail_host.Exit.DONE, done.stderr
    assert contents(store.live) == Counter([b"", b"x" * 300])
    assert not store.recovery.exists()


def test_what_dovecots_list_calls_the_same_is_no_copy_for_cleanup(store: Mailstore) -> None:
    write(store.recovered, {f"cur/{NAME}:2,S": TEXT_A})
    write(store.live, {"cur/200.M2P2.h:2,S": TEXT_B})
    (store.live / "dovecot-uidlist").write_text(f"3 V1 N8 G00\n7 G{NAME} :200.M2P2.h:2,S\n")
    done = run_merge(store, "--yes", "--cleanup")
    assert done.returncode == mail_host.Exit.NOT_CONFIRMED
    merged(store, restore_moved=True)
    assert contents(store.live) == Counter([TEXT_A, TEXT_B])


# The fields of a name -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recovered", "live"),
    [
        (NAME, f"{NAME},S=6"),
        (f"{NAME},S=6,W=7", NAME),
        (f"{NAME},U=5", f"{NAME},S=6,U=9"),
    ],
)
def test_fields_that_programs_add_do_not_make_another_message(
    store: Mailstore, recovered: str, live: str
) -> None:
    write(store.recovered, {f"cur/{recovered}:2,S": TEXT_A})
    write(store.live, {f"cur/{live}:2,RS": TEXT_A})
    plan = plan_for(store)
    assert (plan.missing, plan.folders[0].present) == (0, 1)


FIELDS = st.lists(
    st.sampled_from(["S=1", "S=64", "W=66", "U=1", "U=77", f"R={'0' * 32}"]), max_size=3
).map(lambda fields: "".join(f",{field}" for field in fields))
STEMS = st.sampled_from(["", NAME, "100.M1P1.host", "[1]x", "1x", "a,b", "x,FMD5=ab", "x,S=", "é"])


@ANY_SPEED
@given(STEMS, FIELDS, FIELDS, st.sampled_from(["", ":2,", ":2,RS", ":1,x", ":2,S=5"]))
def test_an_identity_is_the_name_without_such_fields(
    stem: str, fields: str, others: str, info: str
) -> None:
    names_of_one = {f"{stem}{fields}{info}", f"{stem}{others}", f"{stem}:2,S"}
    assert {mail_host.identity_of(name) for name in names_of_one} == {stem}
    anew = mail_host.new_name(f"{stem}{fields}{info}", "f" * 32)
    assert mail_host.identity_of(anew) == stem
    assert anew.partition(":")[2] == info.partition(":")[2]


@ANY_SPEED
@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=20))
def test_any_other_name_is_its_own_identity(name: str) -> None:
    base = name.partition(":")[0]
    if not mail_host.SIZE_FIELDS.search(base):
        assert mail_host.identity_of(name) == base


# Any mailbox ----------------------------------------------------------------------------

FILES = st.dictionaries(
    st.builds(
        "{}{}".format,
        st.sampled_from(["cur/", ".Work/cur/"]),
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["", "1", "1,S=1", "1,W=9,S=3", "10", "[1]", "2,U=3"]),
            st.just(":2,"),
            st.sampled_from(["", "S", "RS", "F"]),
        ),
    )
    | st.builds("{}{}".format, st.sampled_from(["new/", ".Work/new/"]), st.sampled_from("12")),
    st.sampled_from([b"", b"A", b"B", b"AB"]),
    max_size=8,
)


@settings(ANY_SPEED, max_examples=shortened(300))
@given(FILES, FILES)
def test_no_content_is_lost_and_nothing_that_was_there_changes(
    recovered: dict[str, bytes], live: dict[str, bytes]
) -> None:
    with tempfile.TemporaryDirectory() as mount:
        store = Mailstore.make(Path(mount))
        for maildir, files in ((store.recovered, recovered), (store.live, live)):
            make_folder(maildir, "Work")
            write(maildir, files)
        merged(store, restore_moved=True)
        for folder in ("", ".Work"):
            had = {p: t for p, t in live.items() if p.startswith(".Work") == bool(folder)}
            got = {p: t for p, t in recovered.items() if p.startswith(".Work") == bool(folder)}
            for path, text in had.items():
                assert (store.live / path).read_bytes() == text
            after = contents(store.live, folder)
            # Each message once: what the name and the content say together.
            messages_had = {(identity(path), text) for path, text in had.items()}
            new = {(identity(path), text) for path, text in got.items()} - messages_had
            assert after == Counter(had.values()) + Counter(text for _, text in new)
            # No two messages of ours have one base name.
            restored = set(files_of(store.live, folder)) - {Path(path).name for path in had}
            all_bases = [name.partition(":")[0] for name in files_of(store.live, folder)]
            for name in restored:
                assert all_bases.count(name.partition(":")[0]) == 1
        assert plan_for(store).missing == 0
        done = mail_host.plan_cleanup(mail_host.find_recovery(mount, store.user))
        assert done.unmerged == ()


def identity(path: str) -> str:
    """The example's names without their fields, by hand."""
    return Path(path).name.partition(":")[0].partition(",")[0] or "(empty)"


def files_of(maildir: Path, folder: str) -> list[str]:
    return [*names(maildir / folder / "cur"), *names(maildir / folder / "new")]


# Dovecot's files ------------------------------------------------------------------------


def test_the_quota_is_recalculated(store: Mailstore) -> None:
    deliver(store.recovered, [0])
    (store.live / "maildirsize").write_text("1000S\n64 1\n")
    merged(store)
    assert not (store.live / "maildirsize").exists()


def test_a_list_of_dovecots_that_is_no_list_is_not_read_to_its_end(
    store: Mailstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (store.live / "dovecot-uidlist").open("wb") as file:
        file.truncate(8 << 30)
    read: list[int] = []
    real = os.fdopen

    class Counting:
        def __init__(self, file: Any) -> None:
            self._file = file

        def __enter__(self) -> Counting:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def fileno(self) -> int:
            return int(self._file.fileno())

        def read(self, size: int) -> bytes:
            read.append(size)
            return bytes(self._file.read(size))

    monkeypatch.setattr(os, "fdopen", lambda *given: Counting(real(*given)))
    plan_for(store)
    assert sum(read) < 16 << 20


def test_failed_restores_are_mentioned(store: Mailstore) -> None:
    for name in ("aws-backup-failed-restore_2026-09-06T00-03-13-832Z", "aws-backup-lost+found_1"):
        (store.mount / name).mkdir()
        assert f"{name} exists: AWS Backup could not restore everything." in str(plan_for(store))


def test_the_digest_ends_at_the_limit(tmp_path: Path, small_limit: int) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(small_limit)
    with path.open("rb") as file:
        assert len(mail_host.digest_of(file.fileno())) == 32
    with path.open("ab") as file:
        file.write(b"x")
    with path.open("rb") as file, pytest.raises(OSError, match="too large") as caught:
        mail_host.digest_of(file.fileno())
    assert caught.value.errno == errno.EFBIG


def test_a_comparison_does_not_change_the_access_time(store: Mailstore) -> None:
    paths = [*deliver(store.recovered, range(3)), *deliver(store.live, range(3))]
    before = [path.stat().st_atime_ns for path in paths]
    assert sum(folder.present for folder in plan_for(store).folders) == 3
    assert [path.stat().st_atime_ns for path in paths] == before


@as_root
def test_a_file_of_another_user_is_compared(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).write_text("the same")
    tmp_path.chmod(0o755)
    directory = os.open(tmp_path, os.O_RDONLY)
    os.seteuid(65_536)
    try:
        assert mail_host.same_content("first", directory, "second", directory) is True
    finally:
        os.seteuid(0)
        os.close(directory)
