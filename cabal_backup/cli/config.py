"""`cabal-backup config`: the settings in use, and where each comes from."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cabal_backup.cli import output
from cabal_backup.cli.options import CommonOptions, Invocation, add_environment
from cabal_backup.cli.parser import Parser, add_commands
from cabal_backup.config.environment import SETTINGS
from cabal_backup.config.project import find_project, merge, read_layers
from cabal_backup.config.reader import read_environments
from cabal_backup.config.settings import as_text
from cabal_backup.errors import ExitCode
from cabal_backup.text import printable


@dataclass(frozen=True, kw_only=True)
class ConfigOptions(CommonOptions):
    """The options of `config show`."""

    json: bool
    show_sensitive: bool


def define_config(parser: Parser) -> None:
    parser.describe("Shows the settings and where each comes from.", "config show -e prod")
    kinds = add_commands(parser, "WHAT")
    show = kinds.add_parser("show", help="show every setting")
    show.describe(
        "Shows the value, the default and the source of every setting, of one "
        "environment or of all. It does not connect to AWS.",
        "config show -e prod",
        "config show --json --show-sensitive",
    )
    add_environment(show)
    show.add_argument("--json", action="store_true", help="as JSON (docs/settings.md)")
    show.add_argument(
        "--show-sensitive", action="store_true", help="show the addresses that receive alerts"
    )
    show.runs(run, ConfigOptions)


def run(options: ConfigOptions, _: Invocation) -> int:
    layers = read_layers(find_project(options.project, options.config), options.context)
    context = merge(layers)
    if options.environment is not None:
        context["environment"] = options.environment
    sources = merge(layers, sources=True)
    shown = {
        each.name: {
            name: {
                "value": None
                if setting.sensitive and getattr(each, name) and not options.show_sensitive
                else setting.written(getattr(each, name)),
                "default": setting.written(setting.default),
                "source": sources.get(f"{each.name}.{name}")
                or sources["environments"][each.name].get(name)
                or "default",
                "sensitive": setting.sensitive,
            }
            for name, setting in SETTINGS.items()
        }
        for each in read_environments(context)
    }
    if options.json:
        output.print_json({"environments": shown})
    else:
        sys.stdout.write("\n".join(_lines(shown)) + "\n")
    return ExitCode.OK


def _lines(environments: Mapping[str, Mapping[str, Mapping[str, object]]]) -> Iterator[str]:
    for name, settings in environments.items():
        yield name
        for key, each in settings.items():
            text = _shown(each["value"])
            if each["source"] != "default":
                changed = each["value"] != each["default"]
                default = f"; default: {_shown(each['default'])}" if changed else ""
                text += f"  ({each['source']}{default})"
            yield textwrap.fill(
                f"  {key:<36}  {text}",
                80,
                subsequent_indent=" " * 40,
                break_long_words=False,
                break_on_hyphens=False,
            )


def _shown(written: object) -> str:
    if written is None:
        return "hidden, use --show-sensitive"
    text = ", ".join(written) if isinstance(written, list) else as_text(written)
    return printable(text) or "none"
