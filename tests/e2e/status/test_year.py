"""A year of nights: 1,460 recovery points, none missed, and no more calls than for a month."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest

from cabal_backup.operations.aws.results import pages
from tests.e2e.operator import Operator
from tests.e2e.status.calls import calls
from tests.sandbox.deployment import Deployment

STATUS_CALLS: Mapping[tuple[str, str], int] = {
    ("us-west-1", "GetCallerIdentity"): 1,
    ("us-west-1", "ListBackupVaults"): 1,
    ("us-west-1", "ListRecoveryPointsByBackupVault"): 1,
    ("us-west-1", "DescribeRegionSettings"): 1,
    ("us-west-1", "ListLegalHolds"): 1,
    ("us-west-1", "ListBackupPlans"): 1,
    ("us-west-1", "GetBackupPlan"): 1,
    ("us-west-1", "ListBackupPlanVersions"): 1,
    ("us-west-1", "GetBackupVaultAccessPolicy"): 1,
    # Lock removals and deletions.
    ("us-west-1", "LookupEvents"): 2,
    ("us-west-1", "ListBackupSelections"): 1,
    ("us-west-1", "GetBackupSelection"): 1,
    ("us-west-1", "ListBackupJobs"): 1,
    ("us-west-1", "ListCopyJobs"): 1,
    ("us-west-1", "ListRestoreJobs"): 1,
    ("us-west-1", "DescribeFileSystems"): 1,
    # One for each of the five tables.
    ("us-west-1", "DescribeTable"): 5,
    ("us-west-1", "DescribeContinuousBackups"): 5,
    # The keys of the vault, of the tables and of the mailstore.
    ("us-west-1", "DescribeKey"): 3,
    # IAM is global; its calls are recorded there.
    ("us-east-1", "GetRole"): 1,
    # Two policies, of which the local AWS lists one a page.
    ("us-east-1", "ListAttachedRolePolicies"): 2,
    ("us-east-1", "ListRolePolicies"): 1,
    ("us-east-1", "GetRolePolicy"): 1,
    ("us-east-1", "SimulatePrincipalPolicy"): 1,
    ("us-west-2", "ListBackupVaults"): 1,
    ("us-west-2", "ListRecoveryPointsByBackupVault"): 1,
    ("us-west-2", "DescribeRegionSettings"): 1,
    ("us-west-2", "ListLegalHolds"): 1,
    ("us-west-2", "ListCopyJobs"): 1,
    ("us-west-2", "ListRestoreJobs"): 1,
    ("us-west-2", "GetBackupVaultAccessPolicy"): 1,
    ("us-west-2", "LookupEvents"): 2,
    ("us-west-2", "DescribeKey"): 1,
}
POINTS_CALLS: Mapping[tuple[str, str], int] = {
    ("us-west-1", "GetCallerIdentity"): 1,
    ("us-west-1", "ListRecoveryPointsByBackupVault"): 1,
    ("us-west-1", "ListBackupJobs"): 1,
    ("us-west-1", "ListCopyJobs"): 1,
    ("us-west-1", "ListLegalHolds"): 1,
    ("us-west-2", "ListRecoveryPointsByBackupVault"): 1,
    ("us-west-2", "ListLegalHolds"): 1,
}


@pytest.fixture(scope="module")
def after_a_year(first_protection: tuple[Deployment, str]) -> str:
    """The checkpoint after 365 nights and one more: what expires has begun to expire."""
    deployment, checkpoint = first_protection
    deployment.sandbox.rollback(checkpoint)
    deployment.sandbox.advance(days=330)
    return deployment.sandbox.checkpoint()


@pytest.fixture
def year(operator: Operator, after_a_year: str) -> Operator:
    operator.sandbox.rollback(after_a_year)
    return operator


def test_every_point_is_seen(year: Operator) -> None:
    points = year.run("points", "--json", "--nights", "365").json["points"]

    assert len({point["recovery_point_arn"] for point in points}) == len(points) == 1460
    assert Counter((point["vault"], point["resource_type"]) for point in points) == {
        ("cabal-backup", "DynamoDB"): 365,
        ("cabal-backup", "EFS"): 365,
        ("cabal-backup-dr", "DynamoDB"): 365,
        ("cabal-backup-dr", "EFS"): 365,
    }


def test_every_night_of_the_year_is_in_the_calendar(year: Operator) -> None:
    nights = year.run("points", "--json", "--nights", "366").json["nights"]

    states = Counter(cell["state"] for night in nights for cell in night["cells"])
    # 30 nights are warm; of the 366th night everything has just expired.
    assert states == {"warm": 30 * 4, "cold": 335 * 4, "missing": 4}
    assert {cell["state"] for cell in nights[-1]["cells"]} == {"missing"}


def test_a_year_is_healthy(year: Operator) -> None:
    found = {each["check"]: each for each in year.run("status", "--json").json["findings"]}

    assert [check for check, each in found.items() if each["status"] not in ("ok", "off")] == []
    assert "730 recovery points in cabal-backup," in found["primary-points"]["evidence"]
    assert "730 recovery points in cabal-backup-dr," in found["dr-points"]["evidence"]
    assert "670 older cold copies" in found["copy-back"]["evidence"]


def test_after_a_year_exercise_and_drill_are_due(year: Operator) -> None:
    year.sandbox.advance(days=36)

    assert year.not_ok() == {"restore-tests": "warn", "drill": "warn"}


@pytest.mark.parametrize("size", [7, 73, 730, 1000])
def test_no_page_is_missed_however_small(year: Operator, size: int) -> None:
    call = year.sandbox.client("backup").list_recovery_points_by_backup_vault
    listed = [
        point
        for page in pages(call, BackupVaultName="cabal-backup", MaxResults=size)
        for point in page["RecoveryPoints"]
    ]

    assert len(listed) == len({point["RecoveryPointArn"] for point in listed}) == 730


@pytest.mark.parametrize(
    ("command", "expected"), [("status", STATUS_CALLS), ("points", POINTS_CALLS)]
)
def test_no_call_is_repeated(
    year: Operator, command: str, expected: Mapping[tuple[str, str], int]
) -> None:
    before = calls(year.sandbox)

    year.run(command)

    assert calls(year.sandbox) - before == expected
