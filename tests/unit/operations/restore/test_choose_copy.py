"""Which copy is meant, and what is said when it cannot come back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cabal_backup.errors import AwsError, NoRecoveryPointError, RefusedError, UsageError
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.restore.select_point import CopyBackRequest, choose_copy
from tests.builders import ACCOUNT, an_environment
from tests.unit.operations.status.builders import (
    LAST_NIGHT,
    MAILSTORE_ARN,
    NOW,
    TABLE_ARN,
    a_point,
    nightly,
)

OTHER_ARN = f"arn:aws:elasticfilesystem:us-west-1:{ACCOUNT}:file-system/fs-0fedcba9876543210"
COPIES = nightly("dr")


class Session:
    """Of an AWS Backup that describes every recovery point as cold."""

    def client(self, *_: object, **__: object) -> Session:
        return self

    def describe_recovery_point(self, **_: str) -> dict[str, str]:
        return {"StorageClass": "COLD"}


def choose(points: list[RecoveryPoint], what: str, **wanted: object) -> RecoveryPoint:
    session: Any = Session()
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
