"""The verdict on one restore: how it is put, and who is notified."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
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

RETRIES = Config(
    retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=5, read_timeout=10
)
"""A throttled, failed or lost call is tried 6 times."""

logger = logging.getLogger(__name__)


class Differs(Exception):
    """What was restored is not what there is; the message says how and what to do."""


class NotYet(Exception):
    """What was restored cannot be judged before some time has passed."""


@dataclass(frozen=True)
class Job:
    """One restore by the testing plan."""

    id: str
    resource_type: str
    live_arn: str
    restored_arn: str
    completed: datetime

    @classmethod
    def read(cls, said: Mapping[str, Any], time: str) -> Job:
        """
        :param said: of an event or of ListRestoreJobs, which begins the same names with capitals.
        :param time: when the restore was complete at the latest, as ISO 8601.
        """
        found = {f"{name[0].lower()}{name[1:]}": value for name, value in said.items()}
        return cls(
            id=found["restoreJobId"],
            resource_type=found.get("resourceType", "unknown"),
            live_arn=found.get("sourceResourceArn", ""),
            restored_arn=found.get("createdResourceArn", ""),
            completed=moment(str(found.get("completionDate", time))),
        )

    def put_verdict(self, verdict: str, message: str, run: str) -> None:
        """Put it; one that was there first stays. A failure of this run is announced.

        :param run: what Lambda calls this run; the same when it tries again.

        Raises what botocore raises when there is no verdict afterwards.
        """
        # By this a verdict is known as ours when the answer got lost, or Lambda tries again.
        signature = f" (request {run})"
        try:
            client("backup").put_restore_validation_result(
                RestoreJobId=self.id,
                ValidationStatus=verdict,
                ValidationStatusMessage=message + signature,
            )
        except (ClientError, BotoCoreError) as refusal:
            try:
                there = client("backup").describe_restore_job(RestoreJobId=self.id)
            except (ClientError, BotoCoreError):
                raise refusal from None
            if there.get("ValidationStatus") not in JUDGED:
                raise
            logger.info("%s has a verdict already: %s", self.id, there["ValidationStatus"])
            if not there.get("ValidationStatusMessage", "").endswith(signature):
                return
        if verdict == FAILED:
            self._announce(message)

    def _announce(self, message: str) -> None:
        """An event that `functions.notify` reports.

        Raises RuntimeError when EventBridge does not take it: Lambda tries again then, finds
        the verdict there, and gets here again.
        """
        detail = {
            "resourceArn": self.live_arn,
            "resourceType": self.resource_type,
            "restoreJobId": self.id,
            "verdict": FAILED,
            "message": message,
        }
        entry = {
            "Source": names.EVENT_SOURCE,
            "DetailType": names.RESTORE_TEST_EVENT,
            "Detail": json.dumps(detail),
        }
        answer = client("events").put_events(Entries=[entry])
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
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def apart(found: int, expected: int, tolerance: int, *, spare: int = 0) -> bool:
    """Whether two numbers differ by more than `tolerance` percent of the expected one."""
    return abs(found - expected) * 100 > expected * tolerance + spare * 100
