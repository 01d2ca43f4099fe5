"""Who may do what: the managed policies of auditor, operator and break-glass."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Aws, CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from cabal_backup import names
from cabal_backup.config.constraints import Conflict, Values
from cabal_backup.config.environment import Environment, partition_of
from cabal_backup.infrastructure.access_grants import (
    Grant,
    Places,
    auditor_grants,
    break_glass_grants,
    operator_grants,
    watch_grants,
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
    grants: Callable[[Places], tuple[Grant, ...]]


_AUDITOR = _Role(
    "Auditor",
    names.AUDITOR_POLICY,
    "Cabal's backup: looks at everything `status`, `points` and `jobs` show, changes nothing.",
    auditor_grants,
)
_OPERATOR = _Role(
    "Operator",
    names.OPERATOR_POLICY,
    "Cabal's backup, beside the auditor's policy: restores, compares, cuts over, copies back.",
    operator_grants,
)
_BREAK_GLASS = _Role(
    "BreakGlass",
    names.BREAK_GLASS_POLICY,
    "Cabal's backup: unlocks, relocks and tears down; for a role whose trust policy demands MFA.",
    break_glass_grants,
)
_ROLES = (_AUDITOR, _OPERATOR, _BREAK_GLASS)


class AccessStack(Stack):
    """The access policies of one environment, in a stack of their own in the DR region.

    IAM is global, and the names are fixed: in the primary stack they would stand in the way of
    its deployment in another region, after the loss of the region for instance. This stack
    outlasts that.
    """

    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, **kwargs: Any
    ) -> None:
        """:param environment: whose vaults, tables and mailstore the policies name."""
        super().__init__(scope, id, **kwargs)
        access = AccessPolicies(self, "Access", environment=environment)
        for name, policy, description in (
            ("AuditorPolicyArn", access.auditor, "For looking"),
            ("OperatorPolicyArn", access.operator, "For restoring, beside the auditor's"),
            ("BreakGlassPolicyArn", access.break_glass, "For a role whose trust demands MFA"),
        ):
            CfnOutput(self, name, value=policy.managed_policy_arn, description=description)


class AccessPolicies(Construct):
    """Three managed policies, attached to no one: the account decides about that.

    The auditor only looks. The operator, who has the auditor's policy as well, brings
    things back, and can neither delete a recovery point nor touch a lock, a vault, the
    plan, the opt-in or a role. Break-glass stands alone, holds everything that takes
    protection away, and belongs on a role whose trust policy demands MFA.

    They stay when their stack is deleted: IAM deletes no policy that is attached, and
    break-glass is needed until the last vault is deleted. The teardown deletes those that
    are attached to no one.

    docs/access.md shows how to attach them.

    https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """

    def __init__(self, scope: Construct, id: str, *, environment: Environment) -> None:
        """
        :param environment: whose vaults, tables and mailstore the policies name.
            `too_long` says whether they are short enough for IAM.
        """
        super().__init__(scope, id)
        places = Places.of(environment, partition=Aws.PARTITION, account=Stack.of(self).account)
        self.auditor, self.operator, self.break_glass = (
            self._policy(role, role.grants(places)) for role in _ROLES
        )

    def _policy(self, role: _Role, grants: Sequence[Grant]) -> iam.IManagedPolicy:
        policy = iam.ManagedPolicy(
            self,
            role.id,
            managed_policy_name=role.name,
            description=role.description,
            document=iam.PolicyDocument(
                # Each statement as it is written, so that its Sid says what it is for.
                minimize=False,
                statements=[
                    iam.PolicyStatement.from_json(statement)
                    for statement in _document(grants)["Statement"]
                ],
            ),
        )
        policy.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
        acknowledge_wildcards(policy, grants)
        return policy


def too_long(values: Values) -> Iterator[Conflict]:
    """A conflict for each policy that IAM would not take because of the tables it names.

    The watch, which is part of the alerts, has a policy of its own.
    """
    needed = {"region", "dr_region", "addresses_table", "pitr_tables", "mailstore_file_system_id"}
    if not (values.keys() >= needed and values.get("backup")):
        return
    places = Places(
        partition=partition_of(values["region"]),
        account="0" * 12,
        region=values["region"],
        dr_region=values["dr_region"],
        addresses_table=values["addresses_table"],
        pitr_tables=values["pitr_tables"],
        mailstore=str(values["mailstore_file_system_id"]),
    )
    needing: list[tuple[str, str, Callable[[Places], tuple[Grant, ...]], str]] = [
        ("alerts", "the watch's policy", watch_grants, "")
    ]
    needing += [
        ("access_policies", f"the policy {role.name}", role.grants, " and write your own policies")
        for role in _ROLES
    ]
    for setting, policy, grants, instead in needing:
        document = json.dumps(_document(grants(places)), separators=(",", ":"))
        if values.get(setting) and len(document) > LONGEST:
            yield Conflict(
                "pitr_tables",
                f"{setting} names each table that does not begin with {names.TABLES}, and "
                f"{policy} would have {len(document):,} characters; IAM accepts {LONGEST:,}",
                f"list fewer of them, or set {setting} to false{instead}",
            )


def _document(grants: Sequence[Grant]) -> dict[str, Any]:
    """The policy document, each statement with its Sid."""
    return {"Version": "2012-10-17", "Statement": [grant.statement() for grant in grants]}


def acknowledge_wildcards(policy: iam.ManagedPolicy, grants: Sequence[Grant]) -> None:
    """Give cdk-nag the reason of each resource with a wildcard."""
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
