"""The parser of the command line: every command by its name, imported only when it is used.

boto3 and rich take most of the time that the tool needs to start: `--help` imports neither.

docs/decisions/argparse.md states why this is argparse with shtab.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from importlib import import_module
from types import MappingProxyType, UnionType
from typing import NoReturn, TypeAlias, TypeVar

from cabal_backup.cli.answer import Parts
from cabal_backup.cli.options import ENVIRONMENT, REPORTS, Invocation, add_common
from cabal_backup.errors import UsageError

OptionsT = TypeVar("OptionsT")

Subcommands: TypeAlias = "argparse._SubParsersAction[Parser]"
"""What adds the commands below a command."""

COMMANDS = {
    "init": "write the private settings of an environment",
    "doctor": "check what a deployment needs",
    "config": "show the settings in use and where each comes from",
    "status": "check whether an environment is protected",
    "points": "show the recovery points of both vaults",
    "costs": "estimate what the backups cost, and compare settings",
    "report": "write an HTML file about an environment",
    "jobs": "list backup, copy and restore jobs, or follow one",
    "alerts": "send test messages to the operator",
    "watch": "run the watch now",
    "restore": "restore a table, a mailbox or the mailstore",
    "compare": "compare a restored table with a live table",
    "cutover": "copy a restored table into the live table and verify it",
    "backup": "back up now what the plan backs up each night",
    "copy": "copy recovery points to the DR region now",
    "copy-back": "copy a recovery point from the DR region to the primary region",
    "hold": "place, list and release legal holds",
    "mailbox": "on the mail host: merge a restored mailbox",
    "mailstore": "on the mail host: move a restored mailstore to its root",
    "drill": "rehearse a runbook: restore, verify, measure, clean up",
    "unlock": "remove the locks of the vaults",
    "relock": "put the locks of the vaults back",
    "teardown": "remove the backup of an environment",
    "verify-aws": "check that AWS behaves as this project expects",
    "completion": "print the completion script of a shell",
    "help": "show the help of a command",
}
"""Each command and what it does. The module of the same name, or that of MODULES, has
`define_NAME(parser)`.
"""

MODULES = {
    "watch": "alerts",
    "copy": "backup",
    "mailbox": "mail_host",
    "mailstore": "mail_host",
    "unlock": "locks",
    "relock": "locks",
    "completion": "help",
}
"""The modules that have several commands."""

ENVIRONMENT_VARIABLES = {
    ENVIRONMENT: "the environment, if --environment is not given",
    REPORTS: "the folder of the drill reports, instead of --report-dir",
    "AWS_PROFILE": "the AWS profile, if --profile is not given",
    "AWS_*": "all other variables that the AWS CLI reads",
    "NO_COLOR": "if it is not empty, the output has no colors",
}


class CommandLineError(UsageError):
    """The arguments do not fit the command.

    :param prog: the command they were given to.
    :param usage: how that command is used, in one or more lines.
    """

    def __init__(self, message: str, prog: str, usage: str) -> None:
        super().__init__(message)
        self.prog = prog
        self.usage = usage


class Parser(argparse.ArgumentParser):
    """A parser with examples in its help, which raises CommandLineError."""

    examples: tuple[str, ...] = ()
    note = ""
    below: Mapping[str, Parser] = MappingProxyType({})
    """Commands below one that has arguments of its own, by their words."""
    define: Callable[[Parser], None] | None = None
    """What adds the description and the options, until `defined` calls it."""

    def defined(self) -> Parser:
        """This parser, with its description and options."""
        if self.define is not None:
            define, self.define = self.define, None
            define(self)
        return self

    def describe(self, description: str, *examples: str, note: str = "") -> None:
        """Set the text of the help.

        :param examples: command lines, without the program's name.
        :param note: a paragraph below the examples; its lines are kept.
        """
        self.description = description
        self.examples = tuple(f"cabal-backup {example}" for example in examples)
        self.note = note
        title = "example" if len(examples) == 1 else "examples"
        parts = ["\n  ".join([f"{title}:", *self.examples]), note]
        self.epilog = "\n\n".join(filter(None, parts))
        self.formatter_class = _Formatter

    def add_below(self, word: str) -> Parser:
        """Add a command below this one, which has arguments of its own."""
        parser = Parser(prog=f"{self.prog} {word}")
        self.below = {**self.below, word: parser}
        return parser

    def parse_known_args(  # type: ignore[override]  # argparse has several signatures
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Pass the arguments to a command below this one if its name is first after common options.

        argparse's own subcommands exclude arguments of the command itself.
        """
        given = args or ()
        for word in self.below.keys() & set(given):
            at = given.index(word)
            common = Parser(add_help=False)
            add_common(common)
            if not common.parse_known_args(given[:at])[1]:
                rest = [*given[:at], *given[at + 1 :]]
                return self.below[word].parse_known_args(rest, namespace)
        return super().parse_known_args(args, namespace)

    def runs(
        self,
        run: Callable[[OptionsT, Invocation], int],
        options: type[OptionsT],
        *,
        plan: type | UnionType | None = None,
        result: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """Set what carries the command out, and the dataclass of its options.

        :param plan: of a command that changes something, the type of its plan or plans.
        :param result: the types of what it adds to the answer.
        """
        self.set_defaults(run=run, options=options, parser=self)
        self.set_defaults(parts=None if plan is None else Parts(plan, result))

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Name the nearest command or value for one that does not exist."""
        from difflib import get_close_matches

        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            near = get_close_matches(str(value), map(str, action.choices or ()), 1)
            meant = f" Did you mean {near[0]}?" if near else ""
            if isinstance(action, argparse._SubParsersAction):
                program, _, group = self.prog.partition(" ")
                listed = f"{program} help {group}".strip()
                raise CommandLineError(
                    f"there is no command {value}.{meant} To list them: {listed}", self.prog, ""
                ) from None
            error.message += f".{meant}" if near else ""
            raise

    def error(self, message: str) -> NoReturn:
        """Raises CommandLineError instead of ending the process."""
        raise CommandLineError(message, self.prog, self.format_usage())


class _Formatter(argparse.HelpFormatter):
    """Wraps the description, and keeps the lines of the epilog."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return text
        return super()._fill_text(text, width, indent)


class _BeforeCommand(argparse.Action):
    """Collects an option that stands before the command, for the command's own parser."""

    def __call__(
        self,
        _: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,  # noqa: ARG002 (argparse passes it)
    ) -> None:
        option = self.option_strings[-1]
        argument = option if self.nargs == 0 else f"{option}={values}"
        namespace.before = [*getattr(namespace, "before", []), argument]


class _Commands(argparse._SubParsersAction):  # type: ignore[type-arg]  # not generic at run time
    """Gives a command the options that stand before it, too."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[str] | None,
        option_string: str | None = None,
    ) -> None:
        name, *rest = values or ()
        if name in self.choices:
            self.choices[name].defined()
        before = vars(namespace).pop("before", [])
        super().__call__(parser, namespace, [name, *before, *rest], option_string)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib import metadata

        print(f"cabal-backup {metadata.version('cabal-backup')}")
        parser.exit()


def add_commands(parser: Parser, metavar: str, *, hidden: bool = True) -> Subcommands:
    """The commands below a command, which take the common options before and after their name.

    :param hidden: whether the help leaves out the common options.
    """
    common = Parser(add_help=False)
    add_common(common)
    group = parser.add_argument_group("common options, before or after the command")
    for action in common._actions:
        group.add_argument(
            *action.option_strings,
            action=_BeforeCommand,
            nargs=action.nargs,
            metavar=action.metavar or action.dest.upper(),
            dest="before",
            default=argparse.SUPPRESS,
            help=argparse.SUPPRESS if hidden else action.help,
        )
    parser.register("action", "parsers", _Commands)
    return parser.add_subparsers(dest=metavar.lower(), metavar=metavar, required=True)


def build_parser() -> Parser:
    """The parser of the whole command line; a command is imported when it is parsed or listed."""
    parser = Parser(prog="cabal-backup")
    variables = (f"  {name:<18} {what}" for name, what in ENVIRONMENT_VARIABLES.items())
    parser.describe(
        "Checks, restores and removes the backups of Cabal.",
        "status -e prod",
        "-e prod restore addresses --dry-run",
        "help restore addresses",
        note="\n".join(["environment variables:", *variables])
        + "\n\npages that messages name, such as the exit codes:\n"
        "  cabal-backup help docs/exit-codes.md",
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="show the version of the tool and exit"
    )
    commands = add_commands(parser, "COMMAND", hidden=False)
    for name, what in COMMANDS.items():
        commands.add_parser(name, help=what).define = partial(_define, name)
    return parser


def _define(name: str, parser: Parser) -> None:
    word = name.replace("-", "_")
    module = import_module(f"cabal_backup.cli.{MODULES.get(name, word)}")
    getattr(module, f"define_{word}")(parser)


@dataclass(frozen=True)
class Command:
    """A command line that was read."""

    run: Callable[..., int]
    options: object
    """The dataclass that the command has given to `Parser.runs`."""
    parser: argparse.ArgumentParser = field(compare=False)
    """What the command was read with."""
    parts: Parts | None = None
    """What the answer of a command that changes something consists of."""


def parse(arguments: Sequence[str]) -> Command:
    """Read a command line.

    Raises CommandLineError for arguments that do not fit, and SystemExit after the help.
    """
    parser = build_parser()
    read = parser.parse_args(arguments)
    given = vars(read)
    names = {field.name for field in fields(read.options)} & given.keys()
    options = read.options(**{name: given[name] for name in names})
    return Command(read.run, options, read.parser, read.parts)


def commands_of(parser: Parser) -> Iterator[Parser]:
    """Every command below this one, at any depth."""
    subparsers = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    choices = (command for action in subparsers for command in action.choices.values())
    for command in (*choices, *parser.below.values()):
        yield command.defined()
        yield from commands_of(command)
