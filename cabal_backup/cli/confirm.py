"""Showing a plan, asking before it is carried out, and ending in order."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn, Protocol

from cabal_backup.cli import output, progress
from cabal_backup.cli.answer import answer
from cabal_backup.cli.options import changing
from cabal_backup.errors import RefusedError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.deployed import check_environment
from cabal_backup.operations.aws.jobs import Report
from cabal_backup.text import with_local_time

_ENDINGS = {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}


@dataclass(frozen=True, kw_only=True)
class ConfirmOptions:
    """The options of every command that changes something."""

    yes: bool
    dry_run: bool
    json: bool


class AnyPlan(Protocol):
    """What a command is about to do."""

    def lines(self) -> Iterable[str]:
        """The plan in sentences."""
        ...


def add_confirmation(parser: argparse.ArgumentParser) -> None:
    """The options --yes, --dry-run and --json."""
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and change nothing")
    parser.add_argument(
        "--json", action="store_true", help="the plan and the result as JSON (docs/json.md)"
    )


def show_plan(plan: AnyPlan, options: ConfirmOptions, lines: Iterable[str] | None = None) -> bool:
    """Print the plan on stderr, or on stdout if it is all that was asked for; whether it was.

    :param lines: what is printed of it; its own lines without this.
    """
    shown = [*(plan.lines() if lines is None else lines)]
    answer.add_plan(plan, shown)
    text = "\n".join(shown)
    if options.dry_run:
        print(with_local_time(text))
    else:
        output.say(text)
    return options.dry_run


def confirm(touched: str, *, yes: bool, destroys_in: str | None = None) -> None:
    """Continue only if the operator confirms.

    :param touched: what will be touched, as a sentence.
    :param yes: `--yes` was given: there is no question.
    :param destroys_in: the environment, if the command overwrites, deletes or stops protecting
        something: its name has to be typed. Otherwise the word is `yes`.

    Raises RefusedError when something else is typed or there is no terminal to ask on.
    """
    if yes:
        return
    if not can_ask():
        raise RefusedError("stdin is not a terminal, and --yes was not given. Nothing was changed.")
    word = destroys_in or "yes"
    question = f"Type {word} to continue: "
    line = f"{touched} {question}"
    if sys.stderr.isatty() and len(line + word) > shutil.get_terminal_size().columns:
        line = f"{touched}\n{question}"
    if ask(line) != word:
        raise RefusedError("Not confirmed. Nothing was changed.")


@contextmanager
def carry_out(aws: Aws, *, recorded: bool = False) -> Iterator[Report]:
    """Show the execution of a confirmed plan, if what is deployed is still this environment.

    A prompt may stay open for hours, and another environment may be deployed meanwhile.

    Raises as `check_environment`, before anything is changed.
    """
    check_environment(aws, recorded=recorded)
    changing.set()
    with progress.shown() as report:
        yield report


def can_ask() -> bool:
    """Whether stdin is a terminal."""
    return sys.stdin.isatty()


def ask(prompt: str) -> str:
    """What a person types; empty at the end of the input."""
    print(prompt, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


@contextmanager
def all_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and a closed terminal do what Ctrl-C does: raise KeyboardInterrupt.

    A signal that this process ignores from the start, as with `nohup`, stays ignored.
    """

    def interrupt(_: int, __: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = {ending: signal.getsignal(ending) for ending in _ENDINGS}
    heard = {ending: was for ending, was in before.items() if was not in (signal.SIG_IGN, None)}
    for ending in heard:
        signal.signal(ending, interrupt)
    try:
        yield
    finally:
        for ending, was in heard.items():
            signal.signal(ending, was)
