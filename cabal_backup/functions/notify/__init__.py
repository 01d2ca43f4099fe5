"""Urgent events, reported so that a person can read them: one message per incident.

EventBridge puts events into a queue, and Lambda hands them to `handler` in batches of about
a minute. docs/alerts.md says which of them become one message. AWS Backup's own event about a
change waits in the queue for the API call of CloudTrail, which arrives minutes later and names
the principal. An SSM parameter holds what was reported lately.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypedDict

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup import names
from cabal_backup.functions.notify.incident import VAULTS, Occurrence, compose, understand

if TYPE_CHECKING:
    from types_boto3_backup import BackupClient
    from types_boto3_backup.type_defs import GetBackupPlanInputTypeDef
    from types_boto3_sns import SNSClient
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef
    from types_boto3_ssm import SSMClient

QUIET = 900.0
"""Seconds after a report in which the same event is only counted."""

CALL_TIMEOUT = 300.0
"""Seconds that AWS Backup's own event waits for the API call, which names the principal."""

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

    @property
    def title(self) -> str:
        """The key under which a report of the same event is remembered."""
        return f"{self.occurrence.incident}: {self.occurrence.title}"[:200]

    @property
    def about(self) -> str:
        """The key under which a report of the same change is remembered; "" for no change."""
        return self.occurrence.about and f"about {self.occurrence.about}"


class Record(TypedDict):
    """A message of the queue, as Lambda hands it over."""

    messageId: str
    receiptHandle: str
    body: str
    attributes: Mapping[str, str]


def handler(
    batch: Mapping[str, Sequence[Record]], _context: object
) -> dict[str, list[dict[str, str]]]:
    """Report the events of one batch; the entry point of the Lambda function.

    :param batch: the messages as "Records", or an alarm, which CloudWatch hands over by itself.

    Returns the messages that stay in the queue: those that wait, and those that could not be
    reported, which Lambda tries again and, in the end, moves to the dead-letter queue.

    Raises what botocore raises about an alarm: Lambda tries again, and then sends it to the queue.
    """
    if "Records" not in batch:
        if occurrence := _words(batch):
            _publish([occurrence])
        return {}
    received = [each for each in map(_read, batch["Records"]) if each is not None]
    lately = _reported_lately()
    waits = {each.id: wait for each in received if (wait := _wait(each, received, lately))}
    _hide({each.receipt: waits[each.id] for each in received if each.id in waits})
    left = list(waits)
    incidents: dict[str, list[Received]] = {}
    for each in received:
        if each.id not in waits and not _reported_with_the_call(each, received, lately):
            incidents.setdefault(each.occurrence.incident, []).append(each)
    for members in incidents.values():
        try:
            _publish([each.occurrence for each in members])
        except (BotoCoreError, ClientError):
            logger.exception("%d events could not be reported", len(members))
            left += [each.id for each in members]
            continue
        for each in members:
            # The event of AWS Backup itself, which says less, stands for no other change.
            about = "" if each.occurrence.by_service else each.about
            for key in filter(None, (each.title, about)):
                lately[key] = max(each.sent, lately.get(key, 0.0))
    if lately and incidents:
        _remember(lately)
    return {"batchItemFailures": [{"itemIdentifier": each} for each in left]}


def _read(record: Record) -> Received | None:
    try:
        event = json.loads(record["body"])
    except (ValueError, RecursionError):
        event = {"detail-type": "not JSON", "body": record["body"]}
    if (occurrence := _words(event)) is None:
        return None
    attributes = record["attributes"]
    return Received(
        id=record["messageId"],
        receipt=record["receiptHandle"],
        sent=int(attributes["SentTimestamp"]) / 1000,
        first=attributes["ApproximateReceiveCount"] == "1",
        occurrence=occurrence,
    )


def _words(event: object) -> Occurrence | None:
    try:
        return understand(event, _plan_uses_our_vaults)
    except Exception:
        logger.exception("An event could not be described")
        return understand({"detail-type": "without words", "event": event}, lambda *_: True)


def _reported_with_the_call(
    each: Received, batch: Sequence[Received], lately: Mapping[str, float]
) -> bool:
    """Whether the report of an API call makes an event of AWS Backup itself redundant."""
    if not each.occurrence.by_service or not each.about:
        return False
    return abs(each.sent - lately.get(each.about, 0.0)) < QUIET or any(
        each.about == other.about and not other.occurrence.by_service for other in batch
    )


def _wait(each: Received, batch: Sequence[Received], lately: Mapping[str, float]) -> float:
    """How long a message waits before it is reported, in seconds."""
    incident = each.occurrence.incident
    if not each.first or incident == "jobs" or incident.startswith("test "):
        return 0
    since = each.sent - lately.get(each.title, 0.0)
    wait = QUIET - since if 0 <= since < QUIET else 0
    if each.occurrence.by_service:
        waits = each.about and not _reported_with_the_call(each, batch, lately)
        return max(CALL_TIMEOUT, wait) if waits else 0
    return wait


def _hide(waits: Mapping[str, float]) -> None:
    """Leave messages in the queue, by their receipts, for these seconds."""
    entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
        {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": int(seconds) + 1}
        for number, (receipt, seconds) in enumerate(waits.items())
    ]
    for start in range(0, len(entries), 10):
        _sqs().change_message_visibility_batch(
            QueueUrl=os.environ["QUEUE_URL"], Entries=entries[start : start + 10]
        )


def _publish(occurrences: Sequence[Occurrence]) -> None:
    notice = compose(occurrences)
    _sns().publish(TopicArn=os.environ["TOPIC_ARN"], Subject=notice.subject, Message=notice.body)
    logger.info("Reported %d events: %s", len(occurrences), notice.subject)


def _reported_lately() -> dict[str, float]:
    try:
        answer = _ssm().get_parameter(Name=names.INCIDENTS)
        lately = json.loads(answer["Parameter"]["Value"])
        return {key: float(sent) for key, sent in lately.items()}
    except (BotoCoreError, ClientError, ValueError, TypeError, AttributeError, OverflowError):
        # Without it, an event is at worst reported twice.
        logger.exception("The recent reports could not be read")
        return {}


def _remember(lately: Mapping[str, float]) -> None:
    """The newest reports; a standard parameter holds 4,096 characters."""
    newest = sorted(lately.items(), key=lambda item: item[1], reverse=True)[:15]
    kept = {key: sent for key, sent in newest if newest[0][1] - sent < 2 * QUIET}
    while len(value := json.dumps(kept)) > 4096:
        kept.popitem()
    try:
        _ssm().put_parameter(Name=names.INCIDENTS, Value=value, Type="String", Overwrite=True)
    except (BotoCoreError, ClientError):
        logger.exception("The recent reports could not be recorded")


def _plan_uses_our_vaults(plan_id: str, version_id: str) -> bool:
    """Whether a backup plan writes into our vaults; also when it cannot be looked at."""
    if plan_id == os.environ.get("PLAN_ID"):
        return True
    try:
        asked: GetBackupPlanInputTypeDef = {"BackupPlanId": plan_id}
        if version_id:
            asked["VersionId"] = version_id
        plan = _backup().get_backup_plan(**asked)["BackupPlan"]
    except (BotoCoreError, ClientError):
        logger.exception("The backup plan %s could not be looked at", plan_id)
        return True
    copies = [copy for rule in plan["Rules"] for copy in rule.get("CopyActions", ())]
    targets = {rule["TargetBackupVaultName"] for rule in plan["Rules"]}
    targets |= {copy["DestinationBackupVaultArn"].rpartition(":")[2] for copy in copies}
    return not targets.isdisjoint(VAULTS)


@cache
def _sqs() -> SQSClient:
    return boto3.client("sqs", config=RETRIES)


@cache
def _sns() -> SNSClient:
    return boto3.client("sns", config=RETRIES)


@cache
def _ssm() -> SSMClient:
    return boto3.client("ssm", config=RETRIES)


@cache
def _backup() -> BackupClient:
    return boto3.client("backup", config=RETRIES)
