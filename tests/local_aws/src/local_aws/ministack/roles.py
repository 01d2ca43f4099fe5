"""The `Roles` port: may AWS Backup assume this role, and may the role call this action."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from local_aws.backup.world import Scope
from local_aws.ministack import internals
from local_aws.ministack.propagation import Propagation
from local_aws.ministack.scope import acting_in

SERVICE = "backup.amazonaws.com"

_NONE: Mapping[str, Sequence[str]] = MappingProxyType({})


class MiniStackRoles:
    """MiniStack's IAM, with its own evaluator.

    With `propagation`, as services see it: some seconds late.
    """

    def __init__(self, propagation: Propagation | None = None) -> None:
        self._propagation = propagation

    def refusal(
        self,
        scope: Scope,
        role_arn: str,
        action: str,
        resource: str,
        context: Mapping[str, Sequence[str]],
    ) -> str | None:
        role = _role(scope, role_arn)
        if role is None:
            return _not_found(role_arn)
        with acting_in(scope):
            return self._distrust(scope, role) or self._denial(
                scope, role, action, resource, context
            )

    def assume_refusal(self, scope: Scope, role_arn: str) -> str | None:
        role = _role(scope, role_arn)
        if role is None:
            return _not_found(role_arn)
        with acting_in(scope):
            return self._distrust(scope, role)

    def caller_refusal(
        self,
        scope: Scope,
        principal: str,
        headers: Mapping[str, str],
        action: str,
        resource: str,
    ) -> str | None:
        """Why a caller may not call `action` while services do not see its role's policies."""
        if self._propagation is None:
            return None
        with acting_in(scope):
            role = self._propagation.unsettled_caller(principal, headers)
            return None if role is None else self._denial(scope, role, action, resource)

    def denial(self, scope: Scope, role_arn: str, action: str, resource: str) -> str | None:
        """Why a session of the role may not call `action`; None if it may.

        For a service that has assumed the role, or will: see `assumable`.
        """
        role = _role(scope, role_arn)
        if role is None:
            return _not_found(role_arn)
        with acting_in(scope):
            return self._denial(scope, role, action, resource)

    def assumable(self, scope: Scope, role_arn: str, service: str) -> bool:
        """Whether the role exists and its trust policy admits the service."""
        role = _role(scope, role_arn)
        if role is None:
            return False
        with acting_in(scope):
            return self._assumable(scope, role, service)

    def _distrust(self, scope: Scope, role: dict[str, Any]) -> str | None:
        if self._propagation is not None and not self._propagation.knows(role):
            return f"The role {role['Arn']} cannot be assumed by AWS Backup."
        if self._assumable(scope, role):
            return None
        return (
            f"AWS Backup cannot assume the role {role['Arn']}: its trust policy does not "
            f"allow {SERVICE} to call sts:AssumeRole."
        )

    def _assumable(self, scope: Scope, role: dict[str, Any], service: str = SERVICE) -> bool:
        """Whether the trust policy admits the service for this account.

        The service sends `aws:SourceAccount`. It does not send `aws:SourceArn` (what
        AWS Backup sends is not documented), so a condition on it is false.
        """
        context = internals.iam_evaluator.EvalContext(
            principal_arn=service,
            principal_type="Service",
            principal_account="",
            action="sts:AssumeRole",
            resource_arn=role["Arn"],
            region=scope.region,
            service_context={"aws:sourceaccount": scope.account},
        )
        decision = internals.iam_evaluator.evaluate_resource_policy(
            _with_resources(role["AssumeRolePolicyDocument"]), context, service=service
        ).decision
        return bool(decision == "Allow")

    def _denial(
        self,
        scope: Scope,
        role: Mapping[str, Any],
        action: str,
        resource: str,
        keys: Mapping[str, Sequence[str]] = _NONE,
    ) -> str | None:
        evaluator = internals.iam_evaluator
        name = role["RoleName"]
        session = f"arn:aws:sts::{scope.account}:assumed-role/{name}/AWSBackup"
        context = evaluator.EvalContext(
            principal_arn=session,
            principal_type="AssumedRole",
            principal_account=scope.account,
            action=action,
            resource_arn=resource,
            region=scope.region,
            service_context={key.lower(): list(values) for key, values in keys.items()},
        )
        result = evaluator.evaluate(
            context,
            self._propagation.policies(role)
            if self._propagation
            else evaluator._gather_role_policies(name, scope.account),
            *evaluator._permissions_boundary(internals.iam._roles, name, scope.account),
        )
        if result.decision == "Allow":
            return None
        why = (
            "with an explicit deny"
            if result.decision == "Deny"
            else f"because no identity-based policy allows the {action} action"
        )
        return f"{session} is not authorized to perform: {action} on resource: {resource} {why}"


def _role(scope: Scope, role_arn: str) -> dict[str, Any] | None:
    """The role of that ARN in the account of `scope`."""
    name = role_arn.rsplit("/", 1)[-1]
    role: dict[str, Any] | None = internals.iam._roles.get_scoped(scope.account, None, name)
    return role if role is not None and role["Arn"] == role_arn else None


def _not_found(role_arn: str) -> str:
    return f"The role {role_arn} cannot be found."


def _with_resources(document: str | dict[str, Any]) -> dict[str, Any]:
    """A trust policy in the form of other resource policies, with a Resource."""
    parsed: dict[str, Any] = json.loads(document) if isinstance(document, str) else document
    statements = parsed.get("Statement", [])
    if isinstance(statements, dict):
        statements = [statements]
    return {**parsed, "Statement": [{"Resource": "*", **each} for each in statements]}
