"""The nights: S01, S02, S03, S09."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from local_aws.client import PRIMARY_REGION

from tests.e2e.promises.vaults import VAULTS, backup, points
from tests.sandbox.deployment import DR_REGION, Deployment

DAY = timedelta(days=1)


def test_s01_every_night_both_resources_into_the_primary_vault(deployed: Deployment) -> None:
    deployed.sandbox.run_nights(3)
    taken = points(deployed, PRIMARY_REGION, "cabal-backup")
    assert {point["Status"] for point in taken} == {"COMPLETED"}
    for resource in (deployed.cabal.addresses_table_arn, deployed.cabal.file_system_arn):
        nights = sorted(
            point["CreationDate"].astimezone(UTC).date()
            for point in taken
            if point["ResourceArn"] == resource
        )
        assert [str(night) for night in nights] == ["2026-01-02", "2026-01-03", "2026-01-04"]
    jobs = backup(deployed).list_backup_jobs()["BackupJobs"]
    # Created some minutes after midnight, as AWS does; the start window tells the schedule.
    assert {
        (job["StartBy"] - timedelta(hours=8)).astimezone(UTC).strftime("%H:%M:%S") for job in jobs
    } == {"00:00:00"}


def test_s02_each_recovery_point_is_copied_to_the_dr_vault(deployed: Deployment) -> None:
    deployed.sandbox.run_nights(2)
    originals = points(deployed, PRIMARY_REGION, "cabal-backup")
    copies = points(deployed, DR_REGION, "cabal-backup-dr")
    assert len(originals) == len(copies) == 4
    assert {(point["ResourceArn"], point["CreationDate"]) for point in originals} == {
        (point["ResourceArn"], point["CreationDate"]) for point in copies
    }
    jobs = backup(deployed).list_copy_jobs()["CopyJobs"]
    assert {job["DestinationRecoveryPointArn"] for job in jobs} == {
        copy["RecoveryPointArn"] for copy in copies
    }


def test_s03_thirty_days_warm_then_cold_in_both_vaults(deployed: Deployment) -> None:
    deployed.sandbox.run_nights(1)
    for region, vault in VAULTS:
        for point in points(deployed, region, vault):
            assert point["Lifecycle"]["MoveToColdStorageAfterDays"] == 30
            assert point["Lifecycle"]["DeleteAfterDays"] == 365
            calculated = point["CalculatedLifecycle"]
            assert calculated["MoveToColdStorageAt"] == point["CreationDate"] + 30 * DAY
            assert calculated["DeleteAt"] == point["CreationDate"] + 365 * DAY


def test_s03_a_year_of_nights(
    first_deployment: tuple[Deployment, str], first_year: tuple[Deployment, str]
) -> None:
    """Counts for each vault and tier on chosen days, and expiry on day 365."""
    deployed, new = first_deployment
    sandbox, year = deployed.sandbox, first_year[1]
    first_night = datetime(2026, 1, 2, tzinfo=UTC)
    for start, nights, warm, cold in (
        (new, 1, 2, 0),
        ("", 30, 60, 0),
        ("", 31, 60, 2),
        ("", 90, 60, 120),
        (year, 365, 60, 670),
        ("", 366, 60, 670),
        ("", 400, 60, 670),
    ):
        if start:
            sandbox.rollback(start)
        # Noon of a day: that day's night is done, and what was due at its hour has happened.
        sandbox.advance_to(first_night + (nights - 1) * DAY + timedelta(hours=12))
        for region, vault in VAULTS:
            listed = points(deployed, region, vault)
            is_cold = [
                point["CalculatedLifecycle"]["MoveToColdStorageAt"] <= sandbox.now()
                for point in listed
            ]
            assert (is_cold.count(False), is_cold.count(True)) == (warm, cold), (nights, vault)
            oldest = min(point["CreationDate"] for point in listed).astimezone(UTC).date()
            assert oldest == (first_night + max(0, nights - 365) * DAY).date(), (nights, vault)
            _assert_tiers(deployed, region, vault, listed)


def _assert_tiers(
    deployed: Deployment, region: str, vault: str, listed: list[dict[str, object]]
) -> None:
    """AWS's own word for the tier, of the oldest and the newest."""
    now = deployed.sandbox.now()
    by_age = sorted(listed, key=lambda point: str(point["CreationDate"]))
    for point in (by_age[0], by_age[-1]):
        described = backup(deployed, region).describe_recovery_point(
            BackupVaultName=vault, RecoveryPointArn=point["RecoveryPointArn"]
        )
        due = described["CalculatedLifecycle"]["MoveToColdStorageAt"] <= now
        assert described["StorageClass"] == ("COLD" if due else "WARM")


def test_s09_the_opt_in_is_there_before_the_first_night(deployed: Deployment) -> None:
    deployed.sandbox.run_nights(1)
    jobs = backup(deployed).list_copy_jobs()["CopyJobs"]
    assert {(job["ResourceType"], job["State"]) for job in jobs} == {
        ("DynamoDB", "COMPLETED"),
        ("EFS", "COMPLETED"),
    }


def test_s09_without_it_the_table_is_not_copied_and_never_will_be(deployed: Deployment) -> None:
    client = backup(deployed)
    client.update_region_settings(ResourceTypeManagementPreference={"DynamoDB": False})
    deployed.sandbox.run_nights(1)

    (table_point,) = points(deployed, PRIMARY_REGION, "cabal-backup", ByResourceType="DynamoDB")
    assert table_point["Status"] == "COMPLETED"
    assert table_point["RecoveryPointArn"].startswith(
        "arn:aws:dynamodb:us-west-1:123456789012:table/cabal-addresses/backup/"
    )
    states = {job["ResourceType"]: job for job in client.list_copy_jobs()["CopyJobs"]}
    assert states["DynamoDB"]["State"] == "FAILED"
    assert states["DynamoDB"]["StatusMessage"]
    assert states["EFS"]["State"] == "COMPLETED"

    client.update_region_settings(ResourceTypeManagementPreference={"DynamoDB": True})
    deployed.sandbox.run_nights(1)
    copied = points(deployed, DR_REGION, "cabal-backup-dr", ByResourceType="DynamoDB")
    assert len(copied) == 1
    assert copied[0]["CreationDate"] > table_point["CreationDate"]

    again = client.start_copy_job(
        RecoveryPointArn=table_point["RecoveryPointArn"],
        SourceBackupVaultName="cabal-backup",
        DestinationBackupVaultArn=(
            "arn:aws:backup:us-west-2:123456789012:backup-vault:cabal-backup-dr"
        ),
        IamRoleArn="arn:aws:iam::123456789012:role/cabal-backup-role",
    )
    deployed.sandbox.advance(hours=2)
    job = client.describe_copy_job(CopyJobId=again["CopyJobId"])["CopyJob"]
    assert job["State"] == "FAILED"
