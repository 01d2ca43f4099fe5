"""The ARNs of what an environment has in its account."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from cabal_backup import names
from cabal_backup.config.environment import Environment


class Vault(NamedTuple):
    """Where a vault is."""

    name: str
    region: str


class Arns:
    """The ARNs, for what knows the settings and the account."""

    environment: Environment
    account: str
    """12 digits."""

    @property
    def vaults(self) -> tuple[Vault, ...]:
        """Those of the primary and of the DR region, and the air-gapped one if the settings have
        it.
        """
        environment, third = self.environment, self.environment.region_of_air_gapped
        return (
            Vault(names.VAULT, environment.region),
            Vault(names.DR_VAULT, environment.dr_region),
            *([Vault(names.AIR_GAPPED_VAULT, third)] if third else []),
        )

    @cached_property
    def table_arn(self) -> str:
        """Of the addresses table."""
        return self.arn("dynamodb", f"table/{self.environment.addresses_table}")

    @cached_property
    def mailstore_arn(self) -> str:
        """Of the mailstore."""
        file_system = self.environment.mailstore_file_system_id
        return self.arn("elasticfilesystem", f"file-system/{file_system}")

    @property
    def role_arn(self) -> str:
        """Of the role that AWS Backup works under."""
        return self.arn("iam", f"role/{names.ROLE}", region="")

    def vault_arn(self, vault: Vault) -> str:
        """Of a vault."""
        return self.arn("backup", f"backup-vault:{vault.name}", region=vault.region)

    @cached_property
    def dr_vault_arn(self) -> str:
        """Of the vault in the DR region."""
        return self.vault_arn(self.vaults[1])

    def topic_arn(self, region: str) -> str:
        """Of the topic of the alerts in a region."""
        return self.arn("sns", names.TOPIC, region=region)

    def arn(self, service: str, resource: str, *, region: str | None = None) -> str:
        """The ARN of a resource of this account: in the primary region unless another is named, ""
        for none.
        """
        where = self.environment.region if region is None else region
        return f"arn:{self.environment.partition}:{service}:{where}:{self.account}:{resource}"
