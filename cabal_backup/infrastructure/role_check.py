"""Proof that AWS Backup can use the role, before anything is selected with it."""

from __future__ import annotations

from aws_cdk import ArnFormat, CustomResource, Duration, Stack
from aws_cdk import aws_backup as backup
from aws_cdk import aws_iam as iam
from constructs import Construct

from cabal_backup import names
from cabal_backup.infrastructure.acknowledge import acknowledge
from cabal_backup.infrastructure.function import HandlerFunction
from cabal_backup.infrastructure.grant import Grant

HANDLER_TIMEOUT = Duration.minutes(15)
"""Longer than all retries of the handler together; the most that Lambda grants."""


class RoleCheck(Construct):
    """A custom resource that is complete once AWS Backup accepts the role for the plan.

    A selection of a backup plan, or of a restore testing plan, with a role of a few seconds ago
    fails. CloudFormation does not try again, so what selects with the role depends on `resource`.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        plan: backup.BackupPlan | backup.CfnRestoreTestingPlan,
        role: iam.IRole,
    ) -> None:
        """
        :param plan: the plan that selects with the role.
        :param role: what AWS Backup works under.
        """
        super().__init__(scope, id)
        stack = Stack.of(self)
        if isinstance(plan, backup.BackupPlan):
            plan_arn = plan.backup_plan_arn
            named = {"BackupPlanId": plan.backup_plan_id}
            actions = "CreateBackupSelection DeleteBackupSelection ListBackupSelections"
        else:
            # Its ARN ends with an id that AWS Backup adds to the name.
            plan_arn = stack.format_arn(
                service="backup",
                resource="restore-testing-plan",
                resource_name=f"{plan.restore_testing_plan_name}-*",
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            )
            named = {"RestoreTestingPlanName": plan.ref}
            actions = "CreateRestoreTestingSelection DeleteRestoreTestingSelection"
        nothing = stack.format_arn(
            service="dynamodb", resource="table", resource_name=names.ROLE_CHECK
        )
        handler = HandlerFunction(
            self,
            "Handler",
            module="role_check",
            description="Waits until AWS Backup can use the role of the backups",
            timeout=HANDLER_TIMEOUT,
            grants=[
                Grant(
                    "Select",
                    f"backup: {actions}",
                    [plan_arn],
                    why="The ARN of a restore testing plan ends with an id that AWS Backup adds. "
                    "The plan's name before it is this stack's own.",
                ),
                Grant(
                    "PassRole",
                    "iam: PassRole",
                    [role.role_arn],
                    conditions={"StringEquals": {"iam:PassedToService": "backup.amazonaws.com"}},
                ),
            ],
        )
        acknowledge(
            handler.function,
            reason="No event can get lost: CloudFormation waits for the answer to the one it sent, "
            "and fails the deployment with the reason when none comes.",
            rules=["NIST.800.53.R5-LambdaDLQ", "CKV_AWS_116"],
        )
        self.resource = CustomResource(
            self,
            "Check",
            resource_type="Custom::BackupRoleCheck",
            service_token=handler.function.function_arn,
            service_timeout=HANDLER_TIMEOUT.plus(Duration.minutes(1)),
            properties={
                **named,
                "RoleArn": role.role_arn,
                "ResourceArn": nothing,
            },
        )
        self.resource.node.add_dependency(handler.permissions)
