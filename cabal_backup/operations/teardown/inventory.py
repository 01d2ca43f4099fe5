"""What exists of one environment, and what prevents its teardown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup import names
from cabal_backup.config.environment import Environment
from cabal_backup.errors import CabalBackupError
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.deployed import is_managed, role_tags, vault_tags
from cabal_backup.operations.aws.legal_holds import LegalHold, list_legal_holds
from cabal_backup.operations.aws.recovery_points import (
    RecoveryPoint,
    list_recovery_points,
    list_vaults,
    protected_as,
)
from cabal_backup.operations.aws.responses import error_code
from cabal_backup.operations.aws.results import entries, unless_missing
from cabal_backup.operations.teardown.locks import VaultLock, look_at_lock, look_at_locks
from cabal_backup.text import day, plural


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One CloudFormation stack."""

    name: str
    region: str
    id: str
    status: str
    protected: bool
    """Whether termination protection is on."""
    plan_id: str = ""
    """The backup plan that its outputs name; empty in a stack without one."""


@dataclass(frozen=True, kw_only=True)
class AccessPolicy:
    """A managed policy for people: of auditor, operator or break-glass. It outlives its stack."""

    name: str
    arn: str
    holders: int
    """How many users, groups and roles have it; IAM deletes none that is attached."""


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Everything a teardown is about, as it is now."""

    environment: Environment
    account: str
    now: datetime
    stacks: tuple[Stack, ...]
    """Those that exist, in the order they are deleted in."""
    vaults: tuple[VaultLock, ...]
    """Those that exist and that our stacks manage, or managed until they were deleted."""
    plan_id: str | None
    """The nightly plan of the stack; None when there is none."""
    roles: Mapping[str, bool]
    """Whether it exists, for the role of the environment and each other that made a point and
    may be looked at."""
    resources: frozenset[str]
    """The ARNs of the table and the file system that the environment protects."""
    unmanaged_vaults: tuple[VaultLock, ...] = ()
    """Those that exist, but were made by something else and not adopted."""
    role_managed: bool = True
    """Whether our stacks manage the role, or managed it until they were deleted."""
    role_users: tuple[str, ...] = ()
    """What else needs the role: recovery points in other vaults, one line for each vault."""
    air_gapped: tuple[VaultLock, ...] = ()
    """The air-gapped vaults, also of an earlier configuration, that our stacks manage."""
    other_plans: tuple[str, ...] = ()
    """The ids of plans that have the nightly plan's name and are not the stack's."""
    policies: tuple[AccessPolicy, ...] = ()
    """The access policies that exist."""
    legal_holds: tuple[LegalHold, ...] = ()
    """Those that hold recovery points of these vaults, with these points only."""

    @property
    def points(self) -> int:
        """How many recovery points the vaults hold."""
        return sum(len(vault.points) for vault in self.vaults)

    @property
    def held(self) -> tuple[VaultLock, ...]:
        """The air-gapped vaults with recovery points, which no one can delete before they expire.

        https://docs.aws.amazon.com/aws-backup/latest/devguide/logicallyairgappedvault.html
        """
        return tuple(vault for vault in self.air_gapped if vault.points)

    @property
    def empty_air_gapped(self) -> tuple[VaultLock, ...]:
        """The air-gapped vaults that can be deleted now."""
        return tuple(vault for vault in self.air_gapped if not vault.points)

    @property
    def locked(self) -> tuple[VaultLock, ...]:
        """The vaults with a lock that can be removed."""
        return tuple(vault for vault in self.vaults if vault.locked)

    @property
    def which_locked(self) -> str:
        """The vaults with a lock, in words."""
        return " and ".join(f"{one.vault} in {one.region}" for one in self.locked)

    def missing_roles(self, *, include_others: bool = False) -> Mapping[str, int]:
        """How many recovery points each role made that was deleted, by its ARN.

        :param include_others: also those of other resources.
        """
        return Counter(
            point.role_arn
            for vault in self.vaults
            for point in vault.points
            if not self.roles.get(point.role_arn, True)
            and (include_others or not self.is_other(point))
        )

    @property
    def role_exists(self) -> bool:
        """Whether AWS Backup's role exists."""
        return any(exists for arn, exists in self.roles.items() if is_ours(arn))

    @property
    def role_goes(self) -> bool:
        """Whether the role exists and can be deleted."""
        return self.role_exists and not self.role_stays

    @property
    def role_stays(self) -> str | None:
        """Why the role is kept; None when it can be deleted, and where there is none."""
        if not self.role_exists:
            return None
        if not self.role_managed:
            return f"the role {names.ROLE} stays: {NOT_MANAGED}"
        if self.role_users:
            return (
                f"the role {names.ROLE} stays: without it AWS Backup could not delete "
                f"{', '.join(self.role_users)}, which would become EXPIRED and stay"
            )
        return None

    def stays(self) -> tuple[str, ...]:
        """What has our names and is not touched, and why, line by line."""
        return (
            *(
                f"the vault {vault.vault} in {vault.region} stays, with "
                f"{plural(len(vault.points), 'recovery point')}: {NOT_MANAGED}"
                for vault in self.unmanaged_vaults
            ),
            *(
                f"the vault {vault.vault} in {vault.region} stays: "
                f"{until_expiry(vault, self.environment)}"
                for vault in self.held
            ),
            *([self.role_stays] if self.role_stays else []),
            *(
                f"the plan {names.PLAN} with the id {plan} stays: it is not the stack's"
                for plan in self.other_plans
            ),
        )

    def is_other(self, point: RecoveryPoint) -> bool:
        """Whether it is a recovery point of neither the environment's resources nor its plan.

        A former table or file system of the environment was backed up by the plan; what brings
        a cold recovery point back was not.
        """
        ours = point.plan_name == names.PLAN or point.plan_id in {self.plan_id} - {None}
        brings_back = point.original is not None and self.is_protected(point.resource_arn)
        return not (ours or brings_back or point.resource_arn in self.resources)

    def is_protected(self, arn: str) -> bool:
        """Whether it is the environment's table, mailstore or a former mailstore."""
        return any(protected_as(arn, resource) == resource for resource in self.resources)

    def other_points(self) -> Mapping[str, int]:
        """How many recovery points there are of each other resource, by its ARN."""
        points = (point for vault in self.vaults for point in vault.points)
        return Counter(point.resource_arn for point in points if self.is_other(point))

    @property
    def nights(self) -> int:
        """How many nights can be restored now and cannot after the points are deleted."""
        return count_nights(self.vaults)

    @property
    def all_expired_at(self) -> datetime | None:
        """When the last point expires by itself; None when one never does, or there is none."""
        ends = [point.delete_at for vault in self.vaults for point in vault.points]
        known = [end for end in ends if end is not None]
        return max(known) if known and len(known) == len(ends) else None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to destroy."""
        return not (
            self.stacks
            or self.vaults
            or self.empty_air_gapped
            or self.plan_id
            or self.role_goes
            or self.unused_policies
        )

    @property
    def unused_policies(self) -> tuple[AccessPolicy, ...]:
        """Access policies that are attached to no one, so that they can be deleted."""
        return tuple(policy for policy in self.policies if not policy.holders)

    def blockers(self) -> tuple[str, ...]:
        """What has to happen before `destroy` goes through, in order."""
        steps = []
        if self.locked:
            steps.append(
                f"{self.which_locked}: locked. First: cabal-backup unlock "
                f"{self.environment.options} --reason …"
            )
        if any(map(is_ours, self.missing_roles())):
            steps.append(role_is_missing(self))
        if self.legal_holds:
            steps.append(legal_hold_stands(self))
        if self.points:
            others = sum(self.other_points().values())
            steps.append(
                f"{plural(self.points, 'recovery point')}. Then: cabal-backup teardown "
                f"delete-recovery-points {self.environment.options}"
                + (f" ({others:,} of other resources: {INCLUDE_OTHERS})" if others else "")
            )
        return tuple(steps)

    def other_lines(self) -> tuple[str, ...]:
        """The recovery points of other resources, one line for each resource."""
        points = (point for vault in self.vaults for point in vault.points)
        unread = {point.resource_arn for point in points if point.tags_denied}
        return tuple(
            f"  {plural(count, 'recovery point')} of another resource, {arn}"
            + (TAGS_DENIED if arn in unread else "")
            for arn, count in sorted(self.other_points().items())
        )


NOT_MANAGED = (
    f"these stacks do not manage it (it has no tag {names.MANAGED_BY_TAG}={names.MANAGED_BY}). If "
    "it is to be deleted too, delete it with what made it, or adopt it first (docs/adopt.md)"
)

TAGS_DENIED = (
    "; `copy-back --cold` may have made them, but these credentials may not read their tags "
    "(backup:ListTags)"
)

INCLUDE_OTHERS = "--include-other-resources deletes them too"


def is_ours(role_arn: str) -> bool:
    """Whether it is the role of the environment, which a deployment creates."""
    return role_arn.endswith(f":role/{names.ROLE}")


def role_is_missing(seen: Inventory) -> str:
    """Why nothing can be deleted without the environment's role, and the remedy."""
    return (
        f"The role {names.ROLE}, which made recovery points, was deleted. AWS Backup would answer "
        "that they are deleted and only mark them EXPIRED. Create it first: make deploy "
        f"ENVIRONMENT={seen.environment}"
    )


def create_again(role_arn: str) -> str:
    """The commands that create a role again with which AWS Backup deletes recovery points."""
    if is_ours(role_arn):
        return "a deployment does"
    path, _, name = role_arn.partition(":role/")[2].rpartition("/")
    trust = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":'
        '"backup.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
    )
    return (
        f"aws iam create-role --role-name={name} --path=/{path and path + '/'} "
        f"--assume-role-policy-document='{trust}'; aws iam attach-role-policy --role-name={name} "
        f"--policy-arn=arn:{role_arn.split(':')[1]}:iam::aws:policy/service-role/"
        "AWSBackupServiceRolePolicyForBackup"
    )


def legal_hold_stands(seen: Inventory) -> str:
    """Which legal holds keep recovery points, and the remedy."""
    holds = "; ".join(
        f'"{hold.title}" in {hold.region} holds {len(hold.points):,}, reason: {hold.description} '
        f"(cabal-backup hold release {hold.id} --reason … {seen.environment.options})"
        for hold in seen.legal_holds
    )
    return (
        "Recovery points are under a legal hold, and AWS Backup does not delete them before it is "
        f"cancelled: {holds}. Ask those who placed it."
    )


def take_inventory(aws: Aws, now: datetime) -> Inventory:
    """Look at everything a teardown is about.

    Raises CabalBackupError when anything cannot be seen: nothing is taken down unseen.
    """
    environment = aws.environment
    primary = find_stack(aws, names.STACK, environment.region)
    stacks = (
        find_stack(aws, names.ACCESS_STACK, environment.dr_region),
        primary,
        find_stack(aws, names.DR_STACK, environment.dr_region),
    )
    found = look_at_locks(aws)
    vaults = tuple(vault for vault in found if _is_vault_managed(aws, vault))
    third = [look_at_lock(aws, names.AIR_GAPPED_VAULT, region) for region in environment.regions]
    air_gapped = tuple(vault for vault in third if vault and _is_vault_managed(aws, vault))
    plans = _plan_ids(aws)
    plan_id = primary.plan_id if primary is not None and primary.plan_id in plans else None
    arns = {aws.role_arn} | {point.role_arn for vault in vaults for point in vault.points} - {""}
    return Inventory(
        environment=environment,
        account=aws.account,
        now=now,
        stacks=tuple(stack for stack in stacks if stack is not None),
        vaults=vaults,
        plan_id=plan_id,
        roles={
            arn: exists for arn in sorted(arns) if (exists := _role_exists(aws, arn)) is not None
        },
        resources=frozenset({aws.table_arn, aws.mailstore_arn}),
        policies=find_access_policies(aws),
        unmanaged_vaults=tuple(vault for vault in found if vault not in vaults),
        role_managed=_is_role_managed(aws),
        role_users=find_role_users(aws, [vault.vault for vault in vaults]),
        air_gapped=air_gapped,
        other_plans=tuple(plan for plan in plans if plan != plan_id),
        legal_holds=tuple(hold for vault in vaults for hold in _legal_holds(aws, vault)),
    )


def find_role_users(aws: Aws, emptied: Collection[str]) -> tuple[str, ...]:
    """Vaults of both regions with recovery points that were made with the role.

    AWS Backup deletes an expired point with the role that made it; without the role the point
    becomes EXPIRED and stays.
    https://docs.aws.amazon.com/aws-backup/latest/devguide/deleting-backups.html

    :param emptied: vaults that are left out, because they are deleted before the role.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    users = []
    for region in aws.environment.regions:
        backup = aws.client("backup", region)
        with worded(f"looking for what needs the role in {region}"):
            listed = [*list_vaults(backup), *list_vaults(backup, air_gapped=True)]
            for name in sorted({vault["BackupVaultName"] for vault in listed}):
                points = [] if name in emptied else list_recovery_points(backup, name)
                count = sum(point.role_arn == aws.role_arn for point in points)
                if count:
                    of_it = plural(count, "recovery point")
                    users.append(f"{of_it} in the vault {name} in {region}")
    return tuple(users)


def find_access_policies(aws: Aws) -> tuple[AccessPolicy, ...]:
    """Those that exist.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    iam, found = aws.client("iam"), []
    for name in names.ACCESS_POLICIES:
        arn = aws.arn("iam", f"policy/{name}", region="")
        with worded(f"looking at the policy {name}"):
            policy = unless_missing(partial(iam.get_policy, PolicyArn=arn), "NoSuchEntity")
        if policy is not None:
            seen = policy["Policy"]
            holders = seen["AttachmentCount"] + seen.get("PermissionsBoundaryUsageCount", 0)
            found.append(AccessPolicy(name=name, arn=arn, holders=holders))
    return tuple(found)


def may_be_deployed(aws: Aws) -> bool:
    """Whether a stack or a vault of the environment exists, or that cannot be found out."""
    for stack, (vault, region) in zip((names.STACK, names.DR_STACK), aws.vaults, strict=False):
        try:
            vaults = list_vaults(aws.client("backup", region))
            if any(each["BackupVaultName"] == vault for each in vaults):
                return True
            if find_stack(aws, stack, region):
                return True
        except (BotoCoreError, ClientError, CabalBackupError):
            return True
    return False


def find_stack(aws: Aws, name: str, region: str) -> Stack | None:
    """A stack by its name or id; None when there is none, or it has been deleted."""
    cloudformation = aws.client("cloudformation", region)
    with worded(f"looking at the stack {name} in {region}"):
        try:
            (seen, *_) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if error_code(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise
    if seen["StackStatus"] == "DELETE_COMPLETE":
        return None
    outputs = {each["OutputKey"]: each["OutputValue"] for each in seen.get("Outputs", [])}
    return Stack(
        name=seen["StackName"],
        region=region,
        id=seen["StackId"],
        status=seen["StackStatus"],
        protected=bool(seen.get("EnableTerminationProtection")),
        plan_id=outputs.get("PlanId", ""),
    )


def _legal_holds(aws: Aws, vault: VaultLock) -> Iterator[LegalHold]:
    ours = {point.arn for point in vault.points}
    with worded(f"looking for legal holds in {vault.region}"):
        for hold in list_legal_holds(aws.client("backup", vault.region)):
            if hold.stands and (held := hold.points & ours):
                yield replace(hold, points=held)


def _plan_ids(aws: Aws) -> tuple[str, ...]:
    """Those of the plan's name, which need not be unique."""
    with worded("looking for the backup plan"):
        plans = entries(aws.client("backup").list_backup_plans, "BackupPlansList")
    return tuple(plan["BackupPlanId"] for plan in plans if plan["BackupPlanName"] == names.PLAN)


def _is_vault_managed(aws: Aws, vault: VaultLock) -> bool:
    with worded(f"reading the tags of {vault.vault} in {vault.region}"):
        return is_managed(vault_tags(aws, vault.vault, vault.region))


def _is_role_managed(aws: Aws) -> bool:
    with worded(f"reading the tags of the role {names.ROLE}"):
        tags = role_tags(aws)
    return tags is None or is_managed(tags)


def _role_exists(aws: Aws, arn: str) -> bool | None:
    """None for another role than the environment's, which may not be looked at."""
    iam, name = aws.client("iam"), arn.rpartition("/")[2]
    with worded(f"looking at the role {name}"):
        try:
            return unless_missing(lambda: iam.get_role(RoleName=name), "NoSuchEntity") is not None
        except ClientError as error:
            if is_ours(arn) or "AccessDenied" not in error_code(error):
                raise
            return None


def count_nights(vaults: Collection[VaultLock]) -> int:
    """How many nights the completed recovery points in some vaults are of, each counted once."""
    points = (point for vault in vaults for point in vault.points)
    return len({point.created.astimezone(UTC).date() for point in points if point.completed})


def until_expiry(vault: VaultLock, environment: Environment) -> str:
    """What to wait for where an air-gapped vault has recovery points, which all expire, and what
    to do then. A copy that is under way may have no date.
    """
    days = [point.delete_at for point in vault.points if point.delete_at is not None]
    last = day(max(days)) if days else "a day that AWS Backup does not give yet"
    return (
        f"no one can delete its {plural(len(vault.points), 'recovery point')}; the last expires on "
        f"{last}. Then run this again: cabal-backup teardown destroy {environment.options}"
    )


def vault_line(vault: VaultLock, now: datetime) -> str:
    """A vault and its recovery points on one line."""
    if not vault.points:
        return f"{vault.vault} in {vault.region}: no recovery points"
    # The newest come first.
    newest, oldest = vault.points[0].created, vault.points[-1].created
    return (
        f"{vault.vault} in {vault.region}: {plural(len(vault.points), 'recovery point')}, from "
        f"{day(oldest)} to {day(newest)}, {vault.young(now):,} of them younger than "
        "30 days"
    )


def overview(seen: Inventory) -> Iterator[str]:
    """`teardown plan`, line by line."""
    if seen.is_empty:
        left = "Only what no one can delete yet" if seen.held else "Nothing"
        yield f"{left} is left of the backup of {seen.environment} in account {seen.account}."
        yield from (f"  {line}" for line in seen.stays())
        return
    yield f"The backup of {seen.environment} in account {seen.account}:"
    for stack in seen.stacks:
        guarded = "protected against termination" if stack.protected else "NOT protected"
        yield f"  stack {stack.name} in {stack.region}: {stack.status}, {guarded}"
    for vault in (*seen.vaults, *seen.empty_air_gapped):
        yield f"  vault {vault_line(vault, seen.now)}"
    if seen.plan_id:
        yield f"  plan {names.PLAN}: takes another recovery point every night until it is deleted"
    yield from seen.other_lines()
    if seen.role_goes:
        yield f"  role {names.ROLE}"
    yield from (f"  {line}" for line in seen.stays())
    if seen.points:
        yield from _cost(seen)
    blockers = seen.blockers()
    if blockers:
        yield "First, in this order:"
        yield from (f"  {number}. {text}" for number, text in enumerate(blockers, 1))
    yield (
        f"{'Last:' if blockers else 'Nothing prevents it. Next:'} cabal-backup teardown destroy "
        f"{seen.environment.options}"
    )


def _cost(seen: Inventory) -> Iterator[str]:
    yield (
        f"The teardown deletes the backups of {plural(seen.nights, 'night')}. They cannot be "
        "restored afterwards. The live tables and the mailstore are not touched."
    )
    end = seen.all_expired_at
    if end is None:
        yield "Some recovery points never expire by themselves."
    else:
        yield (
            f"Without deleting anything, the last one expires by itself on {day(end)}, if "
            "the plan takes no more and the role is kept until then."
        )
