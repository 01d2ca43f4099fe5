"""Which AWS operations the project calls, read from its code."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import botocore.session
from botocore import xform_name

from tests.sandbox.deployment import PROJECT

PACKAGE = PROJECT / "cabal_backup"


def operations_used() -> set[tuple[str, str]]:
    """Service and operation of every call through an SDK; rather one too many than one too few.

    A method or a string with the name of an operation is taken for a call of it: in a module that
    makes clients, of the services there, and elsewhere of any service of the project. The command
    line calls no service itself, and its progress bars have methods of the same names.
    """
    trees = [
        ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
        if not {"cli", "infrastructure"} & set(path.parts)
    ]
    session = botocore.session.Session()
    known = {
        service: {
            xform_name(name): name for name in session.get_service_model(service).operation_names
        }
        for service in {service for tree in trees for service in _services(tree)}
    }
    used = set()
    for tree in trees:
        here = set(_services(tree))
        for name in _names(tree):
            everywhere = {service for service, names in known.items() if name in names}
            used |= {(each, known[each][name]) for each in everywhere & here or everywhere}
    return used


def _services(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="client") | ast.Name(id="client"),
                args=[ast.Constant(value=str(service)), *_],
            ):
                yield service


def _names(tree: ast.AST) -> set[str]:
    return {
        node.attr if isinstance(node, ast.Attribute) else str(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Constant)
    }
