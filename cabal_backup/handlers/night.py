"""What there is to do when the copy of a recovery point has arrived in the DR region.

AWS Backup does not measure how long a backup waits for its copy, so this handler does:
CopyLag is the time, in seconds, from a recovery point's creation to the completion of
its copy, during which a lost region takes the backup with it.

When with this copy the night is complete, it also calls the heartbeat's URL. A night is
one day in UTC: it is complete when each resource in the plan has a recovery point made
on that day, and of one of these a copy. A backup starts within eight hours of 00:00, so
it never slips into the next day, however long it and its copy take.

https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html
"""

from __future__ import annotations

import logging
import os
import time
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError

import boto3
from botocore.config import Config

LOOK_BACK = timedelta(days=3)
"""How old a recovery point may be whose copy is still a part of a night. A copy made
days later, by hand, says nothing about the last night."""

LATEST = timedelta(days=1)
"""How long after its day a night may still become complete and be told."""

CALLS = 4
CALL_TIMEOUT = 10.0
"""Seconds."""

RETRIES = Config(
    retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=5, read_timeout=10
)

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)


class HeartbeatError(Exception):
    """The heartbeat could not be sent; the message says why, and never has the URL in it."""


def handler(event: Mapping[str, Any], _context: object) -> None:
    """Measure one copy, and tell when it was the last one of its night.

    Raises HeartbeatError, and whatever botocore raises; Lambda tries again then.
    """
    job = client("backup").describe_copy_job(CopyJobId=event["detail"]["copyJobId"])["CopyJob"]
    completed: datetime = job["CompletionDate"]
    since = completed - LOOK_BACK
    points = list(recovery_points(os.environ["VAULT"], job["ResourceArn"], since))
    point = next(
        (each for each in points if each["RecoveryPointArn"] == job["SourceRecoveryPointArn"]), None
    )
    if point is None:
        logger.info("%s copied an older recovery point than the last nights'", job["CopyJobId"])
        return
    try:
        tell(day(point["CreationDate"]), job, since)
    finally:
        measure(job["ResourceType"], point["CreationDate"], completed)


def tell(night: date, arrived: Mapping[str, Any], since: datetime) -> None:
    """Send the heartbeat, where one is wanted, when the night is complete with this copy."""
    parameter = os.environ.get("HEARTBEAT_PARAMETER")
    if not parameter or night < day(arrived["CompletionDate"]) - LATEST:
        return
    if missing := incomplete(night, arrived, since):
        logger.info("The night of %s is not complete: %s", night, ", ".join(missing))
    else:
        beat(parameter)
        logger.info("The night of %s is complete, and that was told", night)


def measure(resource_type: str, created: datetime, completed: datetime) -> None:
    """Put the metric, at the time the copy was complete."""
    client("cloudwatch").put_metric_data(
        Namespace=os.environ["METRIC_NAMESPACE"],
        MetricData=[
            {
                "MetricName": "CopyLag",
                "Dimensions": [{"Name": "ResourceType", "Value": resource_type}],
                "Timestamp": completed,
                "Value": (completed - created).total_seconds(),
                "Unit": "Seconds",
            }
        ],
    )


def incomplete(night: date, arrived: Mapping[str, Any], since: datetime) -> list[str]:
    """The resources in the plan without a copy of a recovery point of that night."""
    # The list of copy jobs may still be behind the event that told of this one.
    copied = {arrived["SourceRecoveryPointArn"]}
    pages = client("backup").get_paginator("list_copy_jobs")
    for page in pages.paginate(
        ByState="COMPLETED",
        ByDestinationVaultArn=os.environ["DR_VAULT_ARN"],
        ByCreatedAfter=since,
    ):
        copied.update(job["SourceRecoveryPointArn"] for job in page["CopyJobs"])
    return [
        resource
        for resource in os.environ["RESOURCE_ARNS"].split(",")
        if not any(
            point["Status"] == "COMPLETED"
            and day(point["CreationDate"]) == night
            and point["RecoveryPointArn"] in copied
            for point in recovery_points(os.environ["VAULT"], resource, since)
        )
    ]


def day(moment: datetime) -> date:
    """The day in UTC: botocore parses into the zone of the machine, whatever that is."""
    return moment.astimezone(UTC).date()


def recovery_points(vault: str, resource: str, since: datetime) -> Iterator[dict[str, Any]]:
    pages = client("backup").get_paginator("list_recovery_points_by_backup_vault")
    for page in pages.paginate(BackupVaultName=vault, ByResourceArn=resource, ByCreatedAfter=since):
        yield from page["RecoveryPoints"]


def beat(parameter: str) -> None:
    """Call the URL that the parameter holds."""
    answer = client("ssm").get_parameter(Name=parameter, WithDecryption=True)
    url = answer["Parameter"]["Value"].strip()
    if not url.startswith("https://"):
        raise HeartbeatError(
            f"The parameter {parameter} does not hold a URL that begins with https://. Store it "
            "as docs/heartbeat.md says."
        )
    opener = urllib.request.build_opener(OnlyToHttps)
    for attempt in range(CALLS):
        if attempt:
            time.sleep(2**attempt)
        reason = call(opener, url)
        if reason is None:
            return
        logger.warning("The heartbeat's URL could not be called: %s", reason)
    raise HeartbeatError(
        f"The URL in the parameter {parameter} could not be called, {CALLS} times: {reason}. "
        "docs/heartbeat.md says how to store another one."
    )


def call(opener: urllib.request.OpenerDirector, url: str) -> str | None:
    """Why it failed, in words without the URL, which some exceptions have in theirs."""
    try:
        opener.open(url, timeout=CALL_TIMEOUT).close()
    except HTTPError as error:
        error.close()
        return f"HTTP {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        cause = getattr(error, "reason", error)
        return type(cause).__name__
    return None


class OnlyToHttps(urllib.request.HTTPRedirectHandler):
    """Follows a redirection, but not to where others could read along."""

    def redirect_request(
        self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str
    ) -> Any:
        if not newurl.startswith("https://"):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@cache
def client(service: str) -> Any:
    return boto3.client(service, config=RETRIES)
