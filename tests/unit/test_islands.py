"""The layers: which module may import which, read from the imports themselves."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Set
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "cabal_backup"
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))

CDK = {"aws_cdk", "constructs", "cdk_nag", "jsii"}
SDK = {"boto3", "botocore", "s3transfer"}
FLOOR = {"config", "errors", "names", "text", "urgent"}
"""What every layer but `mail_host` stands on."""

TYPES = "types_boto3"
"""The packages that describe AWS to mypy; they are not installed with the tool."""

OPERATIONS = {"operations.aws", "operations.status", "operations.restore", "operations.teardown"}

# Layer: the third-party packages it must not import, and the parts of cabal_backup it may import.
# A part is a top-level module or folder, and below operations a folder. The rows go from the top
# down, and each names only itself and rows below it.
LAYERS: dict[str, tuple[set[str], set[str]]] = {
    "__main__": (CDK | SDK, {"cli"}),
    "cli": (
        CDK | SDK,
        FLOOR
        | OPERATIONS
        | {"operations", "operations.doctor", "operations.drill", "operations.holds"}
        | {"operations.report", "mail_host"},
    ),
    "infrastructure": (SDK, {"config", "names", "urgent"}),
    "functions": (CDK, FLOOR | OPERATIONS | {"custom_resource", "operations.report"}),
    "custom_resource": (CDK, set()),
    "operations.doctor": (CDK, FLOOR | {"operations.status", "operations.aws"}),
    # A hold states what it costs.
    "operations.holds": (CDK, FLOOR | {"operations.aws", "operations.report"}),
    "operations.report": (CDK, FLOOR | {"operations.status", "operations.aws"}),
    "operations.drill": (
        CDK,
        FLOOR | {"operations.restore", "operations.status", "operations.aws", "mail_host"},
    ),
    # copy-back asks status whether the vaults and the role are ready.
    "operations.restore": (CDK, FLOOR | {"operations.status", "operations.aws", "mail_host"}),
    "operations.teardown": (CDK, FLOOR | {"operations.aws"}),
    "operations.status": (CDK, FLOOR | {"operations.aws"}),
    # The operations that are one module.
    "operations": (CDK, FLOOR | {"operations.aws"}),
    "operations.aws": (CDK, FLOOR),
    "mail_host": (CDK | SDK, set()),
    "config": (CDK | SDK, {"errors", "names"}),
    "urgent": (CDK | SDK, {"names"}),
    "names": (CDK | SDK, set()),
    "errors": (CDK | SDK, set()),
    "text": (CDK | SDK, set()),
}

# Layers that may import the standard library and, besides it, only these packages.
ADDITIONAL: dict[str, set[str]] = {"functions": SDK, "mail_host": set()}


def layer_of(dotted: str) -> str:
    """The layer of a module or of a name in it, by its dotted name below `cabal_backup`."""
    top, _, rest = dotted.partition(".")
    below = f"{top}.{rest.partition('.')[0]}"
    return below if below in LAYERS else top


def dotted(module: Path) -> str:
    """The name of a module, or of a package, below `cabal_backup`."""
    return ".".join(module.parts).removesuffix(".py").removesuffix(".__init__")


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Those in a node; expressions contain none."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr):
            yield child
            yield from _statements(child)


@cache
def imports(module: Path, source: str) -> tuple[str, ...]:
    """The full name of everything a module imports, wherever in it.

    Not AWS's types, where only mypy imports them.
    """
    here = ("cabal_backup", *module.parts[:-1])
    statements = list(_statements(ast.parse(source)))
    for_mypy = {
        each
        for node in statements
        if isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
        for each in node.body
        if isinstance(each, ast.ImportFrom) and str(each.module).startswith(TYPES)
    }
    found: list[str] = []
    for node in set(statements) - for_mypy:
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level + 1]) if node.level else ""
            origin = ".".join(filter(None, [base, node.module]))
            found += (f"{origin}.{alias.name}" for alias in node.names)
    return tuple(found)


def trespasses(module: Path, source: str) -> list[str]:
    """What a module imports that its layer may not."""
    layer = layer_of(dotted(module))
    forbidden, ours = LAYERS[layer]
    found = []
    for name in imports(module, source):
        top, _, rest = name.partition(".")
        if top in forbidden | {"tests", "app"} or top.startswith(TYPES):
            found.append(name)
        elif top == "cabal_backup":
            if layer_of(rest) not in ours | {layer}:
                found.append(name)
        elif top not in ADDITIONAL.get(module.parts[0], {top}) | sys.stdlib_module_names:
            found.append(name)
    return found


def arrows(modules: Mapping[Path, str]) -> dict[str, set[str]]:
    """Which folders the modules of each folder import from.

    Modules at the top of the package and of `operations` stand for themselves: they are not
    one unit with what lies beside them.
    """
    names = {dotted(module) for module in modules}
    folders = {dotted(module.parent) for module in modules} - {"", "operations"}

    def folder(name: str) -> str:
        return (
            name
            if name in folders
            else max(
                (each for each in folders if name.startswith(f"{each}.")), key=len, default=name
            )
        )

    found: dict[str, set[str]] = {}
    for module, source in modules.items():
        here = folder(dotted(module))
        for name in imports(module, source):
            there = name.removeprefix("cabal_backup.")
            while there and there not in names:
                there = there.rpartition(".")[0]
            if there and name.startswith("cabal_backup.") and folder(there) != here:
                found.setdefault(here, set()).add(folder(there))
    return found


def loop(arrows: Mapping[str, Set[str]]) -> list[str]:
    """The folders that import each other in a circle; none if there is no circle."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_there_are_modules_to_read() -> None:
    assert {layer_of(dotted(module)) for module in MODULES if module.parent.name} >= {
        layer for layer in LAYERS if (PACKAGE / layer.replace(".", "/")).is_dir()
    }


def test_each_layer_imports_only_from_lower_ones() -> None:
    order = list(LAYERS)
    for layer, (_, ours) in LAYERS.items():
        assert all(order.index(other) > order.index(layer) for other in ours), layer


def test_no_folders_import_each_other_in_a_circle() -> None:
    found = arrows({module: (PACKAGE / module).read_text() for module in MODULES})
    assert found["operations.restore.tables"] >= {"operations.aws", "operations.restore"}
    assert loop(found) == []


def test_only_the_command_line_imports_the_drills() -> None:
    above = {layer for layer, (_, ours) in LAYERS.items() if "operations.drill" in ours}
    assert above == {"cli"}


def test_a_module_imports_only_what_its_layer_may() -> None:
    top = Path("__init__.py")
    assert not imports(top, (PACKAGE / top).read_text())
    found = {}
    for module in set(MODULES) - {top}:
        assert layer_of(dotted(module)) in LAYERS, f"say in this test what {module} may import"
        found[module] = trespasses(module, (PACKAGE / module).read_text())
    assert {module: names for module, names in found.items() if names} == {}


def test_the_local_aws_never_leaks_into_the_package() -> None:
    for module in MODULES:
        text = (PACKAGE / module).read_text().lower()
        for word in ("ministack", "sandbox", "localstack", "moto"):
            assert word not in text.replace("remote", "").replace("promot", ""), module


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("infrastructure/vault.py", "import boto3"),
        ("infrastructure/vault.py", "def f():\n    from botocore.config import Config"),
        ("infrastructure/vault.py", "from cabal_backup.operations import clients"),
        ("infrastructure/vault.py", "from cabal_backup import functions"),
        ("infrastructure/vault.py", "from ..functions import opt_in"),
        ("infrastructure/vault.py", "from cabal_backup.errors import ExitCode"),
        ("operations/status/state.py", "import aws_cdk.aws_backup"),
        (
            "operations/status/state.py",
            "from cabal_backup.infrastructure.vault import locked_vault",
        ),
        ("operations/status/state.py", "from cabal_backup.cli import main"),
        ("operations/status/state.py", "from cabal_backup.operations import drill"),
        ("operations/status/state.py", "from cabal_backup.operations.restore import mail_tiers"),
        ("operations/status/checks/drills.py", "from cabal_backup.operations.drill import record"),
        (
            "operations/restore/mail_tiers.py",
            "from cabal_backup.operations.drill import request",
        ),
        ("operations/restore/mail_tiers.py", "from ..teardown import locks"),
        ("operations/restore/tables/undo.py", "from cabal_backup.operations import verify_aws"),
        ("operations/teardown/locks.py", "from cabal_backup.operations.status import state"),
        ("operations/aws/jobs.py", "from cabal_backup.operations.status import state"),
        ("operations/aws/jobs.py", "from cabal_backup.operations import alerts"),
        ("operations/verify_aws.py", "from cabal_backup.operations.drill import write_report"),
        ("operations/alerts.py", "from types_boto3_backup import BackupClient"),
        ("functions/watch.py", "from cabal_backup.operations.drill import write_report"),
        ("config/reader.py", "from cabal_backup.operations.aws.client import Aws"),
        ("names.py", "from cabal_backup import errors"),
        ("functions/opt_in.py", "from cabal_backup.cli import main"),
        ("functions/opt_in.py", "from cabal_backup.infrastructure import vault"),
        ("functions/opt_in.py", "import requests"),
        ("functions/opt_in.py", "from aws_cdk import Stack"),
        ("mail_host/merge.py", "import rich"),
        ("mail_host/merge.py", "from cabal_backup import names"),
        ("mail_host/merge.py", "from cabal_backup.operations.restore.mail import host_script"),
        ("functions/opt_in.py", "from cabal_backup.mail_host import merge"),
        ("infrastructure/vault.py", "from cabal_backup.mail_host.mail_names import QUEUES"),
        ("cli/main.py", "import boto3"),
        ("cli/main.py", "from aws_cdk import App"),
        ("names.py", "from cabal_backup.operations import status"),
        ("config/environment.py", "import boto3"),
        ("config/settings.py", "from tests.builders import settings"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str) -> None:
    assert trespasses(Path(module), source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("infrastructure/vault.py", "from aws_cdk import Stack\nfrom cabal_backup import names"),
        ("functions/opt_in.py", "import json\nimport boto3\nfrom botocore.config import Config"),
        (
            "operations/aws/client.py",
            "import boto3\nfrom cabal_backup.config.environment import Lock",
        ),
        ("operations/drill/request.py", "from cabal_backup.operations.restore.tables import undo"),
        ("operations/restore/mail/restore_mailbox.py", "from ..restore_jobs import check_role"),
        ("operations/restore/copies/copy_back.py", "from ...status import state"),
        ("functions/watch.py", "from cabal_backup.operations.status.state import read_state"),
        ("cli/drill.py", "from cabal_backup.operations.drill import write_report"),
        ("mail_host/merge.py", "import os\nfrom cabal_backup.mail_host.mail_names import shown"),
        ("operations/drill/rehearse_mailbox.py", "from cabal_backup.mail_host.merge import merge"),
        ("cli/main.py", "import rich\nfrom cabal_backup.operations import status"),
        (
            "functions/watch.py",
            "if TYPE_CHECKING:\n    from types_boto3_backup import BackupClient",
        ),
    ],
)
def test_what_is_allowed_is_no_trespass(module: str, source: str) -> None:
    assert trespasses(Path(module), source) == []


@pytest.mark.parametrize(
    "sources",
    [
        {
            "a/one.py": "from cabal_backup.b import two",
            "b/two.py": "from cabal_backup.a import one",
        },
        {
            "a/one.py": "from cabal_backup.a.c.two import f",
            "a/c/two.py": "def f():\n    from ..three import g",
            "a/three.py": "",
        },
        {
            "a/one.py": "import cabal_backup.b.two",
            "b/two.py": "from ..c.three import f",
            "c/three.py": "from cabal_backup.a.one import g",
        },
    ],
)
def test_a_circle_is_found(sources: dict[str, str]) -> None:
    assert loop(arrows({Path(name): source for name, source in sources.items()}))


def test_modules_of_one_folder_are_no_circle() -> None:
    sources = {
        "a/one.py": "from cabal_backup.a.two import f\nfrom cabal_backup.b.three import g",
        "a/two.py": "",
        "b/three.py": "import sys",
    }
    found = arrows({Path(name): source for name, source in sources.items()})
    assert found == {"a": {"b"}}
    assert loop(found) == []
