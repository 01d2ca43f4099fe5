"""Which environment is deployed in this account: what the tags of its resources record.

All environments use the same names. The tags `environment` and `account`, which a deployment
sets on both vaults and on the role, tell them apart. A command that changes anything compares
them with the environment it was given, before it plans and again before it executes.

https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListTags.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cabal_backup import names
from cabal_backup.errors import RefusedError, UnknownError
from cabal_backup.operations.aws.arns import Vault
from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.recovery_points import list_tags, list_vaults
from cabal_backup.operations.aws.results import Unknown, ask_together, unless_missing

HOW_TO_RECORD = "`make deploy` sets it; for an adopted deployment see docs/adopt.md#6-tags"


@dataclass(frozen=True)
class _Tagged:
    """A vault or the role, which carries the tags."""

    what: str
    region: str
    """Empty for the role."""
    question: Callable[[], Mapping[str, str] | None]
    """Its tags; None when it does not exist."""


def check_environment(aws: Aws, *, recorded: bool = False) -> tuple[str, ...]:
    """Compare what is deployed with the environment; what could not be compared is returned.

    The role, which belongs to no region, is asked only where no vault records the environment.

    :param recorded: whether everything that is asked has to record the environment, as for
        commands that delete recovery points, vaults or locks.

    Raises RefusedError when a vault or the role records another environment or account, or
    with `recorded` none; UnknownError when with `recorded` the tags of a vault cannot be read,
    except in a region that is assumed lost, or those of nothing.
    """
    environment = aws.environment
    found = _compare_all(aws, [_tagged(aws, vault) for vault in aws.vaults[:2]])
    if not found.matched:
        role = _compare_all(aws, (_Tagged(f"role {names.ROLE}", "", lambda: role_tags(aws)),))
        found = _Compared(
            matched=role.matched,
            unrecorded=found.unrecorded + role.unrecorded,
            unknown={**found.unknown, **role.unknown},
        )
    if recorded and found.unrecorded:
        problem = found.unrecorded[0]
        raise RefusedError(f"{problem[0].upper()}{problem[1:]} Nothing was changed.")
    lost = {region for region in found.unknown if region in aws.lost}
    if recorded and found.unknown and (not found.matched or found.unknown.keys() - lost):
        reason = next(iter(found.unknown.values()))
        raise UnknownError(
            f"Whether this is {environment.name} is not known: {reason} Nothing was changed."
        )
    if not found.matched and not found.unrecorded and not found.unknown:
        return ("there is neither a vault nor a role that records the environment",)
    return (*found.unrecorded, *found.unknown.values())


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """What the tags of some resources say, where none of them says another environment."""

    matched: bool
    """Whether at least one records the environment."""
    unrecorded: tuple[str, ...]
    """For each that exists and records none, a sentence that says so."""
    unknown: Mapping[str, str]
    """Why the tags could not be read, by the region; that of the role is empty."""


def _compare_all(aws: Aws, tagged: Sequence[_Tagged]) -> _Compared:
    """Raises RefusedError for another environment or account."""
    answers = ask_together({each.what: each.question for each in tagged})
    matched, unrecorded, unknown = False, [], {}
    for each in tagged:
        answer = answers[each.what]
        if isinstance(answer, Unknown):
            unknown[each.region] = f"the tags of the {each.what} could not be read: {answer.reason}"
        elif answer.value is not None:
            problem = _compare(aws, each.what, answer.value)
            matched = matched or not problem
            unrecorded += [problem] if problem else []
    return _Compared(matched=matched, unrecorded=tuple(unrecorded), unknown=unknown)


def vault_tags(aws: Aws, vault: str, region: str) -> Mapping[str, str]:
    """The tags of a vault that exists. Raises botocore's errors."""
    return list_tags(aws.client("backup", region), aws.vault_arn(Vault(vault, region)))


def role_tags(aws: Aws) -> Mapping[str, str] | None:
    """The tags of the role; None when there is none. Raises botocore's errors."""
    found = unless_missing(lambda: aws.client("iam").get_role(RoleName=names.ROLE), "NoSuchEntity")
    if found is None:
        return None
    return {tag["Key"]: tag["Value"] for tag in found["Role"].get("Tags", [])}


def is_managed(tags: Mapping[str, str]) -> bool:
    """Whether our stacks manage what has these tags, or retained it when they were deleted."""
    return tags.get(names.MANAGED_BY_TAG) == names.MANAGED_BY


def _tagged(aws: Aws, vault: Vault) -> _Tagged:
    def question() -> Mapping[str, str] | None:
        # A vault that does not exist may answer AccessDenied, so it is looked for in the list.
        vaults = list_vaults(aws.client("backup", vault.region))
        if all(one["BackupVaultName"] != vault.name for one in vaults):
            return None
        return vault_tags(aws, *vault)

    return _Tagged(f"vault {vault.name} in {vault.region}", vault.region, question)


def _compare(aws: Aws, what: str, tags: Mapping[str, str]) -> str:
    """Why the environment could not be compared; empty when it is the right one."""
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
    return ""
