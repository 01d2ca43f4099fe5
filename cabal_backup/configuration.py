"""From what a person wrote to environments, or to every reason why not.

The configuration is CDK context: the object `environments`, and over it any number of
`NAME.SETTING` keys, from the places that `cabal_backup.project` lists. A null is the
same as nothing: CDK drops it on the way. All problems of all environments are found
before anything is refused, so that one look mends them all.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cabal_backup.conflicts import Conflict, Values, find_conflicts
from cabal_backup.environment import Alerts, Environment, Lifecycle, Lock, RestoreTesting
from cabal_backup.settings import REMOVED, SETTINGS, Rejected

Context = Mapping[str, Any]

_OVERRIDE = re.compile(r"(?P<environment>[A-Za-z0-9_-]+)\.(?P<setting>.+)")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_COMPLIANCE = re.compile(r"complian|changeable|immutable|grace|lock_?mode", re.IGNORECASE)
_MISSING = object()


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the configuration, in words for the person who wrote it."""

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


class ConfigurationError(Exception):
    """The configuration cannot be used; `problems` says everything that is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(
            "\n\n".join([f"{count} in the configuration (cdk.json and -c):", *map(str, problems)])
        )


def read_environments(
    context: Context, *, further: Callable[[Values], Iterable[Conflict]] = lambda _: ()
) -> tuple[Environment, ...]:
    """The environments in `context`, in the order they are written there.

    With `environment` in the context, only that one is read and checked: prod can be
    deployed where the private settings of stage are not at hand.

    :param further: conflicts of one environment's settings beside those of `find_conflicts`.

    Raises ConfigurationError with every problem found.
    """
    problems: list[Problem] = []
    written = _written_settings(context, problems)
    selected = _selection(context, written, problems)
    environments = []
    understood = {}
    for name in selected:
        understood[name] = values = _parse(name, written[name], problems)
        problems += [
            Problem(
                f"{name}.{c.setting}", _received(c.setting, written[name], values), c.rule, c.remedy
            )
            for c in (*find_conflicts(values), *further(values))
        ]
        if SETTINGS.keys() <= values.keys():
            environments.append(_environment(name, values))
    problems += _shared_accounts(understood)
    if problems:
        raise ConfigurationError(problems)
    return tuple(environments)


def _written_settings(context: Context, problems: list[Problem]) -> dict[str, dict[str, Any]]:
    """Per environment, what cdk.json says with the overrides laid over it."""
    declared = context.get("environments", _MISSING)
    if not isinstance(declared, Mapping) or not declared:
        problems.append(
            Problem(
                "environments",
                declared,
                "it is an object that holds the settings of each environment by name",
                'write it in the context of cdk.json: {"prod": {"backup": true, …}, …}',
            )
        )
        declared = {}
    written: dict[str, dict[str, Any]] = {}
    for name, settings in declared.items():
        if not _NAME.fullmatch(name):
            problems.append(
                Problem(
                    f"environments.{name}",
                    name,
                    "an environment's name is 1 to 32 lower-case letters, digits and '-', "
                    "starting with a letter",
                    "rename it",
                )
            )
        elif not isinstance(settings, Mapping):
            problems.append(
                Problem(
                    f"environments.{name}",
                    settings,
                    "an environment is an object of settings",
                    'write {"backup": false} for one that is not protected yet',
                )
            )
        else:
            written[name] = {key: value for key, value in settings.items() if value is not None}
    _lay_overrides(context, written, problems)
    return written


def _lay_overrides(
    context: Context, written: dict[str, dict[str, Any]], problems: list[Problem]
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
    context: Context, written: Mapping[str, object], problems: list[Problem]
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
            "it names one of the environments",
            _nearest(str(wanted), written),
        )
    )
    return ()


def _parse(name: str, written: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """The settings that could be understood, defaults included."""
    values = {}
    for setting in SETTINGS.values():
        received = written.get(setting.name, _MISSING)
        try:
            values[setting.name] = (
                setting.default if received is _MISSING else setting.parse(received)
            )
        except Rejected as rejected:
            problems.append(
                Problem(f"{name}.{setting.name}", received, rejected.rule, rejected.remedy)
            )
    for unknown in sorted(written.keys() - SETTINGS.keys()):
        problems.append(_unknown_setting(name, unknown, written[unknown]))
    return values


def _received(setting: str, written: Mapping[str, Any], values: Mapping[str, Any]) -> object:
    """What to show of a setting: its value, the default's where nobody wrote one."""
    value = values[setting]
    return _MISSING if value is None and setting not in written else value


def _unknown_setting(name: str, unknown: str, received: object) -> Problem:
    if _COMPLIANCE.search(unknown):
        return Problem(
            f"{name}.{unknown}",
            received,
            "the vaults are locked in governance mode only; a lock in compliance mode "
            "can never be removed again, by anybody",
            "remove this setting; lock_min_days and lock_max_days set the lock",
        )
    if unknown in REMOVED:
        return Problem(f"{name}.{unknown}", received, REMOVED[unknown], "remove this setting")
    return Problem(
        f"{name}.{unknown}", received, "there is no such setting", _nearest(unknown, SETTINGS)
    )


def _shared_accounts(understood: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    """Names are fixed and the role is account-wide: an account holds one deployment."""
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
                f"an account holds one protected environment, and {other} is in this one",
                "give each environment an account of its own",
            )


def _environment(name: str, values: Mapping[str, Any]) -> Environment:
    return Environment(
        name=name,
        backup=values["backup"],
        account=values["account"],
        region=values["region"],
        dr_region=values["dr_region"],
        addresses_table=values["addresses_table"],
        mailstore_file_system_id=values["mailstore_file_system_id"],
        pitr_tables=values["pitr_tables"],
        lifecycle=Lifecycle(
            cold_after_days=values["cold_after_days"],
            delete_after_days=values["delete_after_days"],
        ),
        dr_lifecycle=Lifecycle(
            cold_after_days=values["dr_cold_after_days"],
            delete_after_days=values["dr_delete_after_days"],
        ),
        lock=Lock(min_days=values["lock_min_days"], max_days=values["lock_max_days"]),
        alerts=Alerts(
            emails=values["alert_emails"],
            urls=values["alert_urls"],
            on_tampering=values["alert_on_tampering"],
            watch_schedule=values["watch_schedule"],
            heartbeat_parameter=values["heartbeat_parameter"],
        )
        if values["alerts"]
        else None,
        restore_testing=RestoreTesting(
            schedule=values["restore_testing_schedule"],
            dr_table_schedule=values["dr_restore_testing_table_schedule"],
            dr_mailstore_schedule=values["dr_restore_testing_mailstore_schedule"],
            tolerance_percent=values["restore_testing_tolerance_percent"],
        )
        if values["restore_testing"]
        else None,
        access_policies=values["access_policies"],
    )


def _nearest(wrong: str, right: Collection[str]) -> str:
    close = difflib.get_close_matches(wrong, right, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]}?"
    return f"use one of: {', '.join(right)}" if right else "declare it under environments first"
