"""The air-gapped vault: as configured, complete, and shared with the configured accounts only."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cabal_backup.operations.aws.results import Known
from cabal_backup.operations.status.findings import Finding
from cabal_backup.operations.status.state import PlanVersion, Share
from tests.builders import OTHER_ACCOUNT, THIRD_ACCOUNT
from tests.unit.operations.status.builders import (
    DENIED,
    LAST_NIGHT,
    NOW,
    PLAN_ID,
    SHARE_ARN,
    TABLE_ARN,
    THIRD_VAULT_ARN,
    a_copy_action,
    a_copy_job,
    a_copy_limit,
    a_plan,
    a_point,
    a_point_arn,
    a_role,
    a_rule,
    a_state,
    a_third_copy_action,
    a_vault,
    an_air_gapped_vault,
    finding,
    not_ok,
)

SETTINGS = {"air_gapped": True, "air_gapped_share_with": [THIRD_ACCOUNT]}
BOTH = [a_copy_action(), a_third_copy_action()]


def state(settings: dict[str, Any] | None = None, **changes: Any) -> Any:
    targets = [
        *a_copy_limit()["Statement"][0]["Condition"]["ForAnyValue:ArnNotLike"][
            "backup:CopyTargets"
        ],
        THIRD_VAULT_ARN,
    ]
    limit = a_copy_limit(Condition={"ForAnyValue:ArnNotLike": {"backup:CopyTargets": targets}})
    usual = {
        "air_gapped": an_air_gapped_vault(),
        "plan": Known(a_plan(a_rule(CopyActions=BOTH))),
        "role": Known(a_role(inline={"cabal-backup-copy-targets": limit})),
    }
    return a_state(SETTINGS | (settings or {}), **(usual | changes))


def seen(**changes: Any) -> Finding:
    """What the check says about a healthy vault with these changes."""
    return finding("air-gapped", state(air_gapped=an_air_gapped_vault(**changes)))


def shared(status: str, hours: float, account: str = THIRD_ACCOUNT) -> Any:
    invited = NOW - timedelta(hours=hours)
    return Known({account: Share(arn=SHARE_ARN, status=status, invited=invited)})


def test_it_is_off_without_the_setting() -> None:
    assert finding("air-gapped").status == "off"


def test_a_healthy_one() -> None:
    assert not_ok(state()) == {}
    assert finding("air-gapped", state()).evidence == (
        "cabal-backup-air-gapped in us-west-2 has 28 copies, from 2026-03-18 00:20 UTC on. No one "
        "can delete them before they expire. Shared with 210987654321."
    )
    plan = finding("plan", state()).evidence
    assert plan.endswith("copied to cabal-backup-air-gapped, never cold, deleted after 14.")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"vault": Known(None)}, "There is no vault cabal-backup-air-gapped"),
        ({"vault": Known(a_vault(VaultState="CREATING"))}, "is CREATING"),
        ({"vault": Known(a_vault())}, "accepts 30 to 365 days, which can never be changed"),
    ],
)
def test_a_vault_that_is_not_as_configured_fails(changes: dict[str, Any], words: str) -> None:
    found = seen(**changes)
    assert found.status == "fail"
    assert words in found.evidence


def test_a_missing_copy_fails_with_the_command_that_makes_it() -> None:
    points = an_air_gapped_vault().points
    assert isinstance(points, Known)
    found = seen(points=Known(points.value[1:]))
    assert found.status == "fail"
    assert found.evidence == "1 recovery point without a copy in cabal-backup-air-gapped."
    assert f"--destination-backup-vault-arn={THIRD_VAULT_ARN}" in found.hint
    assert a_point_arn(LAST_NIGHT, TABLE_ARN) in found.hint
    assert "--lifecycle=DeleteAfterDays=14" in found.hint


def test_a_copy_that_runs_is_not_missing() -> None:
    points = an_air_gapped_vault().points
    assert isinstance(points, Known)
    job = a_copy_job(a_point(), DestinationBackupVaultArn=THIRD_VAULT_ARN, State="RUNNING")
    changed = an_air_gapped_vault(points=Known(points.value[1:]))
    jobs = Known([*known(state().copy_jobs), job])
    assert finding("air-gapped", state(air_gapped=changed, copy_jobs=jobs)).status == "ok"


def known(answer: Any) -> list[Any]:
    assert isinstance(answer, Known)
    return list(answer.value)


def test_no_copy_is_expected_of_nights_before_the_vault_or_the_copy_action() -> None:
    young = Known(
        a_vault(MinRetentionDays=7, MaxRetentionDays=30, CreationDate=NOW - timedelta(days=2))
    )
    points = Known(known(an_air_gapped_vault().points)[:4])
    assert seen(vault=young, points=points).status == "ok"
    assert seen(points=points).status == "fail"
    plan = a_plan(a_rule(CopyActions=BOTH))
    before = PlanVersion(created=plan.created, plan=a_plan().plan)
    since = PlanVersion(created=NOW - timedelta(days=2), plan=plan.plan)
    changed = state(
        air_gapped=an_air_gapped_vault(points=points),
        plan=Known(replace(plan, versions=(before, since))),
    )
    assert finding("air-gapped", changed).status == "ok"


@pytest.mark.parametrize(
    ("shares", "status", "words"),
    [
        (Known({}), "fail", "not shared with 210987654321"),
        (shared("ASSOCIATING", 11), "warn", "it can until 2026-03-31 15:00 UTC"),
        (shared("ASSOCIATING", 13), "fail", "did not accept the invitation"),
        (shared("FAILED", 1), "fail", "(FAILED)"),
        (DENIED, "unknown", "the shares of cabal-backup-air-gapped"),
    ],
)
def test_a_share_that_is_not_accepted(shares: Any, status: str, words: str) -> None:
    found = seen(shares=shares)
    assert found.status == status
    assert words in found.evidence


def test_a_share_with_another_account_fails() -> None:
    shares = {
        **known_shares(),
        OTHER_ACCOUNT: Share(arn=SHARE_ARN, status="ASSOCIATED", invited=NOW),
    }
    found = seen(shares=Known(shares))
    assert found.status == "fail"
    assert f"shared with {OTHER_ACCOUNT}, not configured" in found.evidence
    assert f"--principals={OTHER_ACCOUNT}" in found.hint


def known_shares() -> dict[str, Share]:
    shares = an_air_gapped_vault().shares
    assert isinstance(shares, Known)
    return dict(shares.value)


def test_the_plan_without_the_third_copy_fails() -> None:
    found = finding("plan", state(plan=Known(a_plan())))
    assert found.status == "fail"
    assert found.details == ("there are 1 copy actions, not 2",)


def test_another_lifecycle_of_the_third_copy_fails() -> None:
    actions = [a_third_copy_action() | {"Lifecycle": {"DeleteAfterDays": 7}}, a_copy_action()]
    found = finding("plan", state(plan=Known(a_plan(a_rule(CopyActions=actions)))))
    assert found.details == (
        "lifecycle of the copy: never cold, deleted after 7, should be never cold, deleted after "
        "14",
    )


@pytest.mark.parametrize("settings", [SETTINGS, {}])
def test_a_copy_to_it_is_not_foreign_also_after_it_was_switched_off(
    settings: dict[str, Any],
) -> None:
    job = a_copy_job(a_point(), DestinationBackupVaultArn=THIRD_VAULT_ARN)
    changes = {"air_gapped": an_air_gapped_vault()} if settings else {}
    changed = a_state(settings, copy_jobs=Known([job]), **changes)
    assert finding("foreign-copies", changed).status == "ok"


def test_a_failed_copy_to_it_stands_although_the_other_one_completed() -> None:
    source = a_point()
    failed = a_copy_job(source, DestinationBackupVaultArn=THIRD_VAULT_ARN, State="FAILED")
    points = known(an_air_gapped_vault().points)
    third = an_air_gapped_vault(points=Known(points[1:]))
    jobs = Known([*known(state().copy_jobs), failed])
    assert finding("copy-jobs", state(air_gapped=third, copy_jobs=jobs)).status == "fail"
    assert finding("copy-jobs", state(copy_jobs=jobs)).status == "warn"
    assert source.plan_id == PLAN_ID
