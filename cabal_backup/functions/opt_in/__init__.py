"""The opt-in to advanced DynamoDB backup, as a CloudFormation custom resource.

Only with it can recovery points of a DynamoDB table be copied to another region. The
opt-in belongs to an account and a region, not to a stack; so this handler adds what
is missing, changes no other resource type's setting, and takes nothing back.

CloudFormation calls `handler`, which always answers, once. The 8 calls of an opt-in take
less than 13 minutes, and waiting for IAM 90 s more: less than the function's timeout.

https://docs.aws.amazon.com/aws-backup/latest/devguide/advanced-ddb-backup.html
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from shlex import quote
from typing import TYPE_CHECKING, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup import names
from cabal_backup.custom_resource import RETRIES, Event, IamRetries, is_denied, respond

if TYPE_CHECKING:
    from types_boto3_backup import BackupClient

SERVICE: Final = "ResourceTypeOptInPreference"
"""Whether AWS Backup protects a resource type at all."""
MANAGEMENT: Final = "ResourceTypeManagementPreference"
"""Whether AWS Backup manages it fully."""

READ_BACK_ATTEMPTS = 6
READ_BACK_PAUSE = 5.0
"""Seconds between readings while the new setting is not visible yet."""

Preferences = Mapping[str, Mapping[str, bool]]
"""What an account has opted in to in one region: SERVICE and MANAGEMENT, by resource type."""


class OptInError(Exception):
    """The opt-in could not be made or verified; the message says what to do."""


def handler(event: Event, _context: object) -> None:
    """Answer one CloudFormation request; the entry point of the Lambda function."""
    respond(
        event,
        "advanced-dynamodb-backup",
        lambda: {} if event["RequestType"] == "Delete" else _opt_in(),
        _explain,
    )


def _opt_in() -> dict[str, str]:
    """Switch the opt-in on where it is off, and read it back.

    Returns the attributes of the resource: both preferences before and after, each
    "true", "false" or "unset". Raises OptInError when the new setting does not become
    visible or another type's setting changed meanwhile, and whatever botocore raises.
    """
    backup: BackupClient = boto3.client("backup", config=RETRIES)
    retrying = IamRetries()
    before = after = _read(backup, retrying)
    if not _complete(before):
        # A partial map merges; the documented procedure sends DynamoDB alone too.
        on = {names.DYNAMODB: True}
        retrying(backup.update_region_settings, **{SERVICE: on, MANAGEMENT: on})
        for reading in range(READ_BACK_ATTEMPTS):
            if reading:
                time.sleep(READ_BACK_PAUSE)
            after = _read(backup, retrying)
            if _complete(after):
                break
        _check(before, after, backup.meta.region_name)
    return {
        f"{name}{when}": _shown(preferences[kind])
        for when, preferences in (("Before", before), ("After", after))
        for name, kind in (("Service", SERVICE), ("Management", MANAGEMENT))
    }


def _read(backup: BackupClient, retrying: IamRetries) -> Preferences:
    settings = retrying(backup.describe_region_settings)
    return {SERVICE: settings.get(SERVICE, {}), MANAGEMENT: settings.get(MANAGEMENT, {})}


def _complete(preferences: Preferences) -> bool:
    """Whether both are on for DynamoDB."""
    return all(each.get(names.DYNAMODB) for each in preferences.values())


def _check(before: Preferences, after: Preferences, region: str) -> None:
    """OptInError where the opt-in is not there, or a setting of another type has changed."""
    if not _complete(after):
        raise OptInError(
            "AWS Backup accepted the opt-in to advanced DynamoDB backup, but "
            f"{READ_BACK_ATTEMPTS} readings over "
            f"{(READ_BACK_ATTEMPTS - 1) * READ_BACK_PAUSE:.0f} s still show the service opt-in as "
            f"{_shown(after[SERVICE])} and the management preference as "
            f"{_shown(after[MANAGEMENT])}. To see both now: aws backup describe-region-settings "
            f"--region {region}; then deploy again."
        )
    command, changes = f"aws backup update-region-settings --region {region}", []
    for kind, option, key in (
        ("service", "opt-in", SERVICE),
        ("management", "management", MANAGEMENT),
    ):
        was, now = before[key], after[key]
        others = sorted({*was, *now} - {names.DYNAMODB})
        changed = [name for name in others if was.get(name) != now.get(name)]
        changes += [f"{name} {kind} {_shown(was, name)} -> {_shown(now, name)}" for name in changed]
        if changed:
            # As JSON: the names of some types have spaces, which the short form does not take.
            values = json.dumps({name: bool(was.get(name)) for name in changed})
            command += f" --resource-type-{option}-preference {quote(values)}"
    if changes:
        raise OptInError(
            "Settings of other resource types changed while the opt-in was made. To set them back: "
            f"{command}; then deploy again. Changed: {', '.join(changes)}."
        )


def _shown(preference: Mapping[str, bool], resource_type: str = names.DYNAMODB) -> str:
    """How CloudFormation shows the entry of one preference."""
    return {True: "true", False: "false", None: "unset"}[preference.get(resource_type)]


def _explain(error: Exception) -> str:
    region = os.environ["AWS_REGION"]
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
