"""From events to messages: what each is about, which belong together, and the words."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cabal_backup import names, urgent
from cabal_backup.functions.notify.catalogue import (
    ADVICE,
    COPY_BACK,
    JOBS,
    STATUS,
    THIRD_COPY,
    Advice,
)
from cabal_backup.text import mail_subject
from cabal_backup.text import moment as text_moment

MAX_VALUE = 1500
"""Characters of one value of an event; SNS takes 256 KiB for all of a message."""

MAX_MEMBERS = 60
"""Lines for an event of an unknown kind."""

MAX_SECTIONS = 10
"""Different things that one message describes in full."""

Event = Mapping[str, Any]
Facts = tuple[tuple[str, str], ...]

_AT_ITS_END = timedelta(hours=1)
"""How long before its end a point may be deleted that expires: the times are rounded."""

_VAULTS = (names.VAULT, names.DR_VAULT, names.AIR_GAPPED_VAULT)
_TOOL = "cabal-backup"
_CLOUDFORMATION = "cloudformation.amazonaws.com"
_AWS_BACKUP = "AWS Backup"


@dataclass(frozen=True, kw_only=True)
class Occurrence:
    """What one event says."""

    title: str
    facts: Facts
    advice: Advice
    values: Mapping[str, str]
    """What the advice is filled in with."""
    incident: str
    """Occurrences of one incident become one message."""
    about: str = ""
    """What was changed. AWS Backup's own event and the API call are about the same."""
    by_service: bool = False
    """Whether AWS Backup itself reports a change, so that it is not known who made it."""
    when: str = ""


@dataclass(frozen=True)
class Notice:
    """One message."""

    subject: str
    body: str


def understand(event: Event, plan_uses_our_vaults: Callable[[str, str], bool]) -> Occurrence | None:
    """What an event says; None when it is about nothing of ours, or needs no message.

    :param plan_uses_our_vaults: asks AWS Backup, by the id of a plan and of its version.
    """
    if not isinstance(event, Mapping):
        event = {"event": event}
    name, detail = _type(event), _members(event, "detail")
    if isinstance(event.get("alarmData"), Mapping):
        return _alarm(event)
    if name == urgent.CLOUDTRAIL:
        return _call(event, plan_uses_our_vaults)
    if name == "Backup Plan State Change":
        plan = clean(detail.get("backupPlanId")), clean(detail.get("versionId"))
        # The deployment's own plan is created before anyone is watching.
        new = clean(detail.get("state")) == "CREATED" and _is_our_plan(detail)
        return _change(event) if plan_uses_our_vaults(*plan) and not new else None
    if name in ("Backup Vault State Change", "Region Setting State Change") or (
        name == "Copy Job State Change" and detail.get("state") in ("CREATED", "RUNNING")
    ):
        return _change(event)
    if name == "Recovery Point State Change" and detail.get("status") != "EXPIRED":
        return _deletion(event)
    if name in JOBS and name != COPY_BACK:
        return _job(event) if _in_our_vaults(event) else None
    return _unknown(event)


def _change(event: Event) -> Occurrence | None:
    """What AWS Backup itself says of a change, without saying who made it."""
    name, detail = _type(event), _members(event, "detail")
    vault, state = clean(detail.get("backupVaultName")), clean(detail.get("state")).lower()
    kind, is_ours = "plan", True
    title = f"a backup plan that uses our vaults was {state}"
    if name == "Backup Vault State Change":
        kind, is_ours = "lock", vault in _VAULTS and state != "created"
        what = {"false": "removal of the lock", "true": "change of the lock"}
        is_locked = clean(detail.get("isLocked"))
        title = f"{what.get(is_locked, f'the vault was {state}')}, {vault}"
    elif name == "Copy Job State Change":
        kind, title = "copy", "copy to a vault that is not ours"
    elif name == "Region Setting State Change":
        kind, title = "opt-in", f"opt-in switched off, {clean(event.get('region'))}"
        settings = [each for each in detail.values() if isinstance(each, Mapping)]
        is_ours = any(each.get(names.DYNAMODB) is False for each in settings)
    if not is_ours:
        return None
    who = ("Who", "AWS Backup reports this change without saying who made it")
    return _occurrence(
        event,
        f"Protection changed: {title}",
        (who, *_flat_facts(detail)),
        (ADVICE[kind],),
        about=_about(kind, event, detail),
    )


def _about(kind: str, event: Event, members: Event) -> str:
    """What was changed, by the kind of the change; the same of an event and of a call."""
    vault, region = clean(members.get("backupVaultName")), clean(event.get("region"))
    return {
        "lock": f"vault {vault} {region}",
        "vault": f"vault {vault} {region}",
        "points": f"points {vault}",
        "plan": f"plan {clean(members.get('backupPlanId'))}",
        "opt-in": f"opt-in {region}",
        "copy": f"copy {clean(members.get('destinationBackupVaultArn'))}",
    }.get(kind, "")


def _deletion(event: Event) -> Occurrence | None:
    """A recovery point that is deleted before its retention is over."""
    detail = _members(event, "detail")
    end = _members(detail, "calculatedLifeCycle").get("deleteAt")
    try:
        left = datetime.fromisoformat(clean(end)) - datetime.fromisoformat(clean(event["time"]))
        early = left > _AT_ITS_END
    except (KeyError, ValueError):
        early = False  # its end is unknown; the check of the calendar of nights notices it
    vault = clean(detail.get("backupVaultName"))
    if not early or vault not in _VAULTS:
        return None
    return _occurrence(
        event,
        f"Protection changed: deletion of a recovery point, {vault}",
        (("Recovery point", _source(event)), ("Would expire", moment(end))),
        (ADVICE["points"],),
        about=_about("points", event, detail),
    )


def _job(event: Event) -> Occurrence:
    name = _type(event)
    detail = {**_members(event, "detail"), "source": _source(event)}
    if name == "Copy Job State Change":
        if clean(detail.get("sourceBackupVaultArn")).endswith(f":{names.DR_VAULT}"):
            name = COPY_BACK
        if clean(detail.get("destinationBackupVaultArn")).endswith(f":{names.AIR_GAPPED_VAULT}"):
            name = THIRD_COPY
    job = JOBS[name]
    resource = next((clean(detail[r]) for r in job.resource if clean(detail.get(r))), "")
    state = clean(detail.get(job.state)) or "in an unknown state"
    if state == "COMPLETED":
        state = "COMPLETED with issues"
    reasons = (clean(detail.get(key)).strip('"') for key in ("statusMessage", "message"))
    facts = (
        ("Resource", resource),
        ("Type", clean(detail.get("resourceType"))),
        ("Reason", next(filter(None, reasons), "AWS gives none")),
        ("When", moment(detail.get("completionDate") or event.get("time"))),
        ("Region", clean(event.get("region"))),
        *((label, moment(detail.get(member))) for label, member in job.facts.items()),
    )
    title = f"{job.title} {state}: {_short(resource) or 'unknown resource'}"
    return _occurrence(event, title, facts, job.advice, incident="jobs")


def _call(event: Event, plan_uses_our_vaults: Callable[[str, str], bool]) -> Occurrence | None:
    detail = _members(event, "detail")
    asked, identity = _members(detail, "requestParameters"), _members(detail, "userIdentity")
    name, service = clean(detail.get("eventName")), clean(detail.get("eventSource")).split(".")[0]
    kind, what = _kind_of_call(service, name)
    error, source = clean(detail.get("errorCode")), clean(detail.get("sourceIPAddress"))
    agent = clean(detail.get("userAgent"))
    by_tool, by_deployment = f"{_TOOL}/" in agent, _CLOUDFORMATION in source
    if error and by_tool:
        return None  # The tool tries again, and reports to its operator what stays refused.
    if by_deployment and clean(event.get("region")) != os.environ["AWS_REGION"]:
        return None  # The other region reports its own deployments.
    if not _concerns_us(kind, asked, detail, plan_uses_our_vaults):
        return None
    target = next(
        (
            clean(asked[key])
            for key in ("backupVaultName", "roleName", "backupPlanId", "tableName", "name", "rule")
            if asked.get(key)
        ),
        _target(asked) or clean(detail.get("awsRegion")),
    )
    who = next(
        (clean(identity[key]) for key in ("arn", "invokedBy", "principalId") if identity.get(key)),
        "CloudTrail does not say",
    )
    by = "a deployment, through CloudFormation" if by_deployment else ""
    if by_tool:
        reason = agent.rpartition("reason/")[2] if "reason/" in agent else ""
        by = f"the operator's tool, cabal-backup{f'; reason: {reason}' if reason else ''}"
    facts = (
        ("Call", f"{name} of {clean(detail.get('eventSource'))}"),
        ("Refused", " ".join((error, clean(detail.get("errorMessage")))).strip() if error else ""),
        ("Who", who),
        ("From", source),
        ("By", by),
        ("When", moment(detail.get("eventTime") or event.get("time"))),
        ("Region", clean(detail.get("awsRegion") or event.get("region"))),
        ("Asked for", clean(", ".join(f"{key} {value}" for key, value in _flat(asked)))),
        ("Record", f"CloudTrail event {clean(detail.get('eventID'))}"),
    )
    title = "Monitoring attacked" if kind == "monitoring" else "Protection changed"
    if by:
        title = "Announced" if by_tool else "Deployed"
    title = "Attempted, refused" if error else title
    # A new plan has its id in the answer only.
    plan_id = asked.get("backupPlanId") or _response(detail, "backupPlanId")
    about = "" if error else _about(kind, event, {**asked, "backupPlanId": plan_id})
    return _occurrence(
        event,
        f"{title}: {what}, {target}",
        facts,
        (ADVICE["refused" if error else kind],) if kind in ADVICE else (),
        incident=f"{by or who}",
        about=about,
    )


def _kind_of_call(service: str, name: str) -> tuple[str, str]:
    """What a call is about, a key of ADVICE or "", and the words for it."""
    for kind, calls in urgent.CALLS.items():
        if name in calls:
            return kind, calls[name]
    for each, words in urgent.MONITORING.get(service, {}).items():
        if name == each or (each.endswith("*") and name.startswith(each[:-1])):
            return "monitoring", words
    return "", f"call of {name or 'an unknown operation'}"


def _concerns_us(
    kind: str, asked: Event, detail: Event, plan_uses_our_vaults: Callable[[str, str], bool]
) -> bool:
    """Whether a call is about this environment. In case of doubt it is."""
    text = json.dumps(asked)
    refused_without_parameters = bool(detail.get("errorCode")) and not asked
    if kind in ("lock", "points", "vault"):
        return clean(asked.get("backupVaultName")) in _VAULTS or refused_without_parameters
    if kind == "plan":
        if refused_without_parameters or _is_our_plan(asked):
            return True
        # The local part of a vault's ARN, and its name in a rule
        if any(f'"{vault}"' in text or f':{vault}"' in text for vault in _VAULTS):
            return True
        plan_id = clean(asked.get("backupPlanId"))
        # A deleted plan can be read by its version only.
        return bool(plan_id) and plan_uses_our_vaults(plan_id, _response(detail, "versionId"))
    if kind == "opt-in":
        # AWS does not say how CloudTrail spells the keys of a map.
        return any(
            value.lower() == "false" and key.lower().endswith(".dynamodb")
            for key, value in _flat(asked)
        )
    if kind == "copy":
        to = clean(asked.get("destinationBackupVaultArn"))
        account = clean(detail.get("recipientAccountId"))
        return clean(asked.get("sourceBackupVaultName")) in _VAULTS and f":{account}:" not in to
    if kind == "pitr":
        specification = _members(asked, "pointInTimeRecoverySpecification")
        off = clean(specification.get("pointInTimeRecoveryEnabled")).lower() == "false"
        return off and clean(asked.get("tableName")).rpartition("/")[2] in _tables()
    if kind == "role":
        message = clean(detail.get("errorMessage"))
        return asked.get("roleName") == names.ROLE or f"role {names.ROLE} " in message
    # Everything of ours is named after the stacks. A trail belongs to the whole account, and what
    # invokes a function has an id only.
    is_trail = detail.get("eventSource") == "cloudtrail.amazonaws.com"
    by_id = "EventSourceMapping" in clean(detail.get("eventName"))
    return names.STACK in text or is_trail or by_id or not asked


def _is_our_plan(members: Event) -> bool:
    ours = os.environ.get("PLAN_ID")
    return bool(ours) and members.get("backupPlanId") == ours


def _tables() -> list[str]:
    return os.environ["TABLES"].split(",")


def _in_our_vaults(event: Event) -> bool:
    """Whether a job or a point is about one of our vaults; one that names none is."""
    detail = _members(event, "detail")
    named = [
        clean(detail[key]).rpartition(":")[2]
        for key in ("backupVaultName", "backupVaultArn", "sourceBackupVaultArn")
        if detail.get(key)
    ]
    if not named:  # AWS's documented event of a failed restore names no vault.
        return detail.get("resourceType") in names.RESOURCE_KINDS
    return any(vault in _VAULTS for vault in named)


def _target(asked: Event) -> str:
    """What a call of another service is about, by the end of its name or ARN."""
    found = (_short(value) for _, value in _flat(asked) if names.STACK in value)
    return next(found, "")


def _response(detail: Event, key: str) -> str:
    return clean(_members(detail, "responseElements").get(key))


def _alarm(event: Event) -> Occurrence:
    """As CloudWatch hands an alarm to a function.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
    """
    alarm = _members(event, "alarmData")
    state, before = _members(alarm, "state"), _members(alarm, "previousState")
    name = clean(alarm.get("alarmName")) or "an alarm without a name"
    words = clean(_members(alarm, "configuration").get("description")) or name
    value = clean(state.get("value"))
    facts = (
        ("Alarm", name),
        ("State", f"{value}, before {clean(before.get('value')) or 'unknown'}"),
        ("Reason", clean(state.get("reason")) or "CloudWatch gives none"),
        ("Since", moment(state.get("timestamp") or event.get("time"))),
        ("Region", clean(event.get("region"))),
    )
    title = f"OK again: {words}" if value == "OK" else f"{value or 'ALARM'}: {words}"
    return _occurrence(event, title, facts, (), incident="alarm")


def _unknown(event: Event) -> Occurrence:
    """There are no words for it, and it is reported all the same."""
    name = _type(event) or clean(event.get("source")) or "of an unknown kind"
    return _occurrence(event, f"Event: {name}", _flat_facts(event), (), incident=f"unknown {name}")


def _occurrence(
    event: Event,
    title: str,
    facts: Facts,
    advice: Advice,
    *,
    incident: str = _AWS_BACKUP,
    about: str = "",
) -> Occurrence:
    if event.get("source") == names.EVENT_SOURCE and "test" in _members(event, "detail"):
        incident, about = f"test {title} {event.get('region')}", ""
        title = f"TEST {title}"
    return Occurrence(
        title=title,
        facts=facts,
        advice=advice,
        values=_values(event),
        incident=incident,
        about=about,
        by_service=incident == _AWS_BACKUP,
        when=moment(event.get("time")),
    )


def compose(occurrences: Sequence[Occurrence]) -> Notice:
    """One message about all of these, which belong together."""
    by_title: dict[str, list[Occurrence]] = {}
    for each in occurrences:
        by_title.setdefault(each.title, []).append(each)
    counted = [
        title if len(same) == 1 else f"{title} ({len(same):,} times)"
        for title, same in by_title.items()
    ]
    heading = counted[0] if len(counted) == 1 else f"{counted[0]}, and {len(counted) - 1} more"
    lines = [heading]
    if len(counted) > 1:
        lines += ["", *(f"  {each}" for each in counted)]
    advice: dict[tuple[str, str], None] = {}
    for same in list(by_title.values())[:MAX_SECTIONS]:
        first = same[0]
        lines += ["", *([first.title] if len(by_title) > 1 else [])]
        span = f"{len(same):,} times, {same[0].when} to {same[-1].when}; the first:"
        facts = (("Count", span), *first.facts) if len(same) > 1 else first.facts
        lines += [f"{label + ':':<15} {value}" for label, value in facts if value]
        for sentence, command in first.advice:
            filled = _filled(command, first.values)
            if filled is not None:
                advice[_filled(sentence, first.values) or sentence, filled] = None
    advice[STATUS[0], _filled(STATUS[1], occurrences[0].values) or ""] = None
    for sentence, command in advice:
        lines += ["", sentence, *([f"    {command}"] if command else [])]
    return Notice(
        subject=mail_subject(os.environ["ENVIRONMENT"], heading),
        body="\n".join(lines) + "\n",
    )


def _values(event: Event) -> dict[str, str]:
    """What commands are filled in with, safe to paste into a shell."""
    detail = _members(event, "detail")
    region = clean(event.get("region"))
    dr = region == os.environ["DR_REGION"]
    asked = _members(detail, "requestParameters")
    found = {
        key: clean(value) for key, value in {**asked, **detail}.items() if isinstance(value, str)
    }
    found |= {
        "environment": os.environ["ENVIRONMENT"],
        "region": region,
        "where": clean(detail.get("awsRegion")) or region,
        "vault": names.DR_VAULT if dr else names.VAULT,
        "source": _source(event),
    }
    return {
        key: shlex.quote(value)
        for key, value in found.items()
        if value and not value.startswith(("file://", "fileb://"))
    }


def _filled(template: str, values: Mapping[str, str]) -> str | None:
    """The template with its names filled in; None when the event lacks one of them."""
    wanted = [name for _, name, _, _ in string.Formatter().parse(template) if name]
    return template.format_map(values) if all(name in values for name in wanted) else None


def _source(event: Event) -> str:
    """The recovery point an event is about: the first of its resources."""
    resources = event.get("resources")
    return clean(resources[0]) if isinstance(resources, list) and resources else ""


def _type(event: Event) -> str:
    return clean(event.get("detail-type"))


def _members(value: Event, name: str) -> Event:
    """A member that should be an object; empty when it is not."""
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def _flat_facts(value: object) -> Facts:
    return tuple(_flat(value))[:MAX_MEMBERS]


def _flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Every value of a nested object, with the path to it; also inside JSON in a text."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from _flat(member, f"{name}.{key}" if name else clean(key))
    elif isinstance(value, list):
        for member in value:
            yield from _flat(member, name)
    elif value is not None:
        yield clean(name), clean(value)


def clean(value: object) -> str:
    """A value on one line, without control characters, of bearable length."""
    if value is None or isinstance(value, Mapping | list):
        return ""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"


def _short(arn: str) -> str:
    """What people call the resource: the end of its ARN."""
    return arn.rpartition(":")[2].rpartition("/")[2]


def moment(value: object) -> str:
    """A time in UTC, to the minute; anything else as it is."""
    text = clean(value)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text_moment(when.astimezone(UTC)) if when.tzinfo else text
