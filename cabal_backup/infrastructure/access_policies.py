"""Who may do what: the managed policies of auditor, operator and break-glass."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Aws, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from cabal_backup import names
from cabal_backup.environment import Environment
from cabal_backup.infrastructure.access_grants import (
    Grant,
    Places,
    auditor_grants,
    break_glass_grants,
    operator_grants,
)
from cabal_backup.infrastructure.acknowledge import acknowledge

LONGEST = 6144
"""The characters of a managed policy, white space not counted.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""


@dataclass(frozen=True)
class _Role:
    """What one of the policies is called and for."""

    id: str
    name: str
    description: str


_AUDITOR = _Role(
    "Auditor",
    names.AUDITOR_POLICY,
    "Cabal's backup: looks at everything `status`, `points` and `jobs` show, changes nothing.",
)
_OPERATOR = _Role(
    "Operator",
    names.OPERATOR_POLICY,
    "Cabal's backup, beside the auditor's policy: restores, compares, cuts over, copies back.",
)
_BREAK_GLASS = _Role(
    "BreakGlass",
    names.BREAK_GLASS_POLICY,
    "Cabal's backup: takes locks off and on and tears down; with MFA only, in governance mode.",
)


class AccessPolicies(Construct):
    """Three managed policies, attached to nobody: that is the account's to decide.

    The auditor only looks. The operator, who has the auditor's policy as well, brings
    things back, and can neither delete a recovery point nor touch a lock, a vault, the
    plan, the opt-in or a role. Break-glass stands alone, works only for somebody who gave
    an MFA code, and holds everything that takes protection away.

    They stay when their stack goes: IAM deletes no policy that somebody has, and
    break-glass is needed until the last vault is gone. The teardown deletes them.

    IAM is global: one environment has them once, in its primary stack. docs/access.md
    shows how to attach them.

    https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """

    def __init__(self, scope: Construct, id: str, *, environment: Environment) -> None:
        """
        :param environment: whose vaults, tables and mailstore the policies name. With so
            many tables that a policy would be longer than IAM takes, there is a ValueError.
        """
        super().__init__(scope, id)
        places = Places.of(Stack.of(self), environment)
        self.auditor = self._policy(_AUDITOR, auditor_grants(places), environment)
        self.operator = self._policy(_OPERATOR, operator_grants(places), environment)
        self.break_glass = self._policy(_BREAK_GLASS, break_glass_grants(places), environment)

    def _policy(
        self, role: _Role, grants: Sequence[Grant], environment: Environment
    ) -> iam.IManagedPolicy:
        document = iam.PolicyDocument(
            # Each statement as it is written, so that its Sid says what it is for.
            minimize=False,
            statements=[
                iam.PolicyStatement(
                    sid=grant.sid,
                    effect=iam.Effect.DENY if grant.deny else iam.Effect.ALLOW,
                    actions=list(grant.actions),
                    resources=list(grant.resources),
                    conditions=dict(grant.conditions),
                )
                for grant in grants
            ],
        )
        _check_length(role.name, Stack.of(self).resolve(document), environment)
        policy = iam.ManagedPolicy(
            self,
            role.id,
            managed_policy_name=role.name,
            description=role.description,
            document=document,
        )
        policy.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
        _acknowledge_wildcards(policy, grants)
        return policy


def _check_length(name: str, document: Any, environment: Environment) -> None:
    """CloudFormation would find out in the middle of a deployment."""
    text = json.dumps(_in_account(document, environment))
    length = len(re.sub(r"\s", "", text))
    if length > LONGEST:
        raise ValueError(
            f"{name} would have {length:,} characters, and IAM takes {LONGEST:,}: "
            f"{environment.name} has {len(environment.pitr_tables)} pitr_tables, each of which is "
            "named in it. Name fewer, or set access_policies to false and write your own."
        )


def _in_account(value: Any, environment: Environment) -> Any:
    """The document with the pseudo parameters as long as they are in the account."""
    known = {
        "AWS::Partition": environment.partition,
        "AWS::AccountId": "0" * 12,
        "AWS::Region": environment.region,
    }
    match value:
        case {"Ref": str(name)} if name in known:
            return known[name]
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(_in_account(part, environment) for part in parts)
        case dict():
            return {key: _in_account(member, environment) for key, member in value.items()}
        case list():
            return [_in_account(member, environment) for member in value]
    return value


def _acknowledge_wildcards(policy: iam.ManagedPolicy, grants: Sequence[Grant]) -> None:
    reasons: dict[str, list[str]] = {}
    for grant in grants:
        for resource in grant.resources if not grant.deny else ():
            if "*" in resource:
                said = reasons.setdefault(_as_printed(resource), [])
                said += [grant.why_wildcard] if grant.why_wildcard not in said else []
    for resource, said in reasons.items():
        acknowledge(
            policy, reason=" ".join(said), rules=[f"AwsSolutions-IAM5[Resource::{resource}]"]
        )


def _as_printed(resource: str) -> str:
    """An ARN as cdk-nag prints it."""
    for token, name in ((Aws.PARTITION, "AWS::Partition"), (Aws.ACCOUNT_ID, "AWS::AccountId")):
        resource = resource.replace(token, f"<{name}>")
    return resource
