"""Reads everything that the checks look at: all regions and services side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from cabal_backup import names, urgent
from cabal_backup.config.environment import Environment
from cabal_backup.operations.aws.arns import Vault
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.clock import clock_skew
from cabal_backup.operations.aws.legal_holds import list_legal_holds
from cabal_backup.operations.aws.recovery_points import list_vaults, points_in
from cabal_backup.operations.aws.results import (
    Answer,
    Asking,
    Known,
    Unknown,
    ask_together,
    entries,
    unless_missing,
)
from cabal_backup.operations.status import role_permissions
from cabal_backup.operations.status.drill_reports import PastDrill
from cabal_backup.operations.status.read_alerts import RULES, read_channels
from cabal_backup.operations.status.read_restore_testing import read_testing_plans
from cabal_backup.operations.status.read_trails import read_trails
from cabal_backup.operations.status.state import (
    LAST_DAY,
    LOOK_BACK,
    MOST_EVENTS,
    AirGapped,
    Plan,
    PlanVersion,
    Policy,
    RegionState,
    Role,
    Share,
    State,
    TableState,
    VaultState,
    region_of,
)

if TYPE_CHECKING:
    from types_boto3_backup import BackupClient
    from types_boto3_backup.type_defs import (
        BackupPlansListMemberTypeDef,
        BackupSelectionOutputTypeDef,
        BackupVaultListMemberTypeDef,
        DescribeRegionSettingsOutputTypeDef,
        GetBackupPlanOutputTypeDef,
    )
    from types_boto3_cloudtrail.type_defs import EventTypeDef, LookupEventsRequestPaginateTypeDef
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_efs.type_defs import FileSystemDescriptionTypeDef
    from types_boto3_iam import IAMClient
    from types_boto3_kms.type_defs import KeyMetadataTypeDef

MOST_VERSIONS = 20
"""How many versions of the plan are read; older nights are judged by the oldest of these."""


def read_state(
    aws: Aws, now: datetime, *, drills: Answer[Sequence[PastDrill]] | None = None
) -> State:
    """Ask AWS everything, all regions and services side by side.

    :param drills: what the reports of drills say; None where that is not needed.
    """
    environment, dr_region = aws.environment, aws.environment.dr_region
    with Asking() as asking:
        since = {"ByCreatedAfter": now - LOOK_BACK, "MaxResults": 1000}

        def backup(region: str | None = None) -> BackupClient:
            return aws.client("backup", region)

        primary, dr = (
            asking.submit(_region, aws, now, which, vault)
            for which, vault in zip(("primary", "dr"), aws.vaults, strict=False)
        )
        third = [asking.submit(_air_gapped, aws, vault) for vault in aws.vaults[2:]]
        plan = asking.ask(lambda: _plan(aws, now))
        role = asking.ask(lambda: _role(aws))
        backup_jobs = asking.ask(lambda: entries(backup().list_backup_jobs, "BackupJobs", **since))
        copy_jobs = asking.ask(lambda: entries(backup().list_copy_jobs, "CopyJobs", **since))
        dr_copy_jobs = asking.ask(
            lambda: entries(backup(dr_region).list_copy_jobs, "CopyJobs", **since)
        )
        restore_jobs = asking.ask(
            lambda: entries(backup().list_restore_jobs, "RestoreJobs", **since)
        )
        dr_restore_jobs = asking.ask(
            lambda: entries(backup(dr_region).list_restore_jobs, "RestoreJobs", **since)
        )
        testing = asking.submit(read_testing_plans, aws)
        tables = {
            name: asking.submit(_table, aws, name)
            for name in (environment.addresses_table, *environment.pitr_tables)
        }
        file_systems = asking.ask(lambda: _file_systems(aws))
        channels = asking.submit(read_channels, aws)
        trails = asking.submit(read_trails, aws)
    regions = primary.result(), dr.result()
    mailstores = _mailstores(environment, file_systems.result())
    state = State(
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
        tables={name: table.result() for name, table in tables.items()},
        mailstore=mailstores.configured,
        other_mailstores=mailstores.others,
        keys={},
        channels=channels.result(),
        trails=trails.result(),
        clock_skew=_clock_skew(now, [region.settings for region in regions]),
        drills=drills or Known(()),
    )
    arns = sorted(set(state.key_uses.values()))
    return replace(state, keys=ask_together({arn: partial(_key, aws, arn) for arn in arns}))


def _key(aws: Aws, arn: str) -> KeyMetadataTypeDef | None:
    kms = aws.client("kms", region_of(arn))
    return unless_missing(lambda: kms.describe_key(KeyId=arn)["KeyMetadata"], "NotFoundException")


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


def _region(aws: Aws, now: datetime, which: str, place: Vault) -> RegionState:
    with Asking() as asking:
        rule_changes = asking.ask(partial(_rule_changes, aws, place.region, now - LAST_DAY))
        reading = asking.submit(_vault, aws, place)
        holds = asking.ask(lambda: list_legal_holds(aws.client("backup", place.region)))
        settings = asking.ask(lambda: aws.client("backup", place.region).describe_region_settings())
        removals, deletions = (
            asking.ask(partial(_events, aws, place.region, call, [place.name]))
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
        rule_changes=_of_present_vault(state, rule_changes.result()),
    )


def _air_gapped(aws: Aws, place: Vault) -> AirGapped:
    with Asking() as asking:
        reading = asking.submit(_vault, aws, place)
        shares = asking.ask(lambda: _shares(aws, place))
    return AirGapped(**vars(reading.result()), shares=shares.result())


def _shares(aws: Aws, place: Vault) -> Mapping[str, Share]:
    """The accounts that the vault is shared with, by any resource share of this account."""
    ram: Any = aws.client("ram", place.region)  # There are no types of RAM.
    paginator = ram.get_paginator("get_resource_share_associations")

    def associations(**asked: object) -> list[tuple[str, Share]]:
        return [
            (
                each["associatedEntity"],
                Share(
                    arn=each["resourceShareArn"],
                    status=each["status"],
                    invited=each["creationTime"],
                ),
            )
            for page in paginator.paginate(**asked)
            for each in page["resourceShareAssociations"]
            if each["status"] not in ("DISASSOCIATED", "DISASSOCIATING")
        ]

    of_vault = associations(associationType="RESOURCE", resourceArn=aws.vault_arn(place))
    arns = [share.arn for _, share in of_vault]
    return dict(associations(associationType="PRINCIPAL", resourceShareArns=arns) if arns else ())


def _events(
    aws: Aws, region: str, call: str, about: Sequence[str], since: datetime | None = None
) -> list[EventTypeDef]:
    """The successful calls among the newest MOST_EVENTS of this name that name one of these."""
    found: list[EventTypeDef] = []
    asked: LookupEventsRequestPaginateTypeDef = {
        "LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": call}],
        "PaginationConfig": {"MaxItems": MOST_EVENTS, "PageSize": 50},
    }
    if since is not None:
        asked["StartTime"] = since
    for page in aws.client("cloudtrail", region).get_paginator("lookup_events").paginate(**asked):
        for event in page["Events"]:
            record = event.get("CloudTrailEvent", "")
            if any(f'"{name}"' in record for name in about) and '"errorCode"' not in record:
                found.append(event)
    return found


def _rule_changes(aws: Aws, region: str, since: datetime) -> list[EventTypeDef]:
    """One call after the other: CloudTrail answers two a second."""
    if not (aws.environment.alerts and aws.environment.alert_on_tampering):
        return []
    return [
        event
        for call in urgent.MONITORING["events"]
        for event in _events(aws, region, call, RULES, since)
        if not (call.startswith("Put") and _is_deployment(event["CloudTrailEvent"]))
    ]


def _is_deployment(record: str) -> bool:
    """Whether CloudFormation made a call that disables nothing."""
    return '"cloudformation.amazonaws.com"' in record and '"DISABLED"' not in record


def _of_present_vault(
    state: VaultState, events: Answer[list[EventTypeDef]]
) -> Answer[list[EventTypeDef]]:
    """Without the events of an earlier vault of the same name, such as its teardown."""
    created = state.vault_created
    if isinstance(events, Unknown) or created is None:
        return events
    return Known([event for event in events.value if event["EventTime"] >= created])


def _clock_skew(
    now: datetime, answers: Sequence[Answer[DescribeRegionSettingsOutputTypeDef]]
) -> Answer[timedelta]:
    """From the answer to another call."""
    for answer in answers:
        if isinstance(answer, Known):
            skew = clock_skew(answer.value, now)
            return Unknown("AWS's answer has no date.") if skew is None else Known(skew)
    return cast("Unknown", answers[-1])


def _plan(aws: Aws, now: datetime) -> Plan | None:
    backup = aws.client("backup")
    ids = _plan_ids(aws)
    if not ids:
        return None
    plan_id = ids[0]
    with Asking() as asking:
        current = asking.submit(backup.get_backup_plan, BackupPlanId=plan_id)
        listed_versions = asking.submit(
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
    with Asking() as asking:
        denied = asking.ask(lambda: role_permissions.denied(aws, role["Arn"]))
        listed = iam.get_paginator("list_role_policies").paginate(RoleName=names.ROLE)
        inline = asking.submit(listed.build_full_result)
        attached = iam.get_paginator("list_attached_role_policies").paginate(RoleName=names.ROLE)
        return Role(
            role=role,
            policies=tuple(
                policy["PolicyArn"] for policy in attached.build_full_result()["AttachedPolicies"]
            ),
            inline={name: _inline(iam, name) for name in inline.result()["PolicyNames"]},
            denied=denied.result(),
        )


def _inline(iam: IAMClient, name: str) -> Policy | None:
    if name != names.COPY_TARGETS_POLICY:
        return None
    found = iam.get_role_policy(RoleName=names.ROLE, PolicyName=name)
    return cast("Policy", found["PolicyDocument"])


def _file_systems(aws: Aws) -> Sequence[FileSystemDescriptionTypeDef]:
    """All of the region: the mailstore, and others that have its tag."""
    paginator = aws.client("efs").get_paginator("describe_file_systems")
    return [each for page in paginator.paginate() for each in page["FileSystems"]]


class _Mailstores(NamedTuple):
    configured: Answer[FileSystemDescriptionTypeDef | None]
    others: Answer[Sequence[str]]
    """The ids of others with Cabal's tag."""


def _mailstores(
    environment: Environment, answer: Answer[Sequence[FileSystemDescriptionTypeDef]]
) -> _Mailstores:
    if not isinstance(answer, Known):
        return _Mailstores(answer, answer)
    ours = environment.mailstore_file_system_id
    tag = {"Key": "Name", "Value": names.MAILSTORE}
    return _Mailstores(
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
