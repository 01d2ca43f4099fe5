"""What a public repository must not hold, and what its workflows must."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

ACCOUNT_ID = re.compile(r"(?<![0-9A-Za-z_.])[0-9]{12}(?![0-9A-Za-z_])")
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
EXAMPLE_ACCOUNTS = {"123456789012", "210987654321", "000000000000"}

MACHINE_PATH = re.compile(
    r"(?<![\w.~$}-])/(?:root|work|Users/\w+|home/(?:runner|ubuntu|user|dev|\w*admin)|tmp/v)/"
    r"|[A-Z]:\\Users"
)
REGISTRY = re.compile(
    r"(?:--|^|\s)(?:extra-)?index-url|registry\s*=|"
    r"https?://[^\s/\"']*(?:registry|artifactory|nexus|mirror|pypi|pythonhosted)[^\s/\"']*/"
    r"(?!project/|package/)",
    re.MULTILINE,
)

WORDS = re.compile(
    r"(?<![a-z])(?:gone|nobody|somebody|anybody|told|whoever|wished|mend(?:ed|ing)?|lest|alike)s?"
    r"(?![a-z])",
    re.IGNORECASE,
)
"""Words that the project does not use, also within names that have underscores."""
QUOTED = {"CHANGELOG.md: gone"}
"""A former field of `--json`."""

USES = re.compile(r"^\s*(?:-\s+)?uses:\s*[\"']?([^\s\"'#]+)[\"']?[ \t]*(#.*)?$", re.MULTILINE)
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")


@cache
def texts() -> dict[str, str]:
    """Every text file that is, or is about to be, under version control."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    ).stdout.decode()
    paths = [REPOSITORY / name for name in listed.split("\0") if name]
    return dict(_read(path for path in paths if path.is_file()))


def _read(paths: Iterator[Path]) -> Iterator[tuple[str, str]]:
    this = Path(__file__).resolve()
    for path in paths:
        content = path.read_bytes()
        if b"\0" not in content and path.resolve() != this:
            yield str(path.relative_to(REPOSITORY)), content.decode()


def found(pattern: re.Pattern[str]) -> list[str]:
    return [f"{name}: {hit[0]}" for name, text in texts().items() for hit in pattern.finditer(text)]


def foreign_accounts(text: str) -> set[str]:
    """Twelve digits that could be a real AWS account."""
    return set(ACCOUNT_ID.findall(UUID.sub("", text))) - EXAMPLE_ACCOUNTS


def test_there_are_files_to_read() -> None:
    assert {"app.py", "cdk.json", "tests/builders.py"} <= texts().keys()


def test_no_account_but_the_examples() -> None:
    assert {n: ids for n, text in texts().items() if (ids := foreign_accounts(text))} == {}


def test_no_path_of_a_developers_machine() -> None:
    assert found(MACHINE_PATH) == []
    here = [str(path) + "/" for path in (REPOSITORY, Path.home()) if len(path.parts) > 1]
    assert [name for name, text in texts().items() if any(path in text for path in here)] == []


def test_no_registry_but_the_default_one() -> None:
    assert found(REGISTRY) == []


def test_plain_words_in_code_and_documents() -> None:
    assert {
        hit for hit in found(WORDS) if hit.partition(": ")[0].endswith((".py", ".md"))
    } == QUOTED


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (WORDS, "def test_a_table_that_is_gone_is_told(): ..."),
        (WORDS, "# Somebody's table"),
        (WORDS, "ON_NOBODYS_LIST"),
        (MACHINE_PATH, "see /Users/alice/notes"),
        (MACHINE_PATH, "cd /home/runner/project"),
        (MACHINE_PATH, "C:\\Users\\alice"),
        (REGISTRY, "pip install --index-url https://example.com x"),
        (REGISTRY, '"resolved": "https://registry.example.com/aws-cdk/-/aws-cdk.tgz"'),
        (REGISTRY, "https://pypi.example.com/packages/x"),
        (REGISTRY, "registry=https://example.com"),
    ],
)
def test_what_is_forbidden_is_found(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)


def test_a_foreign_account_is_found() -> None:
    digits = "9876" + "54321098"
    assert foreign_accounts(f"arn:aws:iam::{digits}:role/x") == {digits}
    assert foreign_accounts("arn:aws:iam::123456789012:role/x") == set()
    assert foreign_accounts(f"id 01234567-89ab-cdef-0123-{digits}") == set()


# --- Workflows


def workflows() -> list[Path]:
    return sorted((REPOSITORY / ".github" / "workflows").glob("*.y*ml"))


def test_there_are_workflows() -> None:
    assert workflows()


@pytest.mark.parametrize("workflow", workflows(), ids=lambda path: path.name)
def test_every_action_is_pinned_by_commit_and_says_its_version(workflow: Path) -> None:
    for action, comment in USES.findall(workflow.read_text()):
        if action.startswith("./"):
            continue
        assert PINNED.fullmatch(action), action
        assert re.search(r"v[0-9]+", comment), f"{action}: write the version behind it"


@pytest.mark.parametrize("workflow", workflows(), ids=lambda path: path.name)
def test_every_workflow_limits_its_permissions(workflow: Path) -> None:
    text = workflow.read_text()
    assert re.search(r"^permissions:", text, re.MULTILINE)
    assert "write-all" not in text
    assert "pull_request_target" not in text
