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

import logging
import os
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from cabal_backup import names
from cabal_backup.functions.validate_restore.file_systems import compare_file_systems
from cabal_backup.functions.validate_restore.tables import compare_tables
from cabal_backup.functions.validate_restore.verdict import (
    FAILED,
    JUDGED,
    SUCCESSFUL,
    Differs,
    Job,
    NotYet,
    client,
    moment,
)

LOOK_BACK = timedelta(days=8)
"""How far back a restore may have been made that still waits: for 7 days at most."""

SPARE_SECONDS = 60.0
"""What is kept of Lambda's time to put the verdict, whose calls are tried for 20 s or more."""

MAX_MESSAGE = 1000
"""Characters of a message, before it is signed."""

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)


def handler(event: Mapping[str, Any], context: Any) -> None:
    """Judge one restore, or all that wait; the entry point of the Lambda function.

    Raises what botocore raises when restores cannot be listed or a verdict cannot be put.
    """
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - SPARE_SECONDS
    tolerance = int(os.environ["TOLERANCE_PERCENT"])
    if event["detail-type"] == "Scheduled Event":
        jobs = list(_waiting(event["time"]))
        logger.info("%d restores wait for a verdict", len(jobs))
    elif event["detail"].get("validationStatus") in JUDGED:
        return  # AWS Backup reports a verdict, perhaps the one given here.
    else:
        jobs = [Job.read(event["detail"], event["time"])]
    failed = []
    for job in jobs:
        try:
            verdict, message = _judge(job, event["time"], tolerance, deadline)
            if verdict:
                job.put_verdict(verdict, message[:MAX_MESSAGE], context.aws_request_id)
        except Exception as error:
            logger.exception("The verdict on %s could not be put", job.id)
            failed.append(error)
    if failed:
        raise failed[0]


def _waiting(now: str) -> Iterator[Job]:
    """The plans' restores that are complete and have no verdict yet."""
    pages = client("backup").get_paginator("list_restore_jobs")
    for plan_arn in os.environ["RESTORE_TESTING_PLAN_ARNS"].split(","):
        for page in pages.paginate(
            ByRestoreTestingPlanArn=plan_arn,
            ByStatus="COMPLETED",
            ByCreatedAfter=moment(now) - LOOK_BACK,
        ):
            for job in page["RestoreJobs"]:
                if job.get("ValidationStatus") not in JUDGED:
                    yield Job.read(job, now)


def _judge(job: Job, now: str, tolerance: int, deadline: float) -> tuple[str, str]:
    """The verdict on one restore, "" while it is too early, and the reason."""
    verdict = FAILED
    try:
        message = _compare(job, now, tolerance, deadline)
        verdict = SUCCESSFUL
    except NotYet as reason:
        verdict, message = "", str(reason)
    except Differs as difference:
        message = f"{difference} What to do: docs/restore-testing.md."
    except Exception as error:
        logger.exception("%s could not be judged", job.id)
        message = f"{_explain(error)} What to do: docs/restore-testing.md."
    logger.info("%s of %s: %s: %s", job.id, job.resource_type, verdict or "not yet", message)
    return verdict, message


def _compare(job: Job, now: str, tolerance: int, deadline: float) -> str:
    """What shows that the restored is as good as the live; Differs, or NotYet, when it is not."""
    restored = job.restored_arn.rpartition("/")[2]
    if not restored:
        raise Differs("AWS Backup does not say what it restored.")
    if job.resource_type == names.DYNAMODB:
        return compare_tables(restored, os.environ["TABLE"], tolerance, deadline)
    if job.resource_type == names.EFS:
        live = os.environ["FILE_SYSTEM_ID"]
        return compare_file_systems(restored, live, tolerance, job.completed, moment(now))
    raise Differs(f"There is no way here to judge a restored {job.resource_type}.")


def _explain(error: Exception) -> str:
    """What a person reads when nothing could be compared."""
    if isinstance(error, ClientError) and "AccessDenied" in error.response["Error"]["Code"]:
        return (
            f"It could not be judged, because AWS refused to let it be looked at: {error} "
            "Deploy the stack again; if that does not help, look for a service control policy or "
            "a key policy that forbids it."
        )
    return f"It could not be judged: {type(error).__name__}: {error}"
