"""The opt-in to advanced DynamoDB backup, as a CloudFormation custom resource.

Only with it can recovery points of a DynamoDB table be copied to another region. The
opt-in belongs to an account and a region, not to a stack; so this handler adds what
is missing, changes no other resource type's setting, and takes nothing back.

CloudFormation calls `handler`, which always answers, once. The 8 calls of an opt-in take
less than 13 minutes, and waiting for IAM 90 s more: less than the function's timeout.

https://docs.aws.amazon.com/aws-backup/latest/devguide/advanced-ddb-backup.html
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup import names
from cabal_backup.custom_resource import RETRIES, Event, IamRetries, answer, is_denied

if TYPE_CHECKING:
    from types_boto3_backup import BackupClient

PHYSICAL_ID = "advanced-dynamodb-backup"
"""One id for ever: a changed id would make CloudFormation delete the old resource."""

RESOURCE_TYPE = names.DYNAMODB

READ_BACK_ATTEMPTS = 6
READ_BACK_PAUSE = 5.0
"""Seconds between readings while the new setting is not visible yet."""

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)


@dataclass(frozen=True)
class Preferences:
    """What an account has opted in to in one region, by resource type."""

    service: Mapping[str, bool]
    """Whether AWS Backup protects the type at all (ResourceTypeOptInPreference)."""

    management: Mapping[str, bool]
    """Whether AWS Backup manages it fully (ResourceTypeManagementPreference)."""

    @property
    def complete(self) -> bool:
        """Whether both are on for DynamoDB."""
        return bool(self.service.get(RESOURCE_TYPE) and self.management.get(RESOURCE_TYPE))

    def changes_of_others(self, before: Preferences) -> Iterator[str]:
        """What differs from `before` in settings that are none of our business."""
        for kind, old, new in (
            ("service", before.service, self.service),
            ("management", before.management, self.management),
        ):
            for name in sorted((old.keys() | new.keys()) - {RESOURCE_TYPE}):
                if old.get(name) != new.get(name):
                    yield f"{name} {kind} {shown(old, name)} -> {shown(new, name)}"


class OptInError(Exception):
    """The opt-in could not be made or verified; the message says what to do."""


def handler(event: Event, _context: object) -> None:
    """Answer one CloudFormation request; the entry point of the Lambda function."""
    request_type = event["RequestType"]
    logger.info("%s of %s", request_type, event["LogicalResourceId"])
    try:
        data = {}
        if request_type != "Delete":
            data = opt_in(boto3.client("backup", config=RETRIES), time.sleep)
    except Exception as error:
        # Whatever it was, an unanswered request would hold the stack for an hour.
        logger.exception("%s failed", request_type)
        answer(
            event,
            "FAILED",
            physical_id=PHYSICAL_ID,
            reason=explain(error, os.environ["AWS_REGION"]),
        )
    else:
        logger.info("%s done: %s", request_type, data)
        answer(event, "SUCCESS", physical_id=PHYSICAL_ID, data=data)


def opt_in(backup: BackupClient, sleep: Callable[[float], None]) -> dict[str, str]:
    """Switch the opt-in on where it is off, and read it back.

    Returns the attributes of the resource: both preferences before and after, each
    "true", "false" or "unset". Raises OptInError when the new setting does not become
    visible or another type's setting changed meanwhile, and whatever botocore raises.
    """
    retrying = IamRetries(sleep)
    before = read_preferences(backup, retrying)
    after = before
    if not before.complete:
        # A partial map merges; the documented procedure sends DynamoDB alone too.
        retrying(
            backup.update_region_settings,
            ResourceTypeOptInPreference={RESOURCE_TYPE: True},
            ResourceTypeManagementPreference={RESOURCE_TYPE: True},
        )
        after = read_back(backup, sleep, retrying)
        if changed := list(after.changes_of_others(before)):
            raise OptInError(
                "Settings of other resource types changed while the opt-in was made. Put right "
                "what should not have changed with `aws backup update-region-settings`, then "
                f"deploy again. Changed: {', '.join(changed)}."
            )
    return {
        "ServiceBefore": shown(before.service),
        "ServiceAfter": shown(after.service),
        "ManagementBefore": shown(before.management),
        "ManagementAfter": shown(after.management),
    }


def read_preferences(backup: BackupClient, retrying: IamRetries) -> Preferences:
    """The preferences of the region."""
    settings = retrying(backup.describe_region_settings)
    return Preferences(
        service=settings.get("ResourceTypeOptInPreference", {}),
        management=settings.get("ResourceTypeManagementPreference", {}),
    )


def read_back(
    backup: BackupClient, sleep: Callable[[float], None], retrying: IamRetries
) -> Preferences:
    """The preferences once both are on; OptInError when they never are."""
    for attempt in range(READ_BACK_ATTEMPTS):
        if attempt:
            sleep(READ_BACK_PAUSE)
        preferences = read_preferences(backup, retrying)
        if preferences.complete:
            return preferences
    raise OptInError(
        "AWS Backup accepted the opt-in to advanced DynamoDB backup, but "
        f"{READ_BACK_ATTEMPTS} readings over {(READ_BACK_ATTEMPTS - 1) * READ_BACK_PAUSE:.0f} s "
        f"still show the service opt-in as {shown(preferences.service)} and the management "
        f"preference as {shown(preferences.management)}. Look with `aws backup "
        "describe-region-settings`, then deploy again."
    )


def shown(preference: Mapping[str, bool], resource_type: str = RESOURCE_TYPE) -> str:
    """How CloudFormation shows the entry of one preference."""
    return {True: "true", False: "false", None: "unset"}[preference.get(resource_type)]


def explain(error: Exception, region: str) -> str:
    """What a person reads in the stack's events."""
    by_hand = (
        f"aws backup update-region-settings --region {region} "
        "--resource-type-opt-in-preference DynamoDB=true "
        "--resource-type-management-preference DynamoDB=true"
    )
    if isinstance(error, OptInError):
        return str(error)
    if isinstance(error, ClientError) and is_denied(error):
        return (
            f"AWS Backup refused the opt-in to advanced DynamoDB backup in {region} for "
            f"90 s: {error} A service control policy or permissions boundary may forbid it. Allow "
            "backup:DescribeRegionSettings and backup:UpdateRegionSettings, or have it made "
            f"once with `{by_hand}`, then deploy again."
        )
    if isinstance(error, ClientError | BotoCoreError):
        return (
            f"The opt-in to advanced DynamoDB backup in {region} failed: {error} "
            f"Deploy again, or make it by hand first: `{by_hand}`."
        )
    return f"The opt-in handler failed in {region}: {type(error).__name__}: {error}"
