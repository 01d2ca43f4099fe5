"""The islands of the house: who may import whom, read from the imports themselves."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "cabal_backup"
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))

CDK = {"aws_cdk", "constructs", "cdk_nag", "jsii"}
SDK = {"boto3", "botocore", "s3transfer"}
FLOOR = {
    "names",
    "config",
    "errors",
    "text",
    "urgent",
}
"""The modules both halves stand on."""

# Island: the third-party packages it must not import, and the parts of cabal_backup it may.
ISLANDS: dict[str, tuple[set[str], set[str]]] = {
    "infrastructure": (SDK, FLOOR | {"infrastructure"}),
    "functions": (CDK, FLOOR | {"custom_resource", "functions", "operations"}),
    "custom_resource": (CDK, FLOOR),
    "operations": (CDK, FLOOR | {"operations", "mail_host"}),
    "mail_host": (CDK | SDK, {"mail_host"}),
    "cli": (CDK | SDK, FLOOR | {"operations", "mail_host", "cli"}),
    "__main__": (CDK | SDK, {"cli"}),
    **dict.fromkeys(FLOOR, (CDK | SDK, FLOOR)),
}


# Islands that may import the standard library and, besides it, only these packages.
ADDITIONAL: dict[str, set[str]] = {"functions": SDK, "mail_host": set()}


def island_of(module: Path) -> str:
    """The directory a module is in, or its own name when it is in none."""
    return module.parts[0].removesuffix(".py")


def imports(module: Path, source: str) -> Iterator[str]:
    """The full name of everything a module imports, wherever in it."""
    here = ("cabal_backup", *module.parts[:-1])
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level + 1]) if node.level else ""
            origin = ".".join(filter(None, [base, node.module]))
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def trespasses(module: Path, source: str) -> list[str]:
    """What a module imports that its island may not."""
    forbidden, ours = ISLANDS[island_of(module)]
    found = []
    for name in imports(module, source):
        top, _, rest = name.partition(".")
        if top in forbidden | {"tests", "app"}:
            found.append(name)
        elif top == "cabal_backup":
            if rest.split(".")[0] not in ours:
                found.append(name)
        elif top not in ADDITIONAL.get(module.parts[0], {top}) | sys.stdlib_module_names:
            found.append(name)
    return found


def test_there_are_modules_to_read() -> None:
    assert {island_of(module) for module in MODULES} >= {
        "infrastructure",
        "functions",
        "config",
        "names",
    }


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_imports_only_what_its_island_may(module: Path) -> None:
    if module.name == "__init__.py" and len(module.parts) == 1:
        assert not list(imports(module, (PACKAGE / module).read_text()))
        return
    assert island_of(module) in ISLANDS, f"say in this test what {module} may import"
    assert trespasses(module, (PACKAGE / module).read_text()) == []


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_the_local_aws_never_leaks_into_the_package(module: Path) -> None:
    text = (PACKAGE / module).read_text().lower()
    for word in ("ministack", "sandbox", "localstack", "moto"):
        assert word not in text.replace("remote", "").replace("promot", "")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("infrastructure/vault.py", "import boto3"),
        ("infrastructure/vault.py", "def f():\n    from botocore.config import Config"),
        ("infrastructure/vault.py", "from cabal_backup.operations import clients"),
        ("infrastructure/vault.py", "from cabal_backup import functions"),
        ("infrastructure/vault.py", "from ..functions import opt_in"),
        ("operations/status.py", "import aws_cdk.aws_backup"),
        ("operations/status.py", "from cabal_backup.infrastructure.vault import LockedVault"),
        ("operations/status.py", "from cabal_backup.cli import main"),
        ("functions/opt_in.py", "from cabal_backup.cli import main"),
        ("functions/opt_in.py", "from cabal_backup.infrastructure import vault"),
        ("functions/opt_in.py", "import requests"),
        ("functions/opt_in.py", "from aws_cdk import Stack"),
        ("mail_host/merge.py", "import rich"),
        ("mail_host/merge.py", "from cabal_backup import names"),
        ("mail_host/merge.py", "from cabal_backup.operations.restore.mail import host_script"),
        ("functions/opt_in.py", "from cabal_backup.mail_host import merge"),
        ("infrastructure/vault.py", "from cabal_backup.mail_host.names import QUEUES"),
        ("cli/main.py", "import boto3"),
        ("cli/main.py", "from aws_cdk import App"),
        ("names.py", "from cabal_backup.operations import status"),
        ("config/environment.py", "import boto3"),
        ("config/settings.py", "from tests.builders import settings"),
    ],
)
def test_a_trespass_would_be_noticed(module: str, source: str) -> None:
    assert trespasses(Path(module), source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("infrastructure/vault.py", "from aws_cdk import Stack\nfrom cabal_backup import names"),
        ("functions/opt_in.py", "import json\nimport boto3\nfrom botocore.config import Config"),
        ("operations/status.py", "import boto3\nfrom cabal_backup.config.environment import Lock"),
        ("mail_host/merge.py", "import os\nfrom cabal_backup.mail_host.names import shown"),
        ("operations/drill.py", "from cabal_backup.mail_host.merge import merge"),
        ("cli/main.py", "import rich\nfrom cabal_backup.operations import status"),
    ],
)
def test_what_is_allowed_is_no_trespass(module: str, source: str) -> None:
    assert trespasses(Path(module), source) == []
