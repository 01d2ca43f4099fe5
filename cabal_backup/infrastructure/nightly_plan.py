"""The nightly plan: what is backed up, when, where it is copied and how long it lives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_backup as backup
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct, IDependable

from cabal_backup import names
from cabal_backup.config.environment import MIN_COLD_DAYS, Lifecycle
from cabal_backup.infrastructure.custom_resources import role_check


class NightlyPlan(Construct):
    """A backup plan with one nightly rule, its copy actions and one selection.

    A copy has a lifecycle of its own: AWS Backup gives a copy without one the expiry
    of its source and no cold storage.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/creating-a-backup-plan.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        vault: backup.IBackupVault,
        lifecycle: Lifecycle,
        copies: Mapping[str, Lifecycle],
        role: iam.IRole,
        resource_arns: Sequence[str],
        after: Sequence[IDependable] = (),
    ) -> None:
        """
        :param vault: where recovery points are created, and `lifecycle` how long they are kept.
        :param copies: the ARNs of the vaults that each recovery point is copied to, and how long
            each copy is kept, counted from the original backup.
        :param role: the role that AWS Backup assumes.
        :param resource_arns: exactly what is backed up; at least one, because AWS Backup
            takes an empty selection as everything.
        :param after: what must be complete before the first backup. Default: nothing.
        """
        super().__init__(scope, id)
        if not resource_arns:
            raise ValueError("resource_arns is empty: AWS Backup would select every resource")
        for each in (lifecycle, *copies.values()):
            _check(each)
        self.plan = backup.BackupPlan(
            self,
            "Plan",
            backup_plan_name=names.PLAN,
            backup_plan_rules=[
                backup.BackupPlanRule(
                    rule_name=names.RULE,
                    backup_vault=vault,
                    schedule_expression=events.Schedule.expression(names.SCHEDULE),
                    start_window=Duration.minutes(names.START_WINDOW_MINUTES),
                    completion_window=Duration.minutes(names.COMPLETION_WINDOW_MINUTES),
                    move_to_cold_storage_after=_days(lifecycle.cold_after_days),
                    delete_after=_days(lifecycle.delete_after_days),
                    copy_actions=[
                        backup.BackupPlanCopyActionProps(
                            destination_backup_vault=backup.BackupVault.from_backup_vault_arn(
                                self, f"To{number}", vault_arn
                            ),
                            move_to_cold_storage_after=_days(kept.cold_after_days),
                            delete_after=_days(kept.delete_after_days),
                        )
                        for number, (vault_arn, kept) in enumerate(copies.items())
                    ],
                )
            ],
        )
        self.selection = backup.BackupSelection(
            self,
            "Selection",
            backup_plan=self.plan,
            backup_selection_name=f"{names.SELECTION}-{_digest(self, resource_arns)}",
            role=role,
            # The role has its policies itself; the selection must not add any.
            disable_default_backup_policy=True,
            resources=[backup.BackupResource.from_arn(arn) for arn in resource_arns],
        )
        self.role_usable = role_check(self, self.plan, role)
        self.selection.node.add_dependency(self.role_usable, *after)


def _digest(scope: Construct, resource_arns: Sequence[str]) -> str:
    """Eight hexadecimal digits that change with the resources.

    CloudFormation creates the replacement of a selection before it deletes the old one, and AWS
    does not document whether a plan may have two selections of the same name meanwhile.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-backup-backupselection.html
    """
    resolved = json.dumps(Stack.of(scope).resolve(list(resource_arns)), sort_keys=True)
    return hashlib.sha256(resolved.encode()).hexdigest()[:8]


def _days(days: int | None) -> Duration | None:
    return None if days is None else Duration.days(days)


def _check(lifecycle: Lifecycle) -> None:
    """https://docs.aws.amazon.com/aws-backup/latest/devguide/API_Lifecycle.html"""
    cold, delete = lifecycle.cold_after_days, lifecycle.delete_after_days
    if cold is not None and delete < cold + MIN_COLD_DAYS:
        raise ValueError(
            f"delete_after_days must be at least cold_after_days + {MIN_COLD_DAYS} "
            f"({cold + MIN_COLD_DAYS}), got {delete}"
        )
