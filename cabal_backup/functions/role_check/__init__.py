"""Waits until AWS Backup can use a new role, as a CloudFormation custom resource.

IAM is eventually consistent. For a minute or so AWS Backup refuses a selection whose role was
just created ("cannot be assumed", "not authorized to call tag:GetResources"), and
CloudFormation does not try again. This handler tries with a selection of its own, of a table
that does not exist, and deletes it. What depends on the resource is created afterwards.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
https://github.com/hashicorp/terraform-provider-aws/issues/9297
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from cabal_backup import names
from cabal_backup.custom_resource import RETRIES, Event, IamRetries, is_denied, respond

if TYPE_CHECKING:
    from types_boto3_backup import BackupClient

TESTING_SELECTION = names.ROLE_CHECK.replace("-", "_")
"""AWS allows letters, digits and underscores there."""


def handler(event: Event, _context: object) -> None:
    """Answer one CloudFormation request; the entry point of the Lambda function."""
    respond(
        event,
        "backup-role-check",
        lambda: _check(event),
        lambda error: f"The role of the backups cannot be used: {error} Deploy again.",
    )


def _check(event: Event) -> dict[str, str]:
    """Create a selection and delete it. Raises ClientError if it is refused for 90 s."""
    backup = boto3.client("backup", config=RETRIES)
    given, retrying = event["ResourceProperties"], IamRetries(_may_pass)
    delete = _delete_from_plan if "BackupPlanId" in given else _delete_from_testing_plan
    # Also on deletion, because AWS Backup deletes no plan with selections; and the selection of a
    # run that was interrupted.
    delete(backup, given, retrying)
    if event["RequestType"] != "Delete":
        _select(backup, given, retrying)
        delete(backup, given, retrying)
    return {}


def _select(backup: BackupClient, given: Mapping[str, str], retrying: IamRetries) -> None:
    if "BackupPlanId" in given:
        retrying(
            backup.create_backup_selection,
            BackupPlanId=given["BackupPlanId"],
            BackupSelection={
                "SelectionName": names.ROLE_CHECK,
                "IamRoleArn": given["RoleArn"],
                "Resources": [given["ResourceArn"]],
            },
        )
    else:
        retrying(
            backup.create_restore_testing_selection,
            RestoreTestingPlanName=given["RestoreTestingPlanName"],
            RestoreTestingSelection={
                "RestoreTestingSelectionName": TESTING_SELECTION,
                "ProtectedResourceType": names.DYNAMODB,
                "ProtectedResourceArns": [given["ResourceArn"]],
                "IamRoleArn": given["RoleArn"],
            },
        )


def _delete_from_plan(backup: BackupClient, given: Mapping[str, str], retrying: IamRetries) -> None:
    plan_id = given["BackupPlanId"]
    pages = backup.get_paginator("list_backup_selections")
    # A plan that was deleted has no selections.
    with suppress(backup.exceptions.ResourceNotFoundException):
        for page in retrying(lambda: list(pages.paginate(BackupPlanId=plan_id))):
            for each in page["BackupSelectionsList"]:
                if each["SelectionName"] == names.ROLE_CHECK:
                    retrying(
                        backup.delete_backup_selection,
                        BackupPlanId=plan_id,
                        SelectionId=each["SelectionId"],
                    )


def _delete_from_testing_plan(
    backup: BackupClient, given: Mapping[str, str], retrying: IamRetries
) -> None:
    with suppress(backup.exceptions.ResourceNotFoundException):
        retrying(
            backup.delete_restore_testing_selection,
            RestoreTestingPlanName=given["RestoreTestingPlanName"],
            RestoreTestingSelectionName=TESTING_SELECTION,
        )


def _may_pass(error: ClientError) -> bool:
    """AWS Backup refuses a role that it cannot use as an invalid parameter."""
    return is_denied(error) or error.response["Error"]["Code"] == "InvalidParameterValueException"
