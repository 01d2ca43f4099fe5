"""What a restored table gets back, and how long that may take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cabal_backup.errors import AwsError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.results import Known
from cabal_backup.operations.restore.tables.describe import recovery_window
from cabal_backup.operations.restore.tables.encryption import Encryption, TableKey
from cabal_backup.operations.restore.tables.table_settings import TableSettings, bring_back
from tests.builders import ACCOUNT, an_environment

TABLE = "cabal-addresses"


class WaitingClock:
    """Its time passes by waiting only."""

    def __init__(self) -> None:
        self.waited = timedelta()

    def now(self) -> datetime:
        return datetime(2026, 3, 1, tzinfo=UTC) + self.waited

    def sleep(self, seconds: float) -> None:
        self.waited += timedelta(seconds=seconds)


class NewTable:
    """DynamoDB with a table whose recovery cannot be switched on for so long."""

    def __init__(self, clock: WaitingClock, busy: timedelta) -> None:
        self._clock, self._busy = clock, busy
        self.done: list[str] = []
        self.recovery: dict[str, Any] = {"PointInTimeRecoveryStatus": "DISABLED"}

    def describe_table(self, **_: Any) -> dict[str, Any]:
        return {"Table": {}}

    def update_table(self, **_: Any) -> None:
        self.done.append("protection")

    def tag_resource(self, **_: Any) -> None:
        self.done.append("tags")

    def list_tags_of_resource(self, **_: Any) -> dict[str, Any]:
        return {"Tags": [{"Key": "managed_by_terraform", "Value": "y"}]}

    def describe_continuous_backups(self, **_: Any) -> dict[str, Any]:
        description = {"PointInTimeRecoveryDescription": self.recovery}
        headers = {"date": "Sun, 01 Mar 2026 00:00:00 GMT"}
        return {
            "ContinuousBackupsDescription": description,
            "ResponseMetadata": {"HTTPHeaders": headers},
        }

    def update_continuous_backups(self, **_: Any) -> None:
        if self._clock.waited < self._busy:
            code = "ContinuousBackupsUnavailableException"
            message = "Backups are being enabled for the table."
            raise ClientError(
                {"Error": {"Code": code, "Message": message}}, "UpdateContinuousBackups"
            )
        self.done.append("recovery")


def aws_with(table: NewTable) -> Aws:
    class Session:
        def client(self, *_: Any, **__: Any) -> NewTable:
            return table

    session: Any = Session()
    return Aws(an_environment(), session, ACCOUNT)


def set_again(busy: timedelta) -> NewTable:
    clock = WaitingClock()
    table = NewTable(clock, busy)
    settings = TableSettings(
        ttl=Known(None),
        tags=Known({"managed_by_terraform": "y"}),
        encryption=Encryption(key=TableKey(arn="", manager="")),
    )
    try:
        bring_back(aws_with(table), TABLE, settings, clock, lambda _: None)
    except AwsError as error:
        table.done.append(str(error))
    return table


def test_recovery_that_can_be_switched_on_only_after_twelve_minutes() -> None:
    assert set_again(timedelta(minutes=12)).done == ["protection", "recovery", "tags"]


def test_recovery_that_stays_refused_is_an_error_and_leaves_the_tags_for_the_next_run() -> None:
    protection, error = set_again(timedelta(hours=1)).done

    assert protection == "protection"
    assert "Backups are being enabled" in error
    assert error.endswith("Run the same command again.")


def test_recovery_that_does_not_say_yet_which_moments_can_be_restored() -> None:
    table = NewTable(WaitingClock(), timedelta())
    table.recovery = {"PointInTimeRecoveryStatus": "ENABLED"}

    with pytest.raises(AwsError, match="Run the same command again in five minutes"):
        recovery_window(aws_with(table), TABLE)
