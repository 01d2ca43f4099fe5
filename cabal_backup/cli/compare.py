"""`cabal-backup compare`: what a restored table and a live one have in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from cabal_backup.cli import output, progress
from cabal_backup.cli.options import CommonOptions, Invocation, add_common, connect_to
from cabal_backup.cli.parser import Parser
from cabal_backup.errors import ExitCode
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.restore.tables.compare import (
    SAMPLES,
    SAMPLES_OF_PATTERN,
    Comparison,
    Group,
    ItemComparison,
    Scope,
    TablePair,
    check_matches,
    compare,
    compare_item,
    compare_items,
    find_pair,
)
from cabal_backup.operations.restore.tables.items import encode, readable
from cabal_backup.operations.restore.tables.key_patterns import KeyPatterns
from cabal_backup.operations.restore.tables.transport import CancelToken, Transport
from cabal_backup.text import plural


@dataclass(frozen=True, kw_only=True)
class CompareOptions(CommonOptions):
    """The options of `compare`."""

    restored: str
    live: str
    from_region: str | None
    to_region: str | None
    only: Sequence[str]
    show: str | None
    json: bool


def define_compare(parser: Parser) -> None:
    parser.describe(
        "Compares two tables key by key. Exit codes: 0 equal, 5 different.",
        "compare cabal-addresses-restored-20261120-000000 cabal-addresses -e prod",
        "compare cabal-addresses-restored-20261120-000000 cabal-addresses -e prod "
        "--show alice@example.com",
        "compare cabal-addresses-restored-20260520-000000 cabal-addresses -e prod "
        "--from-region us-east-1",
    )
    add_common(parser)
    add_pair(parser)
    which = parser.add_mutually_exclusive_group()
    add_only(which)
    which.add_argument(
        "--show",
        metavar="KEY",
        help="only this item, with each attribute that differs; the parts of a key are written as "
        "'alice / example.com'",
    )
    parser.add_argument(
        "--json", action="store_true", help="as JSON (docs/runbooks/restore-tables.md)"
    )
    parser.runs(run, CompareOptions)


def run(options: CompareOptions, invocation: Invocation) -> int:  # noqa: ARG001 (as every command)
    aws = connect_to(options)
    pair = restored, live = find_pair(
        aws,
        options.restored,
        options.live,
        from_region=options.from_region,
        to_region=options.to_region,
    )
    content = {"restored": restored.name, "live": live.name}
    if options.show is not None:
        item = compare_item(Transport(aws), pair, options.show)
        if options.json:
            output.print_json({**content, **item_as_json(item)})
        else:
            sys.stdout.write("\n".join(item_lines(item, restored.name, live.name)) + "\n")
        return ExitCode.OK if item.equal else ExitCode.DIFFERENT
    only = KeyPatterns(tuple(options.only))
    if options.json:
        found = _compare(aws, pair, only, samples=sys.maxsize)
        output.print_json({**content, "only": only.patterns, **as_json(found)})
    else:
        found = show(aws, pair, only)
    return ExitCode.OK if found.equal else ExitCode.DIFFERENT


def add_pair(parser: argparse._ActionsContainer) -> None:
    """Both tables and their regions."""
    parser.add_argument("restored", metavar="RESTORED", help="the restored table")
    parser.add_argument("live", metavar="LIVE", help="the table Cabal uses")
    add_from_region(parser)
    _add_region(parser, "--to-region", "LIVE")


def add_from_region(parser: argparse._ActionsContainer) -> None:
    """The option --from-region."""
    _add_region(parser, "--from-region", "RESTORED")


def _add_region(parser: argparse._ActionsContainer, option: str, table: str) -> None:
    parser.add_argument(
        option,
        metavar="REGION",
        help=f"the region of {table}, of the two of the environment (default: the primary one)",
    )


def add_only(parser: argparse._ActionsContainer) -> None:
    """The option --only."""
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only the items whose partition key matches this shell pattern, such as 'alice@*'; "
        "can be repeated",
    )


def show(aws: Aws, pair: TablePair, only: KeyPatterns) -> Comparison:
    """Compare two tables, print the comparison for people and return it.

    Raises NotFoundError if there are patterns and no key matches them.
    """
    found = _compare(aws, pair, only, samples=SAMPLES_OF_PATTERN if only else SAMPLES)
    text = lines(found, pair.restored.name, pair.live.name, keys=not only)
    text += differences(aws, pair, found) if only else []
    sys.stdout.write("\n".join(text) + "\n")
    return found


def _compare(aws: Aws, pair: TablePair, only: KeyPatterns, *, samples: int) -> Comparison:
    with progress.shown() as report:
        found = compare(
            Transport(aws), pair, CancelToken(), report, Scope(only=only, samples=samples)
        )
    check_matches(found, pair, only)
    return found


def differences(aws: Aws, pair: TablePair, found: Comparison) -> list[str]:
    """Each attribute that differs, of the items whose keys are in the comparison."""
    groups = (found.differing, found.only_in_backup, found.only_in_live)
    keys = [key for group in groups for key in group.samples]
    items = compare_items(Transport(aws), pair, keys)
    more = sum(group.count for group in groups) - len(keys)
    return [
        *(line for item in items for line in item_lines(item, pair.restored.name, pair.live.name)),
        *([f"… and {more:,} more that differ (compare --json lists all keys)"] if more else []),
    ]


def lines(found: Comparison, restored: str, live: str, *, keys: bool = True) -> list[str]:
    """The comparison for people.

    :param keys: with some keys of each kind.
    """
    text = [
        f"{restored}: {plural(found.in_backup, 'item')}; {live}: {plural(found.in_live, 'item')}"
    ]
    for group, what in (
        (found.identical, "identical"),
        (found.differing, "differing"),
        (found.only_in_backup, f"only in {restored}"),
        (found.only_in_live, f"only in {live}"),
    ):
        text.append(f"{group.count:>12,}  {what}")
        if keys and group.count and group is not found.identical:
            more = group.count - len(group.samples)
            text += [f"{'':>14}{readable(key)}" for key in group.samples]
            text += [f"{'':>14}… and {more:,} more (--json lists all)"] if more else []
    if keys and found.differing.count:
        text.append("To see what differs in an item: --show KEY")
    return text


def item_lines(item: ItemComparison, restored: str, live: str) -> list[str]:
    """The comparison of one item for people."""
    key = readable(item.key)
    if item.equal:
        return [f"{key}: identical in {restored} and {live}"]
    if not (item.in_restored and item.in_live):
        text = [f"{key}: only in {restored if item.in_restored else live}"]
    else:
        text = [f"{key}: {plural(len(item.different), 'attribute')} differing"]
    for one in item.different:
        text.append(f"  {one.name}")
        text += [
            f"    {table}: {'none' if value is None else encode(value).decode()}"
            for table, value in ((restored, one.restored), (live, one.live))
        ]
    return text


def item_as_json(item: ItemComparison) -> dict[str, object]:
    """The documented fields of the comparison of one item."""
    return {
        "equal": item.equal,
        "key": item.key,
        "in_restored": item.in_restored,
        "in_live": item.in_live,
        "different": {
            one.name: {"restored": one.restored, "live": one.live} for one in item.different
        },
    }


def as_json(found: Comparison) -> dict[str, object]:
    """The documented fields of a comparison."""

    def group(members: Group) -> dict[str, object]:
        samples = list(members.samples)
        shown: dict[str, object] = {"count": members.count, "samples": samples[:SAMPLES]}
        return shown if members is found.identical else {**shown, "keys": samples}

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
