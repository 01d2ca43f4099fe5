"""How the tool ends before it asks AWS anything: docs/exit-codes.md."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from cabal_backup.cli.main import main

PROJECT = Path(__file__).parents[3]
COMMANDS = ["status", "points"]


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


class Terminal:
    """A terminal without credentials."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def run(self, command: str, *arguments: str, **settings: str) -> Said:
        """A command for `development`, with backup on."""
        context = {
            "backup": "true",
            "account": "123456789012",
            "mailstore_file_system_id": "fs-0123456789abcdef0",
            **settings,
        }
        given = [part for k, v in context.items() for part in ("-c", f"development.{k}={v}")]
        project = ["--project", str(PROJECT), "-e", "development"]
        return self.type(command, *project, *given, *arguments)

    def type(self, *arguments: str) -> Said:
        code = main(arguments)
        out, err = self._capsys.readouterr()
        return Said(code, out, err)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    for name in [*os.environ]:
        if name.startswith("AWS_") or name == "CABAL_ENVIRONMENT":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    return Terminal(capsys)


# --- 64: the command line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["status", "--only", "primary-lok"],
            "There is no check primary-lok. The checks are: dep",
        ),
        (["status", "--skip", "x,y"], "There is no check x and no y."),
        (["status", "--only", ""], "leave no check to run"),
        (["status", "--only", "role", "--skip", "role"], "leave no check to run"),
        (["status", "--json", "--watch"], "not allowed with"),
        (["status", "-c", "nonsense"], "-c requires NAME.SETTING=VALUE, not 'nonsense'."),
        (["points", "--nights", "0"], "a number of nights from 1 to 400, not '0'"),
        (["points", "--nights", "many"], "not 'many'"),
        (["points", "--list", "--json"], "not allowed with"),
        (["status", "--no-such-option"], "--no-such-option"),
    ],
    ids=" ".join,
)
def test_64_for_a_command_line_that_is_not_right(
    terminal: Terminal, arguments: list[str], words: str
) -> None:
    said = terminal.run(*arguments)

    assert said.code == 64
    assert words in " ".join(said.err.split())
    if "--json" not in arguments:
        assert said.out == ""
        return
    answer = json.loads(said.out)
    assert (answer["command"], answer["outcome"], answer["exit_code"]) == (
        arguments[0],
        "usage",
        64,
    )
    assert words in answer["error"]["message"]


@pytest.mark.parametrize("arguments", [[], ["--no-such-option"]])
def test_64_without_a_command(terminal: Terminal, arguments: list[str]) -> None:
    said = terminal.type(*arguments)

    assert (said.code, said.out) == (64, "")
    assert "usage: cabal-backup" in said.err


@pytest.mark.parametrize("command", COMMANDS)
def test_64_without_an_environment(terminal: Terminal, command: str) -> None:
    said = terminal.type(command, "--project", str(PROJECT))

    assert said.code == 64
    assert "--environment or CABAL_ENVIRONMENT" in said.err
    assert said.err.rstrip().endswith("declares: prod, stage, development.")


@pytest.mark.parametrize("at", ["0001-01-01T00:00+23:00", "9999-12-31T23:00-02:00", "soon"])
def test_64_for_a_time_that_is_none(terminal: Terminal, at: str) -> None:
    said = terminal.type("restore", "addresses", "--at", at)

    assert (said.code, said.out) == (64, "")
    assert f"argument --at: it is a time such as 2026-11-20T08:30 (UTC), not {at!r}" in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        "points --since soon",
        "hold create lawsuit --reason letter --from soon",
        "restore addresses --at 2026-11-20",
        "restore addresses --at soon",
        "restore mailbox alice --night soon",
        "restore table cabal-addresses --at soon",
    ],
)
def test_the_examples_of_an_error_are_accepted(terminal: Terminal, arguments: str) -> None:
    *command, option, wrong = arguments.split()
    said = terminal.type(*command, option, wrong)
    assert f"argument {option}:" in said.err

    examples = re.search(r"such as (\S+?)(?: or (\S+?))?,? ", said.err)
    assert examples is not None
    for example in filter(None, examples.groups()):
        assert f"argument {option}:" not in terminal.type(*command, option, example).err


def test_64_for_a_day_that_may_be_a_night(terminal: Terminal) -> None:
    said = terminal.type("restore", "addresses", "--at", "2026-11-27")

    assert said.code == 64
    assert "2026-11-27 is a day: for the night with that name use --night 2026-11-27;" in said.err
    assert "such as 2026-11-27T08:30 (UTC)" in said.err
    wrong = terminal.type("restore", "addresses", "--night", "2026-11-27T08:30")
    assert (wrong.code, "--at takes a point in time" in wrong.err) == (64, True)


@pytest.mark.parametrize("arguments", [["--help"], ["status", "--help"], ["points", "--help"]])
def test_0_for_help(terminal: Terminal, arguments: list[str]) -> None:
    said = terminal.type(*arguments)

    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("usage: cabal-backup")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nagios"],
        ["status", "--nagios", "--no-such-option"],
        ["status", "--only", "--nagios"],
        ["status", "--json", "--nagios"],
        ["--no-such-option", "status", "--nagios"],
    ],
    ids=" ".join,
)
def test_3_and_one_line_for_monitoring(terminal: Terminal, arguments: list[str]) -> None:
    said = terminal.type(*arguments)

    assert (said.code, said.err) == (3, "")
    assert said.out.startswith("UNKNOWN: ")
    assert said.out.count("\n") == 1


# --- 78: the settings


def test_78_for_an_environment_that_does_not_exist(terminal: Terminal) -> None:
    said = terminal.type("status", "--project", str(PROJECT), "-e", "production")

    assert said.code == 78
    assert "production" in said.err


def test_78_for_an_environment_without_backup(terminal: Terminal) -> None:
    said = terminal.type("status", "--project", str(PROJECT), "-e", "prod")

    assert said.code == 78
    assert "prod is not protected: its backup is off." in said.err
    assert "set its account and mailstore_file_system_id" in said.err


EVERY_COMMAND = [
    "status", "points", "jobs", "restore addresses", "restore table cabal-counter --latest",
    "restore mailbox alice", "restore mailstore", "compare one two", "cutover one two",
    "copy-back addresses", "drill addresses", "unlock --reason test", "relock", "teardown plan",
    "teardown delete-recovery-points", "teardown destroy",
]  # fmt: skip


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_78_without_the_account_of_the_environment(terminal: Terminal, command: str) -> None:
    """Also without credentials: it is checked before anything else."""
    context = {"backup": "true", "mailstore_file_system_id": "fs-0123456789abcdef0"}
    given = [part for k, v in context.items() for part in ("-c", f"development.{k}={v}")]

    said = terminal.type(*command.split(), "--project", str(PROJECT), "-e", "development", *given)

    assert (said.code, said.out) == (78, "")
    assert "development.account: not set" in said.err
    assert "aws sts get-caller-identity" in said.err


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_an_environment_without_backup_is_looked_for(terminal: Terminal, command: str) -> None:
    """It may still be deployed. Without credentials that cannot be found out."""
    settings = {
        "backup": "false",
        "account": "123456789012",
        "mailstore_file_system_id": "fs-0123456789abcdef0",
    }
    given = [part for k, v in settings.items() for part in ("-c", f"development.{k}={v}")]

    said = terminal.type(*command.split(), "--project", str(PROJECT), "-e", "development", *given)

    assert (said.code, said.out) == (77, "")


def test_78_for_settings_that_are_not_right(terminal: Terminal) -> None:
    said = terminal.run("status", lock_min_days="0", delete_after_days="40")

    assert said.code == 78
    assert "development.lock_min_days" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "There is no cdk.json in "),
        ({"cdk.json": "{"}, "is not JSON"),
        ({"cdk.json": "[]"}, "should hold a JSON object"),
        ({"cdk.json": "{}", "cdk.context.json": "{"}, "is not JSON"),
        ({"cdk.json": "{}"}, ""),
    ],
)
def test_78_for_a_project_that_cannot_be_read(
    terminal: Terminal, tmp_path: Path, files: dict[str, str], words: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)

    said = terminal.type("status", "--project", str(tmp_path), "-e", "development")

    assert said.code == 78
    assert words in said.err


# --- 77: the credentials


@pytest.mark.parametrize("command", COMMANDS)
def test_77_without_credentials(terminal: Terminal, command: str) -> None:
    said = terminal.run(command)

    assert said.code == 77
    assert "There are no usable AWS credentials" in said.err
    assert "aws sso login" in said.err


def test_77_for_a_profile_that_does_not_exist(terminal: Terminal) -> None:
    said = terminal.run("status", "--profile", "no-such-profile")

    assert said.code == 77
    assert "no-such-profile" in said.err
