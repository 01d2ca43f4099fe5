"""`cabal-backup points`: the recovery points of both vaults."""

from __future__ import annotations

import argparse
import json
import sys

from cabal_backup.cli.options import Invocation, add_common, connect_to, number
from cabal_backup.cli.parser import Parser
from cabal_backup.errors import ExitCode
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.status.calendar import Calendar, Cell, look
from cabal_backup.text import timestamp

JSON_VERSION = 1
"""Raised when a field is removed or changes its meaning; fields may be added without."""

_SYMBOLS = {
    Cell.WARM: ("●", "green"),
    Cell.COLD: ("○", "cyan"),
    Cell.MISSING: ("·", "yellow"),
    Cell.FAILED: ("✘", "bold red"),
    Cell.INCOMPLETE: ("◐", "magenta"),
    Cell.UNKNOWN: ("?", "bold magenta"),
}


def define(parser: Parser) -> None:
    parser.describe(
        "Shows the recovery points as a calendar of nights, or as a list.",
        "points -e prod",
        "points -e prod --nights 7 --list",
    )
    add_common(parser)
    parser.add_argument(
        "-n",
        "--nights",
        type=number("a number of nights", 1, 400),
        default=31,
        metavar="N",
        help="how many nights the calendar goes back (default: 31)",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--list", action="store_true", help="one line for each recovery point")
    shown.add_argument("--json", action="store_true", help="as JSON (docs/points.md)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, invocation: Invocation) -> int:
    aws = connect_to(options)
    calendar = look(aws, invocation.clock.now(), nights=options.nights)
    if options.json:
        sys.stdout.write(as_json(calendar))
    elif options.list:
        show_list(calendar)
    else:
        show_calendar(calendar)
    for vault, reason in calendar.unknown.items():
        print(f"cabal-backup: could not look into {vault}: {reason}", file=sys.stderr)
    return ExitCode.UNKNOWN if calendar.unknown else ExitCode.OK


def show_calendar(calendar: Calendar) -> None:
    from rich.table import Table
    from rich.text import Text

    from cabal_backup.cli.console import SafeConsole

    console = SafeConsole()
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    table.add_column("night", no_wrap=True)
    for column in calendar.columns:
        table.add_column(f"{column.region}\n{column.resource}", justify="center", no_wrap=True)
    for night in calendar.nights:
        cells = (calendar.cells[night, column] for column in calendar.columns)
        table.add_row(f"{night:%a %Y-%m-%d}", *(Text(*_SYMBOLS[cell]) for cell in cells))
    console.print(table)
    legend = Text("\n")
    for cell, (symbol, style) in _SYMBOLS.items():
        if calendar.count(cell):
            legend.append(f"{symbol} ", style=style).append(f"{cell} {calendar.count(cell)}   ")
    console.print(legend)


def show_list(calendar: Calendar) -> None:
    """One line a point, in columns that `sort` and `awk` can work on."""
    for vault, point in calendar.points:
        sys.stdout.write(
            "  ".join(
                [
                    f"{timestamp(point.created)}",
                    f"{vault:<15}",
                    f"{point.resource_type:<8}",
                    f"{_tier(point, calendar):<4}",
                    f"{point.status:<9}",
                    f"{point.delete_at:%Y-%m-%d}" if point.delete_at else "never     ",
                    point.arn,
                ]
            )
            + "\n"
        )


def as_json(calendar: Calendar) -> str:
    """The documented JSON: docs/points.md describes every field."""
    return (
        json.dumps(
            {
                "version": JSON_VERSION,
                "at": calendar.now.isoformat(timespec="seconds"),
                "nights": [
                    {
                        "night": night.isoformat(),
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
                        "created": point.created.isoformat(),
                        "cold_at": point.cold_at.isoformat() if point.cold_at else None,
                        "delete_at": point.delete_at.isoformat() if point.delete_at else None,
                        "size_bytes": point.size_bytes,
                    }
                    for vault, point in calendar.points
                ],
                "unknown": dict(calendar.unknown),
            },
            indent=2,
        )
        + "\n"
    )


def _tier(point: RecoveryPoint, calendar: Calendar) -> str:
    return "cold" if point.is_cold(calendar.now) else "warm"
