"""The JSON Schema of what the commands that change something print with --json.

It follows from the dataclasses by the rules of `cabal_backup.cli.answer`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AnySet
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from cabal_backup.cli.answer import DRY_RUN, JSON_VERSION, OUTCOMES, Parts, names_in
from cabal_backup.cli.parser import build_parser, commands_of
from cabal_backup.config.environment import Environment

_SIMPLE: dict[Any, dict[str, Any]] = {
    Any: {},
    object: {},
    NoneType: {"type": "null"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    timedelta: {"type": "number"},
    Path: {"type": "string"},
    Environment: {"type": "string"},
}


def commands() -> dict[str, Parts]:
    """Each command that changes something, and the parts of its answer."""
    return {
        parser.prog.removeprefix("cabal-backup "): parser.get_default("parts")
        for parser in commands_of(build_parser())
        if parser.get_default("parts") is not None
    }


def changes_schema() -> dict[str, Any]:
    """The schema of all of them."""
    types, by_parts = _Types(), list[tuple[Parts, list[str]]]()
    for name, parts in commands().items():
        same = next((names for each, names in by_parts if each == parts), None)
        if same is None:
            by_parts.append((parts, [name]))
        else:
            same.append(name)
    error = {
        "type": ["object", "null"],
        "required": ["message"],
        "properties": {"message": {"type": "string", "minLength": 1}},
        "additionalProperties": False,
    }
    fields = {
        "version": {"const": JSON_VERSION},
        "command": {"type": "string"},
        "environment": {"type": ["string", "null"]},
        "outcome": {"enum": [*OUTCOMES.values(), DRY_RUN]},
        "exit_code": {"enum": [int(code) for code in OUTCOMES]},
        "plan": {},
        "result": {},
        "error": error,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"cabal-backup --json of commands that change something, version {JSON_VERSION}",
        "description": "docs/json.md explains it. Fields may be added within a version.",
        "type": "object",
        "required": [*fields],
        "properties": fields,
        "allOf": [
            {
                "if": {"properties": {"command": {"enum": names}}},
                "then": {"properties": types.of_answer(parts)},
            }
            for parts, names in by_parts
        ],
        "$defs": dict(sorted(types.definitions.items())),
    }


class _Names(dict[str, Any]):
    """The names in the annotations of a class; a name that only mypy imports stands for anything,
    such as a type of types-boto3.
    """

    def __init__(self, kind: type) -> None:
        super().__init__()
        for base in reversed(kind.__mro__):
            self |= vars(sys.modules[base.__module__])
        self |= vars(sys.modules["builtins"])

    def __missing__(self, _: str) -> Any:
        return Any


class _Types:
    """Collects the definitions of the classes that it meets."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}

    def of_answer(self, parts: Parts) -> dict[str, Any]:
        """That of the plan and the result of a command."""
        result = {
            name: self.of(kind, properties=True) if name != "next_plan" else self._plan(kind)
            for name, kind in parts.result.items()
        }
        return {
            "plan": {"anyOf": [self._plan(parts.plan), {"type": "null"}]},
            "result": {
                "type": ["object", "null"],
                "properties": result,
                "additionalProperties": False,
            },
        }

    def of(self, kind: Any, *, properties: bool = False) -> dict[str, Any]:
        """That of a type.

        :param properties: whether an object has its properties beside its fields.
        """
        origin: Any = get_origin(kind)
        arguments = get_args(kind)
        if kind in _SIMPLE:
            return _SIMPLE[kind]
        if origin in (Union, UnionType):
            return {"anyOf": [self.of(each, properties=properties) for each in arguments]}
        if origin is Literal:
            return {"enum": [*arguments]}
        if hasattr(origin, "__dataclass_fields__"):
            variables = dict(zip(origin.__parameters__, arguments, strict=True))
            wanted = [*names_in(origin, properties=False)]
            return {**self._object(origin, wanted, variables), "additionalProperties": False}
        if origin is not None and issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if origin is not None and issubclass(origin, Sequence | AnySet):
            return {"type": "array", "items": self.of(arguments[0], properties=properties)}
        if issubclass(kind, Enum):
            return {"enum": [each.value for each in kind]}
        if is_typeddict(kind):
            return {"type": "object"}
        return self._defined(kind, properties=properties)

    def _plan(self, kind: Any) -> dict[str, Any]:
        """That of a plan, which has its lines too; of a union, that of any of them."""
        if get_origin(kind) is UnionType:
            return {"anyOf": [self._plan(each) for each in get_args(kind)]}
        return self._defined(kind, properties=True, lines=list[str])

    def _defined(self, kind: type, *, properties: bool, **more: object) -> dict[str, Any]:
        """The definition of a class, which has its fields, with its properties and other members
        where it is used: `unevaluatedProperties`, unlike `additionalProperties`, knows of both.

        https://json-schema.org/understanding-json-schema/reference/object#unevaluatedproperties
        """
        fields = [*names_in(kind, properties=False)]
        if kind.__name__ not in self.definitions:
            self.definitions[kind.__name__] = {}  # meanwhile, for a class that contains itself
            self.definitions[kind.__name__] = self._object(kind, fields)
        added = [name for name in names_in(kind, properties=properties) if name not in fields]
        extended = self._object(kind, added, more=more) if added or more else {}
        reference = {"$ref": f"#/$defs/{kind.__name__}"}
        return {**reference, **extended, "unevaluatedProperties": False}

    def _object(
        self,
        kind: type,
        wanted: Sequence[str],
        variables: Mapping[Any, Any] = MappingProxyType({}),
        more: Mapping[str, object] = MappingProxyType({}),
    ) -> dict[str, Any]:
        """The members of a class that are wanted, and more of other types."""
        names = _Names(kind)
        hints = {**get_type_hints(kind, localns=names), **more}
        for name in wanted:
            if name not in hints:
                hints[name] = get_type_hints(getattr(kind, name).fget, localns=names)["return"]
        members = [*more, *wanted]
        return {
            "type": "object",
            "required": members,
            "properties": {
                name: self.of(variables.get(hints[name], hints[name])) for name in members
            },
        }
