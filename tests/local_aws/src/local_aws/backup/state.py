"""The state of AWS Backup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local_aws.backup.agenda import Agenda
from local_aws.backup.lifecycle import Lifecycle
from local_aws.backup.world import Scope, TableImage


@dataclass
class Lock:
    """A vault lock; `lock_date` is set in compliance mode only."""

    min_days: int | None
    max_days: int | None
    lock_date: datetime | None

    def immutable(self, now: datetime) -> bool:
        return self.lock_date is not None and now >= self.lock_date


@dataclass(frozen=True)
class FileSystemImage:
    """A file system in a recovery point: its settings and a tree in the store."""

    tree: str
    description: dict[str, Any]


@dataclass
class RecoveryPoint:
    arn: str
    vault_name: str
    vault_arn: str
    resource_arn: str
    resource_type: str
    resource_name: str | None
    iam_role_arn: str
    lifecycle: Lifecycle
    created: datetime
    initiated: datetime
    size: int = 0
    completed: datetime | None = None
    status: str = "CREATING"
    status_message: str | None = None
    storage_class: str = "WARM"
    created_by: dict[str, Any] | None = None
    copied: bool = False
    last_restore: datetime | None = None
    image: TableImage | FileSystemImage | None = None

    @property
    def sound(self) -> bool:
        """Whether it is complete; AVAILABLE is what AWS calls some kinds of recovery points then.

        https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeRecoveryPoint.html
        """
        return self.status in ("COMPLETED", "AVAILABLE")

    @property
    def advanced(self) -> bool:
        """Whether AWS Backup fully manages it, which the ARN shows."""
        return self.arn.split(":")[2] == "backup"


AIR_GAPPED = "LOGICALLY_AIR_GAPPED_BACKUP_VAULT"


@dataclass
class Vault:
    name: str
    arn: str
    created: datetime
    encryption_key_arn: str | None
    """None is a key that AWS owns, of a logically air-gapped vault."""
    creator_request_id: str | None
    lock: Lock | None = None
    policy: str | None = None
    topic_arn: str | None = None
    events: list[str] = field(default_factory=list)
    points: dict[str, RecoveryPoint] = field(default_factory=dict)
    just_emptied: bool = False
    type: str = "BACKUP_VAULT"
    available: datetime | None = None
    """When its key exists; None for a vault that is available at once."""
    deleted: bool = False
    """Whether it is being removed."""

    @property
    def air_gapped(self) -> bool:
        return self.type == AIR_GAPPED


@dataclass
class PlanVersion:
    version_id: str
    created: datetime
    document: dict[str, Any]


@dataclass
class Selection:
    selection_id: str
    document: dict[str, Any]
    created: datetime
    creator_request_id: str | None


@dataclass
class Plan:
    plan_id: str
    arn: str
    creator_request_id: str | None
    versions: list[PlanVersion]
    selections: dict[str, Selection] = field(default_factory=dict)
    deleted: datetime | None = None
    last_execution: datetime | None = None

    @property
    def current(self) -> PlanVersion:
        return self.versions[-1]

    @property
    def created(self) -> datetime:
        return self.versions[0].created


@dataclass
class BackupJob:
    job_id: str
    vault_name: str
    vault_arn: str
    resource_arn: str
    resource_type: str
    resource_name: str | None
    iam_role_arn: str
    lifecycle: Lifecycle
    created: datetime
    start_by: datetime
    complete_by: datetime
    recovery_point_arn: str | None
    state: str = "CREATED"
    message: str | None = None
    message_category: str | None = None
    initiated: datetime | None = None
    completed: datetime | None = None
    expected_completion: datetime | None = None
    size: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    created_by: dict[str, Any] | None = None
    copy_actions: list[dict[str, Any]] = field(default_factory=list)

    kind = "backup"

    @property
    def finished(self) -> bool:
        return self.state in ("ABORTED", "COMPLETED", "FAILED", "EXPIRED", "PARTIAL")


@dataclass
class CopyJob:
    job_id: str
    from_vault_name: str
    from_vault_arn: str
    from_point_arn: str
    to_vault_arn: str
    resource_arn: str
    resource_type: str
    resource_name: str | None
    iam_role_arn: str
    lifecycle: Lifecycle
    created: datetime
    size: int
    state: str = "CREATED"
    message: str | None = None
    message_category: str | None = None
    completed: datetime | None = None
    to_point_arn: str | None = None
    created_by: dict[str, Any] | None = None
    backup_job_id: str | None = None

    kind = "copy"

    @property
    def finished(self) -> bool:
        return self.state in ("COMPLETED", "FAILED", "PARTIAL")


@dataclass
class RestoreJob:
    job_id: str
    point_arn: str
    vault_name: str
    vault_arn: str
    resource_arn: str
    resource_type: str
    point_created: datetime
    iam_role_arn: str
    metadata: dict[str, str]
    created: datetime
    size: int
    copy_tags: bool = False
    status: str = "PENDING"
    message: str | None = None
    completed: datetime | None = None
    started: datetime | None = None
    expected_minutes: int | None = None
    created_resource_arn: str | None = None
    testing_plan_arn: str | None = None
    validation_hours: int = 0
    validation_status: str | None = None
    validation_message: str | None = None
    deletion_status: str | None = None
    deletion_message: str | None = None

    kind = "restore"

    @property
    def state(self) -> str:
        return self.status

    @property
    def finished(self) -> bool:
        return self.status in ("ABORTED", "COMPLETED", "FAILED")


Job = BackupJob | CopyJob | RestoreJob


@dataclass
class TestingSelection:
    __test__ = False
    name: str
    document: dict[str, Any]
    created: datetime
    creator_request_id: str | None


@dataclass
class TestingPlan:
    __test__ = False
    name: str
    arn: str
    document: dict[str, Any]
    created: datetime
    creator_request_id: str | None
    revision: int = 0
    updated: datetime | None = None
    last_execution: datetime | None = None
    selections: dict[str, TestingSelection] = field(default_factory=dict)


@dataclass
class LegalHold:
    hold_id: str
    arn: str
    title: str
    description: str
    created: datetime
    selection: dict[str, Any]
    points: frozenset[str]
    """The ARNs of its recovery points: those that existed when it was created."""
    active_from: datetime
    cancelled: datetime | None = None
    cancel_description: str | None = None
    ends: datetime | None = None
    """When it is CANCELED, not CANCELING any more."""
    record_until: datetime | None = None
    """When it is no longer listed; None for never."""

    def status(self, now: datetime) -> str:
        """`Status`; only an ACTIVE one keeps its points."""
        if self.ends is not None:
            return "CANCELING" if now < self.ends else "CANCELED"
        return "CREATING" if now < self.active_from else "ACTIVE"

    def is_listed(self, now: datetime) -> bool:
        """Whether its record is kept."""
        return self.record_until is None or now < self.record_until


@dataclass
class Association:
    """A vault or an account in a resource share."""

    entity: str
    created: datetime
    status: str


@dataclass
class Invitation:
    """An account's invitation to a resource share."""

    arn: str
    account: str
    created: datetime
    status: str = "PENDING"


@dataclass
class Share:
    """A resource share of AWS RAM."""

    arn: str
    name: str
    account: str
    allows_external: bool
    created: datetime
    updated: datetime
    tags: dict[str, str]
    status: str = "ACTIVE"
    vaults: dict[str, Association] = field(default_factory=dict)
    accounts: dict[str, Association] = field(default_factory=dict)
    invitations: list[Invitation] = field(default_factory=list)

    def gives(self, vault_arn: str, account: str) -> bool:
        """Whether the account has accepted a share with this vault."""
        associations = self.vaults.get(vault_arn), self.accounts.get(account)
        return self.status == "ACTIVE" and all(
            each is not None and each.status == "ASSOCIATED" for each in associations
        )


@dataclass
class Region:
    """The state of one account in one region."""

    opted_in: dict[str, bool]
    managed: dict[str, bool]
    vaults: dict[str, Vault] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    backup_jobs: dict[str, BackupJob] = field(default_factory=dict)
    copy_jobs: dict[str, CopyJob] = field(default_factory=dict)
    restore_jobs: dict[str, RestoreJob] = field(default_factory=dict)
    testing_plans: dict[str, TestingPlan] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """(operation, idempotency token) -> (digest of the request, job id)."""
    running: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By resource ARN: the kind and the id of the running backup or copy job."""
    waiting: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    legal_holds: dict[str, LegalHold] = field(default_factory=dict)
    shares: dict[str, Share] = field(default_factory=dict)
    parked: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    """(action, arguments) of due events that a fault holds."""

    def hold_on(self, point_arn: str, now: datetime) -> LegalHold | None:
        """An active legal hold on a recovery point."""
        on_it = (hold for hold in self.legal_holds.values() if point_arn in hold.points)
        return next((hold for hold in on_it if hold.status(now) == "ACTIVE"), None)

    def points(self) -> Iterator[RecoveryPoint]:
        for vault in self.vaults.values():
            yield from vault.points.values()

    def point(self, arn: str) -> RecoveryPoint | None:
        return next((v.points[arn] for v in self.vaults.values() if arn in v.points), None)

    def managed_by_backup(self, resource_type: str) -> bool:
        """Whether points of this type are full AWS Backup recovery points."""
        if resource_type != "DynamoDB":
            return True
        return self.opted_in.get(resource_type, False) and self.managed.get(resource_type, False)


OPT_IN_DEFAULTS = {
    "Aurora": True,
    "CloudFormation": True,
    "DSQL": False,
    "DocumentDB": True,
    "DynamoDB": True,
    "EBS": True,
    "EC2": True,
    "EFS": True,
    "EKS": False,
    "FSx": True,
    "Neptune": True,
    "RDS": True,
    "Redshift": True,
    "Redshift Serverless": False,
    "S3": True,
    "SAP HANA on Amazon EC2": True,
    "Storage Gateway": True,
    "Timestream": True,
    "VirtualMachine": True,
}
MANAGED_DEFAULTS = {"CloudFormation": False, "DSQL": True, "DynamoDB": False, "EFS": True}


@dataclass
class State:
    """The complete service: what `export_state` writes and `import_state` reads."""

    regions: dict[Scope, Region] = field(default_factory=dict)
    agenda: Agenda = field(default_factory=Agenda)
    metrics: dict[tuple[Scope, datetime], dict[tuple[str, tuple[tuple[str, str], ...]], int]] = (
        field(default_factory=dict)
    )
    """Counts of the five-minute periods that are not reported yet."""
    tree_uses: dict[str, int] = field(default_factory=dict)
    """How many recovery points use each tree of the store."""

    def shared_vaults(self, scope: Scope) -> Iterator[Vault]:
        """The vaults of other accounts in this region that the account has accepted."""
        for other, region in self.regions.items():
            if other.region != scope.region or other == scope:
                continue
            for vault in region.vaults.values():
                if any(share.gives(vault.arn, scope.account) for share in region.shares.values()):
                    yield vault

    def region(self, scope: Scope) -> Region:
        found = self.regions.get(scope)
        if found is None:
            found = Region(opted_in=dict(OPT_IN_DEFAULTS), managed=dict(MANAGED_DEFAULTS))
            self.regions[scope] = found
        return found
