"""The stack in the DR region: where the copies go."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from cabal_backup import names
from cabal_backup.environment import Environment
from cabal_backup.infrastructure.advanced_dynamodb import AdvancedDynamoDB
from cabal_backup.infrastructure.alerts import Alerts
from cabal_backup.infrastructure.vault import LockedVault


class DrStack(Stack):
    """The locked vault for copies, and the opt-in that copying back relies on."""

    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, **kwargs: Any
    ) -> None:
        super().__init__(scope, id, **kwargs)
        vault = LockedVault(self, "Vault", name=names.DR_VAULT, lock=environment.lock).vault
        opt_in = AdvancedDynamoDB(self, "AdvancedDynamoDB")
        if environment.alerts is not None:
            Alerts(self, "Alerts", environment=environment, after=[vault])
        for name, value, description in (
            ("VaultName", vault.backup_vault_name, "The vault that holds the copies"),
            ("VaultArn", vault.backup_vault_arn, "Where a copy job into this region goes"),
            ("DynamoDBServiceOptIn", opt_in.service_opt_in, "AWS Backup protects DynamoDB here"),
            (
                "DynamoDBFullManagement",
                opt_in.management_preference,
                "Advanced DynamoDB backup is on here",
            ),
        ):
            CfnOutput(self, name, value=value, description=description)
