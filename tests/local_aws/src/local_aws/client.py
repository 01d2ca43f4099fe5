"""Starts, queries and controls a local AWS."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local_aws.ministack import environment

ACCOUNT = "123456789012"
PRIMARY_REGION = "us-west-1"

TIME_SHIM = Path(__file__).parent / "time_shim"
"""A folder for PYTHONPATH: Python programs then use the time of the local AWS."""

_START_TIMEOUT_SECONDS = 300.0
_STOP_TIMEOUT_SECONDS = 60.0
_LOG_TAIL_LINES = 40
_MEMORY = Path("/dev/shm")
_ROOM = 1 << 30
"""Bytes that have to be free in memory; a sandbox takes a few per cent of them."""


class SandboxFailed(RuntimeError):
    """The local AWS did not start, or refused a request; the message has the reason."""


@dataclass(frozen=True)
class SandboxFaults:
    """Turns faults on. `clear` and a rollback turn all of them off."""

    sandbox: Sandbox

    def apply(self, **faults: Any) -> dict[str, Any]:
        """Turn faults on, by the keys of `Faults.apply` and `services`; returns all that are on."""
        return self.sandbox.control("POST", "faults", faults)

    def clear(self) -> None:
        self.sandbox.control("DELETE", "faults")

    def describe(self) -> dict[str, Any]:
        return self.sandbox.control("GET", "faults")

    def fail_next(
        self,
        kind: str,
        *,
        resource_type: str | None = None,
        message: str,
        count: int = 1,
        state: str = "FAILED",
    ) -> None:
        """Let the next job of this kind (backup, copy, restore) end in this state."""
        failure = {
            "kind": kind,
            "resource_type": resource_type,
            "message": message,
            "count": count,
            "state": state,
        }
        self.apply(fail_next=[failure])

    def throttle_backup(self, fraction: float, *, seed: int = 0) -> None:
        """Refuse this fraction (0..1) of AWS Backup's calls with ThrottlingException."""
        self.apply(throttle={"fraction": fraction, "seed": seed})

    def deny(self, operation: str) -> None:
        """Refuse this AWS Backup operation with AccessDeniedException."""
        self.apply(deny=[{"operation": operation}])

    def lose_regions(self, *regions: str) -> None:
        """No service in these regions answers; without arguments, all regions answer again."""
        self.apply(lost_regions=list(regions))

    def services(self, *rules: Mapping[str, Any]) -> None:
        """Rules for other services: see `service_faults.Rule`."""
        self.apply(services=list(rules))


class Sandbox:
    """One running local AWS, used over HTTP."""

    def __init__(self, endpoint: str, data: Path, log: Path) -> None:
        self.endpoint = endpoint
        self.data = data
        self.log = log
        self.faults = SandboxFaults(self)
        self._session: Any = None
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._clients_lock = threading.Lock()
        self._connections: dict[tuple[int, int], HTTPConnection] = {}
        """For reads of the controls, by process and thread: a fork must not share one."""

    @classmethod
    @contextmanager
    def start(
        cls,
        *,
        start: datetime | None = None,
        auth: bool = False,
        port: int = 0,
        data: Path | None = None,
    ) -> Iterator[Sandbox]:
        """Run a local AWS for the duration of the context.

        Args:
            start: its time at the start; by default the machine's.
            auth: check signatures and IAM policies of every call.
            port: 0 takes a free one.
            data: the directory of all files; by default one that is removed at the end, in
                memory where there is room, unless TMPDIR names another place.

        Raises:
            SandboxFailed: it did not start; the message ends with the log's last lines.
        """
        directory = data or Path(tempfile.mkdtemp(prefix="local-aws-", dir=_memory()))
        process = _spawn(directory, start=start, auth=auth, port=port)
        try:
            ready = _ready(process, directory)
            yield cls(ready["endpoint"], Path(ready["data"]), Path(ready["log"]))
        finally:
            _stop(process)
            if data is None:
                shutil.rmtree(directory, ignore_errors=True)

    def environ(self, *, region: str = PRIMARY_REGION, account: str = ACCOUNT) -> dict[str, str]:
        """The environment of this process, with the AWS CLI, the CDK CLI and boto3 connected here.

        The credentials are those of the account's root user in `sts get-caller-identity`.
        """
        return {
            **environment.without_aws(os.environ),
            **self.aws_variables(region=region, account=account),
        }

    def aws_variables(
        self, *, region: str = PRIMARY_REGION, account: str = ACCOUNT
    ) -> dict[str, str]:
        """Only the variables that connect AWS tools to this local AWS."""
        return aws_variables(self.endpoint, region=region, account=account)

    def client(self, service: str, region: str = PRIMARY_REGION, account: str = ACCOUNT) -> Any:
        """A boto3 client; calls with the same arguments return the same client."""
        key = (service, region, account)
        with self._clients_lock:
            if key not in self._clients:
                # Slow to import, and not every user of this module needs it.
                import boto3
                from botocore.config import Config

                self._session = self._session or boto3.session.Session()
                self._clients[key] = self._session.client(
                    service,
                    region_name=region,
                    endpoint_url=self.endpoint,
                    aws_access_key_id=account,
                    aws_secret_access_key="sandbox",
                    config=Config(retries={"mode": "standard", "max_attempts": 4}),
                )
            return self._clients[key]

    def now(self) -> datetime:
        """Its time, in UTC."""
        return datetime.fromisoformat(self.control("GET", "now")["now"])

    def advance(self, **duration: float) -> datetime:
        """Move time forward by `timedelta`'s arguments; all that becomes due happens."""
        seconds = timedelta(**duration).total_seconds()
        return datetime.fromisoformat(self.control("POST", "advance", {"seconds": seconds})["now"])

    def advance_to(self, moment: datetime) -> datetime:
        """Move time forward to `moment`, an aware datetime."""
        return datetime.fromisoformat(
            self.control("POST", "advance", {"to": moment.isoformat()})["now"]
        )

    def run_nights(self, nights: int = 1) -> datetime:
        """Move past this many midnights (UTC) to 06:00, when jobs and copies are finished.

        For more than three nights, scheduled rules run in the last two only: each of them invokes
        a Lambda function, several times a day.
        """
        now = self.now()
        midnight = datetime(now.year, now.month, now.day, tzinfo=UTC)
        if nights > 3:
            quiet = midnight + timedelta(days=nights - 2, hours=6)
            self.control("POST", "advance", {"to": quiet.isoformat(), "schedules": False})
        return self.advance_to(midnight + timedelta(days=nights, hours=6))

    def settings(self, **changed: Any) -> dict[str, Any]:
        """Change settings (durations in seconds); returns all of them."""
        return self.control("POST", "settings", changed)

    def efs_directory(
        self, file_system_id: str, *, region: str = PRIMARY_REGION, account: str = ACCOUNT
    ) -> Path:
        """The directory that is the root of an EFS file system."""
        return Path(self.control("GET", f"efs/{account}/{region}/{file_system_id}")["directory"])

    def encrypt_vault(
        self, name: str, key_arn: str, *, region: str = PRIMARY_REGION, account: str = ACCOUNT
    ) -> None:
        """Change the key of a vault, as if it was created with it. AWS has no such call."""
        self.control("POST", f"vaults/{account}/{region}/{name}", {"encryption_key_arn": key_arn})

    def apply_quota(
        self,
        service: str,
        code: str,
        value: float,
        *,
        region: str = PRIMARY_REGION,
        account: str = ACCOUNT,
    ) -> None:
        """Set the value of a quota that the account has in a region, in place of AWS's default."""
        body = {"service": service, "code": code, "value": value}
        self.control("POST", f"quotas/{account}/{region}", body)

    def checkpoint(self) -> str:
        """Save the complete state; returns its name for any number of `rollback` calls."""
        return str(self.control("POST", "checkpoint")["id"])

    def rollback(self, checkpoint: str) -> None:
        """Restore the complete state, time and settings included; all faults are off."""
        self.control("POST", f"rollback/{checkpoint}")

    def save(self, checkpoint: str, directory: Path) -> None:
        """Write a checkpoint to a new directory, for `load` in any local AWS."""
        self.control("POST", f"save/{checkpoint}", {"directory": str(directory)})

    def load(self, directory: Path) -> str:
        """Read the checkpoint that `save` wrote; returns its name here."""
        return str(self.control("POST", "load", {"directory": str(directory)})["id"])

    def emails(self) -> Sequence[dict[str, str]]:
        """The e-mails that SNS has sent: to, subject, body, and `token` of a confirmation."""
        found: Sequence[dict[str, str]] = self.control("GET", "emails")["emails"]
        return found

    def trail(
        self, event_name: str, *, region: str = PRIMARY_REGION, account: str = ACCOUNT
    ) -> Sequence[dict[str, Any]]:
        """The CloudTrail records of this event name, oldest first."""
        pages = (
            self.client("cloudtrail", region, account)
            .get_paginator("lookup_events")
            .paginate(
                LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": event_name}]
            )
        )
        events = [event for page in pages for event in page["Events"]]
        return [json.loads(event["CloudTrailEvent"]) for event in reversed(events)]

    def decisions(self) -> list[dict[str, Any]]:
        """IAM's decisions since `forget_decisions`: principal, action, resource, allowed."""
        listed: list[dict[str, Any]] = self.control("GET", "decisions")["decisions"]
        return listed

    def forget_decisions(self) -> None:
        self.control("DELETE", "decisions")

    def control(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """One control request; SandboxFailed with the reason if it is refused."""
        read = self._read(path) if method == "GET" else None
        return control(self.endpoint, method, path, body) if read is None else read

    def _read(self, path: str) -> dict[str, Any] | None:
        """The answer over the connection that this thread keeps; None if there was a problem."""
        mine = os.getpid(), threading.get_ident()
        connection = self._connections.pop(mine, None) or HTTPConnection(
            urlsplit(self.endpoint).netloc
        )
        try:
            connection.request("GET", f"/_sandbox/{path}")
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, HTTPException):
            connection.close()
            return None
        self._connections[mine] = connection
        read: dict[str, Any] | None = json.loads(text) if answer.status == HTTPStatus.OK else None
        return read


def shell_variables(endpoint: str) -> dict[str, str]:
    """`aws_variables`, and the one that gives Python programs the time of the local AWS."""
    return {**aws_variables(endpoint), "PYTHONPATH": str(TIME_SHIM)}


def control(
    endpoint: str, method: str, path: str, body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """One control request to the local AWS at this URL.

    Raises:
        SandboxFailed: it was refused, or something else than a local AWS answers there.
        urllib.error.URLError: no local AWS answers there.
    """
    request = urllib.request.Request(
        f"{endpoint}/_sandbox/{path}",
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
    )
    try:
        with urllib.request.urlopen(request) as answer:
            reply: dict[str, Any] = json.load(answer)
            return reply
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
    except ValueError as error:
        text = str(error)
    try:
        reason = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError):
        reason = f"what answers at {endpoint} is not a local AWS: {text[:200]}"
    raise SandboxFailed(reason)


def aws_variables(
    endpoint: str, *, region: str = PRIMARY_REGION, account: str = ACCOUNT
) -> dict[str, str]:
    """The variables that connect the AWS CLI, the CDK CLI and the SDKs to a local AWS."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_PAGER": "",
        "CDK_DEFAULT_ACCOUNT": account,
        "CDK_DEFAULT_REGION": region,
        # CDK's built-in rules take seconds to load for each command.
        "CDK_VALIDATION": "false",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
        "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
    }


def _memory() -> Path | None:
    """The file system in memory where it can be used; restores write and remove many files."""
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK):
        return None
    return _MEMORY if shutil.disk_usage(_MEMORY).free >= _ROOM else None


def _spawn(data: Path, *, start: datetime | None, auth: bool, port: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "local_aws", "start", "--json", "--port", str(port)]
    # It stops when stdin is closed, so it ends with this process in any case.
    command += ["--leash", "--data", str(data)]
    if start is not None:
        command += ["--time", start.isoformat()]
    if auth:
        command.append("--auth")
    data.mkdir(parents=True, exist_ok=True)
    with (data / "start.log").open("w") as errors:
        return subprocess.Popen(
            command,
            env=environment.without_aws(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )


def _ready(process: subprocess.Popen[str], data: Path) -> dict[str, str]:
    """Returns the ready line. Raises SandboxFailed if the process ends first."""
    assert process.stdout is not None
    watchdog = threading.Timer(_START_TIMEOUT_SECONDS, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline()
    finally:
        watchdog.cancel()
    if not line:
        process.wait()
        tail = "".join(_tail(data / name) for name in ("start.log", "sandbox.log"))
        raise SandboxFailed(f"The sandbox did not start (exit {process.returncode}).\n{tail}")
    ready: dict[str, str] = json.loads(line)
    return ready


def _tail(path: Path) -> str:
    if not path.exists():
        return ""
    lines = path.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    return f"--- {path.name}\n" + "\n".join(lines) + "\n"


def _stop(process: subprocess.Popen[str]) -> None:
    """Stop the process and its children; kill them if they do not stop."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_TIMEOUT_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
