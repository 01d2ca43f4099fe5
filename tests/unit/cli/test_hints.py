"""Every command that a message, a help text or a finding prints can be typed as it stands."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from cabal_backup.cli.main import main
from cabal_backup.cli.options import Invocation
from cabal_backup.cli.parser import build_parser, commands_of, parse
from cabal_backup.operations.aws.clock import SystemClock
from cabal_backup.operations.status.checks import CHECKS
from tests.hints import printed_commands, read

PACKAGE = Path(__file__).parents[3] / "cabal_backup"

VALUES = {
    "what": "addresses",
    "on": "-e word",
    "at": "2026-11-20",
    "timestamp(at)": "2026-11-20T00:00:00Z",
    "lower": " --lower-counter",
    "only.options": " --only='alice@*'",
    "plan.request.only.options": " --only='alice@*'",
    "region.which": "primary",
    "only": "",
    "options": " --only='alice@*'",
    "plan.request.other_options": " --only='alice@*'",
    "in_dr": " --in dr",
    "folder": " --folder=Archive",
    "request.point.options(point.arn)": " --recovery-point=arn --cold",
    "replace(request.point, cold=True).options(point.original)": " --recovery-point=arn --cold",
    "example": "help",
    "timestamp(table.restored_to)": "2026-11-20T00:00:00Z",
    "metadata.version('cabal-backup')": "",
    "_version()": "",
}
"""Of placeholders for which not every word will do."""


def _word(name: str) -> str:
    return "-e word" if ".environment.options" in f".{name}" else "word"


def texts(tree: ast.AST) -> Iterator[str]:
    """The strings of a module, without docstrings; a placeholder becomes a word."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, documented):
            skipped |= {
                each.value
                for each in node.body
                if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
            }
        if isinstance(node, ast.JoinedStr):
            skipped |= set(node.values)
            yield "".join(
                str(getattr(part, "value", ""))
                if not isinstance(part, ast.FormattedValue)
                else VALUES.get(name := ast.unparse(part.value), _word(name))
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield node.value


TEXTS = {
    text for file in PACKAGE.rglob("*.py") for text in texts(ast.parse(file.read_text("utf-8")))
}

COMMANDS = sorted({command for text in TEXTS for command in printed_commands(text)})


def test_only_an_environment_writes_its_options() -> None:
    by_hand = [
        f"{file.name}:{node.lineno}"
        for folder in ("cli", "operations")
        for file in (PACKAGE / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.JoinedStr)
        for each in node.values
        if isinstance(each, ast.Constant) and re.search(r"(?<!Use )-e $", str(each.value))
    ]
    assert by_hand == []


def test_commands_are_found() -> None:
    assert len(COMMANDS) > 30


MENTIONED = {"alerts test", "points", "report", "status"}
"""Commands that a sentence only names."""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_printed_command_can_be_typed(command: str) -> None:
    options = read(command)
    environment: str = getattr(options, "environment", "none needed")
    assert command in MENTIONED or environment


CHANGING = ("restore", "cutover", "copy-back", "backup", "copy")

MANY_OPTIONS = (
    "restore mailstore -c prod.account=123456789012 -c 'prod.x=a b' -e prod --profile "
    " rescue --assume-region-lost us-west-1 --in dr --at 2026-11-20T08:30 --cold "
    "--role another --subnet subnet-1 --subnet subnet-2",
    "cutover restored live -e prod --mirror --no-undo --rate 2.5 --reconfigure none --only=-a* "
    "--only=b*",
    "cutover undo restored live -e prod --at 2026-11-20T08:30:01 --missing-only --config a.toml",
    "copy-back mailstore --project . --night 2026-11-20 --no-wait --file-system fs-1",
)


@pytest.mark.parametrize(
    "line",
    [
        *MANY_OPTIONS,
        *sorted(
            example.partition(" ")[2]
            for parser in commands_of(build_parser())
            if parser.prog.split()[1] in CHANGING
            for example in parser.examples
        ),
    ],
)
def test_a_command_that_is_typed_again_has_the_same_options(line: str) -> None:
    command = parse(shlex.split(line))
    again = Invocation(SystemClock(), command.parser).again(command.options)
    asked = vars(command.options)
    unasked = {name: False for name in ("yes", "dry_run", "json", "debug") if name in asked}
    assert vars(parse(shlex.split(again)[1:]).options) == asked | unasked


def test_the_environment_is_typed_again_wherever_it_came_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CABAL_ENVIRONMENT", "stage")
    command = parse(["restore", "mailstore", "--night", "2026-11-20", "--yes"])
    invocation = Invocation(SystemClock(), command.parser)
    assert invocation.again(command.options, night=None, recovery_point="arn:x", subnet=["S"]) == (
        "cabal-backup restore mailstore -e stage --recovery-point=arn:x --subnet=S"
    )


LINKS = sorted(
    {
        link
        for text in TEXTS
        for link in re.findall(r"docs/[\w/-]+\.md(?:#[\w-]+)?", text)
        if "word" not in link
    }
)


@pytest.mark.parametrize("link", [*LINKS, *(f"docs/status.md#{check}" for check in CHECKS)])
def test_a_printed_page_can_be_read(link: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", link]) == 0
    first = capsys.readouterr().out.partition("\n")[0]
    _, _, anchor = link.partition("#")
    assert first.startswith("#")
    assert (
        not anchor or re.sub(r"[^\w -]", "", first.lstrip("# ").lower()).replace(" ", "-") == anchor
    )


def test_a_page_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "docs/../README.md"]) == 64
    assert "There is no page docs/../README.md" in capsys.readouterr().err
