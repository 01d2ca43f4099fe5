"""What other clients than boto3 and the CDK read and MiniStack does not have.

DescribeAlarms over the query protocol, as botocore before 1.41 and other SDKs speak it, has
every member of an alarm; the tagging API lists vaults and plans; a topic that CloudFormation
creates keeps its key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from local_aws.backup import BackupService
from local_aws.ministack import internals
from local_aws.ministack.scope import current

_LISTS = ("AlarmNames", "AlarmTypes")
_NAMESPACE = "http://monitoring.amazonaws.com/doc/2010-08-01/"


def install(service: BackupService) -> None:
    _describe_alarms_in_full()
    _list_tags_of_backup(service)
    _keep_keys_of_topics()


def _describe_alarms_in_full() -> None:
    cloudwatch = internals.cloudwatch
    describe = cloudwatch._describe_alarms

    def describe_in_full(
        form: Mapping[str, Any], members: Any, is_cbor: bool, is_json: bool = False
    ) -> Any:
        if is_cbor or is_json:
            return describe(form, members, is_cbor, is_json)
        status, headers, body = describe({}, _from_form(form), False, True)
        if status != 200:
            return describe(form, members, is_cbor, is_json)
        result = json.loads(body)
        text = (
            f'<DescribeAlarmsResponse xmlns="{_NAMESPACE}"><DescribeAlarmsResult>{_xml(result)}'
            "</DescribeAlarmsResult><ResponseMetadata><RequestId>"
            "00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata>"
            "</DescribeAlarmsResponse>"
        )
        return 200, {**headers, "Content-Type": "text/xml"}, text.encode()

    cloudwatch._describe_alarms = describe_in_full


def _from_form(form: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a query-protocol form: `AlarmNames.member.1` and the like are lists."""
    given = {name: value[0] if isinstance(value, list) else value for name, value in form.items()}
    members = {
        name: given[name]
        for name in ("AlarmNamePrefix", "StateValue", "NextToken")
        if given.get(name)
    }
    if given.get("MaxRecords"):
        members["MaxRecords"] = int(given["MaxRecords"])
    for name in _LISTS:
        listed = [value for key, value in given.items() if key.startswith(f"{name}.member.")]
        if listed:
            members[name] = listed
    return members


def _xml(value: Any, name: str = "") -> str:
    """A value in the query protocol."""
    if isinstance(value, Mapping):
        return "".join(
            f"<{key}>{_xml(member, key)}</{key}>"
            for key, member in value.items()
            if member is not None and not key.startswith("_")
        )
    if isinstance(value, list):
        return "".join(f"<member>{_xml(member)}</member>" for member in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if name.endswith("Timestamp") and isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).isoformat().replace("+00:00", "Z")
    return escape(str(value))


def _list_tags_of_backup(service: BackupService) -> None:
    def collect() -> Iterator[tuple[str, list[dict[str, str]]]]:
        for arn, tags in service.tagged(current()).items():
            yield arn, [{"Key": key, "Value": value} for key, value in tags.items()]

    for collectors in (internals.tagging._COLLECTORS, internals.tagging._RESOURCE_TAG_COLLECTORS):
        if "backup" in collectors:
            collectors["backup"] = collect


def _keep_keys_of_topics() -> None:
    topic = internals.provisioners._RESOURCE_HANDLERS["AWS::SNS::Topic"]
    topic["create"] = _with_key(topic["create"], properties_at=1)
    topic["update"] = _with_key(topic["update"], properties_at=2)


def _with_key(handle: Callable[..., Any], *, properties_at: int) -> Callable[..., Any]:
    def handle_topic(*arguments: Any, **named: Any) -> Any:
        made = handle(*arguments, **named)
        attributes = internals.sns._topics[made[0]]["attributes"]
        key = arguments[properties_at].get("KmsMasterKeyId")
        if key:
            attributes["KmsMasterKeyId"] = key
        else:
            attributes.pop("KmsMasterKeyId", None)
        return made

    return handle_topic
