"""CloudTrail with AWS's event names, the local AWS's time, and pages."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any

from local_aws.backup.core import due
from local_aws.backup.service import BackupService
from local_aws.backup.world import Scope
from local_aws.ministack import internals
from local_aws.ministack.reports import MiniStackReports
from local_aws.ministack.scope import acting_in
from local_aws.ministack.trail_naming import (
    LAMBDA_NAMES,
    lower_camel,
    path_parameters,
    resources_of,
)

LOOKUP_WINDOW_SECONDS = 90 * 86_400
"""LookupEvents reaches back 90 days."""

_PAGE = 50
"""LookupEvents' largest and default page."""

_READING = ("Get", "List", "Describe", "Lookup", "Head", "BatchGet", "Search", "Simulate")

_GLOBAL_SERVICES = frozenset({"iam"})

_GLOBAL_REGION = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
"""Where calls of global services are recorded, whichever region they were signed for.

CloudTrail User Guide, "About global service events".
"""

_path_parameters: ContextVar[Mapping[str, str] | None] = ContextVar("path_parameters", default=None)
"""The path of the current request."""

_DATA_EVENTS = {
    "dynamodb": ("Item", "Query", "Scan", "ExecuteStatement", "ExecuteTransaction"),
    "s3": ("Object", "Upload", "ListBucket", "HeadBucket"),
    "sqs": ("Message",),
    "sns": ("Publish",),
    "lambda": ("Invoke",),
    "monitoring": ("PutMetricData", "GetMetric"),
    "logs": ("PutLogEvents", "FilterLogEvents", "GetLogEvents"),
    "events": ("PutEvents",),
}
"""Parts of the names of data events, which LookupEvents never shows."""


@dataclass(frozen=True)
class Call:
    """The parts of an API call that an audit entry has."""

    scope: Scope
    event_source: str
    event_name: str
    caller_arn: str
    parameters: Mapping[str, Any] | None
    response: Mapping[str, Any] | None = None
    error_code: str | None = None
    error_message: str | None = None
    user_agent: str = ""
    source_address: str = "127.0.0.1"
    access_key: str = ""
    request_id: str = ""

    @property
    def read_only(self) -> bool:
        return self.event_name.startswith(_READING)


class Trail:
    """Writes MiniStack's event log, answers LookupEvents, sends events to EventBridge."""

    def __init__(self, service: BackupService, reports: MiniStackReports) -> None:
        self._service = service
        self._now = service.clock.now
        self._reports = reports

    def install(self) -> None:
        """Replace recording and LookupEvents; the rest of CloudTrail is MiniStack's."""
        due("trail.event")(self._arrive)
        internals.cloudtrail.record_event = self._record_other_service
        handlers = internals.cloudtrail._DISPATCH
        handlers["LookupEvents"] = self.lookup
        handlers["GetTrailStatus"] = _with_delivery_error(handlers["GetTrailStatus"])
        internals.app._ct_event_name = _with_real_names(internals.app._ct_event_name)
        internals.app._maybe_record_cloudtrail = self._with_its_own_calls(
            internals.app._maybe_record_cloudtrail
        )

    def record(self, call: Call) -> None:
        """Add an entry at the current time."""
        at = self._now()
        entry = _entry(call, at)
        with acting_in(call.scope):
            internals.cloudtrail._get_event_queue().append(
                {
                    "EventId": entry["eventID"],
                    "EventName": call.event_name,
                    "EventSource": call.event_source,
                    "EventTime": at.timestamp(),
                    "Username": _user_name(call),
                    "AccessKeyId": call.access_key,
                    "ReadOnly": "true" if call.read_only else "false",
                    "Resources": resources_of(call.event_source, call.parameters, call.response),
                    "CloudTrailEvent": json.dumps(entry),
                }
            )
            is_global = call.event_source.partition(".")[0] in _GLOBAL_SERVICES
            if not call.read_only and (
                call.event_source == "cloudtrail.amazonaws.com"
                # A trail logs the call that stops, narrows or deletes it.
                or _management_events_are_logged(of_global_services=is_global)
            ):
                if delay := self._service.settings.trail_event_delay:
                    self._service.later(delay, "trail.event", call.scope, entry, at)
                else:
                    self._arrive(None, call.scope, entry, at)

    def _arrive(self, _core: object, scope: Scope, entry: Mapping[str, Any], at: datetime) -> None:
        """EventBridge gets the event of a call."""
        self._reports.event(
            scope,
            source=f"aws.{entry['eventSource'].split('.', 1)[0]}",
            detail_type="AWS API Call via CloudTrail",
            detail=entry,
            resources=[],
            at=at,
        )

    def lookup(self, request: Mapping[str, Any]) -> Any:
        """LookupEvents: newest first, one attribute at most, 50 a page, 90 days back."""
        attributes = request.get("LookupAttributes") or []
        if len(attributes) > 1:
            return _refusal(
                "InvalidLookupAttributesException", "You can specify only one lookup attribute."
            )
        size = int(request.get("MaxResults") or _PAGE)
        if not 1 <= size <= _PAGE:
            return _refusal("InvalidMaxResultsException", f"MaxResults is 1 to {_PAGE}.")
        oldest = max(self._now().timestamp() - LOOKUP_WINDOW_SECONDS, request.get("StartTime") or 0)
        newest = request.get("EndTime") or float("inf")
        # The queue is in the order of time, and long: what is too old is not looked at.
        recent = takewhile(
            lambda event: event["EventTime"] >= oldest,
            reversed(list(internals.cloudtrail._get_event_queue())),
        )
        wanted = [
            event
            for event in recent
            if event["EventTime"] <= newest and all(_matches(event, each) for each in attributes)
        ]
        try:
            start = _position(request.get("NextToken"), wanted)
        except ValueError:
            return _refusal("InvalidNextTokenException", "Invalid token.")
        answer: dict[str, Any] = {"Events": wanted[start : start + size]}
        if start + size < len(wanted):
            answer["NextToken"] = _token(wanted[start + size]["EventId"])
        return internals.cloudtrail._ok(answer)

    def _with_its_own_calls(self, record: Callable[..., None]) -> Callable[..., None]:
        """Record the calls of CloudTrail, which MiniStack does not record."""

        def record_all(
            service: str,
            method: str,
            path: str,
            headers: Mapping[str, str],
            body: bytes,
            query: Mapping[str, Any],
            request_id: str,
            region: str,
        ) -> None:
            if service != "cloudtrail":
                record(service, method, path, headers, body, query, request_id, region)
                return
            self._record_other_service(
                service=service,
                event_name=headers.get("x-amz-target", "").rpartition(".")[2],
                access_key_id=internals.app.extract_access_key_id(headers, query) or "test",
                region=region,
                request_id=request_id,
                user_agent=headers.get("user-agent", ""),
                request_params=json.loads(body or b"{}"),
                method=method,
            )

        return record_all

    def _record_other_service(
        self,
        *,
        service: str,
        event_name: str,
        access_key_id: str,
        region: str,
        request_id: str,
        user_agent: str,
        request_params: Mapping[str, Any],
        method: str,
        **_unused: Any,
    ) -> None:
        """Record a call of a MiniStack service.

        AWS Backup records its calls itself, with their names and answers.
        """
        if event_name == f"{method}.{service}":
            # The name of a query-protocol call is in its form.
            event_name = str(request_params.get("Action", event_name))
        if service == "backup" or any(part in event_name for part in _DATA_EVENTS.get(service, ())):
            return
        scope = Scope(account=internals.responses.get_account_id(), region=region)
        if service in _GLOBAL_SERVICES:
            scope = Scope(scope.account, _GLOBAL_REGION[scope.partition])
        self.record(
            Call(
                scope=scope,
                event_source=f"{service}.amazonaws.com",
                event_name=event_name,
                caller_arn=caller_arn(access_key_id),
                parameters=internals.cloudtrail._scrub(
                    {
                        **{
                            key: value[0] if isinstance(value, list) and len(value) == 1 else value
                            for key, value in request_params.items()
                            if key not in ("Action", "Version")
                        },
                        **(_path_parameters.get() or {}),
                    }
                ),
                user_agent=user_agent,
                access_key=access_key_id,
                request_id=request_id,
            )
        )


def _with_delivery_error(status: Callable[..., Any]) -> Callable[..., Any]:
    """A trail whose bucket does not exist has an error, as after its first delivery.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetTrailStatus.html
    """

    def with_error(request: Mapping[str, Any]) -> Any:
        answer = status(request)
        if answer[0] != 200:
            return answer
        _, _, trail = internals.cloudtrail._find_visible_trail(request["Name"].strip())
        if trail["S3BucketName"] in internals.s3._buckets:
            return answer
        return internals.cloudtrail._ok(
            {**json.loads(answer[2]), "LatestDeliveryError": "NoSuchBucket"}
        )

    return with_error


def _with_real_names(named: Callable[..., str]) -> Callable[..., str]:
    """The name of a REST call by the service's model: MiniStack uses its HTTP method."""

    def event_name(
        service: str, method: str, path: str, headers: Mapping[str, str], query: Mapping[str, Any]
    ) -> str:
        name = named(service, method, path, headers, query)
        _path_parameters.set(path_parameters(service, path))
        if name != f"{method}.{service}" and service != "lambda":
            return name
        action = internals.iam_actions.extract_iam_action(
            service, method, path, headers, b"", query
        )
        real = str(action).rpartition(":")[2] if action else name
        return LAMBDA_NAMES.get(real, real) if service == "lambda" else real

    return event_name


def caller_arn(access_key: str) -> str:
    """The principal behind an access key, within the current account."""
    identity = internals.iam_evaluator.resolve_caller_identity(access_key or "test")
    if identity is None:
        return f"arn:aws:iam::{internals.responses.get_account_id()}:root"
    return str(identity["userArn"])


def _entry(call: Call, at: datetime) -> dict[str, Any]:
    """The CloudTrail record (event version 1.11)."""
    entry: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": _user_identity(call),
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": call.event_source,
        "eventName": call.event_name,
        "awsRegion": call.scope.region,
        "sourceIPAddress": call.source_address,
        "userAgent": call.user_agent,
        "requestParameters": lower_camel(call.parameters) or None,
        "responseElements": None
        if call.read_only or call.error_code
        else lower_camel(call.response) or None,
        "requestID": call.request_id or str(uuid.uuid4()),
        "eventID": str(uuid.uuid4()),
        "readOnly": call.read_only,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": call.scope.account,
        "eventCategory": "Management",
    }
    if call.error_code:
        entry["errorCode"] = call.error_code
        entry["errorMessage"] = call.error_message
    return entry


def _user_identity(call: Call) -> dict[str, Any]:
    account = call.scope.account
    identity: dict[str, Any] = {
        "principalId": account,
        "arn": call.caller_arn,
        "accountId": account,
        "accessKeyId": call.access_key,
    }
    if ":assumed-role/" in call.caller_arn:
        role, session = call.caller_arn.split(":assumed-role/", 1)[1].split("/", 1)
        issuer = {
            "type": "Role",
            "arn": f"arn:aws:iam::{account}:role/{role}",
            "accountId": account,
            "userName": role,
        }
        return {
            "type": "AssumedRole",
            **identity,
            "principalId": f"{role}:{session}",
            "sessionContext": {"sessionIssuer": issuer},
        }
    if ":user/" in call.caller_arn:
        return {"type": "IAMUser", **identity, "userName": _user_name(call)}
    return {"type": "Root", **identity}


def _user_name(call: Call) -> str:
    """The Username of LookupEvents: the user, the role's session, or root."""
    return "root" if call.caller_arn.endswith(":root") else call.caller_arn.rsplit("/", 1)[-1]


def _management_events_are_logged(*, of_global_services: bool) -> bool:
    """Whether a trail of the current account logs management events here.

    EventBridge receives API calls only then (EventBridge User Guide,
    "AWS service events delivered via CloudTrail").
    """
    cloudtrail = internals.cloudtrail
    account = internals.responses.get_account_id()
    for region, name, trail in cloudtrail._visible_trail_items():
        if not trail.get("IsLogging"):
            continue
        if of_global_services and not trail.get("IncludeGlobalServiceEvents", True):
            continue
        selectors = cloudtrail._event_selectors.get_scoped(
            account, region, name, cloudtrail._DEFAULT_EVENT_SELECTORS
        )
        if any(_selects_management_writes(selector) for selector in selectors):
            return True
    return False


def _selects_management_writes(selector: Mapping[str, Any]) -> bool:
    if "FieldSelectors" in selector:
        return any(
            field.get("Field") == "eventCategory" and "Management" in field.get("Equals", [])
            for field in selector["FieldSelectors"]
        )
    return bool(selector.get("IncludeManagementEvents", True)) and selector.get(
        "ReadWriteType", "All"
    ) in ("All", "WriteOnly")


def _matches(event: Mapping[str, Any], attribute: Mapping[str, str]) -> bool:
    key, value = attribute["AttributeKey"], attribute["AttributeValue"]
    if key in ("ResourceName", "ResourceType"):
        return any(resource.get(key) == value for resource in event["Resources"])
    return bool(event.get(key) == value)


def _token(event_id: str) -> str:
    return base64.urlsafe_b64encode(event_id.encode()).decode()


def _position(token: str | None, events: Sequence[Mapping[str, Any]]) -> int:
    """The start of a page. Raises ValueError for a token of no event."""
    if not token:
        return 0
    wanted = base64.urlsafe_b64decode(token.encode()).decode()
    return [event["EventId"] for event in events].index(wanted)


def _refusal(code: str, message: str) -> Any:
    return internals.cloudtrail._err(code, message)
