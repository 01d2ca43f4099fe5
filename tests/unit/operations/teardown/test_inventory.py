"""What a teardown says is there, in the way, and lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cabal_backup.errors import RefusedError
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.teardown.delete_points import plan_deletion
from cabal_backup.operations.teardown.destroy import plan_destruction
from cabal_backup.operations.teardown.inventory import Inventory, Stack, overview, until_expiry
from cabal_backup.operations.teardown.locks import VaultLock
from tests.builders import ACCOUNT, an_environment
from tests.unit.operations.status.builders import (
    LAST_NIGHT,
    MAILSTORE_ARN,
    NOW,
    ROLE_ARN,
    TABLE_ARN,
    a_point,
    nightly,
)


def a_vault_lock(
    points: list[RecoveryPoint], *, locked: bool = True, dr: bool = False
) -> VaultLock:
    return VaultLock(
        vault="cabal-backup-dr" if dr else "cabal-backup",
        region="us-west-2" if dr else "us-west-1",
        locked=locked,
        min_days=30 if locked else None,
        max_days=365 if locked else None,
        immutable_from=None,
        points=tuple(points),
    )


def an_inventory(*vaults: VaultLock, role: bool = True) -> Inventory:
    """Two stacks, the plan, the role, and these vaults."""
    return Inventory(
        environment=an_environment("development"),
        account=ACCOUNT,
        now=NOW,
        stacks=tuple(
            Stack(name=name, region=region, id=name, status="CREATE_COMPLETE", protected=True)
            for name, region in (("cabal-backup", "us-west-1"), ("cabal-backup-dr", "us-west-2"))
        ),
        vaults=vaults,
        plan_id="a-plan",
        roles={ROLE_ARN: role},
        resources=frozenset({TABLE_ARN, MAILSTORE_ARN}),
    )


FULL = an_inventory(a_vault_lock(nightly("primary")), a_vault_lock(nightly("dr"), dr=True))
UNLOCKED = replace(FULL, vaults=tuple(replace(vault, locked=False) for vault in FULL.vaults))
EMPTY = replace(UNLOCKED, vaults=tuple(replace(vault, points=()) for vault in UNLOCKED.vaults))


def test_nights_are_counted_once_however_many_points_they_left() -> None:
    assert (FULL.points, FULL.nights) == (160, 40)
    only_partial = [a_point(status="PARTIAL")]
    assert an_inventory(a_vault_lock(only_partial)).nights == 0


def test_the_day_on_which_everything_has_expired() -> None:
    assert FULL.all_expired_at == LAST_NIGHT + timedelta(days=365)
    for_ever = an_inventory(a_vault_lock([a_point(), a_point(lifecycle=None)]))
    assert for_ever.all_expired_at is None
    assert any("the backups of 1 night. " in line for line in overview(for_ever))
    assert "Some recovery points never expire by themselves." in list(overview(for_ever))


def test_each_step_is_refused_without_the_one_before() -> None:
    with pytest.raises(RefusedError, match="Locked: cabal-backup in us-west-1 and"):
        plan_deletion(FULL)
    with pytest.raises(RefusedError, match=r"unlock(.|\n)*160 recovery points"):
        plan_destruction(FULL)
    with pytest.raises(RefusedError, match="160 recovery points"):
        plan_destruction(UNLOCKED)
    assert plan_deletion(UNLOCKED).points == 160
    assert plan_destruction(EMPTY).seen == EMPTY


def test_an_empty_but_locked_vault_is_not_destroyed_either() -> None:
    with pytest.raises(RefusedError, match="locked"):
        plan_destruction(an_inventory(a_vault_lock([])))


def test_without_the_points_role_nothing_is_deleted() -> None:
    without_role = replace(UNLOCKED, roles={ROLE_ARN: False})
    with pytest.raises(RefusedError, match="only mark them EXPIRED"):
        plan_deletion(without_role)
    assert plan_deletion(replace(EMPTY, roles={ROLE_ARN: False})).points == 0


def test_only_the_roles_of_what_is_deleted_count() -> None:
    other = f"arn:aws:dynamodb:us-west-1:{ACCOUNT}:table/orders"
    points = [
        a_point(),
        a_point(resource_arn=other, plan_id=None, role_arn="arn:aws:iam::1:role/x"),
    ]
    seen = replace(
        an_inventory(a_vault_lock(points, locked=False)),
        roles={ROLE_ARN: True, "arn:aws:iam::1:role/x": False},
    )
    assert not any("CAUTION" in line for line in plan_deletion(seen).lines())
    assert any("CAUTION" in line for line in plan_deletion(seen, include_others=True).lines())


def test_the_plan_says_what_is_there_and_what_comes_next() -> None:
    text = "\n".join(overview(FULL))
    for words in (
        "stack cabal-backup in us-west-1: CREATE_COMPLETE, protected against termination",
        "vault cabal-backup-dr in us-west-2: 80 recovery points, from 2026-02-20 to 2026-03-31, "
        "60 of them younger than 30 days",
        "deletes the backups of 40 nights",
        "expires by itself on 2027-03-31",
        "1. cabal-backup in us-west-1 and cabal-backup-dr in us-west-2: locked.",
        "2. 160 recovery points.",
    ):
        assert words in text
    assert list(overview(EMPTY))[-1].startswith("Nothing prevents it. Next:")


def test_one_recovery_point_is_one() -> None:
    (locked, _), points = FULL.vaults, [nightly("primary")[0]]
    one = replace(UNLOCKED, vaults=(replace(locked, locked=False, points=tuple(points)),))
    seen = replace(one, resources=frozenset(), unmanaged_vaults=one.vaults)
    text = "\n".join([*overview(seen), *seen.other_lines(), seen.vaults[0].line(NOW)])
    assert text.count("1 recovery point") > 4
    assert "1 recovery points" not in text
    assert "its 1 recovery point; the last expires on" in until_expiry(
        one.vaults[0], an_environment()
    )


def test_nothing_left() -> None:
    nothing = replace(EMPTY, stacks=(), vaults=(), plan_id=None, roles={ROLE_ARN: False})
    assert nothing.is_empty
    assert list(overview(nothing)) == [
        f"Nothing is left of the backup of development in account {ACCOUNT}."
    ]
    assert "There is nothing of" in plan_destruction(nothing).lines()[0]
    assert not replace(nothing, plan_id="a-plan").is_empty


@pytest.mark.parametrize(
    ("resource", "is_other"),
    [
        ("elasticfilesystem:us-west-1:123456789012:file-system/fs-0fedcba9876543210", False),
        ("dynamodb:us-west-1:123456789012:table/orders", True),
    ],
)
def test_what_brings_a_cold_one_back_is_of_its_resource(resource: str, is_other: bool) -> None:
    other = a_point(resource_arn=f"arn:aws:{resource}", plan_id=None)
    back = replace(other, original="arn:aws:backup:us-west-2:123456789012:recovery-point:cold")
    assert (FULL.is_other(other), FULL.is_other(back)) == (True, is_other)


def test_a_last_expiry_that_aws_backup_does_not_give() -> None:
    under_way = a_vault_lock([a_point(lifecycle=None)])
    words = until_expiry(under_way, an_environment())
    assert "on a day that AWS Backup does not give yet." in words
