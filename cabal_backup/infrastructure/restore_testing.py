"""AWS Backup's own restore testing, and the handler that judges what was restored."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_backup as backup
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from cabal_backup import names
from cabal_backup.environment import RestoreTesting as Settings
from cabal_backup.infrastructure.acknowledge import acknowledge, wildcard
from cabal_backup.infrastructure.function import HandlerFunction

RESTORED_TABLES = "awsbackup-restore-test-*"
"""How AWS Backup names the tables it restores for a test.

https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-testing-inferred-metadata.html
"""


class RestoreTesting(Construct):
    """A restore testing plan for one table and one file system, with a verdict on each.

    AWS Backup restores the newest recovery point of each on schedule, beside the live
    ones. Our handler compares them with the live ones and reports SUCCESSFUL or FAILED;
    then, or after a day without a verdict, AWS Backup deletes what it restored.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-testing.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: Settings,
        vault: backup.IBackupVault,
        role: iam.IRole,
        table: str,
        file_system_id: str,
        dead_letters: sns.ITopic | None = None,
    ) -> None:
        """
        :param settings: when to test, and how far the restored may be from the live.
        :param vault: whose recovery points are tested.
        :param role: what AWS Backup restores under.
        :param table: the name of the table, in the stack's account and region.
        :param file_system_id: the file system, likewise.
        :param dead_letters: where an event goes whose verdict could not be put. Default:
            nowhere; the schedule tries again, and `status` tells of a test without verdict.
        """
        super().__init__(scope, id)
        stack = Stack.of(self)
        table_arn = stack.format_arn(service="dynamodb", resource="table", resource_name=table)
        restored_tables = stack.format_arn(
            service="dynamodb", resource="table", resource_name=RESTORED_TABLES
        )
        file_systems = stack.format_arn(
            service="elasticfilesystem", resource="file-system", resource_name="*"
        )
        self.plan = backup.CfnRestoreTestingPlan(
            self,
            "Plan",
            restore_testing_plan_name=names.RESTORE_TESTING_PLAN,
            schedule_expression=settings.schedule,
            start_window_hours=names.RESTORE_TEST_START_WINDOW_HOURS,
            recovery_point_selection=backup.CfnRestoreTestingPlan.RestoreTestingRecoveryPointSelectionProperty(
                algorithm=names.RESTORE_TEST_ALGORITHM,
                include_vaults=[vault.backup_vault_arn],
                recovery_point_types=["SNAPSHOT"],
                selection_window_days=names.RESTORE_TEST_WINDOW_DAYS,
            ),
        )
        for name, resource_type, arn in (
            ("Table", "DynamoDB", table_arn),
            (
                "FileSystem",
                "EFS",
                stack.format_arn(
                    service="elasticfilesystem",
                    resource="file-system",
                    resource_name=file_system_id,
                ),
            ),
        ):
            backup.CfnRestoreTestingSelection(
                self,
                f"{name}Selection",
                restore_testing_plan_name=self.plan.ref,
                restore_testing_selection_name=f"{names.RESTORE_TESTING_PLAN}_{resource_type.lower()}",
                protected_resource_type=resource_type,
                protected_resource_arns=[arn],
                iam_role_arn=role.role_arn,
                validation_window_hours=names.RESTORE_TEST_VALIDATION_HOURS,
            )
        plan_arn = self.plan.attr_restore_testing_plan_arn
        self.handler = HandlerFunction(
            self,
            "Handler",
            module="validate_restore",
            description="Judges what AWS Backup's restore testing restored",
            timeout=Duration.minutes(15),
            statements=[
                iam.PolicyStatement(
                    actions=[
                        "backup:DescribeRestoreJob",
                        "backup:ListRestoreJobs",
                        "backup:PutRestoreValidationResult",
                    ],
                    resources=["*"],
                ),
                iam.PolicyStatement(
                    actions=["dynamodb:DescribeTable", "dynamodb:Scan"],
                    resources=[table_arn, restored_tables],
                ),
                iam.PolicyStatement(actions=["dynamodb:BatchGetItem"], resources=[table_arn]),
                iam.PolicyStatement(
                    actions=["elasticfilesystem:DescribeFileSystems"], resources=[file_systems]
                ),
                iam.PolicyStatement(
                    actions=["events:PutEvents"],
                    resources=[
                        stack.format_arn(
                            service="events", resource="event-bus", resource_name="default"
                        )
                    ],
                    conditions={"StringEquals": {"events:source": names.EVENT_SOURCE}},
                ),
            ],
            environment={
                "RESTORE_TESTING_PLAN_ARN": plan_arn,
                "TABLE": table,
                "FILE_SYSTEM_ID": file_system_id,
                "TOLERANCE_PERCENT": str(settings.tolerance_percent),
            },
            dead_letters=dead_letters,
        )
        restored = events.Rule(
            self,
            "Restored",
            description="A restore test of Cabal's backups has restored something",
            event_pattern=events.EventPattern(
                source=["aws.backup"],
                detail_type=["Restore Job State Change"],
                detail={"status": ["COMPLETED"], "restoreTestingPlanArn": [plan_arn]},
            ),
        )
        waiting = events.Rule(
            self,
            "Waiting",
            description="Restore tests of Cabal's backups may wait for a verdict",
            schedule=events.Schedule.rate(Duration.hours(3)),
        )
        for rule in (restored, waiting):
            rule.add_target(targets.LambdaFunction(self.handler.function))
            rule.node.add_dependency(self.handler.permissions)
        self._acknowledge(restored_tables, file_systems, dead_letters)

    def _acknowledge(
        self, restored_tables: str, file_systems: str, dead_letters: sns.ITopic | None
    ) -> None:
        acknowledge(
            self.handler.permissions,
            reason="backup:DescribeRestoreJob, ListRestoreJobs and PutRestoreValidationResult know "
            "no resource to be narrowed to (Service Authorization Reference). Nothing else has "
            "this wildcard.",
            rules=["AwsSolutions-IAM5[Resource::*]"],
        )
        acknowledge(
            self.handler.permissions,
            reason="AWS Backup gives every table it restores for a test a new random name that "
            "begins like this, and nothing else has such names.",
            rules=[wildcard(self, restored_tables)],
        )
        acknowledge(
            self.handler.permissions,
            reason="A file system restored for a test has a new random id, known only once it is "
            "there. The one action allowed reads descriptions, and nothing that is stored.",
            rules=[wildcard(self, file_systems)],
        )
        if dead_letters is None:
            acknowledge(
                self.handler.function,
                reason="What it did not get done once it does at the next run of its schedule, as "
                "long as the restore waits for a verdict, and a test that stays without one is "
                "told by `cabal-backup status`. With alerts on there is a dead letter topic too.",
                rules=["NIST.800.53.R5-LambdaDLQ", "CKV_AWS_116"],
            )
