"""Service Quotas: the default quotas that matter for backups, and values that an account has.

The names, codes and values are those of the pages "endpoints and quotas" in the General Reference.
An account has an applied value only where a control has set one: "If the applied quota value is
not available for a quota, the quota is not retrieved."

The EFS User Guide gave 400 mount targets per VPC until 2023. A later quota of 1,400 is reported;
the lower one is the harder.

https://docs.aws.amazon.com/general/latest/gr/bk.html
https://docs.aws.amazon.com/general/latest/gr/ddb.html
https://docs.aws.amazon.com/general/latest/gr/elasticfilesystem.html
https://docs.aws.amazon.com/efs/latest/ug/limits.html
https://docs.aws.amazon.com/general/latest/gr/lambda-service.html
https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local_aws.backup.world import Scope
from local_aws.ministack import internals
from local_aws.ministack.scope import current

_SERVICE = "servicequotas"
_TARGET = "ServiceQuotasV20190624"

_PAGE = 2
"""Entries of a page; AWS may return fewer than requested, and so few show who reads one page."""

_MOST = 100


@dataclass(frozen=True)
class Quota:
    """One quota with its default value."""

    service: str
    code: str
    name: str
    value: float
    adjustable: bool = True


_NAMES = {
    "backup": "AWS Backup",
    "dynamodb": "Amazon DynamoDB",
    "elasticfilesystem": "Amazon Elastic File System (EFS)",
    "lambda": "AWS Lambda",
}

DEFAULTS = (
    Quota("backup", "L-BD69F607", "Backup plans per Region per account", 300),
    Quota("backup", "L-7705D2CB", "Backup vaults per Region per account", 300),
    Quota("backup", "L-514878B6", "Recovery points per backup vault", 1_000_000),
    Quota("backup", "L-9122A82F", "Versions per backup plan", 2_000),
    Quota("dynamodb", "L-F98FE922", "Maximum number of tables", 2_500),
    Quota("elasticfilesystem", "L-848C634D", "File systems per account", 1_000),
    Quota("elasticfilesystem", "L-7391004C", "Mount targets per VPC", 400, adjustable=False),
    Quota("lambda", "L-B99A9384", "Concurrent executions", 1_000),
    Quota("lambda", "L-2ACBD22F", "Function and layer storage", 75),
)

Applied = dict[tuple[Scope, str, str], float]


class _Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ServiceQuotas:
    """A service of MiniStack, which has none."""

    def __init__(self) -> None:
        self.applied: Applied = {}
        """The value that an account has in a region, by service and code."""

    def install(self) -> None:
        internals.router.SERVICE_PATTERNS[_SERVICE] = {"target_prefixes": [_TARGET]}
        internals.iam_actions.SERVICE_TO_IAM_NAMESPACE[_SERVICE] = _SERVICE
        internals.app.SERVICE_HANDLERS[_SERVICE] = self.handle_request

    def apply(self, scope: Scope, service: str, code: str, value: float) -> None:
        """Set the applied value. Raises ValueError for a quota that does not exist."""
        if _find(service, code) is None:
            raise ValueError(f"there is no quota {code} of {service}")
        self.applied[scope, service, code] = float(value)

    async def handle_request(
        self, _method: str, _path: str, headers: Mapping[str, str], body: bytes, _query: Any
    ) -> tuple[int, dict[str, str], bytes]:
        """Answer one request in the JSON protocol, version 1.1."""
        try:
            asked = _Asked(json.loads(body or b"{}"))
            answer = self._answer(headers["x-amz-target"].rpartition(".")[2], asked)
        except _Refused as refused:
            return _reply(400, {"__type": refused.code, "Message": str(refused)})
        return _reply(200, answer)

    def _answer(self, operation: str, asked: _Asked) -> dict[str, Any]:
        match operation:
            case "ListServiceQuotas":
                return self._list(asked, self._applied_value, "QuotaCode", "QuotaAppliedAtLevel")
            case "ListAWSDefaultServiceQuotas":
                return self._list(asked, _default_value)
            case "GetServiceQuota":
                return self._get(asked, self._applied_value, "ContextId")
            case "GetAWSDefaultServiceQuota":
                return self._get(asked, _default_value)
        raise _Refused("UnknownOperationException", f"{operation} is not served here")

    def _applied_value(self, quota: Quota) -> dict[str, Any] | None:
        scope = current()
        value = self.applied.get((scope, quota.service, quota.code))
        if value is None:
            return None
        return {**_shown(quota, value, scope.account), "QuotaAppliedAtLevel": "ACCOUNT"}

    def _list(
        self, asked: _Asked, shown: Callable[[Quota], dict[str, Any] | None], *optional: str
    ) -> dict[str, Any]:
        asked.allow("ServiceCode", "NextToken", "MaxResults", *optional)
        found = [shown(each) for each in _of_service(asked.text("ServiceCode"))]
        start, size = asked.page()
        listed = [each for each in found if each is not None]
        page = {"Quotas": listed[start : start + size]}
        more = start + size < len(listed)
        return {**page, "NextToken": str(start + size)} if more else page

    def _get(
        self, asked: _Asked, shown: Callable[[Quota], dict[str, Any] | None], *optional: str
    ) -> dict[str, Any]:
        asked.allow("ServiceCode", "QuotaCode", *optional)
        service, code = asked.text("ServiceCode"), asked.text("QuotaCode")
        quota = _find(service, code)
        found = shown(quota) if quota else None
        if found is None:
            raise _no_such(f"quota {code} of {service}")
        return {"Quota": found}


class _Asked:
    """The members of a request, checked as far as the model says."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._members = members

    def allow(self, *names: str) -> None:
        if unknown := self._members.keys() - set(names):
            raise _Refused("IllegalArgumentException", f"Unknown members: {sorted(unknown)}")

    def text(self, name: str) -> str:
        value = self._members.get(name)
        if not isinstance(value, str) or not value:
            raise _Refused("IllegalArgumentException", f"{name} must not be empty")
        return value

    def page(self) -> tuple[int, int]:
        """Where the page starts, and how many entries it has at most."""
        token, size = self._members.get("NextToken", "0"), self._members.get("MaxResults", _PAGE)
        if not isinstance(size, int) or not 1 <= size <= _MOST:
            raise _Refused("IllegalArgumentException", f"MaxResults must be 1 to {_MOST}")
        if not str(token).isdecimal():
            raise _Refused("InvalidPaginationTokenException", "The token is not valid")
        return int(token), min(size, _PAGE)


def _of_service(service: str) -> Iterable[Quota]:
    if service not in _NAMES:
        raise _no_such(f"service {service}")
    return (each for each in DEFAULTS if each.service == service)


def _find(service: str, code: str) -> Quota | None:
    return next((each for each in DEFAULTS if (each.service, each.code) == (service, code)), None)


def _default_value(quota: Quota) -> dict[str, Any]:
    return _shown(quota, quota.value, "")


def _shown(quota: Quota, value: float, account: str) -> dict[str, Any]:
    scope = current()
    arn = f"arn:{scope.partition}:servicequotas:{scope.region}:{account}"
    return {
        "ServiceCode": quota.service,
        "ServiceName": _NAMES[quota.service],
        "QuotaArn": f"{arn}:{quota.service}/{quota.code}",
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": value,
        "Unit": "None",
        "Adjustable": quota.adjustable,
        "GlobalQuota": False,
    }


def _no_such(what: str) -> _Refused:
    return _Refused("NoSuchResourceException", f"There is no {what} here.")


def _reply(status: int, answer: Mapping[str, Any]) -> tuple[int, dict[str, str], bytes]:
    headers = {"Content-Type": "application/x-amz-json-1.1"}
    return status, headers, json.dumps(answer).encode()
