"""Everything that the checks look at, read once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from cabal_backup import names
from cabal_backup.config.environment import Environment, Lifecycle
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import clock_skew
from cabal_backup.operations.aws.legal_holds import LegalHold, list_legal_holds
from cabal_backup.operations.aws.recovery_points import (
    RecoveryPoint,
    list_recovery_points,
    list_vaults,
    protected_as,
)
from cabal_backup.operations.aws.results import (
    Answer,
    Answers,
    Known,
    Questions,
    Unknown,
    ask,
    ask_together,
    pages,
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
    from types_boto3_cloudtrail import CloudTrailClient
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
class RegionState:
    """One of the two regions with its vault, or the air-gapped vault with its region."""

    which: str
    """`primary`, `dr` or `air-gapped`: how the ids of its checks begin."""
    region: str
    vault_name: str
    vault: Answer[BackupVaultListMemberTypeDef | None]
    """The vault as ListBackupVaults shows it."""
    points: Answer[list[RecoveryPoint]]
    settings: Answer[DescribeRegionSettingsOutputTypeDef]
    policy: Answer[str | None]
    """The vault's access policy, as JSON."""
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
        holds = self.holds.value if isinstance(self.holds, Known) else ()
        return frozenset(arn for hold in holds for arn in hold.points)

    @property
    def vault_created(self) -> datetime | None:
        """None where that is not known, or there is no vault."""
        if not isinstance(self.vault, Known) or self.vault.value is None:
            return None
        return self.vault.value.get("CreationDate")


@dataclass(frozen=True, kw_only=True)
class AirGapped:
    """The air-gapped vault, with whom it is shared."""

    vault: RegionState
    shares: Answer[Mapping[str, Share]]
    """By account."""


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
class State:
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
    table_arn: str
    mailstore_arn: str
    dr_vault_arn: str
    drills: Answer[Sequence[PastDrill]]
    """What the reports of drills say, which are files of the project."""

    @property
    def regions(self) -> tuple[RegionState, RegionState]:
        """Primary and DR."""
        return (self.primary, self.dr)

    @property
    def role_arn(self) -> str:
        """Of the role that AWS Backup works under."""
        return f"arn:{self.environment.partition}:iam::{self.account}:role/{names.ROLE}"

    @property
    def copy_vaults(self) -> tuple[RegionState, ...]:
        """Those that each recovery point is copied to."""
        return (self.dr, *([self.air_gapped.vault] if self.air_gapped else []))

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

    def arn_of(self, vault: RegionState) -> str:
        """The ARN of a vault."""
        return (
            f"arn:{self.environment.partition}:backup:{vault.region}:{self.account}:"
            f"backup-vault:{vault.vault_name}"
        )

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

    def name_of(self, arn: str) -> str:
        """A name for people; the ARN of what is not protected."""
        former = f"former mailstore {arn.rpartition('/')[2]}"
        is_former = self.counts_for(arn) == self.mailstore_arn
        return self.resources.get(arn, former if is_former else arn)


def look(aws: Aws, now: datetime, *, drills: Answer[Sequence[PastDrill]] | None = None) -> State:
    """Ask AWS everything, all regions and services side by side.

    :param drills: what the reports of drills say; None where that is not needed.
    """
    environment = aws.environment
    questions: Questions = {
        "plan": lambda: _plan(aws, now),
        "role": lambda: _role(aws),
        "file systems": lambda: _file_systems(aws),
        **restore_testing.questions(aws),
        **_jobs(aws, now),
        **watching.questions(aws),
        **_region("primary", aws, environment.region, names.VAULT),
        **_region("dr", aws, environment.dr_region, names.DR_VAULT),
        **_air_gapped(aws),
    }
    tables = (environment.addresses_table, *environment.pitr_tables)
    for table in tables:
        questions |= _table(aws, table)
    answers = ask_together(questions)
    primary = _region_state("primary", environment.region, names.VAULT, answers)
    dr = _region_state("dr", environment.dr_region, names.DR_VAULT, answers)
    mailstore, others = _mailstores(environment, answers["file systems"])
    described = {name: answers[f"table {name}"] for name in tables}
    return State(
        now=now,
        environment=environment,
        account=aws.account,
        primary=primary,
        dr=dr,
        air_gapped=_air_gapped_state(environment, answers),
        plan=answers["plan"],
        role=answers["role"],
        backup_jobs=answers["backup_jobs"],
        copy_jobs=answers["copy_jobs"],
        dr_copy_jobs=answers["dr_copy_jobs"],
        restore_jobs=answers["restore_jobs"],
        dr_restore_jobs=answers["dr_restore_jobs"],
        testing=restore_testing.read_answers(environment, answers),
        tables={
            name: TableState(table=described[name], backups=answers[f"backups {name}"])
            for name in tables
        },
        mailstore=mailstore,
        other_mailstores=others,
        keys=keys.look(aws, (primary.vault, dr.vault), described.values(), mailstore),
        watching=watching.read_answers(environment, answers),
        clock_skew=_clock_skew(now, answers),
        table_arn=aws.arn("dynamodb", f"table/{environment.addresses_table}"),
        mailstore_arn=aws.arn(
            "elasticfilesystem", f"file-system/{environment.mailstore_file_system_id}"
        ),
        dr_vault_arn=aws.arn(
            "backup", f"backup-vault:{names.DR_VAULT}", region=environment.dr_region
        ),
        drills=drills or Known(()),
    )


def _region(which: str, aws: Aws, region: str, vault: str) -> Questions:
    def backup() -> BackupClient:
        return aws.client("backup", region)

    return {
        # Not DescribeBackupVault: it answers AccessDenied for a vault that does not exist.
        f"{which} vaults": lambda: list_vaults(backup()),
        f"{which} points": lambda: list_recovery_points(
            backup(), vault, dr_region=aws.environment.dr_region
        ),
        f"{which} holds": lambda: list_legal_holds(backup()),
        f"{which} settings": lambda: backup().describe_region_settings(),
        f"{which} policy": lambda: unless_missing(
            lambda: backup().get_backup_vault_access_policy(BackupVaultName=vault)["Policy"],
            "ResourceNotFoundException",
        ),
        f"{which} lock removals": lambda: _events(
            aws.client("cloudtrail", region), "DeleteBackupVaultLockConfiguration", vault
        ),
        f"{which} deletions": lambda: _events(
            aws.client("cloudtrail", region), "DeleteRecoveryPoint", vault
        ),
    }


def _region_state(which: str, region: str, name: str, answers: Answers) -> RegionState:
    vaults = answers[f"{which} vaults"]
    vault: Answer[BackupVaultListMemberTypeDef | None] = vaults
    if isinstance(vaults, Known):
        vault = Known(next((v for v in vaults.value if v["BackupVaultName"] == name), None))
    points, policy = answers[f"{which} points"], answers[f"{which} policy"]
    if isinstance(vault, Known) and vault.value is None:
        # Reading what is in a vault that does not exist answers AccessDenied.
        points, policy = Known([]), Known(None)
    return RegionState(
        which=which,
        region=region,
        vault_name=name,
        vault=vault,
        points=points,
        settings=answers[f"{which} settings"],
        policy=policy,
        lock_removals=_of_present_vault(vault, answers[f"{which} lock removals"]),
        deletions=_of_present_vault(vault, answers[f"{which} deletions"]),
        holds=answers[f"{which} holds"],
    )


def _air_gapped(aws: Aws) -> Questions:
    """Nothing if the settings have none."""
    region, vault = aws.environment.region_of_air_gapped, names.AIR_GAPPED_VAULT
    if region is None:
        return {}

    def backup() -> BackupClient:
        return aws.client("backup", region)

    return {
        "air-gapped vaults": lambda: list_vaults(backup(), air_gapped=True),
        "air-gapped points": lambda: list_recovery_points(backup(), vault),
        "air-gapped policy": lambda: unless_missing(
            lambda: backup().get_backup_vault_access_policy(BackupVaultName=vault)["Policy"],
            "ResourceNotFoundException",
        ),
        "air-gapped shares": lambda: _shares(aws, region),
    }


def _shares(aws: Aws, region: str) -> dict[str, Share]:
    """The accounts that the vault is shared with, by any resource share of this account."""
    client: Any = aws.client  # There are no types of RAM.

    def associations(**asked: Any) -> list[dict[str, Any]]:
        pages = (
            client("ram", region).get_paginator("get_resource_share_associations").paginate(**asked)
        )
        return [each for page in pages for each in page["resourceShareAssociations"]]

    arn = aws.arn("backup", f"backup-vault:{names.AIR_GAPPED_VAULT}", region=region)
    shares = [
        each["resourceShareArn"]
        for each in associations(associationType="RESOURCE", resourceArn=arn)
        if each["status"] not in _ENDED
    ]
    if not shares:
        return {}
    return {
        each["associatedEntity"]: Share(
            arn=each["resourceShareArn"], status=each["status"], invited=each["creationTime"]
        )
        for each in associations(associationType="PRINCIPAL", resourceShareArns=shares)
        if each["status"] not in _ENDED
    }


_ENDED = {"DISASSOCIATED", "DISASSOCIATING"}


def _air_gapped_state(environment: Environment, answers: Answers) -> AirGapped | None:
    region = environment.region_of_air_gapped
    if region is None:
        return None
    # Its lock cannot be removed, and none of its recovery points can be deleted by a call.
    answers = {
        **answers,
        "air-gapped settings": answers[f"{environment.air_gapped_region} settings"],
        "air-gapped holds": answers[f"{environment.air_gapped_region} holds"],
        "air-gapped lock removals": Known([]),
        "air-gapped deletions": Known([]),
    }
    return AirGapped(
        vault=_region_state("air-gapped", region, names.AIR_GAPPED_VAULT, answers),
        shares=answers["air-gapped shares"],
    )


def _events(cloudtrail: CloudTrailClient, name: str, vault: str) -> list[Event]:
    """The newest MOST_EVENTS of the calls of this name, those that a vault obeyed."""
    found: list[Event] = []
    pages = cloudtrail.get_paginator("lookup_events").paginate(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}],
        PaginationConfig={"MaxItems": MOST_EVENTS, "PageSize": 50},
    )
    for page in pages:
        for event in page["Events"]:
            record = event.get("CloudTrailEvent", "")
            if f'"{vault}"' in record and '"errorCode"' not in record:
                found.append(event)
    return found


def _of_present_vault(
    vault: Answer[BackupVaultListMemberTypeDef | None], events: Answer[list[Event]]
) -> Answer[list[Event]]:
    """Without what befell an earlier vault of the same name, such as its teardown."""
    if isinstance(events, Unknown) or isinstance(vault, Unknown) or vault.value is None:
        return events
    created = vault.value["CreationDate"]
    return Known([event for event in events.value if event["EventTime"] >= created])


def _clock_skew(now: datetime, answers: Answers) -> Answer[timedelta]:
    """From the answer of a call that is made anyway."""
    settings = [answers[f"{which} settings"] for which in ("primary", "dr")]
    for answer in settings:
        if isinstance(answer, Known):
            skew = clock_skew(answer.value, now)
            return Unknown("AWS's answer bears no date.") if skew is None else Known(skew)
    return settings[-1]


def _jobs(aws: Aws, now: datetime) -> Questions:
    since = now - LOOK_BACK

    def listed(operation: str, result: str, region: str | None = None) -> Callable[[], object]:
        return lambda: [
            each
            for page in pages(
                getattr(aws.client("backup", region), operation),
                ByCreatedAfter=since,
                MaxResults=1000,
            )
            for each in page.get(result, [])
        ]

    return {
        "backup_jobs": listed("list_backup_jobs", "BackupJobs"),
        "copy_jobs": listed("list_copy_jobs", "CopyJobs"),
        "dr_copy_jobs": listed("list_copy_jobs", "CopyJobs", aws.environment.dr_region),
        "restore_jobs": listed("list_restore_jobs", "RestoreJobs"),
        "dr_restore_jobs": listed("list_restore_jobs", "RestoreJobs", aws.environment.dr_region),
    }


def _plan(aws: Aws, now: datetime) -> Plan | None:
    backup = aws.client("backup")
    ids = _plan_ids(aws)
    if not ids:
        return None
    plan_id = ids[0]
    with ThreadPoolExecutor(max_workers=3) as pool:
        current = pool.submit(backup.get_backup_plan, BackupPlanId=plan_id)
        listed_versions = pool.submit(
            lambda: [
                version
                for page in pages(backup.list_backup_plan_versions, BackupPlanId=plan_id)
                for version in page.get("BackupPlanVersionsList", [])
            ]
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
    listed = [
        each for page in pages(backup.list_backup_plans) for each in page.get("BackupPlansList", [])
    ]
    ids = [str(plan["BackupPlanId"]) for plan in listed if plan["BackupPlanName"] == names.PLAN]
    if len(ids) > 1:
        table = aws.arn("dynamodb", f"table/{aws.environment.addresses_table}")
        ids.sort(
            key=lambda plan_id: (
                not any(table in one.get("Resources", []) for one in _selections(backup, plan_id))
            )
        )
    return ids


def _selections(backup: BackupClient, plan_id: str) -> tuple[BackupSelectionOutputTypeDef, ...]:
    """What a plan selects, whole."""
    listed = [
        each
        for page in pages(backup.list_backup_selections, BackupPlanId=plan_id)
        for each in page.get("BackupSelectionsList", [])
    ]
    return tuple(
        backup.get_backup_selection(BackupPlanId=plan_id, SelectionId=selection["SelectionId"])[
            "BackupSelection"
        ]
        for selection in listed
    )


def _in_force(
    versions: Sequence[BackupPlansListMemberTypeDef], environment: Environment, now: datetime
) -> list[BackupPlansListMemberTypeDef]:
    """Those, of versions from old to new, that made anything that is kept now."""
    since = now - timedelta(
        days=max(
            environment.lifecycle.delete_after_days, environment.dr_lifecycle.delete_after_days
        )
    )
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


def _table(aws: Aws, name: str) -> Questions:
    def dynamodb() -> DynamoDBClient:
        return aws.client("dynamodb")

    return {
        f"table {name}": lambda: unless_missing(
            lambda: dynamodb().describe_table(TableName=name)["Table"], "ResourceNotFoundException"
        ),
        f"backups {name}": lambda: unless_missing(
            lambda: dynamodb().describe_continuous_backups(TableName=name)[
                "ContinuousBackupsDescription"
            ],
            "TableNotFoundException",
            "ResourceNotFoundException",
        ),
    }


__all__ = [
    "LOOK_BACK",
    "AirGapped",
    "Answer",
    "Known",
    "Plan",
    "PlanVersion",
    "RegionState",
    "Role",
    "Share",
    "State",
    "TableState",
    "look",
]
