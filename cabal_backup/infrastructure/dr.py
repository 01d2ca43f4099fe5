"""The stack in the DR region: where the copies go."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from cabal_backup import names
from cabal_backup.config.environment import Environment
from cabal_backup.infrastructure.alerts import Alerts
from cabal_backup.infrastructure.custom_resources import AdvancedDynamoDB
from cabal_backup.infrastructure.restore_testing import RestoreTesting, TestingPlan
from cabal_backup.infrastructure.role import restore_test_role
from cabal_backup.infrastructure.vault import AirGappedVault, LockedVault


class DrStack(Stack):
    """The locked vault for copies, and the opt-in that copying back relies on."""

    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, **kwargs: Any
    ) -> None:
        super().__init__(scope, id, **kwargs)
        vault = LockedVault(self, "Vault", name=names.DR_VAULT, lock=environment.lock).vault
        opt_in = AdvancedDynamoDB(self, "AdvancedDynamoDB")
        if environment.region_of_air_gapped == environment.dr_region:
            AirGappedVault(self, "AirGapped", environment=environment)
        alerts = None
        if environment.alerts:
            alerts = Alerts(self, "Alerts", environment=environment, after=[vault])
        if environment.restore_testing:
            RestoreTesting(
                self,
                "RestoreTesting",
                environment=environment,
                plans=[
                    TestingPlan(
                        "TablePlan",
                        names.DR_TABLE_TESTING_PLAN,
                        environment.dr_restore_testing_table_schedule,
                        (names.DYNAMODB,),
                    ),
                    TestingPlan(
                        "FileSystemPlan",
                        names.DR_MAILSTORE_TESTING_PLAN,
                        environment.dr_restore_testing_mailstore_schedule,
                        (names.EFS,),
                    ),
                ],
                vault=vault,
                # The environment's role comes later, with the primary stack.
                role=restore_test_role(self),
                dead_letters=alerts.topic if alerts else None,
            )
        for name, value, description in (
            ("VaultName", vault.backup_vault_name, "The vault that holds the copies"),
            ("VaultArn", vault.backup_vault_arn, "Where a copy job into this region goes"),
            *opt_in.outputs,
        ):
            CfnOutput(self, name, value=value, description=description)
