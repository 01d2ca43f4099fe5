"""ARNs of what is protected, and of what protects it."""

from __future__ import annotations

from aws_cdk import Stack
from constructs import Construct

from cabal_backup import names
from cabal_backup.config.constraints import Values


def arn(scope: Construct, service: str, resource: str, region: str | None = None) -> str:
    """The ARN of a resource of this account. Default: in the stack's region; "" has none."""
    stack = Stack.of(scope)
    place = stack.region if region is None else region
    return f"arn:{stack.partition}:{service}:{place}:{stack.account}:{resource}"


class Places:
    """The ARNs of one environment."""

    SETTINGS = frozenset(
        {
            *("region", "dr_region", "addresses_table", "pitr_tables"),
            *("mailstore_file_system_id", "air_gapped", "air_gapped_region"),
        }
    )
    """The settings that they are made of."""

    def __init__(self, settings: Values, *, partition: str, account: str) -> None:
        self._partition, self._account = partition, account
        self._region, self.dr_region = settings["region"], settings["dr_region"]
        self.vaults = (
            self.arn("backup", f"backup-vault:{names.VAULT}"),
            self.arn("backup", f"backup-vault:{names.DR_VAULT}", self.dr_region),
        )
        third_region = None if settings["air_gapped_region"] == "primary" else self.dr_region
        third = self.arn("backup", f"backup-vault:{names.AIR_GAPPED_VAULT}", third_region)
        self.air_gapped_vault = (third,) if settings["air_gapped"] else ()
        self.role = self.arn("iam", f"role/{names.ROLE}", "")
        self.points = self.both("backup", "recovery-point:*")
        addresses: str = settings["addresses_table"]
        self.addresses = self.arn("dynamodb", f"table/{addresses}")
        # Recovery points of the addresses from before the opt-in have the table's name.
        self.all_points = (*self.points, f"{self.addresses}/backup/*")
        self.legal_holds = self.both("backup", "legal-hold:*")
        self.trails = (f"arn:{partition}:cloudtrail:*:*:trail/*",)
        # Cabal has more tables than a policy has room for, each named three times.
        self._tables = tuple(
            dict.fromkeys(
                f"{names.TABLES}*" if name.startswith(names.TABLES) else name
                for name in (addresses, *settings["pitr_tables"])
            )
        )
        mailstore = settings["mailstore_file_system_id"]
        self.mailstore = self.arn("elasticfilesystem", f"file-system/{mailstore}")
        # AWS Backup restores into either region, and access points are made in the primary one.
        self.file_systems = (
            *self.both("elasticfilesystem", "file-system/*"),
            self.arn("elasticfilesystem", "access-point/*"),
        )

    def arn(self, service: str, resource: str, region: str | None = None) -> str:
        """`region` is the primary one unless another is given; "" for a global service."""
        where = self._region if region is None else region
        return f"arn:{self._partition}:{service}:{where}:{self._account}:{resource}"

    def both(self, service: str, *resources: str) -> tuple[str, ...]:
        """The ARNs of resources that have the same names in both regions."""
        return tuple(
            self.arn(service, resource, region)
            for region in (self._region, self.dr_region)
            for resource in resources
        )

    def stacks(self, *in_dr_region: str) -> tuple[str, ...]:
        """The ARNs of the primary stack and of these."""
        stacks = ((names.STACK, self._region), *((name, self.dr_region) for name in in_dr_region))
        return tuple(self.arn("cloudformation", f"stack/{name}/*", at) for name, at in stacks)

    def tables(self, *, ending: str = "*") -> tuple[str, ...]:
        """The live tables, and what else begins with their names.

        In the DR region, where copies are restored, of all tables the addresses only.
        """
        patterns = [f"table/{begin}{ending}".replace("**", "*") for begin in self._tables]
        in_dr = self.arn("dynamodb", patterns[0], self.dr_region)
        return (*(self.arn("dynamodb", pattern) for pattern in patterns), in_dr)
