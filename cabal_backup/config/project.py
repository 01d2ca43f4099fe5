"""Reads the settings from the files of the CDK CLI, as it does, or from one TOML file.

The TOML file serves an operator who has no checkout. It holds `environments` as cdk.json does:
a table `[environments.prod]` for each environment.

https://docs.aws.amazon.com/cdk/v2/guide/context.html
"""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NoReturn

from cabal_backup.config.environment import Environment
from cabal_backup.config.reader import read_environments
from cabal_backup.config.settings import Value
from cabal_backup.errors import BackupOffError, SettingsError, UsageError

CDK_JSON = "cdk.json"
PRIVATE = "cdk.context.json"
"""What is not in the repository: git ignores it."""
USER = ".cdk.json"
"""In the home directory, for all projects of a user."""


@dataclass(frozen=True)
class Project:
    """Where the settings are."""

    folder: Path
    """Drill reports are kept here as well."""
    files: tuple[Path, ...]
    """cdk.json and cdk.context.json, or the one TOML file."""

    @property
    def is_checkout(self) -> bool:
        """Whether the settings are those of a checkout, not a file of the user's."""
        return self.files[0].name == CDK_JSON

    def __str__(self) -> str:
        return str(self.files[0])


def find_project(start: Path | None, config: Path | None = None) -> Project:
    """The settings of this checkout, or else those of this user.

    :param start: take the nearest cdk.json from this folder upwards (default: the current folder).
    :param config: take this TOML file instead.

    Without either, and without a cdk.json, it is config.toml in `cabal-backup` of the user's
    configuration folder (https://specifications.freedesktop.org/basedir-spec/latest/).

    Raises SettingsError if there are no settings.
    """
    if config is not None and start is not None:
        raise UsageError("--config and --project exclude each other.")
    if config is None:
        here = (start or Path.cwd()).absolute()
        for folder in (here, *here.parents):
            if (folder / CDK_JSON).is_file():
                return Project(folder, (folder / CDK_JSON, folder / PRIVATE))
    file = (config or _user_config()).absolute()
    if start is None and file.is_file():
        return Project(file.parent, (file,))
    if config is not None:
        raise SettingsError(f"There is no file {config}.")
    raise SettingsError(
        f"There is no {CDK_JSON} in {here} or above it"
        + ("." if start else f", and no {file}.")
        + " Go to the project's folder, or name it with --project. Without a checkout, write the "
        "settings to a TOML file (docs/settings.md) and name it with --config."
    )


def _user_config() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME", "")
    # A relative path is to be ignored, says the specification.
    folder = Path(home) if Path(home).is_absolute() else Path.home() / ".config"
    return folder / "cabal-backup" / "config.toml"


def read_environment(project: Project, name: str | None, overrides: Iterable[str]) -> Environment:
    """One environment of a project, checked.

    :param name: which; None if the command line does not name it.
    :param overrides: `NAME.SETTING=VALUE`, as for `cdk -c`.

    An environment whose backup is off may still be deployed, so it is read with the checks of
    one whose backup is on.

    Raises UsageError if none is named or an override is malformed, BackupOffError if its backup is
    off and its settings do not say where it could be deployed, SettingsError if the settings
    cannot be used.
    """
    context = merge(read_layers(project, overrides))
    if name is None:
        names = ", ".join(environment_names(project, overrides)) or "none"
        raise UsageError(
            "Choose an environment with --environment or CABAL_ENVIRONMENT. "
            f"{project} declares: {names}."
        )
    (environment,) = read_environments({**context, "environment": name})
    if environment.backup:
        return environment
    if environment.account is None or environment.mailstore_file_system_id is None:
        raise BackupOffError(
            f"{not_protected(project, name)} If it is still deployed, set its account and "
            "mailstore_file_system_id to work with it."
        )
    (on,) = read_environments({**context, "environment": name, f"{name}.backup": True})
    return replace(on, backup=False)


def environment_names(project: Project, overrides: Iterable[str]) -> tuple[str, ...]:
    """The environments that a project declares. Raises as `read_layers`."""
    declared = merge(read_layers(project, overrides)).get("environments")
    return tuple(declared) if isinstance(declared, dict) else ()


def not_protected(project: Project, name: str) -> str:
    """How an environment whose backup is off is reported."""
    places = " or ".join(file.name for file in project.files)
    return (
        f"{name} is not protected: its backup is off. To turn it on, set backup to true in "
        f"{places} and deploy it."
    )


Layers = dict[str, dict[str, Value]]
"""The context of each place, by the place; a later one overrides an earlier one."""


def read_layers(project: Project, overrides: Iterable[str]) -> Layers:
    """What each place contributes to the CDK context of a project.

    Raises UsageError and SettingsError as `read_environment`.
    """
    given: dict[str, Value] = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise UsageError(f"-c requires NAME.SETTING=VALUE, not {override!r}.")
        given[key] = value
    if not project.is_checkout:
        (file,) = project.files
        return {file.name: _object(file), "-c": given}
    return {
        f"~/{USER}": _context(Path.home() / USER),
        PRIVATE: _object(project.folder / PRIVATE),
        CDK_JSON: _context(project.folder / CDK_JSON),
        "-c": given,
    }


def merge(layers: Layers, *, sources: bool = False) -> dict[str, Value]:
    """The context as `cdk` passes it to the application: objects are merged key by key.

    :param sources: put the place that a value comes from in the place of each value.
    """
    context: dict[str, Value] = {}
    for place, layer in layers.items():
        _merge(context, layer, place if sources else None)
    return context


def _merge(into: dict[str, Value], layer: Mapping[str, Value], place: str | None) -> None:
    for key, value in layer.items():
        if isinstance(value, dict):
            if not isinstance(into.get(key), dict):
                into[key] = {}
            _merge(into[key], value, place)
        else:
            into[key] = value if place is None or value is None else place


def _context(file: Path) -> dict[str, Value]:
    context = _object(file).get("context", {})
    return dict(context) if isinstance(context, dict) else {}


def _object(file: Path) -> dict[str, Value]:
    """What a file holds; nothing where there is no such file."""
    try:
        # With or without the byte order mark that some editors write.
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix != ".json":
            return tomllib.loads(text, parse_float=_number)
        content = json.loads(text, parse_float=_number, parse_constant=_no_number)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"Cannot read {file}: {error.strerror}.") from error
    except ValueError as error:
        language = "JSON" if file.suffix == ".json" else "TOML"
        raise SettingsError(f"{file} is not {language}: {error}.") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{file} should hold a JSON object.")
    return content


def _number(text: str) -> int | float:
    """JavaScript, and so the CDK CLI, does not tell 30.0 from 30."""
    number = float(text)
    return int(number) if number.is_integer() else number


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number in JSON")


def files_with(project: Project, value: str) -> list[Path]:
    """The files of a project's settings in which `value` stands in double quotes."""
    return [
        file for file in project.files if file.is_file() and _quoted(value) in file.read_bytes()
    ]


def check_replaceable(file: Path) -> None:
    """Raises SettingsError for a symbolic link: what it leads to belongs to someone else."""
    if file.is_symlink():
        raise SettingsError(
            f"{file} is a symbolic link to {file.resolve()}, and is not changed. Change the "
            "setting there by hand."
        )


def replace_setting(file: Path, old: str, new: str) -> None:
    """Put `new` in the place of `old` wherever it stands in double quotes; nothing else changes.

    Raises SettingsError when the file cannot be written, or is a symbolic link.
    """
    check_replaceable(file)
    try:
        content = file.read_bytes().replace(_quoted(old), _quoted(new))
        with replacement(file) as opened:
            opened.write(content)
            os.fchmod(opened.fileno(), file.stat().st_mode & 0o7777)
    except OSError as error:
        raise SettingsError(
            f"Cannot write {file}: {error.strerror}. It was not changed."
        ) from error


@contextmanager
def replacement(file: Path) -> Iterator[BinaryIO]:
    """What is written here takes the place of a file at the end, if nothing is raised before.

    At every moment the file holds all of the old content or all of the new one.
    """
    descriptor, written = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            yield opened
            opened.flush()
            os.fsync(descriptor)
        Path(written).replace(file)
    except BaseException:
        with suppress(OSError):
            Path(written).unlink()
        raise


def _quoted(value: str) -> bytes:
    return json.dumps(value).encode()
