"""`cabal-backup completion`: completion of commands and options in a shell."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from cabal_backup.cli import output
from cabal_backup.cli.options import Invocation
from cabal_backup.cli.parser import Parser, build_parser, commands_of
from cabal_backup.errors import ExitCode

SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True, kw_only=True)
class CompletionOptions:
    """The options of `completion`."""

    shell: str


def define(parser: Parser) -> None:
    parser.describe(
        "Prints a script that completes commands, options and their values in a shell.",
        "completion bash > ~/.local/share/bash-completion/completions/cabal-backup",
        "completion zsh > ~/.zfunc/_cabal-backup",
        "completion fish > ~/.config/fish/completions/cabal-backup.fish",
        note="For zsh, ~/.zshrc needs `fpath+=~/.zfunc` before `compinit`.",
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    parser.runs(run, CompletionOptions)


def run(options: CompletionOptions, _: Invocation) -> int:
    import shtab

    parser = build_parser()
    for command in (parser, *commands_of(parser)):
        command.description = (command.description or "").partition(". ")[0]  # as a list shows it
        for action in command._actions:
            if action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab's
    output.styled(sys.stdout).write(shtab.complete(parser, options.shell) + "\n")
    return ExitCode.OK
