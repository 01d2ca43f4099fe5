"""Backup vaults: one that cannot be emptied unnoticed, and one that cannot be emptied at all."""

from __future__ import annotations

from aws_cdk import Annotations, Duration, RemovalPolicy, Stack, Tags
from aws_cdk import aws_backup as backup
from aws_cdk import aws_ram as ram
from constructs import Construct

from cabal_backup import names
from cabal_backup.config.environment import Environment, Lock
from cabal_backup.infrastructure.grant import acknowledge


def locked_vault(scope: Construct, *, name: str, lock: Lock) -> backup.IBackupVault:
    """A backup vault with a governance lock, kept when its stack is deleted.

    One call removes the lock, and CloudTrail records it. Compliance mode, which can never be
    removed, is not offered here. docs/decisions/aws-managed-keys.md says why the vault has no
    customer key.

    :param name: the vault's name. Changing it makes a new, empty vault and leaves
        the old one, with all its recovery points, behind.
    :param lock: the shortest and longest retention, in days, that the vault accepts.
        Jobs outside it fail.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html
    """
    vault = backup.BackupVault(
        Construct(scope, "Vault"),
        "Vault",
        backup_vault_name=name,
        lock_configuration=backup.LockConfiguration(
            min_retention=Duration.days(lock.min_days),
            max_retention=Duration.days(lock.max_days),
        ),
        removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    )
    # The operator's tool compares it before it changes anything.
    Tags.of(vault).add(names.ACCOUNT_TAG, Stack.of(scope).account)
    reason = (
        "The AWS-managed key encrypts the vault. With a customer key, deleting the key would make "
        "every recovery point unreadable, in spite of the lock."
    )
    acknowledge(vault, reason, "CKV_AWS_166")
    return vault


class AirGappedVault(Construct):
    """A logically air-gapped vault, locked in compliance mode, and its share with other accounts.

    Its recovery points cannot be deleted before they expire, by no one, and its limits never
    change. It has a key that AWS owns, because a customer key can be deleted
    (docs/decisions/air-gapped.md). It is kept when its stack is deleted; the share is not.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/logicallyairgappedvault.html
    """

    def __init__(self, scope: Construct, id: str, *, environment: Environment) -> None:
        """:param environment: its `air_gapped` must be true."""
        super().__init__(scope, id)
        least, most = environment.air_gapped_min_days, environment.air_gapped_max_days
        vault = backup.CfnLogicallyAirGappedBackupVault(
            self,
            "Vault",
            backup_vault_name=names.AIR_GAPPED_VAULT,
            min_retention_days=least,
            max_retention_days=most,
        )
        vault.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
        Tags.of(vault).add(names.ACCOUNT_TAG, Stack.of(self).account)
        accounts = environment.air_gapped_share_with
        Annotations.of(vault).add_warning_v2(
            "cabal-backup:air-gapped",
            f"The deployment of {names.AIR_GAPPED_VAULT} cannot be undone. No one can delete its "
            f"recovery points before they expire, after {environment.air_gapped_delete_after_days} "
            f"days, and its limits, {least} to {most} days, never change: it is billed until its "
            "last recovery point expires, and can be deleted only then."
            + (f" It is shared with {', '.join(accounts)}." if accounts else ""),
        )
        if accounts:
            ram.CfnResourceShare(
                self,
                "Share",
                name=names.AIR_GAPPED_VAULT,
                # The accounts need no organization.
                allow_external_principals=True,
                principals=list(accounts),
                resource_arns=[vault.attr_backup_vault_arn],
            )
