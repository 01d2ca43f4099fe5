"""What pip installs is pinned by version and by hash, and agrees with what people edit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EDITED = sorted([*ROOT.glob("requirements*.in"), *(ROOT / "tests" / "tools").glob("*.in")])
PINNED = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", flags=re.MULTILINE)


def pins(path: Path) -> dict[str, str]:
    found = PINNED.findall(path.read_text(encoding="utf-8"))
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


@pytest.mark.parametrize("edited", EDITED, ids=lambda path: path.name)
def test_the_generated_file_holds_every_pin(edited: Path) -> None:
    generated = pins(edited.with_suffix(".txt"))
    wanted = pins(edited)
    assert wanted
    assert {name: generated.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("edited", EDITED, ids=lambda path: path.name)
def test_every_package_has_a_hash(edited: Path) -> None:
    text = edited.with_suffix(".txt").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_development_has_the_same_versions_as_the_application() -> None:
    development = pins(ROOT / "requirements-dev.txt")
    assert pins(ROOT / "requirements.txt").items() <= development.items()


def test_no_file_names_a_registry() -> None:
    for edited in EDITED:
        assert "://" not in edited.with_suffix(".txt").read_text(encoding="utf-8")
