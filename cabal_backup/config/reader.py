"""Read the environments from the CDK context, or report every problem in it.

The configuration is the object `environments` of the context and any number of `NAME.SETTING`
keys that override it, from the places that `read_layers` reads. A null means that the setting is
absent: CDK removes it. All problems of all environments are reported at once.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cabal_backup.config.constraints import Conflict, Values, find_conflicts
from cabal_backup.config.environment import SETTINGS, Environment
from cabal_backup.config.settings import REMOVED, Rejected, Value
from cabal_backup.errors import SettingsError

_OVERRIDE = re.compile(r"(?P<environment>[A-Za-z0-9_-]+)\.(?P<setting>.+)")
NAME = "[a-z][a-z0-9-]{0,31}"
_COMPLIANCE = re.compile(r"complian|changeable|immutable|grace|lock_?mode", re.IGNORECASE)
_MISSING = object()


@dataclass(frozen=True)
class Problem:
    """One problem in the configuration, described for the operator."""

    setting: str
    """The full name, such as `prod.delete_after_days`."""

    received: object
    rule: str
    remedy: str

    def __str__(self) -> str:
        received = (
            "not set" if self.received is _MISSING else json.dumps(self.received, default=list)
        )
        return f"{self.setting}: {received}\n    rule:   {self.rule}\n    remedy: {self.remedy}"


class ConfigurationError(SettingsError):
    """The configuration cannot be used; `problems` has everything that is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(
            "\n\n".join([f"{count} in the configuration (cdk.json and -c):", *map(str, problems)])
        )


def read_environments(
    context: Values, *, further: Callable[[Values], Iterable[Conflict]] = lambda _: ()
) -> tuple[Environment, ...]:
    """The environments in `context`, in the order in which they are written.

    With `environment` in the context, only that one is read and checked: prod can be
    deployed where the private settings of stage are not available.

    :param further: conflicts of one environment's settings beside those of `find_conflicts`.

    Raises ConfigurationError with every problem found.
    """
    problems: list[Problem] = []
    written = _written_settings(context, problems)
    understood = {}
    for name in _selection(context, written, problems):
        understood[name] = values = _parse(name, written[name], problems)
        problems += [
            Problem(
                f"{name}.{c.setting}", _received(c.setting, written[name], values), c.rule, c.remedy
            )
            for c in (*find_conflicts(values), *further(values))
        ]
    problems += _shared_accounts(understood)
    if problems:
        raise ConfigurationError(problems)
    return tuple(Environment(name=name, **values) for name, values in understood.items())


def _written_settings(context: Values, problems: list[Problem]) -> dict[str, dict[str, Value]]:
    """The settings of each environment as they are written, with the overrides applied."""
    declared = context.get("environments", _MISSING)
    if not isinstance(declared, Mapping) or not declared:
        problems.append(
            Problem(
                "environments",
                declared,
                "it must be an object that holds the settings of each environment by name",
                'write it in the context of cdk.json: {"prod": {"backup": true, …}, …}',
            )
        )
        declared = {}
    written: dict[str, dict[str, Value]] = {}
    for name, settings in declared.items():
        if not re.fullmatch(NAME, name):
            problems.append(
                Problem(
                    f"environments.{name}",
                    name,
                    "an environment's name must be 1 to 32 lower-case letters, digits and '-', "
                    "starting with a letter",
                    "rename it",
                )
            )
        elif not isinstance(settings, Mapping):
            problems.append(
                Problem(
                    f"environments.{name}",
                    settings,
                    "an environment must be an object of settings",
                    'write {"backup": false} for one that is not protected yet',
                )
            )
        else:
            written[name] = {key: value for key, value in settings.items() if value is not None}
    _apply_overrides(context, written, problems)
    return written


def _apply_overrides(
    context: Values, written: dict[str, dict[str, Value]], problems: list[Problem]
) -> None:
    for key, value in context.items():
        override = _OVERRIDE.fullmatch(key)
        if override is None or value is None:
            continue
        if override["environment"] in written:
            written[override["environment"]][override["setting"]] = value
        else:
            problems.append(
                Problem(
                    key,
                    value,
                    f"{override['environment']} is not an environment",
                    _nearest(override["environment"], written),
                )
            )


def _selection(
    context: Values, written: Mapping[str, object], problems: list[Problem]
) -> tuple[str, ...]:
    wanted = context.get("environment", _MISSING)
    if wanted is _MISSING:
        return tuple(written)
    if isinstance(wanted, str) and wanted in written:
        return (wanted,)
    problems.append(
        Problem(
            "environment",
            wanted,
            "it must name one of the environments",
            _nearest(str(wanted), written),
        )
    )
    return ()


def _parse(name: str, written: Mapping[str, Value], problems: list[Problem]) -> dict[str, Value]:
    """The values that are valid, defaults included."""
    values = {}
    for key, setting in SETTINGS.items():
        received = written.get(key, _MISSING)
        try:
            values[key] = setting.default if received is _MISSING else setting.kind.parse(received)
        except Rejected as rejected:
            problems.append(Problem(f"{name}.{key}", received, rejected.rule, rejected.remedy))
    for unknown in sorted(written.keys() - SETTINGS.keys()):
        problems.append(_unknown_setting(name, unknown, written[unknown]))
    return values


def _received(setting: str, written: Mapping[str, Value], values: Mapping[str, Value]) -> object:
    """The value of a setting to show in a problem: the default where none is written."""
    value = values[setting]
    return _MISSING if value is None and setting not in written else value


def _unknown_setting(name: str, unknown: str, received: object) -> Problem:
    if _COMPLIANCE.search(unknown):
        rule = (
            "the vaults are locked in governance mode only; a lock in compliance mode can never "
            "be removed"
        )
        remedy = "remove this setting; lock_min_days and lock_max_days set the lock"
    elif unknown in REMOVED:
        rule, remedy = REMOVED[unknown], "remove this setting"
    else:
        rule, remedy = "there is no such setting", _nearest(unknown, SETTINGS)
    return Problem(f"{name}.{unknown}", received, rule, remedy)


def _shared_accounts(understood: Mapping[str, Mapping[str, Value]]) -> Iterator[Problem]:
    """Names are fixed and the role is account-wide, so an account can hold one deployment."""
    first: dict[str, str] = {}
    for name, values in understood.items():
        account = values.get("account")
        if not values.get("backup") or account is None:
            continue
        other = first.setdefault(account, name)
        if other != name:
            yield Problem(
                f"{name}.account",
                account,
                f"an account can hold one protected environment, and {other} is in this one",
                "give each environment an account of its own",
            )


def _nearest(wrong: str, right: Collection[str]) -> str:
    close = difflib.get_close_matches(wrong, right, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]}?"
    return f"use one of: {', '.join(right)}" if right else "declare it under environments first"
