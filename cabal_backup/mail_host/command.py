"""The command line: options, confirmation and exit codes."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import IO, NamedTuple

from cabal_backup.mail_host.choose import MergeRequest, plan_merge
from cabal_backup.mail_host.cleanup import cleanup, plan_cleanup
from cabal_backup.mail_host.mail_names import QUEUES, shown
from cabal_backup.mail_host.merge import Progress, merge
from cabal_backup.mail_host.problems import Exit, Refused, Stopped
from cabal_backup.mail_host.promote import plan_promote, promote
from cabal_backup.mail_host.survey import survey_trees
from cabal_backup.mail_host.trees import Where, find_recovery


@dataclass(frozen=True)
class _Options:
    mount: str
    recovery: str | None
    dry_run: bool
    yes: bool
    json: bool


@dataclass(frozen=True)
class MergeOptions(_Options):
    """The options of `mailbox merge`."""

    user: str
    folder: Sequence[str]
    since: datetime | None
    before: datetime | None
    moved: str
    different: str
    uid: int | None
    threads: int | None
    cleanup: bool


@dataclass(frozen=True)
class PromoteOptions(_Options):
    """The options of `mailstore promote`."""

    with_queues: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code, also for an error in this program.

    Python itself would end with 1, which is Exit.LEFT.
    """
    try:
        return run(parse_options(arguments))
    except Exception as error:
        _say(f"Internal error: {_described(error)}. Nothing is lost: report it, run this again.")
        return Exit.INTERNAL


def parse_options(arguments: Sequence[str] | None) -> MergeOptions | PromoteOptions:
    """Read a command line. Raises SystemExit for one that is not valid, and after the help."""
    given = vars(_parser().parse_args(arguments))
    options: MergeOptions | PromoteOptions = given.pop("options")(**given)
    return options


def run(options: MergeOptions | PromoteOptions) -> int:
    """Run the command with these options and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _merge(options) if isinstance(options, MergeOptions) else _promote(options)
    except Refused as refusal:
        _say(f"Refused. {refusal}")
        return Exit.REFUSED
    except Stopped as stopped:
        _say(f"Stopped. {stopped}")
        return Exit.STOPPED
    except OSError as error:
        _say(f"Stopped. {error}. Nothing is lost: fix the cause and run this again.")
        return Exit.STOPPED
    except KeyboardInterrupt:
        _say("Interrupted. Nothing is lost: run this again.")
        return Exit.INTERRUPTED


def _described(error: Exception) -> str:
    """The type of an exception, its message in one line, and where it was raised."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = "" if at is None else f" at line {at.tb_lineno} of {at.tb_frame.f_code.co_filename}"
    return shown(f"{type(error).__name__}: {error}{where}")


class Help(NamedTuple):
    """What the help says of a command, beside its options."""

    summary: str
    description: str
    examples: tuple[str, ...]
    """Command lines, without the name of the program."""
    note: str = ""

    def describe(self, parser: argparse.ArgumentParser) -> None:
        """Show it in the help of the one file for the host; no line is wrapped."""
        examples = (f"  python3 mail_host.py {example}" for example in self.examples)
        parser.description = self.description
        parser.epilog = "\n".join(["examples:", *examples, self.note])
        parser.formatter_class = argparse.RawDescriptionHelpFormatter


MERGE = Help(
    "move missing messages from a restore into a mailbox",
    "Moves the messages that a mailbox does not have from a restore into it.",
    (
        "mailbox merge alice --dry-run",
        "mailbox merge alice --folder INBOX --since 2026-11-01 --cleanup",
    ),
)
PROMOTE = Help(
    "move a whole restore to the root of its file system",
    "Moves everything that was restored to the root of its file system.",
    ("mailstore promote --mount /mnt/new --dry-run",),
)
_PROGRAM = Help(
    "",
    "Merges restored mail into mailboxes, on a host that mounts the mailstore.",
    (MERGE.examples[0], PROMOTE.examples[0]),
    f"""
exit codes:
  {Exit.DONE:<3} done
  {Exit.LEFT:<3} done, but something was left
  {Exit.REFUSED:<3} refused
  {Exit.STOPPED:<3} stopped before the end: run it again
  {Exit.NOT_CONFIRMED:<3} not confirmed
  {Exit.INTERNAL:<3} internal error
  {Exit.INTERRUPTED:<3} interrupted: run it again""",
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    _PROGRAM.describe(parser)
    nouns = parser.add_subparsers(required=True, metavar="mailbox|mailstore")
    merge_parser = _add_command(nouns, "one user's mail", MERGE, MergeOptions)
    add_merge_options(merge_parser)
    promote_parser = _add_command(nouns, "the mail of all users", PROMOTE, PromoteOptions)
    add_promote_options(promote_parser)
    return parser


def _add_command(
    nouns: argparse._SubParsersAction[argparse.ArgumentParser],
    about: str,
    command: Help,
    options: type[_Options],
) -> argparse.ArgumentParser:
    """Add a command, and the noun that it begins with and what that is about."""
    noun, verb, *_ = command.examples[0].split()
    group = nouns.add_parser(noun, help=about)
    Help(about, f"Commands for {about}.", command.examples).describe(group)
    verbs = group.add_subparsers(required=True, metavar=verb)
    parser = verbs.add_parser(verb, help=command.summary)
    command.describe(parser)
    parser.set_defaults(options=options)
    return parser


def add_merge_options(parser: argparse.ArgumentParser) -> None:
    """Add those of `MergeOptions`."""
    parser.add_argument("user", metavar="USER", help="the user: the name of the home directory")
    parser.add_argument(
        "--mount", default="/home", help="where the mailstore is mounted (default: /home)"
    )
    parser.add_argument(
        "--folder", action="append", default=[], metavar="F", help="only this folder"
    )
    for option, when in (("--since", "on or after"), ("--before", "before")):
        words = f"only messages delivered {when} this date (UTC)"
        parser.add_argument(option, type=_date, metavar="DATE", help=words)
    parser.add_argument(
        "--moved",
        choices=("report", "restore"),
        default="report",
        help="messages that are in another folder today, or could be in one that cannot be read: "
        "leave them (default), or restore them",
    )
    parser.add_argument(
        "--different",
        choices=("restore", "report"),
        default="restore",
        help="messages whose name the mailbox has with another content: restore them under a new "
        "name (default), or leave them",
    )
    parser.add_argument(
        "--uid", type=_uid, metavar="N", help="owner (default: the owner of the home directory)"
    )
    parser.add_argument(
        "--threads", type=_threads, metavar="N", help="how many threads copy (default: measured)"
    )
    parser.add_argument(
        "--cleanup", action="store_true", help="afterwards remove the recovery directory"
    )
    _add_common_options(parser)


def add_promote_options(parser: argparse.ArgumentParser) -> None:
    """Add those of `PromoteOptions`."""
    parser.add_argument("--mount", required=True, help="where the NEW file system is mounted")
    parser.add_argument("--with-queues", action="store_true", help=f"move {', '.join(QUEUES)}, too")
    _add_common_options(parser)


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recovery", metavar="NAME", help="the recovery directory, aws-backup-restore_…"
    )
    parser.add_argument("--dry-run", action="store_true", help="show the plan, change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="JSON on standard output")


def _date(text: str) -> datetime:
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2026-08-31") from None
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)  # noqa: UP017 (Python 3.9)


def _uid(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 2**32 - 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not the uid of a user")
    return int(text)


def _threads(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 256:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 256")
    return int(text)


def _say(text: str, stream: IO[str] | None = None) -> None:
    stream = stream or sys.stderr
    stream.write(text + "\n")
    stream.flush()


def _answer(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _merge(options: MergeOptions) -> int:
    report: dict[str, object] = {}
    try:
        return _merge_and_report(options, report)
    finally:
        if options.json and report:
            _say(json.dumps(report, indent=2), sys.stdout)


def _merge_and_report(options: MergeOptions, report: dict[str, object]) -> int:
    where = find_recovery(options.mount, options.user, options.recovery)
    request = MergeRequest(
        folders=options.folder,
        since=options.since,
        before=options.before,
        restore_moved=options.moved == "restore",
        restore_different=options.different == "restore",
        uid=options.uid,
    )
    plan = plan_merge(survey_trees(where), request)
    report["plan"] = plan.as_dict()
    _say(str(plan), sys.stderr if options.json else sys.stdout)
    code = Exit.LEFT if plan.problems or plan.unknown else Exit.DONE
    if options.dry_run:
        return code
    if not plan.changes:
        _say("Nothing to restore.")
    else:
        if not options.yes and _answer("Continue? Type yes: ") != "yes":
            _say("Not confirmed; nothing was changed.")
            return Exit.NOT_CONFIRMED
        ended = merge(plan, _progress(), threads=options.threads)
        files = f" and {ended.files} other files" if ended.files else ""
        earlier = f"; finished {ended.finished} of an earlier run" if ended.finished else ""
        absent = f"; {ended.absent} were no longer there" if ended.absent else ""
        _say(f"Restored {ended.restored} messages{files}{earlier}{absent}.")
        report["result"] = {
            **dataclasses.asdict(ended),
            "problems": [problem._asdict() for problem in ended.problems],
        }
        for line in (*ended.notes, *ended.problems):
            _say(f"  {line}")
        if ended.stopped is not None:
            _say(f"Stopped: {ended.stopped}. Nothing is lost: fix the cause and run this again.")
            return Exit.STOPPED
        code = Exit.LEFT if ended.problems else code
    return (_clean_up(where, report) or code) if options.cleanup else code


def _progress() -> Callable[[Progress], None]:
    """Shows the progress of a merge every two seconds."""
    shown_at = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at > 2:
            shown_at = time.monotonic()
            _say(f"  {progress.restored} of {progress.of}")

    return report


def _clean_up(where: Where, report: dict[str, object]) -> int:
    plan = plan_cleanup(where)
    _say(str(plan))
    report["cleanup"] = {"unmerged": list(plan.unmerged), "others": list(plan.others)}
    if (
        plan.unmerged
        and _answer(f"To remove everything, type {where.recovery}: ") != where.recovery
    ):
        _say(f"Kept {where.recovery}.")
        return Exit.NOT_CONFIRMED
    cleanup(plan)
    _say(f"Removed {where.recovery}" + (f"/{where.user}." if plan.others else "."))
    return Exit.DONE


def _promote(options: PromoteOptions) -> int:
    plan = plan_promote(options.mount, recovery=options.recovery, with_queues=options.with_queues)
    if options.json:
        _say(json.dumps(plan.as_dict(), indent=2), sys.stdout)
    else:
        _say(str(plan), sys.stdout)
    if options.dry_run:
        return Exit.DONE
    if not options.yes and _answer("Continue? Type yes: ") != "yes":
        _say("Not confirmed; nothing was changed.")
        return Exit.NOT_CONFIRMED
    promote(plan)
    _say(f"Moved {len(plan.promote)} entries to {shown(options.mount)}.")
    if plan.leave:
        _say(f"{plan.recovery} is kept: it contains what was left behind.")
    return Exit.DONE


if __name__ == "__main__":
    sys.exit(main())
