"""AWS Backup's own restore testing, and the handler that judges what was restored."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_backup as backup
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct, IDependable

from cabal_backup import names
from cabal_backup.config.environment import Environment
from cabal_backup.infrastructure.custom_resources import role_check
from cabal_backup.infrastructure.function import HandlerFunction
from cabal_backup.infrastructure.grant import Grant, announce
from cabal_backup.infrastructure.places import Places, arn

_RESTORED_TABLES = "awsbackup-restore-test-*"
"""How AWS Backup names the tables it restores for a test.

https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-testing-inferred-metadata.html
"""


_IDS = {
    names.RESTORE_TESTING_PLAN: "Plan",
    names.DR_TABLE_TESTING_PLAN: "TablePlan",
    names.DR_MAILSTORE_TESTING_PLAN: "FileSystemPlan",
    names.DYNAMODB: "TableSelection",
    names.EFS: "FileSystemSelection",
}
"""Ids of the plans and of the selections in them."""


class RestoreTesting(Construct):
    """Restore testing plans for one table and one file system, with a verdict on each restore.

    AWS Backup restores the newest recovery point of each on schedule, in the region of the
    vault. Our function compares them with the live ones and reports SUCCESSFUL or FAILED;
    then, or after a day without a verdict, AWS Backup deletes what it restored.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-testing.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: Environment,
        vault: backup.IBackupVault,
        role: iam.IRole,
        role_usable: IDependable | None = None,
        dead_letters: sns.ITopic | None = None,
    ) -> None:
        """
        :param environment: its `restore_testing` must be true.
        :param vault: whose recovery points are tested.
        :param role: what AWS Backup restores under.
        :param role_usable: what is complete once AWS Backup can use the role. Default: a check of
            its own, with the first of the plans.
        :param dead_letters: where an event goes whose verdict could not be put. Default: nowhere.
        """
        super().__init__(scope, id)
        if not environment.restore_testing:
            raise ValueError(f"restore testing is off in {environment.name}")
        stack = Stack.of(self)
        live, here = environment.region, stack.region
        at = Places(vars(environment), partition=stack.partition, account=stack.account)
        arns = {names.DYNAMODB: at.addresses, names.EFS: at.mailstore}
        # The restored ones are in this region, the live one in the primary.
        file_systems = [
            arn(self, "elasticfilesystem", "file-system/*", region)
            for region in dict.fromkeys((live, here))
        ]
        plan_arns = []
        for tests in environment.restore_tests_in(here):
            plan = backup.CfnRestoreTestingPlan(
                self,
                _IDS[tests.plan],
                restore_testing_plan_name=tests.plan,
                schedule_expression=tests.schedule,
                start_window_hours=names.RESTORE_TEST_START_WINDOW_HOURS,
                recovery_point_selection=backup.CfnRestoreTestingPlan.RestoreTestingRecoveryPointSelectionProperty(
                    algorithm=names.RESTORE_TEST_ALGORITHM,
                    include_vaults=[vault.backup_vault_arn],
                    recovery_point_types=["SNAPSHOT"],
                    selection_window_days=names.RESTORE_TEST_WINDOW_DAYS,
                ),
            )
            plan_arns.append(plan.attr_restore_testing_plan_arn)
            role_usable = role_usable or role_check(self, plan, role)
            for kind in tests.kinds:
                selection = backup.CfnRestoreTestingSelection(
                    self,
                    _IDS[kind],
                    restore_testing_plan_name=plan.ref,
                    restore_testing_selection_name=f"{tests.plan}_{kind.lower()}",
                    protected_resource_type=kind,
                    protected_resource_arns=[arns[kind]],
                    iam_role_arn=role.role_arn,
                    validation_window_hours=names.RESTORE_TEST_VALIDATION_HOURS,
                )
                selection.node.add_dependency(role_usable)
        handler = HandlerFunction(
            self,
            "Handler",
            module="validate_restore",
            packaged=["operations/restore/tables/items.py"],
            description="Judges what AWS Backup's restore testing restored",
            grants=[
                Grant(
                    "backup: DescribeRestoreJob ListRestoreJobs PutRestoreValidationResult",
                    ["*"],
                ),
                Grant(
                    "dynamodb: DescribeTable Scan",
                    [arn(self, "dynamodb", f"table/{_RESTORED_TABLES}"), at.addresses],
                ),
                Grant("dynamodb: BatchGetItem", [at.addresses]),
                Grant("elasticfilesystem: DescribeFileSystems", file_systems),
                announce(arn(self, "events", "event-bus/default")),
            ],
            environment={
                "RESTORE_TESTING_PLAN_ARNS": ",".join(plan_arns),
                "LIVE_REGION": environment.region,
                "TABLE": environment.addresses_table,
                "FILE_SYSTEM_ID": str(environment.mailstore_file_system_id),
                "TOLERANCE_PERCENT": str(environment.restore_testing_tolerance_percent),
            },
            dead_letters=dead_letters
            or "A run that fails is repeated by the next run of its schedule while the restore "
            "waits for a verdict. `cabal-backup status` reports a test without a verdict. With "
            "alerts on, there is a dead-letter topic.",
        )
        restored = events.Rule(
            self,
            "Restored",
            description="A restore test of Cabal's backups has restored something",
            event_pattern=events.EventPattern(
                source=["aws.backup"],
                detail_type=["Restore Job State Change"],
                detail={"status": ["COMPLETED"], "restoreTestingPlanArn": plan_arns},
            ),
        )
        waiting = events.Rule(
            self,
            "Waiting",
            description="Restore tests of Cabal's backups may wait for a verdict",
            schedule=events.Schedule.rate(Duration.hours(3)),
        )
        for rule in (restored, waiting):
            rule.add_target(targets.LambdaFunction(handler.function))
            rule.node.add_dependency(handler.permissions)
