"""How the answers of AWS are read, whichever service they are from.

botocore lets three things through that would become a wrong answer here: a time in the
zone of this machine; a body that is not JSON, which it reads as an answer without any
member, so that a list is empty; and an exception of its own that is no BotoCoreError.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from cabal_backup.text import one_line

if TYPE_CHECKING:
    from botocore.model import StructureShape
    from botocore.parsers import ResponseParser, ResponseParserFactory

RawAnswer = dict[str, Any]
"""What AWS answers, before it has a type."""

_IN_THE_HEAD = {"header", "headers", "statusCode"}
"""Where a member of an answer is when it is not in the body.

https://smithy.io/2.0/spec/http-bindings.html
"""

PROXY = "it is not an answer of AWS; a proxy or another machine on the way may have sent it"


class NotFromAws(BotoCoreError):
    """What arrived with a status of success is not what AWS answers."""

    fmt = "HTTP {status} with {what}: " + PROXY


def error_code(error: BotoCoreError | ClientError) -> str:
    """The code of an error that a service returned; empty for every other error."""
    return str(error.response["Error"].get("Code", "")) if isinstance(error, ClientError) else ""


def is_from_aws(error: BotoCoreError | ClientError) -> bool:
    """Whether AWS made the error; otherwise something between it and this machine did."""
    # AWS names every error; botocore puts the status where there is no name.
    return not (isinstance(error, NotFromAws) or error_code(error).isdecimal())


class Parsers:
    """Makes the parsers of a session: times are in UTC, and what is not an answer is an error."""

    def __init__(self, factory: ResponseParserFactory) -> None:
        """
        :param factory: the session's own.
        """
        factory.set_parser_defaults(timestamp_parser=in_utc)
        self._factory = factory

    def create_parser(self, protocol_name: str) -> ResponseParser:
        """The parser of a protocol, which checks what it reads."""
        parser = _Parser(self._factory.create_parser(protocol_name), "json" in protocol_name)
        return cast("ResponseParser", parser)


class _Parser:
    """The part of botocore's parsers that its endpoints use."""

    def __init__(self, parser: ResponseParser, json_body: bool) -> None:
        self._parser = parser
        self._json_body = json_body

    def parse(self, response: RawAnswer, shape: StructureShape) -> RawAnswer:
        """The answer. A failure that AWS did not make has its HTTP status as its code, so
        that botocore tries again as it does for a failure of AWS's.

        Raises NotFromAws for what cannot be an answer.
        """
        status = int(response["status_code"])
        try:
            parsed: RawAnswer = self._parser.parse(response, shape)
        except Exception as error:
            if status >= 300:
                return _failure(status)
            raise NotFromAws(status=status, what="a body that cannot be read") from error
        if status >= 300:
            if shape is not None and shape.metadata.get("exception"):
                return parsed  # the members of an error whose name is known already
            code = str(parsed.get("Error", {}).get("Code", ""))
            if not code or code.isdecimal():
                return _failure(status)
        elif self._json_body and not _has_read(parsed, shape) and not _is_object(response["body"]):
            what = "a body that is not a JSON object" if response["body"] else "an empty body"
            raise NotFromAws(status=status, what=what)
        _put_messages_on_one_line(parsed)
        return parsed


def _failure(status: int) -> RawAnswer:
    phrase = next((each.phrase for each in HTTPStatus if each == status), "failed")
    message = f"{phrase}; {PROXY}"
    return {
        "Error": {"Code": str(status), "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}},
    }


def _has_read(parsed: RawAnswer, shape: StructureShape | None) -> bool:
    """Whether the answer has a member of a JSON object, or its shape has none.

    botocore reads a body that is not JSON as `{"message": body}`, a member that no answer has.
    """
    if shape is None or "payload" in shape.serialization:
        return True
    members = {
        name
        for name, member in shape.members.items()
        if member.serialization.get("location") not in _IN_THE_HEAD
    }
    return not members or not members.isdisjoint(parsed)


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


def _put_messages_on_one_line(value: object) -> None:
    """Members such as StatusMessage and ResourceStatusReason are for people: a line feed in one
    would make it look like several messages of the tool.
    """
    if isinstance(value, list):
        for each in value:
            _put_messages_on_one_line(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            if isinstance(each, str):
                if name.endswith(("Message", "Reason")):
                    value[name] = one_line(each)
            else:
                _put_messages_on_one_line(each)


def in_utc(value: str | float) -> datetime:
    """A time as AWS writes it (seconds since 1970, ISO 8601 or RFC 822), in UTC.

    botocore's own parser returns seconds since 1970 in the zone of this machine.
    """
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except ValueError:
        from botocore.utils import parse_timestamp

        parsed = parse_timestamp(str(value))
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
