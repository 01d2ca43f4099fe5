"""The vaults, their locks, and the opt-in of their regions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cabal_backup.operations.answers import Known, Unknown
from cabal_backup.operations.status.checks.outcome import (
    Outcome,
    deploy,
    fail,
    moment,
    not_there,
    ok,
    plural,
    unknown,
)
from cabal_backup.operations.status.state import RegionState, State


def vault(state: State, region: RegionState) -> Outcome:
    where = f"{region.vault_name} in {region.region}"
    if isinstance(region.vault, Unknown):
        return unknown(region.vault, looking_at=f"the vaults in {region.region}")
    if region.vault.value is None:
        return fail(
            f"There is no vault {where}: nothing is protected there.",
            f"If it was never made: {deploy(state.environment.name)}",
        )
    count = region.vault.value.get("NumberOfRecoveryPoints", 0)
    return ok(f"{where} holds about {plural(count, 'recovery point')}.")


def lock(state: State, region: RegionState) -> Outcome:
    where = f"{region.vault_name} in {region.region}"
    if isinstance(region.vault, Unknown):
        return unknown(region.vault, looking_at=f"the lock of {where}")
    if region.vault.value is None:
        return not_there(f"vault {where}")
    seen, wanted = region.vault.value, state.environment.lock
    put_back = (
        f"aws backup put-backup-vault-lock-configuration --region {region.region} "
        f"--backup-vault-name={region.vault_name} --min-retention-days {wanted.min_days} "
        f"--max-retention-days {wanted.max_days}"
    )
    if not seen.get("Locked"):
        return fail(
            f"The lock of {where} is off: whoever may delete recovery points can delete all "
            f"of them. {_removal(region)}",
            f"Put it back: {put_back}",
        )
    if seen.get("LockDate") and seen["LockDate"] <= state.now:
        return fail(
            f"The lock of {where} has been in compliance mode since {moment(seen['LockDate'])}: "
            "nobody can ever remove or change it.",
            "Nothing takes it off, and its recovery points go only as they expire. It was not made "
            "by this project: find out in CloudTrail who did "
            "(PutBackupVaultLockConfiguration).",
        )
    if seen.get("LockDate"):
        return fail(
            f"The lock of {where} is in compliance mode: from {moment(seen['LockDate'])} nobody "
            "can ever remove or change it.",
            "Before that moment: aws backup delete-backup-vault-lock-configuration --region "
            f"{region.region} --backup-vault-name={region.vault_name}, then: {put_back}",
        )
    least, most = seen.get("MinRetentionDays"), seen.get("MaxRetentionDays")
    if (least, most) != (wanted.min_days, wanted.max_days):
        return fail(
            f"{where} is locked to {_range(least, most)}, and should be locked to "
            f"{_range(wanted.min_days, wanted.max_days)}.",
            f"Put it right: {put_back}",
        )
    return ok(f"{where} is locked in governance mode, {_range(least, most)}.")


def opt_in(region: RegionState) -> Outcome:
    if isinstance(region.settings, Unknown):
        return unknown(region.settings, looking_at=f"the region settings of {region.region}")
    off = [
        what
        for what, preference in (
            ("the service opt-in", "ResourceTypeOptInPreference"),
            ("full management", "ResourceTypeManagementPreference"),
        )
        if not region.settings.value.get(preference, {}).get("DynamoDB")
    ]
    if off:
        return fail(
            f"Advanced DynamoDB backup is off in {region.region} ({' and '.join(off)}): recovery "
            "points of the table made without it can never be copied to the other region.",
            f"aws backup update-region-settings --region {region.region} "
            "--resource-type-opt-in-preference DynamoDB=true "
            "--resource-type-management-preference DynamoDB=true",
        )
    return ok(f"Advanced DynamoDB backup is on in {region.region}.")


def _range(least: int | None, most: int | None) -> str:
    return f"{least or 'no minimum'} to {most or 'no maximum'} days"


def _removal(region: RegionState) -> str:
    if not isinstance(region.lock_removal, Known):
        return f"Who took it off is not known: {region.lock_removal.reason}"
    event = region.lock_removal.value
    if event is None:
        return "CloudTrail, which remembers 90 days, does not know of a removal."
    return f"Taken off at {moment(event['EventTime'])} by {_who(event)}."


def _who(event: Mapping[str, Any]) -> str:
    try:
        arn = json.loads(event["CloudTrailEvent"])["userIdentity"]["arn"]
    except (KeyError, TypeError, ValueError):
        return str(event.get("Username", "somebody CloudTrail does not name"))
    return str(arn)
