"""The commands that are for the mail host, and the setting that `restore mailstore` changes."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from cabal_backup.cli.main import main
from cabal_backup.config.project import files_with, find_project, replace_setting
from cabal_backup.errors import SettingsError
from tests import mail_host

OLD, NEW = "fs-0123456789abcdef0", "fs-0fedcba9876543210"


def test_the_script_is_the_file_to_the_byte(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["mailbox", "script"]) == 0
    assert capsysbinary.readouterr().out == Path(mail_host.__file__).read_bytes()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("mailbox", "WHAT"),
        ("mailbox merge", "USER"),
        ("mailbox merge alice --uid root", "not the uid of a user"),
        ("mailbox merge alice --since soon", "not a date"),
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
        assert main(command) == mail_host.main(command) == mail_host.Exit.REFUSED
        first, second = capsys.readouterr().err.splitlines()
        assert first == second
        assert first.startswith("Refused. ")


def test_the_setting_changes_where_it_stands_and_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "cdk.json").write_text('{"context": {"environments": {}}}')
    private = tmp_path / "cdk.context.json"
    text = json.dumps({"prod.mailstore_file_system_id": OLD, "note": f"was {OLD}"}, indent=5)
    private.write_text(text)
    project = find_project(tmp_path)

    assert files_with(project, OLD) == [private]
    assert files_with(project, NEW) == []
    replace_setting(private, OLD, NEW)

    assert private.read_text() == text.replace(f'"{OLD}"', f'"{NEW}"')
    assert json.loads(private.read_text())["note"] == f"was {OLD}"


def test_line_ends_byte_order_mark_and_mode_stay_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "cdk.context.json"
    file.write_bytes(f'\ufeff{{\r\n"id": "{OLD}"\r\n}}'.encode())
    file.chmod(0o640)

    replace_setting(file, OLD, NEW)

    assert file.read_bytes() == f'\ufeff{{\r\n"id": "{NEW}"\r\n}}'.encode()
    assert file.stat().st_mode & 0o7777 == 0o640
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_leaves_the_setting_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cdk.context.json"
    file.write_text(f'{{"id": "{OLD}"}}')

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SettingsError, match="No space left on device"):
        replace_setting(file, OLD, NEW)

    assert file.read_text() == f'{{"id": "{OLD}"}}'
    assert list(tmp_path.iterdir()) == [file]


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "shared.json").write_text(f'{{"id": "{OLD}"}}')
    link = tmp_path / "cdk.context.json"
    link.symlink_to("shared.json")

    with pytest.raises(SettingsError, match=r"is a symbolic link to .*shared\.json"):
        replace_setting(link, OLD, NEW)

    assert link.is_symlink()
    assert link.read_text() == f'{{"id": "{OLD}"}}'
