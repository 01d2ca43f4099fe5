"""Both vaults: their names, their governance lock, and that they stay (S01, S02, S04)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.builders import an_environment
from tests.synth.conftest import Synthesize
from tests.synth.synthesis import Synthesized
from tests.synth.test_stage import ACCEPTED

VAULT = "AWS::Backup::BackupVault"


def test_each_stack_has_one_vault_with_the_fixed_name(prod: Synthesized) -> None:
    assert prod.primary.only(VAULT)["Properties"]["BackupVaultName"] == "cabal-backup"
    assert prod.dr.only(VAULT)["Properties"]["BackupVaultName"] == "cabal-backup-dr"


def test_both_are_locked_from_30_to_365_days(prod: Synthesized) -> None:
    for stack in prod.stacks:
        assert stack.only(VAULT)["Properties"]["LockConfiguration"] == {
            "MinRetentionDays": 30,
            "MaxRetentionDays": 365,
        }


@pytest.mark.parametrize(("name", "settings"), ACCEPTED)
def test_no_lock_is_ever_in_compliance_mode(
    synthesized: Synthesize, name: str, settings: dict[str, Any]
) -> None:
    """With ChangeableForDays a lock could never be removed again."""
    stage = synthesized(an_environment(name, **settings))
    for stack in stage.stacks:
        assert set(stack.only(VAULT)["Properties"]["LockConfiguration"]) == {
            "MinRetentionDays",
            "MaxRetentionDays",
        }
        # Nowhere but where break-glass is denied to ask for it.
        denied = '{"Null": {"backup:ChangeableForDays": "false"}}'
        assert "ChangeableForDays" not in json.dumps(stack.json).replace(denied, "")


def test_both_are_retained_when_their_stack_is_deleted(prod: Synthesized) -> None:
    for stack in prod.stacks:
        vault = stack.only(VAULT)
        assert vault["DeletionPolicy"] == "RetainExceptOnCreate"
        assert vault["UpdateReplacePolicy"] == "Retain"


def test_both_use_the_key_that_aws_manages(prod: Synthesized) -> None:
    for stack in prod.stacks:
        assert "EncryptionKeyArn" not in stack.only(VAULT)["Properties"]
        assert not stack.all("AWS::KMS::Key")


def test_nothing_else_is_set_on_a_vault(prod: Synthesized) -> None:
    """An access policy or notifications would be a decision; there is none here."""
    for stack in prod.stacks:
        assert set(stack.only(VAULT)["Properties"]) == {
            "BackupVaultName",
            "BackupVaultTags",
            "LockConfiguration",
        }
