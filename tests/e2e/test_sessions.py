"""docs/sessions.md shows what an operator sees: recorded in terminals of two sizes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.sessions import SIZES, Recorder
from tests.e2e.teardown.left import everything
from tests.sandbox.cabal import delete_table
from tests.sandbox.deployment import PROJECT, Deployment

DOCUMENT = PROJECT / "docs" / "sessions.md"

TABLE = "cabal-addresses"


def healthy(recorder: Recorder) -> None:
    """It fits on the screen, with the prompts before and after it."""
    shown = recorder.run("status")
    assert len(shown) <= recorder.rows - 2
    assert shown[-1].startswith("✔ development is protected: all of 29 checks are fine")


def lost_table(recorder: Recorder) -> None:
    """The finding has the command, and after it everything is as before."""
    delete_table(recorder.deployment.sandbox, TABLE)

    shown = recorder.run("status", code=1)
    assert any("cabal-backup restore addresses -e development" in line for line in shown)
    terminal = recorder.answer("restore addresses", "yes")
    terminal.wait_for("restore running")
    recorder.deployment.sandbox.advance(minutes=10)
    shown = recorder.end(terminal)
    assert any(line.startswith("restore completed ") and " 100 % " in line for line in shown)
    dynamodb = recorder.deployment.sandbox.client("dynamodb")
    assert dynamodb.describe_table(TableName=TABLE)["Table"]["ItemCount"] == 500
    assert "development is protected" in recorder.run("status")[-1]


def lost_region(recorder: Recorder) -> None:
    """One finding, which names the runbook."""
    recorder.deployment.sandbox.faults.lose_regions("us-west-1")

    shown = " ".join(recorder.run("status", code=2))
    assert "--assume-region-lost us-west-1" in shown
    assert "docs/runbooks/lose-a-region.md" in shown
    shown = " ".join(recorder.run("status --assume-region-lost us-west-1", code=2))
    assert "Cannot tell whether development is protected: 21 checks could not be made." in shown
    assert shown.count("--assume-region-lost") == 0


def unlock_and_relock(recorder: Recorder) -> None:
    """The name of the environment is typed; status fails until the locks are back."""
    recorder.end(recorder.answer("unlock --reason 'shorter retention'", "development"))
    assert [*everything(recorder.deployment)["locks"].values()] == [False, False]
    assert recorder.run("status", code=1)[-1].endswith("2 checks failed.")
    assert recorder.run("relock")[-1] == "Locked."
    assert [*everything(recorder.deployment)["locks"].values()] == [True, True]


def interrupted(recorder: Recorder) -> None:
    """Ctrl-C ends the command, not the job; the command that it prints follows the job."""
    sandbox = recorder.deployment.sandbox
    sandbox.faults.fail_next("restore", message="Access denied")
    # So long that it is at 0 % when it is interrupted.
    sandbox.settings(dynamodb_restore=timedelta(hours=6).total_seconds())

    terminal = recorder.answer("restore addresses", "yes")
    terminal.wait_for("restore running")
    terminal.press(b"\x03")
    shown = recorder.end(terminal, code=130)
    again = re.fullmatch("`cabal-backup (jobs watch .*) -e development`", shown[-1])
    assert again is not None
    recorder.wait(timedelta(hours=6))
    terminal = recorder.start(again[1])
    recorder.end(terminal, code=3)
    assert "Access denied" in terminal.shown


SESSIONS: dict[str, tuple[str, Callable[[Recorder], None]]] = {
    "A healthy environment": ("Nothing is to be done.", healthy),
    "A lost table, until it is restored": (
        "The addresses table was deleted. [The runbook](runbooks/restore-tables.md) has the rest.",
        lost_table,
    ),
    "A lost region": (
        "The primary region does not answer. [The runbook](runbooks/lose-a-region.md) continues.",
        lost_region,
    ),
    "Unlock and relock": (
        "The locks are removed for a change, and put back. [The runbook](runbooks/locks.md) says "
        "when.",
        unlock_and_relock,
    ),
    "Ctrl-C while a restore is followed that fails": (
        "AWS Backup continues with the job.",
        interrupted,
    ),
}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("title", SESSIONS)
def test_the_document_shows_what_the_terminal_shows(
    protected: Deployment,
    tmp_path: Path,
    title: str,
    size: tuple[int, int],
    request: pytest.FixtureRequest,
) -> None:
    """`make sessions` records them anew."""
    recorder = Recorder(protected, tmp_path, *size)
    SESSIONS[title][1](recorder)

    if request.config.getoption("update_snapshots"):
        DOCUMENT.write_text(with_session(title, size, recorder.text), encoding="utf-8")
    assert recorder.text == recorded(DOCUMENT.read_text(encoding="utf-8")).get((title, size))


Recorded = dict[tuple[str, tuple[int, int]], str]


def recorded(document: str) -> Recorded:
    """The sessions in the document, by title and size."""
    found: Recorded = {}
    for section in re.split("^## ", document, flags=re.M)[1:]:
        for columns, rows, text in re.findall(
            r"^### (\d+)×(\d+)\n\n```text\n(.*?)\n```$", section, re.M | re.S
        ):
            found[section.splitlines()[0], (int(columns), int(rows))] = text
    return found


def with_session(title: str, size: tuple[int, int], text: str) -> str:
    """The document with one session recorded anew."""
    document = DOCUMENT.read_text(encoding="utf-8")
    sessions = {**recorded(document), (title, size): text}
    parts = [document.partition("\n## ")[0].rstrip()]
    for name, (about, _) in SESSIONS.items():
        parts.append(f"## {name}\n\n{about}")
        for columns, rows in SIZES:
            if shown := sessions.get((name, (columns, rows))):
                parts.append(f"### {columns}×{rows}\n\n```text\n{shown}\n```")
    return "\n\n".join(parts) + "\n"
