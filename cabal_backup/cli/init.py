"""`cabal-backup init`: the private settings of an environment, from what its account has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cabal_backup import names
from cabal_backup.cli import output
from cabal_backup.cli.answer import answer
from cabal_backup.cli.confirm import (
    ConfirmOptions,
    add_confirmation,
    ask,
    can_ask,
    confirm,
    show_plan,
)
from cabal_backup.cli.options import CommonOptions, Invocation, add_common, changing, with_options
from cabal_backup.cli.parser import Parser
from cabal_backup.config.environment import SETTINGS
from cabal_backup.config.project import (
    PRIVATE,
    Project,
    environment_names,
    find_project,
    read_environment,
)
from cabal_backup.config.settings import as_text
from cabal_backup.errors import ExitCode, NotFoundError, RefusedError, SettingsError, UsageError
from cabal_backup.operations.doctor.candidates import Candidates, find_candidates


@dataclass(frozen=True, kw_only=True)
class InitOptions(CommonOptions, ConfirmOptions):
    """The options of `init`."""

    region: str
    dr_region: str
    file_system: str | None


@dataclass(frozen=True, kw_only=True)
class InitPlan:
    """The file that is written."""

    file: Path
    settings: Mapping[str, object]

    def lines(self) -> Sequence[str]:
        """The content of the file."""
        return json.dumps(self.settings, indent=2).splitlines()


def define_init(parser: Parser) -> None:
    parser.describe(
        f"Writes {PRIVATE}, the settings that are not in the repository, from the account of the "
        "credentials: it finds Cabal's file system and tables by tag and name, and asks where it "
        "finds several. An existing file is never changed. It does not change AWS.",
        "init -e development",
        "init -e prod --profile cabal-prod --region eu-west-1 --dr-region eu-central-1",
        note=f"Without a terminal: --yes, and --file-system unless exactly one has the tag "
        f"Name={names.MAILSTORE}.",
    )
    add_common(parser)
    add_confirmation(parser)
    for option, what in (("--region", "where Cabal is"), ("--dr-region", "where copies are kept")):
        default = SETTINGS[option[2:].replace("-", "_")].default
        parser.add_argument(
            option, metavar="REGION", default=default, help=f"{what} (default: {default})"
        )
    parser.add_argument("--file-system", metavar="ID", help="the file system of the mail")
    parser.runs(run, InitOptions, plan=InitPlan, result={"file": Path})


def run(options: InitOptions, _: Invocation) -> int:
    project = find_project(options.project, options.config)
    if not project.is_checkout:
        raise UsageError(
            f"{project} has the settings of this user: change it by hand (docs/settings.md). init "
            f"writes {PRIVATE} beside a cdk.json."
        )
    name = _environment(options, project)
    found = find_candidates(options.region, profile=options.profile)
    output.say(f"Account {found.account}, as {found.caller}, in {options.region}.")
    settings = _settings(options, found)
    content = {f"{name}.{key}": value for key, value in settings.items()}
    # Everything that is wrong is reported before anything is written.
    overrides = [*options.context, *(f"{key}={as_text(value)}" for key, value in content.items())]
    environment = with_options(read_environment(project, name, overrides), options, options.profile)
    file = project.folder / PRIVATE
    plan = InitPlan(file=file, settings=content)
    if show_plan(plan, options):
        return ExitCode.OK
    if file.exists():
        raise RefusedError(f"{file} exists and was not changed. Add the lines above to it.")
    confirm(f"This writes {file}.", yes=options.yes)
    _write(file, "\n".join(plan.lines()) + "\n")
    answer.add(file=file)
    print(f"Wrote {file}. Next: cabal-backup doctor {environment.options}")
    return ExitCode.OK


def _environment(options: InitOptions, project: Project) -> str:
    declared = environment_names(project, options.context)
    if options.environment not in declared:
        raise UsageError(
            "Choose an environment of cdk.json with --environment or CABAL_ENVIRONMENT: "
            f"{', '.join(declared) or 'it declares none'}."
        )
    return options.environment


def _settings(options: InitOptions, found: Candidates) -> dict[str, object]:
    """What differs from the defaults."""
    default: tuple[str, ...] = SETTINGS["pitr_tables"].default
    wanted: dict[str, object] = {
        "profile": options.profile,
        "region": options.region,
        "dr_region": options.dr_region,
        "addresses_table": _addresses_table(found),
        "pitr_tables": [table for table in default if table in found.tables],
    }
    missing = [table for table in default if table not in found.tables]
    if missing:
        output.say(f"Not found, and left out of pitr_tables: {', '.join(missing)}.")
    return {
        "backup": True,
        "account": found.account,
        "mailstore_file_system_id": _file_system(options, found),
        **{
            key: value
            for key, value in wanted.items()
            if value != SETTINGS[key].written(SETTINGS[key].default) and value is not None
        },
    }


def _file_system(options: InitOptions, found: Candidates) -> str:
    ids = [one.id for one in found.file_systems]
    if options.file_system:
        if options.file_system not in ids:
            raise NotFoundError(
                f"There is no file system {options.file_system} in {options.region}. There are: "
                f"{', '.join(ids) or 'none'}."
            )
        return options.file_system
    tagged = [one.id for one in found.file_systems if one.is_mailstore]
    if len(tagged) == 1:
        output.say(f"File system {tagged[0]} has the tag Name={names.MAILSTORE}.")
        return tagged[0]
    return _choose(
        "file system",
        {
            one.id: f"{one.name or 'no name'}, {one.size_bytes:,} bytes"
            for one in found.file_systems
        },
        "--file-system",
    )


def _addresses_table(found: Candidates) -> str:
    if names.ADDRESSES_TABLE in found.tables:
        return names.ADDRESSES_TABLE
    return _choose(
        f"table of the addresses ({names.ADDRESSES_TABLE} does not exist)",
        dict.fromkeys(found.tables, ""),
        "addresses_table in the settings",
    )


def _choose(what: str, choices: dict[str, str], otherwise: str) -> str:
    """The choice that is typed. Raises RefusedError without a terminal or for another answer."""
    if not choices:
        raise SettingsError(
            f"Found no {what} in this account and region. Check --profile and --region."
        )
    if not can_ask():
        raise RefusedError(
            f"stdin is not a terminal, so the {what} cannot be chosen here: use {otherwise}."
        )
    for name, described in choices.items():
        output.say(f"  {name}  {described}".rstrip())
    answer = ask(f"Which {what}? ")
    if answer not in choices:
        raise RefusedError(f"{answer!r} is not in the list. Nothing was written.")
    return answer


def _write(file: Path, text: str) -> None:
    changing.set()
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise RefusedError(f"{file} exists meanwhile and was not changed.") from None
    except OSError as error:
        raise SettingsError(f"Cannot write {file}: {error.strerror}.") from error
