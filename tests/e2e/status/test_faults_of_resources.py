"""Something happens to the table, the mailstore, their keys or their content."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from local_aws.client import ACCOUNT

from tests.e2e.operator import Operator
from tests.e2e.status import aws_by_hand as hand
from tests.e2e.status.aws_by_hand import DR, PRIMARY
from tests.sandbox.cabal import delete_table
from tests.sandbox.deployment import Deployment

Fault = Callable[[Deployment], object]
NotOk = Mapping[str, str]

ADDRESSES, COUNTER = "cabal-addresses", "cabal-counter"


def both(*faults: Fault) -> Fault:
    def inject(deployment: Deployment) -> None:
        for fault in faults:
            fault(deployment)

    return inject


def days(count: int) -> Fault:
    return lambda d: d.sandbox.advance(days=count)


def deleted_slowly(table: str) -> Fault:
    """The table is DELETING for an hour."""

    def inject(deployment: Deployment) -> None:
        deployment.sandbox.settings(table_deletion=3600)
        delete_table(deployment.sandbox, table)

    return inject


MAILSTORE: Mapping[str, tuple[Fault, NotOk]] = {
    "the mailstore has no mount target": (hand.unmount, {"resources": "fail"}),
    "the mailstore was replaced, and the old one kept": (
        both(hand.unmount, hand.add_mailstore),
        {"resources": "fail"},
    ),
    "another file system has the mailstore's tag": (hand.add_mailstore, {"resources": "warn"}),
}


def key_of_vault(vault: hand.Vault, then: Callable[[Deployment, str], object]) -> Fault:
    """A vault is under a customer key, and something happens to the key."""
    return lambda d: then(d, hand.encrypt_vault(d.sandbox, vault))


KEYS: Mapping[str, tuple[Fault, NotOk]] = {
    "the vault is under a customer key": (
        lambda d: hand.encrypt_vault(d.sandbox, PRIMARY),
        {"keys": "warn"},
    ),
    "the key of the vault is to be deleted": (
        key_of_vault(PRIMARY, lambda d, key: hand.schedule_deletion(d.sandbox, key)),
        {"keys": "fail"},
    ),
    "the key of the DR vault is to be deleted": (
        key_of_vault(DR, lambda d, key: hand.schedule_deletion(d.sandbox, key, DR[0])),
        {"keys": "fail"},
    ),
    "the key of the vault is disabled": (
        key_of_vault(PRIMARY, lambda d, key: d.sandbox.client("kms").disable_key(KeyId=key)),
        {"keys": "fail"},
    ),
    "the key of the vault does not exist": (
        lambda d: d.sandbox.encrypt_vault(
            PRIMARY[1], f"arn:aws:kms:us-west-1:{ACCOUNT}:key/00000000-0000-4000-8000-000000000000"
        ),
        {"keys": "fail"},
    ),
    "the key of a table outside the plan is to be deleted": (
        lambda d: hand.lose_key_of_table(d.sandbox, COUNTER),
        {"keys": "fail", "tables": "fail"},
    ),
    "the key of the table in the plan is to be deleted": (
        lambda d: hand.lose_key_of_table(d.sandbox, ADDRESSES),
        {"keys": "fail", "resources": "fail"},
    ),
    "a table was archived, as its key is to be deleted": (
        both(lambda d: hand.lose_key_of_table(d.sandbox, COUNTER), days(8)),
        {"keys": "fail", "tables": "fail"},
    ),
    "a key may not be described": (
        lambda d: d.sandbox.faults.services(
            {"service": "kms", "operation": "DescribeKey", "error": "AccessDeniedException"}
        ),
        {"keys": "unknown"},
    ),
}

TABLES: Mapping[str, tuple[Fault, NotOk]] = {
    "a table outside the plan is being deleted": (
        deleted_slowly(COUNTER),
        {"tables": "fail", "deletion-protection": "warn"},
    ),
    "the table in the plan is being deleted": (
        deleted_slowly(ADDRESSES),
        {"resources": "fail", "deletion-protection": "warn"},
    ),
    "a table outside the plan was replaced under the same name": (
        lambda d: hand.replace_table(d.sandbox, COUNTER),
        {"tables": "warn"},
    ),
    "the table in the plan was replaced under the same name": (
        lambda d: hand.replace_table(d.sandbox, ADDRESSES),
        {"resources": "warn"},
    ),
}

CONTENT: Mapping[str, tuple[Fault, NotOk]] = {
    "the addresses disappeared before the night": (
        both(lambda d: hand.delete_items(d.sandbox, ADDRESSES), days(1)),
        {"sizes": "fail"},
    ),
    "most addresses disappeared before the night": (
        both(lambda d: hand.delete_items(d.sandbox, ADDRESSES, keep=150), days(1)),
        {"sizes": "warn"},
    ),
    "the mail disappeared before the night": (
        both(hand.empty_mailstore, days(1)),
        {"sizes": "fail"},
    ),
}


def switched_off_and_on(deployment: Deployment) -> None:
    for enabled in (False, True):
        hand.pitr(deployment.sandbox, COUNTER, enabled=enabled)


def window(*lengths: int) -> Fault:
    """The window of a table is set to each of these lengths, in days."""

    def inject(deployment: Deployment) -> None:
        for length in lengths:
            hand.pitr(deployment.sandbox, COUNTER, enabled=True, days=length)

    return inject


PITR: Mapping[str, tuple[Fault, NotOk]] = {
    "PITR reaches back 20 days": (window(20), {"pitr": "warn"}),
    "PITR reaches back one day": (window(1), {"pitr": "fail"}),
    "PITR was shortened to a day and set back": (window(1, 35), {"pitr": "fail"}),
    "PITR was switched off and on again": (switched_off_and_on, {"pitr": "fail"}),
    "PITR was switched off and on ten days ago": (
        both(switched_off_and_on, days(10)),
        {"pitr": "warn"},
    ),
}

FAULTS = {**MAILSTORE, **KEYS, **TABLES, **CONTENT, **PITR}


@pytest.mark.parametrize("fault", FAULTS)
def test_exactly_the_expected_checks_change(operator: Operator, fault: str) -> None:
    inject, expected = FAULTS[fault]

    inject(operator.deployment)

    assert operator.not_ok() == expected


def test_a_replaced_table_is_reported_until_its_window_is_full(operator: Operator) -> None:
    hand.replace_table(operator.sandbox, COUNTER)
    operator.sandbox.advance(days=34, hours=23)
    assert operator.not_ok()["tables"] == "warn"

    operator.sandbox.advance(hours=2)

    assert "tables" not in operator.not_ok()


def test_a_restored_table_is_no_trouble_and_listed(operator: Operator) -> None:
    for table, restore in (
        (ADDRESSES, ("restore", "addresses")),
        (COUNTER, ("restore", "table", COUNTER, "--latest")),
    ):
        delete_table(operator.sandbox, table)
        assert operator.run(*restore, "--yes").code == 0
    trouble = []
    for days in (1, 28, 5):
        operator.sandbox.advance(days=days)
        trouble.append(operator.not_ok())

    assert trouble == [{}, {}, {}]
    shown = operator.run("status", "--only", "resources,tables").out
    assert f"{ADDRESSES} was restored at " in shown
    assert f"{COUNTER} was restored at " in shown


def test_a_window_fills_again_by_itself(operator: Operator) -> None:
    switched_off_and_on(operator.deployment)

    operator.sandbox.advance(days=35)

    assert "pitr" not in operator.not_ok()
