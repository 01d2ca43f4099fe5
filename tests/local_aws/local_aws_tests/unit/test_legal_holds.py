"""Legal holds: held recovery points are not deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws_tests.unit.account import DR, FILE_SYSTEM_ARN, PRIMARY, TABLE_ARN, VAULT, Account


@pytest.fixture
def ready(account: Account) -> Account:
    account.opt_in()
    account.make_vaults()
    return account


def hold(account: Account, **selection: Any) -> str:
    """Create a hold with these selections, by default on everything, and wait until it is active;
    returns its id.
    """
    made = account.primary.create_legal_hold(
        Title="lawsuit", Description="Keep it.", RecoveryPointSelection=selection
    )
    assert made["Status"] == "CREATING"
    account.advance(seconds=10)
    return str(made["LegalHoldId"])


def status(account: Account, identity: str) -> str:
    return str(account.primary.get_legal_hold(LegalHoldId=identity)["Status"])


def delete(account: Account, point: str) -> None:
    account.primary.delete_recovery_point(BackupVaultName=VAULT, RecoveryPointArn=point)


def test_a_held_point_cannot_be_deleted_until_the_hold_is_cancelled(ready: Account) -> None:
    point = ready.back_up()
    identity = hold(ready)
    with pytest.raises(ClientError, match="legal hold"):
        delete(ready, point)
    with pytest.raises(ClientError, match="legal hold"):
        ready.primary.update_recovery_point_lifecycle(
            BackupVaultName=VAULT, RecoveryPointArn=point, Lifecycle={"DeleteAfterDays": 1}
        )
    ready.primary.cancel_legal_hold(LegalHoldId=identity, CancelDescription="Over.")
    delete(ready, point)
    ready.advance(minutes=1)
    assert ready.points() == []


def test_a_held_point_does_not_expire(ready: Account) -> None:
    ready.back_up()
    identity = hold(ready)
    ready.advance(days=400)
    assert len(ready.points()) == 1
    ready.primary.cancel_legal_hold(LegalHoldId=identity, CancelDescription="Over.")
    ready.advance(hours=8, minutes=1)
    assert ready.points() == []


@pytest.mark.parametrize(
    ("selection", "held"),
    [
        ({}, True),
        ({"VaultNames": [VAULT]}, True),
        ({"VaultNames": ["another"]}, False),
        ({"ResourceIdentifiers": [TABLE_ARN]}, True),
        ({"ResourceIdentifiers": [FILE_SYSTEM_ARN]}, False),
        ({"VaultNames": [VAULT], "ResourceIdentifiers": [FILE_SYSTEM_ARN]}, True),
        ({"VaultNames": ["another"], "ResourceIdentifiers": [FILE_SYSTEM_ARN]}, False),
    ],
)
def test_a_hold_selects_vaults_and_resources(
    ready: Account, selection: dict[str, Any], held: bool
) -> None:
    point = ready.back_up()
    identity = hold(ready, **selection)
    listed = ready.primary.list_recovery_points_by_legal_hold(LegalHoldId=identity)
    assert [each["RecoveryPointArn"] for each in listed["RecoveryPoints"]] == (
        [point] if held else []
    )


def test_a_hold_selects_a_date_range(ready: Account) -> None:
    point = ready.back_up()
    now = ready.clock.now()
    early = {"FromDate": now - timedelta(days=9), "ToDate": now - timedelta(days=1)}
    hold(ready, DateRange=early)
    delete(ready, point)


def test_later_points_are_not_held(ready: Account) -> None:
    hold(ready)
    delete(ready, ready.back_up())


def test_holds_are_listed_with_their_state(ready: Account) -> None:
    assert ready.primary.list_legal_holds()["LegalHolds"] == []
    first = hold(ready)
    ready.primary.cancel_legal_hold(LegalHoldId=first, CancelDescription="Over.")
    assert status(ready, first) == "CANCELING"
    second = hold(ready, VaultNames=[VAULT])
    listed = {each["LegalHoldId"]: each for each in ready.primary.list_legal_holds()["LegalHolds"]}
    assert {identity: each["Status"] for identity, each in listed.items()} == {
        first: "CANCELED",
        second: "ACTIVE",
    }
    described = ready.primary.get_legal_hold(LegalHoldId=second)
    assert described["RecoveryPointSelection"] == {"VaultNames": [VAULT]}
    with pytest.raises(ClientError, match="InvalidResourceStateException"):
        ready.primary.cancel_legal_hold(LegalHoldId=first, CancelDescription="Again.")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        ready.primary.get_legal_hold(LegalHoldId="none")


def test_a_held_point_does_not_move_to_cold_storage_before_the_hold_ends(ready: Account) -> None:
    point = ready.back_up(Lifecycle={"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 365})
    identity = hold(ready)
    described = {"BackupVaultName": VAULT, "RecoveryPointArn": point}
    ready.advance(days=40)
    assert ready.primary.describe_recovery_point(**described)["StorageClass"] == "WARM"
    ready.primary.cancel_legal_hold(LegalHoldId=identity, CancelDescription="Over.")
    ready.advance(minutes=1)
    assert ready.primary.describe_recovery_point(**described)["StorageClass"] == "COLD"


def test_a_point_is_not_kept_before_the_hold_is_active(ready: Account) -> None:
    point = ready.back_up()
    ready.primary.create_legal_hold(Title="lawsuit", Description="Keep it.")
    delete(ready, point)
    ready.advance(minutes=1)
    assert ready.points() == []


def test_a_cancelled_hold_is_listed_for_as_long_as_its_record_is_retained(ready: Account) -> None:
    identity = hold(ready)
    with pytest.raises(ClientError, match="InvalidParameterValueException"):
        ready.primary.cancel_legal_hold(
            LegalHoldId=identity, CancelDescription="Over.", RetainRecordInDays=-1
        )
    ready.primary.cancel_legal_hold(
        LegalHoldId=identity, CancelDescription="Over.", RetainRecordInDays=30
    )
    ready.advance(days=29)
    assert status(ready, identity) == "CANCELED"
    ready.advance(days=2)
    assert ready.primary.list_legal_holds()["LegalHolds"] == []
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        status(ready, identity)


def test_fifty_holds_are_the_most(ready: Account) -> None:
    identities = [hold(ready) for _ in range(50)]
    for region in (PRIMARY, DR):
        with pytest.raises(ClientError, match="LimitExceededException"):
            ready.client(region).create_legal_hold(Title="lawsuit", Description="Keep it.")
    ready.primary.cancel_legal_hold(LegalHoldId=identities[0], CancelDescription="Over.")
    ready.advance(minutes=1)
    hold(ready)


def test_audit_manager_is_empty(ready: Account) -> None:
    assert ready.primary.list_frameworks()["Frameworks"] == []
    assert ready.primary.list_report_plans()["ReportPlans"] == []
