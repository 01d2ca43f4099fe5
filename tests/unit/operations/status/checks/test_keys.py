"""The keys of the vaults, the tables and the mailstore."""

from __future__ import annotations

from typing import Any

import pytest

from cabal_backup.operations.aws.results import Known
from tests.unit.operations.status.builders import (
    DENIED,
    TABLE_KEY,
    VAULT_KEY,
    a_described_table,
    a_mailstore,
    a_region,
    a_table,
    a_vault,
    at,
    finding,
    with_keys,
    with_tables,
)


def test_all_keys_as_they_should_be() -> None:
    seen = finding("keys")

    assert (seen.status, seen.evidence) == ("ok", "4 keys in use, all enabled.")


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("Enabled", "ok"),
        ("Updating", "ok"),
        ("Disabled", "fail"),
        ("PendingDeletion", "fail"),
        ("PendingReplicaDeletion", "fail"),
        ("PendingImport", "fail"),
        ("Creating", "fail"),
        ("Unavailable", "fail"),
    ],
)
def test_a_key_has_to_be_usable(state: str, status: str) -> None:
    seen = finding("keys", keys=with_keys(KeyState=state))

    assert seen.status == status
    if status == "fail":
        assert seen.details == (f"vault cabal-backup: {VAULT_KEY} is {state}",)
        assert f"aws kms enable-key --region=us-west-1 --key-id={VAULT_KEY}" in seen.hint


def test_when_a_key_is_to_be_deleted_is_shown() -> None:
    keys = with_keys(KeyState="PendingDeletion", DeletionDate=at("2026-04-07 12:00"))

    (detail,) = finding("keys", keys=keys).details

    assert detail.endswith("is PendingDeletion, to be deleted at 2026-04-07 12:00 UTC")


def test_every_table_of_a_lost_key_is_named() -> None:
    seen = finding("keys", keys={**with_keys(), TABLE_KEY: Known(None)})

    assert seen.status == "fail"
    assert len(seen.details) == 5
    assert seen.details[0] == f"table cabal-addresses: {TABLE_KEY} does not exist"


def test_a_customer_key_of_a_vault_is_a_warning() -> None:
    seen = finding("keys", keys=with_keys(KeyManager="CUSTOMER"))

    assert seen.status == "warn"
    assert seen.details == (f"vault cabal-backup: {VAULT_KEY}",)


def test_the_tables_may_have_a_customer_key() -> None:
    keys = {**with_keys(), TABLE_KEY: Known({"KeyState": "Enabled", "KeyManager": "CUSTOMER"})}

    assert finding("keys", keys=keys).status == "ok"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"EncryptionKeyArn": None, "EncryptionKeyType": "AWS_OWNED_KMS_KEY"}, "ok"),
        ({"EncryptionKeyArn": None, "EncryptionKeyType": "CUSTOMER_MANAGED_KMS_KEY"}, "unknown"),
        ({"EncryptionKeyArn": None, "EncryptionKeyType": None}, "unknown"),
    ],
)
def test_a_vault_that_names_no_key(changes: dict[str, Any], status: str) -> None:
    region = a_region("primary", vault=Known(a_vault(**changes)))

    assert finding("keys", primary=region).status == status


@pytest.mark.parametrize(
    "changes",
    [
        {"keys": {**with_keys(), TABLE_KEY: DENIED}},
        {"primary": a_region("primary", vault=DENIED)},
        {"dr": a_region("dr", vault=DENIED)},
        {"tables": with_tables(cabal_counter=a_table(table=DENIED))},
        {"mailstore": DENIED},
    ],
)
def test_a_key_that_cannot_be_seen_is_unknown(changes: dict[str, Any]) -> None:
    assert finding("keys", **changes).status == "unknown"


def test_what_is_wrong_outweighs_what_is_unknown() -> None:
    keys = {**with_keys(KeyState="PendingDeletion"), TABLE_KEY: DENIED}

    assert finding("keys", keys=keys).status == "fail"


def test_what_has_no_key_of_its_own_needs_none() -> None:
    owned = a_table(table=Known(a_described_table(SSEDescription=None)))

    seen = finding(
        "keys",
        tables=with_tables(cabal_counter=owned),
        mailstore=Known(a_mailstore(KmsKeyId="")),
    )

    assert seen.status == "ok"


def test_what_does_not_exist_is_the_matter_of_other_checks() -> None:
    assert finding("keys", mailstore=Known(None)).status == "ok"
    assert finding("keys", primary=a_region("primary", vault=Known(None))).status == "ok"
