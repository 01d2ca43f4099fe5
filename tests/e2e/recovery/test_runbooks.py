"""docs/runbooks: every command typed as it stands there, the by-hand ways too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.exercise import catch_up
from tests.e2e.promises.vaults import VAULTS, backup
from tests.e2e.shell import make_checkout, sections, type_in
from tests.e2e.teardown.left import NOTHING, everything
from tests.sandbox.deployment import Deployment

BY_HAND = "By hand"


@pytest.fixture
def lived(recent: Deployment) -> Deployment:
    """A few nights, up to the machine's present: the commands look at its clock."""
    return _caught_up(recent)


@pytest.fixture
def lived_long(deployed: Deployment) -> Deployment:
    """Every night since January: a command restores what was there 200 days ago."""
    return _caught_up(deployed)


def _caught_up(deployment: Deployment) -> Deployment:
    sandbox = deployment.sandbox
    catch_up(sandbox)
    # Every job has ended when it is asked about for the first time.
    jobs = ("deletion_duration", "dynamodb_copy", "efs_copy", "dynamodb_restore", "efs_restore")
    delays = ("copy_start_delay", "restore_start_delay", "on_demand_start_delay")
    more = ("dynamodb_backup", "efs_backup", "cold_restore_extra")
    sandbox.settings(**dict.fromkeys((*jobs, *delays, *more), 0))
    return deployment


def everything_but(document: str, *left_out: str) -> list[str]:
    parts = sections(f"docs/runbooks/{document}")
    assert set(left_out) <= set(parts)
    return [block for name, blocks in parts.items() if name not in left_out for block in blocks]


def by_hand(document: str) -> list[str]:
    return sections(f"docs/runbooks/{document}")[BY_HAND]


def test_locks(lived: Deployment, tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, lived)
    said = type_in(everything_but("locks.md", BY_HAND), checkout, lived)
    assert "reason/shorter_retention" in said
    for region, _ in VAULTS:
        assert len(lived.sandbox.trail("DeleteBackupVaultLockConfiguration", region=region)) == 1
    assert all(everything(lived)["locks"].values())
    type_in(by_hand("locks.md"), checkout, lived)
    for region, vault in VAULTS:
        assert len(lived.sandbox.trail("DeleteBackupVaultLockConfiguration", region=region)) == 2
        seen = backup(lived, region).describe_backup_vault(BackupVaultName=vault)
        assert (seen["Locked"], seen["MinRetentionDays"], "LockDate" in seen) == (True, 30, False)


def test_losing_a_region(lived_long: Deployment, tmp_path: Path) -> None:
    _empty_the_primary_vault(lived_long)
    checkout = make_checkout(tmp_path, lived_long)
    said = type_in(everything_but("lose-a-region.md", BY_HAND), checkout, lived_long)
    assert "could not read cabal-backup: us-west-1 is assumed lost" in said
    listed = backup(lived_long).list_recovery_points_by_backup_vault(BackupVaultName="cabal-backup")
    # The newest ones, and those of a cold night.
    assert len(listed["RecoveryPoints"]) == 4
    restored = lived_long.sandbox.client("dynamodb").list_tables()["TableNames"]
    assert any(table.startswith("cabal-addresses-restored-") for table in restored)
    assert "COMPLETED" in type_in(by_hand("lose-a-region.md"), checkout, lived_long)
    listed = backup(lived_long).list_recovery_points_by_backup_vault(BackupVaultName="cabal-backup")
    assert len(listed["RecoveryPoints"]) == 5


def test_teardown(lived: Deployment, tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, lived)
    sandbox = lived.sandbox
    _keep_one_point_a_vault(lived)
    before = sandbox.checkpoint()
    type_in(everything_but("teardown.md", BY_HAND), checkout, lived)
    assert everything(lived) == NOTHING
    sandbox.rollback(before)
    sandbox.settings(deletion_duration=0)
    type_in(by_hand("teardown.md"), checkout, lived)
    assert everything(lived) == NOTHING


def test_legal_holds(lived: Deployment, tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, lived)
    lived.sandbox.settings(legal_hold_duration=0)
    said = type_in(everything_but("legal-holds.md", BY_HAND), checkout, lived)
    assert '"lawsuit 7" in us-west-2: ACTIVE' in said
    assert "Released: " in said
    lived.sandbox.settings(legal_hold_duration=1)
    ended = type_in(by_hand("legal-holds.md"), checkout, lived)
    assert ended.count("CREATING") == 2
    for region, _ in VAULTS:
        holds = backup(lived, region).list_legal_holds()["LegalHolds"]
        assert {hold["Status"] for hold in holds} <= {"CANCELING", "CANCELED"}
        assert len(holds) == 2


def _empty_the_primary_vault(deployment: Deployment) -> None:
    client = backup(deployment)
    client.delete_backup_vault_lock_configuration(BackupVaultName="cabal-backup")
    _delete_all_but(deployment, *VAULTS[0], kept=0)
    client.put_backup_vault_lock_configuration(
        BackupVaultName="cabal-backup", MinRetentionDays=30, MaxRetentionDays=365
    )


def _keep_one_point_a_vault(deployment: Deployment) -> None:
    """Starting `aws` for each of a year takes half an hour."""
    for region, vault in VAULTS:
        client = backup(deployment, region)
        client.delete_backup_vault_lock_configuration(BackupVaultName=vault)
        _delete_all_but(deployment, region, vault, kept=1)
        client.put_backup_vault_lock_configuration(
            BackupVaultName=vault, MinRetentionDays=30, MaxRetentionDays=365
        )


def _delete_all_but(deployment: Deployment, region: str, vault: str, *, kept: int) -> None:
    client = backup(deployment, region)
    pages = client.get_paginator("list_recovery_points_by_backup_vault")
    listed = [
        point["RecoveryPointArn"]
        for page in pages.paginate(BackupVaultName=vault)
        for point in page["RecoveryPoints"]
    ]
    for arn in listed[kept:]:
        client.delete_recovery_point(BackupVaultName=vault, RecoveryPointArn=arn)
    # Less than what a command accepts between its machine's clock and AWS's.
    deployment.sandbox.advance(seconds=5)
