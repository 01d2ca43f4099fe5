"""The comment a reviewer reads: .github/comment.py."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / ".github" / "comment.py"

CHANGED = """\
Stack development/cabal-backup-dr (cabal-backup-dr)
There were no differences

Stack development/cabal-backup (cabal-backup)
Resources
[~] AWS::Backup::BackupPlan Nightly/Plan NightlyPlanE1AF2336
 └─ [~] BackupPlan
[~] AWS::Backup::BackupSelection Nightly/Selection NightlySelection29673D6D replace
 └─ [~] BackupSelection (requires replacement)
[-] AWS::Logs::LogGroup Old/LogGroup OldLogGroup destroy
[+] AWS::Logs::LogGroup New/LogGroup NewLogGroup


✨  Number of stacks with differences: 1
"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("comment", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_begins_with_what_a_reviewer_must_not_miss(script: ModuleType) -> None:
    text = script.comment("development", CHANGED)
    head = text.partition("<details>")[0]
    assert "`cdk diff`: development" in head
    assert "1 stack(s) would change" in head
    assert "NightlySelection29673D6D replace" in head
    assert "OldLogGroup destroy" in head
    assert "NewLogGroup" not in head


def test_the_whole_diff_is_folded_away_and_coloured(script: ModuleType) -> None:
    body = script.comment("prod", CHANGED).partition("<details>")[2]
    assert "```diff\n" in body
    assert "\n+ [+] AWS::Logs::LogGroup" in body
    assert "\n- [-] AWS::Logs::LogGroup" in body
    assert "\n! [~] AWS::Backup::BackupPlan" in body


def test_no_difference_is_one_sentence(script: ModuleType) -> None:
    text = script.comment("prod", "✨  Number of stacks with differences: 0\n")
    assert "Nothing would change." in text


def test_an_environment_that_is_off(script: ModuleType) -> None:
    text = script.comment("stage", "stage: backup is off …\nThis app contains no stacks\n")
    assert "nothing to deploy" in text


@pytest.mark.parametrize("said", ["", "   \n"])
def test_nothing_said(script: ModuleType, said: str) -> None:
    assert "No diff was made" in script.comment("prod", said)


def test_a_failure_is_not_taken_for_no_difference(script: ModuleType) -> None:
    text = script.comment("prod", "1 problem in the configuration (cdk.json and -c):\n…")
    assert "did not finish" in text
    assert "1 problem in the configuration" in text


def test_a_diff_cannot_break_out_of_its_block(script: ModuleType) -> None:
    text = script.comment("prod", "```\n</details>\n# not a heading\n````\n")
    fence = text.partition("\n\n`")[2].partition("diff\n")[0]
    assert f"`{fence}" == "`" * 5
    assert text.rstrip().endswith("</details>")


def test_colours_are_taken_out(script: ModuleType) -> None:
    assert "\x1b" not in script.comment("prod", "\x1b[31mStack\x1b[0m\n")


def test_it_fits_into_a_comment(script: ModuleType) -> None:
    text = script.comment("prod", "[~] a line\n" * 20_000)
    assert len(text) < 65_536
    assert "cut here" in text


def test_it_runs_without_anything_installed(tmp_path: Path) -> None:
    diff = tmp_path / "diff.txt"
    diff.write_text(CHANGED)
    ended = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), "development", str(diff)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "1 stack(s) would change" in ended.stdout


def test_a_missing_file_still_makes_a_comment(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), "development", str(tmp_path / "nothing")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "No diff was made" in ended.stdout
