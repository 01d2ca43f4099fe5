"""The watch: judges every day whether the environment is protected, and reports it.

It runs the checks of `cabal-backup status`, except those that need files of the checkout.
docs/watch.md says what follows from the verdict, in either region. An SSM parameter in each
region records when the watch ran, and since when what has not been ok.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup import names
from cabal_backup.config.environment import load
from cabal_backup.functions.watch.heartbeat import call_heartbeat
from cabal_backup.functions.watch.watch_message import WatchRun
from cabal_backup.operations.aws.client import Aws, connect
from cabal_backup.operations.aws.client import reason as why
from cabal_backup.operations.aws.clock import aws_time
from cabal_backup.operations.aws.results import Unknown
from cabal_backup.operations.report.page import page
from cabal_backup.operations.report.summary import Report
from cabal_backup.operations.status.calendar import read_calendar
from cabal_backup.operations.status.checks import CHECKS, run_checks
from cabal_backup.operations.status.checks.outcome import warn
from cabal_backup.operations.status.findings import NOT_OK, Finding, Verdict
from cabal_backup.operations.status.read_alerts import read_record
from cabal_backup.operations.status.read_state import read_state
from cabal_backup.operations.status.state import State

SKIPPED = ("drill",)
"""Checks that need files of the checkout."""

NO_DRILLS = Unknown("The watch cannot read the reports of drills, which are files of the project.")

STANDS_IN = timedelta(hours=25)
"""How long the watch in the primary region must have been silent for the other to report."""

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)


def handler(_event: object, _context: object) -> dict[str, object]:
    """Look, report, record; the entry point of the Lambda function.

    Returns the verdict and what was done about it, as `cabal-backup watch run` shows it.

    Raises what keeps it from judging or reporting. Lambda tries twice more then, and the alarm
    on the function's errors reports it.
    """
    region = os.environ["AWS_REGION"]
    aws = connect(load(os.environ["ENVIRONMENT"]))
    before, read = _before(aws, region)
    # AWS's time, so that the ages in one report agree with each other.
    now = read or datetime.now(UTC)
    state = read_state(aws, now, drills=NO_DRILLS)
    verdict = run_checks(state, [check for check in CHECKS if check not in SKIPPED])
    is_primary = region == aws.environment.region
    reports = is_primary or _primary_is_silent(aws, now)
    if reports and (failure := _write_report(aws, region, state, verdict)):
        verdict = Verdict((*verdict.findings, failure))
    not_ok = [finding.check for finding in verdict.findings if finding.status in NOT_OK]
    run = WatchRun(
        environment=aws.environment.name,
        now=now,
        verdict=verdict,
        since={check: before.get(check, now) for check in not_ok},
        before=before,
        skipped=SKIPPED,
    )
    message = run.message() if reports else None
    if message:
        aws.client("sns", region).publish(
            TopicArn=os.environ["TOPIC_ARN"], Subject=message.subject, Message=message.body
        )
    subject = message.subject if message else None
    _remember(aws, region, run)
    called = is_primary and not run.since and call_heartbeat(aws)
    logger.info("%s; message: %s; heartbeat: %s", verdict.status, subject, called)
    return {**run.as_json(), "region": region, "message": subject, "heartbeat": called}


def _before(aws: Aws, region: str) -> tuple[Mapping[str, datetime], datetime | None]:
    """Since when each check has not been ok, as of the run before, and AWS's time.

    A missing record is created after the check `watch` has reported it.
    """
    try:
        record = read_record(aws, region)
    except ClientError as error:
        if error.response["Error"].get("Code") != "ParameterNotFound":
            raise
        return {}, aws_time(error.response)
    return record.since, record.read


def _primary_is_silent(aws: Aws, now: datetime) -> bool:
    """Also when its record cannot be read, for instance because the region is down."""
    try:
        record = read_record(aws, aws.environment.region)
    except (BotoCoreError, ClientError):
        logger.exception("The record of the watch in %s cannot be read", aws.environment.region)
        return True
    return now - (record.ran or record.written) > STANDS_IN


def _write_report(aws: Aws, region: str, state: State, verdict: Verdict) -> Finding | None:
    """Write the page of `cabal-backup report`; the finding if that failed, whatever the reason.

    The bucket must be the account's, so that no one else can take over the name of a deleted one.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
    """
    bucket, key = aws.environment.report_bucket, aws.environment.report_key
    if bucket is None:
        return None
    try:
        nights = read_calendar(aws, state.now).from_first_point()
        aws.client("s3", region).put_object(
            Bucket=bucket,
            Key=key,
            Body=page(Report(state, verdict), nights).encode(),
            ContentType="text/html; charset=utf-8",
            ServerSideEncryption="AES256",
            ExpectedBucketOwner=aws.account,
        )
    except Exception as error:
        # The verdict must be reported in any case.
        logger.exception("The report was not written to %s", bucket)
        cause = why(error) if isinstance(error, BotoCoreError | ClientError) else repr(error)
        return warn(
            f"The report could not be written to s3://{bucket}/{key}: {cause}",
            "docs/watch.md says what the bucket must allow; report_bucket names it. To write the "
            f"report here: cabal-backup report -e {aws.environment.name}",
        ).of("report")
    logger.info("The report is s3://%s/%s", bucket, key)
    return None


def _remember(aws: Aws, region: str, run: WatchRun) -> None:
    content = {
        "ran": run.now.isoformat(timespec="seconds"),
        "since": {check: at.isoformat(timespec="seconds") for check, at in run.since.items()},
    }
    aws.client("ssm", region).put_parameter(
        Name=names.WATCH_RECORD, Value=json.dumps(content), Type="String", Overwrite=True
    )
