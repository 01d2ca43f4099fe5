"""Which recovery point is taken, and when none is."""

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
from cabal_backup.operations.restore.select_point import PointRequest, choose_point
from tests.builders import ACCOUNT, an_environment

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TABLE = f"arn:aws:dynamodb:us-west-1:{ACCOUNT}:table/cabal-addresses"


def a_point(days: int, **changes: Any) -> dict[str, Any]:
    """A completed point of the table, so many days old, warm for 30 days."""
    created = NOW - timedelta(days=days)
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
    return choose_point(aws, TABLE, NOW, PointRequest(**how)).arn[-4:]


POINTS = [
    a_point(3),
    a_point(1, Status="PARTIAL", StatusMessage="half of it"),
    a_point(2),
    a_point(0, ResourceArn="arn:aws:elasticfilesystem:us-west-1:1:file-system/fs-1"),
    a_point(40),
]


def test_the_newest_completed_one_of_the_table() -> None:
    assert chosen(POINTS) == "0002"


def test_an_available_one_is_complete_too() -> None:
    assert chosen([*POINTS, a_point(1, Status="AVAILABLE")]) == "0001"


def test_the_newest_from_before_a_moment() -> None:
    assert chosen(POINTS, at=NOW - timedelta(days=2)) == "0002"
    assert chosen(POINTS, at=NOW - timedelta(days=2, seconds=1)) == "0003"


def test_a_named_one_by_its_arn_or_its_end() -> None:
    assert chosen(POINTS, arn=POINTS[0]["RecoveryPointArn"]) == "0003"
    assert chosen(POINTS, arn="0003") == "0003"


def test_a_cold_point_needs_an_option() -> None:
    assert chosen(POINTS, arn="0040", cold=True) == "0040"
    with pytest.raises(RefusedError, match=r"The oldest warm one is from 2026-02-26 12:00 UTC"):
        chosen(POINTS, at=NOW - timedelta(days=30))


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"arn": "0099"}, NoRecoveryPointError, "There is no recovery point 0099 in cabal-backup"),
        ({"arn": "0000"}, UsageError, "is a recovery point of fs-1, not of cabal-addresses"),
        ({"arn": "0001"}, AwsError, "is PARTIAL: half of it, so it cannot be restored"),
        (
            {"at": NOW - timedelta(days=99)},
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
    a_point(1, CreationDate=datetime(2026, 2, 28, 13, 5, tzinfo=UTC)),
    a_point(2, CreationDate=datetime(2026, 2, 28, 0, 20, tzinfo=UTC)),
    a_point(3, CreationDate=datetime(2026, 2, 27, 0, 20, tzinfo=UTC)),
    a_point(4, CreationDate=datetime(2026, 2, 26, 0, 20, tzinfo=UTC), Status="PARTIAL"),
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
