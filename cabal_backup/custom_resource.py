"""What the functions behind CloudFormation custom resources share.

A custom resource answers exactly once, to the response URL of the event. The event itself is
never logged: who knows that URL can answer in place of the function.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
"""

from __future__ import annotations

import json
import logging
import time
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import NotRequired, TypedDict, TypeVar

from botocore.config import Config
from botocore.exceptions import ClientError

T = TypeVar("T")


class Event(TypedDict):
    """A request of CloudFormation."""

    RequestType: str
    ResponseURL: str
    StackId: str
    RequestId: str
    LogicalResourceId: str
    PhysicalResourceId: NotRequired[str]
    ResourceProperties: Mapping[str, str]
    OldResourceProperties: NotRequired[Mapping[str, str]]


ANSWER_ATTEMPTS = 4

MAX_REASON = 2000
"""Bytes as JSON. CloudFormation takes 4096 for the whole answer."""

RETRIES = Config(
    retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=5, read_timeout=10
)
"""A throttled, failed or lost call is tried 6 times within 91 s (6 timeouts of 10 s and
pauses of at most 1, 2, 4, 8 and 16 s)."""

IAM_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0)
"""Seconds between calls that IAM refuses, 90 s in all.

IAM is eventually consistent: a policy or role that CloudFormation has just created can be
refused for up to a minute or so, and botocore does not retry that.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
https://github.com/aws/aws-cdk/issues/31429
"""


logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)


def is_denied(error: ClientError) -> bool:
    """Whether IAM refused the call (AccessDenied, AccessDeniedException)."""
    return "AccessDenied" in error.response["Error"]["Code"]


class IamRetries:
    """Repeats calls that fail because IAM does not show a new role or policy yet.

    All calls together wait 90 s at most (`IAM_PAUSES`). Then the last ClientError is raised.
    """

    def __init__(self, retryable: Callable[[ClientError], bool] = is_denied) -> None:
        self._retryable = retryable
        self._pauses = iter(IAM_PAUSES)

    def __call__(self, call: Callable[..., T], **parameters: object) -> T:
        while True:
            try:
                return call(**parameters)
            except ClientError as error:
                pause = next(self._pauses, None) if self._retryable(error) else None
                if pause is None:
                    raise
            time.sleep(pause)


def respond(
    event: Event,
    physical_id: str,
    work: Callable[[], Mapping[str, str]],
    explain: Callable[[Exception], str],
) -> None:
    """Do the work of one request and report the result to CloudFormation.

    :param physical_id: the id of a resource that has none yet. A changed id would make
        CloudFormation delete the old resource.
    :param work: returns the attributes of the resource.
    :param explain: what a person reads in the stack's events about an exception.

    Raises OSError or HTTPException when the answer cannot be delivered; Lambda then runs the
    function again.
    """
    request = event["RequestType"]
    logger.info("%s of %s", request, event["LogicalResourceId"])
    data: Mapping[str, str] = {}
    status, reason = "SUCCESS", ""
    try:
        data = work()
        logger.info("%s done: %s", request, data)
    except Exception as error:
        # Whatever it was, an unanswered request would hold the stack until its timeout.
        logger.exception("%s failed", request)
        status, reason = "FAILED", bounded(explain(error))
    _answer(
        event["ResponseURL"],
        {
            "Status": status,
            "Reason": reason,
            "PhysicalResourceId": event.get("PhysicalResourceId", physical_id),
            "StackId": event["StackId"],
            "RequestId": event["RequestId"],
            "LogicalResourceId": event["LogicalResourceId"],
            "Data": data,
        },
    )


def _answer(url: str, content: Mapping[str, object]) -> None:
    # The URL is signed for an empty content type.
    request = urllib.request.Request(
        url, data=json.dumps(content).encode(), method="PUT", headers={"Content-Type": ""}
    )
    for attempt in range(ANSWER_ATTEMPTS):
        try:
            urllib.request.urlopen(request, timeout=10).close()
            return
        except (OSError, HTTPException):
            if attempt == ANSWER_ATTEMPTS - 1:
                raise
            time.sleep(2**attempt)


def bounded(reason: str) -> str:
    """As much of the beginning of `reason` as MAX_REASON allows."""
    kept = reason[:MAX_REASON]
    # One character takes up to 12 bytes: JSON escapes what is not printable ASCII.
    while len(json.dumps(kept)) > MAX_REASON:
        kept = kept[:-1]
    return kept
