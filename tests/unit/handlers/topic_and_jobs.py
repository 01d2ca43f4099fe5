"""An SNS topic and AWS Backup's jobs, behind a real botocore client.

They answer in place of the network, at botocore's `before-send` event, as
`region_settings` does.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from botocore.awsrequest import AWSResponse

_PUBLISHED = (
    '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>'
    "<MessageId>7f0c8a52-0000-4000-8000-5d8a3f1b2c4d</MessageId></PublishResult>"
    "<ResponseMetadata><RequestId>7f0c8a52-0000-4000-8000-5d8a3f1b2c4e</RequestId>"
    "</ResponseMetadata></PublishResponse>"
)
_REFUSED = (
    '<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type>'
    "<Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId>"
    "</ErrorResponse>"
)
_LISTS = {"/backup-jobs/": "BackupJobs", "/copy-jobs/": "CopyJobs"}
_PAGE = 2


@dataclass(frozen=True)
class Message:
    """What was published where."""

    topic_arn: str
    subject: str
    body: str


@dataclass
class TopicAndJobs:
    """A topic that takes what SNS takes, and lists of jobs by region."""

    jobs: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    """By region and kind (BackupJobs, CopyJobs); two to a page."""
    messages: list[Message] = field(default_factory=list)
    listed: list[tuple[str, str]] = field(default_factory=list)
    """The region and kind of every list that was asked for, page by page."""
    refuses_lists: bool = False
    refuses_messages: bool = False

    def answer(self, request: Any, **_: object) -> AWSResponse:
        """Handle one prepared request; a botocore `before-send` handler."""
        url = urlsplit(request.url)
        service, region = url.netloc.split(".")[:2]
        if service == "sns":
            return self._publish(request, dict(parse_qsl(_text(request.body))))
        assert service == "backup"
        return self._list(request, region, _LISTS[url.path], parse_qs(url.query))

    def _publish(self, request: Any, asked: dict[str, str]) -> AWSResponse:
        assert asked["Action"] == "Publish"
        subject = asked["Subject"]
        if self.refuses_messages:
            return _respond(request, 403, _REFUSED.format(code="AuthorizationError", message="No"))
        if not (subject.isascii() and subject.isprintable() and 0 < len(subject) < 100):
            message = _REFUSED.format(code="InvalidParameter", message="Subject")
            return _respond(request, 400, message)
        assert len(asked["Message"].encode()) <= 256 * 1024
        self.messages.append(Message(asked["TopicArn"], subject, asked["Message"]))
        return _respond(request, 200, _PUBLISHED)

    def _list(
        self, request: Any, region: str, kind: str, asked: dict[str, list[str]]
    ) -> AWSResponse:
        self.listed.append((region, kind))
        if self.refuses_lists:
            return _respond(request, 403, json.dumps({"message": "No"}), "AccessDeniedException")
        wanted = [
            job
            for job in self.jobs.get((region, kind), [])
            if [job["ResourceArn"]] == asked["resourceArn"]
        ]
        start = int(asked.get("nextToken", ["0"])[0])
        answer: dict[str, Any] = {kind: wanted[start : start + _PAGE]}
        if start + _PAGE < len(wanted):
            answer["NextToken"] = str(start + _PAGE)
        return _respond(request, 200, json.dumps(answer))


class _Raw(io.BytesIO):
    """The body of a response as urllib3 would hand it over."""

    def stream(self, **_: object) -> Iterator[bytes]:
        while chunk := self.read():
            yield chunk


def _text(body: Any) -> str:
    return body.decode() if isinstance(body, bytes) else str(body)


def _respond(request: Any, status: int, body: str, error: str | None = None) -> AWSResponse:
    headers = {"x-amzn-ErrorType": error} if error else {}
    return AWSResponse(request.url, status, headers, _Raw(body.encode()))
