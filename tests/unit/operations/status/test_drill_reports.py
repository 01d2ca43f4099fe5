"""What the reports in the repository say, and what `status` makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cabal_backup.operations.aws.results import Known, Unknown
from cabal_backup.operations.drill import write_report
from cabal_backup.operations.status.drill_reports import PastDrill, read_reports
from cabal_backup.operations.status.findings import Finding
from tests.unit.operations.drill.test_write_report import BEGAN, a_record
from tests.unit.operations.status.builders import NOW, a_drill, a_state, finding

YEAR = timedelta(days=365)
SECOND = timedelta(seconds=1)


def written(folder: Path, **changes: object) -> None:
    """A report, written as the drill writes it."""
    record = a_record(**changes)
    content = write_report.Content(write_report.as_json(record), write_report.as_markdown(record))
    write_report.write(folder, BEGAN, record.environment, record.kind, content)


def test_what_a_drill_writes_is_read_again(tmp_path: Path) -> None:
    written(tmp_path)
    written(tmp_path, kind="mailbox", problems=["no"], verified=None, point=None)
    summary = write_report.summary_json([a_record()])
    write_report.write(tmp_path, BEGAN, "development", "all", write_report.Content(summary, ""))

    assert read_reports(tmp_path) == Known(
        (
            PastDrill(
                kind="addresses",
                environment="development",
                passed=True,
                ended=datetime(2026, 11, 22, 13, 5, 10, tzinfo=UTC),
                recovery_seconds=300.0,
            ),
            PastDrill(
                kind="mailbox",
                environment="development",
                passed=False,
                ended=datetime(2026, 11, 22, 13, 5, 10, tzinfo=UTC),
                recovery_seconds=None,
            ),
        )
    )


def test_without_a_folder_there_was_none(tmp_path: Path) -> None:
    assert read_reports(tmp_path / "drills") == Known(())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "odd.json is no report of a drill."),
        ("[]", "odd.json is no report of a drill."),
        ("{}", "odd.json is no report of a drill."),
        (json.dumps({"version": 2}), "odd.json was written by another version"),
        (json.dumps({"version": 1, "drill": "addresses", "ended": None}), "is no report"),
    ],
)
def test_what_cannot_be_read_is_unknown(tmp_path: Path, content: str, reason: str) -> None:
    written(tmp_path)
    (tmp_path / "odd.json").write_text(content)
    read = read_reports(tmp_path)
    assert isinstance(read, Unknown)
    assert reason in read.reason


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("recovery_seconds", odd) for odd in ("quick", "300", [300], True, -1, 1e300)),
        *(("recovery_seconds", odd) for odd in (float("nan"), float("inf"))),
    ],
)
def test_a_report_that_was_changed_by_hand_is_unknown(
    tmp_path: Path, member: str, value: object
) -> None:
    written(tmp_path)
    (file,) = tmp_path.glob("*.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {member: value}))
    assert read_reports(tmp_path) == Unknown(f"{file.name} is no report of a drill.")


def drills(*past: PastDrill, environment: str = "prod") -> Finding:
    """What `status` says of these drills."""
    state = a_state()
    given = ("--project=.", "--profile=admin", "--assume-region-lost=us-west-2")
    named = replace(state.environment, name=environment, other_options=given)
    return finding("drill", replace(state, drills=Known(past), environment=named))


def test_drills_within_a_year_and_the_copy_back_once() -> None:
    seen = drills(
        a_drill("addresses", NOW - YEAR),
        a_drill("mailbox", NOW - YEAR),
        a_drill("copy-back", NOW - 5 * YEAR),
    )
    assert seen.status == "ok"
    assert "addresses: 2025-03-31, 365 days ago, recovered in 7 minutes" in seen.evidence
    assert seen.measures["mailbox_drill_age_seconds"] == YEAR.total_seconds()


@pytest.mark.parametrize(
    ("past", "words"),
    [
        ([], "No drill of the addresses nor the mailbox nor the copy-back has passed"),
        (
            [
                a_drill("addresses", NOW - YEAR - SECOND),
                a_drill("mailbox"),
                a_drill("copy-back"),
            ],
            "No drill of the addresses has passed within a year.",
        ),
        (
            [
                a_drill("addresses"),
                a_drill("mailbox", NOW - YEAR - SECOND),
                a_drill("copy-back"),
            ],
            "No drill of the mailbox has passed within a year.",
        ),
        (
            [a_drill("addresses"), a_drill("mailbox")],
            "No drill of the copy-back has ever passed.",
        ),
        (
            [a_drill("addresses", passed=False), a_drill("mailbox"), a_drill("copy-back")],
            "No drill of the addresses has passed within a year.",
        ),
    ],
)
def test_overdue_warns(past: list[Any], words: str) -> None:
    seen = drills(*past)
    assert seen.status == "warn"
    assert words in seen.evidence
    assert "cabal-backup drill all -e development --project=. --user USER, then" in seen.hint


def test_a_failure_after_a_success_does_not_undo_it() -> None:
    past = [a_drill(kind) for kind in ("addresses", "mailbox", "copy-back")]
    assert drills(*past, a_drill("addresses", NOW, passed=False)).status == "ok"


def test_a_drill_elsewhere_counts_for_prod_only() -> None:
    elsewhere = [
        a_drill(kind, environment="development") for kind in ("addresses", "mailbox", "copy-back")
    ]
    assert drills(*elsewhere).status == "ok"
    assert "addresses in development: " in drills(*elsewhere).evidence
    assert drills(*elsewhere, environment="stage").status == "warn"
    assert "-e stage --project=. --profile=admin" in drills(*elsewhere, environment="stage").hint
    assert drills(*elsewhere, environment="development").status == "ok"
