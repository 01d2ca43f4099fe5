"""The lifecycle of a recovery point: creation, cold storage, expiry, deletion."""

from __future__ import annotations

from datetime import datetime

from local_aws.backup import arns, reports
from local_aws.backup.core import Core, due
from local_aws.backup.resources import KINDS, refusal
from local_aws.backup.state import FileSystemImage, RecoveryPoint, Vault
from local_aws.backup.world import Scope

NO_SERVICE_LINKED_ROLE = "the service-linked role AWSServiceRoleForBackup does not exist"
EXPIRED_MESSAGE = "AWS Backup could not delete the recovery point with its role: {reason}"


def state_of(core: Core, vault: Vault) -> str:
    """`VaultState`; a job into a vault that is not AVAILABLE fails."""
    if vault.available is not None and core.now() < vault.available:
        return "CREATING"
    return core.faults.vault_state(vault.name)


def vault_of(core: Core, point: RecoveryPoint) -> Vault:
    """The vault of a point, in whichever account and region."""
    return core.state.region(arns.vault_name(point.vault_arn)[0]).vaults[point.vault_name]


def add(core: Core, scope: Scope, vault: Vault, point: RecoveryPoint) -> None:
    vault.points[point.arn] = point
    vault.just_emptied = False
    if isinstance(point.image, FileSystemImage):
        uses = core.state.tree_uses
        uses[point.image.tree] = uses.get(point.image.tree, 0) + 1
    reports.point_changed(core, scope, point)


def complete(
    core: Core,
    scope: Scope,
    point: RecoveryPoint,
    *,
    status: str = "COMPLETED",
    message: str | None = None,
) -> None:
    """The point is created, complete or PARTIAL; its lifecycle begins."""
    point.status, point.status_message = status, message
    point.completed = core.now()
    reports.point_changed(core, scope, point)
    plan_lifecycle(core, scope, point)


def plan_lifecycle(core: Core, scope: Scope, point: RecoveryPoint) -> None:
    """Schedule the lifecycle's events; those in the past happen at once."""
    expiry = point.lifecycle.delete_at(point.created)
    if expiry is not None:
        # AWS Backup deletes at any moment within the hours after DeleteAt.
        expiry += core.rng.random() * core.settings.longest_expiry_delay
    moments = (("point.cool", cold_at(point)), ("point.expire", expiry))
    for action, moment in moments:
        if moment is not None:
            at = max(moment, core.now())
            core.state.agenda.add(at, action, scope, point.vault_name, point.arn)


def cold_at(point: RecoveryPoint) -> datetime | None:
    """When the point moves to cold storage; only those that AWS Backup fully manages do."""
    return point.lifecycle.cold_at(point.created) if point.advanced else None


@due("point.cool")
def cool(core: Core, scope: Scope, vault_name: str, arn: str) -> None:
    point = _find(core, scope, vault_name, arn)
    moment = cold_at(point) if point else None
    if point is None or moment is None or moment > core.now() or point.storage_class != "WARM":
        return
    held = core.state.region(scope).hold_on(arn, core.now()) is not None
    if point.sound and (core.settings.held_points_cool or not held):
        point.storage_class = "COLD"
        reports.point_changed(core, scope, point)


@due("point.expire")
def expire(core: Core, scope: Scope, vault_name: str, arn: str) -> None:
    if core.faults.is_held("expiry"):
        core.park(scope, "point.expire", vault_name, arn)
        return
    point = _find(core, scope, vault_name, arn)
    moment = point.lifecycle.delete_at(point.created) if point else None
    if point is None or moment is None or moment > core.now():
        return
    if core.state.region(scope).hold_on(arn, core.now()) is None:
        delete(core, scope, point)


def delete(core: Core, scope: Scope, point: RecoveryPoint) -> None:
    """Delete with the service-linked role and the role that created the point.

    Without either, the point becomes EXPIRED.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/deleting-backups.html
    """
    permissions = KINDS[point.resource_type].delete_permissions(point)
    reason = NO_SERVICE_LINKED_ROLE if core.faults.lacks_service_linked_role else None
    reason = reason or refusal(core, scope, point.iam_role_arn, permissions)
    if reason is not None:
        point.status = "EXPIRED"
        point.status_message = EXPIRED_MESSAGE.format(reason=reason)
        reports.point_changed(core, scope, point)
        return
    if point.status != "DELETING":
        point.status = "DELETING"
        reports.point_changed(core, scope, point)
        delay = core.settings.deletion_duration
        core.later(delay, "point.remove", scope, point.vault_name, point.arn)


@due("point.remove")
def remove(core: Core, scope: Scope, vault_name: str, arn: str) -> None:
    """Remove the point, and the content that no other point uses."""
    point = _find(core, scope, vault_name, arn)
    if point is None:
        return
    region = core.state.region(scope)
    vault = region.vaults[vault_name]
    del vault.points[arn]
    vault.just_emptied = not vault.points
    region.tags.pop(arn, None)
    if isinstance(point.image, FileSystemImage):
        tree = point.image.tree
        core.state.tree_uses[tree] -= 1
        if not core.state.tree_uses[tree]:
            del core.state.tree_uses[tree]
            core.trees.drop(tree)


def _find(core: Core, scope: Scope, vault_name: str, arn: str) -> RecoveryPoint | None:
    vault = core.state.region(scope).vaults.get(vault_name)
    return vault.points.get(arn) if vault else None
