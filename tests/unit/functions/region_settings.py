"""AWS Backup's region settings of one account and region, behind a real botocore client.

The service answers in place of the network, at botocore's `before-send` event: what
reaches it was validated, serialised and signed by botocore, and its answers and
errors are parsed and retried by botocore.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse

# What an account that has used AWS Backup for a while shows.
SERVICE = {
    "Aurora": True,
    "CloudFormation": False,
    "DSQL": False,
    "DocumentDB": False,
    "DynamoDB": False,
    "EBS": True,
    "EC2": True,
    "EFS": True,
    "EKS": False,
    "FSx": False,
    "Neptune": False,
    "RDS": True,
    "Redshift": False,
    "Redshift Serverless": False,
    "S3": True,
    "SAP HANA on Amazon EC2": False,
    "Storage Gateway": False,
    "Timestream": False,
    "VirtualMachine": False,
}
MANAGEMENT = {
    "CloudFormation": True,
    "DSQL": True,
    "DynamoDB": False,
    "EFS": True,
    "EKS": True,
    "S3": True,
    "Timestream": True,
    "VirtualMachine": True,
}

_OPERATIONS = {
    ("GET", "/account-settings"): "DescribeRegionSettings",
    ("PUT", "/account-settings"): "UpdateRegionSettings",
}


@dataclass(frozen=True)
class Refusal:
    """An error as AWS Backup puts it on the wire."""

    code: str
    status: int = 400
    message: str = "Rate exceeded"


THROTTLED = Refusal("ThrottlingException")
UNAVAILABLE = Refusal("ServiceUnavailableException", 500, "Service unavailable")


def denied(action: str) -> Refusal:
    """IAM's refusal of one action."""
    return Refusal(
        "AccessDeniedException",
        403,
        "User: arn:aws:sts::123456789012:assumed-role/Handler/Function is not authorized to "
        f"perform: backup:{action} because no identity-based policy allows the backup:{action} "
        "action",
    )


@dataclass
class Fault:
    """What goes wrong, in which operation (None: in every one), and how many times."""

    what: Refusal | Exception
    operation: str | None = None
    times: float = float("inf")


@dataclass(frozen=True)
class Request:
    operation: str
    host: str
    body: Any


class _Raw(io.BytesIO):
    """The body of a response as urllib3 would hand it over."""

    def stream(self, **_: object) -> Iterator[bytes]:
        while chunk := self.read():
            yield chunk


@dataclass
class RegionSettings:
    """The two maps of preferences, and how the service behaves about them."""

    service: dict[str, bool] = field(default_factory=lambda: dict(SERVICE))
    management: dict[str, bool] = field(default_factory=lambda: dict(MANAGEMENT))
    stale_readings: float = 0
    """How many readings after an update still show what was before it."""
    after_update: Callable[[], None] = lambda: None
    """What happens between an update and the next reading."""
    merges: bool = True
    """Whether an update leaves alone what it does not name, as AWS Backup does."""
    faults: list[Fault] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    _stale: dict[str, Any] | None = None
    _stale_left: float = 0

    @property
    def operations(self) -> list[str]:
        return [request.operation for request in self.requests]

    @property
    def updates(self) -> list[Any]:
        return [r.body for r in self.requests if r.operation == "UpdateRegionSettings"]

    def preferences(self) -> dict[str, Any]:
        return {
            "ResourceTypeOptInPreference": dict(self.service),
            "ResourceTypeManagementPreference": dict(self.management),
        }

    def answer(self, request: Any, **_: object) -> AWSResponse:
        """Handle one prepared request; a botocore `before-send` handler."""
        url = urlsplit(request.url)
        operation = _OPERATIONS[request.method, url.path]
        body: Any = json.loads(request.body) if request.body else None
        self.requests.append(Request(operation, url.netloc, body))
        for fault in self.faults:
            if fault.operation in (None, operation) and fault.times > 0:
                fault.times -= 1
                return self._fail(request, fault.what)
        if operation == "UpdateRegionSettings":
            return self._update(request, body)
        return _respond(request, 200, self._describe())

    def _fail(self, request: Any, what: Refusal | Exception) -> AWSResponse:
        if isinstance(what, Exception):
            raise what
        return _respond(request, what.status, {"message": what.message}, error=what.code)

    def _describe(self) -> dict[str, Any]:
        if self._stale is not None and self._stale_left > 0:
            self._stale_left -= 1
            return self._stale
        return self.preferences()

    def _update(self, request: Any, body: dict[str, dict[str, bool]]) -> AWSResponse:
        self._stale, self._stale_left = self.preferences(), self.stale_readings
        for preference, changes in (
            (self.service, body.get("ResourceTypeOptInPreference", {})),
            (self.management, body.get("ResourceTypeManagementPreference", {})),
        ):
            if unknown := changes.keys() - SERVICE.keys():
                return self._fail(
                    request,
                    Refusal("InvalidParameterValueException", 400, f"Unknown: {sorted(unknown)}"),
                )
            if not self.merges:
                preference.clear()
            preference.update(changes)
        self.after_update()
        return _respond(request, 200, None)


def _respond(request: Any, status: int, body: object, error: str | None = None) -> AWSResponse:
    headers: Any = {"x-amzn-RequestId": "7f0c8a52-0000-4000-8000-5d8a3f1b2c4d"}
    if error:
        headers["x-amzn-ErrorType"] = error
    raw = b"" if body is None else json.dumps(body).encode()
    return AWSResponse(request.url, status, headers, _Raw(raw))
