"""The role: without it nothing is backed up, restored, or ever expires."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import cast

from cabal_backup import names
from cabal_backup.operations.aws.results import Unknown
from cabal_backup.operations.status.checks.outcome import fail, known, listed, ok, unknown, warn
from cabal_backup.operations.status.findings import Outcome
from cabal_backup.operations.status.state import Policy, Role, State

_POLICIES = {
    "service-role/AWSBackupServiceRolePolicyForBackup": "back up, copy or expire",
    "service-role/AWSBackupServiceRolePolicyForRestores": "restore",
}
_SERVICE = "backup.amazonaws.com"


def role(state: State) -> Outcome:
    """May the role do what AWS Backup needs?"""
    seen = known(state.role, looking_at=f"the role {names.ROLE}")
    if seen is None:
        return fail(
            f"There is no role {names.ROLE}: nothing can be backed up or restored, and expired "
            "recovery points are not removed.",
            state.deploy_command,
        )
    lacking, beyond = list(_lacking(state, seen)), list(_beyond(state, seen))
    back = f"Back to the configuration: {state.revert_command}"
    if lacking:
        return fail(f"The role {names.ROLE} cannot do its work.", back, details=lacking + beyond)
    depending = [str(one) for one in seen.denied.value_or(()) if one.depends_on]
    if depending:
        return unknown(
            Unknown(f"{len(depending)} permissions depend on the circumstances of a call."),
            looking_at=f"what the role {names.ROLE} may do",
            details=depending + beyond,
        )
    if beyond:
        known(
            seen.denied,
            looking_at=f"what the role {names.ROLE} may do with policies that were not deployed",
            details=beyond,
        )
        return warn(
            f"AWS Backup can assume {names.ROLE}, which may back up and restore, but the role is "
            "not as deployed.",
            f"Find out in CloudTrail who changed it. {back}",
            details=beyond,
        )
    return ok(
        f"AWS Backup can assume {names.ROLE}, which may back up and restore."
        + (" (Not simulated.)" if isinstance(seen.denied, Unknown) else "")
    )


def _lacking(state: State, role: Role) -> Iterator[str]:
    """What keeps AWS Backup from its work."""
    statements = _statements(role)
    if not _assumable(statements, state.account):
        yield "AWS Backup cannot assume it: see its trust policy"
    if any(_is_public(statement) for statement in statements):
        yield "anyone in any AWS account can assume it: see its trust policy"
    for policy, purpose in _POLICIES.items():
        if _managed(state, policy) not in role.policies:
            name = policy.rpartition("/")[2]
            yield f"it cannot {purpose}: AWS's policy {name} is not attached"
    boundary = role.role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if boundary:
        yield f"a permissions boundary limits it: {boundary}"
    yield from (f"it may not {one}" for one in role.denied.value_or(()) if not one.depends_on)


def _beyond(state: State, role: Role) -> Iterator[str]:
    """What was not deployed, and does not keep AWS Backup from its work."""
    expected = {_managed(state, policy) for policy in _POLICIES}
    yield from (f"attached: {arn}" for arn in role.policies if arn not in expected)
    ours = names.COPY_TARGETS_POLICY
    yield from (f"inline policy: {name}" for name in role.inline if name != ours)
    if ours not in role.inline:
        yield f"it may copy into the vaults of others: there is no inline policy {ours}"
    elif not _limits_copies(role.inline[ours], state.vault_arns):
        yield f"inline policy {ours}: not as deployed"
    for statement in _statements(role):
        if statement["Effect"] == "Allow" and not _is_public(statement):
            for kind, who in _principals(statement):
                if (kind, who) != ("Service", _SERVICE):
                    yield f"the trust policy also lets in {who}"


def _limits_copies(document: Policy | None, vaults: frozenset[str]) -> bool:
    """Whether the policy denies copies into any vault but these, and says nothing else."""
    match listed((document or {}).get("Statement")):
        case [
            {
                "Effect": "Deny",
                "Action": action,
                "Resource": resource,
                "Condition": {"ForAnyValue:ArnNotLike": {"backup:CopyTargets": targets}},
            }
        ]:
            return (
                listed(action) == ["backup:CopyFromBackupVault"]
                and listed(resource) == ["*"]
                and set(listed(targets)) == vaults
            )
    return False


def _managed(state: State, policy: str) -> str:
    return f"arn:{state.environment.partition}:iam::aws:policy/{policy}"


def _statements(role: Role) -> list[Policy]:
    """Of the trust policy."""
    return listed(cast("Policy", role.role["AssumeRolePolicyDocument"]).get("Statement"))


def _assumable(statements: list[Policy], account: str) -> bool:
    concerned = [one for one in statements if _concerns_backup(one)]
    return any(
        one["Effect"] == "Allow" and _admits(one.get("Condition", {}), account) for one in concerned
    ) and not any(
        one["Effect"] == "Deny" and not _excludes(one.get("Condition", {}), account)
        for one in concerned
    )


def _concerns_backup(statement: Policy) -> bool:
    if "NotPrincipal" in statement:
        matches = ("Service", _SERVICE) not in _principals(statement, "NotPrincipal")
    else:
        matches = any(
            who == "*" or (kind, who) == ("Service", _SERVICE)
            for kind, who in _principals(statement)
        )
    if "NotAction" in statement:
        return matches and not _names_assuming(statement["NotAction"])
    return matches and _names_assuming(statement.get("Action"))


def _names_assuming(actions: object) -> bool:
    return any(fnmatchcase("sts:assumerole", str(one).lower()) for one in listed(actions))


def _is_public(statement: Policy) -> bool:
    """Whether it lets in everyone, without a condition."""
    return (
        statement["Effect"] == "Allow"
        and not statement.get("Condition")
        and ("NotPrincipal" in statement or any(who == "*" for _, who in _principals(statement)))
    )


def _principals(statement: Policy, element: str = "Principal") -> list[tuple[str, object]]:
    """Kind and name of each, such as `Service` and `backup.amazonaws.com`; "*" is of any kind."""
    given = statement.get(element)
    if isinstance(given, Mapping):
        return [(kind, who) for kind, whos in given.items() for who in listed(whos)]
    return [("any", who) for who in listed(given)]


def _admits(conditions: Policy, account: str) -> bool:
    """Whether conditions let AWS Backup in for this account; an unfamiliar one does not."""
    return all(
        operator in ("StringEquals", "StringLike")
        and all(
            key.lower() == "aws:sourceaccount" and account in listed(values)
            for key, values in keys.items()
        )
        for operator, keys in conditions.items()
    )


def _excludes(conditions: Policy, account: str) -> bool:
    """Whether one of the conditions of a Deny certainly does not hold for this account."""
    return any(
        operator.lower().removesuffix("ifexists") in ("stringnotequals", "stringnotlike")
        and any(
            key.lower() == "aws:sourceaccount" and account in listed(values)
            for key, values in keys.items()
        )
        for operator, keys in conditions.items()
    )
