"""`cabal-backup costs`: what the backups cost, and what other settings would cost."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from cabal_backup.cli import output
from cabal_backup.cli.options import CommonOptions, Invocation, add_common, connect_to
from cabal_backup.cli.parser import Parser
from cabal_backup.config.environment import Environment
from cabal_backup.errors import ExitCode, UsageError
from cabal_backup.operations.aws.results import Unknown
from cabal_backup.operations.report import prices
from cabal_backup.operations.report.costs import (
    NOT_INCLUDED,
    SETTINGS,
    Amount,
    Cost,
    estimate,
    read_stock,
    total,
)
from cabal_backup.text import columns


@dataclass(frozen=True, kw_only=True)
class CostsOptions(CommonOptions):
    """The options of `costs`."""

    alternatives: Sequence[str]
    prices: Path | None
    json: bool


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The costs with some settings."""

    settings: str
    """What was given to --if; empty for the settings in use."""
    costs: tuple[Cost, ...]


def define_costs(parser: Parser) -> None:
    parser.describe(
        "Estimates what the backups cost this month and in the coming year, from the sizes of the "
        "recovery points, and compares it with other settings. docs/costs.md explains it.",
        "costs -e prod",
        "costs -e prod --if cold_after_days=60 --if dr_cold_after_days=never",
    )
    add_common(parser)
    parser.add_argument(
        "--if",
        dest="alternatives",
        action="append",
        default=[],
        metavar="SETTING=VALUE",
        help="compare with this setting; several with commas in between; can be repeated, for "
        "several alternatives",
    )
    add_prices(parser)
    parser.add_argument("--json", action="store_true", help="as JSON (docs/costs.md)")
    parser.runs(run, CostsOptions)


def add_prices(parser: Parser) -> None:
    """The option --prices; `report` has it too."""
    parser.add_argument(
        "--prices",
        type=Path,
        metavar="FILE",
        help="a TOML file with prices of regions (docs/costs.md)",
    )


def run(options: CostsOptions, invocation: Invocation) -> int:
    known = prices.read_prices(options.prices)
    aws = connect_to(options)
    environment = aws.environment
    alternatives = [(text, _with(options, environment, text)) for text in options.alternatives]
    stock = read_stock(aws, invocation.clock.now())
    unknown = {
        vault: each.reason for vault, each in stock.points.items() if isinstance(each, Unknown)
    }
    regions = (environment.region, environment.dr_region)
    estimates = [
        Estimate(settings=text, costs=estimate(each, stock, known))
        for text, each in (("", environment), *alternatives)
    ]
    if options.json:
        output.print_json(
            {
                "at": stock.now,
                "environment": environment.name,
                "prices_of": prices.LOOKED_UP,
                "assumed_prices": [each for each in regions if each not in known],
                "estimates": [_as_json(each) for each in estimates],
                "not_included": list(NOT_INCLUDED),
                "unknown": unknown,
            }
        )
    else:
        assumed = prices.assumption(known, regions)
        _print(environment, estimates, assumed)
    for vault, reason in unknown.items():
        output.say(
            f"cabal-backup: could not read {vault}; the estimate does not include it: {reason}"
        )
    return ExitCode.UNKNOWN if unknown else ExitCode.OK


def _with(options: CostsOptions, environment: Environment, text: str) -> Environment:
    """The environment with other settings, checked as those of a deployment."""
    from cabal_backup.config.project import find_project, read_environment

    overrides = []
    for part in re.split(r",(?=\w+=)", text):
        name, equals, _ = part.partition("=")
        if not equals or name not in SETTINGS:
            raise UsageError(
                f"--if takes SETTING=VALUE with one of {', '.join(SETTINGS)}, not {part!r}."
            )
        overrides.append(f"{environment.name}.{part}")
    project = find_project(options.project, options.config)
    return read_environment(project, environment.name, [*options.context, *overrides])


def _print(environment: Environment, estimates: Sequence[Estimate], assumed: str) -> None:
    tables, current = output.styled(sys.stdout), estimates[0].costs
    print(
        f"Backups of {environment.name}, in dollars without tax, at prices of {prices.LOOKED_UP}. "
        "A range: AWS Backup stores only what changed in the mailstore, and reports whole sizes.\n"
    )
    rows: list[tuple[str, ...]] = [("", "GB", "this month", "coming year")]
    rows += [
        (
            " ".join(filter(None, cost.line)),
            f"{cost.size_bytes / prices.GB:,.2f}" if cost.size_bytes else "",
            cost.this_month.words(),
            cost.coming_year.words(),
        )
        for cost in (*current, total(current))
    ]
    print(*columns(rows, numbers=True), sep="\n", file=tables)
    print(f"\nThe last month of that year costs {total(current).months[-1].words()}.")
    if len(estimates) > 1:
        alternatives = (_alternative(each, estimates[0]) for each in estimates)
        headings = ("settings", "coming year", "its last month", "difference")
        print()
        print(*columns([headings, *alternatives], numbers=True), sep="\n", file=tables)
        print("Other lifecycles are for new recovery points; existing ones keep their own dates.")
    print()
    if assumed:
        print(assumed)
    print(f"Not included: {'; '.join(NOT_INCLUDED)}.")


def _alternative(one: Estimate, current: Estimate) -> tuple[str, ...]:
    own, now = total(one.costs), total(current.costs)
    differences = [a - b for a, b in zip(own.coming_year, now.coming_year, strict=True)]
    return (
        one.settings or "as now",
        own.coming_year.words(),
        own.months[-1].words(),
        "" if one is current else Amount(*sorted(differences)).words(sign="+"),
    )


def _as_json(estimated: Estimate) -> dict[str, object]:
    summed = total(estimated.costs)
    return {
        "settings": estimated.settings,
        "costs": [
            {**cost.line._asdict(), "size_bytes": cost.size_bytes, **_amounts(cost)}
            for cost in estimated.costs
        ],
        "together": {**_amounts(summed), "months": [_amount(each) for each in summed.months]},
    }


def _amounts(cost: Cost) -> dict[str, object]:
    return {
        "this_month": _amount(cost.this_month),
        "coming_year": _amount(cost.coming_year),
        "last_month": _amount(cost.months[-1]),
    }


def _amount(amount: Amount) -> dict[str, float]:
    cents = Decimal("0.01")
    return {name: float(each.quantize(cents)) for name, each in amount._asdict().items()}
