"""The drill of the addresses table: what it does, what it says, and what it leaves."""

from __future__ import annotations

from datetime import datetime

import pytest
from local_aws.client import ACCOUNT

from tests.e2e.audit import changes_since
from tests.e2e.drill.conftest import Driller, left
from tests.e2e.exercise import newest_point
from tests.e2e.tables.tables import ADDRESSES, items
from tests.e2e.teardown.left import tag_everything
from tests.e2e.terminal import type_answers


def test_restores_compares_cuts_over_and_clears_away(driller: Driller) -> None:
    began = driller.sandbox.now()
    with driller.live_data_stays():
        said = driller.drill("addresses")

    assert said.code == 0, said.err
    assert said.out.startswith("PASSED: the addresses drill in development: restored and verified")
    assert left(driller.sandbox) == []
    report = driller.report
    assert (report["verdict"], report["reasons"]) == ("passed", [])
    assert [check["check"] for check in report["checks"]] == [
        *("not empty", "count", "content", "cutover")
    ]
    assert all(check["passed"] for check in report["checks"])
    count = len(items(driller.sandbox, ADDRESSES))
    assert f"{count:,} restored, {count:,} live" in report["checks"][1]["evidence"]
    assert [step["step"] for step in report["steps"]] == ["restore", "compare", "cutover"]
    # The sandbox takes six minutes for a table.
    assert report["recovery_seconds"] >= 360
    point = newest_point(driller.sandbox, "DynamoDB")
    assert report["recovery_point"]["id"] == point.rpartition(":")[2]
    # Taken at 00:20, and it is about 13:00.
    assert 12 * 3600 < report["recovery_point"]["age_seconds"] < 13 * 3600
    assert datetime.fromisoformat(report["started"]).date() == began.date()


def test_the_report_has_a_date_and_nothing_that_is_not_for_everybody(driller: Driller) -> None:
    driller.drill("addresses")
    driller.drill("addresses")

    day = f"{driller.sandbox.now():%Y-%m-%d}"
    assert sorted(file.name for file in driller.folder.iterdir()) == [
        f"{day}-development-addresses-2.json",
        f"{day}-development-addresses-2.md",
        f"{day}-development-addresses.json",
        f"{day}-development-addresses.md",
    ]
    for file in driller.folder.iterdir():
        text = file.read_text()
        assert ACCOUNT not in text
        assert "@" not in text
    text = (driller.folder / f"{day}-development-addresses.md").read_text()
    assert text.startswith(f"# Drill: addresses in development, {day}\n\n**PASSED**\n")
    assert "| recovery time, start to verified |" in text


def test_the_plan_alone(driller: Driller) -> None:
    before = driller.sandbox.now()
    said = driller.drill("addresses", "--dry-run")

    assert said.code == 0
    assert newest_point(driller.sandbox, "DynamoDB") in said.out
    assert "to a new table cabal-addresses-drill-" in said.out
    assert "the cutover is rehearsed into another new table" in said.out
    assert changes_since(driller.sandbox, before) == []
    assert not driller.folder.exists()


def test_without_a_confirmation_nothing_is_done(
    driller: Driller, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = driller.sandbox.now()
    command = driller.command("addresses")
    assert driller.operator.type(*command).code == 4
    type_answers(monkeypatch, "no")
    assert driller.operator.type(*command).code == 4
    assert changes_since(driller.sandbox, before) == []
    assert driller.reports == []

    type_answers(monkeypatch, "yes")
    assert driller.operator.type(*command).code == 0


def test_an_older_point(driller: Driller) -> None:
    day = driller.sandbox.now().replace(hour=0, minute=0, second=0)
    said = driller.drill("addresses", "--at", f"{day:%Y-%m-%dT%H:%M}")
    assert said.code == 0
    assert 36 * 3600 < driller.report["recovery_point"]["age_seconds"] < 37 * 3600


@pytest.mark.parametrize("chosen", [("--recovery-point", "nonsense"), ("--at", "2020-01-01T00:00")])
def test_a_point_that_was_mistyped_is_no_drill(driller: Driller, chosen: tuple[str, str]) -> None:
    assert driller.drill("addresses", *chosen).code == 8
    assert driller.reports == []


def test_changes_since_the_backup_are_reported_and_tolerated(driller: Driller) -> None:
    live = items(driller.sandbox, ADDRESSES)
    table = driller.sandbox.client("dynamodb")
    changed = len(live) // 20
    for item in live[:changed]:
        table.put_item(TableName=ADDRESSES, Item={**item, "comment": {"S": "changed"}})

    assert driller.drill("addresses").code == 0
    content = driller.report["checks"][2]
    assert f"{changed:,} differ" in content["evidence"]

    said = driller.drill("addresses", "--tolerance", "1")
    assert said.code == 6
    failed = driller.reports[0] if driller.reports[0]["verdict"] == "failed" else driller.reports[1]
    assert "at least 99 % required" in failed["reasons"][0]
    assert left(driller.sandbox) == []


def test_status_reads_how_old_the_drills_are(
    driller: Driller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CABAL_DRILLS", str(driller.folder))
    before = driller.operator.run("status", "--only", "drill", "--json").json["findings"][0]
    assert (before["status"], before["measures"]) == ("warn", {})
    assert driller.drill("addresses").code == 0
    driller.sandbox.advance(days=3)

    after = driller.operator.run("status", "--only", "drill", "--json").json["findings"][0]

    assert after["status"] == "warn"
    assert "No drill of the mailbox nor the copy-back has passed" in after["evidence"]
    assert 3 * 86_400 <= after["measures"]["addresses_drill_age_seconds"] < 3 * 86_400 + 3600
    assert "addresses: 2026-02-06, 3 days ago, recovered in " in after["details"][0]


def test_prod_needs_an_option_and_its_typed_name(
    driller: Driller, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs = driller.operator.deployment.cabal.file_system_id
    settings = {"backup": "true", "account": ACCOUNT, "mailstore_file_system_id": fs}
    of_prod = [part for name, value in settings.items() for part in ("-c", f"prod.{name}={value}")]
    command = [*driller.command("addresses"), *of_prod, "-e", "prod"]
    tag_everything(driller.operator.deployment, {"environment": "prod"})
    before = driller.sandbox.advance(seconds=2)

    once = driller.operator.type(*command, "--yes")
    unasked = driller.operator.type(*command, "--prod", "--yes")
    type_answers(monkeypatch, "yes")
    other = driller.operator.type(*command, "--prod", "--yes")

    assert (once.code, unasked.code, other.code) == (4, 4, 4)
    assert "Drills are for development, not for prod." in once.err
    assert "--yes does not replace that" in unasked.err
    assert changes_since(driller.sandbox, before) == []
    assert driller.reports == []

    type_answers(monkeypatch, "prod")
    assert driller.operator.type(*command, "--prod").code == 0
    assert driller.report["environment"] == "prod"
