"""Who touches what protects the backup: calls of AWS Backup's API that are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_events as events
from constructs import Construct, IDependable

from cabal_backup.infrastructure.alerts import Alerts

_VAULT_CALLS = [
    "DeleteBackupVaultLockConfiguration",
    "PutBackupVaultLockConfiguration",
    "DeleteRecoveryPoint",
    "UpdateRecoveryPointLifecycle",
    "DisassociateRecoveryPoint",
    "DisassociateRecoveryPointFromParent",
    "PutBackupVaultAccessPolicy",
    "DeleteBackupVaultAccessPolicy",
    "DeleteBackupVault",
]
_PLAN_CALLS = [
    "UpdateBackupPlan",
    "DeleteBackupPlan",
    "CreateBackupSelection",
    "DeleteBackupSelection",
]


class TamperingRules(Construct):
    """Tells of calls that weaken the protection in one region, refused ones included.

    CloudTrail passes calls on to EventBridge only where a trail logs management
    events; without one these rules hear nothing, and `status` says so. What AWS Backup
    does itself, such as deleting an expired point, is no API call and is not told. A
    deployment that changes vault, lock or plan is told like anybody's call.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        alerts: Alerts,
        plan_id: str | None = None,
        after: Sequence[IDependable] = (),
    ) -> None:
        """
        :param alerts: who is told, and about which vault.
        :param plan_id: the nightly plan. Default: there is none in this region.
        :param after: what the deployment makes first, so that its making is not told.
        """
        super().__init__(scope, id)
        calls: list[dict[str, Any]] = [
            {
                "eventName": _VAULT_CALLS,
                "requestParameters": {"backupVaultName": [alerts.vault_name]},
            },
            *_opt_in_switched_off(),
        ]
        if plan_id is not None:
            calls.append(
                {"eventName": _PLAN_CALLS, "requestParameters": {"backupPlanId": [plan_id]}}
            )
        calls.append(_refused([*_VAULT_CALLS, *(_PLAN_CALLS if plan_id is not None else [])]))
        alerts.tell(
            "Tampering",
            backup_calls(calls),
            description="Calls that weaken the protection of the backup",
            after=after,
        )


def backup_calls(alternatives: Sequence[dict[str, Any]]) -> events.EventPattern:
    """Calls of AWS Backup's API that match one of the alternatives."""
    return events.EventPattern(
        source=["aws.backup"],
        detail_type=["AWS API Call via CloudTrail"],
        detail={"eventSource": ["backup.amazonaws.com"], "$or": list(alternatives)},
    )


def _refused(names: list[str]) -> dict[str, Any]:
    """Calls that were refused and say no more than that.

    What IAM refuses may be recorded without its parameters. Whose vault it was about is
    not known then; an attempt too many is told rather than one too few.
    """
    absent = [{"exists": False}]
    return {
        "eventName": names,
        "errorCode": [{"exists": True}],
        "requestParameters": {"backupVaultName": absent, "backupPlanId": absent},
    }


def _opt_in_switched_off() -> list[dict[str, Any]]:
    """UpdateRegionSettings that switches DynamoDB off, in either of its maps.

    CloudTrail writes the names of members with a small first letter; of the keys of a
    map AWS does not say, so both spellings are matched.
    """
    return [
        {"eventName": ["UpdateRegionSettings"], "requestParameters": {preference: {key: [False]}}}
        for preference in ("resourceTypeOptInPreference", "resourceTypeManagementPreference")
        for key in ("DynamoDB", "dynamoDB")
    ]
