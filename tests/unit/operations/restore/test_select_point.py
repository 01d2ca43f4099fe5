"""Which recovery point is restored, which copy is copied back, and when none is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from cabal_backup.errors import (
    AwsError,
    CabalBackupError,
    NoRecoveryPointError,
    RefusedError,
    UsageError,
)
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.restore.select_point import (
    CopyBackRequest,
    PointRequest,
    choose_copy,
    choose_point,
)
from tests.builders import ACCOUNT, an_environment
from tests.unit.operations.status.builders import (
    LAST_NIGHT,
    MAILSTORE_ARN,
    NOW,
    TABLE_ARN,
    a_point,
    nightly,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TABLE = f"arn:aws:dynamodb:us-west-1:{ACCOUNT}:table/cabal-addresses"


def listed(days: int, **changes: Any) -> dict[str, Any]:
    """A completed point of the table, so many days old, warm for 30 days."""
    created = NOON - timedelta(days=days)
    return {
        "RecoveryPointArn": f"arn:aws:backup:us-west-1:{ACCOUNT}:recovery-point:{days:04d}",
        "ResourceArn": TABLE,
        "ResourceType": "DynamoDB",
        "Status": "COMPLETED",
        "CreationDate": created,
        "CalculatedLifecycle": {"MoveToColdStorageAt": created + timedelta(days=30)},
        **changes,
    }


class Vault:
    """AWS Backup, as far as it lists recovery points: one a page."""

    def __init__(self, points: list[dict[str, Any]]) -> None:
        self._points = points

    def list_recovery_points_by_backup_vault(
        self,
        NextToken: str = "0",  # noqa: N803 (AWS's name)
        **_: Any,
    ) -> dict[str, Any]:
        page = int(NextToken)
        more = {"NextToken": str(page + 1)} if page + 1 < len(self._points) else {}
        return {"RecoveryPoints": self._points[page : page + 1], **more}

    def describe_recovery_point(self, **_: str) -> dict[str, str]:
        return {"StorageClass": "COLD"}


class Session:
    def __init__(self, points: list[dict[str, Any]]) -> None:
        self._vault = Vault(points)

    def client(self, *_: Any, **__: Any) -> Vault:
        return self._vault


def chosen(points: list[dict[str, Any]], **how: Any) -> str:
    session: Any = Session(points)
    aws = Aws(an_environment(), session, ACCOUNT)
    return choose_point(aws, TABLE, NOON, PointRequest(**how)).arn[-4:]


POINTS = [
    listed(3),
    listed(1, Status="PARTIAL", StatusMessage="half of it"),
    listed(2),
    listed(0, ResourceArn="arn:aws:elasticfilesystem:us-west-1:1:file-system/fs-1"),
    listed(40),
]


def test_the_newest_completed_one_of_the_table() -> None:
    assert chosen(POINTS) == "0002"


def test_an_available_one_is_complete_too() -> None:
    assert chosen([*POINTS, listed(1, Status="AVAILABLE")]) == "0001"


def test_the_newest_recovery_point_from_before_a_moment() -> None:
    assert chosen(POINTS, at=NOON - timedelta(days=2)) == "0002"
    assert chosen(POINTS, at=NOON - timedelta(days=2, seconds=1)) == "0003"


def test_a_named_one_by_its_arn_or_its_end() -> None:
    assert chosen(POINTS, arn=POINTS[0]["RecoveryPointArn"]) == "0003"
    assert chosen(POINTS, arn="0003") == "0003"


def test_a_cold_point_needs_an_option() -> None:
    assert chosen(POINTS, arn="0040", cold=True) == "0040"
    with pytest.raises(RefusedError, match=r"The oldest warm one is from 2026-02-26 12:00 UTC"):
        chosen(POINTS, at=NOON - timedelta(days=30))


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"arn": "0099"}, NoRecoveryPointError, "There is no recovery point 0099 in cabal-backup"),
        ({"arn": "0000"}, UsageError, "is a recovery point of fs-1, not of cabal-addresses"),
        ({"arn": "0001"}, AwsError, "is PARTIAL: half of it, so it cannot be restored"),
        (
            {"at": NOON - timedelta(days=99)},
            NoRecoveryPointError,
            "the oldest is from 2026-01-20 12:00 UTC",
        ),
    ],
)
def test_none(how: dict[str, Any], error: type[CabalBackupError], words: str) -> None:
    with pytest.raises(error, match=words):
        chosen(POINTS, **how)


def test_an_empty_vault() -> None:
    with pytest.raises(
        NoRecoveryPointError, match="There is no completed recovery point of cabal-addresses"
    ):
        chosen([])


NIGHTS = [
    listed(1, CreationDate=datetime(2026, 2, 28, 13, 5, tzinfo=UTC)),
    listed(2, CreationDate=datetime(2026, 2, 28, 0, 20, tzinfo=UTC)),
    listed(3, CreationDate=datetime(2026, 2, 27, 0, 20, tzinfo=UTC)),
    listed(4, CreationDate=datetime(2026, 2, 26, 0, 20, tzinfo=UTC), Status="PARTIAL"),
]


def test_the_night_with_a_name_is_the_one_of_the_calendar() -> None:
    assert chosen(NIGHTS, night=date(2026, 2, 27)) == "0003"
    assert chosen(NIGHTS, night=date(2026, 2, 28)) == "0001"


@pytest.mark.parametrize("day", [25, 26])
def test_a_night_without_a_completed_recovery_point(day: int) -> None:
    with pytest.raises(
        NoRecoveryPointError, match=f"of the night 2026-02-{day} .*the oldest is from"
    ):
        chosen(NIGHTS, night=date(2026, 2, day))


OTHER_ARN = f"arn:aws:elasticfilesystem:us-west-1:{ACCOUNT}:file-system/fs-0fedcba9876543210"
COPIES = nightly("dr")


def choose(points: list[RecoveryPoint], what: str, **wanted: object) -> RecoveryPoint:
    session: Any = Session([])
    aws = Aws(an_environment(), session, ACCOUNT)
    return choose_copy(aws, points, NOW, CopyBackRequest(what=what, **wanted))  # type: ignore[arg-type]


def test_the_newest_of_the_resource() -> None:
    assert choose(COPIES, "addresses") == a_point(vault="dr")
    assert choose(COPIES, "mailstore") == a_point(LAST_NIGHT, MAILSTORE_ARN, vault="dr")


def test_the_newest_from_before_a_moment() -> None:
    before = LAST_NIGHT - timedelta(days=3)
    assert choose(COPIES, "addresses", at=before).created == before
    just_before = before - timedelta(seconds=1)
    assert choose(COPIES, "addresses", at=just_before).created == before - timedelta(days=1)


def test_one_that_is_not_complete_is_passed_over() -> None:
    points = [a_point(vault="dr", status="PARTIAL"), *COPIES[2:]]
    assert choose(points, "addresses").created == LAST_NIGHT - timedelta(days=1)
    with pytest.raises(AwsError, match="is PARTIAL, so it cannot be copied"):
        choose(points, points[0].arn)


def test_by_its_arn_or_the_last_part_of_it() -> None:
    point = COPIES[5]
    assert choose(COPIES, point.arn) == choose(COPIES, point.arn.rpartition(":")[2]) == point


def test_a_cold_one_names_those_that_can_be_copied() -> None:
    old = LAST_NIGHT - timedelta(days=35)
    with pytest.raises(RefusedError) as refused:
        choose(COPIES, "addresses", at=old)
    warm = [p for p in COPIES if p.resource_arn == TABLE_ARN and not p.is_cold(NOW)]
    assert f"from 2026-03-31 00:20 UTC ({warm[0].arn})" in str(refused.value)
    assert f"from 2026-03-02 00:20 UTC ({warm[-1].arn})" in str(refused.value)
    assert "migration of a region" in str(refused.value)


def test_when_every_one_is_cold() -> None:
    with pytest.raises(RefusedError, match="None of cabal-addresses is warm any more"):
        choose(COPIES[70:], "addresses")


def test_none_at_all_and_none_so_old() -> None:
    with pytest.raises(NoRecoveryPointError, match="no completed recovery point of the addresses"):
        choose([], "addresses")
    with pytest.raises(NoRecoveryPointError, match="the oldest is from 2026-02-20"):
        choose(COPIES, "addresses", at=NOW - timedelta(days=300))


def test_two_file_systems_are_distinguished() -> None:
    """A new, empty one is newer; the newest of all would bring back nothing."""
    newer = a_point(LAST_NIGHT + timedelta(hours=1), OTHER_ARN, vault="dr", resource_type="EFS")
    points = [newer, *COPIES]
    with pytest.raises(UsageError, match=r"of several file systems .*fs-0fedcba9876543210: 1"):
        choose(points, "mailstore")
    assert choose(points, "mailstore", file_system="fs-0fedcba9876543210") == newer
    assert choose(points, "mailstore", file_system=MAILSTORE_ARN.rpartition("/")[2]) == COPIES[1]
    with pytest.raises(NoRecoveryPointError, match="no recovery point of fs-00000000"):
        choose(points, "mailstore", file_system="fs-00000000")


WARM = COPIES[:60]
COLD = COPIES[60:]


@pytest.mark.parametrize(("number", "what"), [(0, "addresses"), (1, "mailstore")])
def test_the_newest_cold_one_is_the_default_with_cold(number: int, what: str) -> None:
    assert choose(COPIES, what, cold=True).arn == COLD[number].arn


@pytest.mark.parametrize(
    ("wanted", "whose"),
    [
        ({"what": "addresses"}, "of the addresses"),
        ({"what": "mailstore"}, "of the mailstore"),
        (
            {"what": "mailstore", "file_system": MAILSTORE_ARN.rpartition("/")[2]},
            "of fs-0123456789abcdef0",
        ),
    ],
)
def test_when_none_is_cold(wanted: dict[str, str], whose: str) -> None:
    for count in (1, 30):
        with pytest.raises(RefusedError) as refused:
            choose(WARM[: 2 * count], cold=True, **wanted)
        ones = f"There are {count} warm ones" if count > 1 else "There is 1 warm one"
        assert str(refused.value) == (
            f"No recovery point {whose} is in cold storage. {ones}. Nothing was done. Run the "
            "command again without --cold."
        )


def test_a_cold_one_that_is_not_complete_does_not_count() -> None:
    partial = [a_point(p.created, p.resource_arn, vault="dr", status="PARTIAL") for p in COLD]
    with pytest.raises(RefusedError, match=r"of the addresses is in cold storage. There are 30"):
        choose([*WARM, *partial], "addresses", cold=True)


def test_a_named_one_is_found_whether_it_is_cold_or_not() -> None:
    assert choose(COPIES, WARM[0].arn, cold=True) == WARM[0]
    assert choose(COPIES, COLD[-1].id, cold=True).arn == COLD[-1].arn


def test_a_file_system_that_is_named_is_found_whether_it_has_cold_ones_or_not() -> None:
    """Of the others only those that have cold ones are asked about."""
    newer = a_point(LAST_NIGHT + timedelta(hours=1), OTHER_ARN, vault="dr", resource_type="EFS")
    points = [newer, *COPIES]
    assert choose(points, "mailstore", cold=True).resource_arn == MAILSTORE_ARN
    with pytest.raises(RefusedError, match=r"of fs-0fedcba9876543210 is in cold .* 1 warm one"):
        choose(points, "mailstore", cold=True, file_system="fs-0fedcba9876543210")
