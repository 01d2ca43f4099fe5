"""`cabal-backup alerts`: try the way that messages take."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from cabal_backup.cli import output
from cabal_backup.cli.options import CommonOptions, Invocation, add_common, changing, connect_to
from cabal_backup.cli.parser import Parser
from cabal_backup.errors import ExitCode
from cabal_backup.operations import alerts


@dataclass(frozen=True, kw_only=True)
class AlertsOptions(CommonOptions):
    """The options of `alerts`."""

    dry_run: bool
    json: bool


def define(parser: Parser) -> None:
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
    parser.runs(run, AlertsOptions)


def run(options: AlertsOptions, _invocation: Invocation) -> int:
    aws = connect_to(options)
    test = alerts.plan_test(aws)
    if not options.json:
        print("\n".join(test.lines()))
    if not options.dry_run:
        changing.set()
        alerts.send_test(aws, test)
        print(
            "Sent. Within about two minutes, a message of each kind arrives from each region, and "
            "that of an attack on the monitoring twice: each region reports the other's too. If "
            f"one is missing: cabal-backup status -e {test.environment} --only alerts",
            file=sys.stderr,
        )
    if test.pending:
        print(
            "The subscriptions that are not confirmed get nothing. Follow the link in the mail "
            "that SNS has sent to each.",
            file=sys.stderr,
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
