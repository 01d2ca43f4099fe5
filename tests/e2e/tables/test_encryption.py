"""A restored table is encrypted under the key of the table it was, and that is said."""

from __future__ import annotations

import pytest

from tests.e2e.tables.conftest import Rescuer
from tests.e2e.tables.tables import ADDRESSES, key_of
from tests.sandbox.cabal import delete_table, let_tables_settle

PREFERENCES = "cabal-user-preferences"


def encrypt(rescuer: Rescuer, table: str, manager: str) -> str | None:
    """Put a table under a key of this manager, DynamoDB or AWS or CUSTOMER; the key."""
    specification: dict[str, object] = {"Enabled": manager != "DynamoDB"}
    if manager == "CUSTOMER":
        made = rescuer.sandbox.client("kms").create_key()["KeyMetadata"]
        specification["KMSMasterKeyId"] = made["Arn"]
    rescuer.sandbox.client("dynamodb").update_table(TableName=table, SSESpecification=specification)
    let_tables_settle(rescuer.sandbox)
    return key_of(rescuer.sandbox, table)


WORDS = {
    "DynamoDB": "the key that DynamoDB owns, as before",
    "AWS": "the AWS-managed key, as before",
    "CUSTOMER": "the customer key arn:aws:kms:us-west-1:123456789012:key/",
}


@pytest.mark.parametrize("manager", WORDS)
def test_addresses_beside_the_live_table(rescuer: Rescuer, manager: str) -> None:
    key = encrypt(rescuer, ADDRESSES, manager)
    said = rescuer.run("restore addresses --yes --to cabal-addresses-beside")
    assert said.code == 0, said.err
    assert f"encrypted under {WORDS[manager]}" in said.err
    assert key_of(rescuer.sandbox, "cabal-addresses-beside") == key


@pytest.mark.parametrize("manager", WORDS)
def test_addresses_after_the_table_was_deleted(rescuer: Rescuer, manager: str) -> None:
    key = encrypt(rescuer, ADDRESSES, manager)
    delete_table(rescuer.sandbox, ADDRESSES)
    said = rescuer.run("restore addresses --yes")
    assert said.code == 0, said.err
    assert f"encryption: {WORDS[manager]}" in said.err
    assert key_of(rescuer.sandbox, ADDRESSES) == key


def test_a_restore_under_another_key_is_brought_to_its_own(rescuer: Rescuer) -> None:
    """Begun by hand, as earlier versions of the runbook said."""
    key = encrypt(rescuer, ADDRESSES, "CUSTOMER")
    delete_table(rescuer.sandbox, ADDRESSES)
    backup = rescuer.sandbox.client("backup")
    points = backup.list_recovery_points_by_backup_vault(
        BackupVaultName="cabal-backup", ByResourceType="DynamoDB"
    )["RecoveryPoints"]
    backup.start_restore_job(
        RecoveryPointArn=max(points, key=lambda each: each["CreationDate"])["RecoveryPointArn"],
        IamRoleArn="arn:aws:iam::123456789012:role/cabal-backup-role",
        Metadata={"targetTableName": ADDRESSES, "encryptionType": "Default"},
    )
    rescuer.sandbox.advance(hours=1)
    assert key_of(rescuer.sandbox, ADDRESSES) is None

    said = rescuer.run("restore addresses --yes")

    assert said.code == 0, said.err
    assert key_of(rescuer.sandbox, ADDRESSES) == key


@pytest.mark.parametrize("manager", WORDS)
def test_another_table_at_a_moment_and_after_it_was_deleted(small: Rescuer, manager: str) -> None:
    small.sandbox.advance(minutes=10)
    key = encrypt(small, PREFERENCES, manager)

    beside = small.run(f"restore table {PREFERENCES} --latest --yes")
    delete_table(small.sandbox, PREFERENCES)
    deleted = small.run(f"restore table {PREFERENCES} --latest --yes")

    assert (beside.code, deleted.code) == (0, 0), beside.err + deleted.err
    assert f"encrypted under {WORDS[manager]}" in beside.err
    assert f"encryption: {WORDS[manager]}" in deleted.err
    assert key_of(small.sandbox, beside.out.strip()) == key
    assert key_of(small.sandbox, PREFERENCES) == key


def test_a_key_that_may_not_be_looked_at(small: Rescuer) -> None:
    small.sandbox.advance(minutes=10)
    key = encrypt(small, PREFERENCES, "AWS")
    small.sandbox.faults.services(
        {"service": "kms", "operation": "DescribeKey", "error": "AccessDeniedException"}
    )
    said = small.run(f"restore table {PREFERENCES} --latest --yes")
    small.sandbox.faults.clear()
    assert said.code == 0, said.err
    assert "the table's own key is not known (DescribeKey: AccessDeniedException" in said.err
    assert key_of(small.sandbox, said.out.strip()) == key
