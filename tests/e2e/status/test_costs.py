"""`cabal-backup costs`: what is paid for, other settings, and what cannot be estimated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.operator import Operator
from tests.e2e.status.test_formats import problems


@pytest.fixture
def priced(tmp_path: Path) -> str:
    """The option with the prices of both regions."""
    file = tmp_path / "prices.toml"
    file.write_text('[us-west-2]\nlike = "us-east-1"\n', encoding="utf-8")
    return f"--prices={file}"


def test_the_costs_and_two_alternatives(operator: Operator, priced: str) -> None:
    longer, never = "--if=cold_after_days=60", "--if=dr_cold_after_days=never"

    said = operator.run("costs", priced, longer, never, restore_testing="true", alerts="true")

    assert said.code == 0, said.err
    for words in (
        "storage us-west-1 addresses warm",
        "storage us-west-2 mailstore cold",
        "transfer us-west-1 mailstore",
        "restore tests us-west-2 addresses",
        "monitoring us-west-1",
        "as now",
        "dr_cold_after_days=never",
        "Not included: taxes",
    ):
        assert words in said.text
    assert max(len(line) for line in said.out.splitlines() if "  " in line) <= 80
    document = operator.run("costs", priced, longer, never, "--json").json
    assert problems("costs", document) == []
    assert [each["settings"] for each in document["estimates"]] == [
        "",
        "cold_after_days=60",
        "dr_cold_after_days=never",
    ]
    warm = next(
        cost
        for cost in document["estimates"][0]["costs"]
        if (cost["what"], cost["region"], cost["resource"], cost["tier"])
        == ("storage", "us-west-1", "addresses", "warm")
    )
    stored = operator.run("points", "--json").json["points"]
    assert warm["size_bytes"] == sum(
        point["size_bytes"]
        for point in stored
        if (point["vault"], point["resource_type"], point["tier"])
        == ("cabal-backup", "DynamoDB", "warm")
    )


def test_assumed_prices_are_stated(operator: Operator, priced: str) -> None:
    assumed, given = operator.run("costs"), operator.run("costs", priced)
    assert (assumed.code, given.code) == (0, 0)
    stated = "The prices of us-west-2 could not be looked up; those of us-east-1 are assumed."
    assert stated in assumed.out
    assert "could not be looked up" not in given.out
    assert operator.run("costs", "--json").json["assumed_prices"] == ["us-west-2"]
    assert operator.run("costs", priced, "--json").json["assumed_prices"] == []


def test_a_schedule_with_a_comma_is_one_setting(operator: Operator) -> None:
    schedule = "restore_testing_schedule=cron(0 6 1,15 * ? *)"
    said = operator.run("costs", f"--if={schedule},cold_after_days=60", "--json")
    assert said.code == 0, said.err
    assert said.json["estimates"][1]["settings"] == f"{schedule},cold_after_days=60"


@pytest.mark.parametrize(
    ("alternative", "code", "message"),
    [
        ("cold_after_days=300", 78, "delete_after_days"),
        ("cold_after_days=soon", 78, "cold_after_days"),
        ("region=eu-west-1", 64, "--if takes SETTING=VALUE"),
        ("cold_after_days", 64, "--if takes SETTING=VALUE"),
    ],
)
def test_an_alternative_that_could_not_be_deployed(
    operator: Operator, priced: str, alternative: str, code: int, message: str
) -> None:
    said = operator.run("costs", priced, f"--if={alternative}")
    assert said.code == code, said.err
    assert message in said.err


def test_a_vault_that_cannot_be_listed(operator: Operator, priced: str) -> None:
    operator.sandbox.faults.deny("ListRecoveryPointsByBackupVault")
    said = operator.run("costs", priced, "--json")
    assert said.code == 2
    assert problems("costs", said.json) == []
    assert said.json["unknown"].keys() == {"cabal-backup", "cabal-backup-dr"}


def test_legal_holds_that_cannot_be_listed_do_not_matter(operator: Operator) -> None:
    operator.sandbox.faults.deny("ListLegalHolds")
    assert operator.run("costs").code == 0
