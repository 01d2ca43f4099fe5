"""The stack in the primary region: where the nights are taken."""

from __future__ import annotations

from typing import Any

from aws_cdk import ArnFormat, CfnOutput, Stack
from aws_cdk import aws_backup as backup
from constructs import Construct

from cabal_backup import names
from cabal_backup.config.environment import Environment
from cabal_backup.infrastructure.advanced_dynamodb import AdvancedDynamoDB
from cabal_backup.infrastructure.alerts import Alerts
from cabal_backup.infrastructure.plan import NightlyPlan
from cabal_backup.infrastructure.restore_testing import RestoreTesting, TestingPlan
from cabal_backup.infrastructure.role import BackupRole
from cabal_backup.infrastructure.vault import LockedVault


class PrimaryStack(Stack):
    """The locked vault, the role, the opt-in and the nightly plan with its copy.

    And what belongs to them: alerts and restore testing.
    """

    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, **kwargs: Any
    ) -> None:
        super().__init__(scope, id, **kwargs)
        if environment.mailstore_file_system_id is None:
            raise ValueError("mailstore_file_system_id is required to protect an environment")
        table_arn = self.format_arn(
            service="dynamodb", resource="table", resource_name=environment.addresses_table
        )
        mailstore_arn = self.format_arn(
            service="elasticfilesystem",
            resource="file-system",
            resource_name=environment.mailstore_file_system_id,
        )
        # By its ARN: handing the vault itself over would tie the two stacks together
        # with export and reader resources in both regions.
        dr_vault_arn = self.format_arn(
            service="backup",
            region=environment.dr_region,
            resource="backup-vault",
            resource_name=names.DR_VAULT,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        vault = LockedVault(self, "Vault", name=names.VAULT, lock=environment.lock).vault
        role = BackupRole(
            self,
            "Role",
            name=names.ROLE,
            # The primary vault is the target of copying back.
            copy_targets=[vault.backup_vault_arn, dr_vault_arn],
        ).role
        opt_in = AdvancedDynamoDB(self, "AdvancedDynamoDB")
        nightly = NightlyPlan(
            self,
            "Nightly",
            vault=vault,
            lifecycle=environment.lifecycle,
            copy_to=backup.BackupVault.from_backup_vault_arn(self, "DrVault", dr_vault_arn),
            copy_lifecycle=environment.dr_lifecycle,
            role=role,
            resource_arns=[table_arn, mailstore_arn],
            # A table's recovery point made before the opt-in can never be copied.
            after=[opt_in.resource],
        )
        alerts = (
            Alerts(
                self,
                "Alerts",
                environment=environment,
                plan_id=nightly.plan.backup_plan_id,
                after=[vault, nightly],
            )
            if environment.alerts
            else None
        )
        dead_letters = alerts.topic if alerts else None
        if environment.restore_testing:
            RestoreTesting(
                self,
                "RestoreTesting",
                environment=environment,
                plans=[
                    TestingPlan(
                        id="Plan",
                        name=names.RESTORE_TESTING_PLAN,
                        schedule=environment.restore_testing_schedule,
                        kinds=tuple(names.RESOURCE_KINDS),
                    )
                ],
                vault=vault,
                role=role,
                role_usable=nightly.role_usable,
                dead_letters=dead_letters,
            )
        for name, value, description in (
            ("VaultName", vault.backup_vault_name, "The vault that holds the nights"),
            ("VaultArn", vault.backup_vault_arn, "Where a copy back from the DR region goes"),
            ("DrVaultArn", dr_vault_arn, "The vault every night is copied to"),
            ("RoleArn", role.role_arn, "The role for backup, copy and restore jobs"),
            ("PlanId", nightly.plan.backup_plan_id, "The nightly backup plan"),
            ("SelectionId", nightly.selection.selection_id, "What the plan selects"),
            ("AddressesTableArn", table_arn, "The table in the plan"),
            ("MailstoreArn", mailstore_arn, "The file system in the plan"),
            ("DynamoDBServiceOptIn", opt_in.service_opt_in, "AWS Backup protects DynamoDB here"),
            (
                "DynamoDBFullManagement",
                opt_in.management_preference,
                "Advanced DynamoDB backup is on here",
            ),
        ):
            CfnOutput(self, name, value=value, description=description)
