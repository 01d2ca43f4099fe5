"""The HTML of the report: self-contained, well-formed, legible in both color schemes."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from cabal_backup.operations.aws.results import Known
from cabal_backup.operations.report.page import COLORS, page
from cabal_backup.operations.report.summary import Report
from cabal_backup.operations.status.calendar import Calendar, Cell, Column
from cabal_backup.operations.status.checks import CHECKS, run_checks
from cabal_backup.operations.status.state import State
from tests.unit.operations.status.builders import (
    DENIED,
    NOW,
    a_backup_job,
    a_region,
    a_state,
)

VOID = {"meta", "br", "hr", "link", "img", "input"}


class Reader(HTMLParser):
    """The structure of a page; raises where an element is not closed in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def a_calendar() -> Calendar:
    columns = tuple(
        Column(vault, region, f"arn:{resource}", resource)
        for vault, region in (("cabal-backup", "us-west-1"), ("cabal-backup-dr", "us-west-2"))
        for resource in ("addresses", "mailstore")
    )
    nights = tuple(datetime(2026, 3, day, tzinfo=UTC).date() for day in (31, 30, 29, 28, 27, 26))
    cells = {
        (night, column): cell
        for night, cell in zip(nights, Cell, strict=True)
        for column in columns
    }
    return Calendar(NOW, columns, nights, cells, (), {"cabal-backup-dr": "denied <b>"})


def written(state: State) -> str:
    return page(Report(state, run_checks(state, CHECKS)), a_calendar())


STATES = {
    "healthy": a_state(),
    "failing": a_state(
        backup_jobs=Known([a_backup_job(NOW, State="FAILED", StatusMessage="<script>x</script>")])
    ),
    "unknown": a_state(
        primary=a_region("primary", points=DENIED),
        dr=a_region("dr", points=DENIED),
        drills=DENIED,
        restore_jobs=DENIED,
    ),
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES.keys())
def test_it_is_well_formed_and_loads_nothing(state: State) -> None:
    text = written(state)
    read = Reader(text)

    assert {name for name, _ in read.elements} & {"script", "link", "img", "iframe", "a"} == set()
    for _, attributes in read.elements:
        assert attributes.keys().isdisjoint({"src", "href", "style", "onclick"})
    assert "url(" not in text
    assert "@import" not in text


@pytest.mark.parametrize("state", STATES.values(), ids=STATES.keys())
def test_headings_and_tables_have_a_structure(state: State) -> None:
    read = Reader(written(state))

    levels = [int(name[1]) for name, _ in read.elements if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert len(read.all("table")) == len(read.all("caption")) == len(read.all("thead"))
    assert {each["scope"] for each in read.all("th")} == {"row", "col"}
    assert read.all("html") == [{"lang": "en"}]
    assert len(read.all("main")) == len(read.all("title")) == 1


def test_what_aws_says_is_text() -> None:
    failing, unknown = written(STATES["failing"]), written(STATES["unknown"])

    assert "&lt;script&gt;x&lt;/script&gt;" in failing
    assert "denied &lt;b&gt;" in unknown
    assert "The restore jobs in us-west-1 are not known: ListThings: AccessDenied" in unknown


def test_every_symbol_has_its_word() -> None:
    """A reader who does not see color or shape reads the word."""
    text = written(STATES["healthy"])

    for cell in Cell:
        assert re.search(rf'<span aria-hidden="true">\S</span> {cell}</span>', text)


def luminance(color: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", COLORS)
@pytest.mark.parametrize("name", sorted(COLORS["light"].keys() - {"background", "line"}))
def test_every_color_of_text_has_enough_contrast(scheme: str, name: str) -> None:
    colors = COLORS[scheme]
    light, dark = sorted(map(luminance, (colors[name], colors["background"])), reverse=True)

    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_both_schemes_have_the_same_colors() -> None:
    assert COLORS["light"].keys() == COLORS["dark"].keys()
    assert set(re.findall(r"var\(--(\w+)\)", written(STATES["healthy"]))) <= COLORS["dark"].keys()
