"""The check `quotas` does not call a quota high enough that it has not seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cabal_backup.operations.aws.results import Known, Unknown
from cabal_backup.operations.doctor import quotas
from cabal_backup.operations.doctor.quotas import Used
from cabal_backup.operations.status.findings import Status
from tests.unit.operations.status.builders import a_state


def used(**known: Any) -> Used:
    """What one region uses: nothing, and Service Quotas lists nothing."""
    zero = Known(0)
    nothing: dict[str, Any] = {
        "quotas": [Known({})],
        "vaults": Known(frozenset()),
        "plans": zero,
        "tables": zero,
        "file_systems": Known({}),
    }
    return Used(**{**nothing, **known})


def test_a_quota_that_is_not_listed_is_unknown() -> None:
    state = a_state()
    seen = quotas.judge(state, {region.region: used() for region in state.regions})
    assert seen.status is Status.UNKNOWN
    assert "Service Quotas in us-west-1 does not list " in seen.evidence


def test_a_plan_that_may_not_be_looked_at_is_not_a_missing_one() -> None:
    """The quota has room for the plans that exist, and not for one more."""
    state = replace(a_state(), plan=Unknown("ListBackupPlans: AccessDenied"))
    quota = {"QuotaCode": "L-BD69F607", "Value": 1.0, "Adjustable": False}
    seen = quotas.judge(
        state, {"us-west-1": used(quotas=[Known({"L-BD69F607": quota})], plans=Known(1))}
    )
    assert seen.status is Status.UNKNOWN
    assert "ListBackupPlans: AccessDenied" in seen.evidence


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ("us-west-1", "needed 4 (2 exist in vpc-mail, a restored file system gets 2)"),
        ("us-west-2", "needed 4 (3 exist in vpc-other, a restored file system gets 1)"),
    ],
)
def test_mount_targets_are_counted_in_one_vpc(region: str, words: str) -> None:
    """https://docs.aws.amazon.com/efs/latest/ug/limits.html"""
    state = a_state()
    mounted = {
        state.environment.mailstore_file_system_id: ["vpc-mail", "vpc-mail"],
        "fs-0fedcba9876543210": ["vpc-other", "vpc-other", "vpc-other"],
        "fs-0fedcba9876543211": [],
    }
    quota = {"QuotaCode": "L-7391004C", "Value": 3.0, "Adjustable": False}
    listed = [Known({"L-7391004C": quota}), Unknown("ListServiceQuotas: AccessDenied")]
    seen = quotas.judge(state, {region: used(quotas=listed, file_systems=Known(mounted))})
    assert seen.status is Status.FAIL
    assert seen.details == (f"{region}: mount targets per VPC: 3, {words}",)
