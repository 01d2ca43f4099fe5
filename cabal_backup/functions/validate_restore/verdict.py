"""The verdict: what it compares, how it is put, and who is notified."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup import names

SUCCESSFUL, FAILED = "SUCCESSFUL", "FAILED"
JUDGED = (SUCCESSFUL, FAILED, "TIMED_OUT")

MAX_MESSAGE = 1000
"""Characters of a message, before it is signed."""

ADVICE = "What to do: docs/restore-testing.md."

RETRIES = Config(
    retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=5, read_timeout=10
)
"""A throttled, failed or lost call is tried 6 times."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What there is to compare with, from the function's environment variables."""

    plan_arns: tuple[str, ...]
    table: str
    file_system_id: str
    tolerance: int
    """How far the restored may be from the live, in percent."""

    @classmethod
    def read(cls) -> Settings:
        """From the environment variables of the function."""
        return cls(
            plan_arns=tuple(os.environ["RESTORE_TESTING_PLAN_ARNS"].split(",")),
            table=os.environ["TABLE"],
            file_system_id=os.environ["FILE_SYSTEM_ID"],
            tolerance=int(os.environ["TOLERANCE_PERCENT"]),
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


def announce_failure(job: Job, message: str) -> None:
    """An event that `functions.notify` reports.

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
                "Source": names.EVENT_SOURCE,
                "DetailType": names.RESTORE_TEST_EVENT,
                "Detail": json.dumps(detail),
            }
        ]
    )
    if answer["FailedEntryCount"]:
        raise RuntimeError(f"EventBridge did not take the event: {answer['Entries'][0]}")


@cache
def client(service: str, *, live: bool = False) -> Any:
    """
    :param live: in the region of the live resources, which a restored copy is not in.
    """
    region = os.environ["LIVE_REGION" if live else "AWS_REGION"]
    make: Callable[..., Any] = boto3.client
    return make(service, region_name=region, config=RETRIES)


def moment(text: str) -> datetime:
    """An aware moment from ISO 8601."""
    parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def apart(found: int, expected: int, tolerance: int, *, spare: int = 0) -> bool:
    """Whether two numbers differ by more than `tolerance` percent of the expected one."""
    return abs(found - expected) * 100 > expected * tolerance + spare * 100


def explain(error: Exception) -> str:
    """What a person reads when nothing could be compared."""
    if isinstance(error, ClientError) and "AccessDenied" in error.response["Error"]["Code"]:
        return (
            f"It could not be judged, because AWS refused to let it be looked at: {error} "
            "Deploy the stack again; if that does not help, look for a service control policy or "
            "a key policy that forbids it."
        )
    return f"It could not be judged: {type(error).__name__}: {error}"
