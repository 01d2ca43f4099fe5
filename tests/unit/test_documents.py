"""What the documents point at is there: tests, files, headings."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from cabal_backup.cli.parser import parse
from cabal_backup.operations.status.checks import CHECKS

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / "tests" / "local_aws").rglob("README.md"),
    ROOT / "tests" / "sandbox" / "README.md",
]

LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
TEST = re.compile(r"`((?:unit|synth|e2e)/[\w/]+\.py)(?:::(\w+))?`")


def _headings(document: Path) -> set[str]:
    """The anchors GitHub gives the headings of a document."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", document.read_text("utf-8"), flags=re.MULTILINE)
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target, anchor in LINK.findall(document.read_text("utf-8")):
        file = (document.parent / target).resolve() if target else document
        assert file.exists(), f"{target} is not there"
        if anchor:
            assert anchor in _headings(file), f"{target}#{anchor} is not there"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tests_that_are_named_exist(document: Path) -> None:
    for file, function in TEST.findall(document.read_text("utf-8")):
        path = ROOT / "tests" / file
        assert path.is_file(), f"{file} is not there"
        if function:
            assert f"def {function}(" in path.read_text("utf-8"), f"{file} has no {function}"


LOSSES = (
    *(
        "one address",
        "addresses table",
        "one message",
        "mailbox",
        "mailstore",
        "region",
        "200 days",
    ),
    *("the account", "an encryption key", "everything"),
)


@pytest.mark.parametrize("loss", LOSSES)
def test_readme_has_what_brings_back_what_is_lost(loss: str) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    table = text.partition("| lost or damaged |")[2].partition("\n\n")[0]
    assert any(loss in row and LINK.search(row) for row in table.splitlines())


def test_readme_is_short_and_in_the_order_of_use() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) < 120
    headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert headings == ["Configure", "Deploy", "Operate", "Adopt", "Tear down", "Read on"]


def test_every_promise_of_the_templates_has_a_test() -> None:
    text = (ROOT / "docs" / "proof" / "promises.md").read_text("utf-8")
    for promise in ("S01", "S02", "S03", "S04", "S05", "S06", "S07", "S08", "S09", "S26"):
        rows = re.findall(rf"^\| {promise}\b.*$", text, flags=re.MULTILINE)
        assert rows, f"{promise} has no row"
        assert all(TEST.search(row) for row in rows), f"{promise} has no test"


def test_each_check_of_status_states_what_it_does_not_see() -> None:
    text = (ROOT / "docs" / "status.md").read_text(encoding="utf-8")
    sections = re.split(r"^##+ ", text, flags=re.MULTILINE)
    stated = {part.split("\n")[0] for part in sections if "*Not seen:*" in part}
    assert CHECKS.keys() - stated == set()


def test_contributing_has_every_target_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(" ".join(re.findall(r"^\.PHONY: (.+)$", makefile, flags=re.MULTILINE)).split())
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("| target |")[2]
    named = re.findall(r"`(?:make )?([a-z-]+)`", table.partition("\n\n")[0])
    assert targets - {"help"} == set(named) & targets


RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
BEGINNING = re.compile(
    r"# .+\n\n"
    r"- \*\*When:\*\* .+\n"
    r"- \*\*What it does:\*\* .+\n"
    r"- \*\*How long, what is lost:\*\* .+\n\n"
    r"```(?:sh|text)\n(.+)\n```\n"
)
SUMMARY_WIDTH = 100


@pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda path: str(path.stem))
def test_a_runbook_begins_with_three_lines_and_one_command(runbook: Path) -> None:
    text = runbook.read_text("utf-8")
    beginning = BEGINNING.match(text)
    assert beginning
    assert all(len(line) <= SUMMARY_WIDTH for line in beginning[0].splitlines())
    assert text.partition("\n## ")[0].count("```") == 2
    tool, *arguments = shlex.split(beginning[1])
    if tool == "cabal-backup":
        parse(arguments)
    else:
        assert tool == "make"
