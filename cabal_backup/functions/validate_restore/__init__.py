"""The verdict on what AWS Backup's restore testing restored (docs/restore-testing.md).

A verdict can be given once and never changed, so any error here becomes FAILED with the reason.
The handler raises only if it cannot put the verdict; Lambda then tries again.

Two events invoke it. For "Restore Job State Change" it judges a restored table at once. On a
schedule it judges all that still wait: file systems, whose size EFS knows only a couple of
hours after the last write, and restores whose event was lost, because AWS Backup's events are
best effort.

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
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypedDict

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup import names
from cabal_backup.functions.validate_restore.comparisons import (
    RETRIES,
    Differs,
    NotYet,
    compare_file_systems,
    compare_tables,
)

if TYPE_CHECKING:
    from types_boto3_backup import BackupClient

JUDGED = ("SUCCESSFUL", "FAILED", "TIMED_OUT")

LOOK_BACK = timedelta(days=8)
"""How far back a restore may have been made that still waits: for 7 days at most."""

SPARE_SECONDS = 60.0
"""What is kept of Lambda's time to put the verdict, whose calls are tried for 20 s or more."""

MAX_MESSAGE = 1000
"""Characters of a message, before it is signed."""

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)


class Context(Protocol):
    """What Lambda hands over beside the event."""

    aws_request_id: str
    """The same when Lambda tries again."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda stops this run."""


@dataclass(frozen=True)
class TestedRestore:
    """One restore by the testing plan."""

    id: str
    resource_type: str
    live_arn: str
    restored_arn: str
    completed: datetime

    @classmethod
    def read(cls, said: Mapping[str, object], time: str) -> TestedRestore:
        """
        :param said: of an event or of ListRestoreJobs, which begins the same names with capitals.
        :param time: when the restore was complete at the latest, as ISO 8601.
        """
        found = {f"{name[0].lower()}{name[1:]}": str(value) for name, value in said.items()}
        return cls(
            id=found["restoreJobId"],
            resource_type=found.get("resourceType", "unknown"),
            live_arn=found.get("sourceResourceArn", ""),
            restored_arn=found.get("createdResourceArn", ""),
            completed=_moment(found.get("completionDate", time)),
        )


class Validation(NamedTuple):
    """The validation result of one restore, as it is sent to AWS Backup."""

    status: Literal["SUCCESSFUL", "FAILED"]
    message: str


Event = TypedDict(
    "Event", {"source": str, "detail-type": str, "time": str, "detail": Mapping[str, object]}
)
"""An event of EventBridge."""


def handler(event: Event, context: Context) -> None:
    """Judge one restore, or all that wait; the entry point of the Lambda function.

    Raises what botocore raises when restores cannot be listed or a verdict cannot be put.
    """
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - SPARE_SECONDS
    tolerance = int(os.environ["TOLERANCE_PERCENT"])
    backup, now = boto3.client("backup", config=RETRIES), event["time"]
    if event["detail-type"] == "Scheduled Event":
        jobs = list(_waiting(backup, now))
        logger.info("%d restores wait for a verdict", len(jobs))
    elif event["detail"].get("validationStatus") in JUDGED:
        return  # AWS Backup reports a verdict, perhaps the one given here.
    else:
        jobs = [TestedRestore.read(event["detail"], now)]
    failed = []
    for job in jobs:
        try:
            if verdict := _judge(job, _moment(now), tolerance, deadline):
                _put(backup, job, verdict, context.aws_request_id)
        except Exception as error:
            logger.exception("The verdict on %s could not be put", job.id)
            failed.append(error)
    if failed:
        raise failed[0]


def _waiting(backup: BackupClient, now: str) -> Iterator[TestedRestore]:
    """The plans' restores that are complete and have no verdict yet."""
    pages = backup.get_paginator("list_restore_jobs")
    for plan_arn in os.environ["RESTORE_TESTING_PLAN_ARNS"].split(","):
        for page in pages.paginate(
            ByRestoreTestingPlanArn=plan_arn,
            ByStatus="COMPLETED",
            ByCreatedAfter=_moment(now) - LOOK_BACK,
        ):
            for job in page["RestoreJobs"]:
                if job.get("ValidationStatus") not in JUDGED:
                    yield TestedRestore.read(job, now)


def _judge(job: TestedRestore, now: datetime, tolerance: int, deadline: float) -> Validation | None:
    """The verdict on one restore; None while it is too early."""
    try:
        verdict = Validation("SUCCESSFUL", _compare(job, now, tolerance, deadline))
    except NotYet as reason:
        logger.info("%s of %s: not yet: %s", job.id, job.resource_type, reason)
        return None
    except Differs as difference:
        verdict = Validation("FAILED", f"{difference} What to do: docs/restore-testing.md.")
    except Exception as error:
        logger.exception("%s could not be judged", job.id)
        verdict = Validation("FAILED", f"{_explain(error)} What to do: docs/restore-testing.md.")
    logger.info("%s of %s: %s: %s", job.id, job.resource_type, *verdict)
    return verdict


def _put(backup: BackupClient, job: TestedRestore, verdict: Validation, run: str) -> None:
    """Put a verdict, unless there is one. A failure of this run is also sent as an event.

    :param run: what Lambda calls this run.

    Raises what botocore raises when there is no verdict afterwards, and RuntimeError when a
    failure could not be announced.
    """
    message = verdict.message[:MAX_MESSAGE]
    # It identifies our verdict when the answer was lost, or Lambda tries again.
    signature = f" (request {run})"
    try:
        backup.put_restore_validation_result(
            RestoreJobId=job.id,
            ValidationStatus=verdict.status,
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
        if not there.get("ValidationStatusMessage", "").endswith(signature):
            return
    if verdict.status == "FAILED":
        _announce(job, message)


def _compare(job: TestedRestore, now: datetime, tolerance: int, deadline: float) -> str:
    """The evidence that the restored resource matches the live one. Raises Differs, or NotYet."""
    restored = job.restored_arn.rpartition("/")[2]
    if not restored:
        raise Differs("AWS Backup does not say what it restored.")
    if job.resource_type == names.DYNAMODB:
        return compare_tables(restored, os.environ["TABLE"], tolerance, deadline)
    if job.resource_type == names.EFS:
        live = os.environ["FILE_SYSTEM_ID"]
        return compare_file_systems(restored, live, tolerance, job.completed, now)
    raise Differs(f"A restored {job.resource_type} cannot be judged.")


def _explain(error: Exception) -> str:
    """The message when nothing could be compared."""
    if isinstance(error, ClientError) and "AccessDenied" in error.response["Error"]["Code"]:
        return (
            f"It could not be judged, because AWS denied access: {error} Deploy the stack again; "
            "if that does not help, look for a service control policy or a key policy that denies "
            "it."
        )
    return f"It could not be judged: {type(error).__name__}: {error}"


def _announce(job: TestedRestore, message: str) -> None:
    """An event that `functions.notify` reports.

    Raises RuntimeError when EventBridge does not take it: Lambda tries again then, finds
    the verdict there, and gets here again.
    """
    detail = {
        "resourceArn": job.live_arn,
        "resourceType": job.resource_type,
        "restoreJobId": job.id,
        "verdict": "FAILED",
        "message": message,
    }
    answer = boto3.client("events", config=RETRIES).put_events(
        Entries=[
            {
                "Source": names.EVENT_SOURCE,
                "DetailType": names.RESTORE_TEST_EVENT,
                "Detail": json.dumps(detail),
            }
        ]
    )
    if answer["FailedEntryCount"]:
        raise RuntimeError(f"EventBridge did not take the event: {answer['Entries'][0]}")


def _moment(text: str) -> datetime:
    """An aware moment from ISO 8601."""
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
