"""Where the configuration is: the cdk.json that the CDK application reads too."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cabal_backup.configuration import ConfigurationError, read_environments
from cabal_backup.environment import Environment
from cabal_backup.errors import SettingsError, UsageError

CDK_JSON = "cdk.json"
PRIVATE = "cdk.context.json"
"""What is not in the repository; git ignores it, and the CDK CLI reads it as well."""


def find_project(start: Path) -> Path:
    """The nearest folder with a cdk.json, from `start` upwards.

    Raises SettingsError when there is none.
    """
    for folder in (start, *start.parents):
        if (folder / CDK_JSON).is_file():
            return folder
    raise SettingsError(
        f"There is no {CDK_JSON} in {start} or above it. Go to the project's folder, or name it "
        "with --project."
    )


def read_environment(project: Path, name: str | None, overrides: Iterable[str]) -> Environment:
    """One environment of a project, checked.

    :param name: which; None when the person did not say.
    :param overrides: `NAME.SETTING=VALUE`, as for `cdk -c`.

    Raises UsageError when none is named or an override is malformed, SettingsError when
    the settings cannot be used.
    """
    context = _context(project / CDK_JSON)
    private = project / PRIVATE
    if private.is_file():
        context |= _object(private)
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise UsageError(f"-c wants NAME.SETTING=VALUE, got {override!r}.")
        context[key] = value
    if name is None:
        declared = context.get("environments")
        names = ", ".join(declared) if isinstance(declared, dict) else "none"
        raise UsageError(
            "Say which environment, with --environment or CABAL_ENVIRONMENT. "
            f"{project / CDK_JSON} declares: {names}."
        )
    try:
        (environment,) = read_environments({**context, "environment": name})
    except ConfigurationError as error:
        raise SettingsError(str(error)) from error
    if not environment.backup:
        raise SettingsError(
            f"{name} is not protected: its backup is off. To turn it on, set "
            f'"backup": true in {CDK_JSON} or {PRIVATE} and deploy it.'
        )
    return environment


def _context(file: Path) -> dict[str, Any]:
    context = _object(file).get("context", {})
    return dict(context) if isinstance(context, dict) else {}


def _object(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"Cannot read {file}: {error.strerror}.") from error
    except ValueError as error:
        raise SettingsError(f"{file} is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{file} should hold a JSON object.")
    return content


def files_with(project: Path, value: str) -> list[Path]:
    """The files of a project's settings in which `value` stands as a JSON string."""
    files = (project / CDK_JSON, project / PRIVATE)
    return [file for file in files if file.is_file() and _quoted(value) in file.read_text("utf-8")]


def replace_setting(file: Path, old: str, new: str) -> None:
    """Put `new` in the place of `old` wherever it stands as a JSON string; nothing else changes.

    Raises SettingsError when the file cannot be written.
    """
    text = file.read_text(encoding="utf-8").replace(_quoted(old), _quoted(new))
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"Cannot write {file}: {error.strerror}.") from error


def _quoted(value: str) -> str:
    return json.dumps(value)
