"""`cabal-backup watch`: run the watch now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cabal_backup.cli import output
from cabal_backup.cli.options import CommonOptions, Invocation, add_common, changing, connect_to
from cabal_backup.cli.parser import Parser
from cabal_backup.cli.status_formats import EXIT_CODES
from cabal_backup.operations.alerts import WatchResult, run_watch
from cabal_backup.operations.status.findings import Status, worst
from cabal_backup.text import moment, printable, with_local_time


@dataclass(frozen=True, kw_only=True)
class WatchOptions(CommonOptions):
    """The options of `watch`."""

    json: bool


def define(parser: Parser) -> None:
    parser.describe(
        "Runs the deployed watch in each region, as its schedule does every day: it "
        "makes the checks of `status`, publishes what is not ok, and calls the heartbeat if all "
        "is well. Exit codes as those of `status`.",
        "watch run -e prod",
    )
    add_common(parser)
    parser.add_argument("action", choices=("run",), help="run it and show what it found and did")
    parser.add_argument("--json", action="store_true", help="as JSON (docs/watch.md)")
    parser.runs(run, WatchOptions)


def run(options: WatchOptions, _invocation: Invocation) -> int:
    changing.set()
    results = []
    for result in run_watch(connect_to(options)):
        results.append(result)
        if not options.json:
            lines = "\n".join(_lines(result, findings=len(results) == 1))
            print(with_local_time(printable(lines)), flush=True)
    if options.json:
        output.print_json({"regions": results}, version=2)
    return EXIT_CODES[worst(Status(result["status"]) for result in results)]


def _lines(result: WatchResult, *, findings: bool) -> Iterator[str]:
    sent = f"published “{result['message']}”" if result["message"] else "nothing to publish"
    called = ", heartbeat called" if result["heartbeat"] else ""
    yield f"{result['region']}: {result['status']}; {sent}{called}."
    if not findings:
        return
    for each in result["findings"]:
        if each["since"]:
            since = moment(datetime.fromisoformat(each["since"]))
            yield f"  {each['status'].upper()} {each['check']}, since {since}"
            yield f"    {each['evidence']}"
            if each["hint"]:
                yield f"    To do: {each['hint']}"
