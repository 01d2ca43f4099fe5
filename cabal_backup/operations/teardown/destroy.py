"""Destroying the stacks and what they leave behind on purpose."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup import names
from cabal_backup.errors import AwsError, RefusedError, UnknownError
from cabal_backup.operations.aws.client import Aws, in_words, worded
from cabal_backup.operations.aws.clock import Clock
from cabal_backup.operations.aws.jobs import Report, Wait, follow_until
from cabal_backup.operations.aws.responses import error_code
from cabal_backup.operations.aws.results import unless_missing
from cabal_backup.operations.teardown.inventory import (
    AccessPolicy,
    Inventory,
    Stack,
    find_access_policies,
    find_role_users,
    find_stack,
    take_inventory,
    until_expiry,
)
from cabal_backup.operations.teardown.locks import VaultLock, look_at_lock
from cabal_backup.text import plural

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient

LONGEST = timedelta(hours=2)
"""How long the deletion of a stack may take; an unanswered custom resource takes one hour."""

VAULT_TIMEOUT = timedelta(minutes=15)
"""How long an emptied vault may go on refusing its deletion (ERROR_9101)."""

_FIRST_WAIT = 2.0
_LONGEST_WAIT = 30.0
"""Seconds between two tries to delete a vault."""

_SETTLING = (2.0, 5.0, 10.0)
"""Seconds between two looks for what is left: IAM shows a deleted role for a moment."""

STAYS = (
    "advanced DynamoDB backup stays on in both regions: it is a setting of the whole account",
    "the CDK bootstrap (CDKToolkit) stays: other applications may use it",
    "Cabal itself stays: no table, no file system and no mail is touched",
)


@dataclass(frozen=True)
class DestroyPlan:
    """Exactly what will be destroyed, in this order."""

    seen: Inventory

    def lines(self) -> tuple[str, ...]:
        """The plan in sentences."""
        seen = self.seen
        if seen.is_empty:
            return (
                f"Nothing of the backup of {seen.environment} can be destroyed now."
                if seen.held
                else f"There is nothing of the backup of {seen.environment} to destroy.",
                *(f"  {line}" for line in seen.stays()),
            )
        return (
            f"Destroy the backup of {seen.environment} in account {seen.account}:",
            *(
                f"  the stack {stack.name} in {stack.region} ({stack.status})"
                + (", after lifting its termination protection" if stack.protected else "")
                for stack in seen.stacks
            ),
            *(
                f"  the empty vault {vault.vault} in {vault.region}"
                for vault in (*seen.vaults, *seen.empty_air_gapped)
            ),
            *((f"  the role {names.ROLE}",) if seen.role_goes else ()),
            *(f"  the policy {policy.name}, attached to no one" for policy in seen.unused_policies),
            *(
                f"  the policy {policy.name} stays: {policy.holders} users, groups or roles have it"
                for policy in seen.policies
                if policy.holders
            ),
            *(f"  {line}" for line in (*seen.stays(), *STAYS)),
        )


def plan_destruction(seen: Inventory) -> DestroyPlan:
    """Raises RefusedError while there is a recovery point or a lock."""
    blockers = seen.blockers()
    if blockers:
        raise RefusedError(
            "Not yet. Nothing was destroyed.\n" + "\n".join(f"  {b}" for b in blockers)
        )
    return DestroyPlan(seen)


def destroy(aws: Aws, plan: DestroyPlan, clock: Clock, report: Report) -> None:
    """Stacks, vaults, the role and the access policies; what does not exist any more is skipped.

    The role is deleted after the vaults: as long as a vault may hold a point, AWS Backup needs it.
    Raises AwsError when AWS refuses permanently, UnknownError when it takes too long; run again,
    it continues where it stopped.
    """
    for stack in plan.seen.stacks:
        _delete_stack(aws, stack, clock, report)
    for vault in (*plan.seen.vaults, *plan.seen.empty_air_gapped):
        _delete_vault(aws, vault, clock, report)
    for vault in plan.seen.empty_air_gapped:
        _await_removal(aws, vault, clock, report)
    if plan.seen.role_goes:
        _delete_role(aws, report)
    _delete_access_policies(aws, report)


def prove(aws: Aws, clock: Clock) -> tuple[str, ...]:
    """What was verified to be deleted, line by line.

    Raises AwsError for anything that is left, CabalBackupError when it cannot be seen.
    """
    for wait in (0.0, *_SETTLING):
        clock.sleep(wait)
        seen = take_inventory(aws, clock.now())
        left = _what_is_left(aws, seen)
        if not left:
            break
    else:
        raise AwsError(
            f"Still there: {', '.join(left)}. Run it again; if that does not help, remove it by "
            "hand as docs/runbooks/teardown.md shows."
        )
    environment = aws.environment
    return (
        f"no stack {names.STACK} in {environment.region}, no stack {names.DR_STACK} and no stack "
        f"{names.ACCESS_STACK} in {environment.dr_region}",
        *(
            f"no vault {vault} in {region}, so no recovery point in it"
            for vault, region in aws.vaults[:2]
            if vault not in {kept.vault for kept in seen.unmanaged_vaults}
        ),
        *([] if seen.other_plans else [f"no plan {names.PLAN}, so no more nights"]),
        *([] if seen.role_stays else [f"no role {names.ROLE}"]),
        *(
            f"no Lambda function, log group or role made for {stack} in {region}"
            for stack, region in _places(aws)
        ),
    )


def _what_is_left(aws: Aws, seen: Inventory) -> list[str]:
    left = [f"the stack {stack.name} ({stack.status})" for stack in seen.stacks]
    left += [f"the vault {vault.vault}" for vault in (*seen.vaults, *seen.empty_air_gapped)]
    left += [f"the plan {names.PLAN}"] if seen.plan_id else []
    left += [f"the role {names.ROLE}"] if seen.role_goes else []
    left += [f"the policy {policy.name}" for policy in seen.unused_policies]
    for stack, region in _places(aws):
        left += _named_after(aws, stack, region)
    return left


def _places(aws: Aws) -> tuple[tuple[str, str], ...]:
    environment = aws.environment
    return ((names.STACK, environment.region), (names.DR_STACK, environment.dr_region))


def _named_after(aws: Aws, stack: str, region: str) -> list[str]:
    """What still has a name that CloudFormation derived from the stack's."""
    functions = aws.client("lambda", region).get_paginator("list_functions").paginate()
    log_groups = aws.client("logs", region).get_paginator("describe_log_groups")
    logs = log_groups.paginate(logGroupNamePrefix=stack)
    roles = aws.client("iam", region).get_paginator("list_roles").paginate()
    # A capital letter follows: `cabal-backup-dr` and Cabal's own names do not match.
    made_up = re.compile(rf"{re.escape(stack)}-[A-Z]")
    with worded(f"looking for what is left in {region}"):
        found = [
            ("function", one["FunctionName"]) for page in functions for one in page["Functions"]
        ]
        found += [("log group", one["logGroupName"]) for page in logs for one in page["logGroups"]]
        found += [("role", one["RoleName"]) for page in roles for one in page["Roles"]]
        return [f"the {what} {name}" for what, name in found if made_up.match(name)]


def _delete_stack(aws: Aws, stack: Stack, clock: Clock, report: Report) -> None:
    cloudformation = aws.client("cloudformation", stack.region)
    with worded(f"deleting the stack {stack.name}"):
        if stack.status != "DELETE_IN_PROGRESS":
            if stack.protected:
                cloudformation.update_termination_protection(
                    StackName=stack.id, EnableTerminationProtection=False
                )
            cloudformation.delete_stack(StackName=stack.id)
            if stack.status == "DELETE_FAILED":
                # Otherwise the first look may still see the failure before.
                clock.sleep(_LONGEST_WAIT)
    report(f"The stack {stack.name} in {stack.region} is being deleted.")

    wait = Wait(
        # By its id: by its name CloudFormation does not know a deleted stack.
        question=lambda: unless_missing(
            lambda: cloudformation.describe_stacks(StackName=stack.id)["Stacks"][0],
            "ValidationError",
        ),
        finished=lambda seen: (
            seen is None or seen["StackStatus"] in ("DELETE_COMPLETE", "DELETE_FAILED")
        ),
        event=lambda _: None,
        what=f"deletion of the stack {stack.name}",
        pick_up=f"`cabal-backup teardown destroy {aws.environment.options}`",
        longest=LONGEST,
    )
    last = follow_until(wait, clock, report)
    if last is not None and last["StackStatus"] == "DELETE_FAILED":
        raise AwsError(
            f"CloudFormation could not delete the stack {stack.name}: "
            f"{_why(cloudformation, stack)} Fix that and run it again."
        )
    if find_stack(aws, stack.name, stack.region) is not None:
        raise AwsError(f"The stack {stack.name} is there again: it was deployed meanwhile.")
    report(f"The stack {stack.name} in {stack.region} was deleted.")


def _why(cloudformation: CloudFormationClient, stack: Stack) -> str:
    try:
        events = cloudformation.describe_stack_events(StackName=stack.id)["StackEvents"]
    except (BotoCoreError, ClientError):
        return f"see the events of the stack in {stack.region}."
    reasons = [
        f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
        for event in events
        if event.get("ResourceStatus") == "DELETE_FAILED" and event.get("ResourceStatusReason")
    ]
    return " ".join(reasons[:3]) or f"see the events of the stack in {stack.region}."


def _delete_vault(aws: Aws, seen: VaultLock, clock: Clock, report: Report) -> None:
    """AWS Backup may refuse (ERROR_9101) for a while after the last recovery point was deleted."""
    vault, region = seen.vault, seen.region
    backup = aws.client("backup", region)
    began, wait = clock.now(), _FIRST_WAIT
    while True:
        try:
            unless_missing(
                lambda: backup.delete_backup_vault(BackupVaultName=vault),
                "ResourceNotFoundException",
            )
        except (BotoCoreError, ClientError) as error:
            if error_code(error) != "InvalidRequestException":
                raise in_words(error, f"deleting the vault {vault} in {region}") from error
            _check_still_empty(aws, seen)
            if clock.now() - began > VAULT_TIMEOUT:
                raise UnknownError(
                    f"The vault {vault} in {region} is empty, and AWS Backup still says that it is "
                    "not. Run it again later."
                ) from error
            report(f"AWS Backup does not delete {vault} yet. Trying again.")
            clock.sleep(wait)
            wait = min(_LONGEST_WAIT, wait * 2)
        else:
            report(f"The vault {vault} in {region} was deleted.")
            return


def _await_removal(aws: Aws, vault: VaultLock, clock: Clock, report: Report) -> None:
    """An air-gapped vault is removed some minutes after its deletion was accepted."""
    began = clock.now()
    while look_at_lock(aws, vault.vault, vault.region) is not None:
        if clock.now() - began > VAULT_TIMEOUT:
            raise UnknownError(
                f"AWS Backup accepted the deletion of {vault.vault} in {vault.region}, and the "
                "vault still exists. Run it again later."
            )
        report(f"Waiting until {vault.vault} in {vault.region} is removed.")
        clock.sleep(_LONGEST_WAIT)


def _check_still_empty(aws: Aws, seen: VaultLock) -> None:
    vault = look_at_lock(aws, seen.vault, seen.region)
    if vault is None or not vault.points:
        return
    environment = aws.environment
    advice = (
        until_expiry(vault, environment)
        if vault.vault == names.AIR_GAPPED_VAULT
        else f"run cabal-backup teardown delete-recovery-points {environment.options}, then this "
        "again"
    )
    raise AwsError(
        f"{vault.vault} has {plural(len(vault.points), 'recovery point')} again, which a job made "
        f"meanwhile. The vault and the role {names.ROLE} are kept: {advice}."
    )


def _delete_role(aws: Aws, report: Report) -> None:
    iam, role = aws.client("iam"), names.ROLE
    # A copy may have arrived in another vault since the plan was made.
    users = find_role_users(aws, ())
    if users:
        report(f"The role {role} stays: AWS Backup needs it for {', '.join(users)}.")
        return
    with worded(f"deleting the role {role}"):
        attached = iam.get_paginator("list_attached_role_policies").paginate(RoleName=role)
        found = unless_missing(attached.build_full_result, "NoSuchEntity")
        if found is None:
            return
        for policy in found["AttachedPolicies"]:
            _unless_missing(iam.detach_role_policy, RoleName=role, PolicyArn=policy["PolicyArn"])
        inline = iam.get_paginator("list_role_policies").paginate(RoleName=role)
        for name in inline.build_full_result()["PolicyNames"]:
            _unless_missing(iam.delete_role_policy, RoleName=role, PolicyName=name)
        _unless_missing(iam.delete_role, RoleName=role)
    report(f"The role {role} was deleted.")


def _delete_access_policies(aws: Aws, report: Report) -> None:
    """Delete those that are attached to no one; the account decides about the others."""
    for policy in find_access_policies(aws):
        if policy.holders:
            report(
                f"The policy {policy.name} stays: {policy.holders} users, groups or roles have "
                "it. Detach it and delete it before the environment is deployed again."
            )
            continue
        _delete_policy(aws, policy)
        report(f"The policy {policy.name} was deleted.")


def _delete_policy(aws: Aws, policy: AccessPolicy) -> None:
    """Its older versions first, of which each deployment that changed it left one."""
    iam, arn = aws.client("iam"), policy.arn
    with worded(f"deleting the policy {policy.name}"):
        versions = iam.get_paginator("list_policy_versions").paginate(PolicyArn=arn)
        for version in versions.build_full_result()["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
        _unless_missing(iam.delete_policy, PolicyArn=arn)


def _unless_missing(call: Callable[..., object], **parameters: str) -> None:
    unless_missing(lambda: call(**parameters), "NoSuchEntity")
