"""The role: without it nothing is backed up, restored, or ever expires."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cabal_backup import names
from cabal_backup.operations.answers import Unknown
from cabal_backup.operations.status.checks.outcome import (
    Outcome,
    deploy,
    fail,
    ok,
    revert_drift,
    unknown,
)
from cabal_backup.operations.status.state import Role, State

_POLICIES = {
    "AWSBackupServiceRolePolicyForBackup": "back up, copy or expire",
    "AWSBackupServiceRolePolicyForRestores": "restore",
}
_SERVICE = "backup.amazonaws.com"


def role(state: State) -> Outcome:
    if isinstance(state.role, Unknown):
        return unknown(state.role, looking_at=f"the role {names.ROLE}")
    if state.role.value is None:
        return fail(
            f"There is no role {names.ROLE}: nothing can be backed up or restored, and expired "
            "recovery points are not removed.",
            deploy(state.environment.name),
        )
    lacking = list(_lacking(state, state.role.value))
    if lacking:
        return fail(
            f"The role {names.ROLE} cannot do its work.",
            f"Back to the configuration: {revert_drift(state.environment.name)}",
            details=lacking,
        )
    return ok(f"AWS Backup can assume {names.ROLE}, which may back up and restore.")


def _lacking(state: State, role: Role) -> Iterator[str]:
    if not _assumable(role.role["AssumeRolePolicyDocument"], state.account):
        yield "AWS Backup cannot assume it: see its trust policy"
    attached = {arn.rpartition("/")[2] for arn in role.policies}
    for policy, purpose in _POLICIES.items():
        if policy not in attached:
            yield f"it cannot {purpose}: {policy} is not attached"
    boundary = role.role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if boundary:
        yield f"a permissions boundary limits it: {boundary}"


def _assumable(trust: Mapping[str, Any], account: str) -> bool:
    statements = trust.get("Statement", [])
    concerned = [
        statement
        for statement in ([statements] if isinstance(statements, Mapping) else statements)
        if _SERVICE in _listed(_service(statement.get("Principal")))
        and {"sts:AssumeRole", "sts:*", "*"} & set(_listed(statement.get("Action")))
    ]
    applying = [s for s in concerned if _holds(s.get("Condition", {}), account)]
    return any(s["Effect"] == "Allow" for s in applying) and not any(
        s["Effect"] == "Deny" for s in concerned
    )


def _service(principal: object) -> object:
    return principal.get("Service") if isinstance(principal, Mapping) else None


def _holds(conditions: Mapping[str, Any], account: str) -> bool:
    """Whether conditions let AWS Backup in for this account; a strange one does not."""
    return all(
        operator in ("StringEquals", "StringLike")
        and all(
            key.lower() == "aws:sourceaccount" and account in _listed(values)
            for key, values in keys.items()
        )
        for operator, keys in conditions.items()
    )


def _listed(value: object) -> list[object]:
    """IAM writes a list of one without its brackets."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
