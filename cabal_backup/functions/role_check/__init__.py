"""Waits until AWS Backup can use a new role, as a CloudFormation custom resource.

IAM is eventually consistent. For a minute or so AWS Backup refuses a selection whose role was
just created ("cannot be assumed", "not authorized to call tag:GetResources"), and
CloudFormation does not try again. This handler tries with a selection of its own, of a table
that does not exist, and deletes it. What depends on the resource is created afterwards.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
https://github.com/hashicorp/terraform-provider-aws/issues/9297
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from cabal_backup import names
from cabal_backup.custom_resource import RETRIES, Event, IamRetries, is_denied, respond

if TYPE_CHECKING:
    from types_boto3_backup import BackupClient
    from types_boto3_backup.type_defs import BackupSelectionsListMemberTypeDef

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
    """Have a selection accepted; none of this handler stays. Raises ClientError after 90 s."""
    backup = boto3.client("backup", config=RETRIES)
    given, retrying = event["ResourceProperties"], IamRetries(time.sleep, _may_pass)
    of_plan = "BackupPlanId" in given
    select = _select_for_backup if of_plan else _select_for_test
    delete = _delete_backup_selections if of_plan else _delete_test_selection
    # Also on deletion: AWS Backup deletes no plan with selections. And what a run left behind
    # that was interrupted.
    delete(backup, given, retrying)
    if event["RequestType"] != "Delete":
        select(backup, given, retrying)
        delete(backup, given, retrying)
    return {}


def _select_for_backup(backup: BackupClient, given: Event, retrying: IamRetries) -> None:
    retrying(
        backup.create_backup_selection,
        BackupPlanId=given["BackupPlanId"],
        BackupSelection={
            "SelectionName": names.ROLE_CHECK,
            "IamRoleArn": given["RoleArn"],
            "Resources": [given["ResourceArn"]],
        },
    )


def _delete_backup_selections(backup: BackupClient, given: Event, retrying: IamRetries) -> None:
    plan_id = given["BackupPlanId"]

    def listed() -> list[BackupSelectionsListMemberTypeDef]:
        pages = backup.get_paginator("list_backup_selections").paginate(BackupPlanId=plan_id)
        return [selection for page in pages for selection in page["BackupSelectionsList"]]

    try:
        selections = retrying(listed)
    except backup.exceptions.ResourceNotFoundException:
        return  # A plan that was deleted has no selections.
    for each in selections:
        if each["SelectionName"] == names.ROLE_CHECK:
            retrying(
                backup.delete_backup_selection,
                BackupPlanId=plan_id,
                SelectionId=each["SelectionId"],
            )


def _select_for_test(backup: BackupClient, given: Event, retrying: IamRetries) -> None:
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


def _delete_test_selection(backup: BackupClient, given: Event, retrying: IamRetries) -> None:
    with suppress(backup.exceptions.ResourceNotFoundException):
        retrying(
            backup.delete_restore_testing_selection,
            RestoreTestingPlanName=given["RestoreTestingPlanName"],
            RestoreTestingSelectionName=TESTING_SELECTION,
        )


def _may_pass(error: ClientError) -> bool:
    """AWS Backup refuses a role that it cannot use as an invalid parameter."""
    return is_denied(error) or error.response["Error"]["Code"] == "InvalidParameterValueException"
