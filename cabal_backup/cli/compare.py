"""`cabal-backup compare`: what a restored table and a live one have in common."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from cabal_backup.cli import progress
from cabal_backup.cli.options import CommonOptions, Invocation, add_common, connect_to
from cabal_backup.cli.parser import Parser
from cabal_backup.errors import ExitCode
from cabal_backup.operations.restore.tables.compare import Comparison, Group, compare
from cabal_backup.operations.restore.tables.cutover import find_pair
from cabal_backup.operations.restore.tables.items import readable
from cabal_backup.operations.restore.tables.wire import Stop, Wire

JSON_VERSION = 1
"""Raised when a field is removed or changes its meaning; fields may be added without."""


@dataclass(frozen=True, kw_only=True)
class CompareOptions(CommonOptions):
    """The options of `compare`."""

    restored: str
    live: str
    json: bool


def define(parser: Parser) -> None:
    parser.describe(
        "Compares two tables key by key. Exit codes: 0 equal, 5 different.",
        "compare cabal-addresses-restored-20261120-000000 cabal-addresses -e prod",
    )
    add_common(parser)
    parser.add_argument("restored", metavar="RESTORED", help="the restored table")
    parser.add_argument("live", metavar="LIVE", help="the table Cabal uses")
    parser.add_argument(
        "--json", action="store_true", help="as JSON (docs/runbooks/restore-tables.md)"
    )
    parser.runs(run, CompareOptions)


def run(options: CompareOptions, invocation: Invocation) -> int:  # noqa: ARG001 (as every command)
    aws = connect_to(options)
    pair = restored, live = find_pair(aws, options.restored, options.live)
    with progress.shown() as report:
        found = compare(Wire(aws), pair, Stop(), report)
    if options.json:
        content = {"version": JSON_VERSION, "restored": restored.name, "live": live.name}
        sys.stdout.write(json.dumps({**content, **as_json(found)}, indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(lines(found, restored.name, live.name)) + "\n")
    return ExitCode.OK if found.equal else ExitCode.DIFFERENT


def lines(found: Comparison, restored: str, live: str) -> list[str]:
    """The comparison for people."""
    text = [f"{restored}: {found.in_backup:,} items; {live}: {found.in_live:,} items"]
    for group, what in (
        (found.identical, "identical"),
        (found.differing, "differing"),
        (found.only_in_backup, f"only in {restored}"),
        (found.only_in_live, f"only in {live}"),
    ):
        text.append(f"{group.count:>12,}  {what}")
        if group.count and group is not found.identical:
            more = group.count - len(group.samples)
            text += [f"{'':>14}{readable(key)}" for key in group.samples]
            text += [f"{'':>14}… and {more:,} more"] if more else []
    return text


def as_json(found: Comparison) -> dict[str, object]:
    """The documented fields of a comparison."""

    def group(members: Group) -> dict[str, object]:
        return {"count": members.count, "samples": list(members.samples)}

    return {
        "equal": found.equal,
        "items_in_restored": found.in_backup,
        "items_in_live": found.in_live,
        "only_in_restored": group(found.only_in_backup),
        "only_in_live": group(found.only_in_live),
        "differing": group(found.differing),
        "identical": group(found.identical),
        "digest_of_restored": found.backup_digest,
        "digest_of_live": found.live_digest,
    }
