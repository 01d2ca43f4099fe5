"""Vaults, locks and the opt-in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cabal_backup.operations.aws.results import Known, Unknown
from tests.unit.operations.status.builders import DENIED, a_region, a_vault, at, finding

PUT_BACK = (
    "cabal-backup relock -e prod --vault primary (docs/runbooks/locks.md#on). Or, without the "
    "tool: aws backup put-backup-vault-lock-configuration --region us-west-1 --backup-vault-name="
    "cabal-backup --min-retention-days 30 --max-retention-days 365"
)


def vault(**changes: Any) -> dict[str, Any]:
    return {"primary": a_region("primary", vault=Known(a_vault(**changes)))}


def unlocked(removal: Any) -> dict[str, Any]:
    region = a_region(
        "primary", vault=Known({"BackupVaultName": "cabal-backup"}), lock_removals=removal
    )
    return {"primary": region}


def an_event(**changes: Any) -> dict[str, Any]:
    record = {"userIdentity": {"arn": "arn:aws:sts::123456789012:assumed-role/admin/alice"}}
    return {
        "EventTime": at("2026-03-30 17:05"),
        "Username": "alice",
        "CloudTrailEvent": json.dumps(record),
        **changes,
    }


def test_a_locked_vault() -> None:
    assert finding("primary-vault").evidence == (
        "cabal-backup in us-west-1 holds about 80 recovery points."
    )
    assert finding("dr-lock").evidence == (
        "cabal-backup-dr in us-west-2 is locked in governance mode, 30 to 365 days."
    )


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 recovery points"), (1, "1 recovery point"), (1460, "1,460 rec")]
)
def test_points_are_counted_in_plain_english(count: int, words: str) -> None:
    assert (
        f"about {words}" in finding("primary-vault", **vault(NumberOfRecoveryPoints=count)).evidence
    )


def test_a_missing_vault_fails_and_its_lock_is_not_known() -> None:
    missing = {"dr": a_region("dr", vault=Known(None), points=Known([]))}

    assert finding("dr-vault", **missing).status == "fail"
    assert finding("dr-vault", **missing).hint.endswith("make deploy ENVIRONMENT=prod")
    assert finding("dr-lock", **missing).status == "unknown"


@pytest.mark.parametrize(
    ("least", "most", "words"),
    [
        (29, 365, "29 to 365 days"),
        (31, 365, "31 to 365 days"),
        (30, 364, "30 to 364 days"),
        (30, 366, "30 to 366 days"),
        (1, 36500, "1 to 36500 days"),
        (30, None, "30 to no maximum days"),
        (None, 365, "no minimum to 365 days"),
    ],
)
def test_a_lock_of_another_range_fails(least: int | None, most: int | None, words: str) -> None:
    seen = finding("primary-lock", **vault(MinRetentionDays=least, MaxRetentionDays=most))

    assert seen.status == "fail"
    assert seen.evidence == (
        f"cabal-backup in us-west-1 is locked to {words}, and should be locked to 30 to 365 days."
    )
    assert seen.hint == f"To correct it: {PUT_BACK}"


def test_compliance_mode_fails_however_right_its_range() -> None:
    seen = finding("primary-lock", **vault(LockDate=at("2026-04-03 09:30")))

    assert seen.status == "fail"
    assert "compliance mode: from 2026-04-03 09:30 UTC on it can never be" in seen.evidence
    assert "aws backup delete-backup-vault-lock-configuration --region us-west-1" in seen.hint
    assert seen.hint.endswith(PUT_BACK)


def test_of_a_lock_in_compliance_mode_for_good_nothing_can_be_undone() -> None:
    seen = finding("primary-lock", **vault(LockDate=at("2026-03-01 09:30")))

    assert seen.status == "fail"
    assert "2026-03-01 09:30 UTC" in seen.evidence
    assert "delete-backup-vault-lock-configuration" not in seen.hint


def test_a_removed_lock_names_who_and_when() -> None:
    seen = finding("primary-lock", **unlocked(Known([an_event()])))

    assert seen.status == "fail"
    assert seen.evidence.endswith(
        "Removed at 2026-03-30 17:05 UTC by arn:aws:sts::123456789012:assumed-role/admin/alice."
    )
    assert seen.hint == f"Put it back: {PUT_BACK}"


@pytest.mark.parametrize(
    ("event", "who"),
    [
        (an_event(CloudTrailEvent="not JSON"), "alice"),
        (an_event(CloudTrailEvent="{}"), "alice"),
        (
            {"EventTime": at("2026-03-30 17:05")},
            "a caller that CloudTrail does not name",
        ),
    ],
)
def test_a_sparse_record_does_not_hide_the_removal(event: dict[str, Any], who: str) -> None:
    assert finding("primary-lock", **unlocked(Known([event]))).evidence.endswith(f"by {who}.")


@pytest.mark.parametrize(
    ("removal", "words"),
    [
        (Known([]), "has no record of a removal"),
        (Unknown("LookupEvents: AccessDeniedException"), "not known: LookupEvents: AccessDenied"),
    ],
)
def test_a_removal_without_a_record_still_fails(removal: Any, words: str) -> None:
    seen = finding("primary-lock", **unlocked(removal))

    assert seen.status == "fail"
    assert words in seen.evidence


@pytest.mark.parametrize("check", ["primary-vault", "primary-lock"])
def test_vaults_that_cannot_be_listed_are_unknown(check: str) -> None:
    assert finding(check, primary=a_region("primary", vault=DENIED)).status == "unknown"


@pytest.mark.parametrize(
    ("opted_in", "managed", "status", "words"),
    [
        (True, True, "ok", "is on"),
        (True, False, "fail", "(full management)"),
        (False, True, "fail", "(the service opt-in)"),
        (False, False, "fail", "(the service opt-in and full management)"),
        (None, None, "fail", "(the service opt-in and full management)"),
    ],
)
def test_the_opt_in_is_two_switches(
    opted_in: bool | None, managed: bool | None, status: str, words: str
) -> None:
    def switch(value: bool | None) -> dict[str, bool]:
        return {"EFS": True} if value is None else {"EFS": True, "DynamoDB": value}

    settings = {
        "ResourceTypeOptInPreference": switch(opted_in),
        "ResourceTypeManagementPreference": switch(managed),
    }

    seen = finding("dr-opt-in", dr=a_region("dr", settings=Known(settings)))

    assert seen.status == status
    assert words in seen.evidence
    assert ("--region us-west-2" in seen.hint) is (status == "fail")


def test_settings_that_cannot_be_read_are_unknown() -> None:
    region = a_region("primary", settings=DENIED)

    assert finding("primary-opt-in", primary=region).status == "unknown"


# --- access policy and state

POLICY = """{"Statement": [{"Effect": "Deny", "Principal": {"AWS": "*"},
"Action": ["backup:CopyIntoBackupVault", "backup:StartRestoreJob"], "Resource": "*"}]}"""


@pytest.mark.parametrize("which", ["primary", "dr"])
def test_any_access_policy_is_a_warning_and_is_read(which: str) -> None:
    seen = finding(f"{which}-vault", **{which: a_region(which, policy=Known(POLICY))})

    assert seen.status == "warn"
    assert seen.details == ("Deny backup:CopyIntoBackupVault, backup:StartRestoreJob to *",)
    assert "aws backup delete-backup-vault-access-policy" in seen.hint


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ('{"Effect": "Allow", "Principal": "*", "Action": "backup:A"}', "Allow backup:A to *"),
        (
            '{"Effect": "Deny", "NotPrincipal": {"AWS": ["a", "b"]}, "NotAction": "backup:A",'
            ' "Condition": {"Bool": {}}}',
            "Deny all but backup:A to all but a, b under a condition",
        ),
    ],
)
def test_what_a_statement_says(statement: str, words: str) -> None:
    policy = f'{{"Statement": {statement}}}'

    assert finding("dr-vault", dr=a_region("dr", policy=Known(policy))).details == (words,)


def test_a_policy_that_cannot_be_read_is_unknown() -> None:
    assert finding("dr-vault", dr=a_region("dr", policy=DENIED)).status == "unknown"


@pytest.mark.parametrize("state", ["FAILED", "CREATING"])
def test_a_vault_that_is_not_available_fails(state: str) -> None:
    region = a_region("primary", vault=Known(a_vault(VaultState=state)))

    assert finding("primary-vault", primary=region).status == "fail"
