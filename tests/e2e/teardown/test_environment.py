"""A changing command compares the environment with what is deployed, twice."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from local_aws.client import ACCOUNT

from tests.e2e.access.commands import leaves
from tests.e2e.audit import changes_since
from tests.e2e.promises.vaults import VAULTS, backup
from tests.e2e.teardown.conftest import Remover
from tests.e2e.teardown.left import everything, tag_everything
from tests.e2e.teardown.test_order import UNLOCK
from tests.e2e.terminal import Keyboard, type_answers

WEAKER = ("-c", "development.lock_min_days=7")


def nothing_before(_: Remover) -> None:
    pass


def unlocked(remover: Remover) -> None:
    for region, vault in VAULTS:
        backup(remover.deployment, region).delete_backup_vault_lock_configuration(
            BackupVaultName=vault
        )


def emptied(remover: Remover) -> None:
    empty(remover, *VAULTS)


def primary_emptied(remover: Remover) -> None:
    empty(remover, VAULTS[0])


def dr_emptied(remover: Remover) -> None:
    empty(remover, VAULTS[1])


def empty(remover: Remover, *vaults: tuple[str, str]) -> None:
    unlocked(remover)
    for region, vault in vaults:
        client = backup(remover.deployment, region)
        for point in client.list_recovery_points_by_backup_vault(BackupVaultName=vault)[
            "RecoveryPoints"
        ]:
            client.delete_recovery_point(
                BackupVaultName=vault, RecoveryPointArn=point["RecoveryPointArn"]
            )
    remover.sandbox.advance(minutes=1)


def restored(remover: Remover) -> None:
    assert remover.run("restore addresses", "--to", "cabal-addresses-back", "--yes").code == 0


def cut_over(remover: Remover) -> None:
    restored(remover)
    assert remover.run("cutover cabal-addresses-back", "cabal-addresses", "--yes").code == 0
    remover.sandbox.advance(minutes=10)


def held(remover: Remover) -> None:
    assert remover.run("hold create lawsuit", "--reason", "letter", "--yes").code == 0


CHANGING: dict[str, tuple[tuple[str, ...], str, Callable[[Remover], None]]] = {
    "restore addresses": ((), "yes", nothing_before),
    "restore table": (("cabal-counter", "--latest"), "yes", nothing_before),
    "restore mailbox": (("alice",), "yes", nothing_before),
    "restore mailstore": ((), "yes", nothing_before),
    "cutover": (("cabal-addresses-back", "cabal-addresses"), "development", restored),
    "cutover undo": (("cabal-addresses-back", "cabal-addresses"), "yes", cut_over),
    "hold create": (("lawsuit", "--reason", "letter"), "yes", nothing_before),
    "hold release": (("lawsuit", "--reason", "settled"), "lawsuit", held),
    "backup now": ((), "yes", nothing_before),
    "copy now": ((), "yes", dr_emptied),
    "copy-back": (("mailstore",), "yes", primary_emptied),
    "drill addresses": ((), "yes", nothing_before),
    "drill mailbox": (("--user", "alice"), "yes", nothing_before),
    "drill copy-back": ((), "yes", nothing_before),
    "drill all": (("--user", "alice"), "yes", nothing_before),
    "unlock": (("--reason", "a test"), "development", nothing_before),
    "relock": (WEAKER, "development", nothing_before),
    "teardown delete-recovery-points": ((), "development", unlocked),
    "teardown destroy": ((), "development", emptied),
}
"""Every command that changes something: its arguments, what it asks for, and what comes before."""


def test_every_command_that_shows_a_plan_is_in_the_list() -> None:
    showing = {
        name
        for name, parser in leaves()
        if any("--dry-run" in action.option_strings for action in parser._actions)
    }
    # Without AWS: on the mail host, and what writes settings; and what only sends messages.
    others = {"mailbox merge", "mailstore promote", "init", "alerts"}
    assert showing - others == set(CHANGING)


@pytest.mark.parametrize("command", CHANGING)
def test_another_environment_than_the_one_deployed_is_refused(
    remover: Remover, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, _, prepare = CHANGING[command]
    prepare(remover)
    before, began = everything(remover.deployment), remover.sandbox.advance(seconds=2)
    given = [each.replace("development", "prod") for each in arguments]
    sure = ["--prod"] if command.startswith("drill") else ["--yes"]
    type_answers(monkeypatch, "prod")
    said = remover.run(command, *given, *sure, environment="prod")
    assert said.code == 4, said
    assert f"{VAULTS[0][1]} in us-west-1 belongs to the environment development" in said.err
    assert "Nothing was changed. Use -e development" in said.err
    assert changes_since(remover.sandbox, began) == []
    assert everything(remover.deployment) == before


@pytest.mark.parametrize("command", CHANGING)
def test_another_environment_deployed_while_it_asks_is_refused(
    remover: Remover, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, word, prepare = CHANGING[command]
    prepare(remover)
    before, began = everything(remover.deployment), remover.sandbox.advance(seconds=2)
    keyboard = Keyboard(
        [word], lambda: tag_everything(remover.deployment, {"environment": "stage"})
    )
    monkeypatch.setattr(sys, "stdin", keyboard)
    said = remover.run(command, *arguments)
    assert said.code == 4, said
    assert "belongs to the environment stage, not to development" in said.err
    changes = {name for _, name in changes_since(remover.sandbox, began)}
    assert changes <= {"TagResource", "UntagResource", "TagRole", "UntagRole"}
    assert everything(remover.deployment) == before


def test_another_account_is_refused(remover: Remover) -> None:
    tag_everything(remover.deployment, {"account": "210987654321"})
    said = remover.run(*UNLOCK, "--yes")
    assert said.code == 4
    assert "records account 210987654321, but these credentials belong to" in said.err


def test_one_vault_of_another_environment_is_enough(remover: Remover) -> None:
    region, vault = VAULTS[1]
    backup(remover.deployment, region).tag_resource(
        ResourceArn=f"arn:aws:backup:{region}:{ACCOUNT}:backup-vault:{vault}",
        Tags={"environment": "stage"},
    )
    said = remover.run(*UNLOCK, "--yes", "--vault", "primary")
    assert (said.code, f"{vault} in {region} belongs to" in said.err) == (4, True)


def test_vaults_that_record_nothing(remover: Remover) -> None:
    """As made by hand: what takes away protection is refused, what adds something is not."""
    tag_everything(remover.deployment, {"environment": "", "account": ""})
    before, began = everything(remover.deployment), remover.sandbox.advance(seconds=2)
    for command in ("unlock", "teardown delete-recovery-points", "teardown destroy"):
        said = remover.run(command, *CHANGING[command][0], "--yes")
        assert (said.code, "has no tag environment" in said.err) == (4, True), said
        assert "docs/adopt.md#6-tags" in said.err
    assert changes_since(remover.sandbox, began) == []
    assert everything(remover.deployment) == before
    said = remover.run("restore addresses", "--yes")
    assert (said.code, "environment not compared: the vault" in said.err) == (0, True)


def test_tags_that_cannot_be_read(remover: Remover) -> None:
    remover.sandbox.faults.deny("ListTags")
    before = everything(remover.deployment)
    said = remover.run(*UNLOCK, "--yes")
    assert (said.code, "Whether this is development is not known" in said.err) == (2, True)
    assert everything(remover.deployment) == before
    assert "environment not compared" in remover.run("restore addresses", "--dry-run").err


def test_the_tags_of_the_role_alone_are_not_needed(remover: Remover) -> None:
    """The vaults record the same."""
    remover.sandbox.faults.services(
        {
            "service": "iam",
            "operation": "GetRole",
            "error": "AccessDenied",
            "message": "not authorized to perform: iam:GetRole",
            "status": 403,
        }
    )
    assert remover.run(*UNLOCK, "--yes").code == 0


def test_where_no_vault_is_the_role_says_which_environment_it_is(remover: Remover) -> None:
    elsewhere = ("-c", "prod.region=us-east-1", "-c", "prod.dr_region=us-east-2")
    said = remover.run(
        "restore table", "cabal-counter", "--latest", "--yes", *elsewhere, environment="prod"
    )
    assert said.code == 4, said
    assert "The role cabal-backup-role belongs to the environment development" in said.err
