"""Builders of what `status` looks at: a healthy environment, and changes to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cabal_backup import urgent
from cabal_backup.config.environment import Lifecycle
from cabal_backup.operations.aws.recovery_points import RecoveryPoint
from cabal_backup.operations.aws.results import Answer, Known, Unknown
from cabal_backup.operations.status.checks import CHECKS, run_checks
from cabal_backup.operations.status.drill_reports import PastDrill
from cabal_backup.operations.status.findings import Finding
from cabal_backup.operations.status.read_alerts import Channel, WatchRecord
from cabal_backup.operations.status.read_restore_testing import DeployedPlan
from cabal_backup.operations.status.read_trails import Trail
from cabal_backup.operations.status.role_permissions import Denial
from cabal_backup.operations.status.state import (
    AirGapped,
    Plan,
    PlanVersion,
    RegionState,
    Role,
    Share,
    State,
    TableState,
)
from tests.builders import ACCOUNT, MAILSTORE, THIRD_ACCOUNT, an_environment

NOW = datetime(2026, 3, 31, 14, 0, tzinfo=UTC)
"""Two hours after the last night's backups are due."""

LAST_NIGHT = NOW.replace(hour=0, minute=20)
"""When its backups began."""

TABLE_ARN = f"arn:aws:dynamodb:us-west-1:{ACCOUNT}:table/cabal-addresses"
MAILSTORE_ARN = f"arn:aws:elasticfilesystem:us-west-1:{ACCOUNT}:file-system/{MAILSTORE}"
TYPES = {TABLE_ARN: "DynamoDB", MAILSTORE_ARN: "EFS"}
VAULT_ARN = f"arn:aws:backup:us-west-1:{ACCOUNT}:backup-vault:cabal-backup"
DR_VAULT_ARN = f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:cabal-backup-dr"
THIRD_VAULT_ARN = f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:cabal-backup-air-gapped"
SHARE_ARN = f"arn:aws:ram:us-west-2:{ACCOUNT}:resource-share/1234"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/cabal-backup-role"
DR_TESTING_ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/cabal-backup-dr-RestoreTestingRole1A2B-C3D4"
A_YEAR = Lifecycle(cold_after_days=30, delete_after_days=365)
PLAN_ID = "12345678-90ab-cdef-1234-567890abcdef"
DENIED = Unknown("ListThings: AccessDeniedException: not authorized")

JSON = Any


def at(text: str) -> datetime:
    """A moment in UTC, such as `2026-03-31 00:20`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CREATED = at("2026-02-19 12:00")
"""When the plan and the vaults were made: half a day before the first of the 40 nights."""

LONG_AGO = at("2024-01-01 12:00")
"""When Cabal itself was made."""


def a_point_arn(created: datetime, resource_arn: str, vault: str = "primary") -> str:
    region = "us-west-1" if vault == "primary" else "us-west-2"
    return (
        f"arn:aws:backup:{region}:{ACCOUNT}:recovery-point:"
        f"{TYPES.get(resource_arn, 'Other')}-{created:%Y%m%d%H%M%S}"
    )


def a_point(
    created: datetime = LAST_NIGHT,
    resource_arn: str = TABLE_ARN,
    *,
    vault: str = "primary",
    lifecycle: Lifecycle | None = A_YEAR,
    status: str = "COMPLETED",
    **changes: Any,
) -> RecoveryPoint:
    """A recovery point that the plan made last night; `vault` is `primary` or `dr`.

    One made on demand has `plan_id=None`.
    """
    cold = lifecycle.cold_after_days if lifecycle else None
    point = RecoveryPoint(
        arn=a_point_arn(created, resource_arn, vault),
        resource_arn=resource_arn,
        resource_type=TYPES.get(resource_arn, "Other"),
        status=status,
        status_message="",
        created=created,
        cold_at=created + timedelta(days=cold) if cold is not None else None,
        delete_at=created + timedelta(days=lifecycle.delete_after_days) if lifecycle else None,
        lifecycle=lifecycle,
        size_bytes=1000,
        role_arn=ROLE_ARN,
        last_restored=None,
        plan_id=PLAN_ID,
    )
    return replace(point, **changes)


def nights_until(last: datetime, count: int = 40) -> list[datetime]:
    """When the backups of `count` nights began, the newest, `last`, first."""
    return [last - timedelta(days=ago) for ago in range(count)]


def nightly(vault: str, nights: Iterable[datetime] | None = None) -> list[RecoveryPoint]:
    """A recovery point of each resource each night."""
    chosen = nights_until(LAST_NIGHT) if nights is None else nights
    return [_shared_point(night, arn, vault=vault) for night in chosen for arn in TYPES]


_shared_point = cache(a_point)


def a_backup_job(created: datetime, resource_arn: str = TABLE_ARN, **changes: Any) -> JSON:
    return {
        "BackupJobId": f"{created:%Y%m%d}",
        "BackupVaultName": "cabal-backup",
        "ResourceArn": resource_arn,
        "ResourceType": TYPES.get(resource_arn, "Other"),
        "RecoveryPointArn": a_point_arn(created, resource_arn),
        "State": "COMPLETED",
        "CreationDate": created,
        **changes,
    }


def a_copy_job(source: RecoveryPoint, copy: RecoveryPoint | None = None, **changes: Any) -> JSON:
    """The job that copied `source`, half an hour after it was made."""
    job = {
        "SourceBackupVaultArn": VAULT_ARN,
        "SourceRecoveryPointArn": source.arn,
        "IamRoleArn": ROLE_ARN,
        "DestinationBackupVaultArn": DR_VAULT_ARN,
        "ResourceArn": source.resource_arn,
        "ResourceType": source.resource_type,
        "State": "COMPLETED",
        "CreationDate": source.created + timedelta(minutes=15),
        "CompletionDate": source.created + timedelta(minutes=30),
    }
    if copy is not None:
        job["DestinationRecoveryPointArn"] = copy.arn
    return job | changes


def a_restore_job(resource_type: str, completed: datetime, **changes: Any) -> JSON:
    return {
        "ResourceType": resource_type,
        "SourceResourceArn": next(arn for arn, kind in TYPES.items() if kind == resource_type),
        "Status": "COMPLETED",
        "CreationDate": completed - timedelta(minutes=10),
        "CompletionDate": completed,
        **changes,
    }


TESTED = at("2026-03-01 07:00")
"""When the last restore tests of the primary vault ended; AWS Backup lists them no more at NOW."""

PRIMARY_PLAN, DR_TABLE_PLAN, DR_MAILSTORE_PLAN = (
    "cabal_backup_restore_testing",
    "cabal_backup_dr_table",
    "cabal_backup_dr_mailstore",
)
_TESTING = {
    # Schedule, vault, role, kinds, last run.
    PRIMARY_PLAN: (
        "cron(0 6 1 * ? *)",
        VAULT_ARN,
        ROLE_ARN,
        ("DynamoDB", "EFS"),
        at("2026-03-01 06:20"),
    ),
    DR_TABLE_PLAN: (
        "cron(0 6 15 * ? *)",
        DR_VAULT_ARN,
        DR_TESTING_ROLE_ARN,
        ("DynamoDB",),
        at("2026-03-15 06:20"),
    ),
    DR_MAILSTORE_PLAN: (
        "cron(0 6 15 1/3 ? *)",
        DR_VAULT_ARN,
        DR_TESTING_ROLE_ARN,
        ("EFS",),
        at("2026-01-15 06:20"),
    ),
}


def a_testing_plan(name: str = PRIMARY_PLAN, **changes: Any) -> JSON:
    schedule, vault, _, _, ran = _TESTING[name]
    return {
        "RestoreTestingPlanName": name,
        "ScheduleExpression": schedule,
        "StartWindowHours": 8,
        "RecoveryPointSelection": {
            "Algorithm": "LATEST_WITHIN_WINDOW",
            "IncludeVaults": [vault],
            "RecoveryPointTypes": ["SNAPSHOT"],
            "SelectionWindowDays": 7,
        },
        "CreationTime": at("2025-12-01 12:00"),
        "LastExecutionTime": ran,
        **changes,
    }


def a_testing_selection(kind: str, plan: str = PRIMARY_PLAN, **changes: Any) -> JSON:
    return {
        "RestoreTestingPlanName": plan,
        "RestoreTestingSelectionName": f"{plan}_{kind.lower()}",
        "ProtectedResourceType": kind,
        "ProtectedResourceArns": [TABLE_ARN if kind == "DynamoDB" else MAILSTORE_ARN],
        "IamRoleArn": _TESTING[plan][2],
        "ValidationWindowHours": 24,
        **changes,
    }


def a_deployed_plan(
    name: str, *, selections: Sequence[JSON] | None = None, **changes: Any
) -> Answer[DeployedPlan | None]:
    """A restore testing plan as it was deployed, with these changes of the plan itself."""
    usual = [a_testing_selection(kind, name) for kind in _TESTING[name][3]]
    return Known(
        DeployedPlan(
            plan=a_testing_plan(name, **changes),
            selections=usual if selections is None else selections,
        )
    )


def with_testing(
    changed: Mapping[str, Answer[DeployedPlan | None]] | None = None, **changes: Any
) -> dict[str, Answer[DeployedPlan | None]]:
    """All restore testing plans, with these changes; those in `changed` are as they are there."""
    return {name: a_deployed_plan(name, **changes) for name in _TESTING} | dict(changed or {})


def a_restore_test(
    resource_type: str,
    completed: datetime = TESTED,
    *,
    plan: str = PRIMARY_PLAN,
    **changes: Any,
) -> JSON:
    """A restore by a testing plan that was judged, and found to be right."""
    job = a_restore_job(resource_type, completed)
    region = "us-west-1" if plan == PRIMARY_PLAN else "us-west-2"
    arn = f"arn:aws:backup:{region}:{ACCOUNT}:restore-testing-plan:{plan}-1"
    return {
        **job,
        "CreatedBy": {"RestoreTestingPlanArn": arn},
        "ValidationStatus": "SUCCESSFUL",
        "ValidationStatusMessage": "200 items, 200 in cabal-addresses.",
        **changes,
    }


VAULT_KEY, TABLE_KEY, MAILSTORE_KEY = (
    f"arn:aws:kms:us-west-1:{ACCOUNT}:key/{service}"
    for service in ("backup", "dynamodb", "elasticfilesystem")
)
DR_VAULT_KEY = f"arn:aws:kms:us-west-2:{ACCOUNT}:key/backup"


def a_key(arn: str, **changes: Any) -> JSON:
    """A key that AWS manages, as KMS describes it."""
    return {"Arn": arn, "KeyState": "Enabled", "KeyManager": "AWS", "Enabled": True, **changes}


def with_keys(**changes: Any) -> dict[str, Answer[Any]]:
    """All keys as they should be, but for VAULT_KEY, which has these changes."""
    keys = {arn: a_key(arn) for arn in (DR_VAULT_KEY, TABLE_KEY, MAILSTORE_KEY)}
    return {
        arn: Known(key) for arn, key in {**keys, VAULT_KEY: a_key(VAULT_KEY, **changes)}.items()
    }


def a_vault(name: str = "cabal-backup", **changes: Any) -> JSON:
    return {
        "BackupVaultName": name,
        "EncryptionKeyArn": VAULT_KEY if name == "cabal-backup" else DR_VAULT_KEY,
        "EncryptionKeyType": "AWS_OWNED_KMS_KEY",
        "Locked": True,
        "MinRetentionDays": 30,
        "MaxRetentionDays": 365,
        "NumberOfRecoveryPoints": 80,
        "CreationDate": CREATED,
        "VaultState": "AVAILABLE",
        **changes,
    }


def a_region(which: str = "primary", **changes: Any) -> RegionState:
    primary = which == "primary"
    name = "cabal-backup" if primary else "cabal-backup-dr"
    region = RegionState(
        which=which,
        region="us-west-1" if primary else "us-west-2",
        vault_name=name,
        vault=Known(a_vault(name)),
        points=Known(nightly(which)),
        settings=Known[Any](
            {
                "ResourceTypeOptInPreference": {"DynamoDB": True, "EFS": True},
                "ResourceTypeManagementPreference": {"DynamoDB": True},
            }
        ),
        policy=Known(None),
        lock_removals=Known([]),
        deletions=Known([]),
        rule_changes=Known([]),
        holds=Known(()),
    )
    return replace(region, **changes)


def a_rule(**changes: Any) -> JSON:
    return {
        "RuleName": "cabal-backup-plan-rule",
        "TargetBackupVaultName": "cabal-backup",
        "ScheduleExpression": "cron(0 0 * * ? *)",
        "StartWindowMinutes": 480,
        "CompletionWindowMinutes": 10_080,
        "Lifecycle": {"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 365},
        "CopyActions": [a_copy_action()],
        **changes,
    }


def a_copy_action(**changes: Any) -> JSON:
    return {
        "DestinationBackupVaultArn": DR_VAULT_ARN,
        "Lifecycle": {"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 365},
        **changes,
    }


def a_selection(**changes: Any) -> JSON:
    return {
        "SelectionName": "cabal-backup",
        "IamRoleArn": ROLE_ARN,
        "Resources": [TABLE_ARN, MAILSTORE_ARN],
        "ListOfTags": [],
        "NotResources": [],
        "Conditions": {"StringEquals": [], "StringNotEquals": []},
        **changes,
    }


def a_plan(
    *rules: JSON, selections: Sequence[JSON] | None = None, created: datetime = CREATED
) -> Plan:
    """A plan that was never changed."""
    document: JSON = {"BackupPlanName": "cabal-backup-plan", "Rules": list(rules or [a_rule()])}
    return Plan(
        plan=document,
        selections=tuple([a_selection()] if selections is None else selections),
        plan_id=PLAN_ID,
        versions=(PlanVersion(created=created, plan=document),),
        created=created,
    )


def an_event(when: datetime, name: str = "DeleteRecoveryPoint") -> JSON:
    """A call that CloudTrail has recorded."""
    return {
        "EventName": name,
        "EventTime": when,
        "CloudTrailEvent": json.dumps(
            {"userIdentity": {"arn": f"arn:aws:iam::{ACCOUNT}:user/mallory"}}
        ),
    }


def a_statement(**changes: Any) -> JSON:
    return {
        "Effect": "Allow",
        "Principal": {"Service": "backup.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        **changes,
    }


def a_copy_limit(**changes: Any) -> JSON:
    """The inline policy of the role; `changes` of its statement."""
    targets = [VAULT_ARN, DR_VAULT_ARN]
    statement = {
        "Sid": "OnlyIntoTheseVaults",
        "Effect": "Deny",
        "Action": "backup:CopyFromBackupVault",
        "Resource": "*",
        "Condition": {"ForAnyValue:ArnNotLike": {"backup:CopyTargets": targets}},
        **changes,
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def a_role(
    *statements: JSON,
    policies: Iterable[str] | None = None,
    inline: Mapping[str, JSON | None] | None = None,
    denied: Answer[tuple[Denial, ...]] | None = None,
    **changes: Any,
) -> Role:
    managed = "arn:aws:iam::aws:policy/service-role/"
    chosen = (
        [
            f"{managed}AWSBackupServiceRolePolicyForBackup",
            f"{managed}AWSBackupServiceRolePolicyForRestores",
        ]
        if policies is None
        else policies
    )
    role: JSON = {
        "RoleName": "cabal-backup-role",
        "Arn": ROLE_ARN,
        "AssumeRolePolicyDocument": {"Statement": list(statements or [a_statement()])},
        **changes,
    }
    return Role(
        role=role,
        policies=tuple(chosen),
        inline={"cabal-backup-copy-targets": a_copy_limit()} | dict(inline or {}),
        denied=Known(()) if denied is None else denied,
    )


def a_described_table(**changes: Any) -> JSON:
    return {
        "TableStatus": "ACTIVE",
        "TableId": "6a2b9c1e-0000-4000-8000-000000000001",
        "CreationDateTime": LONG_AGO,
        "SSEDescription": {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": TABLE_KEY},
        "DeletionProtectionEnabled": True,
        **changes,
    }


def a_mailstore(**changes: Any) -> JSON:
    return {
        "FileSystemId": MAILSTORE,
        "LifeCycleState": "available",
        "CreationTime": LONG_AGO,
        "NumberOfMountTargets": 2,
        "KmsKeyId": MAILSTORE_KEY,
        **changes,
    }


def a_table(**changes: Any) -> TableState:
    table = TableState(
        table=Known(a_described_table()),
        backups=Known[Any](
            {
                "PointInTimeRecoveryDescription": {
                    "PointInTimeRecoveryStatus": "ENABLED",
                    "RecoveryPeriodInDays": 35,
                    "EarliestRestorableDateTime": NOW - timedelta(days=35),
                }
            }
        ),
    )
    return replace(table, **changes)


def with_tables(**changed: TableState) -> Mapping[str, TableState]:
    """All five tables as they should be, but for the named ones (`_` for `-`)."""
    tables = {name: a_table() for name in TABLES}
    return {**tables, **{name.replace("_", "-"): table for name, table in changed.items()}}


TABLES = (
    "cabal-addresses",
    "cabal-counter",
    "cabal-user-preferences",
    "cabal-user-domain-access",
    "cabal-dmarc-reports",
)


def a_subscription(**changes: Any) -> JSON:
    return {
        "SubscriptionArn": f"arn:aws:sns:us-west-1:{ACCOUNT}:cabal-backup-alerts:1234",
        "Protocol": "email",
        "Endpoint": "operator@example.com",
        "FilterPolicy": "",
        **changes,
    }


def a_trail(**changes: Any) -> Trail:
    trail = Trail(
        name="audit", home="us-west-1", account=ACCOUNT, is_logging=True, logs_writes=True
    )
    return replace(trail, **changes)


def an_alarm_metrics(expression: str = "FILL(errors, 1)", **changes: Any) -> list[JSON]:
    """What the alarm evaluates, as CloudWatch describes it: in any order, and with labels."""
    metric = {
        "Namespace": "AWS/Lambda",
        "MetricName": "Errors",
        "Dimensions": [{"Name": "FunctionName", "Value": "cabal-backup-watch"}],
    }
    stat = {"Period": 3600, "Stat": "Minimum"}
    for name, value in changes.items():
        (stat if name in stat else metric)[name] = value
    return [
        {"Id": "errors", "MetricStat": {"Metric": metric, **stat}, "ReturnData": False},
        {"Id": "failed", "Label": "failed", "Expression": expression, "ReturnData": True},
    ]


def an_alarm(**changes: Any) -> JSON:
    return {
        "ActionsEnabled": True,
        "AlarmActions": [f"arn:aws:lambda:us-west-1:{ACCOUNT}:function:cabal-backup-notify"],
        "Metrics": an_alarm_metrics(),
        "EvaluationPeriods": 25,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "breaching",
        **changes,
    }


def a_record(**changes: Any) -> WatchRecord:
    """The watch ran an hour ago, and all was well."""
    ran = NOW - timedelta(hours=1)
    return replace(WatchRecord(ran=ran, since={}, written=ran, read=NOW), **changes)


def a_channel(region: str = "us-west-1", **changes: Any) -> Channel:
    """Everything that leads to the operator in a region, as it is deployed."""
    other = {"us-west-1": "us-west-2", "us-west-2": "us-west-1"}[region]
    function = f"arn:aws:lambda:{region}:{ACCOUNT}:function:cabal-backup-notify"
    queue = f"arn:aws:sqs:{region}:{ACCOUNT}:cabal-backup-alerts"
    bus = f"arn:aws:events:{other}:{ACCOUNT}:event-bus/default"
    deny = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "sqs:*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = {
        "Statement": [
            deny,
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
            },
        ]
    }
    watch = f"arn:aws:lambda:{region}:{ACCOUNT}:function:cabal-backup-watch"
    configuration: JSON = {
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "ReservedConcurrentExecutions": None,
    }
    channel = Channel(
        rules=Known[Any](
            {
                "cabal-backup-watch": {
                    "Name": "cabal-backup-watch",
                    "State": "ENABLED",
                    "ScheduleExpression": {
                        "us-west-1": "cron(0 12 * * ? *)",
                        "us-west-2": "cron(0 14 * * ? *)",
                    }[region],
                    "Targets": [watch],
                }
            }
            | {
                name: {
                    "Name": name,
                    "State": "ENABLED",
                    "EventPattern": json.dumps(pattern),
                    "Targets": [bus if name.endswith("-elsewhere") else queue],
                }
                for name, pattern in urgent.rules(ACCOUNT, region).items()
            }
        ),
        queues=Known(
            {
                "cabal-backup-alerts": {
                    "Policy": json.dumps(policy),
                    "RedrivePolicy": json.dumps(
                        {"deadLetterTargetArn": f"{queue}-dead-letters", "maxReceiveCount": 6}
                    ),
                    "ApproximateNumberOfMessages": "3",
                },
                "cabal-backup-alerts-dead-letters": {
                    "ApproximateNumberOfMessages": "0",
                    "ApproximateNumberOfMessagesNotVisible": "0",
                },
            }
        ),
        sources=Known([{"State": "Enabled", "FunctionArn": function}]),
        functions=Known(
            {"cabal-backup-notify": configuration, "cabal-backup-watch": configuration}
        ),
        topic=Known({"Owner": ACCOUNT, "Policy": json.dumps({"Statement": [deny]})}),
        subscriptions=Known([a_subscription()]),
        alarm=Known(an_alarm() if region == "us-west-1" else None),
        record=Known(a_record()),
    )
    return replace(channel, **changes)


REGIONS = ("us-west-1", "us-west-2")


def after(nights: Iterable[datetime], made: datetime = CREATED) -> dict[str, Any]:
    """What there is after backups that began at these moments, newest first: points, copies, jobs.

    Fields of `a_state`. Nights that are not among them were missed, and left nothing.

    :param made: when the vaults were made.
    """
    primary, dr = nightly("primary", nights := list(nights)), nightly("dr", nights)
    recent = [
        (source, copy)
        for source, copy in zip(primary, dr, strict=True)
        if source.created >= NOW - timedelta(days=30)
    ]
    return {
        "primary": a_region(
            "primary", vault=Known(a_vault(CreationDate=made)), points=Known(primary)
        ),
        "dr": a_region(
            "dr", vault=Known(a_vault("cabal-backup-dr", CreationDate=made)), points=Known(dr)
        ),
        "backup_jobs": Known(
            [a_backup_job(source.created, source.resource_arn) for source, _ in recent]
        ),
        "copy_jobs": Known([a_copy_job(source, copy) for source, copy in recent]),
    }


def a_state(settings: Mapping[str, Any] | None = None, **changes: Any) -> State:
    """A healthy environment at NOW.

    :param settings: of the environment, as in cdk.json.
    :param changes: fields of the state.
    """
    if settings:
        changes = {"environment": an_environment(**settings), **changes}
    return replace(_healthy(), **changes)


@cache
def _healthy() -> State:
    return State(
        now=NOW,
        environment=an_environment(),
        account=ACCOUNT,
        air_gapped=None,
        plan=Known(a_plan()),
        role=Known(a_role()),
        dr_copy_jobs=Known([]),
        restore_jobs=Known(
            [a_restore_job(kind, NOW - timedelta(days=2)) for kind in ("DynamoDB", "EFS")]
        ),
        dr_restore_jobs=Known(
            [a_restore_test("DynamoDB", at("2026-03-15 07:00"), plan=DR_TABLE_PLAN)]
        ),
        testing=with_testing(),
        tables=with_tables(),
        mailstore=Known(a_mailstore()),
        other_mailstores=Known([]),
        keys=with_keys(),
        channels={region: a_channel(region) for region in REGIONS},
        trails={region: Known([a_trail()]) for region in REGIONS},
        clock_skew=Known(timedelta()),
        drills=Known([a_drill(kind) for kind in ("addresses", "mailbox", "copy-back")]),
        **after(nights_until(LAST_NIGHT)),
    )


A_FORTNIGHT = Lifecycle(cold_after_days=None, delete_after_days=14)


def an_air_gapped_vault(**changes: Any) -> AirGapped:
    """The air-gapped vault with a copy of the last 14 nights, shared with THIRD_ACCOUNT."""
    points = [
        a_point(night, arn, vault="third", lifecycle=A_FORTNIGHT)
        for night in nights_until(LAST_NIGHT, 14)
        for arn in TYPES
    ]
    third = AirGapped(
        region="us-west-2",
        vault_name="cabal-backup-air-gapped",
        vault=Known(a_vault("cabal-backup-air-gapped", MinRetentionDays=7, MaxRetentionDays=30)),
        points=Known(points),
        policy=Known(None),
        shares=Known({THIRD_ACCOUNT: Share(arn=SHARE_ARN, status="ASSOCIATED", invited=CREATED)}),
    )
    return replace(third, **changes)


def a_third_copy_action(**changes: Any) -> JSON:
    return a_copy_action(
        DestinationBackupVaultArn=THIRD_VAULT_ARN, Lifecycle={"DeleteAfterDays": 14}, **changes
    )


def a_drill(kind: str, ended: datetime = NOW - timedelta(days=2), **changes: Any) -> PastDrill:
    """A drill that passed in the environment of `a_state`."""
    past = PastDrill(
        kind=kind,
        environment="prod",
        passed=True,
        ended=ended,
        recovery_seconds=420.0,
    )
    return replace(past, **changes)


def findings(state: State) -> dict[str, Finding]:
    """What every check says, by its id."""
    return {finding.check: finding for finding in run_checks(state, CHECKS).findings}


def finding(check: str, state: State | None = None, /, **changes: Any) -> Finding:
    """What one check says about a healthy environment with these changes."""
    (one,) = run_checks(state or a_state(**changes), [check]).findings
    return one


def not_ok(state: State) -> dict[str, str]:
    """The checks that are not ok, and what they are instead."""
    return {
        check: str(one.status)
        for check, one in findings(state).items()
        if one.status not in ("ok", "off")
    }
