"""Lambda functions that read SQS queues, in batches and in the local AWS's time.

MiniStack gives a function at most ten messages at once and has no batching window. This
follows the Lambda Developer Guide ("Using Lambda with Amazon SQS", "Handling errors for an
SQS event source"): a batch is complete when the window has passed since its first message
or it is full; the function's role must be allowed to read the queue; what the function
reports as failed, or fails on, stays in the queue for its visibility timeout and ends in the
dead-letter queue. One batch of a mapping runs at a time.
"""

from __future__ import annotations

import contextvars
import logging
from typing import Any

from local_aws.backup.world import Scope
from local_aws.ministack import internals
from local_aws.ministack.delivery import Delivery
from local_aws.ministack.roles import MiniStackRoles
from local_aws.ministack.sandbox_time import SandboxTime
from local_aws.ministack.scope import acting_in, current

_log = logging.getLogger("sandbox.event_sources")

_ACTIONS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


class EventSources:
    """Reads the queues of all event source mappings in place of MiniStack's own poller."""

    def __init__(self, time: SandboxTime, delivery: Delivery) -> None:
        self._time = time
        self._delivery = delivery
        self._running: set[str] = set()

    def install(self) -> None:
        internals.lambda_service._poll_sqs = lambda: False

    def poll(self) -> bool:
        """Start all batches that are due; returns whether there was one."""
        found = False
        for account, region, mapping in internals.lambda_service._iter_all_esms():
            if ":sqs:" not in mapping.get("EventSourceArn", "") or not mapping.get("Enabled", True):
                continue
            with acting_in(Scope(account, region)):
                found |= self._poll(mapping)
        return found

    def _poll(self, mapping: dict[str, Any]) -> bool:
        arn, identity = mapping["EventSourceArn"], mapping["UUID"]
        queue = internals.sqs._queue_by_arn(arn)
        record, configuration = internals.lambda_service._get_func_record_for_qualifier(
            mapping["FunctionName"], mapping.get("Qualifier")
        )
        if queue is None or record is None or identity in self._running:
            return False
        batch = self._take(mapping, queue)
        if not batch:
            return False
        for action in _ACTIONS:
            if reason := MiniStackRoles().denial(current(), configuration["Role"], action, arn):
                _log.warning("%s is not read: %s", arn, reason)
                return False
        url = internals.sqs._queue_url(arn.rpartition(":")[2])
        event = {"Records": [_record(message, arn) for message in batch]}
        context = contextvars.copy_context()
        self._running.add(identity)

        def run() -> None:
            try:
                context.run(
                    internals.lambda_service._run_sqs_batch,
                    mapping,
                    record,
                    event,
                    batch,
                    url,
                    arn.rpartition(":")[2],
                )
            finally:
                self._running.discard(identity)

        self._delivery.run_function(run)
        return True

    def _take(self, mapping: dict[str, Any], queue: dict[str, Any]) -> list[dict[str, Any]]:
        """The messages of a batch that is due; they are not visible from now on."""
        sqs, now = internals.sqs, self._time.time()
        size = int(mapping.get("BatchSize") or 10)
        window = int(mapping.get("MaximumBatchingWindowInSeconds") or 0)
        with sqs._queues_lock:
            sqs._expire_retained(queue)
            sqs._dlq_sweep(queue)
            waiting = [
                each["visible_at"] for each in queue["messages"] if each["visible_at"] <= now
            ]
            if not waiting or (len(waiting) < size and now - min(waiting) < window):
                return []
            hidden = int(queue["attributes"].get("VisibilityTimeout", "30"))
            taken: list[dict[str, Any]] = sqs._collect_msgs(queue, size, hidden)
            return taken


def _record(message: dict[str, Any], arn: str) -> dict[str, Any]:
    """A message in the form that a function receives."""
    first = message.get("first_receive_at") or message["sent_at"]
    return {
        "messageId": message["id"],
        "receiptHandle": message["receipt_handle"],
        "body": message["body"],
        "attributes": {
            "ApproximateReceiveCount": str(message.get("receive_count", 1)),
            "SentTimestamp": str(int(message["sent_at"] * 1000)),
            "SenderId": current().account,
            "ApproximateFirstReceiveTimestamp": str(int(first * 1000)),
        },
        "messageAttributes": {},
        "md5OfBody": message.get("md5_body", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": current().region,
    }
