"""The reference documents that derive from the declarations of the settings and the commands.

`make reference` writes them; a test compares them.
"""

from __future__ import annotations

import argparse
import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cabal_backup.cli.parser import ENVIRONMENT_VARIABLES, Parser, build_parser, commands_of
from cabal_backup.config.environment import SETTINGS
from cabal_backup.config.reader import NAME
from cabal_backup.config.settings import as_text
from tests.json_schema import changes_schema

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "settings.md"
SCHEMA = ROOT / "docs" / "reference" / "settings.schema.json"
COMMANDS = ROOT / "docs" / "reference" / "cli.md"
CHANGES = ROOT / "docs" / "reference" / "changes.schema.json"
MANUAL = ROOT / "docs" / "reference" / "cabal-backup.1"
EXIT_CODES = ROOT / "docs" / "exit-codes.md"


def documents() -> Iterator[tuple[Path, str]]:
    """Each file, and its content as it should be."""
    yield PAGE, table()
    yield SCHEMA, compact(schema()) + "\n"
    yield COMMANDS, "\n".join(commands_as_markdown()) + "\n"
    yield CHANGES, compact(changes_schema()) + "\n"
    yield MANUAL, "\n".join(manual()) + "\n"


def compact(value: object, indent: str = "", used: int = 0) -> str:
    """JSON in which what fits into 100 characters is on one line.

    :param used: how many characters stand before it on its line.
    """
    line = json.dumps(value)
    if not isinstance(value, dict | list) or len(indent) + used + len(line) < 100:
        return line
    inner = f"{indent} "
    if isinstance(value, list) and " " not in "".join(map(str, value)):
        filled = textwrap.fill(
            line[1:-1], 99, initial_indent=inner, subsequent_indent=inner, break_on_hyphens=False
        )
        return f"[\n{filled}\n{indent}]"
    if isinstance(value, list):
        parts, brackets = [inner + compact(each, inner) for each in value], "[]"
    else:
        keys = {f"{json.dumps(name)}: ": each for name, each in value.items()}
        parts = [inner + key + compact(each, inner, len(key)) for key, each in keys.items()]
        brackets = "{}"
    return "\n".join([brackets[0], ",\n".join(parts), indent + brackets[1]])


def table() -> str:
    """The settings as a Markdown table."""
    lines = [
        "# Settings\n\n`make reference` writes this document from the code.\n"
        "[How to write them](../settings.md) is a document of its own.\n",
        "| setting | default | what it is |",
        "| --- | --- | --- |",
    ]
    for name, setting in SETTINGS.items():
        default = as_text(setting.written(setting.default))
        help_ = re.sub(r"docs/([\w/-]+)\.md", r"[\1](../\1.md)", setting.help)
        lines.append(f"| `{name}` | {f'`{default}`' if default else ''} | {help_} |")
    return "\n".join(lines) + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of cdk.json, cdk.context.json and ~/.cdk.json.

    Draft 7, which editors support best. It describes the values as JSON has them; the reader also
    accepts their text, such as "true", as on the command line.
    """
    settings = {
        name: {
            "description": setting.help,
            "default": setting.written(setting.default),
            **setting.kind.schema,
        }
        for name, setting in SETTINGS.items()
    }
    override = "^[A-Za-z0-9_-]+\\."
    context = {
        "type": "object",
        "properties": {
            "environment": {"description": "the only environment to read", "type": "string"},
            "environments": {
                "description": "the settings of each environment by its name",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": f"^(?:{NAME})$"},
                "additionalProperties": {"$ref": "#/definitions/environment"},
            },
        },
        "patternProperties": {
            **{
                f"{override}{name}$": {"$ref": f"#/definitions/environment/properties/{name}"}
                for name in settings
            },
            f"{override}(?!(?:{'|'.join(settings)})$)": False,
        },
    }
    environment = {"type": "object", "properties": settings, "additionalProperties": False}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "The settings of cabal_backup in cdk.json, cdk.context.json and ~/.cdk.json",
        "allOf": [{"$ref": "#/definitions/context"}],
        "properties": {"context": {"$ref": "#/definitions/context"}},
        "definitions": {"context": context, "environment": environment},
    }


def arguments(parser: Parser, *, common: bool) -> Iterator[tuple[str, str]]:
    """The arguments and options of a command as they are typed, each with its help.

    :param common: the options that every command has, or all others.
    """
    of_every_command = {"environment", "AWS", "common options, before or after the command"}
    for group in parser._action_groups:
        for action in group._group_actions:
            is_common = group.title in of_every_command
            hidden = action.help == argparse.SUPPRESS or action.dest == "help"
            if is_common != common or hidden or isinstance(action, argparse._SubParsersAction):
                continue
            yield (
                ", ".join(action.option_strings) + value(action),
                " ".join((action.help or "").split()),
            )


def value(action: argparse.Action) -> str:
    """What follows the name of an option, or stands for an argument."""
    if action.nargs == 0:
        return ""
    words = "|".join(map(str, action.choices or ())) or action.dest.upper()
    name = str(action.metavar or words)
    return f" {name}" if action.option_strings else f"[{name}]" if action.nargs == "*" else name


def usage(parser: Parser) -> str:
    names = [name for name, _ in arguments(parser, common=False) if not name.startswith("-")]
    below = [str(a.metavar) for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return " ".join([parser.prog, "[OPTIONS]", *names, *below])


def exclusive(parser: Parser) -> Iterator[str]:
    """A sentence for each group of options that exclude each other."""
    for group in parser._mutually_exclusive_groups:
        names = [action.option_strings[-1] for action in group._group_actions]
        yield f"{'Exactly' if group.required else 'Only'} one of {', '.join(names)}."


def commands_as_markdown() -> Iterator[str]:
    """The reference of the command line."""
    root = build_parser()
    yield "# Commands\n\n`make reference` writes this document from the commands themselves."
    for parser in (root, *commands_of(root)):
        yield f"\n## {parser.prog}\n\n{parser.description}\n\n```sh\n{usage(parser)}\n```"
        own = [*arguments(parser, common=False)]
        if own:
            yield from _rows("argument", own)
        for sentence in exclusive(parser):
            yield "\n" + re.sub(r"(--[\w-]+)", r"`\1`", sentence)
        shared = [*arguments(parser, common=True)]
        if parser is root:
            yield "\n### Common options\n\nThey can stand before or after the command."
            yield from _rows("option", shared)
            yield "\n### Environment variables"
            yield from _rows("variable", ENVIRONMENT_VARIABLES.items())
            yield "\nThe [exit codes](../exit-codes.md) are a document of their own."
        elif parser.note:
            yield f"\n{parser.note}"
        if shared and parser is not root:
            names = ", ".join(f"`{name.split(' ')[0].strip(',')}`" for name, _ in shared)
            yield f"\n[Common options](#common-options): {names}."
        yield "\n" + "\n".join(["```sh", *parser.examples, "```"])


def _rows(title: str, rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield f"\n| {title} | meaning |\n| --- | --- |"
    for name, meaning in rows:
        yield "| `{}` | {} |".format(*(text.replace("|", "\\|") for text in (name, meaning)))


def manual() -> Iterator[str]:
    """The man page: https://man7.org/linux/man-pages/man7/man-pages.7.html"""
    root = build_parser()
    yield '.TH CABAL\\-BACKUP 1 "" "cabal\\-backup" "Cabal"'
    yield ".SH NAME\ncabal\\-backup \\- check, restore and remove the backups of Cabal"
    yield f".SH SYNOPSIS\n{_roff(usage(root))}"
    yield ".SH OPTIONS"
    yield from _terms([*arguments(root, common=False), *arguments(root, common=True)])
    yield ".SH COMMANDS\nThe options above can stand before or after a command."
    for parser in commands_of(root):
        yield f".SS {_roff(usage(parser))}\n{_roff(str(parser.description))}"
        yield from _terms(arguments(parser, common=False))
        yield from (f".PP\n{_roff(sentence)}" for sentence in exclusive(parser))
        yield from (".PP\n.EX", *map(_roff, parser.examples), ".EE")
        yield from (f".PP\n{_roff(line)}" for line in parser.note.splitlines())
    yield ".SH ENVIRONMENT"
    yield from _terms(ENVIRONMENT_VARIABLES.items())
    yield ".SH EXIT STATUS"
    codes = re.findall(r"^\| (\d+) \| (.+) \|$", EXIT_CODES.read_text("utf-8"), flags=re.M)
    yield from _terms((code, meaning.replace("`", "")) for code, meaning in codes)


def _terms(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, meaning in rows:
        yield f".TP\n.B {_roff(name)}\n{_roff(meaning)}"


def _roff(text: str) -> str:
    """Text in which nothing is markup."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    for path, content in documents():
        path.write_text(content, encoding="utf-8")
