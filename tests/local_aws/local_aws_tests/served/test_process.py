"""The local AWS as a process: start, ready line, end."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local_aws.client import Sandbox, SandboxFailed
from local_aws_tests import HUNG_SECONDS
from local_aws_tests.served.backups import make_function_role


def test_it_answers_with_its_start_time_and_removes_its_files() -> None:
    with Sandbox.start(start=datetime(2030, 5, 17, 4, 0, tzinfo=UTC)) as sandbox:
        data = sandbox.data
        now = sandbox.now()
        identity = sandbox.client("sts").get_caller_identity()
        log = sandbox.log.read_text()

    assert now.isoformat().startswith("2030-05-17T04:00:")
    assert identity["Account"] == "123456789012"
    assert "Traceback" not in log
    assert not data.exists()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(sandbox.endpoint)


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("backup", "describe_region_settings"),
        ("cloudtrail", "describe_trails"),
        ("cloudwatch", "describe_alarms"),
        ("dynamodb", "list_tables"),
        ("efs", "describe_file_systems"),
        ("events", "list_rules"),
    ],
)
def test_answers_have_the_time_of_the_local_aws(
    sandbox: Sandbox, service: str, operation: str
) -> None:
    before = sandbox.now()
    answer = getattr(sandbox.client(service), operation)()
    said = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    assert before.replace(microsecond=0) <= said <= sandbox.now()


def test_errors_have_the_time_of_the_local_aws(sandbox: Sandbox) -> None:
    before = sandbox.now()
    with pytest.raises(ClientError) as refused:
        sandbox.client("dynamodb").describe_table(TableName="nowhere")
    headers = refused.value.response["ResponseMetadata"]["HTTPHeaders"]
    said = parsedate_to_datetime(headers["date"])
    assert before.replace(microsecond=0) <= said <= sandbox.now()


def test_writes_only_below_its_data_directory(tmp_path: Path) -> None:
    with Sandbox.start(data=tmp_path / "data") as sandbox:
        sandbox.client("s3").create_bucket(
            Bucket="a-bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-1"}
        )
        sandbox.client("efs").create_file_system(CreationToken="one")

    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert len(list((tmp_path / "data" / "efs" / "123456789012" / "us-west-1").iterdir())) == 1


def test_a_failed_start_has_its_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with (
            pytest.raises(SandboxFailed, match="Address already in use"),
            Sandbox.start(port=port),
        ):
            pass


def test_prints_the_ready_line_and_nothing_else(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "local_aws",
            "start",
            "--json",
            "--port",
            "0",
            "--data",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    process.terminate()
    rest, errors = process.communicate(timeout=HUNG_SECONDS)

    assert ready["endpoint"].startswith("http://127.0.0.1:")
    assert ready["pid"] == process.pid
    assert (rest, errors, process.returncode) == ("", "", 0)


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = (
        "import os, pathlib\n"
        "from local_aws.client import Sandbox\n"
        f"with Sandbox.start(data=pathlib.Path({str(tmp_path)!r})) as sandbox:\n"
        "    print(sandbox.endpoint, flush=True)\n"
        "    os._exit(1)\n"
    )
    started = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )

    port = int(started.stdout.strip().rsplit(":", 1)[1])
    assert closes(port)


def closes(port: int) -> bool:
    """Whether no process listens on this local port in the end."""
    deadline = time.monotonic() + HUNG_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.05)
    return False


def test_it_stops_its_functions(tmp_path: Path) -> None:
    with Sandbox.start(data=tmp_path) as sandbox:
        process_id = _process_of_a_warm_function(sandbox)
        os.kill(process_id, 0)

    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


def _process_of_a_warm_function(sandbox: Sandbox) -> int:
    functions = sandbox.client("lambda")
    functions.create_function(
        FunctionName="who",
        Runtime="python3.13",
        Handler="index.handler",
        Role=make_function_role(sandbox, "who"),
        Code={"ZipFile": _zip("import os\ndef handler(event, context):\n    return os.getpid()\n")},
    )
    answer = functions.invoke(FunctionName="who")
    return int(json.load(answer["Payload"]))


def _zip(source: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", source)
    return buffer.getvalue()
