"""Urgent events, reported so that a person can read them: one message per incident.

EventBridge puts events into a queue, and Lambda hands them to `handler` in batches of about
a minute. Events that belong together become one message on the topic: the failed jobs of a
night; what one principal changed, with the count and the time span.

A change is reported once, with the principal where a trail says it. AWS Backup's own event
about it, which does not, waits in the queue for the API call of CloudTrail, which arrives
minutes later. What is repeated soon after its report waits as well, and is counted in one
more message. An SSM parameter holds what was reported lately.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup import names
from cabal_backup.functions.notify.message import Event, Occurrence, compose, understand

QUIET = 900.0
"""Seconds after a report in which the same is not reported again, but counted."""

PATIENCE = 300.0
"""Seconds that AWS Backup's own event waits for the API call that says who it was."""

RETRIES = Config(
    retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=3, read_timeout=5
)

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)


@dataclass(frozen=True)
class Received:
    """A message of the queue, and what it says."""

    id: str
    receipt: str
    sent: float
    """When EventBridge put it into the queue, in seconds."""
    first: bool
    """Whether it has not waited before."""
    occurrence: Occurrence


def handler(batch: Event, _context: object) -> dict[str, list[dict[str, str]]]:
    """Report the events of one batch; the entry point of the Lambda function.

    Returns the messages that stay in the queue: those that wait, and those that could not be
    reported, which Lambda tries again and, in the end, moves to the dead-letter queue.
    CloudWatch hands over an alarm by itself; what botocore raises then, Lambda tries again.
    """
    if "Records" not in batch:
        occurrence = _words(batch)
        if occurrence:
            _publish([occurrence])
        return {}
    received = [each for each in map(_read, batch["Records"]) if each is not None]
    lately = _reported_lately()
    waiting = _hold(received, lately)
    failed: list[Received] = []
    incidents: dict[str, list[Received]] = {}
    for each in received:
        if each.id not in waiting and not _reported_with_the_call(each, received, lately):
            incidents.setdefault(each.occurrence.incident, []).append(each)
    for members in incidents.values():
        try:
            _publish([each.occurrence for each in members])
        except (BotoCoreError, ClientError):
            logger.exception("%d events could not be reported", len(members))
            failed += members
        else:
            for each in members:
                for key in _keys(each.occurrence):
                    lately[key] = max(each.sent, lately.get(key, 0.0))
    if lately and incidents:
        _remember(lately)
    left = [*waiting, *(each.id for each in failed)]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in left]}


def _read(record: Event) -> Received | None:
    attributes = record["attributes"]
    try:
        event = json.loads(record["body"])
    except ValueError:
        event = {"detail-type": "not JSON", "body": record["body"]}
    occurrence = _words(event)
    if occurrence is None:
        return None
    return Received(
        id=record["messageId"],
        receipt=record["receiptHandle"],
        sent=int(attributes["SentTimestamp"]) / 1000,
        first=attributes["ApproximateReceiveCount"] == "1",
        occurrence=occurrence,
    )


def _words(event: Event) -> Occurrence | None:
    try:
        return understand(event, _plan_uses_our_vaults)
    except Exception:
        logger.exception("There are no words for an event")
        return understand({"detail-type": "without words", "event": event}, lambda *_: True)


def _keys(occurrence: Occurrence) -> tuple[str, ...]:
    about = (f"about {occurrence.about}",) if occurrence.about else ()
    return (f"{occurrence.incident}: {occurrence.title}"[:200], *about)


def _reported_with_the_call(
    each: Received, batch: Sequence[Received], lately: Mapping[str, float]
) -> bool:
    """Whether an event of AWS Backup itself is about what a call's report says better."""
    about = each.occurrence.about
    if not each.occurrence.by_service or not about:
        return False
    return abs(each.sent - lately.get(f"about {about}", 0.0)) < QUIET or any(
        about == other.occurrence.about and not other.occurrence.by_service for other in batch
    )


def _hold(received: Sequence[Received], lately: Mapping[str, float]) -> list[str]:
    """The ids of those that wait, hidden in the queue until then."""
    wait: dict[str, tuple[str, float]] = {}
    for each in received:
        if not each.first or each.occurrence.incident.startswith("test "):
            continue
        if each.occurrence.by_service:
            if each.occurrence.about and not _reported_with_the_call(each, received, lately):
                wait[each.id] = (each.receipt, PATIENCE)
            continue
        if each.occurrence.incident == "jobs":
            continue
        since = each.sent - lately.get(_keys(each.occurrence)[0], 0.0)
        if 0 <= since < QUIET:
            wait[each.id] = (each.receipt, QUIET - since)
    entries = [
        {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": int(seconds) + 1}
        for number, (receipt, seconds) in enumerate(wait.values())
    ]
    for start in range(0, len(entries), 10):
        _client("sqs").change_message_visibility_batch(
            QueueUrl=os.environ["QUEUE_URL"], Entries=entries[start : start + 10]
        )
    return list(wait)


def _publish(occurrences: Sequence[Occurrence]) -> None:
    notice = compose(occurrences)
    _client("sns").publish(
        TopicArn=os.environ["TOPIC_ARN"], Subject=notice.subject, Message=notice.body
    )
    logger.info("Reported %d events: %s", len(occurrences), notice.subject)


def _reported_lately() -> dict[str, float]:
    try:
        answer = _client("ssm").get_parameter(Name=names.INCIDENTS)
        return dict(json.loads(answer["Parameter"]["Value"]))
    except (BotoCoreError, ClientError, ValueError):
        # The worst that can happen without it is a message more.
        logger.exception("What was reported lately is not known")
        return {}


def _remember(lately: Mapping[str, float]) -> None:
    """The newest reports; a standard parameter holds 4,096 characters."""
    kept = dict(sorted(lately.items(), key=lambda item: item[1], reverse=True)[:15])
    newest = max(kept.values())
    kept = {key: sent for key, sent in kept.items() if newest - sent < 2 * QUIET}
    try:
        _client("ssm").put_parameter(
            Name=names.INCIDENTS, Value=json.dumps(kept), Type="String", Overwrite=True
        )
    except (BotoCoreError, ClientError):
        logger.exception("What was reported could not be remembered")


def _plan_uses_our_vaults(plan_id: str, version_id: str) -> bool:
    """Whether a backup plan writes into our vaults; also when it cannot be looked at."""
    if plan_id == os.environ.get("PLAN_ID"):
        return True
    version = {"VersionId": version_id} if version_id else {}
    try:
        plan = _client("backup").get_backup_plan(BackupPlanId=plan_id, **version)["BackupPlan"]
    except (BotoCoreError, ClientError):
        logger.exception("The backup plan %s could not be looked at", plan_id)
        return True
    vaults = (names.VAULT, names.DR_VAULT, names.AIR_GAPPED_VAULT)
    return any(
        rule["TargetBackupVaultName"] in vaults
        or any(
            copy["DestinationBackupVaultArn"].rpartition(":")[2] in vaults
            for copy in rule.get("CopyActions", ())
        )
        for rule in plan["Rules"]
    )


@cache
def _client(service: str) -> Any:
    make: Callable[..., Any] = boto3.client
    return make(service, config=RETRIES)
