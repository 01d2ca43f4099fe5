"""Every public module, class, function and method has a docstring."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.sandbox.deployment import PROJECT

PACKAGE = PROJECT / "cabal_backup"
COMMAND = re.compile("(define|run)(_|$)")
"""What a module with commands has for each; `cli.parser` says what they are for."""


def undocumented(source: str, *, command: bool = False) -> list[str]:
    tree = ast.parse(source)
    missing = list(_within(tree, "", COMMAND if command else None))
    return missing if ast.get_docstring(tree) or not tree.body else ["the module", *missing]


def _within(
    node: ast.Module | ast.ClassDef, prefix: str, known: re.Pattern[str] | None
) -> Iterator[str]:
    for each in node.body:
        if not isinstance(each, ast.ClassDef | ast.FunctionDef) or each.name.startswith("_"):
            continue
        is_known = known is not None and known.match(each.name)
        if ast.get_docstring(each) is None and not (is_known or _is_overload(each)):
            yield prefix + each.name
        if isinstance(each, ast.ClassDef):
            yield from _within(each, f"{prefix}{each.name}.", None)


def _is_overload(node: ast.ClassDef | ast.FunctionDef) -> bool:
    """Whether it is one of several signatures: the last one has the docstring."""
    return any(isinstance(each, ast.Name) and each.id == "overload" for each in node.decorator_list)


def test_what_is_public_has_a_docstring() -> None:
    missing = {
        path: undocumented(path.read_text("utf-8"), command=path.parent == PACKAGE / "cli")
        for path in sorted(PACKAGE.rglob("*.py"))
    }
    assert missing
    assert {path: names for path, names in missing.items() if names} == {}


def test_what_has_none_is_found() -> None:
    source = "class Plan:\n    def lines(self): ...\n    def _own(self): ...\ndef run(): ...\n"
    assert undocumented(source) == ["the module", "Plan", "Plan.lines", "run"]
    assert undocumented(source, command=True) == ["the module", "Plan", "Plan.lines"]
