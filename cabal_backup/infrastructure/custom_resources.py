"""What CloudFormation has no type for, and has to wait for: two custom resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import CustomResource, Duration
from aws_cdk import aws_backup as backup
from aws_cdk import aws_iam as iam
from constructs import Construct

from cabal_backup import names
from cabal_backup.infrastructure.function import HandlerFunction
from cabal_backup.infrastructure.grant import Grant, pass_role
from cabal_backup.infrastructure.places import arn


class AdvancedDynamoDB(Construct):
    """The opt-in of this account to advanced DynamoDB backup, in the stack's region.

    Without it no table is copied. It switches on what is off, changes no other resource type's
    setting, and leaves everything as it is when the stack is deleted: others may rely on it.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/advanced-ddb-backup.html
    """

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self.resource = _custom_resource(
            self,
            "OptIn",
            resource_type="Custom::AdvancedDynamoDBBackup",
            module="opt_in",
            description="Opts this account in to advanced DynamoDB backup in this region",
            grants=[Grant("backup: DescribeRegionSettings UpdateRegionSettings", ["*"])],
        )
        service, management = map(self.resource.get_att_string, ("ServiceAfter", "ManagementAfter"))
        self.outputs = (
            ("DynamoDBServiceOptIn", service, "AWS Backup protects DynamoDB here"),
            ("DynamoDBFullManagement", management, "Advanced DynamoDB backup is on here"),
        )
        """Of the stack: name, value as read back after the opt-in, and description."""


def role_check(
    scope: Construct, plan: backup.BackupPlan | backup.CfnRestoreTestingPlan, role: iam.IRole
) -> CustomResource:
    """Is complete once AWS Backup accepts the role for the plan.

    A selection of a backup plan, or of a restore testing plan, fails with a role that was created
    a few seconds ago. CloudFormation does not try again, so what selects with the
    role depends on this.
    """
    if isinstance(plan, backup.BackupPlan):
        plan_arn = plan.backup_plan_arn
        named = {"BackupPlanId": plan.backup_plan_id}
        actions = "CreateBackupSelection DeleteBackupSelection ListBackupSelections"
        more = [pass_role(role.role_arn)]
    else:
        plan_arn = arn(scope, "backup", f"restore-testing-plan:{plan.restore_testing_plan_name}-*")
        named = {"RestoreTestingPlanName": plan.ref}
        actions = "CreateRestoreTestingSelection DeleteRestoreTestingSelection"
        testing = "restore-testing.backup.amazonaws.com"
        linked = f"role/aws-service-role/{testing}/AWSServiceRoleForBackupRestoreTesting"
        more = [
            # The Service Authorization Reference has the first service for these calls;
            # AWSBackupFullAccess has both.
            # https://docs.aws.amazon.com/aws-backup/latest/devguide/security-iam-awsmanpol.html
            pass_role(role.role_arn, [testing, "backup.amazonaws.com"]),
            # AWS Backup creates this role when it is first needed, if the caller may.
            # https://docs.aws.amazon.com/aws-backup/latest/devguide/using-service-linked-roles.html
            Grant(
                "iam: CreateServiceLinkedRole",
                [arn(scope, "iam", linked, "")],
                conditions={"StringEquals": {"iam:AWSServiceName": testing}},
            ),
        ]
    nothing = arn(scope, "dynamodb", f"table/{names.ROLE_CHECK}")
    return _custom_resource(
        Construct(scope, "RoleCheck"),
        "Check",
        resource_type="Custom::BackupRoleCheck",
        module="role_check",
        description="Waits until AWS Backup can use the role of the backups",
        grants=[Grant(f"backup: {actions}", [plan_arn]), *more],
        properties={**named, "RoleArn": role.role_arn, "ResourceArn": nothing},
    )


def _custom_resource(
    scope: Construct,
    id: str,
    *,
    resource_type: str,
    module: str,
    description: str,
    grants: Sequence[Grant],
    properties: Mapping[str, str] | None = None,
) -> CustomResource:
    handler = HandlerFunction(
        scope,
        "Handler",
        module=module,
        description=description,
        grants=grants,
        packaged=["custom_resource.py"],
        dead_letters="No event can get lost: CloudFormation waits for the answer to the one it "
        "sent, and fails the deployment with the reason when none comes.",
    )
    resource = CustomResource(
        scope,
        id,
        resource_type=resource_type,
        service_token=handler.function.function_arn,
        # A minute more than the handler may take: an answer that got lost is noticed then,
        # and not after CloudFormation's hour.
        service_timeout=Duration.minutes(16),
        properties=properties,
    )
    resource.node.add_dependency(handler.permissions)
    return resource
