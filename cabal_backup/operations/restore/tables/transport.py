"""DynamoDB's own protocol: JSON sent and received as it is, for moving many items.

boto3's client turns each attribute into a Python object and back, several times per
item. A copy has no use for that: here a request is bytes that are signed and sent, and
an answer is bytes. The connection is the client's own, with its endpoint, proxies,
certificates and timeouts; the credentials are the session's and renew themselves.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.aws.responses import RawAnswer

_TARGET = "DynamoDB_20120810."

_RETRYABLE = {
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
}
"""Errors that a retry may not get.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
"""


class Cancelled(Exception):
    """The work was cancelled while this part of it was waiting."""


class CancelToken(threading.Event):
    """Cancels work in all threads as soon as it is set."""

    def check(self) -> None:
        """Raises Cancelled once the work is cancelled."""
        if self.is_set():
            raise Cancelled

    def sleep(self, seconds: float) -> None:
        """Wait; raises Cancelled as soon as the work is cancelled."""
        if self.wait(seconds):
            raise Cancelled


class Rate:
    """Lets through at most so many write units a second; safe to share between threads.

    Up to one second's worth may go at once. What is larger than that goes too, and those
    after it wait the longer.
    """

    def __init__(self, units: float | None, *, now: Callable[[], float] = time.monotonic) -> None:
        """
        :param units: write units a second; None for no limit.
        """
        self._units = units
        self._now = now
        self._lock = threading.Lock()
        self._free_at = now() - 1.0
        """When everything let through so far is paid for, in `now`'s seconds."""

    def take(self, units: float, stop: CancelToken) -> None:
        """Wait until these units may be used; raises Cancelled when cancelled."""
        wait = self.reserve(units)
        if wait > 0:
            stop.sleep(wait)

    def reserve(self, units: float) -> float:
        """Take units, and how many seconds to wait before using them."""
        if self._units is None:
            return 0.0
        with self._lock:
            now = self._now()
            self._free_at = max(self._free_at, now - 1.0) + units / self._units
            return max(0.0, self._free_at - now)


@dataclass(frozen=True)
class RetryPolicy:
    """How often, and after which waits in seconds, a request is sent again.

    Exponential backoff with full jitter. With the values below a call gives up after
    about a minute and a half without any success.
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    tries: int = 40
    first: float = 0.05
    longest: float = 5.0
    rng: random.Random = field(default_factory=random.Random, compare=False)

    def wait(self, failed: int, stop: CancelToken) -> None:
        """Wait after the `failed`-th failure in a row, counted from 1."""
        stop.sleep(self.rng.uniform(0, min(self.longest, self.first * 2 ** min(failed, 20))))


class DynamoDBError(ClientError):
    """DynamoDB refused a request, and no retry helps."""

    def __init__(self, operation: str, code: str, message: str, answer: RawAnswer) -> None:
        super().__init__({"Error": {"Code": code, "Message": message}}, operation)
        self.code = code
        self.answer = answer
        """The whole answer: a failed condition may bring the item along."""


class _Retryable(Exception):
    """The request failed, and may succeed when it is sent again."""

    def __init__(self, reason: Exception) -> None:
        self.reason = reason


class _Endpoint:
    """The endpoint of DynamoDB in one region."""

    def __init__(self, aws: Aws, region: str | None) -> None:
        client = aws.client("dynamodb", region)
        self.url: str = client.meta.endpoint_url
        self.region: str = client.meta.region_name
        # No public way leads to a client's configured connection; one made here would
        # have to repeat how botocore reads proxies, certificates and timeouts.
        self.http = client._endpoint.http_session  # type: ignore[attr-defined]


class Transport:
    """Requests to DynamoDB; safe to share between threads."""

    def __init__(self, aws: Aws, *, retries: RetryPolicy | None = None) -> None:
        self._credentials = aws.credentials
        self._endpoint = cache(lambda region: _Endpoint(aws, region))
        self.retries = retries or RetryPolicy()

    def call(
        self, operation: str, request: bytes, stop: CancelToken, *, region: str | None = None
    ) -> RawAnswer:
        """The answer to one request, which is sent again as `retries` says.

        :param region: where the table is; by default the region to act in.

        Raises DynamoDBError when DynamoDB refuses it or after the last try; the botocore
        error when it cannot be reached; Cancelled when cancelled.
        """
        failed = 0
        while True:
            stop.check()
            try:
                return self._send(operation, request, self._endpoint(region))
            except _Retryable as error:
                failed += 1
                if failed >= self.retries.tries:
                    raise error.reason from None
            self.retries.wait(failed, stop)

    def _send(self, operation: str, request: bytes, endpoint: _Endpoint) -> RawAnswer:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        signed = AWSRequest(
            "POST",
            endpoint.url,
            headers={
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": _TARGET + operation,
            },
            data=request,
        )
        assert self._credentials is not None, "the account is known"
        credentials = self._credentials.get_frozen_credentials()
        SigV4Auth(credentials, "dynamodb", endpoint.region).add_auth(signed)
        try:
            response = endpoint.http.send(signed.prepare())
            content: bytes = response.content
        except (HTTPClientError, NoConnectionError) as error:
            raise _Retryable(error) from error
        if response.status_code == 200 and _intact(response.headers, content):
            with contextlib.suppress(ValueError):
                answer: RawAnswer = json.loads(content)
                return answer
        raise _refused(operation, response.status_code, content)


def _intact(headers: Mapping[str, str], content: bytes) -> bool:
    checksum = headers.get("x-amz-crc32")
    return checksum is None or int(checksum) == zlib.crc32(content)


def _refused(operation: str, status: int, content: bytes) -> Exception:
    try:
        answer = json.loads(content)
    except ValueError:
        answer = {}
    if not isinstance(answer, dict):
        answer = {}
    if status == 200:
        code, message = "InternalServerError", "The answer is corrupt."
    else:
        code = str(answer.get("__type", f"HTTP {status}")).rpartition("#")[2]
        message = str(answer.get("message") or answer.get("Message") or "")
    error = DynamoDBError(operation, code, message, answer)
    if code in _RETRYABLE or status in (200, 429) or status >= 500:
        return _Retryable(error)
    return error
