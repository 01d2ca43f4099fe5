"""Everything the checks look at, asked once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cabal_backup import names
from cabal_backup.environment import Environment
from cabal_backup.operations.answers import (
    Answer,
    Known,
    ask,
    ask_together,
    pages,
    unless_missing,
)
from cabal_backup.operations.aws import Aws
from cabal_backup.operations.drill.history import PastDrill
from cabal_backup.operations.recovery_points import RecoveryPoint, list_recovery_points
from cabal_backup.operations.status import watching
from cabal_backup.operations.status.watching import Watching

LOOK_BACK = timedelta(days=30)
"""How far back jobs and nights are looked at; AWS Backup lists jobs for 30 days."""

_JSON = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RegionState:
    """One of the two regions."""

    which: str
    """`primary` or `dr`: how the ids of its checks begin."""
    region: str
    vault_name: str
    vault: Answer[_JSON | None]
    """The vault as ListBackupVaults shows it."""
    points: Answer[list[RecoveryPoint]]
    settings: Answer[_JSON]
    lock_removal: Answer[_JSON | None]
    """The CloudTrail event that took the lock off; looked for only where it is off."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The nightly plan and what it selects."""

    plan: _JSON
    selections: tuple[_JSON, ...]


@dataclass(frozen=True, kw_only=True)
class Role:
    """The role AWS Backup works under."""

    role: _JSON
    policies: tuple[str, ...]
    """The ARNs of the attached policies."""


@dataclass(frozen=True, kw_only=True)
class TableState:
    """One DynamoDB table."""

    table: Answer[_JSON | None]
    backups: Answer[_JSON | None]
    """ContinuousBackupsDescription: DescribeTable says nothing about PITR."""


@dataclass(frozen=True, kw_only=True)
class State:
    """One environment at one moment, as far as AWS let us see."""

    now: datetime
    environment: Environment
    account: str
    primary: RegionState
    dr: RegionState
    plan: Answer[Plan | None]
    role: Answer[Role | None]
    backup_jobs: Answer[list[_JSON]]
    copy_jobs: Answer[list[_JSON]]
    restore_jobs: Answer[list[_JSON]]
    testing_plan: Answer[_JSON | None]
    """The restore testing plan; looked for only where there should be one."""
    tables: Mapping[str, TableState]
    mailstore: Answer[_JSON | None]
    watching: Watching
    table_arn: str
    mailstore_arn: str
    dr_vault_arn: str
    drills: Answer[Sequence[PastDrill]]
    """What the reports of drills say, which are files of the project."""

    @property
    def regions(self) -> tuple[RegionState, RegionState]:
        return (self.primary, self.dr)

    @property
    def resources(self) -> dict[str, str]:
        """What is in the plan: a name for people, by ARN."""
        return {
            self.table_arn: self.environment.addresses_table,
            self.mailstore_arn: f"mailstore {self.environment.mailstore_file_system_id}",
        }


def look(aws: Aws, now: datetime, *, drills: Answer[Sequence[PastDrill]] | None = None) -> State:
    """Ask AWS everything, all regions and services side by side.

    :param drills: what the reports of drills say; None where nobody needs to know.
    """
    environment = aws.environment
    questions: dict[str, Callable[[], Any]] = {
        "plan": lambda: _plan(aws.client("backup")),
        "role": lambda: _role(aws.client("iam")),
        "mailstore": lambda: _mailstore(aws),
        "testing_plan": lambda: _testing_plan(aws),
        **_jobs(aws, now),
        **watching.questions(aws),
        **_region("primary", aws, environment.region, names.VAULT),
        **_region("dr", aws, environment.dr_region, names.DR_VAULT),
    }
    tables = (environment.addresses_table, *environment.pitr_tables)
    for table in tables:
        questions |= _table(aws, table)
    answers = ask_together(questions)
    primary = _region_state("primary", aws, environment.region, names.VAULT, answers)
    dr = _region_state("dr", aws, environment.dr_region, names.DR_VAULT, answers)
    return State(
        now=now,
        environment=environment,
        account=aws.account,
        primary=primary,
        dr=dr,
        plan=answers["plan"],
        role=answers["role"],
        backup_jobs=answers["backup_jobs"],
        copy_jobs=answers["copy_jobs"],
        restore_jobs=answers["restore_jobs"],
        testing_plan=answers["testing_plan"],
        tables={
            name: TableState(table=answers[f"table {name}"], backups=answers[f"backups {name}"])
            for name in tables
        },
        mailstore=answers["mailstore"],
        watching=watching.read_answers(environment, answers),
        table_arn=aws.arn("dynamodb", f"table/{environment.addresses_table}"),
        mailstore_arn=aws.arn(
            "elasticfilesystem", f"file-system/{environment.mailstore_file_system_id}"
        ),
        dr_vault_arn=aws.arn(
            "backup", f"backup-vault:{names.DR_VAULT}", region=environment.dr_region
        ),
        drills=drills or Known(()),
    )


def _region(which: str, aws: Aws, region: str, vault: str) -> dict[str, Callable[[], Any]]:
    def backup() -> Any:
        return aws.client("backup", region)

    return {
        # Not DescribeBackupVault: it answers AccessDenied for a vault that does not exist.
        f"{which} vaults": lambda: pages(backup(), "list_backup_vaults", "BackupVaultList"),
        f"{which} points": lambda: list_recovery_points(backup(), vault),
        f"{which} settings": lambda: backup().describe_region_settings(),
    }


def _region_state(
    which: str, aws: Aws, region: str, name: str, answers: Mapping[str, Answer[Any]]
) -> RegionState:
    vaults = answers[f"{which} vaults"]
    vault: Answer[_JSON | None] = vaults
    if isinstance(vaults, Known):
        vault = Known(next((v for v in vaults.value if v["BackupVaultName"] == name), None))
    points = answers[f"{which} points"]
    if isinstance(vault, Known) and vault.value is None:
        points = Known([])
    return RegionState(
        which=which,
        region=region,
        vault_name=name,
        vault=vault,
        points=points,
        settings=answers[f"{which} settings"],
        lock_removal=_lock_removal(aws, region, name, vault),
    )


def _lock_removal(
    aws: Aws, region: str, name: str, vault: Answer[_JSON | None]
) -> Answer[_JSON | None]:
    """Who took the lock off, where it is off; CloudTrail tells for 90 days."""
    if not isinstance(vault, Known) or vault.value is None or vault.value.get("Locked"):
        return Known(None)

    def question() -> _JSON | None:
        events = pages(
            aws.client("cloudtrail", region),
            "lookup_events",
            "Events",
            LookupAttributes=[
                {
                    "AttributeKey": "EventName",
                    "AttributeValue": "DeleteBackupVaultLockConfiguration",
                }
            ],
        )
        # The newest come first.
        return next(
            (event for event in events if f'"{name}"' in event.get("CloudTrailEvent", "")), None
        )

    return ask(question)


def _jobs(aws: Aws, now: datetime) -> dict[str, Callable[[], Any]]:
    since = now - LOOK_BACK

    def listed(operation: str, result: str) -> Callable[[], Any]:
        return lambda: pages(
            aws.client("backup"), operation, result, ByCreatedAfter=since, MaxResults=1000
        )

    return {
        "backup_jobs": listed("list_backup_jobs", "BackupJobs"),
        "copy_jobs": listed("list_copy_jobs", "CopyJobs"),
        "restore_jobs": listed("list_restore_jobs", "RestoreJobs"),
    }


def _plan(backup: Any) -> Plan | None:
    plans = pages(backup, "list_backup_plans", "BackupPlansList")
    listed = next((plan for plan in plans if plan["BackupPlanName"] == names.PLAN), None)
    if listed is None:
        return None
    plan_id = listed["BackupPlanId"]
    with ThreadPoolExecutor(max_workers=2) as pool:
        plan = pool.submit(backup.get_backup_plan, BackupPlanId=plan_id)
        selections = pages(
            backup, "list_backup_selections", "BackupSelectionsList", BackupPlanId=plan_id
        )
        return Plan(
            plan=plan.result()["BackupPlan"],
            selections=tuple(
                backup.get_backup_selection(
                    BackupPlanId=plan_id, SelectionId=selection["SelectionId"]
                )["BackupSelection"]
                for selection in selections
            ),
        )


def _testing_plan(aws: Aws) -> _JSON | None:
    if aws.environment.restore_testing is None:
        return None
    plans = pages(aws.client("backup"), "list_restore_testing_plans", "RestoreTestingPlans")
    return next(
        (plan for plan in plans if plan["RestoreTestingPlanName"] == names.RESTORE_TESTING_PLAN),
        None,
    )


def _role(iam: Any) -> Role | None:
    role = unless_missing(lambda: iam.get_role(RoleName=names.ROLE)["Role"], "NoSuchEntity")
    if role is None:
        return None
    attached = iam.list_attached_role_policies(RoleName=names.ROLE)["AttachedPolicies"]
    return Role(role=role, policies=tuple(policy["PolicyArn"] for policy in attached))


def _mailstore(aws: Aws) -> _JSON | None:
    def question() -> _JSON:
        described = aws.client("efs").describe_file_systems(
            FileSystemId=aws.environment.mailstore_file_system_id
        )
        file_system: _JSON = described["FileSystems"][0]
        return file_system

    return unless_missing(question, "FileSystemNotFound")


def _table(aws: Aws, name: str) -> dict[str, Callable[[], Any]]:
    def dynamodb() -> Any:
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
    "Answer",
    "Known",
    "Plan",
    "RegionState",
    "Role",
    "State",
    "TableState",
    "look",
]
