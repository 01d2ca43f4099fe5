"""The stack in the primary region: where the nightly backups are made."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct, IDependable

from cabal_backup import names
from cabal_backup.config.environment import Environment
from cabal_backup.infrastructure.alerts import Alerts
from cabal_backup.infrastructure.custom_resources import AdvancedDynamoDB
from cabal_backup.infrastructure.grant import arn
from cabal_backup.infrastructure.plan import NightlyPlan
from cabal_backup.infrastructure.restore_testing import RestoreTesting, TestingPlan
from cabal_backup.infrastructure.role import BackupRole
from cabal_backup.infrastructure.vault import AirGappedVault, LockedVault


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
        table_arn = arn(self, "dynamodb", f"table/{environment.addresses_table}")
        mailstore = f"file-system/{environment.mailstore_file_system_id}"
        mailstore_arn = arn(self, "elasticfilesystem", mailstore)
        # By its ARN: the vault itself would connect the two stacks with export and reader
        # resources in both regions.
        dr_vault_arn = arn(self, "backup", f"backup-vault:{names.DR_VAULT}", environment.dr_region)
        vault = LockedVault(self, "Vault", name=names.VAULT, lock=environment.lock).vault
        copies = {dr_vault_arn: environment.dr_lifecycle}
        if environment.air_gapped:
            name, region = names.AIR_GAPPED_VAULT, environment.region_of_air_gapped
            third = arn(self, "backup", f"backup-vault:{name}", region)
            copies[third] = environment.air_gapped_lifecycle
            CfnOutput(
                self, "AirGappedVaultArn", value=third, description="The vault no one can empty"
            )
        # The primary vault is the target of copying back.
        copy_targets = [vault.backup_vault_arn, *copies]
        role = BackupRole(self, "Role", copy_targets=copy_targets).role
        opt_in = AdvancedDynamoDB(self, "AdvancedDynamoDB")
        # A table's recovery point made before the opt-in can never be copied.
        first: list[IDependable] = [opt_in.resource]
        if environment.region_of_air_gapped == environment.region:
            first.append(AirGappedVault(self, "AirGapped", environment=environment))
        nightly = NightlyPlan(
            self,
            "Nightly",
            vault=vault,
            lifecycle=environment.lifecycle,
            copies=copies,
            role=role,
            resource_arns=[table_arn, mailstore_arn],
            after=first,
        )
        alerts = None
        if environment.alerts:
            plan_id, first = nightly.plan.backup_plan_id, [vault, nightly]
            alerts = Alerts(self, "Alerts", environment=environment, plan_id=plan_id, after=first)
        if environment.restore_testing:
            RestoreTesting(
                self,
                "RestoreTesting",
                environment=environment,
                plans=[
                    TestingPlan(
                        "Plan",
                        names.RESTORE_TESTING_PLAN,
                        environment.restore_testing_schedule,
                        tuple(names.RESOURCE_KINDS),
                    )
                ],
                vault=vault,
                role=role,
                role_usable=nightly.role_usable,
                dead_letters=alerts.topic if alerts else None,
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
            *opt_in.outputs,
        ):
            CfnOutput(self, name, value=value, description=description)
