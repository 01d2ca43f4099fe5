"""DynamoDB's own protocol, where something else answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest

from cabal_backup.operations.aws.client import Aws
from cabal_backup.operations.restore.tables.table_items import Table, get_all
from cabal_backup.operations.restore.tables.transport import (
    CancelToken,
    DynamoDBError,
    RetryPolicy,
    Transport,
)
from tests.builders import ACCOUNT, an_environment


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A machine that answers everything with a page and status 200; what was asked of it."""
    asked: list[str] = []

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.headers["X-Amz-Target"])
            body = b"<html>Please sign in to this network.</html>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_html_page_as_answer_is_retried_and_then_refused(
    page: list[str],
) -> None:
    aws = Aws(an_environment(), boto3.Session(region_name="us-west-1"), ACCOUNT)
    transport = Transport(aws, retries=RetryPolicy(tries=3, first=0.0, longest=0.0))

    with pytest.raises(DynamoDBError, match="The answer is corrupt"):
        transport.call("DescribeTable", b"{}", CancelToken())

    assert page == ["DynamoDB_20120810.DescribeTable"] * 3


def test_nothing_is_asked_for_without_a_key(page: list[str]) -> None:
    aws = Aws(an_environment(), boto3.Session(region_name="us-west-1"), ACCOUNT)
    transport = Transport(aws, retries=RetryPolicy(tries=1))

    assert get_all(transport, Table("addresses", ("address",)), [], CancelToken()) == {}

    assert page == []
