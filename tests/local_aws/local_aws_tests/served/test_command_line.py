"""The command `local-aws`, and Python programs in the time of the local AWS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from local_aws.__main__ import main
from local_aws.client import TIME_SHIM, Sandbox

LOCAL_AWS = [sys.executable, "-m", "local_aws"]


@pytest.fixture
def sandbox(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox.endpoint)
    return sandbox


def test_time_moves_forward(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    before = sandbox.now()

    assert main(["now"]) == main(["advance", "5d12h"]) == 0

    first, then = map(datetime.fromisoformat, capsys.readouterr().out.split())
    assert before <= first <= sandbox.now() - timedelta(days=5, hours=12)
    assert then - first >= timedelta(days=5, hours=12)


@pytest.mark.parametrize(
    ("arguments", "fault", "value"),
    [
        (["throttle", "0.5"], "throttle", {"fraction": 0.5, "seed": 0, "operations": None}),
        (
            ["deny", "StartCopyJob"],
            "deny",
            [{"operation": "StartCopyJob", "principal": None, "message": None}],
        ),
        (["lose-regions", "us-west-2"], "lost_regions", ["us-west-2"]),
        (["hold", "restore", "expiry"], "hold", ["expiry", "restore"]),
        (["json", '{"service_linked_role": false}'], "service_linked_role", False),
        (
            ["fail-next", "copy", "--type", "EFS", "--message", "m", "--state", "PARTIAL"],
            "fail_next",
            [
                {
                    "kind": "copy",
                    "resource_type": "EFS",
                    "message": "m",
                    "count": 1,
                    "state": "PARTIAL",
                }
            ],
        ),
    ],
)
def test_a_fault_is_on_until_it_is_cleared(
    sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    fault: str,
    value: object,
) -> None:
    off = sandbox.faults.describe()

    assert main(["fault", *arguments]) == main(["faults"]) == 0
    assert json.loads(capsys.readouterr().out) == {**off, fault: value}
    assert main(["fault", "clear"]) == 0
    assert sandbox.faults.describe() == off


def test_a_refusal_is_reported_with_its_reason(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    off = sandbox.faults.describe()

    assert main(["fault", "fail-next", "copy", "--state", "ABORTED"]) == 1

    assert "a copy job ends FAILED, PARTIAL, COMPLETED, not 'ABORTED'" in capsys.readouterr().err
    assert sandbox.faults.describe() == off


def test_without_a_local_aws_the_message_names_the_remedy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--endpoint-url", "http://127.0.0.1:1", "now"]) == 1
    assert "Start one with `local-aws start`" in capsys.readouterr().err


def test_another_server_is_not_a_local_aws(capsys: pytest.CaptureFixture[str]) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert main(["--endpoint-url", f"http://127.0.0.1:{server.server_port}", "now"]) == 1
    assert "is not a local AWS" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["advance", "5"], "'5' is not a duration like 5d"),
        (["advance", "-5d"], "the following arguments are required: duration"),
        (["fault", "json", "{"], "this is not JSON"),
        (["start", "--time", "noon"], "'noon' is not a time like 2026-01-01T12:00Z"),
        (["fault"], "the following arguments are required: FAULT"),
    ],
)
def test_wrong_arguments_are_explained(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", ["start", "now", "advance", "faults", "fault", "fault hold"])
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([*command.split(), "--help"])
    assert f"usage: local-aws {command}" in capsys.readouterr().out


@pytest.fixture
def started(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables that `local-aws start` prints; it stops at Ctrl-C without an error."""
    process = subprocess.Popen(
        [*LOCAL_AWS, "start", "--port", "0", "--time", "2031-02-03T04:05Z"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )
    assert process.stdout is not None
    try:
        exported: dict[str, str] = {}
        while "PYTHONPATH" not in exported:
            name, _, value = process.stdout.readline().removeprefix("export ").partition("=")
            exported[name] = value.strip().strip("'")
        yield {**os.environ, **exported}
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
        assert list(tmp_path.iterdir()) == []
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


PROGRAM = """
import datetime, email.utils, json, pickle, time
import boto3, dateutil.parser
now = datetime.datetime.now(datetime.UTC)
naive = dateutil.parser.parse("2020-01-01T00:00:00")
assert isinstance(pickle.loads(pickle.dumps(now)), datetime.datetime)
assert isinstance(naive, datetime.date) and not isinstance(datetime.date.today(), type(naive))
assert not isinstance(now, type("Other", (datetime.datetime,), {}))
assert abs(now.timestamp() - time.time()) < 60 > abs(time.time_ns() / 1e9 - time.time())
assert time.strftime("%Y-%m-%d", time.gmtime()) == str(now.date())
answer = boto3.client("backup").create_backup_vault(BackupVaultName="vault")
print(json.dumps({
    "now": now.isoformat(),
    "local": datetime.datetime.now().astimezone().isoformat(),
    "answered": answer["ResponseMetadata"]["HTTPHeaders"]["date"],
    "created": answer["CreationDate"].isoformat(),
}))
"""


def test_python_programs_have_the_time_of_the_local_aws(started: dict[str, str]) -> None:
    advanced = subprocess.run(
        [*LOCAL_AWS, "advance", "5d"], env=started, capture_output=True, text=True, check=True
    )
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=started, capture_output=True, text=True, check=True
    )
    times = json.loads(ended.stdout)

    assert advanced.stdout.startswith("2031-02-08T04:")
    begin = datetime(2031, 2, 8, 4, 5, tzinfo=UTC)
    for moment in (
        *(datetime.fromisoformat(times[name]) for name in ("now", "local", "created")),
        parsedate_to_datetime(times["answered"]),
    ):
        assert begin <= moment < begin + timedelta(hours=1)


def test_without_a_local_aws_python_has_the_time_of_the_machine() -> None:
    program = "import datetime; print(datetime.datetime.now(datetime.UTC).isoformat())"
    before = datetime.now(UTC)
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(TIME_SHIM), "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert before <= datetime.fromisoformat(ended.stdout.strip()) <= datetime.now(UTC)
