"""`cabal-backup points`: the recovery points of all vaults."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from cabal_backup import names
from cabal_backup.cli import output
from cabal_backup.cli.options import (
    CommonOptions,
    Invocation,
    add_common,
    connect_to,
    moment,
    number,
)
from cabal_backup.cli.parser import Parser
from cabal_backup.config.settings import MAX_DAYS
from cabal_backup.errors import ExitCode, UsageError
from cabal_backup.operations.aws.legal_holds import LegalHold
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.status.calendar import SYMBOLS, Calendar, Cell, read_calendar
from cabal_backup.text import day, plural, timestamp

_OTHER_LINES = 6
"""Of the calendar: headings of two lines, an empty line, the legend, and the prompt."""

_STYLES = {
    Cell.WARM: "green",
    Cell.COLD: "cyan",
    Cell.MISSING: "yellow",
    Cell.FAILED: "bold red",
    Cell.INCOMPLETE: "magenta",
    Cell.UNKNOWN: "bold magenta",
}


@dataclass(frozen=True, kw_only=True)
class PointsOptions(CommonOptions):
    """The options of `points`."""

    nights: int
    since: datetime | None
    list: bool
    json: bool


def define_points(parser: Parser) -> None:
    parser.describe(
        "Shows the recovery points as a calendar of nights, or as a list.",
        "points -e prod",
        "points -e prod --since 2026-11-01 --list",
    )
    add_common(parser)
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument(
        "-n",
        "--nights",
        type=number("a number of nights", 1, 400),
        default=31,
        metavar="N",
        help="how many nights the calendar goes back (default: 31)",
    )
    begin.add_argument(
        "--since",
        type=moment,
        metavar="TIME",
        help="only the nights and recovery points from this time on, such as 2026-11-20",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--list", action="store_true", help="one line for each recovery point")
    shown.add_argument("--json", action="store_true", help="as JSON (docs/points.md)")
    parser.runs(run, PointsOptions)


def run(options: PointsOptions, invocation: Invocation) -> int:
    aws = connect_to(options)
    now = invocation.clock.now()
    calendar = read_calendar(aws, now, nights=_nights(options, now))
    if options.since is not None:
        points = tuple(each for each in calendar.points if each[1].created >= options.since)
        calendar = replace(calendar, points=points)
    if options.json:
        output.print_json(as_json(calendar))
    elif options.list:
        show_list(calendar)
    else:
        show_calendar(calendar)
    for vault, reason in calendar.unknown.items():
        output.say(f"cabal-backup: could not read {vault}: {reason}")
    return ExitCode.UNKNOWN if calendar.unknown else ExitCode.OK


def _nights(options: PointsOptions, now: datetime) -> int:
    """How many nights the calendar goes back."""
    if options.since is None:
        return options.nights
    nights = (now.date() - options.since.date()).days + 1
    if not 0 < nights <= MAX_DAYS:
        raise UsageError(
            f"--since is a time of the last {MAX_DAYS:,} days, not {timestamp(options.since)}."
        )
    return nights


def show_calendar(calendar: Calendar) -> None:
    """The nights from old to new: what is read first is at the end, above the prompt.

    The headings stand there again where the terminal would scroll them away.
    """
    from rich.table import Table
    from rich.text import Text

    from cabal_backup.cli.console import SafeConsole

    if not calendar.points and not calendar.unknown:
        print("There is no recovery point in any vault.")
        return
    console = SafeConsole()
    symbols = {cell: Text(SYMBOLS[cell], style) for cell, style in _STYLES.items()}
    calendar = calendar.from_first_point()
    is_long = len(calendar.nights) > console.height - _OTHER_LINES
    # Six columns fit into 80 characters with less space between them.
    space = 2 if len(calendar.columns) <= 4 else 1
    table = Table(box=None, pad_edge=False, padding=(0, space), show_footer=is_long)
    table.add_column("\nnight", "\nnight", no_wrap=True)
    for column in calendar.columns:
        third = column.vault == names.AIR_GAPPED_VAULT
        heading = f"{'air-gap' if third else column.region}\n{column.resource}"
        table.add_column(heading, heading, justify="center", no_wrap=True)
    for night in reversed(calendar.nights):
        cells = (calendar.cells[night, column] for column in calendar.columns)
        table.add_row(f"{night:%a %Y-%m-%d}", *(symbols[cell] for cell in cells))
    console.print(table)
    legend = Text("\n")
    for cell, symbol in symbols.items():
        if calendar.count(cell):
            legend.append_text(symbol).append(f" {cell} {calendar.count(cell)}   ")
    console.print(legend)
    for sentence in (*calendar.former, *map(_hold, calendar.holds)):
        console.print(sentence)


def show_list(calendar: Calendar) -> None:
    """One line a point, the newest last, in columns that `sort` and `awk` can work on."""
    width = max(len(column.vault) for column in calendar.columns)
    for vault, point in reversed(calendar.points):
        sys.stdout.write(
            "  ".join(
                [
                    f"{timestamp(point.created)}",
                    f"{vault:<{width}}",
                    f"{point.resource_type:<8}",
                    f"{_tier(point, calendar):<4}",
                    f"{point.status:<9}",
                    day(point.delete_at) if point.delete_at else "never     ",
                    point.arn,
                    *(f"held: {hold.title}" for hold in calendar.holds if point.arn in hold.points),
                ]
            )
            + "\n"
        )


def as_json(calendar: Calendar) -> Mapping[str, object]:
    """The documented JSON: docs/points.md describes every field."""
    return {
        "at": calendar.now,
        "nights": [
            {
                "night": night,
                "cells": [
                    {
                        "vault": column.vault,
                        "resource": column.resource,
                        "state": calendar.cells[night, column],
                    }
                    for column in calendar.columns
                ],
            }
            for night in calendar.nights
        ],
        "points": [
            {
                "vault": vault,
                "recovery_point_arn": point.arn,
                "resource_arn": point.resource_arn,
                "resource_type": point.resource_type,
                "status": point.status,
                "tier": _tier(point, calendar),
                "created": point.created,
                "cold_at": point.cold_at,
                "delete_at": point.delete_at,
                "size_bytes": point.size_bytes,
                "brings_back": point.original,
            }
            for vault, point in calendar.points
        ],
        "holds": calendar.holds,
        "unknown": calendar.unknown,
    }


def _hold(hold: LegalHold) -> str:
    return (
        f'The legal hold "{hold.title}" ({hold.status}) keeps '
        f"{plural(len(hold.points), 'recovery point')} in {hold.region}."
    )


def _tier(point: RecoveryPoint, calendar: Calendar) -> str:
    return "cold" if point.is_cold(calendar.now) else "warm"
