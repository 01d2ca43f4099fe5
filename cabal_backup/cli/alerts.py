"""`cabal-backup alerts` and `watch`: send the test messages, run the watch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cabal_backup.cli import output
from cabal_backup.cli.options import CommonOptions, Invocation, add_common, changing, connect_to
from cabal_backup.cli.parser import Parser
from cabal_backup.cli.status_formats import EXIT_CODES
from cabal_backup.errors import ExitCode
from cabal_backup.operations import alerts
from cabal_backup.operations.status.findings import Status, worst
from cabal_backup.text import moment, printable, with_local_time


@dataclass(frozen=True, kw_only=True)
class AlertsOptions(CommonOptions):
    """The options of `alerts`."""

    dry_run: bool
    json: bool


@dataclass(frozen=True, kw_only=True)
class WatchOptions(CommonOptions):
    """The options of `watch`."""

    json: bool


def define_alerts(parser: Parser) -> None:
    parser.describe(
        "Sends one message of each kind, marked TEST, through the event bus, the "
        "queue, the function and the topic of each region, and lists the subscriptions that are "
        "not confirmed. It changes nothing else.",
        "alerts test -e development",
    )
    add_common(parser)
    parser.add_argument("action", choices=("test",), help="send the test messages")
    parser.add_argument("--dry-run", action="store_true", help="list what would be sent to whom")
    parser.add_argument("--json", action="store_true", help="as JSON (docs/alerts.md)")
    parser.runs(run_alerts, AlertsOptions)


def run_alerts(options: AlertsOptions, _invocation: Invocation) -> int:
    aws = connect_to(options)
    test = alerts.plan_test(aws)
    if not options.json:
        print("\n".join(test.lines()))
    if not options.dry_run:
        changing.set()
        alerts.send_test(aws, test)
        output.say(
            "Sent. Within about two minutes, a message of each kind arrives from each region. The "
            "one about an attack on the monitoring arrives twice, because each region also "
            "reports the other's. If one is missing: cabal-backup status "
            f"{test.environment.options} --only alerts"
        )
    if test.pending:
        output.say(
            "The subscriptions that are not confirmed get nothing. Follow the link in the mail "
            "that SNS has sent to each."
        )
    if options.json:
        output.print_json(
            {
                "environment": test.environment,
                "regions": test.regions,
                "kinds": list(test.events),
                "sent": not options.dry_run,
                "confirmed": test.confirmed,
                "pending": test.pending,
            }
        )
    return ExitCode.OK if test.confirmed else ExitCode.NOT_PROTECTED


def define_watch(parser: Parser) -> None:
    parser.describe(
        "Runs the deployed watch in each region, as its schedule does every day: it "
        "makes the checks of `status`, publishes what is not ok, and calls the heartbeat if "
        "everything is ok. Exit codes as those of `status`.",
        "watch run -e prod",
    )
    add_common(parser)
    parser.add_argument("action", choices=("run",), help="run it and show what it found and did")
    parser.add_argument("--json", action="store_true", help="as JSON (docs/watch.md)")
    parser.runs(run_watch, WatchOptions)


def run_watch(options: WatchOptions, _invocation: Invocation) -> int:
    changing.set()
    results = []
    for result in alerts.run_watch(connect_to(options)):
        results.append(result)
        if not options.json:
            lines = "\n".join(_lines(result, findings=len(results) == 1))
            print(with_local_time(printable(lines)), flush=True)
    if options.json:
        output.print_json({"regions": results}, version=2)
    return EXIT_CODES[worst(Status(result["status"]) for result in results)]


def _lines(result: alerts.WatchResult, *, findings: bool) -> Iterator[str]:
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
