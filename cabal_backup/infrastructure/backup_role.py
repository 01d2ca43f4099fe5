"""The role AWS Backup works under."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws, RemovalPolicy, Stack, Tags
from aws_cdk import aws_iam as iam
from constructs import Construct

from cabal_backup import names
from cabal_backup.infrastructure.grant import acknowledge

_POLICIES = {
    "AWSBackupServiceRolePolicyForBackup": "back up, copy, copy back and expire",
    "AWSBackupServiceRolePolicyForRestores": "restore",
}


def backup_role(scope: Construct, *, copy_targets: Sequence[str]) -> iam.Role:
    """A role with which AWS Backup backs up, copies, restores and expires.

    It is kept when its stack is deleted, and its name is fixed: recovery points remember the role
    that made them, and without it an expired point is never removed.

    It copies into the vaults of this environment only. AWS Backup lets everyone who may pass
    it the role start a copy to any vault, of any account that accepts it. AWS's own example of
    a policy against that has ForAllValues, which lets a copy with several targets pass as soon
    as one of them is allowed.

    :param copy_targets: the ARNs of the vaults that it may copy into.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/iam-service-roles.html
    https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html
    """
    parent = Construct(scope, "Role")
    role = _role(parent, *_POLICIES, name=names.ROLE, purpose="protect and restore Cabal")
    # The operator's tool compares it before it changes anything.
    Tags.of(role).add(names.ACCOUNT_TAG, Stack.of(scope).account)
    # A resource of its own: the import of an existing role would not add a policy to it.
    policy = iam.Policy(
        role,
        "CopyTargets",
        policy_name=names.COPY_TARGETS_POLICY,
        roles=[role],
        statements=[
            iam.PolicyStatement(
                sid="OnlyIntoTheseVaults",
                effect=iam.Effect.DENY,
                actions=["backup:CopyFromBackupVault"],
                resources=["*"],
                conditions={"ForAnyValue:ArnNotLike": {"backup:CopyTargets": copy_targets}},
            )
        ],
    )
    for kept in (role, policy):
        kept.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
    reason = "It only denies, belongs to this role alone, and stays and is deleted with it."
    acknowledge(policy, reason, "NIST.800.53.R5-IAMNoInlinePolicy")
    return role


def restore_test_role(scope: Construct) -> iam.Role:
    """A role with which AWS Backup restores copies for tests, and nothing else.

    The DR stack is deployed before the one that has the environment's role. This one has the
    same policy for restores and is deleted with its stack.
    """
    parent = Construct(scope, "RestoreTestRole")
    _, restores = _POLICIES
    return _role(parent, restores, purpose="test restores of Cabal's copies")


def _role(scope: Construct, *policies: str, purpose: str, name: str | None = None) -> iam.Role:
    role = iam.Role(
        scope,
        "Role",
        role_name=name,
        description=f"Assumed by AWS Backup to {purpose}.",
        assumed_by=iam.ServicePrincipal(
            "backup.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
        ),
        managed_policies=[
            iam.ManagedPolicy.from_aws_managed_policy_name(f"service-role/{policy}")
            for policy in policies
        ],
    )
    for policy in policies:
        reason = (
            f"AWS Backup documents {policy} as the policy with which its service role can "
            f"{_POLICIES[policy]}, and extends it when a release of the service needs more. A "
            "copy of ours would become outdated, and the first sign would be a failed night or a "
            "failed restore. Only AWS Backup, acting for this account, can use the role."
        )
        arn = f"arn:<AWS::Partition>:iam::aws:policy/service-role/{policy}"
        acknowledge(role, reason, f"AwsSolutions-IAM4[Policy::{arn}]")
    return role
