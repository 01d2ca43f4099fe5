"""A sandbox of one's own: what tests and the demo start, ask and steer."""

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
from pathlib import Path
from typing import Any

from local_aws.ministack import environment

ACCOUNT = "123456789012"
PRIMARY_REGION = "us-west-1"

TIME_SHIM = Path(__file__).parent / "time_shim"
"""A folder for PYTHONPATH: Python programs then use the time of the local AWS."""

_START_PATIENCE_SECONDS = 60.0
_STOP_PATIENCE_SECONDS = 10.0
_LOG_TAIL_LINES = 40


class SandboxFailed(RuntimeError):
    """The sandbox did not start, or refused what it was asked; the message says why."""


@dataclass(frozen=True)
class SandboxFaults:
    """Trouble on demand. Everything is off again after `clear` and after a rollback."""

    sandbox: Sandbox

    def apply(self, **faults: Any) -> dict[str, Any]:
        """What is on afterwards; the keys are those of `Faults.apply`, and `services`."""
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
        """No service in these regions answers; without arguments they are all back."""
        self.apply(lost_regions=list(regions))

    def services(self, *rules: Mapping[str, Any]) -> None:
        """Rules for other services: see `service_faults.Rule`."""
        self.apply(services=list(rules))


class Sandbox:
    """One running sandbox, reached over HTTP."""

    def __init__(self, endpoint: str, data: Path, log: Path) -> None:
        self.endpoint = endpoint
        self.data = data
        self.log = log
        self.faults = SandboxFaults(self)
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._clients_lock = threading.Lock()

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
        """Run a sandbox for as long as the context lasts.

        Args:
            start: the sandbox's time at the start; the machine's when left out.
            auth: check signatures and IAM policies of every call.
            port: 0 takes a free one.
            data: where every file goes; when left out, a directory that is removed.

        Raises:
            SandboxFailed: it did not come up; the message ends with the log's last lines.
        """
        directory = data or Path(tempfile.mkdtemp(prefix="local-aws-"))
        process = _spawn(directory, start=start, auth=auth, port=port)
        try:
            ready = _ready(process, directory)
            yield cls(ready["endpoint"], Path(ready["data"]), Path(ready["log"]))
        finally:
            _stop(process)
            if data is None:
                shutil.rmtree(directory, ignore_errors=True)

    def environ(self, *, region: str = PRIMARY_REGION, account: str = ACCOUNT) -> dict[str, str]:
        """This process's environment, with the AWS CLI, the CDK CLI and boto3 turned here.

        Credentials resolve to the account's root user: `sts get-caller-identity` agrees.
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
        """A boto3 client of this sandbox, shared by everybody who asks for the same."""
        key = (service, region, account)
        with self._clients_lock:
            if key not in self._clients:
                # Not needed by everything that imports this module, and slow to import.
                import boto3
                from botocore.config import Config

                session: Any = boto3.session.Session()
                self._clients[key] = session.client(
                    service,
                    region_name=region,
                    endpoint_url=self.endpoint,
                    aws_access_key_id=account,
                    aws_secret_access_key="sandbox",
                    config=Config(retries={"mode": "standard", "max_attempts": 4}),
                )
            return self._clients[key]

    def now(self) -> datetime:
        """The sandbox's time, UTC."""
        return datetime.fromisoformat(self.control("GET", "now")["now"])

    def advance(self, **duration: float) -> datetime:
        """Move time forward by `timedelta`'s arguments; everything due happens on the way."""
        return self.advance_to(self.now() + timedelta(**duration))

    def advance_to(self, moment: datetime) -> datetime:
        """Move time forward to `moment`, an aware datetime."""
        return datetime.fromisoformat(
            self.control("POST", "advance", {"to": moment.isoformat()})["now"]
        )

    def run_nights(self, nights: int = 1) -> datetime:
        """Go through this many midnights (UTC) and on to 06:00, when jobs and copies are done.

        Of more than three nights, scheduled rules fire in the last two only: each of them runs
        a Lambda function, several a day.
        """
        now = self.now()
        midnight = datetime(now.year, now.month, now.day, tzinfo=UTC)
        if nights > 3:
            quiet = midnight + timedelta(days=nights - 2, hours=6)
            self.control("POST", "advance", {"to": quiet.isoformat(), "schedules": False})
        return self.advance_to(midnight + timedelta(days=nights, hours=6))

    def settings(self, **changed: Any) -> dict[str, Any]:
        """Change settings (durations in seconds); all of them as they are afterwards."""
        return self.control("POST", "settings", changed)

    def efs_directory(
        self, file_system_id: str, *, region: str = PRIMARY_REGION, account: str = ACCOUNT
    ) -> Path:
        """The directory that is the root of an EFS file system."""
        return Path(self.control("GET", f"efs/{account}/{region}/{file_system_id}")["directory"])

    def encrypt_vault(
        self, name: str, key_arn: str, *, region: str = PRIMARY_REGION, account: str = ACCOUNT
    ) -> None:
        """Let a vault be as if it had been made with this key; AWS never changes a vault's key."""
        self.control("POST", f"vaults/{account}/{region}/{name}", {"encryption_key_arn": key_arn})

    def checkpoint(self) -> str:
        """Remember everything; give the name to `rollback` as often as wanted."""
        return str(self.control("POST", "checkpoint")["id"])

    def rollback(self, checkpoint: str) -> None:
        """Put everything back as it was, time and settings included; faults are off."""
        self.control("POST", f"rollback/{checkpoint}")

    def save(self, checkpoint: str, directory: Path) -> None:
        """Write a checkpoint to a new directory, for `load` in any sandbox."""
        self.control("POST", f"save/{checkpoint}", {"directory": str(directory)})

    def load(self, directory: Path) -> str:
        """The checkpoint that `save` wrote there, as one of this sandbox's own."""
        return str(self.control("POST", "load", {"directory": str(directory)})["id"])

    def emails(self) -> Sequence[dict[str, str]]:
        """The e-mails that SNS has sent: to, subject, body; `token` where one is to confirm."""
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
        """What IAM was asked since `forget_decisions`: principal, action, resource, allowed."""
        listed: list[dict[str, Any]] = self.control("GET", "decisions")["decisions"]
        return listed

    def forget_decisions(self) -> None:
        self.control("DELETE", "decisions")

    def control(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """One control request; SandboxFailed with the reason if it is refused."""
        return control(self.endpoint, method, path, body)


def shell_variables(endpoint: str) -> dict[str, str]:
    """`aws_variables`, and the one that gives Python programs the time of the local AWS."""
    return {**aws_variables(endpoint), "PYTHONPATH": str(TIME_SHIM)}


def control(
    endpoint: str, method: str, path: str, body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """One control request to the local AWS at this URL.

    Raises:
        SandboxFailed: it was refused.
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
        raise SandboxFailed(json.load(error)["error"]) from error


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


def _spawn(data: Path, *, start: datetime | None, auth: bool, port: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "local_aws", "start", "--json", "--port", str(port)]
    # On a leash: it ends with this process, however that ends.
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
    """The ready line, or SandboxFailed."""
    assert process.stdout is not None
    watchdog = threading.Timer(_START_PATIENCE_SECONDS, process.kill)
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
    """End the sandbox, and whatever it started, whether it wants to or not."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_PATIENCE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
