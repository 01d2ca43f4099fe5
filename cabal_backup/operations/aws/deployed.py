"""Which environment is deployed in this account: what the tags of its resources record.

All environments use the same names. The tags `environment` and `account`, which a deployment
sets on both vaults and on the role, tell them apart. A command that changes anything compares
them with the environment it was given, before it plans and again before it executes.

https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListTags.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from cabal_backup import names
from cabal_backup.errors import RefusedError, UnknownError
from cabal_backup.operations.aws.arns import Vault
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.recovery_points import list_tags, list_vaults
from cabal_backup.operations.aws.results import Answer, Unknown, ask, ask_together, unless_missing

HOW_TO_RECORD = "`make deploy` sets it; for an adopted deployment see docs/adopt.md#6-tags"


Tags = Mapping[str, str]


def check_environment(aws: Aws, *, recorded: bool = False) -> tuple[str, ...]:
    """Compare what is deployed with the environment; what could not be compared is returned.

    The role, which belongs to no region, is asked only where no vault records the environment.

    :param recorded: whether everything that is asked has to record the environment, as for
        commands that delete recovery points, vaults or locks.

    Raises RefusedError when a vault or the role records another environment or account, or
    with `recorded` none; UnknownError when with `recorded` the tags of a vault cannot be read,
    except in a region that is assumed lost, or those of nothing.
    """
    name = aws.environment.name
    found = _Compared()
    vaults = ask_together({vault: partial(_tags_of, aws, vault) for vault in aws.vaults[:2]})
    for (vault, region), answer in vaults.items():
        found.add(aws, f"vault {vault} in {region}", region, answer)
    if not found.matched:
        found.add(aws, f"role {names.ROLE}", "", ask(lambda: role_tags(aws)))
    if recorded and found.unrecorded:
        problem = found.unrecorded[0]
        raise RefusedError(f"{problem[0].upper()}{problem[1:]} Nothing was changed.")
    if recorded and found.unknown and (not found.matched or found.unknown.keys() - aws.lost):
        reason = next(iter(found.unknown.values()))
        raise UnknownError(f"Whether this is {name} is not known: {reason} Nothing was changed.")
    if not found.matched and not found.unrecorded and not found.unknown:
        return ("there is neither a vault nor a role that records the environment",)
    return (*found.unrecorded, *found.unknown.values())


@dataclass
class _Compared:
    """What the tags of some resources say, where none of them says another environment."""

    matched: bool = False
    """Whether at least one records the environment."""
    unrecorded: list[str] = field(default_factory=list)
    """For each that exists and records none, a sentence that says so."""
    unknown: dict[str, str] = field(default_factory=dict)
    """Why the tags could not be read, by the region; that of the role is empty."""

    def add(self, aws: Aws, what: str, region: str, answer: Answer[Tags | None]) -> None:
        """Compare one that may exist. Raises RefusedError for another environment or account."""
        if isinstance(answer, Unknown):
            self.unknown[region] = f"the tags of the {what} could not be read: {answer.reason}"
        elif answer.value is not None:
            problem = _compare(aws, what, answer.value)
            if problem is None:
                self.matched = True
            else:
                self.unrecorded.append(problem)


def vault_tags(aws: Aws, vault: str, region: str) -> Tags:
    """The tags of a vault that exists. Raises botocore's errors."""
    return list_tags(aws.client("backup", region), aws.vault_arn(Vault(vault, region)))


def role_tags(aws: Aws) -> Tags | None:
    """The tags of the role; None when there is none. Raises botocore's errors."""
    found = unless_missing(lambda: aws.client("iam").get_role(RoleName=names.ROLE), "NoSuchEntity")
    if found is None:
        return None
    return {tag["Key"]: tag["Value"] for tag in found["Role"].get("Tags", [])}


def is_managed(tags: Tags) -> bool:
    """Whether our stacks manage what has these tags, or retained it when they were deleted."""
    return tags.get(names.MANAGED_BY_TAG) == names.MANAGED_BY


def _tags_of(aws: Aws, vault: Vault) -> Tags | None:
    """Of a vault that may not exist: it may then answer AccessDenied, so the list is asked."""
    vaults = list_vaults(aws.client("backup", vault.region))
    if all(one["BackupVaultName"] != vault.name for one in vaults):
        return None
    return vault_tags(aws, *vault)


def _compare(aws: Aws, what: str, tags: Tags) -> str | None:
    """Why the environment could not be compared; None when it is the right one."""
    name = aws.environment.name
    environment, account = tags.get(names.ENVIRONMENT_TAG), tags.get(names.ACCOUNT_TAG)
    if environment not in (None, name):
        raise RefusedError(
            f"The {what} belongs to the environment {environment}, not to {name} (tag "
            f"{names.ENVIRONMENT_TAG}). Nothing was changed. Use -e {environment}, or correct the "
            f"account and the regions of {name}."
        )
    if account not in (None, aws.account):
        raise RefusedError(
            f"The {what} records account {account}, but these credentials belong to account "
            f"{aws.account} (tag {names.ACCOUNT_TAG}). Nothing was changed. Deploy {name} to "
            "correct the tag if this is the right account."
        )
    if environment is None:
        return (
            f"the {what} has no tag {names.ENVIRONMENT_TAG}, so it is not known whether it "
            f"belongs to {name}: {HOW_TO_RECORD}."
        )
    return None
