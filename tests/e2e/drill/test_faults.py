"""A drill that fails says why, in its report too, and leaves nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from local_aws.client import ACCOUNT

from tests.e2e.drill.conftest import Driller, left
from tests.e2e.status import aws_by_hand as hand
from tests.e2e.tables.tables import ADDRESSES, delete, items, put
from tests.sandbox.cabal import delete_table

Fault = Callable[[Driller], object]
FOR_RESTORES = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores"


def restore_fails(driller: Driller) -> None:
    driller.sandbox.faults.fail_next("restore", message="There was an internal error at AWS.")


def role_without_rights(driller: Driller) -> None:
    driller.sandbox.client("iam").detach_role_policy(
        RoleName="cabal-backup-role", PolicyArn=FOR_RESTORES
    )


def role_that_cannot_be_assumed(driller: Driller) -> None:
    driller.sandbox.client("iam").update_assume_role_policy(
        RoleName="cabal-backup-role", PolicyDocument='{"Version": "2012-10-17", "Statement": []}'
    )


def opt_in_is_off(driller: Driller) -> None:
    """Where AWS, against what it documents, wants it on to restore as well."""
    driller.sandbox.settings(advanced_features_needed_everywhere=True)
    driller.sandbox.client("backup").update_region_settings(
        ResourceTypeManagementPreference={"DynamoDB": False}
    )


def no_point_at_all(driller: Driller) -> None:
    with hand.unlocked(driller.sandbox, hand.PRIMARY):
        points = hand.points(driller.sandbox, hand.PRIMARY)
        hand.delete_points(driller.sandbox, hand.PRIMARY, points)


def only_cold_ones(driller: Driller) -> None:
    """Nothing is selected any more for longer than a point stays warm."""
    hand.delete_selections(driller.sandbox)
    driller.sandbox.advance(days=31)


def backup_lacks_items(driller: Driller) -> None:
    """A third was missing while the last night was taken."""
    some = items(driller.sandbox, ADDRESSES)[::3]
    delete(driller.sandbox, ADDRESSES, [{"address": item["address"]} for item in some])
    driller.sandbox.run_nights(1)
    put(driller.sandbox, ADDRESSES, some)


def backup_is_spoiled(driller: Driller) -> None:
    """A third said something else while the last night was taken."""
    some = items(driller.sandbox, ADDRESSES)[::3]
    put(driller.sandbox, ADDRESSES, [{**item, "user": {"S": "other"}} for item in some])
    driller.sandbox.run_nights(1)
    put(driller.sandbox, ADDRESSES, some)


def live_table_is_deleted(driller: Driller) -> None:
    delete_table(driller.sandbox, ADDRESSES)


def region_is_lost(driller: Driller) -> None:
    driller.sandbox.faults.lose_regions("us-west-1")


def jobs_may_not_be_started(driller: Driller) -> None:
    driller.sandbox.faults.deny("StartRestoreJob")


def scratch_may_not_be_made(driller: Driller) -> None:
    refuse(driller, "CreateTable")


def scans_are_throttled(driller: Driller) -> None:
    driller.sandbox.faults.services(
        {
            "service": "dynamodb",
            "operation": "Scan",
            "error": "AccessDeniedException",
            "message": "User is not authorized to perform: dynamodb:Scan",
        }
    )


def backup_is_throttled(driller: Driller) -> None:
    driller.sandbox.faults.throttle_backup(1.0)


def refuse(driller: Driller, operation: str) -> None:
    driller.sandbox.faults.services(
        {
            "service": "dynamodb",
            "operation": operation,
            "error": "AccessDeniedException",
            "message": f"User is not authorized to perform: dynamodb:{operation}",
        }
    )


FAULTS: list[tuple[Fault, str]] = [
    (restore_fails, "ended FAILED. AWS says: There was an internal error at AWS."),
    (role_without_rights, "AWSBackupServiceRolePolicyForRestores is not attached to it."),
    (role_that_cannot_be_assumed, "AWS says: "),
    (opt_in_is_off, "AWS says: Advanced features for DynamoDB backups are not enabled"),
    (no_point_at_all, "There is no completed recovery point of cabal-addresses in cabal-backup;"),
    (only_cold_ones, "is in cold storage."),
    (backup_lacks_items, "content: 66."),
    (backup_is_spoiled, "content: 66."),
    (live_table_is_deleted, "The live table cabal-addresses does not exist"),
    (region_is_lost, "AWS did not answer"),
    (jobs_may_not_be_started, "not authorized to perform: backup:StartRestoreJob"),
    (scratch_may_not_be_made, "not authorized to perform: dynamodb:CreateTable"),
    (scans_are_throttled, "not authorized to perform: dynamodb:Scan"),
    (backup_is_throttled, "Rate exceeded"),
]


@pytest.mark.parametrize(
    ("fault", "reason"), FAULTS, ids=lambda each: getattr(each, "__name__", "")
)
def test_failed_for_the_right_reason_and_nothing_is_left(
    driller: Driller, fault: Fault, reason: str
) -> None:
    fault(driller)

    said = driller.drill("addresses")

    driller.sandbox.faults.clear()
    assert said.code == 6, said.err
    report = driller.report
    assert report["verdict"] == "failed"
    assert any(reason in said for said in report["reasons"]), report["reasons"]
    assert said.out.startswith("FAILED: the addresses drill in development: ")
    assert left(driller.sandbox) == report["left_over"] == []
    for file in driller.folder.iterdir():
        assert ACCOUNT not in file.read_text()


def test_what_cannot_be_deleted_is_reported_and_removed_by_the_next_drill(driller: Driller) -> None:
    refuse(driller, "DeleteTable")

    said = driller.drill("addresses")

    driller.sandbox.faults.clear()
    assert said.code == 6
    first = driller.report
    assert all(check["passed"] for check in first["checks"])
    restored, scratch = left(driller.sandbox)
    assert [entry.split(":")[0] for entry in first["left_over"]] == [
        f"table {restored}",
        f"table {scratch}",
    ]
    assert "not authorized to perform: dynamodb:DeleteTable" in first["left_over"][0]

    again = driller.drill("addresses")

    assert again.code == 0, again.err
    assert f"An earlier drill left the table {restored}" in again.err
    assert left(driller.sandbox) == []
    second = driller.reports[0]
    assert second["cleared"] == [f"table {restored}", f"table {scratch}"]


def test_an_error_while_asking_is_not_taken_for_a_failure(driller: Driller) -> None:
    """A third of all calls is throttled; the drill takes longer, and passes."""
    driller.sandbox.faults.throttle_backup(0.3, seed=5)
    with driller.live_data_stays():
        assert driller.drill("addresses").code == 0
    driller.sandbox.faults.clear()
    assert left(driller.sandbox) == []
