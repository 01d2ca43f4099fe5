"""What the role may do of what AWS Backup needs: asked of IAM's policy simulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cabal_backup.operations.aws.client import Aws

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import ContextEntryTypeDef, EvaluationResultTypeDef


@dataclass(frozen=True)
class Denial:
    """An action that the simulator says the role may not do."""

    action: str
    resource: str
    explicitly: bool
    """Whether a statement denies it; otherwise none allows it."""
    depends_on: tuple[str, ...]
    """Condition keys whose values are known only when AWS Backup makes the call."""

    def __str__(self) -> str:
        how = "a statement denies it" if self.explicitly else "no statement allows it"
        keys = f", depending on {', '.join(self.depends_on)}" if self.depends_on else ""
        return f"{self.action} on {self.resource}: {how}{keys}"


def denied(aws: Aws, role_arn: str) -> tuple[Denial, ...]:
    """What the role may not do, judged by its policies and its permissions boundary.

    Each action is simulated on each resource in one call; only the pairs that AWS Backup
    needs are looked at. The actions are those of the managed policies
    AWSBackupServiceRolePolicyForBackup and AWSBackupServiceRolePolicyForRestores that have
    no condition there.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
    """
    needed = _needed(aws)
    pairs = {(action, arn) for arn, actions in needed.items() for action in actions}
    # The same in every call; a Deny for other accounts does not apply then.
    context: list[ContextEntryTypeDef] = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in (
            ("aws:PrincipalAccount", aws.account),
            ("aws:RequestedRegion", aws.environment.region),
            ("aws:ResourceAccount", aws.account),
            ("aws:SourceAccount", aws.account),
        )
    ]
    context.append(
        {
            "ContextKeyName": "backup:CopyTargets",
            "ContextKeyValues": _copy_targets(aws),
            "ContextKeyType": "stringList",
        }
    )
    pages = (
        aws.client("iam")
        .get_paginator("simulate_principal_policy")
        .paginate(
            PolicySourceArn=role_arn,
            ActionNames=sorted({action for action, _ in pairs}),
            ResourceArns=sorted(needed),
            ContextEntries=context,
        )
    )
    results = [result for page in pages for result in page["EvaluationResults"]]
    found = {(one.action, one.resource): one for result in results for one in _denials(result)}
    return tuple(found[pair] for pair in sorted(pairs & found.keys()))


def _needed(aws: Aws) -> Mapping[str, tuple[str, ...]]:
    return {
        aws.table_arn: (
            "dynamodb:DescribeTable",
            "dynamodb:RestoreTableFromAwsBackup",
            "dynamodb:StartAwsBackupJob",
        ),
        aws.mailstore_arn: ("elasticfilesystem:Backup", "elasticfilesystem:Restore"),
        aws.arn("backup", "recovery-point:*"): ("backup:CopyFromBackupVault",),
        **dict.fromkeys(_copy_targets(aws), ("backup:CopyIntoBackupVault",)),
    }


def _copy_targets(aws: Aws) -> list[str]:
    """The vaults that the plan copies into."""
    return [aws.vault_arn(vault) for vault in aws.vaults[1:]]


def _denials(result: EvaluationResultTypeDef) -> Iterator[Denial]:
    """Of one result, which is about one resource, or has a result for each."""
    decisions = [
        (one["EvalResourceName"], one["EvalResourceDecision"], one.get("MissingContextValues"))
        for one in result.get("ResourceSpecificResults") or ()
    ] or [(result["EvalResourceName"], result["EvalDecision"], result.get("MissingContextValues"))]
    for resource, decision, missing in decisions:
        if decision != "allowed":
            yield Denial(
                action=result["EvalActionName"],
                resource=resource,
                explicitly=decision == "explicitDeny",
                depends_on=tuple(missing or ()),
            )
