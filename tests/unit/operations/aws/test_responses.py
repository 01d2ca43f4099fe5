"""How the answers of AWS are read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from botocore.parsers import ResponseParserFactory

from cabal_backup.operations.aws.responses import NotFromAws, Parsers, in_utc


@pytest.fixture(params=["America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    "written",
    [
        1793521830.5,
        "1793521830.5",
        "2026-11-01T08:30:30.5Z",
        "2026-11-01T01:30:30.5-07:00",
        "2026-11-01T08:30:30.5",
    ],
)
def test_a_time_is_in_utc_in_every_zone(written: str | float) -> None:
    """Also in the hour that Los Angeles has twice that night."""
    read = in_utc(written)

    assert read == datetime(2026, 11, 1, 8, 30, 30, 500_000, tzinfo=UTC)
    assert read.tzinfo is UTC


@pytest.mark.usefixtures("zone")
def test_a_time_of_http_is_in_utc() -> None:
    assert in_utc("Sun, 01 Nov 2026 08:30:30 GMT") == datetime(2026, 11, 1, 8, 30, 30, tzinfo=UTC)


def parse(service: str, operation: str, body: bytes, status: int = 200, **headers: str) -> Any:
    """What a client gets for this answer."""
    model = botocore.session.get_session().get_service_model(service)
    parser = Parsers(ResponseParserFactory()).create_parser(model.resolved_protocol)
    response = {"status_code": status, "headers": headers, "body": body, "context": {}}
    shape: Any = model.operation_model(operation).output_shape
    return parser.parse(response, shape)


@pytest.mark.parametrize(
    "body", [b"", b" ", b"[]", b"null", b"{", b'{"BackupVaultList": [', b"<html></html>", b"\xff"]
)
def test_what_is_not_a_json_object_is_no_answer(body: bytes) -> None:
    with pytest.raises(NotFromAws, match="it is not an answer of AWS"):
        parse("backup", "ListBackupVaults", body)


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"<html>", b"{}"])
def test_what_lacks_the_result_is_no_answer_in_xml(body: bytes) -> None:
    with pytest.raises(NotFromAws):
        parse("sts", "GetCallerIdentity", body)


def test_an_operation_without_a_result_is_answered_with_nothing() -> None:
    assert parse("backup", "DeleteRecoveryPoint", b"")["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_an_error_of_aws_stays_as_it_is() -> None:
    body = b'{"__type": "com.amazonaws#ThrottlingException", "message": "Rate exceeded"}'
    error = parse("backup", "ListBackupVaults", body, status=400)["Error"]
    assert error == {"Code": "ThrottlingException", "Message": "Rate exceeded"}


def test_messages_are_on_one_line_and_nothing_else_is_touched() -> None:
    body = (
        b'{"BackupJobs": [{"StatusMessage": "a\\u001b[2J\\nb", "BackupVaultName": "x\\ny"}],'
        b' "NextToken": "t\\n"}'
    )
    answer = parse("backup", "ListBackupJobs", body)
    (job,) = answer["BackupJobs"]
    assert job == {"StatusMessage": "a\N{REPLACEMENT CHARACTER}[2J b", "BackupVaultName": "x\ny"}
    assert answer["NextToken"] == "t\n"
