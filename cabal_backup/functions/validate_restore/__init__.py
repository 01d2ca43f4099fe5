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
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from cabal_backup import names
from cabal_backup.functions.validate_restore.file_systems import compare_file_systems
from cabal_backup.functions.validate_restore.tables import compare_tables
from cabal_backup.functions.validate_restore.verdict import (
    ADVICE,
    FAILED,
    JUDGED,
    MAX_MESSAGE,
    SUCCESSFUL,
    Differs,
    Job,
    NotYet,
    Settings,
    announce_failure,
    client,
    explain,
    moment,
    put_verdict,
)

LOOK_BACK = timedelta(days=8)
"""How far back a restore may have been made that still waits: for 7 days at most."""

SPARE_SECONDS = 60.0
"""What is kept of Lambda's time to put the verdict, whose calls are tried for 20 s or more."""

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)


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
            return  # AWS Backup reports a verdict, perhaps the one given here.
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
    """The plans' restores that are complete and have no verdict yet."""
    pages = client("backup").get_paginator("list_restore_jobs")
    for page in (
        page
        for plan_arn in settings.plan_arns
        for page in pages.paginate(
            ByRestoreTestingPlanArn=plan_arn,
            ByStatus="COMPLETED",
            ByCreatedAfter=now - LOOK_BACK,
        )
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
    if verdict == FAILED:
        announce_failure(job, message)


def compare(settings: Settings, job: Job, now: datetime, deadline: float) -> str:
    """What shows that the restored is as good as the live; Differs, or NotYet, when it is not."""
    restored = job.restored_arn.rpartition("/")[2]
    if not restored:
        raise Differs("AWS Backup does not say what it restored.")
    if job.resource_type == names.DYNAMODB:
        return compare_tables(restored, settings.table, settings.tolerance, deadline)
    if job.resource_type == names.EFS:
        return compare_file_systems(
            restored, settings.file_system_id, settings.tolerance, moment(job.completed), now
        )
    raise Differs(f"There is no way here to judge a restored {job.resource_type}.")
