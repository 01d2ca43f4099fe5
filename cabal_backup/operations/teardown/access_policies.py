"""The managed policies of auditor, operator and break-glass, which outlive their stack."""

from __future__ import annotations

from dataclasses import dataclass

from cabal_backup import names
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.jobs import Report
from cabal_backup.operations.aws.results import pages, unless_missing


@dataclass(frozen=True, kw_only=True)
class AccessPolicy:
    """One of them that exists."""

    name: str
    arn: str
    holders: int
    """How many users, groups and roles have it; IAM deletes none that is attached."""


def find_access_policies(aws: Aws) -> tuple[AccessPolicy, ...]:
    """Those that exist.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    found = (_find(aws, name) for name in names.ACCESS_POLICIES)
    return tuple(policy for policy in found if policy is not None)


def delete_access_policies(aws: Aws, report: Report) -> None:
    """Delete those that are attached to no one; the account decides about the others."""
    for policy in find_access_policies(aws):
        if policy.holders:
            report(
                f"The policy {policy.name} stays: {policy.holders} users, groups or roles have "
                "it. Detach it and delete it before the environment is deployed anew."
            )
            continue
        _delete(aws, policy)
        report(f"The policy {policy.name} was deleted.")


def _find(aws: Aws, name: str) -> AccessPolicy | None:
    iam, arn = aws.client("iam"), aws.arn("iam", f"policy/{name}", region="")

    with worded(f"looking at the policy {name}"):
        policy = unless_missing(lambda: iam.get_policy(PolicyArn=arn)["Policy"], "NoSuchEntity")
    if policy is None:
        return None
    holders = policy["AttachmentCount"] + policy.get("PermissionsBoundaryUsageCount", 0)
    return AccessPolicy(name=name, arn=arn, holders=holders)


def _delete(aws: Aws, policy: AccessPolicy) -> None:
    """Its older versions first, of which each deployment that changed it left one."""
    iam = aws.client("iam")
    with worded(f"deleting the policy {policy.name}"):
        versions = [
            each
            for page in pages(iam.list_policy_versions, PolicyArn=policy.arn)
            for each in page.get("Versions", [])
        ]
        for version in versions:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=policy.arn, VersionId=version["VersionId"])
        unless_missing(lambda: iam.delete_policy(PolicyArn=policy.arn), "NoSuchEntity")
