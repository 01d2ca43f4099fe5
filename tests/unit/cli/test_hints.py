"""Every command that a message, a help text or a finding prints can be typed as it stands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cabal_backup.cli.main import main
from cabal_backup.operations.status.checks import CHECKS
from tests.hints import printed_commands, read

PACKAGE = Path(__file__).parents[3] / "cabal_backup"

VALUES = {
    "what": "addresses",
    "at": "2026-11-20",
    "written(at)": "2026-11-20T00:00:00Z",
    "lower": " --lower-counter",
    "only.options": " --only='alice@*'",
    "plan.request.only.options": " --only='alice@*'",
    "region.which": "primary",
    "only": "",
    "example": "help",
    "table.restored_to": "2026-11-20T00:00:00",
    "metadata.version('cabal-backup')": "",
    "_version()": "",
}
"""Of placeholders for which not every word will do."""


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
                else VALUES.get(ast.unparse(part.value), "word")
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield node.value


COMMANDS = sorted(
    {
        command
        for file in PACKAGE.rglob("*.py")
        for text in texts(ast.parse(file.read_text("utf-8")))
        for command in printed_commands(text)
    }
)


def test_commands_are_found() -> None:
    assert len(COMMANDS) > 30


@pytest.mark.parametrize("command", COMMANDS)
def test_a_printed_command_can_be_typed(command: str) -> None:
    read(command)


LINKS = sorted(
    {
        link
        for file in PACKAGE.rglob("*.py")
        for text in texts(ast.parse(file.read_text("utf-8")))
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
