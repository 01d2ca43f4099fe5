"""What pip installs is pinned by version and by hash, and agrees with what people edit."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT, ROOT / "tests" / "tools")
EDITED = sorted(path for folder in FOLDERS for path in folder.glob("*.in"))
GENERATED = sorted(
    path
    for folder in FOLDERS
    for path in folder.glob("*.txt")
    if "make requirements" in path.read_text(encoding="utf-8")
)
LOCAL_AWS = ROOT / "tests" / "local_aws" / "pyproject.toml"
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


@pytest.mark.parametrize("generated", GENERATED, ids=lambda path: path.name)
def test_every_package_has_a_hash(generated: Path) -> None:
    text = generated.read_text(encoding="utf-8")
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_development_has_the_same_versions_as_the_application() -> None:
    development = pins(ROOT / "requirements-dev.txt")
    assert pins(ROOT / "requirements.txt").items() <= development.items()


def test_the_local_aws_has_the_versions_of_its_pyproject_and_of_development() -> None:
    alone = pins(ROOT / "tests" / "tools" / "local-aws.txt")
    declared = tomllib.loads(LOCAL_AWS.read_text(encoding="utf-8"))["project"]
    wanted = [*declared["dependencies"], *declared["optional-dependencies"]["test"]]
    pinned = dict(each.split("==") for each in wanted if "==" in each)
    assert pinned.keys() >= {"ministack", "pytest"}
    assert pinned.items() <= alone.items() <= pins(ROOT / "requirements-dev.txt").items()


def test_no_file_names_a_registry() -> None:
    assert {path.with_suffix(".txt") for path in EDITED} < set(GENERATED)
    for generated in GENERATED:
        assert "://" not in generated.read_text(encoding="utf-8")
