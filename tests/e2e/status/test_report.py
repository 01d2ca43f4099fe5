"""`cabal-backup report`: its figures are those of AWS, and it replaces nothing but a report."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.e2e.operator import Operator, Said
from tests.e2e.status import aws_by_hand as hand
from tests.e2e.status.aws_by_hand import PRIMARY


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


def test_what_would_be_lost_is_what_the_newest_copy_does_not_have(
    operator: Operator, file: Path
) -> None:
    # The last copy of the mailstore fails, so that it is a day behind.
    operator.sandbox.faults.fail_next("copy", resource_type="EFS", message="Broken.")
    operator.sandbox.advance(days=1)

    assert report(operator, file).code == 0

    drill = "7 minutes (development, 2026-02-06)"
    _, *rows = tables(file)["If us-west-1 failed now"]
    # It is 13:00 on 2026-02-07; copies of 29 nights are warm.
    assert [row[1:] for row in rows] == [
        ["2026-02-07 00:20 UTC", "13 hours", "2026-01-09 00:20 UTC", drill, drill],
        ["2026-02-06 00:20 UTC", "37 hours", "2026-01-09 00:20 UTC", drill, drill],
    ]


def test_the_tiers_are_those_of_the_vaults(operator: Operator, file: Path) -> None:
    """36 nights, of which 30 are warm; a night is 0.1 MB of addresses and 0.2 MB of mail."""
    report(operator, file)

    _, *rows, together = tables(file)["Recovery points and what they cost"]
    seen = [[row[0], row[1].partition(" ")[0], *row[2:6]] for row in rows]
    warm, cold = "2026-01-08 to 2026-02-06", "2026-01-02 to 2026-01-07"
    assert seen == [
        [vault, resource, *figures]
        for vault in ("cabal-backup (us-west-1)", "cabal-backup-dr (us-west-2)")
        for resource, *figures in (
            ("cabal-addresses", "warm", "30", warm, "0.00"),
            ("cabal-addresses", "cold", "6", cold, "0.00"),
            ("mailstore", "warm", "30", warm, "0.01"),
            ("mailstore", "cold", "6", cold, "0.00"),
        )
    ]
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
