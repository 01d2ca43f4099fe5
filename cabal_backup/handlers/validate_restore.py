"""The verdict on what AWS Backup's restore testing restored.

AWS Backup restores the newest recovery point of the table and of the file system on a
schedule, waits some hours for a verdict, and then deletes what it restored. The verdict
can be given once and never changed, so whatever goes wrong here becomes FAILED with
the reason. Only when the verdict itself cannot be put does the handler raise, and
Lambda tries again.

Two events call it. "Restore Job State Change" has a restored table judged at once. A
schedule has everything judged that still waits: file systems, whose size EFS knows only
a couple of hours after the last write, and restores whose event got lost, because
AWS Backup's events are best effort.

https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-testing-validation.html
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

SUCCESSFUL, FAILED = "SUCCESSFUL", "FAILED"
JUDGED = (SUCCESSFUL, FAILED, "TIMED_OUT")

SETTLED_AFTER = timedelta(hours=3)
"""From the end of a restore until the size of its file system counts: EFS says it is right
when nothing was written "for a period longer than a couple of hours".

https://docs.aws.amazon.com/efs/latest/ug/API_FileSystemSize.html
"""

PATIENCE = timedelta(hours=18)
"""From the end of a restore until a size that is still missing is a failure."""

LOOK_BACK = timedelta(days=8)
"""How far back a restore may have been made that still waits: for 7 days at most."""

OVERHEAD = 64 * 1024
"""Bytes a restored file system may have more: a directory at its root holds everything."""

SEGMENTS, PER_SEGMENT = 4, 25
"""A sample's items: the first ones of each quarter of the table, 100 in all, as many as
BatchGetItem takes."""

SAMPLE_ROUNDS = 8
"""How often BatchGetItem is asked for what it left unprocessed."""

SPARE_SECONDS = 60.0
"""What is kept of Lambda's time to put the verdict, whose calls are tried for 20 s or more."""

MAX_MESSAGE = 1000
"""Characters of a message, before it is signed."""

ADVICE = "What to do: docs/restore-testing.md."

RETRIES = Config(
    retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=5, read_timeout=10
)
"""A throttled, failed or lost call is tried 6 times."""

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)


@dataclass(frozen=True)
class Settings:
    """What there is to compare with, from the function's environment variables."""

    plan_arn: str
    table: str
    file_system_id: str
    tolerance: int
    """How far the restored may be from the live, in percent."""
    namespace: str
    """Of the metrics."""
    event_source: str
    event_type: str
    """Source and detail-type of the event that tells of a failure."""

    @classmethod
    def read(cls) -> Settings:
        return cls(
            plan_arn=os.environ["RESTORE_TESTING_PLAN_ARN"],
            table=os.environ["TABLE"],
            file_system_id=os.environ["FILE_SYSTEM_ID"],
            tolerance=int(os.environ["TOLERANCE_PERCENT"]),
            namespace=os.environ["METRIC_NAMESPACE"],
            event_source=os.environ["EVENT_SOURCE"],
            event_type=os.environ["EVENT_TYPE"],
        )


@dataclass(frozen=True)
class Job:
    """One restore by the testing plan."""

    id: str
    resource_type: str
    live_arn: str
    restored_arn: str
    completed: str
    """When, as ISO 8601."""


class Differs(Exception):
    """What was restored is not what there is; the message says how and what to do."""


class NotYet(Exception):
    """What was restored cannot be judged before some time has passed."""


def handler(event: Mapping[str, Any], context: Any) -> None:
    """Judge one restore, or all that wait; the entry point of the Lambda function.

    Raises what botocore raises when restores cannot be listed or a verdict cannot be put.
    """
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - SPARE_SECONDS
    settings = Settings.read()
    if event["detail-type"] == "Scheduled Event":
        jobs = list(waiting(settings, moment(event["time"])))
        logger.info("%d restores wait for a verdict", len(jobs))
    else:
        detail = event["detail"]
        if detail.get("validationStatus") in JUDGED:
            return  # AWS Backup tells of a verdict, perhaps the one given here.
        jobs = [
            Job(
                id=detail["restoreJobId"],
                resource_type=detail.get("resourceType", "unknown"),
                live_arn=detail.get("sourceResourceArn", ""),
                restored_arn=detail.get("createdResourceArn", ""),
                completed=detail.get("completionDate", event["time"]),
            )
        ]
    unheard = []
    for job in jobs:
        try:
            judge(settings, job, event["time"], deadline, run=context.aws_request_id)
        except Exception as error:
            logger.exception("The verdict on %s could not be put", job.id)
            unheard.append(error)
    if unheard:
        raise unheard[0]


def waiting(settings: Settings, now: datetime) -> Iterator[Job]:
    """The plan's restores that are complete and have no verdict yet."""
    pages = client("backup").get_paginator("list_restore_jobs")
    for page in pages.paginate(
        ByRestoreTestingPlanArn=settings.plan_arn,
        ByStatus="COMPLETED",
        ByCreatedAfter=now - LOOK_BACK,
    ):
        for job in page["RestoreJobs"]:
            if job.get("ValidationStatus") not in JUDGED:
                yield Job(
                    id=job["RestoreJobId"],
                    resource_type=job.get("ResourceType", "unknown"),
                    live_arn=job.get("SourceResourceArn", ""),
                    restored_arn=job.get("CreatedResourceArn", ""),
                    completed=job["CompletionDate"].isoformat(),
                )


def judge(settings: Settings, job: Job, now: str, deadline: float, run: str) -> None:
    """Reach a verdict on one restore and tell everybody who should know.

    :param run: what Lambda calls this run; the same when it tries again.
    """
    verdict = FAILED
    try:
        message = compare(settings, job, moment(now), deadline)
        verdict = SUCCESSFUL
    except NotYet as reason:
        logger.info("%s of %s is not judged yet: %s", job.id, job.resource_type, reason)
        return
    except Differs as difference:
        message = f"{difference} {ADVICE}"
    except Exception as error:
        logger.exception("%s could not be judged", job.id)
        message = f"{explain(error)} {ADVICE}"
    logger.info("%s of %s: %s: %s", job.id, job.resource_type, verdict, message)
    message = message[:MAX_MESSAGE]
    if not put_verdict(job, verdict, message, run):
        return
    count_verdict(settings, job, verdict, moment(now))
    if verdict == FAILED:
        tell(settings, job, message)


def compare(settings: Settings, job: Job, now: datetime, deadline: float) -> str:
    """What shows that the restored is as good as the live; Differs, or NotYet, when it is not."""
    restored = job.restored_arn.rpartition("/")[2]
    if not restored:
        raise Differs("AWS Backup does not say what it restored.")
    if job.resource_type == "DynamoDB":
        return compare_tables(restored, settings.table, settings.tolerance, deadline)
    if job.resource_type == "EFS":
        return compare_file_systems(
            restored, settings.file_system_id, settings.tolerance, moment(job.completed), now
        )
    raise Differs(f"There is no way here to judge a restored {job.resource_type}.")


# --- A table


def compare_tables(restored: str, live: str, tolerance: int, deadline: float) -> str:
    """Key schema, a sample of items, and the number of items."""
    keys, expected = key_schema(restored, "restored"), key_schema(live, "live")
    if keys != expected:
        raise Differs(
            f"The restored table's key is {shown(keys)}, that of {live} {shown(expected)}."
        )
    same, sampled = compare_sample(restored, live, [name for name, _, _ in expected])
    if same * 100 < sampled * (100 - tolerance):
        raise Differs(
            f"Only {same} of {sampled} sampled items of the restored table are the same in {live}; "
            f"{tolerance} % may differ. Either that many changed since the backup, or the backup "
            "is damaged."
        )
    sample = f"{same} of {sampled} sampled items are the same" if sampled else "there is no item"
    (items, all_items), (expected_items, all_expected) = (
        count(restored, deadline),
        count(live, deadline),
    )
    if not (all_items and all_expected):
        return (
            f"The key schema is the same, and {sample}. Time ran out for counting, at "
            f"{items:,} restored and {expected_items:,} live items: the numbers are not compared."
        )
    if apart(items, expected_items, tolerance):
        raise Differs(
            f"The restored table has {items:,} items, {live} has {expected_items:,}; {tolerance} % "
            "may differ. Either that many came or went since the backup, or the backup is not "
            "whole."
        )
    return f"{items:,} items, {expected_items:,} in {live}; the key schema is the same; {sample}."


def key_schema(table: str, which: str) -> list[tuple[str, str, str]]:
    """Name, role and type of each key attribute, the partition key first."""
    try:
        described = client("dynamodb").describe_table(TableName=table)["Table"]
    except client("dynamodb").exceptions.ResourceNotFoundException:
        raise Differs(f"The {which} table {table} is gone, so nothing can be compared.") from None
    types = {
        each["AttributeName"]: each["AttributeType"] for each in described["AttributeDefinitions"]
    }
    return sorted(
        (
            (each["AttributeName"], each["KeyType"], types[each["AttributeName"]])
            for each in described["KeySchema"]
        ),
        key=lambda key: key[1],
    )


def compare_sample(restored: str, live: str, keys: list[str]) -> tuple[int, int]:
    """How many sampled items of `restored` are the same in `live`, and how many there are."""
    dynamodb = client("dynamodb")
    items = [
        item
        for segment in range(SEGMENTS)
        for item in dynamodb.scan(
            TableName=restored, Segment=segment, TotalSegments=SEGMENTS, Limit=PER_SEGMENT
        )["Items"]
    ]
    found = {identity(item, keys): plain(item) for item in get(live, items, keys)}
    same = sum(found.get(identity(item, keys)) == plain(item) for item in items)
    return same, len(items)


def get(table: str, items: list[dict[str, Any]], keys: list[str]) -> Iterator[dict[str, Any]]:
    """The items of `table` with the keys of these, as far as there are any."""
    wanted = [{name: item[name] for name in keys} for item in items]
    for attempt in range(SAMPLE_ROUNDS):
        if not wanted:
            return
        if attempt:
            time.sleep(min(5.0, 0.1 * 2**attempt))
        answer = client("dynamodb").batch_get_item(
            RequestItems={table: {"Keys": wanted, "ConsistentRead": True}}
        )
        yield from answer["Responses"].get(table, [])
        wanted = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
    if wanted:
        raise Differs(
            f"{table} could not be compared: DynamoDB left {len(wanted)} keys unprocessed, "
            f"{SAMPLE_ROUNDS} times. Is its capacity used up?"
        )


def identity(item: Mapping[str, Any], keys: list[str]) -> str:
    return json.dumps([item[name] for name in keys], default=repr)


def plain(value: Any) -> Any:
    """A DynamoDB value in which sets have an order."""
    if isinstance(value, dict):
        return {
            name: sorted(part)
            if name in ("SS", "NS", "BS") and isinstance(part, list)
            else plain(part)
            for name, part in value.items()
        }
    return [plain(part) for part in value] if isinstance(value, list) else value


def count(table: str, deadline: float) -> tuple[int, bool]:
    """The items counted before the deadline, and whether these are all.

    DescribeTable's ItemCount lags six hours, and is 0 for a table just restored.
    """
    items = 0
    for page in client("dynamodb").get_paginator("scan").paginate(TableName=table, Select="COUNT"):
        items += page["Count"]
        if time.monotonic() > deadline:
            return items, "LastEvaluatedKey" not in page
    return items, True


# --- A file system


def compare_file_systems(
    restored: str, live: str, tolerance: int, completed: datetime, now: datetime
) -> str:
    """What the API can tell: state, encryption and metered size.

    Not the performance mode: restore testing restores into generalPurpose, whatever the
    live file system has.
    """
    if now < completed + SETTLED_AFTER:
        raise NotYet("EFS has not measured it since the restore")
    found, expected = file_system(restored, "restored"), file_system(live, "live")
    if found["LifeCycleState"] != "available":
        raise Differs(f"The restored file system is {found['LifeCycleState']}, not available.")
    if expected.get("Encrypted") and not found.get("Encrypted"):
        raise Differs(f"The restored file system is not encrypted, {live} is.")
    measured = found["SizeInBytes"].get("Timestamp")
    if measured is None or measured < completed:
        if now < completed + PATIENCE:
            raise NotYet("EFS has not measured it since the restore")
        raise Differs(
            f"EFS has not measured the restored file system in {PATIENCE // timedelta(hours=1)} "
            "hours since the restore, so its size is not known."
        )
    size, expected_size = found["SizeInBytes"]["Value"], expected["SizeInBytes"]["Value"]
    if apart(size, expected_size, tolerance, spare=OVERHEAD):
        raise Differs(
            f"The restored file system holds {size:,} bytes, {live} {expected_size:,}; "
            f"{tolerance} % may differ. Either that much came or went since the backup, or the "
            "backup is not whole."
        )
    return f"{size:,} bytes, {expected_size:,} in {live}; available; encrypted as it should be."


def file_system(identity: str, which: str) -> dict[str, Any]:
    efs = client("efs")
    try:
        described = efs.describe_file_systems(FileSystemId=identity)["FileSystems"]
    except efs.exceptions.FileSystemNotFound:
        described = []
    if not described:
        raise Differs(f"The {which} file system {identity} is gone, so nothing can be compared.")
    found: dict[str, Any] = described[0]
    return found


# --- The verdict, and who is told


def put_verdict(job: Job, verdict: str, message: str, run: str) -> bool:
    """Put it; whether the restore has it from this run. One that was there first stays.

    Raises what botocore raises when there is none afterwards.
    """
    backup = client("backup")
    # By this a verdict is known as ours when the answer got lost, or Lambda tries again.
    signature = f" (request {run})"
    try:
        backup.put_restore_validation_result(
            RestoreJobId=job.id,
            ValidationStatus=verdict,
            ValidationStatusMessage=message + signature,
        )
    except (ClientError, BotoCoreError) as refusal:
        try:
            there = backup.describe_restore_job(RestoreJobId=job.id)
        except (ClientError, BotoCoreError):
            raise refusal from None
        if there.get("ValidationStatus") not in JUDGED:
            raise
        logger.info("%s has a verdict already: %s", job.id, there["ValidationStatus"])
        return bool(there.get("ValidationStatusMessage", "").endswith(signature))
    return True


def count_verdict(settings: Settings, job: Job, verdict: str, now: datetime) -> None:
    """For the dashboard; a verdict is not worth less without it."""
    try:
        client("cloudwatch").put_metric_data(
            Namespace=settings.namespace,
            MetricData=[
                {
                    "MetricName": f"RestoreTest{verdict.capitalize()}",
                    "Dimensions": [{"Name": "ResourceType", "Value": job.resource_type}],
                    "Timestamp": now,
                    "Value": 1,
                    "Unit": "Count",
                }
            ],
        )
    except (ClientError, BotoCoreError):
        logger.exception("The verdict on %s was not counted", job.id)


def tell(settings: Settings, job: Job, message: str) -> None:
    """An event for whoever alerts.

    Raises RuntimeError when EventBridge does not take it: Lambda tries again then, finds
    the verdict there, and gets here again.
    """
    detail = {
        "resourceArn": job.live_arn,
        "resourceType": job.resource_type,
        "restoreJobId": job.id,
        "verdict": FAILED,
        "message": message,
    }
    answer = client("events").put_events(
        Entries=[
            {
                "Source": settings.event_source,
                "DetailType": settings.event_type,
                "Detail": json.dumps(detail),
            }
        ]
    )
    if answer["FailedEntryCount"]:
        raise RuntimeError(f"EventBridge did not take the event: {answer['Entries'][0]}")


# --- Shared


@cache
def client(service: str) -> Any:
    return boto3.client(service, config=RETRIES)


def moment(text: str) -> datetime:
    """An aware moment from ISO 8601."""
    parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def apart(found: int, expected: int, tolerance: int, *, spare: int = 0) -> bool:
    """Whether two numbers differ by more than `tolerance` percent of the expected one."""
    return abs(found - expected) * 100 > expected * tolerance + spare * 100


def shown(keys: list[tuple[str, str, str]]) -> str:
    return ", ".join(f"{name} ({role}, {type_})" for name, role, type_ in keys)


def explain(error: Exception) -> str:
    """What a person reads when nothing could be compared."""
    if isinstance(error, ClientError) and "AccessDenied" in error.response["Error"]["Code"]:
        return (
            f"It could not be judged, because AWS refused to let it be looked at: {error} "
            "Deploy the stack again; if that does not help, look for a service control policy or "
            "a key policy that forbids it."
        )
    return f"It could not be judged: {type(error).__name__}: {error}"
