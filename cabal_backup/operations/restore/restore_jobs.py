"""Restore jobs of AWS Backup: with which role they run, and those of earlier runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cabal_backup import names
from cabal_backup.errors import AwsError, NotFoundError
from cabal_backup.operations.aws.client import Aws, worded
from cabal_backup.operations.aws.jobs import Job, JobKind, list_described
from cabal_backup.operations.aws.results import Unknown, ask, unless_missing

if TYPE_CHECKING:
    from types_boto3_backup.type_defs import RestoreJobsListMemberTypeDef

_LOOKING = "looking for restores that are under way"

FOR_RESTORES = "AWSBackupServiceRolePolicyForRestores"
_FOR_RESTORES_ARN = f"arn:aws:iam::aws:policy/service-role/{FOR_RESTORES}"
"""https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceRolePolicyForRestores.html"""
_FOR_BACKUP = "AWSBackupServiceRolePolicyForBackup"


@dataclass(frozen=True)
class RestoreRole:
    """The role that AWS Backup restores with."""

    arn: str
    unknown: str = ""
    """Why it is not known whether it may restore; empty when it may."""

    def __str__(self) -> str:
        return self.arn + (f" ({self.unknown})" if self.unknown else "")


def check_role(aws: Aws, role: str) -> RestoreRole:
    """The role, if it may restore or if that cannot be read.

    Raises AwsError when there is no such role or it may not restore.
    """

    def question() -> set[str] | None:
        iam = aws.client("iam")
        attached = iam.get_paginator("list_attached_role_policies").paginate(RoleName=role)
        found = unless_missing(attached.build_full_result, "NoSuchEntity")
        if found is None:
            return None
        inline = iam.get_paginator("list_role_policies").paginate(RoleName=role)
        return {
            *(policy["PolicyName"] for policy in found["AttachedPolicies"]),
            *inline.build_full_result()["PolicyNames"],
        }

    arn = aws.arn("iam", f"role/{role}", region="")
    answer = ask(question)
    if isinstance(answer, Unknown):
        unknown = f"whether it may restore could not be looked up: {answer.reason}"
        return RestoreRole(arn, unknown)
    if answer.value is None:
        raise NotFoundError(
            f"There is no role {role}, so AWS Backup cannot restore. Nothing was done. Deploy "
            f"{aws.environment.name} to have it back, or name another with --role."
        )
    if FOR_RESTORES in answer.value:
        return RestoreRole(arn)
    if answer.value <= {_FOR_BACKUP, names.COPY_TARGETS_POLICY}:
        raise AwsError(
            f"The role {role} may not restore: {FOR_RESTORES} is not attached to it. Nothing was "
            f"done. Deploy {aws.environment.name} (it attaches it), or attach it: `aws iam "
            f"attach-role-policy --role-name={role} --policy-arn={_FOR_RESTORES_ARN}`, or name "
            "another role with --role."
        )
    return RestoreRole(arn, f"{FOR_RESTORES} is not attached; another policy may do")


def list_restore_jobs(
    aws: Aws, now: datetime, wanted: Callable[[RestoreJobsListMemberTypeDef], bool]
) -> list[Job]:
    """The restore jobs of 30 days in the region to act in that are wanted, the newest first.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    with worded(_LOOKING):
        return list_described(aws, JobKind.RESTORE, now, wanted)


def metadata_of(aws: Aws, job: Job) -> Mapping[str, str]:
    """What a restore job was asked for; see `jobs.restore_value`.

    Raises CabalBackupError when AWS refuses or does not answer.
    """
    with worded(_LOOKING):
        return aws.client("backup").get_restore_job_metadata(RestoreJobId=job.id)["Metadata"]
