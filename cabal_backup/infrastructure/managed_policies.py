"""Who may do what: the managed policies of auditor, operator and break-glass."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aws_cdk import Aws, CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from cabal_backup import names
from cabal_backup.config.constraints import Conflict, Values
from cabal_backup.config.environment import SETTINGS, Environment, dump, partition_of
from cabal_backup.infrastructure.access_grants import (
    auditor_grants,
    break_glass_grants,
    operator_grants,
    watch_grants,
)
from cabal_backup.infrastructure.grant import Grant, managed_policy, statements
from cabal_backup.infrastructure.places import Places

LONGEST = 6144
"""The characters of a managed policy, white space not counted.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

LONGEST_SETTINGS = 3800
"""Bytes; all environment variables of the watch, a Lambda function, may have 4 KB, and the
environment's name and the ARN of a topic are among them.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""


@dataclass(frozen=True)
class _Role:
    """What one of the policies is called and for."""

    id: str
    name: str
    grants: Callable[[Places], tuple[Grant, ...]]
    description: str
    use: str


_ROLES = (
    _Role(
        "Auditor",
        names.AUDITOR_POLICY,
        auditor_grants,
        "Cabal's backup: looks at everything `status`, `points` and `jobs` show, changes nothing.",
        "For looking",
    ),
    _Role(
        "Operator",
        names.OPERATOR_POLICY,
        operator_grants,
        "Cabal's backup, beside the auditor's policy: restores, compares, cuts over, copies back.",
        "For restoring, beside the auditor's",
    ),
    _Role(
        "BreakGlass",
        names.BREAK_GLASS_POLICY,
        break_glass_grants,
        "Cabal's backup: unlocks, relocks and tears down; for a role whose trust policy demands "
        "MFA.",
        "For a role whose trust demands MFA",
    ),
)


class AccessPolicies(Construct):
    """Three managed policies, attached to no one: the account decides about that.

    docs/access.md says what each is for. They stay when their stack is deleted: IAM deletes no
    policy that is attached, and break-glass is needed until the last vault is deleted. The
    teardown deletes those that are attached to no one.

    Their stack is in the DR region. IAM is global, and the names are fixed: in the primary stack
    they would prevent its deployment in another region, after the loss of the region for
    instance.
    """

    def __init__(self, scope: Construct, id: str, *, environment: Environment) -> None:
        """
        :param environment: whose vaults, tables and mailstore the policies name.
            `too_long` says whether they are short enough for IAM.
        """
        super().__init__(scope, id)
        stack = Stack.of(self)
        places = Places(vars(environment), partition=Aws.PARTITION, account=stack.account)
        for role in _ROLES:
            policy = managed_policy(
                self,
                role.id,
                role.grants(places),
                description=role.description,
                name=role.name,
            )
            policy.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
            CfnOutput(
                stack, f"{role.id}PolicyArn", value=policy.managed_policy_arn, description=role.use
            )


def too_long(values: Values) -> Iterator[Conflict]:
    """A conflict for each policy that IAM would not take because of the tables it names, and for
    settings that Lambda would not take for the watch.

    The watch, which is part of the alerts, has a policy of its own. No command but `cdk` needs the
    settings to be shorter.
    """
    if not (values.keys() >= Places.SETTINGS and values.get("backup")):
        return
    places = Places(values, partition=partition_of(values["region"]), account="0" * 12)
    own = " and write your own policies"
    policies = (
        ("alerts", "the watch's policy", watch_grants, ""),
        *(("access_policies", f"the policy {role.name}", role.grants, own) for role in _ROLES),
    )
    for setting, policy, grants, instead in policies:
        document = iam.PolicyDocument(minimize=False, statements=statements(grants(places)))
        length = len(json.dumps(document.to_json(), separators=(",", ":")))
        if values.get(setting) and length > LONGEST:
            yield Conflict(
                "pitr_tables",
                f"{setting} names each table that does not begin with {names.TABLES}, and "
                f"{policy} would have {length:,} characters; IAM accepts {LONGEST:,}",
                f"list fewer of them, or set {setting} to false{instead}",
            )
    if values["alerts"] and values.keys() >= SETTINGS.keys():
        length = len(dump(Environment(name="", **values)))
        if length > LONGEST_SETTINGS:
            yield Conflict(
                "pitr_tables",
                f"the watch gets all settings in {LONGEST_SETTINGS:,} bytes, and these have "
                f"{length:,}",
                "list fewer tables, e-mail addresses or URLs, or set alerts to false",
            )
