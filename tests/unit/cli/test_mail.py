"""The commands that are for the mail host, and the setting that `restore mailstore` changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cabal_backup.cli.main import main
from cabal_backup.operations.mail import mail_host
from cabal_backup.project import files_with, replace_setting

OLD, NEW = "fs-0123456789abcdef0", "fs-0fedcba9876543210"


def test_the_script_is_the_file_to_the_byte(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["mailbox", "script"]) == 0
    assert capsysbinary.readouterr().out == Path(mail_host.__file__).read_bytes()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("mailbox", "WHAT"),
        ("mailbox merge", "USER"),
        ("mailbox merge alice --uid root", "no user's uid"),
        ("mailbox merge alice --since soon", "no date"),
        ("mailstore promote", "--mount"),
        ("mailbox script alice", "alice"),
    ],
)
def test_64_for_a_command_line_that_is_not_right(
    command: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command.split()) == 64
    assert words in capsys.readouterr().err


def test_a_refusal_has_the_exit_code_of_the_script(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = ["--mount", str(tmp_path), "--yes"]
    for command in (
        ["mailbox", "merge", "alice", *there],
        ["mailbox", "merge", "../alice", *there],
        ["mailstore", "promote", *there],
    ):
        assert main(command) == mail_host.main(command) == mail_host.EXIT_REFUSED
        first, second = capsys.readouterr().err.splitlines()
        assert first == second
        assert first.startswith("Refused. ")


def test_the_setting_changes_where_it_stands_and_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "cdk.json").write_text('{"context": {"environments": {}}}')
    private = tmp_path / "cdk.context.json"
    text = json.dumps({"prod.mailstore_file_system_id": OLD, "note": f"was {OLD}"}, indent=5)
    private.write_text(text)

    assert files_with(tmp_path, OLD) == [private]
    assert files_with(tmp_path, NEW) == []
    replace_setting(private, OLD, NEW)

    assert private.read_text() == text.replace(f'"{OLD}"', f'"{NEW}"')
    assert json.loads(private.read_text())["note"] == f"was {OLD}"
