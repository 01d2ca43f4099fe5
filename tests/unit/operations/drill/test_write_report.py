"""What a report says, and what it never says."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cabal_backup.errors import UsageError
from cabal_backup.operations.drill import write_report
from cabal_backup.operations.drill.record import Check, PointUsed, Record, Step
from cabal_backup.operations.drill.write_report import Content, Redaction
from tests.builders import ACCOUNT, OTHER_ACCOUNT

BEGAN = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)


def a_record(**changes: object) -> Record:
    """A drill that passed, five minutes after it began."""
    record = Record(
        kind="addresses",
        environment="development",
        started=BEGAN,
        began=BEGAN,
        verified=BEGAN + timedelta(seconds=300),
        ended=BEGAN + timedelta(seconds=310),
        point=PointUsed("1EB3B5E7", BEGAN - timedelta(hours=12), 1000),
        steps=[Step("restore", 280.0), Step("compare", 20.0)],
        checks=[Check("count", True, "100 restored, 100 live")],
    )
    for name, value in changes.items():
        setattr(record, name, value)
    return record


def test_passed() -> None:
    said: Any = write_report.as_json(a_record())
    assert (said["verdict"], said["reasons"]) == ("passed", [])
    assert said["recovery_seconds"] == 300
    assert said["recovery_point"]["age_seconds"] == 12 * 3600
    assert json.loads(json.dumps(said)) == said
    text = write_report.as_markdown(a_record())
    assert text.startswith("# Drill: addresses in development, 2026-11-22\n\n**PASSED**\n")
    assert "| recovery time, start to verified | 5 minutes |" in text
    assert "| its age at the start | 12 hours |" in text
    assert "| count | passed | 100 restored, 100 live |" in text
    assert "Left over" not in text


@pytest.mark.parametrize(
    ("changes", "verdict", "reason"),
    [
        ({"checks": [Check("count", False, "1 of 100")]}, "failed", "count: 1 of 100"),
        ({"problems": ["AWS says no."], "verified": None}, "failed", "AWS says no."),
        ({"left_over": ["table x: denied"]}, "failed", "left over: table x: denied"),
        ({"interrupted": True, "verified": None}, "interrupted", "interrupted before its end"),
        # It came to no end and nothing is known to be wrong: that is not enough.
        ({"verified": None}, "failed", None),
        ({"checks": []}, "failed", None),
    ],
)
def test_not_passed(changes: dict[str, object], verdict: str, reason: str | None) -> None:
    said = write_report.as_json(a_record(**changes))
    assert said["verdict"] == verdict
    assert said["reasons"] == ([] if reason is None else [reason])
    assert f"**{verdict.upper()}**" in write_report.as_markdown(a_record(**changes))
    assert write_report.headline(a_record(**changes)).startswith(f"{verdict.upper()}: ")


def test_what_stays_and_what_was_cleared_is_said() -> None:
    text = write_report.as_markdown(
        a_record(stays=["a point until 2026-12-21"], cleared=["table t"], not_verified=["content"])
    )
    assert "Stays on purpose:\n\n- a point until 2026-12-21" in text
    assert "Left by an earlier drill, and removed:\n\n- table t" in text
    assert "Not verified:\n\n- content" in text


def test_a_summary_is_as_good_as_the_worst() -> None:
    failed = a_record(kind="mailbox", problems=["no"], verified=None)
    said: Any = write_report.summary_json([a_record(), failed])
    assert said["verdict"] == "failed"
    assert [each["verdict"] for each in said["drills"]] == ["passed", "failed"]
    text = write_report.summary_markdown([a_record(), failed])
    assert "| addresses | passed | 5 minutes | 12 hours |" in text
    assert "| mailbox | failed | never verified | 12 hours |" in text
    assert "- mailbox: no" in text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"arn:aws:dynamodb:us-west-1:{ACCOUNT}:table/t", "arn:aws:dynamodb:us-west-1:<account>"),
        (f"of account {OTHER_ACCOUNT}.", "of account <account>."),
        (f"User: arn:aws:sts::{ACCOUNT}:assumed-role/Admin/alice@example.com is", "User: <princip"),
        (f"User: arn:aws:iam::{ACCOUNT}:user/alice is not", "User: <principal> is not"),
        (f"arn:aws:iam::{ACCOUNT}:role/cabal-backup-role", "<account>:role/cabal-backup-role"),
        ("file system fs-0123456789abcdef0 was deleted", "file system <file system> was deleted"),
        ("to carol@mail.example.com now", "to <address> now"),
        ("Item /alice does not exist", "Item /<user> does not exist"),
        ("no alice.", "no <user>."),
        ("in /mnt/mail/aws-backup-restore_x", "in <mount>/aws-backup-restore_x"),
    ],
)
def test_taken_out(text: str, redacted: str) -> None:
    redaction = Redaction(ACCOUNT, user="alice", mount=Path("/mnt/mail"))
    assert redacted in redaction.text(text)
    for secret in (ACCOUNT, OTHER_ACCOUNT, "alice", "carol", "fs-0", "/mnt"):
        assert secret not in redaction.text(text)


@pytest.mark.parametrize(
    "text",
    [
        "cabal-addresses-drill-20261122-183512",
        "2026-11-22T13:00:00+00:00",
        "job 1EB3B5E7-9EB0-435A-A80B-108B488B0D45",
        "malice and alices stay",
    ],
)
def test_kept(text: str) -> None:
    assert Redaction(ACCOUNT, user="alice").text(text) == text


def test_values_are_redacted_and_field_names_are_not() -> None:
    said = Redaction(ACCOUNT, user="drill").values({"drill": ["a drill", 1, None]})
    assert said == {"drill": ["a <user>", 1, None]}


def test_no_report_is_written_over(tmp_path: Path) -> None:
    names = [
        write_report.write(
            tmp_path, BEGAN, "development", "addresses", Content({"n": number}, "text")
        ).name
        for number in range(3)
    ]
    assert names == [f"2026-11-22-development-addresses{n}.md" for n in ("", "-2", "-3")]
    assert json.loads((tmp_path / "2026-11-22-development-addresses-2.json").read_text()) == {
        "n": 1
    }


def test_a_folder_that_cannot_be_written_is_reported_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Cannot write reports"):
        write_report.make_folder(tmp_path / "file")
