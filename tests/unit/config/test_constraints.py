"""Settings that are fine alone but not together: each rule just inside and just outside."""

from __future__ import annotations

from typing import Any

import pytest

from cabal_backup.config.constraints import find_conflicts

FINE: dict[str, Any] = {
    "account": "123456789012",
    "region": "us-west-1",
    "dr_region": "us-west-2",
    "backup": True,
    "addresses_table": "cabal-addresses",
    "mailstore_file_system_id": "fs-0123456789abcdef0",
    "pitr_tables": ("cabal-counter",),
    "cold_after_days": 30,
    "delete_after_days": 365,
    "dr_cold_after_days": 30,
    "dr_delete_after_days": 365,
    "lock_min_days": 30,
    "lock_max_days": 365,
}


def conflicts(**changes: Any) -> list[str]:
    """The settings that a conflict was found in."""
    return [conflict.setting for conflict in find_conflicts(FINE | changes)]


def test_what_cabal_promises_has_no_conflict() -> None:
    assert conflicts() == []


@pytest.mark.parametrize("prefix", ["", "dr_"])
@pytest.mark.parametrize(
    ("cold", "delete", "fine"),
    [
        (30, 120, True),
        (30, 119, False),
        (275, 365, True),
        (276, 365, False),
        (1, 91, True),
        (1, 90, False),
        (None, 30, True),
        (None, 365, True),
    ],
)
def test_cold_storage_lasts_at_least_90_days(
    prefix: str, cold: int | None, delete: int, fine: bool
) -> None:
    days = {f"{prefix}cold_after_days": cold, f"{prefix}delete_after_days": delete}
    assert conflicts(**days) == ([] if fine else [f"{prefix}delete_after_days"])


@pytest.mark.parametrize("prefix", ["", "dr_"])
@pytest.mark.parametrize(
    ("delete", "least", "most", "fine"),
    [
        (365, 30, 365, True),
        (366, 30, 365, False),
        (364, 30, 365, True),
        (200, 200, 365, True),
        (199, 200, 365, False),
        (365, 364, 365, True),
    ],
)
def test_retention_lies_within_the_lock(
    prefix: str, delete: int, least: int, most: int, fine: bool
) -> None:
    # The other vault's retention is one that fits whatever the lock.
    other = "delete_after_days" if prefix else "dr_delete_after_days"
    days = {
        other: most,
        f"{prefix}delete_after_days": delete,
        "lock_min_days": least,
        "lock_max_days": most,
    }
    assert conflicts(**days) == ([] if fine else [f"{prefix}delete_after_days"])


@pytest.mark.parametrize(
    ("least", "most", "fine"), [(364, 365, True), (365, 365, False), (366, 365, False)]
)
def test_the_lock_has_a_range(least: int, most: int, fine: bool) -> None:
    found = conflicts(lock_min_days=least, lock_max_days=most)
    assert found == ([] if fine else ["lock_min_days"])


@pytest.mark.parametrize(
    ("region", "dr_region", "fine"),
    [
        ("us-west-1", "us-west-1", False),
        ("us-west-1", "eu-central-1", True),
        ("cn-north-1", "cn-northwest-1", True),
        ("cn-north-1", "us-west-2", False),
        ("us-gov-west-1", "us-gov-east-1", True),
        ("us-gov-west-1", "us-west-2", False),
        ("us-west-1", "us-gov-east-1", False),
        ("us-west-1", "cn-north-1", False),
        ("eusc-de-east-1", "eu-central-1", False),
        ("us-iso-east-1", "us-isob-east-1", False),
    ],
)
def test_the_dr_region_is_another_one_of_the_same_partition(
    region: str, dr_region: str, fine: bool
) -> None:
    assert conflicts(region=region, dr_region=dr_region) == ([] if fine else ["dr_region"])


def test_a_protected_environment_names_its_account() -> None:
    assert conflicts(account=None) == ["account"]
    assert conflicts(account=None, backup=False) == []


def test_a_protected_environment_names_its_mailstore() -> None:
    assert conflicts(mailstore_file_system_id=None) == ["mailstore_file_system_id"]
    assert conflicts(mailstore_file_system_id=None, backup=False) == []


def test_the_table_in_the_plan_is_not_one_outside_it() -> None:
    assert conflicts(pitr_tables=("cabal-counter", "cabal-addresses")) == ["pitr_tables"]
    assert conflicts(addresses_table="cabal-counter") == ["pitr_tables"]
    assert conflicts(pitr_tables=()) == []


@pytest.mark.parametrize("missing", sorted(FINE))
def test_what_could_not_be_understood_is_no_conflict(missing: str) -> None:
    """It has been reported already, and its absence raises nothing."""
    values = {name: value for name, value in FINE.items() if name != missing}
    assert list(find_conflicts(values)) == []


def test_every_conflict_is_found_at_once() -> None:
    found = conflicts(
        dr_region="us-west-1",
        mailstore_file_system_id=None,
        pitr_tables=("cabal-addresses",),
        delete_after_days=100,
        dr_delete_after_days=366,
    )
    assert sorted(found) == [
        "delete_after_days",
        "dr_delete_after_days",
        "dr_region",
        "mailstore_file_system_id",
        "pitr_tables",
    ]


@pytest.mark.parametrize(
    ("region", "fine"), [("eu-west-1", True), ("cn-north-1", False), ("us-gov-west-1", False)]
)
def test_restore_testing_is_where_cloudformation_knows_it(region: str, fine: bool) -> None:
    partner = {"cn-north-1": "cn-northwest-1", "us-gov-west-1": "us-gov-east-1"}
    regions = {"region": region, "dr_region": partner.get(region, "us-west-2")}
    assert conflicts(**regions, restore_testing=True) == ([] if fine else ["restore_testing"])
    assert conflicts(**regions, restore_testing=False) == []
    assert conflicts(**regions, restore_testing=True, backup=False) == []
