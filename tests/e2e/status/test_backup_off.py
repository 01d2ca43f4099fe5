"""`backup: false` for an environment that is deployed: the tool works, and says what it means."""

from __future__ import annotations

import pytest
from local_aws.client import PRIMARY_REGION

from tests.e2e.operator import Operator, Said
from tests.sandbox.deployment import DR_REGION, PROJECT

MEANING = "development has backup: false, but it is still deployed: its backups continue"


def without_backup(operator: Operator, *command: str) -> Said:
    settings = operator.deployment.context_arguments(backup="false")
    return operator.type(*command, "--project", str(PROJECT), "-e", "development", *settings)


def test_status_warns(operator: Operator) -> None:
    said = operator.run("status", "--json", backup="false")

    assert said.code == 0
    assert MEANING in said.err
    (plan,) = (one for one in said.json["findings"] if one["status"] not in ("ok", "off"))
    assert (plan["check"], plan["status"]) == ("plan", "warn")
    assert "still runs every night" in plan["evidence"]


@pytest.mark.parametrize(
    "command",
    [
        "points",
        "jobs",
        "restore addresses --dry-run",
        "restore table cabal-counter --latest --dry-run",
        "restore mailstore --dry-run",
        "unlock --reason decommission --dry-run",
        "relock --dry-run",
        "teardown plan",
    ],
)
def test_every_command_works(operator: Operator, command: str) -> None:
    said = without_backup(operator, *command.split())

    assert MEANING in said.err
    assert said.code == 0
    assert said.out


@pytest.mark.parametrize("lost", [PRIMARY_REGION, DR_REGION])
def test_what_cannot_be_looked_at_may_be_deployed(operator: Operator, lost: str) -> None:
    said = operator.run("points", "--assume-region-lost", lost, backup="false")
    assert MEANING in said.err


def test_without_a_deployment_it_is_refused(operator: Operator, pristine: str) -> None:
    operator.sandbox.rollback(pristine)

    said = operator.run("status", backup="false")

    assert (said.code, said.out) == (78, "")
    assert "development is not protected: its backup is off." in said.err


@pytest.mark.parametrize(
    ("region", "vault"), [(PRIMARY_REGION, "cabal-backup"), (DR_REGION, "cabal-backup-dr")]
)
def test_one_vault_that_was_left_is_enough(
    operator: Operator, pristine: str, region: str, vault: str
) -> None:
    operator.sandbox.rollback(pristine)
    operator.sandbox.client("backup", region).create_backup_vault(BackupVaultName=vault)

    said = without_backup(operator, "teardown", "plan")

    assert said.code == 0
    assert vault in said.out
