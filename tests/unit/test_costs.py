"""The arithmetic of docs/costs.md adds up."""

from __future__ import annotations

import ast
import operator
import re
from dataclasses import asdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from cabal_backup.operations.report import prices

TEXT = (Path(__file__).parents[2] / "docs" / "costs.md").read_text(encoding="utf-8")
CENT = Decimal("0.01")

_OPERATIONS = {ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Add: operator.add}


def rows() -> list[list[str]]:
    """What, price, sum and amount, line by line; the total comes last."""
    (table,) = re.findall(r"<!-- costs -->\n(.*?)<!-- /costs -->", TEXT, re.DOTALL)
    return [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


def value(text: str) -> Decimal:
    """What `4 × 0.10` makes; numbers, sums, products, quotients and nothing else."""

    def of(node: ast.AST) -> Decimal:
        if isinstance(node, ast.BinOp):
            return Decimal(_OPERATIONS[type(node.op)](of(node.left), of(node.right)))
        assert isinstance(node, ast.Constant)
        return Decimal(str(node.value))

    return of(ast.parse(text.replace("×", "*"), mode="eval").body)


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def dollars(text: str) -> Decimal:
    return Decimal(text.removeprefix("$"))


def test_the_prices_are_those_of_the_tool() -> None:
    (table,) = re.findall(r"<!-- storage -->\n(.*?)<!-- /storage -->", TEXT, re.DOTALL)
    head, _, *lines = (
        [cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()
    )
    shown = {
        name.strip("`"): {line[0].strip("`"): dollars(line[column]) for line in lines}
        for column, name in enumerate(head)
        if column
    }
    assert shown == {region: asdict(known) for region, known in prices.REGIONS.items()}
    restored = {row[0]: row[1] for row in rows() if row[0].startswith("restoring the ")}
    home = prices.REGIONS[prices.REGION]
    assert [dollars(price.split(" ")[0]) for price in restored.values()] == [
        home.dynamodb_restore,
        home.efs_restore,
    ]


def test_the_monitoring_is_what_is_not_about_restores() -> None:
    about = ("restoring", "the restored", "reading", "together")
    lines = [dollars(row[3]) for row in rows() if not row[0].startswith(about)]
    assert len(lines) == 3
    assert sum(lines) == prices.MONITORING


@pytest.mark.parametrize("row", rows()[:-1], ids=lambda row: row[0])
def test_each_line_is_its_own_sum(row: list[str]) -> None:
    _, _, calculated, amount = row
    assert cents(value(calculated)) == dollars(amount)


def test_together_they_are_the_total() -> None:
    *lines, total = rows()
    assert dollars(total[3]) == sum(dollars(line[3]) for line in lines)


def test_what_the_text_says_of_restore_tests() -> None:
    *lines, _ = rows()
    polling, tested = dollars(lines[0][3]), sum(dollars(line[3]) for line in lines[1:6])

    def one(mailstore: int) -> Decimal:
        month = Decimal(24) / 730
        table = Decimal("0.168") + Decimal("0.25") * month
        reading = 2 * Decimal("0.131072") * Decimal("0.14")
        return table + reading + mailstore * (Decimal("0.024") + Decimal("0.30") * month)

    text = " ".join(TEXT.split())
    assert f"For 1 and 50 GB that is ${cents(one(50))}." in text
    assert f"a third of one of the copy of the mailstore: ${tested}." in text
    assert (
        f"With a mailstore of 500 GB one test costs ${one(500).quantize(Decimal('0.1'))}." in text
    )
    assert polling < 1, "without restore tests the defaults cost less than a dollar"
