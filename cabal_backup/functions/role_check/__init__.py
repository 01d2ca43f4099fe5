"""Waits until AWS Backup can use a new role, as a CloudFormation custom resource.

IAM is eventually consistent. For a minute or so AWS Backup refuses a selection whose role was
just created ("cannot be assumed", "not authorized to call tag:GetResources"), and
CloudFormation does not try again. This handler tries with a selection of its own, of a table
that does not exist, and deletes it. What depends on the resource is created afterwards.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
https://github.com/hashicorp/terraform-provider-aws/issues/9297
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import boto3
from botocore.exceptions import ClientError

from cabal_backup import names
from cabal_backup.custom_resource import RETRIES, Event, IamRetries, answer, is_denied

if TYPE_CHECKING:
    from types_boto3_backup import BackupClient
    from types_boto3_backup.type_defs import BackupSelectionsListMemberTypeDef

PHYSICAL_ID = "backup-role-check"

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)


def handler(event: Event, _context: object) -> None:
    """Answer one CloudFormation request; the entry point of the Lambda function."""
    request_type = event["RequestType"]
    logger.info("%s of %s", request_type, event["LogicalResourceId"])
    try:
        plan = plan_of(boto3.client("backup", config=RETRIES), event["ResourceProperties"])
        retrying = IamRetries(time.sleep, _may_pass)
        # Also on deletion: AWS Backup deletes no plan with selections.
        plan.delete_selections(retrying)
        if request_type != "Delete":
            plan.select(retrying)
            plan.delete_selections(retrying)
    except Exception as error:
        # An unanswered request would hold the stack until its timeout.
        logger.exception("%s failed", request_type)
        reason = f"The role of the backups cannot be used: {error} Deploy again."
        answer(event, "FAILED", physical_id=PHYSICAL_ID, reason=reason)
    else:
        logger.info("%s done", request_type)
        answer(event, "SUCCESS", physical_id=PHYSICAL_ID)


class Plan(Protocol):
    """A plan that selects with the role. Its methods raise ClientError after 90 s."""

    def select(self, retrying: IamRetries) -> None:
        """Return once AWS Backup has accepted the role for a selection of what does not exist."""

    def delete_selections(self, retrying: IamRetries) -> None:
        """Delete the selections of this handler, those of an interrupted run included."""


def plan_of(backup: BackupClient, given: Event) -> Plan:
    """The plan that the resource's properties name."""
    common = {"backup": backup, "role_arn": given["RoleArn"], "resource_arn": given["ResourceArn"]}
    if "BackupPlanId" in given:
        return BackupPlan(**common, plan_id=given["BackupPlanId"])
    return TestingPlan(**common, name=given["RestoreTestingPlanName"])


@dataclass(frozen=True, kw_only=True)
class BackupPlan:
    """A backup plan."""

    backup: BackupClient
    plan_id: str
    role_arn: str
    resource_arn: str

    def select(self, retrying: IamRetries) -> None:
        """See `Plan`."""
        retrying(
            self.backup.create_backup_selection,
            BackupPlanId=self.plan_id,
            BackupSelection={
                "SelectionName": names.ROLE_CHECK,
                "IamRoleArn": self.role_arn,
                "Resources": [self.resource_arn],
            },
        )

    def delete_selections(self, retrying: IamRetries) -> None:
        """See `Plan`."""
        try:
            selections = retrying(self._listed)
        except self.backup.exceptions.ResourceNotFoundException:
            return  # A plan that was deleted has no selections.
        for selection in selections:
            if selection["SelectionName"] == names.ROLE_CHECK:
                retrying(
                    self.backup.delete_backup_selection,
                    BackupPlanId=self.plan_id,
                    SelectionId=selection["SelectionId"],
                )

    def _listed(self) -> list[BackupSelectionsListMemberTypeDef]:
        pages = self.backup.get_paginator("list_backup_selections").paginate(
            BackupPlanId=self.plan_id
        )
        return [selection for page in pages for selection in page["BackupSelectionsList"]]


@dataclass(frozen=True, kw_only=True)
class TestingPlan:
    """A restore testing plan."""

    backup: BackupClient
    name: str
    role_arn: str
    resource_arn: str

    def select(self, retrying: IamRetries) -> None:
        """See `Plan`."""
        retrying(
            self.backup.create_restore_testing_selection,
            RestoreTestingPlanName=self.name,
            RestoreTestingSelection={
                "RestoreTestingSelectionName": _TESTING_SELECTION,
                "ProtectedResourceType": names.DYNAMODB,
                "ProtectedResourceArns": [self.resource_arn],
                "IamRoleArn": self.role_arn,
            },
        )

    def delete_selections(self, retrying: IamRetries) -> None:
        """See `Plan`."""
        with suppress(self.backup.exceptions.ResourceNotFoundException):
            retrying(
                self.backup.delete_restore_testing_selection,
                RestoreTestingPlanName=self.name,
                RestoreTestingSelectionName=_TESTING_SELECTION,
            )


_TESTING_SELECTION = names.ROLE_CHECK.replace("-", "_")
"""AWS allows letters, digits and underscores there."""


def _may_pass(error: ClientError) -> bool:
    """AWS Backup refuses a role that it cannot use as an invalid parameter."""
    return is_denied(error) or error.response["Error"]["Code"] == "InvalidParameterValueException"
