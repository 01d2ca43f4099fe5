"""One statement of a policy, with the reason of its wildcards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from cabal_backup.infrastructure.acknowledge import acknowledge


@dataclass(frozen=True)
class Grant:
    """One statement. ValueError for a wildcard in a resource without a reason."""

    sid: str
    services: str
    """The actions, by service: `"backup: ListBackupPlans ListTags sns: Publish"`."""
    resources: Sequence[str]
    _: KW_ONLY
    why: str = ""
    """Why a resource with a wildcard is not named."""

    conditions: Mapping[str, Any] = field(default_factory=dict)
    deny: bool = False

    def __post_init__(self) -> None:
        if not self.deny and not self.why and any("*" in one for one in self.resources):
            raise ValueError(f"{self.sid} has a wildcard resource and no why")

    def statement(self) -> dict[str, Any]:
        """As a policy document has it."""
        return {
            "Sid": self.sid,
            "Effect": "Deny" if self.deny else "Allow",
            "Action": _alone(list(_actions(self.services))),
            "Resource": _alone(list(self.resources)),
            **({"Condition": self.conditions} if self.conditions else {}),
        }


def managed_policy(
    scope: Construct, id: str, grants: Sequence[Grant], *, description: str, **more: Any
) -> iam.ManagedPolicy:
    """A policy of exactly these statements; cdk-nag gets the reasons of their wildcards.

    :param more: further properties of `ManagedPolicy`. Default: none.
    """
    statements = [iam.PolicyStatement.from_json(grant.statement()) for grant in grants]
    policy = iam.ManagedPolicy(
        scope,
        id,
        description=description,
        document=iam.PolicyDocument(minimize=False, statements=statements),
        **more,
    )
    # Tokens as cdk-nag prints them.
    tokens = ((Aws.PARTITION, "<AWS::Partition>"), (Aws.ACCOUNT_ID, "<AWS::AccountId>"))
    reasons: dict[str, dict[str, None]] = {}
    for grant in grants:
        for resource in grant.resources:
            if "*" in resource and not grant.deny:
                for token, name in tokens:
                    resource = resource.replace(token, name)
                reasons.setdefault(resource, {})[grant.why] = None
    findings: dict[str, list[str]] = {}
    for resource, why in reasons.items():
        rule = f"AwsSolutions-IAM5[Resource::{resource}]"
        findings.setdefault(" ".join(why), []).append(rule)
    acknowledge(policy, findings)
    return policy


def arn(scope: Construct, service: str, resource: str, region: str | None = None) -> str:
    """The ARN of a resource of this account, in the stack's region unless another is given."""
    stack = Stack.of(scope)
    return f"arn:{stack.partition}:{service}:{region or stack.region}:{stack.account}:{resource}"


def _actions(services: str) -> Iterator[str]:
    prefix = ""
    for word in services.split():
        if word.endswith(":"):
            prefix = word
        else:
            yield f"{prefix}{word}"


def _alone(values: Sequence[str]) -> str | list[str]:
    """A list of one without its brackets, as CDK writes it."""
    return values[0] if len(values) == 1 else list(values)
