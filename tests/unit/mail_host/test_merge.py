"""Messages come back into a mailbox: which, where, as what (S21)."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests import mail_host
from tests.mail_host import Finished, MergePlan, Progress, Refused
from tests.maildirs import (
    FIRST_DELIVERY,
    RECOVERY,
    Mailstore,
    base,
    content,
    deliver,
    inbox,
    make_folder,
    messages,
    names,
)
from tests.unit.mail_host.program import run_merge

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")


@pytest.fixture
def store(tmp_path: Path) -> Mailstore:
    return Mailstore.make(tmp_path)


def plan_for(store: Mailstore, **choices: Any) -> MergePlan:
    where = mail_host.find_recovery(str(store.mount), store.user)
    uid = choices.pop("uid", 65_536 if os.geteuid() == 0 else None)
    return mail_host.plan_merge(
        mail_host.survey_trees(where), mail_host.MergeRequest(uid=uid, **choices)
    )


def merged(store: Mailstore, **choices: Any) -> Finished:
    return mail_host.merge(plan_for(store, **choices))


def test_missing_messages_are_restored_to_their_folders(store: Mailstore) -> None:
    deliver(store.recovered, range(5), flags="FS")
    deliver(store.recovered, range(5, 8), flags=None)
    deliver(store.recovered, range(8, 10), folder="Archive.2026", flags="")
    make_folder(store.live, "Archive.2026")
    finished = merged(store)
    assert finished.restored == 10
    assert finished.problems == ()
    assert names(store.live / "cur") == [f"{base(n)}:2,FS" for n in range(5)]
    assert names(store.live / "new") == [base(n) for n in range(5, 8)]
    assert names(store.live / ".Archive.2026" / "cur") == [f"{base(n)}:2," for n in (8, 9)]
    assert messages(store.recovered) == Counter()


def test_content_and_date_are_restored(store: Mailstore) -> None:
    deliver(store.recovered, [7])
    merged(store)
    restored = store.live / "cur" / f"{base(7)}:2,S"
    assert restored.read_bytes() == content(7)
    assert restored.stat().st_mtime == FIRST_DELIVERY + 7 * 60


def test_a_message_that_is_there_in_any_flag_state_is_left_alone(store: Mailstore) -> None:
    deliver(store.recovered, range(3), flags="")
    (here,) = deliver(store.live, [0], flags="RST")
    deliver(store.live, [1], flags=None)
    before = here.stat()
    plan = plan_for(store)
    assert (plan.missing, plan.folders[0].present) == (1, 2)
    merged(store)
    assert messages(store.live) == inbox(range(3))
    assert (here.stat().st_ino, here.stat().st_ctime_ns) == (before.st_ino, before.st_ctime_ns)
    assert messages(store.recovered) == inbox(range(2))


def test_the_plan_changes_nothing(store: Mailstore) -> None:
    deliver(store.recovered, range(3), folder="Lost")
    before = sorted(store.mount.rglob("*")), store.recovery.stat()
    assert "3" in str(plan_for(store))
    assert (sorted(store.mount.rglob("*")), store.recovery.stat()) == before


def test_a_message_in_another_folder_today_is_reported(store: Mailstore) -> None:
    deliver(store.recovered, range(4))
    deliver(store.live, [0, 1], folder="Trash")
    plan = plan_for(store)
    assert plan.folders[0].moved == (("Trash", 2),)
    assert "2 of INBOX are in Trash today: left there." in str(plan)
    merged(store)
    assert messages(store.live) == inbox([2, 3]) + Counter({("Trash", base(n)): 1 for n in (0, 1)})


def test_a_moved_message_is_restored_on_request(store: Mailstore) -> None:
    deliver(store.recovered, range(2))
    deliver(store.live, [0], folder="Trash")
    assert merged(store, restore_moved=True).restored == 2
    assert messages(store.live) == inbox(range(2)) + Counter({("Trash", base(0)): 1})


def test_a_lost_copy_is_not_taken_for_moved(store: Mailstore) -> None:
    deliver(store.recovered, [0])
    deliver(store.recovered, [0], folder="Archive")
    deliver(store.live, [0], folder="Archive")
    assert merged(store).restored == 1
    assert messages(store.live) == inbox([0]) + Counter({("Archive", base(0)): 1})


def test_a_copy_restored_by_an_earlier_run_is_not_taken_for_moved(store: Mailstore) -> None:
    deliver(store.recovered, [0])
    deliver(store.recovered, [0], folder="Archive")
    for directory in (store.recovered, store.recovered / ".Archive"):
        (directory / "dovecot-uidlist").write_text(f"3 V1 N2 G00\n1 :{base(0)}:2,S\n")
    assert merged(store, folders=["INBOX"]).restored == 1
    assert merged(store).restored == 1
    assert messages(store.live) == inbox([0]) + Counter({("Archive", base(0)): 1})


def test_a_message_moved_away_and_back_is_known_by_its_guid(store: Mailstore) -> None:
    deliver(store.recovered, [0])
    deliver(store.live, [1])
    (store.live / "dovecot-uidlist").write_text(
        f"3 V1 N8 G00\n1 :{base(5)}:2,\n7 G{base(0)} :{base(1)}:2,S\n"
    )
    plan = plan_for(store)
    assert (plan.missing, plan.folders[0].present) == (0, 1)


def test_a_message_the_backup_saw_twice_comes_back_once(store: Mailstore) -> None:
    deliver(store.recovered, [0], flags=None)
    deliver(store.recovered, [0], flags="S")
    assert merged(store).restored == 1
    assert names(store.live / "cur") == [f"{base(0)}:2,S"]
    assert names(store.live / "new") == []


def test_folders_and_dates_choose(store: Mailstore) -> None:
    deliver(store.recovered, range(10), folder="Sent")
    deliver(store.recovered, range(10, 12))
    first = datetime.fromtimestamp(FIRST_DELIVERY + 3 * 60, UTC)
    end = datetime.fromtimestamp(FIRST_DELIVERY + 5 * 60, UTC)
    plan = plan_for(store, folders=["Sent"], since=first, before=end)
    (sent,) = plan.folders
    assert (sent.missing, sent.filtered) == (2, 8)
    merged(store, folders=["Sent"], since=first, before=end)
    assert messages(store.live) == Counter({("Sent", base(n)): 1 for n in (3, 4)})


def test_a_folder_can_be_named_as_a_mail_client_shows_it(store: Mailstore) -> None:
    deliver(store.recovered, [0], folder="Entw&APw-rfe.2026")
    (plan,) = plan_for(store, folders=["Entwürfe/2026"]).folders
    assert (plan.name, plan.missing) == ("Entwürfe.2026", 1)


def test_a_folder_that_was_not_restored_is_refused(store: Mailstore) -> None:
    deliver(store.recovered, [0], folder="Sent")
    with pytest.raises(Refused, match=r"no folder 'Snet'. It has: INBOX, Sent"):
        plan_for(store, folders=["Snet"])


@pytest.mark.parametrize("version", ["V\t2\n\n", ""])
def test_a_deleted_folder_is_created_and_subscribed(store: Mailstore, version: str) -> None:
    separator = "\t" if version else "."
    deliver(store.recovered, [0], folder="Work.2026")
    deliver(store.recovered, [1], folder="Unsubscribed")
    was = f"{version}Sent\nWork{separator}2026\n"
    (store.recovered / "subscriptions").write_text(was)
    (store.live / "subscriptions").write_text(f"{version}Sent\n")
    merged(store)
    assert names(store.live / ".Work.2026") == ["cur", "maildirfolder", "new", "tmp"]
    assert (store.live / "subscriptions").read_text() == was
    assert messages(store.live) == messages_of([("Work.2026", 0), ("Unsubscribed", 1)])


def messages_of(where: list[tuple[str, int]]) -> Counter[tuple[str, str]]:
    return Counter((folder, base(number)) for folder, number in where)


def test_a_folder_is_subscribed_before_it_is_there(store: Mailstore) -> None:
    # A run killed in between would otherwise leave it unsubscribed for ever.
    deliver(store.recovered, [0], folder="Lost")
    (store.recovered / "subscriptions").write_text("V\t2\n\nLost\n")
    plan = plan_for(store)
    (store.live / ".Lost").write_text("in the way: the folder cannot be made")
    finished = mail_host.merge(plan)
    assert finished.problems
    assert (store.live / "subscriptions").read_text() == "V\t2\n\nLost\n"


def test_a_renamed_folder_is_not_made_again(store: Mailstore) -> None:
    deliver(store.recovered, [0], folder="Old")
    deliver(store.live, [0], folder="New")
    merged(store)
    assert not (store.live / ".Old").exists()


def test_indexes_and_tmp_are_never_copied(store: Mailstore) -> None:
    deliver(store.recovered, [0], folder="Lost")
    for name in ("dovecot-uidlist", "dovecot.index", "dovecot.index.log", "tmp/half"):
        (store.recovered / ".Lost" / name).write_text("old")
    merged(store)
    assert names(store.live / ".Lost") == ["cur", "maildirfolder", "new", "tmp"]
    assert names(store.live / ".Lost" / "tmp") == []


def test_keyword_letters_are_translated_by_name(store: Mailstore) -> None:
    deliver(store.recovered, [0], flags="Sab")
    deliver(store.recovered, [1], flags="c")
    (store.recovered / "dovecot-keywords").write_text("0 Work\n1 $Forwarded\n2 Later\n")
    (store.live / "dovecot-keywords").write_text("0 Other\n1 work\n3 $Forwarded\n")
    finished = merged(store)
    assert finished.problems == ()
    assert names(store.live / "cur") == [f"{base(0)}:2,Sbd", f"{base(1)}:2,c"]
    keywords = (store.live / "dovecot-keywords").read_text()
    assert keywords == "0 Other\n1 work\n2 Later\n3 $Forwarded\n"
    assert names(store.live) == ["cur", "dovecot-keywords", "new", "tmp"]


def test_a_list_that_grows_gets_a_later_mtime(store: Mailstore) -> None:
    # Dovecot reads it again only when the mtime, in seconds, has changed.
    deliver(store.recovered, [0], flags="a")
    (store.recovered / "dovecot-keywords").write_text("0 Work\n")
    keywords = store.live / "dovecot-keywords"
    keywords.write_text("0 Other\n")
    ahead = int(keywords.stat().st_mtime) + 50
    os.utime(keywords, (ahead, ahead))
    merged(store)
    assert keywords.read_text() == "0 Other\n1 Work\n"
    assert keywords.stat().st_mtime == ahead + 1


def test_keywords_are_restored_with_a_recreated_folder(store: Mailstore) -> None:
    deliver(store.recovered, [0], folder="Lost", flags="b")
    (store.recovered / ".Lost" / "dovecot-keywords").write_text("0 Work\n1 Later\n")
    merged(store)
    assert names(store.live / ".Lost" / "cur") == [f"{base(0)}:2,b"]
    assert (store.live / ".Lost" / "dovecot-keywords").read_text() == "1 Later\n"


def test_a_letter_without_a_name_is_dropped_and_reported(store: Mailstore) -> None:
    deliver(store.recovered, [0], flags="Sz")
    (store.live / "dovecot-keywords").write_text("25 Other\n")
    assert "keywords z" in str(plan_for(store))
    (problem,) = merged(store).problems
    assert problem.examples == ("letter z",)
    assert names(store.live / "cur") == [f"{base(0)}:2,S"]


def test_a_full_list_of_keywords_is_reported(store: Mailstore) -> None:
    deliver(store.recovered, [0], flags="Sa")
    (store.recovered / "dovecot-keywords").write_text("0 Work\n")
    full = "".join(f"{number} keyword{number}\n" for number in range(26))
    (store.live / "dovecot-keywords").write_text(full)
    (problem,) = merged(store).problems
    assert "keyword" in problem.reason
    assert names(store.live / "cur") == [f"{base(0)}:2,S"]
    assert (store.live / "dovecot-keywords").read_text() == full


def test_hard_links_survive(store: Mailstore) -> None:
    (first,) = deliver(store.recovered, [0])
    make_folder(store.recovered, "Archive")
    os.link(first, store.recovered / ".Archive" / "cur" / first.name)
    store.own(70_000)  # as whom they are given to 65536
    assert merged(store).problems == ()
    one, other = (store.live / d / "cur" / first.name for d in (".", ".Archive"))
    assert one.stat().st_ino == other.stat().st_ino
    assert one.stat().st_nlink == 2


@pytest.mark.parametrize(
    "name",
    [b"plain", b"with space:2,S", b"new\nline:2,S", b"-rf", b"\xff\xfe:2,", b"a:b:2,S", b"\\:2,F"],
)
def test_odd_names_survive(store: Mailstore, name: bytes) -> None:
    (store.recovered / "cur" / os.fsdecode(name)).write_text("odd")
    assert merged(store).restored == 1
    assert [os.fsencode(found) for found in names(store.live / "cur")] == [name]


def test_a_run_stopped_between_link_and_unlink_is_finished(store: Mailstore) -> None:
    (was,) = deliver(store.recovered, [0])
    os.link(was, store.live / "cur" / f"{base(0)}:2,RS")  # Dovecot has seen it since
    assert merged(store).finished == 1
    assert names(store.live / "cur") == [f"{base(0)}:2,RS"]
    assert messages(store.recovered) == Counter()


def test_a_second_run_has_nothing_to_do(store: Mailstore) -> None:
    deliver(store.recovered, range(3), folder="Lost", flags="a")
    (store.recovered / ".Lost" / "dovecot-keywords").write_text("0 Work\n")
    merged(store)
    assert not plan_for(store).changes


def test_many_threads_do_what_one_does(store: Mailstore) -> None:
    deliver(store.recovered, range(1200))
    deliver(store.recovered, range(1200, 1800), folder="Archive")
    finished = mail_host.merge(plan_for(store), threads=16)
    assert finished.restored == 1800
    assert sum(messages(store.live).values()) == 1800


def test_messages_that_change_their_flags_meanwhile_are_not_missed(store: Mailstore) -> None:
    # A directory being read may not show a file that is renamed just then.
    deliver(store.recovered, range(1500))
    here = deliver(store.live, range(1500), flags="")
    enough = threading.Event()

    def change_flags() -> None:
        suffixes = ["", "S"]
        while not enough.is_set():
            for path in here:
                name = path.name
                path.with_name(name + suffixes[0]).rename(path.with_name(name + suffixes[1]))
            suffixes.reverse()

    busy = threading.Thread(target=change_flags)
    busy.start()
    try:
        missing = [plan_for(store).missing for _ in range(3)]
    finally:
        enough.set()
        busy.join()
    assert missing == [0] * 3


@as_root
def test_owner_and_modes_are_set(store: Mailstore) -> None:
    for path in deliver(store.recovered, range(2), folder="Lost"):
        os.chown(path, 1000, 1000)
        path.chmod(0o644)
    os.chown(store.home, 70_000, 70_001)
    os.chown(store.live, 70_000, 70_001)
    merged(store, uid=None)
    for path in (store.live / ".Lost").rglob("*"):
        status = path.stat()
        assert (status.st_uid, status.st_gid) == (70_000, 70_001)
        assert status.st_mode & 0o7777 == (0o700 if path.is_dir() else 0o600)


@as_root
def test_a_deleted_home_is_created_for_a_uid(store: Mailstore) -> None:
    deliver(store.recovered, [0])
    subprocess.run(["rm", "-r", str(store.home)], check=True)
    with pytest.raises(Refused, match="--uid"):
        plan_for(store, uid=None)
    assert merged(store, uid=70_000).restored == 1
    assert messages(store.live) == inbox([0])
    for path in (store.home, *store.home.rglob("*")):
        assert path.stat().st_uid == 70_000


@as_root
def test_a_home_of_roots_is_refused(store: Mailstore) -> None:
    deliver(store.recovered, [0])
    with pytest.raises(Refused, match="belongs to root"):
        plan_for(store, uid=None)


def test_a_second_merge_at_the_same_time_is_refused(store: Mailstore) -> None:
    deliver(store.recovered, range(600))

    def merge_too(_: Progress) -> None:
        with pytest.raises(Refused, match="Another merge of alice"):
            merged(store)

    assert mail_host.merge(plan_for(store), merge_too, threads=1).restored == 600


@pytest.mark.parametrize(
    "user", ["", ".", "..", "../bob", "a/b", "a\0b", "a\nb", "-rf", "smtp-queue", RECOVERY]
)
def test_what_is_no_user_is_refused(store: Mailstore, user: str) -> None:
    with pytest.raises(Refused, match="not a user name"):
        mail_host.find_recovery(str(store.mount), user)


@pytest.mark.parametrize("name", ["..", "alice", f"{RECOVERY}/..", f"{RECOVERY}\n"])
def test_what_is_no_recovery_directory_is_refused(store: Mailstore, name: str) -> None:
    with pytest.raises(Refused, match="not the name of a recovery directory"):
        mail_host.find_recovery(str(store.mount), "alice", name)


def test_no_restore_and_two_restores_are_refused(store: Mailstore) -> None:
    with pytest.raises(Refused, match=r"No recovery directory under .* contains bob"):
        mail_host.find_recovery(str(store.mount), "bob")
    other = "aws-backup-restore_2026-09-07T00-00-00-000Z"
    (store.mount / other / "alice" / "Maildir").mkdir(parents=True)
    with pytest.raises(Refused, match="More than one restore holds alice"):
        mail_host.find_recovery(str(store.mount), "alice")
    assert mail_host.find_recovery(str(store.mount), "alice", other).recovery == other


# The program ---------------------------------------------------------------------------


def test_the_program_asks_before_it_does_anything(store: Mailstore) -> None:
    deliver(store.recovered, range(3))
    done = run_merge(store, said="no\n")
    assert done.returncode == mail_host.Exit.NOT_CONFIRMED
    assert messages(store.live) == Counter()
    done = run_merge(store, said="yes\n")
    assert done.returncode == mail_host.Exit.DONE
    assert "Restored 3 messages." in done.stderr
    assert messages(store.live) == inbox(range(3))


def test_a_dry_run_changes_nothing(store: Mailstore) -> None:
    deliver(store.recovered, range(3))
    done = run_merge(store, "--dry-run")
    assert done.returncode == mail_host.Exit.DONE
    assert "Restore 3 messages of alice" in done.stdout
    assert messages(store.recovered) == inbox(range(3))


def test_a_refusal_is_one_clear_line(store: Mailstore) -> None:
    done = run_merge(store, "--folder", "Nope", "--yes")
    assert done.returncode == mail_host.Exit.REFUSED
    assert done.stderr.startswith("Refused. The restore has no folder 'Nope'.")
    assert "Traceback" not in done.stderr


def test_cleanup_removes_a_recovery_that_is_merged(store: Mailstore) -> None:
    deliver(store.recovered, range(3))
    deliver(store.live, [0], flags="R")
    (store.recovered / "dovecot.index").write_text("old")
    done = run_merge(store, "--yes", "--cleanup")
    assert done.returncode == mail_host.Exit.DONE
    assert names(store.mount) == ["alice"]
    assert messages(store.live) == inbox(range(3))


def test_cleanup_of_what_is_not_merged_wants_its_name_typed(store: Mailstore) -> None:
    deliver(store.recovered, range(3))
    deliver(store.recovered, [9], folder="Sent")
    done = run_merge(store, "--yes", "--cleanup", "--folder", "INBOX")
    assert done.returncode == mail_host.Exit.NOT_CONFIRMED
    assert "1 messages of Sent" in done.stderr
    assert store.recovery.exists()
    done = run_merge(store, "--yes", "--cleanup", "--folder", "INBOX", said=f"{RECOVERY}\n")
    assert done.returncode == mail_host.Exit.DONE
    assert not store.recovery.exists()


def test_cleanup_leaves_other_users_restores(store: Mailstore) -> None:
    deliver(store.recovered, range(3))
    bob = store.recovery / "bob" / "Maildir"
    bob.parent.mkdir()
    deliver(bob, [1])
    assert run_merge(store, "--yes", "--cleanup").returncode == mail_host.Exit.DONE
    assert names(store.recovery) == ["bob"]
    assert messages(bob) == inbox([1])


def test_cleanup_counts_what_is_not_mail(store: Mailstore) -> None:
    (store.recovery / "alice" / ".dovecot.sieve").write_text("keep;")
    (store.home / ".dovecot.sieve").write_text("discard;")
    done = run_merge(store, "--yes", "--cleanup")
    assert done.returncode == mail_host.Exit.NOT_CONFIRMED
    assert ".dovecot.sieve" in done.stderr


def test_the_program_prints_json(store: Mailstore) -> None:
    deliver(store.recovered, range(3))
    done = run_merge(store, "--yes", "--json")
    report = json.loads(done.stdout)
    assert report["plan"]["restore"] == 3
    assert report["result"]["restored"] == 3
