"""The deployment in this account: its vaults, their locks, and the opt-in of their regions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

from cabal_backup import names
from cabal_backup.operations.aws.results import Known, Unknown
from cabal_backup.operations.status.checks.outcome import (
    all_known,
    caller,
    fail,
    known,
    listed,
    not_there,
    ok,
    warn,
)
from cabal_backup.operations.status.findings import Outcome
from cabal_backup.operations.status.state import Policy, RegionState, State, VaultState
from cabal_backup.text import moment, plural

DEPLOYMENT = "deployment"
"""The id of the check on which all others rest."""

REPORTED = timedelta(days=7)
"""How long the removal of a lock is reported after the lock is back. Deletions meanwhile are
reported for 90 days, and missing recovery points for as long as they are missing.
"""


def deployment(state: State) -> Outcome:
    """Fails where the account has neither vault nor plan, or has those of another environment.

    All environments use the same names; the tag `environment` of the role says which it is. It
    arrives with GetRole.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html
    """
    name, environment = state.environment.name, state.environment
    where = f"account {state.account}, {environment.region} and {environment.dr_region}"
    other = recorded_environment(state)
    if other not in (None, name):
        return fail(
            f"{name} is not deployed in account {state.account}: the role {names.ROLE} there "
            f"belongs to the environment {other}.",
            f"Correct account and profile of {name}, or look at the other one: cabal-backup "
            f"status {environment.options_of(other)}",
        )
    answers = (state.primary.vault, state.dr.vault, state.plan)
    if all(answer == Known(None) for answer in answers):
        return fail(
            f"{name} is not deployed: there is neither a vault nor a plan in {where}.",
            f"cabal-backup doctor {environment.options}, then {state.deploy_command}. If it is "
            "deployed elsewhere, correct its account, region and dr_region.",
        )
    if not any(answer.value_or(None) for answer in (*answers, state.role)):
        all_known(answers, looking_at=f"whether {name} is deployed")
    # That the role is not known is a finding of the check `role`.
    return ok(f"{name} is deployed in {where}.")


def recorded_environment(state: State) -> str | None:
    """The environment that the role records; None without a role or a tag, and where the role is
    not known.
    """
    role = state.role.value_or(None)
    tags = {tag["Key"]: tag["Value"] for tag in role.role.get("Tags", ())} if role else {}
    return tags.get(names.ENVIRONMENT_TAG)


def vault(state: State, region: VaultState) -> Outcome:
    """Does the vault exist, without an access policy?"""
    where = f"{region.vault_name} in {region.region}"
    seen = known(region.vault, looking_at=f"the vaults in {region.region}")
    if seen is None:
        return fail(
            f"There is no vault {where}: nothing is protected there.",
            f"If it was never made: {state.deploy_command}",
        )
    vault_state = seen.get("VaultState", "AVAILABLE")
    if vault_state != "AVAILABLE":
        return fail(
            f"The vault {where} is {vault_state}.",
            "AWS Backup cannot use it in this state: ask AWS Support, unless it was just created.",
        )
    policy = known(region.policy, looking_at=f"the access policy of {where}")
    if policy is not None:
        return warn(
            f"{where} has an access policy, and none is deployed: it may block AWS Backup, or give "
            "others access.",
            "Find out in CloudTrail who set it (PutBackupVaultAccessPolicy). To remove it: aws "
            f"backup delete-backup-vault-access-policy --region {region.region} "
            f"--backup-vault-name={region.vault_name}",
            details=_statements(policy),
        )
    count = seen.get("NumberOfRecoveryPoints", 0)
    return ok(f"{where} holds about {plural(count, 'recovery point')}.")


def lock(state: State, region: RegionState) -> Outcome:
    """Is the vault locked as configured?"""
    where = f"{region.vault_name} in {region.region}"
    seen, wanted = known(region.vault, looking_at=f"the lock of {where}"), state.environment.lock
    if seen is None:
        return not_there(f"vault {where}")
    put_back = (
        f"cabal-backup relock {state.environment.options} --vault {region.which} "
        "(docs/runbooks/locks.md#on). Or, without the tool: "
        f"aws backup put-backup-vault-lock-configuration --region {region.region} "
        f"--backup-vault-name={region.vault_name} --min-retention-days {wanted.min_days} "
        f"--max-retention-days {wanted.max_days}"
    )
    if not seen.get("Locked"):
        return fail(
            f"The lock of {where} is off: every user who may delete recovery points can delete "
            f"all of them. {_removal(region)}",
            f"Put it back: {put_back}",
        )
    if seen.get("LockDate") and seen["LockDate"] <= state.now:
        return fail(
            f"The lock of {where} has been in compliance mode since {moment(seen['LockDate'])}: "
            "it can never be removed or changed.",
            "Its recovery points are deleted only when they expire. It was not made by this "
            "project: find out in CloudTrail who did (PutBackupVaultLockConfiguration).",
        )
    if seen.get("LockDate"):
        return fail(
            f"The lock of {where} is in compliance mode: from {moment(seen['LockDate'])} on it can "
            "never be removed or changed.",
            "Before that moment: aws backup delete-backup-vault-lock-configuration --region "
            f"{region.region} --backup-vault-name={region.vault_name}, then: {put_back}",
        )
    least, most = seen.get("MinRetentionDays"), seen.get("MaxRetentionDays")
    if (least, most) != (wanted.min_days, wanted.max_days):
        return fail(
            f"{where} is locked to {_range(least, most)}, and should be locked to "
            f"{_range(wanted.min_days, wanted.max_days)}.",
            f"To correct it: {put_back}",
        )
    removals = known(
        region.lock_removals, looking_at=f"whether the lock of {where} was off meanwhile"
    )
    locked = f"{where} is locked in governance mode, {_range(least, most)}."
    if removals and removals[0]["EventTime"] >= state.now - REPORTED:
        return warn(
            f"{locked} But it was off: {_removal(region)}",
            "While it was off, recovery points could be deleted, or their lifecycle changed. "
            "nights, dr-copies, primary-points and dr-points say what is missing.",
        )
    return ok(locked)


def opt_in(region: RegionState) -> Outcome:
    """Is advanced DynamoDB backup on?"""
    settings = known(region.settings, looking_at=f"the region settings of {region.region}")
    off = [
        what
        for what, preference in (
            ("the service opt-in", settings.get("ResourceTypeOptInPreference", {})),
            ("full management", settings.get("ResourceTypeManagementPreference", {})),
        )
        if not preference.get(names.DYNAMODB)
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
    if isinstance(region.lock_removals, Unknown):
        return f"Who removed it is not known: {region.lock_removals.reason}"
    if not region.lock_removals.value:
        return "CloudTrail, which keeps 90 days, has no record of a removal."
    event = region.lock_removals.value[0]
    return f"Removed at {moment(event['EventTime'])} by {caller(event)}."


def _statements(policy: str) -> list[str]:
    """One line about each statement of an access policy."""
    return [
        f"{one.get('Effect')} {_short(one, 'Action')} to {_short(one, 'Principal')}"
        + (" under a condition" if one.get("Condition") else "")
        for one in listed(json.loads(policy).get("Statement"))
    ]


def _short(statement: Policy, element: str) -> str:
    """An element of a statement, or its negation, for people."""
    if f"Not{element}" in statement:
        return f"all but {_short({element: statement[f'Not{element}']}, element)}"
    given = statement.get(element)
    if isinstance(given, Mapping):
        given = [one for each in given.values() for one in listed(each)]
    return ", ".join(str(one) for one in listed(given))
