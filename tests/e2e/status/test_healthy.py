"""A healthy environment is all ok."""

from __future__ import annotations

import pytest

from cabal_backup.operations.status.checks import GROUPS
from tests.e2e.operator import Operator
from tests.e2e.status.calls import calls


def test_all_checks_are_ok(operator: Operator) -> None:
    said = operator.run("status")

    assert said.code == 0
    assert said.out.endswith("\n✔ development is protected: all of 29 checks are fine (4 off).\n")
    assert said.err == ""
    assert operator.not_ok() == {}


def test_it_fits_an_ordinary_terminal(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")

    lines = operator.run("status").out.splitlines()

    assert len(lines) < 24
    assert max(map(len, lines)) <= 80
    assert [line[2:14].strip() for line in lines[1:-1]] == list(GROUPS)


def test_verbose_shows_what_each_check_saw(operator: Operator) -> None:
    findings = operator.run("status", "--json").json["findings"]
    said = operator.run("status", "--verbose")

    assert said.out.splitlines()[0] == said.out.splitlines()[-1], "it is long: the verdict is first"
    for each in findings:
        assert " ".join(each["evidence"].split()) in said.text


def test_nothing_is_to_be_done(operator: Operator) -> None:
    findings = operator.run("status", "--json").json["findings"]

    assert [each["check"] for each in findings if each["hint"]] == []


def test_it_stays_healthy_night_after_night(operator: Operator) -> None:
    for _ in range(3):
        operator.sandbox.advance(days=1)

        assert operator.not_ok() == {}


def test_it_is_healthy_at_every_hour(operator: Operator) -> None:
    """Also while the night's jobs run, and before they are due."""
    trouble = {}
    for _ in range(8):
        now = operator.sandbox.advance(hours=3)
        if not_ok := operator.not_ok():
            trouble[f"{now:%H:%M}"] = not_ok

    assert trouble == {}


def test_looking_changes_nothing(operator: Operator) -> None:
    before = calls(operator.sandbox)
    operator.run("status")
    operator.run("points")

    asked = {name for _, name in calls(operator.sandbox) - before}
    assert asked
    reading = ("Get", "List", "Describe", "Lookup", "Simulate")
    assert {name for name in asked if not name.startswith(reading)} == set()
