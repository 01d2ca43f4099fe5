"""Everything that the checks look at, read once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from cabal_backup import names
from cabal_backup.config.environment import Environment, Lifecycle
from cabal_backup.operations.aws.arns import Arns, Vault
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import clock_skew
from cabal_backup.operations.aws.legal_holds import LegalHold, list_legal_holds
from cabal_backup.operations.aws.recovery_points import (
    RecoveryPoint,
    list_vaults,
    points_in,
    protected_as,
)
from cabal_backup.operations.aws.results import (
    Answer,
    Asking,
    Known,
    Unknown,
    ask,
    entries,
    unless_missing,
)
from cabal_backup.operations.status import keys, restore_testing, role_permissions, watching
from cabal_backup.operations.status.drill_reports import PastDrill
from cabal_backup.operations.status.watching import Watching

if TYPE_CHECKING:
    from types_boto3_backup import BackupClient
    from types_boto3_backup.type_defs import (
        BackupJobTypeDef,
        BackupPlansListMemberTypeDef,
        BackupPlanTypeDef,
        BackupSelectionOutputTypeDef,
        BackupVaultListMemberTypeDef,
        CopyJobTypeDef,
        DescribeRegionSettingsOutputTypeDef,
        GetBackupPlanOutputTypeDef,
        RestoreJobsListMemberTypeDef,
    )
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import (
        ContinuousBackupsDescriptionTypeDef,
        TableDescriptionTypeDef,
    )
    from types_boto3_efs.type_defs import FileSystemDescriptionTypeDef
    from types_boto3_iam import IAMClient
    from types_boto3_iam.type_defs import RoleTypeDef
    from types_boto3_kms.type_defs import KeyMetadataTypeDef

LOOK_BACK = timedelta(days=30)
"""How far back jobs are looked at; AWS Backup lists jobs for 30 days."""

MOST_EVENTS = 200
"""How many CloudTrail events of one name are read in each region, the newest first.

CloudTrail answers two LookupEvents calls a second, each with at most 50 events.
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

MOST_VERSIONS = 20
"""How many versions of the plan are read; older nights are judged by the oldest of these."""

Policy = Mapping[str, Any]
"""A policy document; boto3 has read its JSON."""

Event = Mapping[str, Any]
"""A record of CloudTrail, whose form depends on the call."""


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
    lock_removals: Answer[list[Event]]
    """CloudTrail's events, up to 90 days old, of lock removals from the present vault, newest
    first; calls that were refused are left out.
    """
    deletions: Answer[list[Event]]
    """The same of recovery points that were deleted by a call."""
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
    denied: Answer[tuple[role_permissions.Denial, ...]]
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
    testing: Mapping[str, Answer[restore_testing.DeployedPlan | None]]
    """The restore testing plans that there should be, by name."""
    tables: Mapping[str, TableState]
    mailstore: Answer[FileSystemDescriptionTypeDef | None]
    other_mailstores: Answer[Sequence[str]]
    """The ids of other file systems in the region that have the mailstore's tag."""
    keys: Mapping[str, Answer[KeyMetadataTypeDef | None]]
    """KMS's metadata of each key that a vault, a table or the mailstore names, by ARN."""
    watching: Watching
    clock_skew: Answer[timedelta]
    """How far this machine's clock is ahead of AWS's."""
    drills: Answer[Sequence[PastDrill]]
    """What the reports of drills say, which are files of the project."""

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

    def arn_of(self, vault: VaultState) -> str:
        """The ARN of a vault."""
        return self.vault_arn(Vault(vault.vault_name, vault.region))

    @property
    def resources(self) -> dict[str, str]:
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


def look(aws: Aws, now: datetime, *, drills: Answer[Sequence[PastDrill]] | None = None) -> State:
    """Ask AWS everything, all regions and services side by side.

    :param drills: what the reports of drills say; None where that is not needed.
    """
    environment, dr_region = aws.environment, aws.environment.dr_region
    with Asking() as asking:

        def jobs(operation: str, result: str, region: str | None = None) -> Future[Answer[Any]]:
            return asking.ask(
                lambda: entries(
                    getattr(aws.client("backup", region), operation),
                    result,
                    ByCreatedAfter=now - LOOK_BACK,
                    MaxResults=1000,
                )
            )

        primary, dr = (
            asking.submit(_region, aws, which, vault)
            for which, vault in zip(("primary", "dr"), aws.vaults, strict=False)
        )
        third = [asking.submit(_air_gapped, aws, vault) for vault in aws.vaults[2:]]
        plan = asking.ask(lambda: _plan(aws, now))
        role = asking.ask(lambda: _role(aws))
        backup_jobs = jobs("list_backup_jobs", "BackupJobs")
        copy_jobs = jobs("list_copy_jobs", "CopyJobs")
        dr_copy_jobs = jobs("list_copy_jobs", "CopyJobs", dr_region)
        restore_jobs = jobs("list_restore_jobs", "RestoreJobs")
        dr_restore_jobs = jobs("list_restore_jobs", "RestoreJobs", dr_region)
        testing = asking.submit(restore_testing.look, aws)
        tables = {
            name: asking.submit(_table, aws, name)
            for name in (environment.addresses_table, *environment.pitr_tables)
        }
        file_systems = asking.ask(lambda: _file_systems(aws))
        watched = asking.submit(watching.look, aws)
    regions = primary.result(), dr.result()
    described = {name: table.result() for name, table in tables.items()}
    mailstore, others = _mailstores(environment, file_systems.result())
    return State(
        now=now,
        environment=environment,
        account=aws.account,
        primary=regions[0],
        dr=regions[1],
        air_gapped=third[0].result() if third else None,
        plan=plan.result(),
        role=role.result(),
        backup_jobs=backup_jobs.result(),
        copy_jobs=copy_jobs.result(),
        dr_copy_jobs=dr_copy_jobs.result(),
        restore_jobs=restore_jobs.result(),
        dr_restore_jobs=dr_restore_jobs.result(),
        testing=testing.result(),
        tables=described,
        mailstore=mailstore,
        other_mailstores=others,
        keys=keys.look(
            aws,
            [region.vault for region in regions],
            [table.table for table in described.values()],
            mailstore,
        ),
        watching=watched.result(),
        clock_skew=_clock_skew(now, [region.settings for region in regions]),
        drills=drills or Known(()),
    )


def _vault(aws: Aws, place: Vault) -> VaultState:
    name, region = place
    third = name == names.AIR_GAPPED_VAULT

    def backup() -> BackupClient:
        return aws.client("backup", region)

    with Asking() as asking:
        # Not DescribeBackupVault: it answers AccessDenied for a vault that does not exist.
        listed = asking.ask(lambda: list_vaults(backup(), air_gapped=third))
        points = asking.ask(lambda: points_in(aws, place))
        policy = asking.ask(
            lambda: unless_missing(
                lambda: backup().get_backup_vault_access_policy(BackupVaultName=name)["Policy"],
                "ResourceNotFoundException",
            )
        )
    vaults = listed.result()
    vault: Answer[BackupVaultListMemberTypeDef | None] = (
        Known(next((each for each in vaults.value if each["BackupVaultName"] == name), None))
        if isinstance(vaults, Known)
        else vaults
    )
    # Reading what is in a vault that does not exist answers AccessDenied.
    exists = vault != Known(None)
    return VaultState(
        region=region,
        vault_name=name,
        vault=vault,
        points=points.result() if exists else Known([]),
        policy=policy.result() if exists else Known(None),
    )


def _region(aws: Aws, which: str, place: Vault) -> RegionState:
    with Asking() as asking:
        reading = asking.submit(_vault, aws, place)
        holds = asking.ask(lambda: list_legal_holds(aws.client("backup", place.region)))
        settings = asking.ask(lambda: aws.client("backup", place.region).describe_region_settings())
        removals, deletions = (
            asking.ask(partial(_events, aws, place, call))
            for call in ("DeleteBackupVaultLockConfiguration", "DeleteRecoveryPoint")
        )
    state = reading.result()
    return RegionState(
        **vars(state),
        which=which,
        settings=settings.result(),
        lock_removals=_of_present_vault(state, removals.result()),
        deletions=_of_present_vault(state, deletions.result()),
        holds=holds.result(),
    )


def _air_gapped(aws: Aws, place: Vault) -> AirGapped:
    with Asking() as asking:
        reading = asking.submit(_vault, aws, place)
        shares = asking.ask(lambda: _shares(aws, place))
    return AirGapped(**vars(reading.result()), shares=shares.result())


def _shares(aws: Aws, place: Vault) -> Mapping[str, Share]:
    """The accounts that the vault is shared with, by any resource share of this account."""
    client: Any = aws.client  # There are no types of RAM.

    def associations(**asked: Any) -> Iterator[dict[str, Any]]:
        paginator = client("ram", place.region).get_paginator("get_resource_share_associations")
        for page in paginator.paginate(**asked):
            yield from (e for e in page["resourceShareAssociations"] if e["status"] not in _ENDED)

    shares = [
        each["resourceShareArn"]
        for each in associations(associationType="RESOURCE", resourceArn=aws.vault_arn(place))
    ]
    if not shares:
        return {}
    return {
        each["associatedEntity"]: Share(
            arn=each["resourceShareArn"], status=each["status"], invited=each["creationTime"]
        )
        for each in associations(associationType="PRINCIPAL", resourceShareArns=shares)
    }


_ENDED = {"DISASSOCIATED", "DISASSOCIATING"}


def _events(aws: Aws, place: Vault, call: str) -> list[Event]:
    """The newest MOST_EVENTS of the calls of this name, those that a vault obeyed."""
    found: list[Event] = []
    pages = (
        aws.client("cloudtrail", place.region)
        .get_paginator("lookup_events")
        .paginate(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": call}],
            PaginationConfig={"MaxItems": MOST_EVENTS, "PageSize": 50},
        )
    )
    for page in pages:
        for event in page["Events"]:
            record = event.get("CloudTrailEvent", "")
            if f'"{place.name}"' in record and '"errorCode"' not in record:
                found.append(event)
    return found


def _of_present_vault(state: VaultState, events: Answer[list[Event]]) -> Answer[list[Event]]:
    """Without what befell an earlier vault of the same name, such as its teardown."""
    created = state.vault_created
    if isinstance(events, Unknown) or created is None:
        return events
    return Known([event for event in events.value if event["EventTime"] >= created])


def _clock_skew(
    now: datetime, answers: Sequence[Answer[DescribeRegionSettingsOutputTypeDef]]
) -> Answer[timedelta]:
    """From the answer of a call that is made anyway."""
    for answer in answers:
        if isinstance(answer, Known):
            skew = clock_skew(answer.value, now)
            return Unknown("AWS's answer bears no date.") if skew is None else Known(skew)
    return cast("Unknown", answers[-1])


def _plan(aws: Aws, now: datetime) -> Plan | None:
    backup = aws.client("backup")
    ids = _plan_ids(aws)
    if not ids:
        return None
    plan_id = ids[0]
    with ThreadPoolExecutor(max_workers=3) as pool:
        current = pool.submit(backup.get_backup_plan, BackupPlanId=plan_id)
        listed_versions = pool.submit(
            entries,
            backup.list_backup_plan_versions,
            "BackupPlanVersionsList",
            BackupPlanId=plan_id,
        )
        selections = [each for one in ids for each in _selections(backup, one)]
        plan = current.result()
        versions = sorted(listed_versions.result(), key=lambda version: version["CreationDate"])
        return Plan(
            plan=plan["BackupPlan"],
            selections=tuple(selections),
            plan_id=plan_id,
            versions=_versions(backup, plan, _in_force(versions, aws.environment, now)),
            # Not the plan's own date: AWS does not say whether an update moves that.
            created=min(
                (version["CreationDate"] for version in versions), default=plan["CreationDate"]
            ),
            others=len(ids) - 1,
        )


def _plan_ids(aws: Aws) -> list[str]:
    """The plans of that name, which is not unique; first one that selects the table, if any."""
    backup = aws.client("backup")
    listed = entries(backup.list_backup_plans, "BackupPlansList")
    ids = [str(plan["BackupPlanId"]) for plan in listed if plan["BackupPlanName"] == names.PLAN]

    def selects_no_table(plan_id: str) -> bool:
        selections = _selections(backup, plan_id)
        return not any(aws.table_arn in one.get("Resources", []) for one in selections)

    return sorted(ids, key=selects_no_table) if len(ids) > 1 else ids


def _selections(backup: BackupClient, plan_id: str) -> tuple[BackupSelectionOutputTypeDef, ...]:
    """What a plan selects, whole."""
    listing = backup.list_backup_selections
    return tuple(
        backup.get_backup_selection(BackupPlanId=plan_id, SelectionId=each["SelectionId"])[
            "BackupSelection"
        ]
        for each in entries(listing, "BackupSelectionsList", BackupPlanId=plan_id)
    )


def _in_force(
    versions: Sequence[BackupPlansListMemberTypeDef], environment: Environment, now: datetime
) -> list[BackupPlansListMemberTypeDef]:
    """Those, of versions from old to new, that made anything that is kept now."""
    lifecycles = (environment.lifecycle, environment.dr_lifecycle)
    since = now - timedelta(days=max(each.delete_after_days for each in lifecycles))
    return [
        version
        for version, following in zip(versions, [*versions[1:], None], strict=True)
        if following is None or following["CreationDate"] > since
    ][-MOST_VERSIONS:]


def _versions(
    backup: BackupClient,
    current: GetBackupPlanOutputTypeDef,
    listed: Sequence[BackupPlansListMemberTypeDef],
) -> tuple[PlanVersion, ...]:
    """What the plan said, version by version; the present one has been read already."""
    return tuple(
        PlanVersion(
            created=version["CreationDate"],
            plan=current["BackupPlan"]
            if version["VersionId"] == current["VersionId"]
            else backup.get_backup_plan(
                BackupPlanId=current["BackupPlanId"], VersionId=version["VersionId"]
            )["BackupPlan"],
        )
        for version in listed
    )


def _role(aws: Aws) -> Role | None:
    iam = aws.client("iam")
    role = unless_missing(lambda: iam.get_role(RoleName=names.ROLE)["Role"], "NoSuchEntity")
    if role is None:
        return None
    with ThreadPoolExecutor(max_workers=2) as pool:
        denied = pool.submit(ask, lambda: role_permissions.denied(aws, role["Arn"]))
        inline = pool.submit(iam.list_role_policies, RoleName=names.ROLE)
        attached = iam.list_attached_role_policies(RoleName=names.ROLE)["AttachedPolicies"]
        return Role(
            role=role,
            policies=tuple(policy["PolicyArn"] for policy in attached),
            inline={name: _inline(iam, name) for name in inline.result()["PolicyNames"]},
            denied=denied.result(),
        )


def _inline(iam: IAMClient, name: str) -> Policy | None:
    if name != names.COPY_TARGETS_POLICY:
        return None
    found = iam.get_role_policy(RoleName=names.ROLE, PolicyName=name)
    return cast("Policy", found["PolicyDocument"])


def _file_systems(aws: Aws) -> Sequence[FileSystemDescriptionTypeDef]:
    """All of the region: the mailstore, and others that bear its tag."""
    paginator = aws.client("efs").get_paginator("describe_file_systems")
    return [each for page in paginator.paginate() for each in page["FileSystems"]]


def _mailstores(
    environment: Environment, answer: Answer[Sequence[FileSystemDescriptionTypeDef]]
) -> tuple[Answer[FileSystemDescriptionTypeDef | None], Answer[Sequence[str]]]:
    """The configured mailstore, and the ids of others with Cabal's tag."""
    if not isinstance(answer, Known):
        return answer, answer
    ours = environment.mailstore_file_system_id
    tag = {"Key": "Name", "Value": names.MAILSTORE}
    return (
        Known(next((each for each in answer.value if each["FileSystemId"] == ours), None)),
        Known(
            [
                str(each["FileSystemId"])
                for each in answer.value
                if each["FileSystemId"] != ours and tag in each.get("Tags", [])
            ]
        ),
    )


def _table(aws: Aws, name: str) -> TableState:
    def dynamodb() -> DynamoDBClient:
        return aws.client("dynamodb")

    with Asking() as asking:
        table = asking.ask(
            lambda: unless_missing(
                lambda: dynamodb().describe_table(TableName=name)["Table"],
                "ResourceNotFoundException",
            )
        )
        backups = asking.ask(
            lambda: unless_missing(
                lambda: dynamodb().describe_continuous_backups(TableName=name)[
                    "ContinuousBackupsDescription"
                ],
                "TableNotFoundException",
                "ResourceNotFoundException",
            )
        )
    return TableState(table=table.result(), backups=backups.result())
