"""The air-gapped vault: is it as configured, complete, and shared with the right accounts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cabal_backup import names
from cabal_backup.operations.aws.results import Unknown
from cabal_backup.operations.status.checks import vaults
from cabal_backup.operations.status.checks.copies import copies_in, named
from cabal_backup.operations.status.checks.outcome import fail, off, ok, unknown, warn
from cabal_backup.operations.status.findings import NOT_OK, Outcome, Status
from cabal_backup.operations.status.state import LOOK_BACK, AirGapped, State
from cabal_backup.text import moment, plural

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import BackupVaultListMemberTypeDef

INVITATION = timedelta(hours=12)
"""How long an invitation to a resource share can be accepted.

https://docs.aws.amazon.com/aws-backup/latest/devguide/logicallyairgappedvault.html
"""

RUNBOOK = "docs/runbooks/air-gapped.md"


def air_gapped(state: State) -> Outcome:
    """Does the vault exist, with a copy of the last nights, and is its share accepted?"""
    seen = state.air_gapped
    if seen is None:
        return off("air_gapped is false: there is no third copy.")
    vault, found = seen.vault.value_or(None), vaults.vault(state, seen)
    if vault is None or found.status is not Status.OK:
        return found
    copies = _copies(state, seen)
    outcomes = [limits(state, vault), _others(state, seen), copies, _shares(state, seen)]
    order = (*NOT_OK, Status.OFF, Status.OK)
    worst = min(outcomes, key=lambda outcome: order.index(outcome.status))
    if worst.status is not Status.OK:
        return worst
    accounts = state.environment.air_gapped_share_with
    shared = f" Shared with {' and '.join(accounts)}." if accounts else ""
    return ok(f"{copies.evidence} No one can delete them before they expire.{shared}")


def limits(state: State, vault: BackupVaultListMemberTypeDef) -> Outcome:
    """Has the vault the configured limits? They never change."""
    environment = state.environment
    least, most = vault.get("MinRetentionDays"), vault.get("MaxRetentionDays")
    accepts = (
        f"{names.AIR_GAPPED_VAULT} in {environment.region_of_air_gapped} accepts {least} to "
        f"{most} days, which can never be changed"
    )
    if (least, most) == (environment.air_gapped_min_days, environment.air_gapped_max_days):
        return ok(f"{accepts}.")
    return fail(
        f"{accepts}: a deployment with other limits fails.",
        f"Set air_gapped_min_days={least} and air_gapped_max_days={most}. {RUNBOOK}#change-it",
    )


def _others(state: State, seen: AirGapped) -> Outcome:
    if isinstance(seen.shares, Unknown):
        return unknown(seen.shares, looking_at=f"the shares of {names.AIR_GAPPED_VAULT}")
    others = seen.shares.value.keys() - {*state.environment.air_gapped_share_with}
    if not others:
        return ok("")
    share = seen.shares.value[min(others)]
    return fail(
        f"{names.AIR_GAPPED_VAULT} is shared with {' and '.join(sorted(others))}, not configured: "
        "such an account can restore all mail and addresses.",
        "Find out in CloudTrail who shared it (CreateResourceShare, AssociateResourceShare). To "
        f"end it: aws ram disassociate-resource-share --region={seen.region} "
        f"--resource-share-arn={share.arn} --principals={min(others)}",
    )


def _copies(state: State, seen: AirGapped) -> Outcome:
    if isinstance(state.primary.points, Unknown) or isinstance(seen.points, Unknown):
        return unknown(
            state.primary.points, seen.points, looking_at=f"the copies in {seen.vault_name}"
        )
    since = _since(state, seen)
    due = [pair for pair in copies_in(state, seen) if pair.source.created > since]
    gaps = [pair for pair in due if pair.copy is None and not pair.may_still_come(state.now)]
    if gaps:
        newest = gaps[-1].source
        return fail(
            f"{plural(len(gaps), 'recovery point')} without a copy in {seen.vault_name}.",
            "copy-jobs gives the reason. To copy one: aws backup start-copy-job "
            f"--region={state.primary.region} --recovery-point-arn={newest.arn} "
            f"--source-backup-vault-name={names.VAULT} "
            f"--destination-backup-vault-arn={state.arn_of(seen)} "
            f"--iam-role-arn={state.role_arn} "
            f"--lifecycle=DeleteAfterDays={state.environment.air_gapped_delete_after_days}",
            details=[named(state, pair.source) for pair in gaps],
        )
    copied = [pair for pair in due if pair.copy is not None]
    if not copied:
        return off(f"There is no copy in {seen.vault_name} yet: the next night makes the first.")
    oldest = min(pair.source.created for pair in copied)
    return ok(
        f"{seen.vault_name} in {seen.region} has {plural(len(copied), 'copy', 'copies')}, "
        f"from {moment(oldest)} on."
    )


def _since(state: State, seen: AirGapped) -> datetime:
    """Copies are expected of recovery points from this time on."""
    days = min(timedelta(days=state.environment.air_gapped_delete_after_days), LOOK_BACK)
    plan = state.plan.value_or(None)
    planned: datetime | None = None
    for version in reversed(plan.versions if plan else ()):
        actions = [a for rule in version.plan["Rules"] for a in rule.get("CopyActions", [])]
        targets = {action["DestinationBackupVaultArn"] for action in actions}
        if state.arn_of(seen) not in targets:
            break
        planned = version.created
    return max(filter(None, [state.now - days, seen.vault_created, planned]))


def _shares(state: State, seen: AirGapped) -> Outcome:
    """Has each account accepted?"""
    accounts = state.environment.air_gapped_share_with
    if isinstance(seen.shares, Unknown):
        return unknown(seen.shares, looking_at=f"the shares of {names.AIR_GAPPED_VAULT}")
    shares, region = seen.shares.value, seen.region
    missing = [account for account in accounts if account not in shares]
    if missing:
        return fail(
            f"{names.AIR_GAPPED_VAULT} is not shared with {' and '.join(missing)}.",
            f"{state.deploy_command}, or if the share was changed: {state.revert_command}",
        )
    pending = [account for account in accounts if shares[account].status != "ASSOCIATED"]
    if not pending:
        return ok("")
    account, share = pending[0], shares[pending[0]]
    until = share.invited + INVITATION
    if state.now < until and share.status == "ASSOCIATING":
        return warn(
            f"{account} has not accepted the share of {names.AIR_GAPPED_VAULT}; it can until "
            f"{moment(until)}.",
            f"In that account: {RUNBOOK}#accept-the-share",
        )
    asked = f"--region={region} --resource-share-arn={share.arn} --principals={account}"
    return fail(
        f"{account} cannot restore from {names.AIR_GAPPED_VAULT}: it did not accept the "
        f"invitation of {moment(share.invited)} ({share.status}).",
        f"Invite it again: aws ram disassociate-resource-share {asked} && aws ram "
        f"associate-resource-share {asked}. Then accept it within 12 hours: "
        f"{RUNBOOK}#accept-the-share",
    )
