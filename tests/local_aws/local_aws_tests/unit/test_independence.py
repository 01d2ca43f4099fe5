"""The distribution works in any project: it imports only what its pyproject.toml declares."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    path for folder in ("src", "local_aws_tests") for path in (ROOT / folder).rglob("*.py")
)


def imported(source: str) -> Iterator[str]:
    """The top-level name of every import."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used"
            yield (node.module or "").partition(".")[0]


def declared() -> set[str]:
    """The packages in `dependencies`, whose import names equal their distribution names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {re.split(r"[^\w-]", requirement)[0] for requirement in project["dependencies"]}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_is_declared(module: Path) -> None:
    allowed = sys.stdlib_module_names | declared() | {"local_aws"}
    if "local_aws_tests" in module.parts:
        allowed |= {"local_aws_tests", "pytest"}
    elif module.name == "pytest_plugin.py":
        allowed |= {"pytest"}
    assert set(imported(module.read_text(encoding="utf-8"))) <= allowed


def test_every_declared_package_is_used() -> None:
    """As text, because `internals` imports the modules of MiniStack by their names."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    for name in declared():
        assert re.search(rf"""(import |from |["']){name}\b""", source), name


@pytest.mark.parametrize("source", ["import tests.builders", "from cabal_backup import names"])
def test_an_undeclared_import_would_be_found(source: str) -> None:
    assert not set(imported(source)) <= sys.stdlib_module_names | declared() | {"local_aws"}
