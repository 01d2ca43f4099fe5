"""Everything that the checks look at, as it was at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cabal_backup import names
from cabal_backup.config.environment import Environment, Lifecycle
from cabal_backup.operations.aws.arns import Arns, Vault
from cabal_backup.operations.aws.jobs import KEPT
from cabal_backup.operations.aws.legal_holds import LegalHold
from cabal_backup.operations.aws.recovery_points import RecoveryPoint, protected_as
from cabal_backup.operations.aws.results import Answer
from cabal_backup.operations.status.drill_reports import PastDrill
from cabal_backup.operations.status.read_alerts import Channel
from cabal_backup.operations.status.read_restore_testing import DeployedPlan
from cabal_backup.operations.status.read_trails import Trail
from cabal_backup.operations.status.role_permissions import Denial

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import (
        BackupJobTypeDef,
        BackupPlanTypeDef,
        BackupSelectionOutputTypeDef,
        BackupVaultListMemberTypeDef,
        CopyJobTypeDef,
        DescribeRegionSettingsOutputTypeDef,
        RestoreJobsListMemberTypeDef,
    )
    from types_boto3_cloudtrail.type_defs import EventTypeDef
    from types_boto3_dynamodb.type_defs import (
        ContinuousBackupsDescriptionTypeDef,
        TableDescriptionTypeDef,
    )
    from types_boto3_efs.type_defs import FileSystemDescriptionTypeDef
    from types_boto3_iam.type_defs import RoleTypeDef
    from types_boto3_kms.type_defs import KeyMetadataTypeDef

LOOK_BACK = KEPT
"""How far back jobs are looked at."""

LAST_DAY = timedelta(hours=26)
"""How far back changes of the rules are looked at: the watch looks once a day."""

MOST_EVENTS = 200
"""How many CloudTrail events of one name are read in each region, the newest first.

CloudTrail answers two LookupEvents calls a second, each with at most 50 events.
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

Policy = Mapping[str, Any]
"""A policy document; boto3 has read its JSON."""


def region_of(arn: str) -> str:
    """The region in an ARN."""
    return arn.split(":")[3]


@dataclass(frozen=True, kw_only=True)
class Share:
    """The association of an account with a resource share that has the vault.

    https://docs.aws.amazon.com/ram/latest/APIReference/API_ResourceShareAssociation.html
    """

    arn: str
    """Of the resource share."""
    status: str
    """ASSOCIATED once the account has accepted; before that ASSOCIATING."""
    invited: datetime


@dataclass(frozen=True, kw_only=True)
class VaultState:
    """A vault in its region."""

    region: str
    vault_name: str
    vault: Answer[BackupVaultListMemberTypeDef | None]
    """The vault as ListBackupVaults shows it."""
    points: Answer[list[RecoveryPoint]]
    policy: Answer[str | None]
    """The vault's access policy, as JSON."""

    @property
    def vault_created(self) -> datetime | None:
        """None where that is not known, or there is no vault."""
        vault = self.vault.value_or(None)
        return vault["CreationDate"] if vault else None


@dataclass(frozen=True, kw_only=True)
class RegionState(VaultState):
    """One of the two regions with its vault."""

    which: str
    """`primary` or `dr`: how the ids of its checks begin."""
    settings: Answer[DescribeRegionSettingsOutputTypeDef]
    lock_removals: Answer[list[EventTypeDef]]
    """CloudTrail's events, up to 90 days old, of lock removals from the present vault, newest
    first; calls that were refused are left out.
    """
    deletions: Answer[list[EventTypeDef]]
    """The same of recovery points that were deleted by a call."""
    rule_changes: Answer[list[EventTypeDef]]
    """The same, of LAST_DAY, of changes of the rules that report what is urgent, except those that
    every deployment makes; none where no changes are reported.
    """
    holds: Answer[Sequence[LegalHold]]
    """The legal holds of the region that are not cancelled."""

    @property
    def held(self) -> frozenset[str]:
        """The ARNs of recovery points that a legal hold keeps, as far as that is known."""
        return frozenset(arn for hold in self.holds.value_or(()) for arn in hold.points)


@dataclass(frozen=True, kw_only=True)
class AirGapped(VaultState):
    """The air-gapped vault, with whom it is shared.

    Its lock cannot be removed, and none of its recovery points can be deleted by a call.
    """

    shares: Answer[Mapping[str, Share]]
    """By account."""


@dataclass(frozen=True, kw_only=True)
class PlanVersion:
    """The plan as it was from a moment on."""

    created: datetime
    plan: BackupPlanTypeDef


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The nightly plan and what it selects."""

    plan: BackupPlanTypeDef
    selections: tuple[BackupSelectionOutputTypeDef, ...]
    """Those of every plan with this name."""
    plan_id: str
    versions: tuple[PlanVersion, ...]
    """The versions that were in force within the retention, oldest first; at least one."""
    created: datetime
    """When its first version was made."""
    others: int = 0
    """How many more plans have the same name: AWS Backup does not keep names unique."""


@dataclass(frozen=True, kw_only=True)
class Role:
    """The role AWS Backup works under."""

    role: RoleTypeDef
    policies: tuple[str, ...]
    """The ARNs of the attached policies."""
    inline: Mapping[str, Policy | None]
    """The inline policies by name; of the one that was deployed also the document."""
    denied: Answer[tuple[Denial, ...]]
    """What IAM's policy simulator says the role may not do of what AWS Backup needs."""


@dataclass(frozen=True, kw_only=True)
class TableState:
    """One DynamoDB table."""

    table: Answer[TableDescriptionTypeDef | None]
    backups: Answer[ContinuousBackupsDescriptionTypeDef | None]
    """ContinuousBackupsDescription: DescribeTable says nothing about PITR."""


@dataclass(frozen=True, kw_only=True)
class State(Arns):
    """One environment at one moment, as far as AWS let us see."""

    now: datetime
    environment: Environment
    account: str
    primary: RegionState
    dr: RegionState
    air_gapped: AirGapped | None
    """None if the settings have none."""
    plan: Answer[Plan | None]
    role: Answer[Role | None]
    backup_jobs: Answer[list[BackupJobTypeDef]]
    copy_jobs: Answer[list[CopyJobTypeDef]]
    """Those that copy from the primary region."""
    dr_copy_jobs: Answer[list[CopyJobTypeDef]]
    """Those that copy from the DR region."""
    restore_jobs: Answer[list[RestoreJobsListMemberTypeDef]]
    """Those in the primary region."""
    dr_restore_jobs: Answer[list[RestoreJobsListMemberTypeDef]]
    """Those in the DR region."""
    testing: Mapping[str, Answer[DeployedPlan | None]]
    """The restore testing plans that there should be, by name."""
    tables: Mapping[str, TableState]
    mailstore: Answer[FileSystemDescriptionTypeDef | None]
    other_mailstores: Answer[Sequence[str]]
    """The ids of other file systems in the region that have the mailstore's tag."""
    keys: Mapping[str, Answer[KeyMetadataTypeDef | None]]
    """KMS's metadata of each key in `key_uses`, by ARN; None where the key does not exist.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html
    """
    channels: Mapping[str, Channel]
    """What leads to the operator, by region; nothing where alerts are off."""
    trails: Mapping[str, Answer[list[Trail]]]
    """The trails that reach a region, by region; nothing where none is needed."""
    clock_skew: Answer[timedelta]
    """How far this machine's clock is ahead of AWS's."""
    drills: Answer[Sequence[PastDrill]]
    """What the reports of drills say, which are files of the project."""

    @property
    def deploy_command(self) -> str:
        """The command that deploys the environment."""
        return f"make deploy ENVIRONMENT={self.environment.name}"

    @property
    def revert_command(self) -> str:
        """The same after a change by hand, which an ordinary deployment would not notice: it
        compares templates.
        """
        return f'{self.deploy_command} ARGS="--revert-drift"'

    @property
    def drill_command(self) -> str:
        """The command that rehearses all runbooks: for production in development, which has a
        profile of its own.
        """
        on = self.environment.options
        if self.environment.name == names.PRODUCTION:
            own = ("--profile", "--assume-region-lost")
            on = self.environment.options_of("development", *own)
        return f"cabal-backup drill all {on} --user USER"

    @property
    def regions(self) -> tuple[RegionState, RegionState]:
        """Primary and DR."""
        return (self.primary, self.dr)

    @property
    def copy_vaults(self) -> tuple[VaultState, ...]:
        """Those that each recovery point is copied to."""
        return (self.dr, *([self.air_gapped] if self.air_gapped else []))

    @property
    def copy_lifecycles(self) -> dict[str, Lifecycle]:
        """How long their copies are kept, by the ARN of the vault."""
        environment = self.environment
        lifecycles = (environment.dr_lifecycle, environment.air_gapped_lifecycle)
        return dict(zip(map(self.arn_of, self.copy_vaults), lifecycles, strict=False))

    @property
    def vault_arns(self) -> frozenset[str]:
        """The ARNs of all vaults of the environment."""
        return frozenset(map(self.arn_of, (self.primary, *self.copy_vaults)))

    @property
    def key_uses(self) -> Mapping[str, str]:
        """The ARNs of the KMS keys by what is encrypted with them, as far as that is known.

        A table whose key DynamoDB owns names none; such a key cannot be lost.
        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_SSEDescription.html
        """
        found: dict[str, str | None] = {}
        for region in self.regions:
            if vault := region.vault.value_or(None):
                found[f"vault {region.vault_name}"] = vault.get("EncryptionKeyArn")
        for name, seen in self.tables.items():
            if table := seen.table.value_or(None):
                found[f"table {name}"] = (table.get("SSEDescription") or {}).get("KMSMasterKeyArn")
        if mailstore := self.mailstore.value_or(None):
            found[self.resources[self.mailstore_arn]] = mailstore.get("KmsKeyId")
        return {what: arn for what, arn in found.items() if arn}

    def arn_of(self, vault: VaultState) -> str:
        """The ARN of a vault."""
        return self.vault_arn(Vault(vault.vault_name, vault.region))

    @cached_property
    def resources(self) -> Mapping[str, str]:
        """What is in the plan: a name for people, by ARN."""
        return {
            self.table_arn: self.environment.addresses_table,
            self.mailstore_arn: f"mailstore {self.environment.mailstore_file_system_id}",
        }

    def counts_for(self, arn: str) -> str:
        """The resource in the plan that a recovery point or job of `arn` counts for."""
        return protected_as(arn, self.mailstore_arn)

    def points_of(self, vault: VaultState, arn: str) -> list[RecoveryPoint]:
        """The completed recovery points in a vault that count for a resource; none where they
        could not be listed.
        """
        return [
            point
            for point in vault.points.value_or(())
            if point.completed and self.counts_for(point.resource_arn) == arn
        ]

    def name_of(self, arn: str) -> str:
        """A name for people; the ARN of what is not protected."""
        former = f"former mailstore {arn.rpartition('/')[2]}"
        is_former = self.counts_for(arn) == self.mailstore_arn
        return self.resources.get(arn, former if is_former else arn)
