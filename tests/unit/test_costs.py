"""The arithmetic of docs/costs.md adds up."""

from __future__ import annotations

import ast
import operator
import re
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("row", rows()[:-1], ids=lambda row: row[0])
def test_each_line_is_its_own_sum(row: list[str]) -> None:
    _, _, calculated, amount = row
    assert cents(value(calculated)) == dollars(amount)


def test_together_they_are_the_total() -> None:
    *lines, total = rows()
    assert dollars(total[3]) == sum(dollars(line[3]) for line in lines)


def test_what_the_text_says_of_the_total() -> None:
    *lines, total = rows()
    fixed = sum(dollars(line[3]) for line in lines[:3])
    tested = sum(dollars(line[3]) for line in lines[3:8])
    assert f"${fixed} of the ${dollars(total[3])} are not billed" in " ".join(TEXT.split())
    assert f"For 1 and 50 GB that is ${tested} a month" in TEXT
    large = 500 * (Decimal("0.024") + Decimal("0.30") * 24 / 730)
    small = (
        Decimal("0.168") + Decimal("0.25") * 24 / 730 + 2 * Decimal("0.131072") * Decimal("0.14")
    )
    assert f"${(large + small).quantize(Decimal('0.1'))}" in TEXT
