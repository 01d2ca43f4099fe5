"""With --json, each command that changes something prints one object, as docs/json.md says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from cabal_backup.cli.answer import DRY_RUN, OUTCOMES
from tests.e2e.exercise import newest_point
from tests.e2e.operator import Operator, Said
from tests.e2e.status import aws_by_hand as hand
from tests.json_schema import commands
from tests.reference import CHANGES
from tests.sandbox.deployment import PROJECT

SCHEMA = json.loads(CHANGES.read_text("utf-8"))
CHECK = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)

RESTORED = "cabal-addresses-restored-by-hand"

# Command: how it is typed, and the parts of its result.
USES: Mapping[str, tuple[str, set[str]]] = {
    "restore addresses": (
        "restore addresses --cutover --delete-restored",
        {"table", "next_plan", "cutover", "deleted_table"},
    ),
    "restore table": ("restore table cabal-counter --latest", {"table"}),
    "restore mailbox": ("restore mailbox alice", {"job"}),
    "restore mailstore": ("restore mailstore", {"file_system_id", "setting_replaced"}),
    "cutover": (f"cutover {RESTORED} cabal-addresses --mirror", {"cutover"}),
    "cutover undo": (f"cutover undo {RESTORED} cabal-addresses", {"next_plan", "undone"}),
    "backup now": ("backup now", {"jobs"}),
    "copy now": ("copy now", {"jobs"}),
    "copy-back": ("copy-back addresses", {"job", "recovery_point_arn"}),
    "drill addresses": ("drill addresses", {"verdict", "drills", "reports"}),
    "drill mailbox": ("drill mailbox --user alice", {"verdict", "drills", "reports"}),
    "drill copy-back": ("drill copy-back", {"verdict", "drills", "reports"}),
    "drill all": ("drill all --user alice", {"verdict", "drills", "reports"}),
    "hold create": ("hold create lawsuit --reason letter", {"holds"}),
    "hold release": ("hold release lawsuit --reason settled", {"released"}),
    "unlock": ("unlock --reason maintenance", {"unlocked"}),
    "relock": ("relock", {"vaults"}),
    "teardown delete-recovery-points": ("teardown delete-recovery-points", {"deleted"}),
    "teardown destroy": ("teardown destroy", {"checked"}),
}


def prepare(operator: Operator, command: str) -> None:
    """What a command needs beside a protected environment."""
    if command.startswith("cutover"):
        said = operator.run(*f"restore addresses --to {RESTORED} --yes".split())
        assert said.code == 0, said.err
    if command == "cutover undo":
        said = operator.run(*f"cutover {RESTORED} cabal-addresses --yes".split())
        assert said.code == 0, said.err
        operator.sandbox.advance(minutes=10)
    if command == "hold release":
        operator.run("hold", "create", "lawsuit", "--reason", "letter", "--yes")
    if command == "copy now":
        operator.run("backup", "now", "--yes")
    if command in ("copy-back", "relock") or command.startswith("teardown"):
        for place in (hand.PRIMARY, hand.DR):
            hand.unlock(operator.sandbox, place)
    if command == "copy-back":
        newest = newest_point(operator.sandbox, "DynamoDB")
        operator.sandbox.client("backup").delete_recovery_point(
            BackupVaultName="cabal-backup", RecoveryPointArn=newest
        )
    if command == "teardown destroy":
        operator.run("teardown", "delete-recovery-points", "--yes")


def answer_of(said: Said) -> Any:
    """The object, which is all of stdout and as the schema has it."""
    wrong = best_match(CHECK.iter_errors(said.json))
    assert wrong is None, f"{wrong.json_path}: {wrong.message}"
    assert said.json["exit_code"] == said.code
    return said.json


def test_every_command_and_part_and_outcome_is_documented() -> None:
    text = (PROJECT / "docs" / "json.md").read_text("utf-8")
    parts = {part for each in commands().values() for part in each.result}
    names = {name.replace("drill " + name.rpartition(" ")[2], "drill") for name in commands()}
    words = names | parts | {*OUTCOMES.values(), DRY_RUN}
    # A verdict, and two ends after which nothing can be printed.
    without_object = {"not-protected", "output", "no-reader"}
    assert {word for word in words if f"`{word}`" not in text} == without_object


def test_init_has_the_settings_that_it_writes(operator: Operator, tmp_path: Path) -> None:
    (tmp_path / "cdk.json").write_text((PROJECT / "cdk.json").read_text("utf-8"))
    init = ("init", "--project", str(tmp_path), "-e", "development", "--json")

    planned = answer_of(operator.type(*init, "--dry-run"))
    done = answer_of(operator.type(*init, "--yes"))
    refused = answer_of(operator.type(*init, "--yes"))

    written = json.loads((tmp_path / "cdk.context.json").read_text("utf-8"))
    assert planned["plan"]["settings"] == done["plan"]["settings"] == written
    assert (planned["outcome"], planned["result"]) == ("dry-run", None)
    assert done["result"] == {"file": str(tmp_path / "cdk.context.json")}
    assert (refused["outcome"], refused["result"]) == ("refused", None)
    assert "exists and was not changed" in refused["error"]["message"]


@pytest.mark.parametrize("command", sorted(commands().keys() - {"init"}))
def test_the_plan_and_the_result_are_one_object(operator: Operator, command: str) -> None:
    typed, parts = USES[command]
    prepare(operator, command)

    planned = answer_of(operator.run(*typed.split(), "--dry-run", "--json"))
    unanswered = answer_of(operator.run(*typed.split(), "--json"))
    said = operator.run(*typed.split(), "--yes", "--json")
    done = answer_of(said)

    assert (planned["command"], planned["outcome"]) == (command, "dry-run")
    assert (planned["result"], planned["error"]) == (None, None)
    # relock asks only where it weakens a lock.
    assert unanswered["outcome"] == ("done" if command == "relock" else "refused")
    assert unanswered["plan"].keys() == planned["plan"].keys()
    assert (done["outcome"], done["error"], set(done["result"])) == ("done", None, parts), said.err
    assert all(line in said.err for line in done["plan"]["lines"])
