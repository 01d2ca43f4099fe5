"""docs/runbooks/restore-tables.md does what it says: by the tool, and by hand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.shell import HUNG_SECONDS
from tests.e2e.tables.conftest import Rescuer
from tests.e2e.tables.tables import ADDRESSES, delete, items, key_of, put, tables
from tests.sandbox.cabal import delete_table, let_tables_settle
from tests.sandbox.deployment import PROJECT, aws_cli

RUNBOOK = PROJECT / "docs" / "runbooks" / "restore-tables.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)

# Waiting lets the sandbox's time pass, and more of it than was asked for: each look starts
# the aws command anew. A failing command ends it.
PREAMBLE = """
set -eu -o pipefail
sleep() { "$PYTHON" -c '
import json, os, sys, urllib.request
body = json.dumps({"seconds": 20 * float(sys.argv[1])}).encode()
urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/_sandbox/advance", body)
' "$1"; }
"""


def section(title: str) -> str:
    """The shell blocks under a heading, up to the next heading."""
    text = RUNBOOK.read_text("utf-8")
    (found,) = re.findall(rf"^#+ {title}\n(.*?)(?=^#|\Z)", _without_comments(text), re.M | re.S)
    blocks = BLOCK.findall(found)
    assert blocks, f"{title} has no commands"
    return "\n".join(blocks)


def _without_comments(text: str) -> str:
    """Nothing in a block of this runbook may look like a heading."""
    assert not [
        line for block in BLOCK.findall(text) for line in block.splitlines() if line[:1] == "#"
    ]
    return text


def by_hand(rescuer: Rescuer, folder: Path, *titles: str, first: str = "") -> str:
    """Type everything under these headings into one shell; what it printed."""
    script = "\n".join([PREAMBLE, section("By hand"), first, *map(section, titles)])
    path = os.pathsep.join([str(Path(aws_cli()).parent), os.environ["PATH"]])
    ended = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**rescuer.sandbox.environ(), "PATH": path, "PYTHON": sys.executable},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HUNG_SECONDS,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture
def few(rescuer: Rescuer) -> Rescuer:
    """The aws command takes half a second a batch: 50 addresses are enough, a night old."""
    every = items(rescuer.sandbox, ADDRESSES)
    delete(rescuer.sandbox, ADDRESSES, ({"address": item["address"]} for item in every[50:]))
    rescuer.sandbox.run_nights(1)
    return rescuer


def test_by_hand_from_a_recovery_point(few: Rescuer, tmp_path: Path) -> None:
    before = items(few.sandbox, ADDRESSES)
    put(few.sandbox, ADDRESSES, ({**item, "user": {"S": "mallory"}} for item in before[:10]))
    delete(few.sandbox, ADDRESSES, ({"address": item["address"]} for item in before[10:20]))

    printed = by_hand(
        few,
        tmp_path,
        "Restore from a recovery point",
        "Compare the counts",
        "Cut over",
        "Verify",
        "Tell the mail tiers",
        "Tidy up",
    )

    assert f"{ADDRESSES}: 40" in printed
    assert "0 items are not in the live table" in printed
    assert items(few.sandbox, ADDRESSES) == before
    let_tables_settle(few.sandbox)
    assert not [name for name in tables(few.sandbox) if "by-hand" in name]


def test_by_hand_to_a_point_in_time(rescuer: Rescuer, tmp_path: Path) -> None:
    table = "cabal-user-preferences"
    before = items(rescuer.sandbox, table)
    rescuer.sandbox.advance(minutes=10)
    delete(rescuer.sandbox, table, ({"user": item["user"]} for item in before))

    by_hand(rescuer, tmp_path, "Another table, to a point in time", first="")
    again = "LIVE=cabal-user-preferences; RESTORED=cabal-user-preferences-by-hand"
    by_hand(rescuer, tmp_path, "Cut over", "Verify", "Tidy up", first=again)

    assert items(rescuer.sandbox, table) == before
    (counter,) = items(rescuer.sandbox, "cabal-counter")
    assert counter["osid"] == {"N": "65541"}


def test_by_hand_when_the_table_was_deleted(few: Rescuer, tmp_path: Path) -> None:
    before, key = items(few.sandbox, ADDRESSES), key_of(few.sandbox, ADDRESSES)
    delete_table(few.sandbox, ADDRESSES)

    by_hand(
        few,
        tmp_path,
        "Restore from a recovery point",
        "Settings of a table restored under its own name",
        first="RESTORED=$LIVE",
    )

    assert items(few.sandbox, ADDRESSES) == before
    dynamodb = few.sandbox.client("dynamodb")
    assert dynamodb.describe_table(TableName=ADDRESSES)["Table"]["DeletionProtectionEnabled"]
    assert key_of(few.sandbox, ADDRESSES) == key is not None


@pytest.mark.parametrize("title", ["With the tool", "The other tables"])
def test_with_the_tool(rescuer: Rescuer, title: str) -> None:
    rescuer.sandbox.advance(minutes=10)
    if title == "With the tool":
        type_section(rescuer, "Restoring a table")
    type_section(rescuer, title)
    if title == "With the tool":
        rescuer.sandbox.advance(minutes=10)
        type_section(rescuer, "Undo a cutover")


def test_one_address_with_the_tool(rescuer: Rescuer) -> None:
    alice = {"address": {"S": "alice@example.com"}, "user": {"S": "alice"}}
    put(rescuer.sandbox, ADDRESSES, [alice])
    rescuer.sandbox.run_nights(1)
    put(rescuer.sandbox, ADDRESSES, [{**alice, "user": {"S": "mallory"}}])

    type_section(rescuer, "One address")

    assert alice in items(rescuer.sandbox, ADDRESSES)


def type_section(rescuer: Rescuer, title: str) -> None:
    for line in filter(None, section(title).splitlines()):
        command = line.removeprefix("cabal-backup ")
        asks = command.startswith(("restore", "cutover"))
        said = rescuer.run(command, *(["--yes"] if asks else []))
        assert said.code == 0, f"$ {line}\n{said.out}\n{said.err}"


def test_every_command_of_the_runbook_is_run_here() -> None:
    text = RUNBOOK.read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", _without_comments(text), flags=re.M)
    with_commands = {
        title
        for title in headings
        if BLOCK.search(re.split(rf"^#+ {re.escape(title)}\n", text, flags=re.M)[1].split("\n#")[0])
    }
    assert with_commands == {
        "Restoring a table",
        "With the tool",
        "One address",
        "The other tables",
        "Undo a cutover",
        "By hand",
        "Restore from a recovery point",
        "Compare the counts",
        "Cut over",
        "Verify",
        "Tell the mail tiers",
        "Tidy up",
        "Another table, to a point in time",
        "Settings of a table restored under its own name",
    }
