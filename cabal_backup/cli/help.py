"""`cabal-backup help`, the same as `--help` after a command and the pages of docs/, and
`completion`, of commands and options in a shell."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cabal_backup.cli import output
from cabal_backup.cli.options import Invocation
from cabal_backup.cli.parser import Parser, build_parser, commands_of, parse
from cabal_backup.errors import ExitCode, UsageError
from cabal_backup.text import printable

SHELLS = ("bash", "zsh", "fish")

_FOLDERS = (Path(__file__).parents[2] / "docs", Path(sys.prefix) / "share" / "doc" / "cabal-backup")
"""The pages of the checkout, and those that the wheel installs."""


@dataclass(frozen=True, kw_only=True)
class HelpOptions:
    """The options of `help`."""

    words: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class CompletionOptions:
    """The options of `completion`."""

    shell: str


def define_help(parser: Parser) -> None:
    parser.describe(
        "Shows the help of a command, the list of all commands, or a page of the documentation "
        "such as docs/exit-codes.md, which is installed with the tool.",
        "help",
        "help restore addresses",
        "help docs/runbooks/restore-tables.md",
    )
    parser.add_argument("words", nargs="*", metavar="COMMAND|PAGE", help="the command or the page")
    parser.runs(run_help, HelpOptions)


def run_help(options: HelpOptions, _: Invocation) -> int:
    if len(options.words) == 1 and options.words[0].startswith("docs/"):
        output.styled(sys.stdout).write(printable(_page(options.words[0])))
        return ExitCode.OK
    with suppress(SystemExit):
        parse([*options.words, "--help"])
    return ExitCode.OK


def _page(link: str) -> str:
    """A page of docs/ of the checkout or of the installation; from the heading that `#…` names.

    Raises UsageError when there is no such page.
    """
    name, _, anchor = link.removeprefix("docs/").partition("#")
    for folder in _FOLDERS:
        pages = {str(file.relative_to(folder)): file for file in folder.glob("**/*.md")}
        if name in pages:
            return _from_heading(pages[name].read_text(encoding="utf-8"), anchor)
        if pages:
            break
    raise UsageError(f"There is no page {link}. The first page is docs/install.md.")


def _from_heading(text: str, anchor: str) -> str:
    """The text from a heading on, or all of it; anchors are those of GitHub."""
    for heading in re.finditer(r"^#+ (.*)\n", text, re.MULTILINE):
        words = re.sub(r"[^\w -]", "", heading[1].lower()).replace(" ", "-")
        if anchor and words == anchor:
            return text[heading.start() :]
    return text


def define_completion(parser: Parser) -> None:
    parser.describe(
        "Prints a script that completes commands, options and their values in a shell.",
        "completion bash > ~/.local/share/bash-completion/completions/cabal-backup",
        "completion zsh > ~/.zfunc/_cabal-backup",
        "completion fish > ~/.config/fish/completions/cabal-backup.fish",
        note="For zsh, ~/.zshrc needs `fpath+=~/.zfunc` before `compinit`.",
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    parser.runs(run_completion, CompletionOptions)


def run_completion(options: CompletionOptions, _: Invocation) -> int:
    import shtab

    parser = build_parser()
    for command in (parser, *commands_of(parser)):
        command.description = (command.description or "").partition(". ")[0]  # as a list shows it
        for action in command._actions:
            if action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab's
    output.styled(sys.stdout).write(shtab.complete(parser, options.shell) + "\n")
    return ExitCode.OK
