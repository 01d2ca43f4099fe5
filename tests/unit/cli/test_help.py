"""The command line as a whole: help, common options, completion and start-up."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cabal_backup import __main__ as program
from cabal_backup.cli import parser as command_line
from cabal_backup.cli.main import main
from cabal_backup.cli.options import CommonOptions
from cabal_backup.cli.parser import (
    COMMANDS,
    ENVIRONMENT_VARIABLES,
    Parser,
    build_parser,
    commands_of,
    parse,
)
from tests.reference import COMMANDS as REFERENCE
from tests.reference import value

ROOT = build_parser()
ALL = [ROOT, *commands_of(ROOT)]
LEAVES = [each for each in ALL if each.get_default("run") is not None]
CONNECTING = [each for each in LEAVES if "--profile" in each._option_string_actions]
CLI = Path(command_line.__file__).parent


def words(parser: Parser) -> list[str]:
    """The first example of a command, without the program's name and -e."""
    example = parser.examples[0].partition(" >")[0]
    return shlex.split(re.sub(r" -e \w+", "", example))[1:]


def of(parser: Parser) -> str:
    return parser.prog


def test_every_command_is_defined_and_in_the_list() -> None:
    defined = [
        name.replace("_", "-")
        for path in CLI.glob("*.py")
        for name in re.findall(r"^def define_(\w+)\(", path.read_text("utf-8"), flags=re.M)
    ]
    assert sorted(defined) == sorted(COMMANDS)


# --- Every command is documented


@pytest.mark.parametrize("parser", ALL, ids=of)
def test_the_help_describes_the_command_and_each_option(parser: Parser) -> None:
    assert parser.description
    arguments = [a for a in parser._actions if not isinstance(a, argparse._SubParsersAction)]
    assert [action.dest for action in arguments if not action.help] == []
    assert "example" in parser.format_help()
    _, _, section = REFERENCE.read_text("utf-8").partition(f"## {parser.prog}\n")
    section = section.partition("\n## ")[0]
    for action in arguments:
        if action.help != argparse.SUPPRESS and action.dest != "help":
            assert f"`{[*action.option_strings, value(action)][0]}" in section.replace("\\|", "|")


@pytest.mark.parametrize(
    "example", sorted({example for parser in ALL for example in parser.examples})
)
def test_every_example_is_a_correct_command_line(example: str) -> None:
    parse(shlex.split(example.partition(" >")[0])[1:])


def test_every_environment_variable_is_in_the_help() -> None:
    source = "".join(path.read_text("utf-8") for path in CLI.glob("*.py"))
    read = set(re.findall(r'"(CABAL_[A-Z_]+)"', source))
    assert read
    assert read <= ENVIRONMENT_VARIABLES.keys()
    assert [name for name in ENVIRONMENT_VARIABLES if name not in ROOT.format_help()] == []


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(action, id=f"{parser.prog} {action.dest}")
        for parser in LEAVES
        for action in parser._actions
        if action.type not in (None, Path)
    ],
)
def test_a_wrong_value_is_explained(action: argparse.Action) -> None:
    """Without a message of its own, argparse would name a function of the tool."""
    assert callable(action.type)
    if action.dest in ("only", "skip"):
        assert action.type("no check") == ("no check",)  # the command names the checks
        return
    with pytest.raises(argparse.ArgumentTypeError, match=r"not '!'|'!' is not"):
        action.type("!")


# --- Common options


@pytest.mark.parametrize("parser", CONNECTING, ids=of)
def test_common_options_stand_before_or_after_the_command(parser: Parser) -> None:
    common = ["-e", "stage", "--context", "stage.backup=true", "--debug", "--profile=p"]
    lost = ["--assume-region-lost", "us-west-1", "--project", "."]
    command = words(parser)

    after = parse([*command, *common, *lost])

    given = after.options
    assert isinstance(given, CommonOptions)
    assert (given.environment, given.profile, given.debug) == ("stage", "p", True)
    assert parse([*common, *lost, *command]) == after
    assert parse([*common, *command, *lost]) == after
    assert parse([*common, command[0], *lost, *command[1:]]) == after


def test_settings_before_and_after_the_command_keep_their_order() -> None:
    read = parse(["-c", "a.x=1", "restore", "-c", "a.x=2", "addresses", "-c", "a.x=-3"])

    assert vars(read.options)["context"] == ["a.x=1", "a.x=2", "a.x=-3"]


@pytest.mark.parametrize("command", ["config show", "mailbox merge alice", "completion bash"])
def test_an_option_that_the_command_does_not_have_is_refused_before_it_too(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--profile", "p", *command.split()]) == 64
    assert "unrecognized arguments: --profile=p" in capsys.readouterr().err


def test_an_environment_may_have_the_name_of_a_command() -> None:
    assert vars(parse(["-e", "drill", "points"]).options)["environment"] == "drill"


@pytest.mark.parametrize("parser", LEAVES, ids=of)
def test_the_dataclass_of_a_command_has_exactly_its_options(parser: Parser) -> None:
    fields = {
        each.name: each.default is dataclasses.MISSING
        for each in dataclasses.fields(parser.get_default("options"))
    }
    given = {action.dest for action in parser._actions} | parser._defaults.keys()
    given -= {"help", "run", "options", "action", "parser", "parts"}
    assert given <= fields.keys()
    assert {name for name, needed in fields.items() if needed} <= given


@pytest.mark.parametrize(
    ("typed", "near"),
    [("statsu", "status"), ("restore adresses", "addresses"), ("teardown destory", "destroy")],
)
def test_a_mistyped_command_gets_the_nearest_name(
    typed: str, near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed.split()) == 64
    *group, mistyped = typed.split()
    program = " ".join(["cabal-backup", *group])
    listed = " ".join(["cabal-backup help", *group])
    assert capsys.readouterr().err == (
        f"{program}: there is no command {mistyped}. Did you mean {near}? To list them: {listed}\n"
    )


def test_a_command_that_is_like_no_other_gets_no_suggestion(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["xyzzy"]) == 64
    assert "Did you mean" not in capsys.readouterr().err


# --- help and --version


def test_help_shows_the_same_as_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    for topic in ([], ["restore"], ["restore", "addresses"]):
        assert main(["help", *topic]) == 0
        shown = capsys.readouterr().out
        assert main([*topic, "--help"]) == 0
        assert capsys.readouterr().out == shown


def test_64_for_help_on_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "no-such-command"]) == 64
    assert "there is no command no-such-command. To list them" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"cabal-backup \d+\.\d+\.\d+\n", capsys.readouterr().out)


def imported_after(*arguments: str) -> set[str]:
    """The modules that a new process has imported after the command line of each argument."""
    script = (
        "import sys; from cabal_backup.cli.main import main; "
        "[main(line.split()) for line in sys.argv[1:]]; print(*sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    return set(ended.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", ["--help", "help", "--version", "no-such-command"])
def test_the_list_of_commands_imports_neither_botocore_nor_a_command(arguments: str) -> None:
    imported = imported_after(arguments)
    assert imported.isdisjoint({"boto3", "botocore", "rich", "cabal_backup.cli.points"})


def test_the_help_of_no_command_imports_what_connects_to_aws() -> None:
    """botocore.exceptions alone imports only what it needs of `botocore.vendored`."""
    imported = imported_after(*(f"{parser.prog} --help".partition(" ")[2] for parser in ALL))
    assert "cabal_backup.operations.aws.client" in imported
    assert imported.isdisjoint({"boto3", "botocore.utils", "http.client", "urllib3", "rich"})


def test_a_command_line_imports_only_its_own_command() -> None:
    imported = imported_after("restore mailbox --help")
    assert "cabal_backup.cli.restore" in imported
    assert "cabal_backup.cli.mail_host" not in imported


def test_70_for_a_command_that_cannot_be_imported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cabal_backup.cli.points", None)
    monkeypatch.setattr(command_line, "build_parser", inspect.unwrap(command_line.build_parser))
    monkeypatch.setattr(sys, "argv", ["cabal-backup", "points"])

    assert program.main() == 70
    assert "the installation is not complete" in capsys.readouterr().err


# --- Completion

COMPLETE = """
source /dev/stdin
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_shtab_cabal_backup cabal-backup "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (["st"], ["status"]),
        (["-e", "prod", "restore", "mail"], ["mailbox", "mailstore"]),
        (["restore", "mailbox", "--rec"], ["--recovery-point"]),
        (["cutover", "one", "two", "--reconfigure", ""], ["publish", "roll", "none"]),
    ],
    ids=lambda each: " ".join(each),
)
def test_bash_completes(
    typed: list[str], completed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "bash"]) == 0

    ended = subprocess.run(
        ["bash", "-c", COMPLETE, "bash", "cabal-backup", *typed],
        input=capsys.readouterr().out,
        capture_output=True,
        text=True,
        check=True,
    )

    assert ended.stdout.splitlines() == completed


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_completes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "fish"]) == 0
    script = (
        capsys.readouterr().out + "\ncomplete -C 'cabal-backup -e prod restore mailbox --rec'\n"
    )

    ended = subprocess.run(
        ["fish", "--no-config"], input=script, capture_output=True, text=True, check=True
    )

    assert ended.stdout == "--recovery-point\tthis recovery point\n"


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_script_has_every_command_and_option(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert [name for name in COMMANDS if name not in script] == []
    for parser in LEAVES:
        long = [name for name in parser._option_string_actions if name.startswith("--")]
        missing = [name for name in long if not re.search(rf"(--|-l '?){name[2:]}\b", script)]
        assert missing == []
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)
