"""A backup vault that cannot be emptied unnoticed."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy, Stack, Tags
from aws_cdk import aws_backup as backup
from constructs import Construct

from cabal_backup import names
from cabal_backup.config.environment import Lock
from cabal_backup.infrastructure.acknowledge import acknowledge


class LockedVault(Construct):
    """A backup vault with a governance lock, kept when its stack goes.

    While the lock stands, AWS Backup refuses every manual deletion and every lifecycle
    change of a recovery point in the vault, by any principal. The lock can be removed by
    one call of its own, which CloudTrail sees. Compliance mode, which no one could
    ever undo, is not offered.

    The vault is encrypted with the AWS-managed key: a customer key that is scheduled
    for deletion takes every backup with it, and no lock protects the key
    (docs/decisions/aws-managed-keys.md).

    https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html
    """

    def __init__(self, scope: Construct, id: str, *, name: str, lock: Lock) -> None:
        """
        :param name: the vault's name. Changing it makes a new, empty vault and leaves
            the old one, with all its recovery points, behind.
        :param lock: the shortest and longest retention, in days, that the vault accepts.
            Jobs outside it fail.
        """
        super().__init__(scope, id)
        self.vault: backup.IBackupVault = backup.BackupVault(
            self,
            "Vault",
            backup_vault_name=name,
            lock_configuration=backup.LockConfiguration(
                min_retention=Duration.days(lock.min_days),
                max_retention=Duration.days(lock.max_days),
            ),
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        # The operator's tool compares it before it changes anything.
        Tags.of(self.vault).add(names.ACCOUNT_TAG, Stack.of(self).account)
        acknowledge(
            self.vault,
            {
                "The AWS-managed key encrypts the vault. A customer key adds a way to lose "
                "every recovery point that no lock guards: the deletion of the key itself.": [
                    "CKV_AWS_166"
                ]
            },
        )
