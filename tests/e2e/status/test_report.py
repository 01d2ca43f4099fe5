"""`cabal-backup report`: its figures are those of AWS, and it replaces nothing but a report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.operator import Operator, Said
from tests.e2e.status import aws_by_hand as hand
from tests.e2e.status.aws_by_hand import DR, PRIMARY

GB = 1_073_741_824


class Tables(HTMLParser):
    """The rows of every table, as text, by the heading before it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, list[list[str]]] = {}
        self._heading = ""
        self._within: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._within.append(tag)
        if tag == "h2":
            self._heading = ""
        elif tag == "tr":
            self.found.setdefault(self._heading, []).append([])
        elif tag in ("th", "td"):
            self.found[self._heading][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._within and self._within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "h2" in self._within:
            self._heading += data
        elif {"th", "td"} & {*self._within}:
            self.found[self._heading][-1][-1] += data


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def report(operator: Operator, file: Path, *arguments: str) -> Said:
    return operator.run("report", "--output", str(file), *arguments)


def test_json_is_that_of_status_and_the_file(operator: Operator, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    shown, status = report(operator, file, "--json").json, operator.run("status", "--json").json

    assert (shown["version"], shown["report"]) == (1, str(file))
    assert shown.keys() == {*status, "report"}
    assert [(each["check"], each["status"]) for each in shown["findings"]] == [
        (each["check"], each["status"]) for each in status["findings"]
    ]
    assert file.exists()


def tables(file: Path) -> dict[str, list[list[str]]]:
    return Tables(file.read_text(encoding="utf-8")).found


def moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M UTC}"


def points(operator: Operator, vault: hand.Vault, kind: str) -> list[Mapping[str, Any]]:
    listed = hand.points(operator.sandbox, vault)
    found = [point for point in listed if point["ResourceType"] == kind]
    return sorted(found, key=lambda point: point["CreationDate"])


def test_what_would_be_lost_is_what_the_newest_copy_does_not_have(
    operator: Operator, file: Path
) -> None:
    # The last copy of the mailstore fails, so that it is a day behind.
    operator.sandbox.faults.fail_next("copy", resource_type="EFS", message="Broken.")
    operator.sandbox.advance(days=1)
    now = operator.sandbox.now()

    assert report(operator, file).code == 0

    _, *rows = tables(file)["If us-west-1 failed now"]
    for row, kind in zip(rows, ("DynamoDB", "EFS"), strict=True):
        copies = points(operator, DR, kind)
        newest = copies[-1]["CreationDate"]
        warm = [
            copy["CreationDate"]
            for copy in copies
            if copy["CalculatedLifecycle"]["MoveToColdStorageAt"] > now
        ]
        assert row[1:] == [
            moment(newest),
            f"{(now - newest) / timedelta(hours=1):.1f} hours",
            moment(warm[0]),
            f"7 minutes (development, {now - timedelta(days=1):%Y-%m-%d})",
            f"7 minutes (development, {now - timedelta(days=1):%Y-%m-%d})",
        ]
    assert [row[2] for row in rows] == ["12.7 hours", "36.7 hours"]


def test_the_tiers_are_those_of_the_vaults(operator: Operator, file: Path) -> None:
    report(operator, file)
    now = operator.sandbox.now()

    _, *rows, together = tables(file)["Recovery points and what they cost"]
    seen = {(row[0], row[1].partition(" ")[0], row[2]): row[3:] for row in rows}
    for vault, kind, resource in (
        (PRIMARY, "DynamoDB", "cabal-addresses"),
        (PRIMARY, "EFS", "mailstore"),
        (DR, "DynamoDB", "cabal-addresses"),
        (DR, "EFS", "mailstore"),
    ):
        region, name = vault
        listed = points(operator, vault, kind)
        for tier, is_cold in (("warm", False), ("cold", True)):
            ours = [
                point
                for point in listed
                if (point["CalculatedLifecycle"]["MoveToColdStorageAt"] <= now) == is_cold
            ]
            size = sum(point["BackupSizeInBytes"] for point in ours)
            first, last = ours[0]["CreationDate"], ours[-1]["CreationDate"]
            assert seen[f"{name} ({region})", resource, tier][:3] == [
                str(len(ours)),
                f"{first:%Y-%m-%d} to {last:%Y-%m-%d}",
                f"{size / GB:.2f}",
            ]
    assert len(rows) == 8
    assert together[0] == "together"


def test_the_calendar_is_that_of_points(operator: Operator, file: Path) -> None:
    operator.sandbox.faults.fail_next("backup", resource_type="EFS", message="Broken.")
    operator.sandbox.advance(days=1)
    report(operator, file, "--nights", "40")

    nights = operator.run("points", "--json", "--nights", "40").json["nights"]
    headings, *rows = tables(file)["Nights"]
    assert headings[1:] == [
        "us-west-1 addresses",
        "us-west-1 mailstore",
        "us-west-2 addresses",
        "us-west-2 mailstore",
    ]
    shown = [[row[0][4:], *(cell[2:] for cell in row[1:])] for row in rows]
    expected = [[each["night"], *(cell["state"] for cell in each["cells"])] for each in nights]
    # It begins with the first recovery point, 37 nights ago.
    assert shown == expected[:37]


def test_the_verdict_and_what_to_do_are_those_of_status(operator: Operator, file: Path) -> None:
    hand.unlock(operator.sandbox, PRIMARY)

    said = report(operator, file)
    document = operator.run("status", "--json").json

    assert said.code == 0
    assert said.out == f"{document['summary']}\nThe report is {file}.\n"
    text = file.read_text(encoding="utf-8")
    assert f'<p class="verdict fail">{document["summary"]}</p>' in text
    assert "primary-lock: fail" in text
    assert "aws backup put-backup-vault-lock-configuration" in text


def test_restores_and_drills_are_listed(operator: Operator, file: Path) -> None:
    report(operator, file)

    found = tables(file)
    assert {(row[2], row[3], row[4]) for row in found["Restore tests"][1:]} == {
        ("EFS", "by hand", "COMPLETED"),
        ("DynamoDB", "by hand", "COMPLETED"),
    }
    assert sorted(row[0] for row in found["Drills"][1:]) == ["addresses", "copy-back", "mailbox"]
    assert {row[3] for row in found["Drills"][1:]} == {"passed"}


def test_an_earlier_report_is_replaced_and_no_other_file(operator: Operator, file: Path) -> None:
    assert report(operator, file).code == 0
    before = file.read_text(encoding="utf-8")
    operator.sandbox.advance(days=1)
    assert report(operator, file).code == 0
    assert file.read_text(encoding="utf-8") != before

    file.write_text("<html>mine</html>")
    said = report(operator, file)

    assert said.code == 4
    assert f"{file} is not an earlier report and was not changed." in said.err
    assert file.read_text() == "<html>mine</html>"
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_a_symbolic_link_and_a_missing_folder_are_refused(operator: Operator, file: Path) -> None:
    file.symlink_to(file.with_name("elsewhere.html"))

    assert report(operator, file).code == 4
    assert report(operator, file.parent / "nowhere" / "report.html").code == 64
    assert not file.exists()


def test_the_default_name_is_that_of_the_environment(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert operator.run("report").code == 0
    assert [each.name for each in tmp_path.iterdir()] == ["cabal-backup-development.html"]


def test_a_region_that_is_down_is_said_to_be_unknown(operator: Operator, file: Path) -> None:
    operator.sandbox.faults.deny("ListRecoveryPointsByBackupVault")

    assert report(operator, file).code == 0

    text = file.read_text(encoding="utf-8")
    assert "The copies could not be listed: ListRecoveryPointsByBackupVault" in text
    assert "Without cabal-backup and cabal-backup-dr, which could not be listed." in text
