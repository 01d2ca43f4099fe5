"""What a command that changes something prints with --json: one object (docs/json.md).

The plan and the result are the dataclasses of the operations, so the schema
docs/reference/changes.schema.json is generated from them, by the same rules as here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import UnionType

from cabal_backup.config.environment import Environment
from cabal_backup.errors import ExitCode

JSON_VERSION = 1
"""Raised when a field is removed or changes its meaning; fields may be added without."""

DRY_RUN = "dry-run"

OUTCOMES = {
    code: "done" if code is ExitCode.OK else code.name.lower().replace("_", "-")
    for code in ExitCode
}
"""The outcome for each exit code; with --dry-run it is DRY_RUN in the place of `done`."""


@dataclass(frozen=True)
class Parts:
    """The types of a command's plan and of each part of its result, for the schema."""

    plan: type | UnionType
    result: Mapping[str, object]


class Answer:
    """The plan and the result of the command that runs."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget them: another command begins."""
        self._plan: dict[str, object] | None = None
        self._result: dict[str, object] = {}

    def add_plan(self, plan: object, lines: Iterable[str]) -> None:
        """Add a plan and the lines that describe it. One that follows another, such as that of a
        cutover after a restore, is `next_plan` of the result.
        """
        shown = {"lines": [*lines], **_members(plan, properties=True)}
        if self._plan is None:
            self._plan = shown
        else:
            self._result["next_plan"] = shown

    def add(self, **parts: object) -> None:
        """Add parts of the result."""
        self._result |= {name: as_json(part, properties=True) for name, part in parts.items()}

    def document(self, prog: str, options: object, code: int, error: str) -> dict[str, object]:
        """The object.

        :param prog: the program and the command.
        :param options: those of the command; None for a command line that could not be read.
        :param error: the message of an error, with its remedy; empty without an error.
        """
        done = DRY_RUN if getattr(options, "dry_run", False) else OUTCOMES[ExitCode.OK]
        return {
            "version": JSON_VERSION,
            "command": prog.removeprefix("cabal-backup").strip(),
            "environment": getattr(options, "environment", None),
            "outcome": done if code == ExitCode.OK else OUTCOMES[ExitCode(code)],
            "exit_code": code,
            "plan": self._plan,
            "result": self._result or None,
            "error": {"message": error} if error else None,
        }


answer = Answer()


def as_json(value: object, *, properties: bool = False) -> object:
    """A value as JSON has it: times in UTC in ISO 8601, lengths of time in seconds, objects by
    the names of `names_in`.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Path | Environment):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): as_json(each) for key, each in value.items()}
    if isinstance(value, Set):
        return sorted(map(as_json, value), key=str)
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return [as_json(each, properties=properties) for each in value]
    return _members(value, properties=properties)


def _members(value: object, *, properties: bool) -> dict[str, object]:
    named = names_in(type(value), properties=properties)
    return {name: as_json(getattr(value, name)) for name in named}


def names_in(kind: type, *, properties: bool) -> Iterator[str]:
    """The fields of a dataclass or named tuple; the properties, where they are wanted, or where
    the class has no fields.
    """
    has = [each.name for each in fields(kind)] if is_dataclass(kind) else []
    has += getattr(kind, "_fields", ())
    yield from (name for name in has if not name.startswith("_"))
    if properties or not has:
        for name in dir(kind):
            if not name.startswith("_") and isinstance(getattr(kind, name), property):
                yield name
